"""Samples in Parquet files of any program and any size: what their columns mean, and chunks of them as bits."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from rafce.errors import DatasetError, raise_all
from rafce.reading import check_file
from rafce.schema import MAX_MASK_AUS, PARTITIONS, Vocabulary, au_column, check_schema

# N rows of a chunk, A action units, Q bytes that hold A bits
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.integer[Any]]
ByteArray = npt.NDArray[np.uint8]

CHUNK_ROWS = 1 << 17  # few enough for the processor's cache, enough that the cost of each array is little
PART_ROWS = 1 << 20
BUFFER_BYTES = 1 << 20
GROUP = "group"
TEXT_COLUMNS = ("partition", "emotion", GROUP)


class Grid(NamedTuple):
    """What is counted apart: each partition × emotion, a class, and each AU; without partitions all rows are one.

    When it is `grouped`, rows are read together with their groups.
    """

    partitions: tuple[str, ...]
    words: Vocabulary
    grouped: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """P, E and A; P is 1 without partitions."""
        return max(1, len(self.partitions)), len(self.words.emotions), len(self.words.aus)


class Layout(NamedTuple):
    """The columns of a file that tell partition (if asked for) and emotion, and those that tell the AUs."""

    labels: tuple[str, ...]
    aus: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is read."""
        return self.labels + self.aus


class Part(NamedTuple):
    """Neighbouring row groups of one file: what one task reads."""

    path: Path
    layout: Layout
    row_groups: tuple[int, ...]
    first_row: int
    n_rows: int


class Samples(NamedTuple):
    """Samples that were found but not read: how to count them, and the parts that together hold every row once.

    `columns` names the columns that every file has.
    """

    grid: Grid
    parts: tuple[Part, ...]
    columns: frozenset[str]

    @property
    def n_rows(self) -> int:
        """How many rows all parts have."""
        return sum(part.n_rows for part in self.parts)

    @property
    def in_groups(self) -> bool:
        """Whether each row says of which group it is."""
        return GROUP in self.columns


class Chunk(NamedTuple):
    """Rows as a kernel wants them: bit i % 8 of byte i // 8 is the i-th AU of the vocabulary.

    `class_N` is partition id · E + emotion id, in the smallest type that holds it. An AU that is not known is not
    active; `known_QN` is None where all are known. `group_N`, only of a grouped grid, are texts in dictionary form.
    """

    class_N: IntArray
    active_QN: ByteArray
    known_QN: ByteArray | None
    group_N: pa.DictionaryArray | None = None


class _Footer(NamedTuple):
    path: Path
    schema: pa.Schema
    group_rows: tuple[int, ...]


class _Place(NamedTuple):
    """Where a chunk begins, for messages; its first row is number `row`, counted from 1."""

    path: Path
    row: int


def find_samples(
    path: Path, words: Vocabulary | None = None, partitions: tuple[str, ...] = PARTITIONS
) -> Samples:
    """The samples of one Parquet file, or of all `*.parquet` of a folder in the order of their names.

    The vocabulary is `words`, else that of the files' metadata; files of other programs may carry none. With no
    `partitions` the column of that name is not read. DatasetError: nothing there, no vocabulary, two vocabularies,
    columns that are missing or of another type.
    """
    footers = [_footer(file_path) for file_path in _parquet_files(path)]
    grid = Grid(partitions, _vocabulary(footers, words, path))
    also = [GROUP] if any(GROUP in footer.schema.names for footer in footers) else []
    raise_all([fault for footer in footers for fault in _layout_faults(footer, grid, also)], DatasetError)
    columns = frozenset.intersection(*(frozenset(footer.schema.names) for footer in footers))
    return Samples(grid, tuple(part for footer in footers for part in _cut(footer, grid)), columns)


def read_chunks(part: Part, grid: Grid) -> Iterator[Chunk]:
    """The rows of a part, `CHUNK_ROWS` at a time; DatasetError names the rows whose values mean nothing."""
    for chunk, _ in read_rows(part, grid, ()):
        yield chunk


def read_rows(part: Part, grid: Grid, columns: Sequence[str]) -> Iterator[tuple[Chunk, pa.RecordBatch]]:
    """What `read_chunks` gives, each chunk beside further columns of the same rows, as the file has them.

    DatasetError as `read_chunks`, and where the file lacks one of the columns.
    """
    row = part.first_row + 1
    needed = (*part.layout.columns, *([GROUP] if grid.grouped else []))
    names = list(dict.fromkeys((*needed, *columns)))
    with _opened(part.path, [name for name in needed if name in TEXT_COLUMNS]) as file:
        missing = [name for name in columns if name not in file.schema_arrow.names]
        raise_all([f"{part.path}: expected a column {name}, found none" for name in missing], DatasetError)
        # one thread each, since parts are read side by side
        for batch in file.iter_batches(CHUNK_ROWS, list(part.row_groups), names, use_threads=False):
            yield _chunk(batch, part.layout, grid, _Place(part.path, row)), batch.select(list(columns))
            row += len(batch)


