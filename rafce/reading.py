"""Files of others, opened so that none makes the program hang: no device, and no pipe that nobody writes to."""

import errno
import os
import stat
import time
from pathlib import Path
from typing import BinaryIO

KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}

PATIENCE = 1.0
"""Seconds for the writer of a pipe to appear."""


def open_file(path: Path) -> BinaryIO:
    """A regular file to read; OSError says what else is there, such as a folder, a pipe or a device."""
    return _opened(path, (stat.S_IFREG,))


def check_file(path: Path) -> None:
    """OSError as `open_file`, for a file that another library opens by its name."""
    open_file(path).close()


def read_file(path: Path) -> bytes:
    """The content of a regular file, or of a pipe that has a writer, to its end; OSError as `open_file`."""
    with _opened(path, (stat.S_IFREG, stat.S_IFIFO)) as file:
        return _first_byte(path, file.fileno()) + file.read()


def _opened(path: Path, kinds: tuple[int, ...]) -> BinaryIO:
    _check_kind(path, path.stat(), kinds)  # to open a device can do something
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        _check_kind(path, os.fstat(descriptor), kinds)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _check_kind(path: Path, found: os.stat_result, kinds: tuple[int, ...]) -> None:
    kind = stat.S_IFMT(found.st_mode)
    if kind == stat.S_IFDIR:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if kind not in kinds:
        raise OSError(
            errno.EINVAL, f"it is {KINDS.get(kind, 'another kind of thing')}, not a file", str(path)
        )


def _first_byte(path: Path, descriptor: int) -> bytes:
    """What a pipe has ready, at most a byte; OSError where no writer comes, who alone could end the wait.

    A writer waits for a reader to open the pipe, so it gets a moment to appear.
    """
    if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        return b""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            first = os.read(descriptor, 1)
        except BlockingIOError:  # it has a writer, who has not written yet
            first = b""
            break
        if first:
            break
        if time.monotonic() > deadline:
            raise OSError(errno.EPIPE, "it is a pipe that nobody writes to", str(path))
        time.sleep(PATIENCE / 100)
    os.set_blocking(descriptor, True)
    return first
