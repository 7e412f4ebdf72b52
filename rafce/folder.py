"""An output folder that is whole or absent: written as a temporary sibling, then renamed into place."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rafce.errors import OutputError

LITTER = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""What a Mac or Windows leaves in any folder that it shows: nothing of the user's."""


@contextmanager
def replacing_folder(out: Path, is_ours: Callable[[Path], bool], what: str) -> Iterator[Path]:
    """A temporary folder that becomes `out` when the block ends well, and vanishes when it does not.

    An older folder that `is_ours` is moved aside, replaced, then deleted; an empty one is replaced; any other is
    refused. OutputError: a foreign folder, a file in the way, no permission, a full disk.
    """
    out = out.resolve()
    check_replaceable(out, is_ours, what)
    with _saying(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.new-", dir=out.parent))
        try:
            temporary.chmod(0o777 & ~_umask())  # mkdtemp makes it private
            yield temporary
            _swap_in(temporary, out)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def check_replaceable(out: Path, is_ours: Callable[[Path], bool], what: str) -> None:
    """OutputError unless `out` is absent, an empty folder, or a folder of ours."""
    if not os.path.lexists(out):
        return
    if not out.is_dir():
        raise OutputError(f"{out}: expected a place for the {what}, found a file")
    with _saying(out):
        occupied = bool(names_in(out))
    if occupied and not is_ours(out):
        raise OutputError(
            f"{out}: expected an empty folder or an older {what}, found other files; nothing was touched"
        )


def names_in(folder: Path) -> set[str]:
    """What a folder holds, but for `LITTER`."""
    return {path.name for path in folder.iterdir()} - LITTER


def _swap_in(new: Path, out: Path) -> None:
    if not out.exists():
        new.rename(out)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{out.name}.old-", dir=out.parent))
    try:
        out.rename(aside / out.name)
        new.rename(out)
    finally:
        # an interruption may come between any two of these, or where one of them returns
        if not out.exists():
            (aside / out.name).rename(out)
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def _saying(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"{out}: cannot be written: {error.strerror or error}") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
