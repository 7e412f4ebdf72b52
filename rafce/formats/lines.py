"""Label files as numbered lines: encoding, byte-order mark, line ends and what each reader needs from them.

Python's own idea of white space, line ends and digits is that of Unicode: `split`, `splitlines`, `strip`, `float` and
`isdigit` accept what no label file means. Here space and tab separate, LF and CRLF end lines, 0 to 9 are digits.
"""

import gc
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from rafce.errors import LabelError, raise_all
from rafce.reading import read_file

BLANKS = " \t"
SEPARATOR = re.compile(f"[{BLANKS}]+")
NUMBER = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
"""A number that is not negative."""


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
        """The content of a file, the same each time; OSError as `read_file`."""
        if path not in self.content:
            self.content[path] = read_file(path)
        return self.content[path]


def decoded_lines(path: Path, read: ReadBytes = read_file) -> list[str]:
    """The lines of a UTF-8 text file without their ends, LF or CRLF; a byte-order mark is accepted.

    LabelError: no such file, a folder, a device, unreadable, empty, a NUL byte, bytes that are not UTF-8, a carriage
    return alone.
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
    lines = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
    _check_line_ends(path, text, lines)
    return lines


def _check_line_ends(path: Path, text: str, lines: list[str]) -> None:
    """Old Macs ended lines with a carriage return: many lines would be read as one."""
    faults = [
        f"{path}:{number}: expected LF or CRLF at the end of a line, found a carriage return alone"
        for number, line in enumerate(lines, start=1)
        if "\r" in line or (number == len(lines) and text.endswith("\r"))
    ]
    raise_all(faults)


def _line_of(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1


def read_rows(path: Path, parse: Callable[[str], Row], read: ReadBytes = read_file) -> list[Row]:
    """All rows in file order; one LabelError lists up to twenty bad lines, a repeated image among them.

    Names that differ in case alone are one image: on many disks they are one file.
    """
    rows: list[Row] = []
    faults: list[str] = []
    first_seen: dict[str, tuple[int, str]] = {}
    lines = decoded_lines(path, read)
    with _collector_paused():
        for number, line in enumerate(lines, start=1):
            try:
                row = parse(line)
            except LabelError as error:
                faults.append(f"{path}:{number}: {error}")
                continue
            earlier, name = first_seen.setdefault(row.image.lower(), (number, row.image))
            if earlier != number:
                also = "" if name == row.image else f", where it is {name}"
                faults.append(
                    f"{path}:{number}: expected each image once, found {row.image} again (line {earlier}{also})"
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
    """The fields of a line, split on spaces and tabs; LabelError when there are more or fewer."""
    fields = _fields(line)
    if len(fields) != n_fields:
        raise LabelError(f"expected {expected}, found {_found(line)}")
    check_image_name(fields[0])
    return fields


def check_image_name(name: str) -> None:
    """LabelError for a name that could point outside the image folder, or that nobody could read or type."""
    if "/" in name or "\\" in name or name in {".", ".."}:
        raise LabelError(f"expected an image name without a path, found {name!r}")
    if not name.isprintable():
        raise LabelError(f"expected an image name that can be printed, found {name!r}")


def check_same_spelling(files: Mapping[Path, Iterable[str]]) -> None:
    """LabelError names images that files write differently in case alone: joined by name they would not meet."""
    first: dict[str, tuple[str, Path]] = {}
    faults = []
    for path, names in files.items():
        for name in names:
            spelling, where = first.setdefault(name.lower(), (name, path))
            if spelling != name:
                faults.append(f"{path}: expected {spelling} as in {where}, found {name}")
    raise_all(faults)


def decimal(field: str) -> float:
    """A number that is not negative, in ASCII digits; ValueError for any other text."""
    if not NUMBER.fullmatch(field):
        raise ValueError(field)
    return float(field)


def _fields(line: str) -> list[str]:
    bare = line.strip(BLANKS)
    return SEPARATOR.split(bare) if bare else []


def _found(line: str) -> str:
    bare = line.strip(BLANKS)
    if not bare:
        return "an empty line"
    n_fields = len(_fields(line))
    shown = bare if len(bare) <= 60 else f"{bare[:60]}…"
    return f"{n_fields} field{'s' * (n_fields != 1)}: {shown!r}"
