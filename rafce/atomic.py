"""The one way a file or a folder is written: whole under its name, or not at all, and never through a link.

What is being written lies beside its place in a hidden folder, `.NAME.tmp-RANDOM`, together with a file `lock` that its
writer holds. The lock goes with the process, however that ends, also in another container or on another machine that
shares the disk; a process number would not tell there. Whoever writes to the same place next removes what has no
living writer. Where locks do not work (some network disks, Windows) nothing is removed.
"""

import errno
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from rafce.errors import OutputError

try:
    import fcntl

    HAS_LOCKS = True
except ImportError:  # Windows
    HAS_LOCKS = False

LOCK, NEW, OLD = "lock", "new", "old"
STAGING = re.compile(r"\..+\.tmp-[0-9a-f]{16}", re.DOTALL)
MARK = "rafce staging/1"
LONGEST = 200
"""Bytes of a name that fit beside what is added to it: most systems take 255."""
ATTEMPTS = 100
FULL = (errno.ENOSPC, errno.EDQUOT)
OCCUPIED = (errno.ENOTEMPTY, errno.EEXIST)

_held: set[int] = set()
"""Descriptors of the locks of this process."""


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A temporary file that takes the name `path` when the block ends well, and vanishes when it does not.

    It has the suffix of `path`. OutputError: a link, folder or device in the way, no permission, a full disk.
    """
    with _saying(path):
        check_file_place(path)
        with staging(path) as folder:
            temporary = folder / f"{NEW}{path.suffix}"
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            yield temporary
            _flush(temporary, os.O_RDWR)
            check_file_place(path)
            temporary.replace(path)
            _flush_folder(path.parent)


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write the whole content of a file, or leave what stood there as it is."""
    with writing(path) as temporary, temporary.open("wb") as file:
        file.write(content)


@contextmanager
def making_folder(out: Path, check: Callable[[Path], None]) -> Iterator[Path]:
    """A temporary folder that becomes `out` when the block ends well, and vanishes when it does not.

    `check` raises where `out` may not be replaced; it is asked before and after. A folder that stood there is deleted
    once the new one has its name. OutputError: a link or a file in the way, no permission, a full disk.
    """
    out = final_place(out)
    with _saying(out):
        check_folder_place(out)
        check(out)
        out.parent.mkdir(parents=True, exist_ok=True)
        with staging(out) as folder:
            new = folder / NEW
            new.mkdir()
            yield new
            check_folder_place(out)
            check(out)
            _swap_in(new, out, folder / OLD)
            _flush_folder(out.parent)


@contextmanager
def publishing(out: Path) -> Iterator[Path]:
    """A temporary folder whose files take the place of those of the same name in `out` when the block ends well.

    What else is in `out` stays. OutputError: a link, file or device in the way, no permission, a full disk.
    """
    with _saying(out):
        check_folder_place(out)
        out.mkdir(parents=True, exist_ok=True)
        with staging(out / out.name) as folder:
            new = folder / NEW
            new.mkdir()
            yield new
            paths = sorted(new.iterdir())
            for path in paths:  # all of them before the first is moved
                check_file_place(out / path.name)
            for path in paths:
                path.replace(out / path.name)
            _flush_folder(out)


def check_file_place(path: Path) -> None:
    """OutputError unless a file can stand at `path`: nothing is there yet, or a file to replace."""
    _refuse_link(path)
    if path.is_dir():
        raise OutputError(f"{path}: expected the name of a file, found a folder")
    if path.exists() and not path.is_file():  # a rename would put a file in the place of /dev/null
        raise OutputError(f"{path}: expected the name of a file, found a device or a pipe")


def check_folder_place(out: Path) -> None:
    """OutputError unless a folder can stand at `out`: nothing is there yet, or a folder."""
    _refuse_link(out)
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out}: expected the name of a folder, found a file")


def final_place(out: Path) -> Path:
    """The path with every link on the way to it followed, but not one that stands at its end."""
    return out.resolve() if out.name in ("", "..") else out.parent.resolve() / out.name


def is_staging(name: str) -> bool:
    """Whether this is the name of a hidden folder in which something is being written, or was."""
    return STAGING.fullmatch(name) is not None


@contextmanager
def staging(out: Path) -> Iterator[Path]:
    """A hidden folder beside `out` that lasts as long as the block; what dead writers left there goes first."""
    remove_leftovers(out.parent)
    folder, lock = _new_staging(out)
    try:
        yield folder
    finally:
        _remove(folder)
        _let_go(lock)


