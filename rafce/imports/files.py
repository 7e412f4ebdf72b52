"""CSV and Parquet files of any size: which there are, what they are made of, and their rows in blocks."""

import csv
import hashlib
import stat
from bisect import bisect_right
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, getincrementaldecoder
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from rafce.errors import MAX_FAULTS, LabelError, raise_all
from rafce.imports.dialect import (
    SEPARATOR_LINE,
    USUAL,
    DecimalCommas,
    Dialect,
    find_separator,
    ragged_hint,
)

SUFFIXES = (".csv", ".tsv", ".txt", ".parquet")
IN_FOLDERS = (".csv", ".tsv", ".parquet")
IN_WORDS = "*.csv, *.tsv or *.parquet"
"""Not .txt: programs write their logs beside their tables, OpenFace `<video>_of_details.txt`."""
PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip")
READ_BYTES = 1 << 20
BLOCK_BYTES = 1 << 22  # long enough that joining a block costs little beside reading it
BLOCK_ROWS = 1 << 16
MOST_LINE_BYTES = 1 << 22
SAMPLE_ROWS = 20
MOST_RAGGED = 10_000
LONG_LINE = (
    f"expected lines of at most {MOST_LINE_BYTES >> 20} MB, found a longer one (is a quote left open?)"
)


@dataclass(frozen=True)
class TableFile:
    """A file, the names of its columns, blanks around them left out, and how it is written if it is text.

    `has_line_breaks`: in quotes, so that its rows are not its lines.
    """

    path: Path
    columns: tuple[str, ...]
    dialect: Dialect = USUAL
    has_line_breaks: bool = False

    @property
    def is_parquet(self) -> bool:
        """Whether it is Parquet; else it is text."""
        return self.path.suffix.lower() == ".parquet"

    def find(self, name: str) -> str | None:
        """The column of this name, capital or small; LabelError: two columns differ in that alone."""
        same = _by_folded(self.columns).get(name.strip().casefold(), ())
        if len(same) > 1:
            shown = " and ".join(repr(column) for column in same)
            raise LabelError(
                f"{self.path}: expected one column called {name}, capital or small, found {shown}"
            )
        return same[0] if same else None


@lru_cache(maxsize=16)
def _by_folded(columns: tuple[str, ...]) -> dict[str, list[str]]:
    """Columns by their names in small letters; thousands of tables may have the same."""
    found: dict[str, list[str]] = {}
    for column in filter(None, columns):
        found.setdefault(column.casefold(), []).append(column)
    return found


class Block(NamedTuple):
    """Neighbouring rows: the columns by name, texts from CSV and whatever it holds from Parquet; the number of rows.

    `place` says where a row of the block stands: file and line, or file and row. `n_bytes` of the file are read now.
    `as_written` has the columns whose decimal commas became points, by the id of what they became. `without_face`: the
    table has no row, which a program writes of an image in which it finds no face; this row stands for the image.
    """

    columns: Mapping[str, Any]
    n_rows: int
    place: Callable[[int], str]
    n_bytes: int
    as_written: Mapping[int, Any] = {}
    without_face: bool = False


class Ragged(NamedTuple):
    """A line of a text table that has more or fewer fields than the header, and what the reason may be."""

    line: int
    fault: str
    hint: str = ""


