"""Label files as numbered lines: encoding, byte-order mark, line ends and what each reader needs from them."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from rafce.errors import LabelError, raise_all


class Named(Protocol):
    """A parsed row; its image name is the join key between the releases."""

    @property
    def image(self) -> str:
        """The name as in the label file, such as 0001.jpg."""


Row = TypeVar("Row", bound=Named)


ReadBytes = Callable[[Path], bytes]


class ReadOnce:
    """Reads label files and remembers what it read: a fingerprint is of the bytes that were parsed, even of a pipe."""

    def __init__(self) -> None:
        self.content: dict[Path, bytes] = {}

    def __call__(self, path: Path) -> bytes:
        """The content of a file, the same each time."""
        if path not in self.content:
            self.content[path] = Path.read_bytes(path)
        return self.content[path]


def decoded_lines(path: Path, read: ReadBytes = Path.read_bytes) -> list[str]:
    """The lines of a UTF-8 text file without their ends; a byte-order mark and CRLF are accepted.

    LabelError: no such file, a folder, unreadable, empty, a NUL byte, bytes that are not UTF-8.
    """
    try:
        data = read(path)
    except FileNotFoundError:
        raise LabelError(f"{path}: expected a label file, found none") from None
    except IsADirectoryError:
        raise LabelError(f"{path}: expected a label file, found a folder") from None
    except OSError as error:
        raise LabelError(f"{path}: cannot be read: {error.strerror}") from None
    data = data.removeprefix(b"\xef\xbb\xbf")
    if not data.strip():
        raise LabelError(f"{path}: expected labels, found an empty file")
    if b"\0" in data:
        raise LabelError(f"{path}:{_line_of(data, data.index(0))}: expected text, found a NUL byte")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        number, byte = _line_of(data, error.start), data[error.start]
        raise LabelError(f"{path}:{number}: expected UTF-8 text, found the byte 0x{byte:02x}") from None
    lines = text.removesuffix("\n").split("\n")
    return [line.removesuffix("\r") for line in lines]


def _line_of(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1


def read_rows(path: Path, parse: Callable[[str], Row], read: ReadBytes = Path.read_bytes) -> list[Row]:
    """All rows in file order; one LabelError lists up to twenty bad lines, a repeated image among them."""
    rows: list[Row] = []
    faults: list[str] = []
    first_seen: dict[str, int] = {}
    lines = decoded_lines(path, read)
    with _collector_paused():
        for number, line in enumerate(lines, start=1):
            try:
                row = parse(line)
            except LabelError as error:
                faults.append(f"{path}:{number}: {error}")
                continue
            earlier = first_seen.setdefault(row.image, number)
            if earlier != number:
                faults.append(
                    f"{path}:{number}: expected each image once, found {row.image} again (line {earlier})"
                )
            rows.append(row)
    raise_all(faults)
    return rows


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Rows hold no cycles; scanning millions of them again and again would double the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def split_fields(line: str, n_fields: int, expected: str) -> list[str]:
    """The fields of a line, split on any white space; LabelError when there are more or fewer."""
    fields = line.split()
    if len(fields) != n_fields:
        raise LabelError(f"expected {expected}, found {_found(line)}")
    check_image_name(fields[0])
    return fields


def check_image_name(name: str) -> None:
    """LabelError for a name that could point outside the image folder."""
    if "/" in name or "\\" in name or name in {".", ".."}:
        raise LabelError(f"expected an image name without a path, found {name!r}")


def _found(line: str) -> str:
    if not line.strip():
        return "an empty line"
    n_fields = len(line.split())
    shown = line.strip() if len(line.strip()) <= 60 else f"{line.strip()[:60]}…"
    return f"{n_fields} field{'s' * (n_fields != 1)}: {shown!r}"
