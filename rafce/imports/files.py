"""CSV and Parquet files of any size: which there are, what they are made of, and their rows in blocks."""

import csv
import hashlib
from bisect import bisect_right
from codecs import getincrementaldecoder
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from rafce.errors import LabelError, raise_all

SUFFIXES = (".csv", ".parquet")
PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip")
READ_BYTES = 1 << 20
BLOCK_BYTES = 1 << 22  # long enough that joining a block costs little beside reading it
BLOCK_ROWS = 1 << 16
BOM = b"\xef\xbb\xbf"


class TableFile(NamedTuple):
    """A file and the names of its columns, blanks around them left out."""

    path: Path
    columns: tuple[str, ...]

    @property
    def is_parquet(self) -> bool:
        """Whether it is Parquet; else it is CSV."""
        return self.path.suffix.lower() == ".parquet"


class Block(NamedTuple):
    """Neighbouring rows: the columns by name, texts from CSV and whatever it holds from Parquet; the number of rows.

    `place` says where a row of the block stands: file and line, or file and row. `n_bytes` of the file are read now.
    """

    columns: Mapping[str, Any]
    n_rows: int
    place: Callable[[int], str]
    n_bytes: int


class Ragged(NamedTuple):
    """A line of a CSV file that has more or fewer fields than the header."""

    line: int
    fault: str


def find_files(inputs: Sequence[Path], leave_out: Sequence[Path | None] = ()) -> list[Path]:
    """The files named, and the CSV and Parquet files of the folders named in the order of their names.

    Of a folder the files of `leave_out` are none. LabelError: nothing there, a folder without tables, a file of another
    kind, a file twice.
    """
    others = {path.resolve() for path in leave_out if path is not None}
    found: list[Path] = []
    for path in inputs:
        tables = (
            [child for child in _tables_in(path) if child.resolve() not in others]
            if path.is_dir()
            else [path]
        )
        raise_all(_overlooked(path, others))
        if not tables:
            raise LabelError(f"{path}: expected *.csv or *.parquet files in this folder, found none")
        found += tables
    _check_files(found)
    return found


def _tables_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())


def _overlooked(folder: Path, others: Container[Path]) -> list[str]:
    """The tables that lie in a folder but are not among its files, each a fault."""
    if not folder.is_dir():
        return []
    packed = [
        path for path in folder.iterdir() if path.suffix in PACKED and Path(path.stem).suffix in SUFFIXES
    ]
    below = [
        path
        for path in folder.glob("*/*")
        if path.suffix.lower() in SUFFIXES and path.resolve() not in others
    ]
    expected = f"expected all tables as *.csv or *.parquet in {folder} itself, or each file or folder named"
    return [f"{path}: {expected}, found this one elsewhere" for path in sorted(below)] + [
        f"{path}: {expected}, found this one compressed" for path in sorted(packed)
    ]


def _check_files(found: Sequence[Path]) -> None:
    absent = [f"{path}: expected a CSV or Parquet file, found none" for path in found if not path.is_file()]
    others = [
        f"{path}: expected the name of a CSV or Parquet file, found {path.suffix or 'no suffix'}"
        for path in found
        if path.is_file() and path.suffix.lower() not in SUFFIXES
    ]
    again = Counter(path.resolve() for path in found)
    twice = [f"{path}: expected each file once, found it {n} times" for path, n in again.items() if n > 1]
    raise_all([*absent, *others, *twice])


def open_table(path: Path) -> TableFile:
    """A file with its columns; LabelError: unreadable, empty, not Parquet, no text, a column twice."""
    with _readable(path):
        names = pq.read_schema(path).names if path.suffix.lower() == ".parquet" else _header(path)
    columns = tuple(name.strip() for name in names)
    twice = sorted({name for name in columns if columns.count(name) > 1 and name})
    raise_all([f"{path}:1: expected each column once, found {name} twice" for name in twice])
    return TableFile(path, columns)