def remove_leftovers(place: Path) -> None:
    """Remove the hidden folders of writers that are gone; what one had moved aside gets its name back."""
    try:
        with os.scandir(place) as entries:
            found = [entry.name for entry in entries if is_staging(entry.name) and _is_folder(entry)]
    except OSError:
        return  # who writes there will say what is wrong
    for name in found:
        with suppress(OSError):
            _remove_if_dead(place / name)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    return entry.is_dir(follow_symlinks=False)


def _refuse_link(path: Path) -> None:
    if path.is_symlink():
        raise OutputError(
            f"{path}: expected a place to write to, found a link to {os.readlink(path)}; links are not written "  # noqa: PTH115
            "through: name the place itself"
        )


# --- the hidden folder ---


def _new_staging(out: Path) -> tuple[Path, int]:
    """A new hidden folder and the descriptor of its lock."""
    for _ in range(ATTEMPTS):
        folder = out.with_name(f".{_short(out.name)}.tmp-{secrets.token_hex(8)}")
        folder.mkdir(mode=0o700)  # so that nobody else can put a link into it
        with suppress(FileNotFoundError):  # someone took it for a dead writer's before it had its lock
            lock = os.open(folder / LOCK, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
            _held.add(lock)
            if _try_lock(lock) is not False and os.fstat(lock).st_nlink:
                os.write(lock, json.dumps({"mark": MARK, "name": out.name}).encode())
                return folder, lock
            _let_go(lock)
    raise OutputError(f"{out}: cannot be written: others remove what is being written there")


def _short(name: str) -> str:
    return name if len(os.fsencode(name)) <= LONGEST else sha256(os.fsencode(name)).hexdigest()


def _try_lock(descriptor: int) -> bool | None:
    """Whether the lock is now ours; None where there are no locks."""
    if not HAS_LOCKS:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _let_go(lock: int) -> None:
    _held.discard(lock)
    os.close(lock)


def _let_all_go() -> None:
    """A child that was forked must not keep its parent's locks alive."""
    while _held:
        os.close(_held.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_all_go)


def _remove_if_dead(folder: Path) -> None:
    try:
        lock = os.open(folder / LOCK, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        folder.rmdir()  # empty: it ended before it had its lock, or finds out and takes another
        return
    try:
        if not _try_lock(lock):
            return
        content = os.read(lock, 1 << 16)
        if content:
            _give_back(folder, content)
        elif set(os.listdir(folder)) != {LOCK}:  # noqa: PTH208
            return
        _remove(folder)
    finally:
        os.close(lock)


def _give_back(folder: Path, content: bytes) -> None:
    """Give what was moved aside its name back, if nothing has that name; OSError where the folder is not ours."""
    try:
        note = json.loads(content)
        is_ours, name = note["mark"] == MARK, str(note["name"])
    except (ValueError, TypeError, KeyError):
        is_ours, name = False, ""
    if not is_ours or Path(name).name != name:
        raise FileExistsError(folder)
    out, old = folder.with_name(name), folder / OLD
    if old.is_dir() and not os.path.lexists(out):
        old.rename(out)


def _remove(folder: Path) -> None:
    """Remove a hidden folder, its lock last: so what is cut off here is recognized again."""
    with suppress(OSError):
        for path in [path for path in folder.iterdir() if path.name != LOCK]:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        (folder / LOCK).unlink(missing_ok=True)
        folder.rmdir()


# --- the change of names ---


def _swap_in(new: Path, out: Path, old: Path) -> None:
    """Give `new` the name `out`; what had it is `old` now. Where others do the same meanwhile, the last one wins."""
    try:
        for attempt in range(ATTEMPTS):
            shutil.rmtree(old, ignore_errors=True)
            with suppress(FileNotFoundError):
                out.rename(old)
            try:
                new.rename(out)
                return
            except OSError as error:
                if error.errno not in OCCUPIED or attempt == ATTEMPTS - 1:
                    raise
    finally:
        # an interruption may come between any two of these, or where one of them returns
        if old.exists() and not os.path.lexists(out):
            old.rename(out)


@contextmanager
def _saying(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = "the disk is full" if error.errno in FULL else error.strerror or str(error)
        raise OutputError(f"{path}: cannot be written: {reason}; what stood there is untouched") from None


def _flush(path: Path, flags: int) -> None:
    """Force bytes to disk before a name changes, so that a power cut leaves the old content or the new."""
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_folder(folder: Path) -> None:
    """Make a change of names last through a power cut; systems without folder handles have nothing to do."""
    if os.name == "posix":
        with suppress(OSError):  # some disks cannot, and the content is there
            _flush(folder, os.O_RDONLY)
