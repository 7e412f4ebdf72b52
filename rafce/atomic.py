"""The one way a file is written: whole under its name, or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rafce.errors import OutputError


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its name when the block ends well, and vanishes when it does not.

    The temporary name is random and made with `O_EXCL`: two writers of one file never share it, and a link that
    somebody else put there is never followed. OutputError: no folder, no permission, a full disk.
    """
    temporary = path.with_name(f".{path.name}.tmp-{secrets.token_hex(8)}")
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield temporary
        _flush(temporary)
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write the whole content of a file, or leave what stood there as it is."""
    with writing(path) as temporary:
        temporary.write_bytes(content)


def _flush(path: Path) -> None:
    """Force the bytes to disk before the name changes, so that a power cut leaves the old file or the new one."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