def _header(path: Path) -> list[str]:
    with path.open("rb") as file:
        line = file.readline().removeprefix(BOM)
    if not line.strip():
        raise LabelError(
            f"{path}:1: expected the names of the columns, found {'an empty line' if line else 'an empty file'}"
        )
    try:
        return next(csv.reader([line.decode("utf-8").rstrip("\r\n")], skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise LabelError(f"{path}:1: expected comma-separated values: {error}") from None
    except UnicodeDecodeError as error:
        raise LabelError(f"{path}:1: expected UTF-8 text, found the byte 0x{line[error.start]:02x}") from None


def fingerprint(path: Path) -> dict[str, Any]:
    """Name, SHA-256 and the number of lines (Parquet: rows); LabelError: a NUL byte, bytes that are not UTF-8."""
    with _readable(path), path.open("rb") as file:
        if path.suffix.lower() == ".parquet":
            digest, n_lines = hashlib.file_digest(file, "sha256"), pq.read_metadata(path).num_rows
        else:
            digest, n_lines = _read_text(path, file)
    return {"file": path.name, "sha256": digest.hexdigest(), "lines": n_lines}


def _read_text(path: Path, file: BinaryIO) -> tuple[Any, int]:
    """The digest of a text and the number of its lines, the last of which may lack its end."""
    digest, check, n_ends, last = hashlib.sha256(), _TextCheck(path), 0, b"\n"
    while data := file.read(READ_BYTES):
        digest.update(data)
        check(data, n_ends)
        n_ends += data.count(b"\n")
        last = data[-1:]
    check(b"", n_ends)
    return digest, n_ends + (last != b"\n")


class _TextCheck:
    """Whether pieces of a file are UTF-8 without NUL, wherever a letter of several bytes is cut."""

    def __init__(self, path: Path) -> None:
        self.path, self.decoder = path, getincrementaldecoder("utf-8")()

    def __call__(self, data: bytes, n_lines: int) -> None:
        """Check the next piece, or the end where it is empty; `n_lines` end before it."""
        if b"\0" in data:
            line = n_lines + 1 + data.count(b"\n", 0, data.index(0))
            raise LabelError(f"{self.path}:{line}: expected text, found a NUL byte")
        try:
            self.decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            # what the decoder had kept of the last piece holds no line end
            line = n_lines + 1 + error.object.count(b"\n", 0, error.start)
            found = f"the byte 0x{error.object[error.start]:02x}"
            raise LabelError(f"{self.path}:{line}: expected UTF-8 text, found {found}") from None


def read_blocks(table: TableFile, names: Sequence[str], ragged: list[Ragged]) -> Iterator[Block]:
    """The named columns, block by block, in constant memory; lines that do not fit the header go to `ragged`.

    LabelError: the file is broken, or has no row.
    """
    read = _parquet_blocks if table.is_parquet else _csv_blocks
    n_rows = 0
    with _readable(table.path):
        for block in read(table, names, ragged):
            n_rows += block.n_rows
            yield block
    if not n_rows and not ragged:
        raise LabelError(f"{table.path}: expected rows below the names of the columns, found none")


class Places:
    """Where rows stand, by their number among all that were read."""

    def __init__(self) -> None:
        self._first: list[int] = []
        self._place: list[Callable[[int], str]] = []
        self.n_rows = 0

    def add(self, block: Block) -> None:
        """The rows of the next block."""
        self._first.append(self.n_rows)
        self._place.append(block.place)
        self.n_rows += block.n_rows

    def __call__(self, row: int) -> str:
        """File and line of a row."""
        i = bisect_right(self._first, row) - 1
        return self._place[i](row - self._first[i])


def _csv_blocks(table: TableFile, names: Sequence[str], ragged: list[Ragged]) -> Iterator[Block]:
    def note(row: Any) -> str:
        fault = f"expected {row.expected_columns} fields as in line 1, found {row.actual_columns}"
        ragged.append(Ragged(row.number, f"{table.path}:{row.number}: {fault}"))
        return "skip"

    first = 0
    with pa.OSFile(str(table.path)) as file:
        for batch in _csv_reader(file, table.columns, names, note):
            columns = dict(zip(names, batch.columns, strict=True))
            yield Block(columns, len(batch), _Lines(table.path, first, ragged), file.tell())
            first += len(batch)


def _csv_reader(file: Any, columns: Sequence[str], names: Sequence[str], note: Callable[[Any], str]) -> Any:
    """Batches of the named columns as text."""
    reading = pyarrow.csv.ReadOptions(
        use_threads=False,  # only so a bad line knows its number
        block_size=BLOCK_BYTES,
        skip_rows=1,
        column_names=columns,
    )
    parsing = pyarrow.csv.ParseOptions(ignore_empty_lines=False, invalid_row_handler=note)
    converting = pyarrow.csv.ConvertOptions(
        include_columns=list(names),
        column_types=dict.fromkeys(names, pa.string()),
        strings_can_be_null=False,
    )
    return pyarrow.csv.open_csv(file, reading, parsing, converting)


@dataclass(frozen=True)
class _Lines:
    """Where the rows of a block of a CSV file stand, counting the ragged lines between them."""

    path: Path
    first: int
    ragged: list[Ragged]

    def __call__(self, row: int) -> str:
        line = self.first + row + 2
        for skipped in self.ragged:
            line += skipped.line <= line
        return f"{self.path}:{line}"


def _parquet_blocks(table: TableFile, names: Sequence[str], ragged: list[Ragged]) -> Iterator[Block]:
    del ragged  # Parquet has no lines
    written = dict(zip(table.columns, pq.read_schema(table.path).names, strict=True))
    # with pre-buffering, or without a buffer, memory would follow the file's size
    with pq.ParquetFile(table.path, pre_buffer=False, buffer_size=READ_BYTES) as file:
        _check_kinds(table.path, file.schema_arrow, [written[name] for name in names])
        n_bytes, first = table.path.stat().st_size, 0
        for batch in file.iter_batches(BLOCK_ROWS, columns=list(map(written.get, names)), use_threads=False):
            batch.validate(full=True)  # other programs may write text that is no UTF-8
            columns = {name: batch.column(written[name]) for name in names}
            done = n_bytes * (first + len(batch)) // file.metadata.num_rows
            yield Block(columns, len(batch), _Rows(table.path, first + 1), done)
            first += len(batch)


def _check_kinds(path: Path, schema: pa.Schema, names: Sequence[str]) -> None:
    kinds = {name: schema.field(name).type for name in names}
    fits = (is_text, pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_null)
    raise_all(
        [
            f"{path}: expected text, numbers or bool in column {name}, found {kind}"
            for name, kind in kinds.items()
            if not any(fit(kind) for fit in fits)
        ]
    )


def is_text(kind: pa.DataType) -> bool:
    """Whether a column holds text, also by numbers of a dictionary."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


@dataclass(frozen=True)
class _Rows:
    """Where the rows of a block of a Parquet file stand."""

    path: Path
    first: int

    def __call__(self, row: int) -> str:
        return f"{self.path}: row {self.first + row}"


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, UnicodeDecodeError) as error:  # a damaged footer is the latter
        kind = "a Parquet file" if path.suffix.lower() == ".parquet" else "comma-separated values"
        raise LabelError(f"{path}: expected {kind}: {error}") from None
    except OSError as error:
        raise LabelError(f"{path}: expected a file to read: {error.strerror or error}") from None
