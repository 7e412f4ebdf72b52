"""Which output folders may be replaced, and what in a folder is nobody's."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rafce.atomic import check_folder_place, final_place, is_staging, making_folder
from rafce.errors import OutputError

LITTER = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""What a Mac or Windows leaves in any folder that it shows: nothing of the user's."""


@contextmanager
def replacing_folder(out: Path, is_ours: Callable[[Path], bool], what: str) -> Iterator[Path]:
    """A temporary folder that becomes `out` when the block ends well, and vanishes when it does not.

    An older folder that `is_ours` or is empty is replaced; any other is refused, before and after. OutputError: a
    foreign folder, a file or a link in the way, no permission.
    """
    with making_folder(out, lambda place: check_replaceable(place, is_ours, what)) as folder:
        yield folder


def check_replaceable(out: Path, is_ours: Callable[[Path], bool], what: str) -> None:
    """OutputError unless `out` is absent, an empty folder, or a folder of ours, and no link."""
    out = final_place(out)
    check_folder_place(out)
    if not out.exists():
        return
    try:
        occupied = bool(names_in(out))
    except OSError as error:
        raise OutputError(f"{out}: cannot be read: {error.strerror}") from None
    if occupied and not is_ours(out):
        raise OutputError(
            f"{out}: expected an empty folder or an older {what}, found other files; nothing was touched"
        )


def names_in(folder: Path) -> set[str]:
    """What a folder holds, but for `LITTER` and what is being written there, or was when its writer was killed."""
    return {path.name for path in folder.iterdir() if not is_staging(path.name)} - LITTER