def find_files(inputs: Sequence[Path], leave_out: Sequence[Path | None] = ()) -> list[Path]:
    """The files named, and the tables (`IN_FOLDERS`) of the folders named in the order of their names.

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
            raise LabelError(f"{path}: expected {IN_WORDS} files in this folder, found none{_texts_in(path)}")
        found += tables
    _check_files(found)
    return found


def _tables_in(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.iterdir() if path.suffix.lower() in IN_FOLDERS and not path.is_dir()
    )


def count_texts(inputs: Sequence[Path]) -> int:
    """How many .txt files the folders among the inputs have, which are read only where each is named."""
    folders = [path for path in inputs if path.is_dir()]
    return sum(path.suffix.lower() == ".txt" for folder in folders for path in folder.iterdir())


def _texts_in(folder: Path) -> str:
    """That a folder has .txt files, for who finds no table in it."""
    n_texts = count_texts([folder])
    return f"; its {n_texts} *.txt files are tables only where each is named" if n_texts else ""


def _overlooked(folder: Path, others: Container[Path]) -> list[str]:
    """The tables that lie in a folder but are not among its files, each a fault."""
    if not folder.is_dir():
        return []
    packed = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in PACKED and Path(path.stem).suffix.lower() in IN_FOLDERS
    ]
    below = [
        path
        for path in folder.glob("*/*")
        if path.suffix.lower() in IN_FOLDERS and path.resolve() not in others
    ]
    expected = f"expected all tables as {IN_WORDS} in {folder} itself, or each file or folder named"
    return [f"{path}: {expected}, found this one elsewhere" for path in sorted(below)] + [
        f"{path}: {expected}, found this one compressed" for path in sorted(packed)
    ]


def _check_files(found: Sequence[Path]) -> None:
    absent = [fault for path in found if (fault := _no_file(path))]
    others = [
        f"{path}: expected the name of a table ({', '.join(SUFFIXES)}), found {path.suffix or 'no suffix'}"
        for path in found
        if path.is_file() and path.suffix.lower() not in SUFFIXES
    ]
    again = Counter(path.resolve() for path in found)
    twice = [f"{path}: expected each file once, found it {n} times" for path, n in again.items() if n > 1]
    raise_all([*absent, *others, *twice])


def check_file(path: Path) -> None:
    """LabelError for what is no file: opening a pipe would wait for ever, a device may have no end."""
    raise_all([fault] if (fault := _no_file(path)) else [])


KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe, which can be read only once"),
    (stat.S_ISSOCK, "a socket"),
    (lambda mode: stat.S_ISCHR(mode) or stat.S_ISBLK(mode), "a device"),
)


def _no_file(path: Path) -> str:
    """What stands there in place of a file, empty if it is one."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return f"{path}: expected a file to read: {error.strerror or error}"
    kinds = [kind for is_kind, kind in KINDS if is_kind(mode)]
    return f"{path}: expected a file to read, found {kinds[0]}" if kinds else ""


def open_table(path: Path) -> TableFile:
    """A file with its columns; LabelError: unreadable, empty, not Parquet, no text, a column twice."""
    check_file(path)
    with _readable(path):
        if path.suffix.lower() == ".parquet":
            names, dialect = pq.read_schema(path).names, USUAL
        else:
            names, dialect = _header(path)
    columns = tuple(name.strip() for name in names)
    twice = sorted(name for name, n in Counter(columns).items() if n > 1 and name)
    place = f"{path}:{dialect.header_line}"
    raise_all([f"{place}: expected each column once, found {name} twice" for name in twice])
    return TableFile(path, columns, dialect)


def _header(path: Path) -> tuple[list[str], Dialect]:
    """The names of the columns, and what separates them."""
    with path.open("rb") as file:
        line, number = _line(path, file, 1), 1
        told = SEPARATOR_LINE.fullmatch(line.rstrip("\r"))
        if told:
            line, number = _line(path, file, 2), 2
        if not line.strip():
            found = "an empty line" if line or file.tell() else "an empty file"
            raise LabelError(f"{path}:{number}: expected the names of the columns, found {found}")
        try:
            separator = told[1] if told else find_separator(line, islice(_rows(file), SAMPLE_ROWS))
            names = next(csv.reader([line], delimiter=separator, skipinitialspace=True, strict=True))
        except (csv.Error, LabelError) as error:
            raise LabelError(f"{path}:{number}: {_what_is_wrong(error)}") from None
    return names, Dialect(separator, number)


def _rows(file: BinaryIO) -> Iterator[str]:
    """The lines behind the header, long ones in pieces."""
    while line := file.readline(READ_BYTES):
        yield line.decode(errors="replace")


def _what_is_wrong(error: Exception) -> str:
    return str(error) if isinstance(error, LabelError) else f"expected the names of the columns: {error}"


