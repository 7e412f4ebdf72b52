"""The only writer and reader of Parquet files: zstd, page checksums, and a seal that tells damage from edits.

Page checksums guard what pages hold, not the headers between them nor the footer, which name columns, types, encodings
and the vocabulary. So the writer puts a seal in the gap before the footer, where every other reader looks past it: the
SHA-256 of the footer and a CRC-32 of each column chunk, headers and all. A file that another program writes again loses
its seal and keeps its metadata, so a seal (unlike a digest in the metadata) never blames an edit for damage. And since
`write_parquet` seals no samples whose columns contradict each other, those of a sealed file need no second check.

    seal = HEAD · SHA-256 of footer · CRC-32 of each chunk · number of chunks · CRC-32 of the three before it · TAIL
"""

import hashlib
import io
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rafce.checks.rows import is_sound
from rafce.errors import DatasetError
from rafce.reading import open_file
from rafce.schema import SCHEMA_KEY, Vocabulary, check_schema, check_vocabulary

HEAD, TAIL = b"rafce.seal/1", b"1/laes.ecfar"
MAGIC = b"PAR1"
FOOTER_END = 8  # the footer's length and the magic
HASH, NUMBER = 32, 4  # bytes
BLOCK_BYTES = 1 << 20
TRACES_BYTES = 1 << 16


class Stored(NamedTuple):
    """A table of the dataset folder, its vocabulary, and whether it is as `write_parquet` left it."""

    table: pa.Table
    words: Vocabulary
    sealed: bool


class OpenFile(NamedTuple):
    """An open Parquet file whose footer is sound; `crc_GC` is of each row group and column, None without a seal."""

    path: Path
    raw: BinaryIO
    file: Any
    crc_GC: Any

    @property
    def sealed(self) -> bool:
        """Whether the file is as `write_parquet` left it."""
        return self.crc_GC is not None

    def check(self, row_groups: Iterable[int], columns: Iterable[str]) -> None:
        """DatasetError where the bytes of a column are not those that were written; a file without seal has none."""
        if self.crc_GC is None:
            return
        metadata = self.file.metadata
        place = {metadata.schema.column(i).path: i for i in range(metadata.num_columns)}
        for group in row_groups:
            for column in columns:
                start, size = _chunk_place(metadata, group, place[column])
                if _crc(self.raw, start, size) != self.crc_GC[group, place[column]]:
                    raise _damaged(self.path, f"the bytes of column {column}")


# --- writing ---


def write_parquet(table: pa.Table, schema: pa.Schema, path: Path) -> None:
    """Write a table in the columns, types and metadata of its schema; a null where none may be is a ValueError.

    Samples whose columns contradict each other get no seal: whoever reads them says what is wrong.
    """
    whole = table.select(schema.names).cast(schema)
    _write(whole, path)
    is_samples = (schema.metadata or {}).get(SCHEMA_KEY, b"").startswith(b"samples/")
    if not is_samples or is_sound(whole, check_vocabulary(schema.metadata, path)):
        with path.open("r+b") as file:
            seal(file)


def parquet_bytes(table: pa.Table) -> bytes:
    """The whole content of such a file, for a table of any kind."""
    file = io.BytesIO()
    _write(table, file)
    seal(file)
    return file.getvalue()


def _write(table: pa.Table, where: Any) -> None:
    pq.write_table(table, where, compression="zstd", write_page_checksum=True)


def seal(file: BinaryIO) -> None:
    """Put a seal before the footer of a Parquet file that is open for reading and writing.

    Whoever seals says that derived columns were checked: readers do not check them again.
    """
    start, footer = _footer(file)
    metadata = pq.read_metadata(pa.PythonFile(file, "r"))
    crcs = [
        _crc(file, *_chunk_place(metadata, group, column))
        for group in range(metadata.num_row_groups)
        for column in range(metadata.num_columns)
    ]
    content = hashlib.sha256(footer).digest() + np.array([*crcs, len(crcs)], "<u4").tobytes()
    file.seek(start)
    file.write(HEAD + content + _number(zlib.crc32(content)) + TAIL + footer)


# --- reading ---


