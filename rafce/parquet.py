"""The only reader and writer of the dataset folder's Parquet files: zstd, byte-identical, schema checked."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rafce.errors import DatasetError
from rafce.reading import check_file
from rafce.schema import Vocabulary, check_schema


def write_parquet(table: pa.Table, schema: pa.Schema, path: Path) -> None:
    """Write a table in the columns, types and metadata of its schema; a null where none may be is a ValueError."""
    pq.write_table(table.select(schema.names).cast(schema), path, compression="zstd")


def read_parquet(path: Path, kind: str) -> tuple[pa.Table, Vocabulary]:
    """A table of the dataset folder with its vocabulary; DatasetError: absent, broken, of another schema."""
    try:
        check_file(path)
        table = pq.ParquetFile(path).read()
    except FileNotFoundError:
        raise DatasetError(f"{path}: expected a file of a dataset folder, found none") from None
    except (pa.ArrowException, OSError, ValueError) as error:  # a damaged footer is a UnicodeDecodeError
        raise DatasetError(f"{path}: expected a Parquet file: {error}") from None
    return table, check_schema(table.schema.metadata, kind, path)