def _line(path: Path, file: BinaryIO, number: int) -> str:
    """The next line as text without its end; LabelError: it never ends, or is no text."""
    line = file.readline(MOST_LINE_BYTES + 1)
    if line.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        raise LabelError(f"{path}:{number}: expected UTF-8 text, found UTF-16: save the table as UTF-8")
    if b"\0" in line:
        raise LabelError(f"{path}:{number}: expected text, found a NUL byte")
    if len(line) > MOST_LINE_BYTES:
        raise LabelError(f"{path}:{number}: {LONG_LINE}")
    if b"\r" in line.rstrip(b"\r\n"):
        raise LabelError(f"{path}:{number}: expected lines that end in LF or CRLF, found a CR inside a line")
    try:
        return line.removeprefix(BOM_UTF8).decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise LabelError(
            f"{path}:{number}: expected UTF-8 text, found the byte 0x{line[error.start]:02x}"
        ) from None


def fingerprint(path: Path) -> dict[str, Any]:
    """Name, SHA-256 and the number of lines (Parquet: rows); LabelError: a NUL byte, bytes that are not UTF-8."""
    check_file(path)
    return examined(TableFile(path, ()))[1]


def examined(table: TableFile) -> tuple[TableFile, dict[str, Any]]:
    """A table after all of it was read once, and its `fingerprint` with its dialect if that is not the usual one."""
    text = None if table.is_parquet else _Text(table.path)
    with _readable(table.path), table.path.open("rb") as file:
        if text is None:
            digest, n_lines = hashlib.file_digest(file, "sha256"), pq.read_metadata(table.path).num_rows
        else:
            digest, n_lines = text.read(file), text.n_lines
    found = {"file": table.path.name, "sha256": digest.hexdigest(), "lines": n_lines}
    said = table.dialect.in_words()
    return (
        replace(table, has_line_breaks=text is not None and text.has_line_breaks),
        found | ({"dialect": said} if said else {}),
    )


class _Text:
    """What a text file is made of: its lines, the last of which may lack its end, and whether quotes hold line ends."""

    def __init__(self, path: Path) -> None:
        self.path, self.has_line_breaks = path, False
        self._n_ends, self._since_end, self._in_quotes = 0, 0, False

    @property
    def n_lines(self) -> int:
        """How many lines were read."""
        return self._n_ends + (self._since_end > 0)

    def read(self, file: BinaryIO) -> Any:
        """Read all of a file; its digest. LabelError: no text, a line without end."""
        digest, check = hashlib.sha256(), _TextCheck(self.path)
        while data := file.read(READ_BYTES):
            digest.update(data)
            check(data, self._n_ends)
            self._count(data)
        check(b"", self._n_ends)
        return digest

    def _count(self, data: bytes) -> None:
        n_ends = data.count(b"\n")
        if self._since_end + (data.index(b"\n") if n_ends else len(data)) > MOST_LINE_BYTES:
            raise LabelError(f"{self.path}:{self._n_ends + 1}: {LONG_LINE}")
        if not self.has_line_breaks and (self._in_quotes or b'"' in data):
            self._find_line_breaks(data)
        self._n_ends += n_ends
        self._since_end = len(data) - data.rindex(b"\n") - 1 if n_ends else self._since_end + len(data)

    def _find_line_breaks(self, data: bytes) -> None:
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._in_quotes ^= bool(line.count(b'"') & 1)
            self.has_line_breaks |= self._in_quotes
        self._in_quotes ^= bool(rest.count(b'"') & 1)


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


