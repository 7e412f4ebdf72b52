"""Rows on disk between reading and writing: partitions and ids are known only when every row is."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.ipc


class Spool:
    """A file of record batches, written once from front to back, then read as often as needed."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path, self.schema, self.n_rows = path, schema, 0

    def write(self, batches: Iterator[pa.RecordBatch]) -> None:
        """Write all rows."""
        options = pyarrow.ipc.IpcWriteOptions(compression="lz4")
        with (
            pa.OSFile(str(self.path), "wb") as file,
            pyarrow.ipc.new_file(file, self.schema, options=options) as out,
        ):
            for batch in batches:
                out.write_batch(batch)
                self.n_rows += len(batch)

    def read(self, names: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The batches as they were written, of the named columns alone or of all."""
        fields = None if names is None else [self.schema.get_field_index(name) for name in names]
        options = pyarrow.ipc.IpcReadOptions(included_fields=fields)
        with pa.OSFile(str(self.path)) as file, pyarrow.ipc.open_file(file, options=options) as reader:
            for i in range(reader.num_record_batches):
                yield reader.get_batch(i)

    def column(self, name: str) -> npt.NDArray[Any]:
        """A whole column of numbers, shape (N,)."""
        pieces = [batch.column(0).to_numpy() for batch in self.read([name])]
        return np.concatenate(pieces) if pieces else np.zeros(0, np.int64)

    def sorted_by(self, name: str, path: Path) -> "Spool":
        """A copy in the order of a column; all rows are in memory meanwhile."""
        table = pa.Table.from_batches(self.read(), self.schema).sort_by(name).combine_chunks()
        copy = Spool(path, self.schema)
        copy.write(iter(table.to_batches(max_chunksize=1 << 16)))
        return copy

    def remove(self) -> None:
        """Delete the file."""
        self.path.unlink()