def au_tables(chunk: Chunk, n_aus: int) -> tuple[BoolArray, BoolArray]:
    """Active and known, both of shape (N, A), for whoever needs rows rather than bits."""
    active_NA = _unpacked(chunk.active_QN, n_aus)
    if chunk.known_QN is None:
        return active_NA, np.ones_like(active_NA)
    return active_NA, _unpacked(chunk.known_QN, n_aus)


def _unpacked(planes_QN: ByteArray, n_aus: int) -> BoolArray:
    return np.unpackbits(planes_QN.T, axis=1, count=n_aus, bitorder="little").view(bool)


# --- files ---


def _parquet_files(path: Path) -> list[Path]:
    paths = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not paths:
        raise DatasetError(f"{path}: expected a folder of *.parquet files, found none in it")
    return [file_path.absolute() for file_path in paths]


@contextmanager
def _opened(path: Path, as_dictionary: Sequence[str] = ()) -> Iterator[Any]:
    """A Parquet file to stream; with pre-buffering, or without a buffer, memory would follow the file's size."""
    try:
        check_file(path)
        with pq.ParquetFile(
            path, pre_buffer=False, buffer_size=BUFFER_BYTES, read_dictionary=as_dictionary
        ) as file:
            yield file
    except FileNotFoundError:
        raise DatasetError(f"{path}: expected a Parquet file, found none") from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # a damaged footer is the latter
        raise DatasetError(f"{path}: expected a Parquet file: {error}") from None


def _footer(path: Path) -> _Footer:
    with _opened(path) as file:
        groups = range(file.num_row_groups)
        return _Footer(
            path, file.schema_arrow, tuple(file.metadata.row_group(group).num_rows for group in groups)
        )


def _cut(footer: _Footer, grid: Grid) -> Iterator[Part]:
    """A file's row groups, gathered until a part has `PART_ROWS` rows."""
    layout = _layout(footer.schema, grid)
    groups: list[int] = []
    first_row, n_rows = 0, 0
    for group, rows in enumerate(footer.group_rows):
        groups.append(group)
        n_rows += rows
        if n_rows >= PART_ROWS or group == len(footer.group_rows) - 1:
            yield Part(footer.path, layout, tuple(groups), first_row, n_rows)
            groups, first_row, n_rows = [], first_row + n_rows, 0


def _vocabulary(footers: Sequence[_Footer], words: Vocabulary | None, where: Path) -> Vocabulary:
    for footer in footers:
        metadata = footer.schema.metadata or {}
        if not any(key.startswith(b"rafce.") for key in metadata):
            continue
        found = check_schema(metadata, "samples", footer.path)
        if words is not None and found != words:
            raise DatasetError(
                f"{footer.path}: expected the emotions and AUs of the rest of the dataset, found others"
            )
        words = found
    if words is None or not all(words):
        raise DatasetError(f"{where}: expected emotion names and AU numbers in its metadata, found none")
    return words


# --- columns ---


def _layout(schema: pa.Schema, grid: Grid) -> Layout:
    names, aus = schema.names, grid.words.aus
    labels = (
        *(["partition"] if grid.partitions else []),
        "emotion_id" if "emotion_id" in names else "emotion",
    )
    if "au_mask" not in names or len(aus) > MAX_MASK_AUS:
        return Layout(labels, tuple(au_column(au) for au in aus))
    return Layout(labels, ("au_mask", "au_known") if "au_known" in names else ("au_mask",))


def _layout_faults(footer: _Footer, grid: Grid, also: Sequence[str]) -> Iterator[str]:
    for name in (*_layout(footer.schema, grid).columns, *also):
        expected, fits = _expectation(name)
        position = footer.schema.get_field_index(name)
        if position < 0:
            yield f"{footer.path}: expected a column {name} ({expected}), found none"
        elif not fits(kind := footer.schema.field(position).type):
            yield f"{footer.path}: expected {expected} in column {name}, found {kind}"


def _expectation(column: str) -> tuple[str, Any]:
    """What a column holds, in words and as a test of its type."""
    if column in TEXT_COLUMNS:
        return "text", _is_text
    if column == "emotion_id":
        return "integers", pa.types.is_integer
    if column in ("au_mask", "au_known"):
        return "uint32", pa.types.is_uint32
    # other programs write a column without any value with the type null
    return "bool", lambda kind: pa.types.is_boolean(kind) or pa.types.is_null(kind)


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


# --- values ---


def _chunk(batch: pa.RecordBatch, layout: Layout, grid: Grid, place: _Place) -> Chunk:
    names, n_aus = layout.aus, len(grid.words.aus)
    columns = [batch.column(name) for name in names]
    if names[0] == "au_mask":
        planes = [_mask_planes(*named, n_aus, place) for named in zip(names, columns, strict=True)]
        active_QN, known_QN = planes[0], planes[1] if len(planes) == 2 else None
    else:
        active_QN, known_QN = _bool_planes(columns)
    if known_QN is not None:
        active_QN = active_QN & known_QN
    group_N = _groups(batch.column(GROUP), place) if grid.grouped else None
    return Chunk(_classes(batch, layout.labels[-1], grid, place), active_QN, known_QN, group_N)