def read_blocks(
    table: TableFile,
    names: Sequence[str],
    ragged: list[Ragged],
    numbers: Sequence[str] = (),
    whole: Sequence[str] = (),
) -> Iterator[Block]:
    """The named columns, block by block, in constant memory; lines that do not fit the header go to `ragged`.

    Decimal commas are read in the columns of `numbers`, of which `whole` have no decimals, unless commas separate the
    columns. LabelError: the file is broken, or no column has a name and two have it in other capitals.
    """
    there = set(table.columns)
    found = {name: name if name in there else table.find(name) or name for name in names}
    columns = list(dict.fromkeys(found.values()))
    blocks = (_parquet_blocks if table.is_parquet else _csv_blocks)(table, columns, ragged)
    if not table.is_parquet and table.dialect.separator != ",":
        commas = DecimalCommas(table.path, [found[name] for name in numbers], [found[name] for name in whole])
        blocks = (block._replace(**commas.convert(block.columns, block.place)._asdict()) for block in blocks)
    with _readable(table.path):
        for block in blocks:
            yield block._replace(columns={name: block.columns[column] for name, column in found.items()})


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
    first, place = 0, _Lines(table, 0, ragged)

    def note(row: Any) -> str:
        ragged.append(_ragged(table, row, is_shown=len(ragged) < MAX_FAULTS))
        if len(ragged) < MOST_RAGGED:
            return "skip"
        ragged[-1] = ragged[-1]._replace(
            hint=f"({table.path} was read no further than {MOST_RAGGED:,} such lines)"
        )
        return "error"

    with pa.OSFile(str(table.path)) as file, _stopping(ragged):
        for batch in _csv_reader(file, table, names, note):
            columns = dict(zip(names, batch.columns, strict=True))
            yield Block(columns, len(batch), replace(place, first=first), file.tell())
            first += len(batch)


@contextmanager
def _stopping(ragged: list[Ragged]) -> Iterator[None]:
    """End a table quietly in which so many lines are wrong that reading on would only take long."""
    try:
        yield
    except pa.ArrowInvalid:
        if len(ragged) < MOST_RAGGED:
            raise


def _ragged(table: TableFile, row: Any, is_shown: bool) -> Ragged:
    """A line that has more or fewer fields than the header; the reason is sought for those that are shown."""
    where = (
        f"{table.path}:{row.number}"
        if not table.has_line_breaks
        else f"{table.path}: row {row.number - table.dialect.header_line}"
    )
    header = table.dialect.header_line
    fault = f"expected {row.expected_columns} fields as in line {header}, found {row.actual_columns}"
    separator, n_columns = table.dialect.separator, row.expected_columns
    return Ragged(
        row.number,
        f"{where}: {fault}",
        ragged_hint(row.text, separator, n_columns) if is_shown else "",
    )


def _csv_reader(file: Any, table: TableFile, names: Sequence[str], note: Callable[[Any], str]) -> Any:
    """Batches of the named columns as text."""
    reading = pyarrow.csv.ReadOptions(
        use_threads=False,  # only so a bad line knows its number
        block_size=BLOCK_BYTES,
        skip_rows=table.dialect.header_line,
        column_names=table.columns,
    )
    parsing = pyarrow.csv.ParseOptions(
        delimiter=table.dialect.separator,
        ignore_empty_lines=False,
        invalid_row_handler=note,
        newlines_in_values=table.has_line_breaks,
    )
    converting = pyarrow.csv.ConvertOptions(
        include_columns=list(names),
        column_types=dict.fromkeys(names, pa.string()),
        strings_can_be_null=False,
    )
    return pyarrow.csv.open_csv(file, reading, parsing, converting)


@dataclass(frozen=True)
class _Lines:
    """Where the rows of a block of a text table stand, counting the ragged lines between them."""

    table: TableFile
    first: int
    ragged: list[Ragged]

    def __call__(self, row: int) -> str:
        line = self.first + row + self.table.dialect.header_line + 1
        for skipped in self.ragged:
            line += skipped.line <= line
        if self.table.has_line_breaks:  # in quotes: the number of the line is not known
            return f"{self.table.path}: row {line - self.table.dialect.header_line}"
        return f"{self.table.path}:{line}"


def _parquet_blocks(table: TableFile, names: Sequence[str], ragged: list[Ragged]) -> Iterator[Block]:
    del ragged  # Parquet has no lines
    written = dict(zip(table.columns, pq.read_schema(table.path).names, strict=True))
    # with pre-buffering, or without a buffer, memory would follow the file's size
    with pq.ParquetFile(
        table.path, pre_buffer=False, buffer_size=READ_BYTES, page_checksum_verification=True
    ) as file:
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
        if "straddl" in str(error):
            raise LabelError(f"{path}: {LONG_LINE}") from None
        kind = "a Parquet file" if path.suffix.lower() == ".parquet" else "a table as text"
        raise LabelError(f"{path}: expected {kind}: {error}") from None
    except OSError as error:
        raise LabelError(f"{path}: expected a file to read: {error.strerror or error}") from None