@contextmanager
def opened(path: Path, **options: Any) -> Iterator[OpenFile]:
    """A Parquet file to read, its page checksums verified; `options` as `pyarrow.parquet.ParquetFile`.

    DatasetError here and in the block: no such file, none of Parquet, damage.
    """
    try:
        with open_file(path) as raw:
            crcs = _read_seal(raw, path)
            with pq.ParquetFile(path, page_checksum_verification=True, **options) as file:
                shape = file.num_row_groups, file.metadata.num_columns
                if crcs is not None and len(crcs) != shape[0] * shape[1]:
                    raise _damaged(path, "the bytes of its footer")
                yield OpenFile(path, raw, file, None if crcs is None else crcs.reshape(shape))
    except FileNotFoundError:
        raise DatasetError(f"{path}: expected a Parquet file, found none") from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # a damaged footer is the latter
        raise DatasetError(f"{path}: expected a Parquet file: {_reason(error)}") from None


def read_table(path: Path) -> tuple[pa.Table, bool]:
    """A whole table, and whether it is as it was written; DatasetError: absent, no Parquet, damaged."""
    with opened(path) as file:
        file.check(range(file.file.num_row_groups), _columns(file.file.metadata))
        table = file.file.read()
        table.validate(full=True)  # other programs may write text that is no UTF-8
        return table, file.sealed


def read_parquet(path: Path, kind: str) -> Stored:
    """A table of the dataset folder with its vocabulary; DatasetError: absent, broken, of another schema."""
    table, sealed = read_table(path)
    return Stored(table, check_schema(table.schema.metadata, kind, path), sealed)


def _columns(metadata: Any) -> list[str]:
    return [metadata.schema.column(i).path for i in range(metadata.num_columns)]


def _read_seal(file: BinaryIO, path: Path) -> Any:
    """The CRC-32 of each chunk; None without a seal. DatasetError where footer or seal are not as they were written."""
    start, footer = _footer(file, path)
    end = _bytes_before(file, start, NUMBER * 2 + len(TAIL))
    size = len(HEAD) + HASH + NUMBER * (int.from_bytes(end[:NUMBER], "little") + 2) + len(TAIL)
    whole = _bytes_before(file, start, size) if end.endswith(TAIL) and size <= start else b""
    content = whole[len(HEAD) : -NUMBER - len(TAIL)]
    if not whole.startswith(HEAD) or _number(zlib.crc32(content)) != end[NUMBER : -len(TAIL)]:
        traces = _bytes_before(file, start, TRACES_BYTES)
        if HEAD in traces or TAIL in traces:
            raise _damaged(path, "the bytes of its seal")
        return None
    if hashlib.sha256(footer).digest() != content[:HASH]:
        raise _damaged(path, "the bytes of its footer")
    return np.frombuffer(content[HASH:-NUMBER], "<u4")


def _bytes_before(file: BinaryIO, end: int, size: int) -> bytes:
    """The bytes that end at a place, fewer where the file has no more."""
    start = max(0, end - size)
    file.seek(start)
    return file.read(max(0, end - start))


def _number(value: int) -> bytes:
    return value.to_bytes(NUMBER, "little")


def _footer(file: BinaryIO, path: Path | None = None) -> tuple[int, bytes]:
    """Where the footer begins, and its bytes up to the end of the file."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - FOOTER_END))
    end = file.read()
    length = int.from_bytes(end[:4], "little") + FOOTER_END
    if end[4:] != MAGIC or length + len(MAGIC) > size:
        raise DatasetError(
            f"{path}: expected a Parquet file: it has no footer of one (cut off, damaged, or another kind)"
        )
    file.seek(size - length)
    return size - length, file.read()


def _chunk_place(metadata: Any, group: int, column: int) -> tuple[int, int]:
    """First byte and size of a column chunk."""
    chunk = metadata.row_group(group).column(column)
    starts = [chunk.data_page_offset]
    if chunk.dictionary_page_offset:
        starts.append(chunk.dictionary_page_offset)
    return min(starts), chunk.total_compressed_size


def _crc(file: BinaryIO, start: int, size: int) -> int:
    file.seek(start)
    crc = 0
    while size > 0:
        block = file.read(min(size, BLOCK_BYTES))
        if not block:
            return -1
        crc, size = zlib.crc32(block, crc), size - len(block)
    return crc


def _damaged(path: Path, what: str) -> DatasetError:
    return DatasetError(
        f"{path}: damaged: {what} are not as they were written; make it again, or take it from a backup"
    )


def _reason(error: BaseException) -> str:
    """In a line; what the system says is without number and name."""
    text = str(getattr(error, "strerror", None) or error)
    return text.splitlines()[0] if text else type(error).__name__