def _classes(batch: pa.RecordBatch, emotion: str, grid: Grid, place: _Place) -> IntArray:
    # bytes where classes fit in them: as int64 they would cost more than the counting
    n_partitions, n_emotions, _ = grid.shape
    kind = np.min_scalar_type(-n_partitions * n_emotions)
    if emotion == "emotion":
        emotion_N = _positions(batch.column(emotion), grid.words.emotions, kind, place)
    else:
        emotion_N = _ids(batch.column(emotion), n_emotions, place).astype(kind, copy=False)
    if not grid.partitions:
        return emotion_N
    return _positions(batch.column("partition"), grid.partitions, kind, place) * n_emotions + emotion_N


def _groups(column: pa.DictionaryArray, place: _Place) -> pa.DictionaryArray:
    _check(_valid(column), column, "a group", place)
    return column


def _positions(
    column: pa.DictionaryArray, names: Sequence[str], kind: np.dtype[Any], place: _Place
) -> IntArray:
    """The position among `names` of each text."""
    position = {name: i for i, name in enumerate(names)}
    found = [position.get(text, -1) for text in column.dictionary.to_pylist()]
    position_N = np.array([*found, -1], kind).take(_numpy(column.indices, len(found)))
    _check(position_N >= 0, column, f"one of {', '.join(names)}", place)
    return position_N


def _ids(column: pa.Array, n_emotions: int, place: _Place) -> IntArray:
    id_N = _numpy(column, 0)
    # the largest alone mostly tells, and quickly: without its sign a negative number is a large one
    if column.null_count or id_N.view(f"u{id_N.itemsize}").max(initial=0) >= n_emotions:
        fine_N = (id_N >= 0) & (id_N < n_emotions) & _valid(column)
        _check(fine_N, column, f"an emotion_id from 0 to {n_emotions - 1}", place)
    return id_N


def _mask_planes(name: str, column: pa.Array, n_aus: int, place: _Place) -> ByteArray:
    """The bytes of `au_mask` or `au_known`."""
    mask_N = _numpy(column, 0).astype("<u4", copy=False)
    most = np.uint32(2**n_aus - 1)
    if column.null_count or mask_N.max(initial=0) > most:
        fine_N = (mask_N <= most) & _valid(column)
        _check(fine_N, column, f"{name} below 2^{n_aus}, a bit an AU", place)
    return mask_N.view(np.uint8).reshape(-1, 4).T[: n_bytes(n_aus)]


def _bool_planes(columns: Sequence[pa.Array]) -> tuple[ByteArray, ByteArray | None]:
    """The bool columns of all AUs, and where they are not null."""
    columns = [column.cast(pa.bool_()) for column in columns]
    active_QN = _packed([_bits(column) for column in columns])
    if not any(column.null_count for column in columns):
        return active_QN, None
    return active_QN, _packed([_valid(column).view(np.uint8) for column in columns])


def _packed(bits_AN: Sequence[ByteArray]) -> ByteArray:
    planes_QN = np.zeros((n_bytes(len(bits_AN)), len(bits_AN[0])), np.uint8)
    for i, bits_N in enumerate(bits_AN):
        planes_QN[i // 8] |= bits_N << (i % 8)
    return planes_QN


def n_bytes(n_aus: int) -> int:
    """How many bytes hold a bit for each AU."""
    return -(-n_aus // 8)


def _bits(column: pa.BooleanArray) -> ByteArray:
    """A bool column as 0 and 1; whatever its buffer holds where it is null."""
    first_byte, skipped = divmod(column.offset, 8)
    packed = np.frombuffer(column.buffers()[1], np.uint8)[first_byte:]
    return np.unpackbits(packed, count=skipped + len(column), bitorder="little")[skipped:]


def _valid(column: pa.Array) -> BoolArray:
    return _bits(column.is_valid()).view(bool) if column.null_count else np.ones(len(column), bool)


def _numpy(column: pa.Array, instead_of_null: int) -> npt.NDArray[Any]:
    # to_numpy would import pandas
    values: npt.NDArray[Any] = np.from_dlpack(
        column.fill_null(instead_of_null) if column.null_count else column
    )
    return values


def _check(fine_N: BoolArray, column: pa.Array, expected: str, place: _Place) -> None:
    if fine_N.all():
        return
    rows = np.flatnonzero(~fine_N).tolist()
    at = [f"{place.path}: row {place.row + row}" for row in rows]
    raise_all(
        [
            f"{where}: expected {expected}, found {column[row].as_py()}"
            for where, row in zip(at, rows, strict=True)
        ],
        DatasetError,
    )
