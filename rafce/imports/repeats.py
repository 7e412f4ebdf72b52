"""Image names that stand in more than one row, found in bounded memory."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pandas.util import hash_array

from rafce.imports.faults import Faults
from rafce.imports.files import Places
from rafce.imports.spool import Spool

HASH = "image_hash"
BUCKET_ROWS = 1 << 21


def hash_names(image: pa.Array) -> npt.NDArray[np.uint64]:
    """A number of 64 bits for each name, the same in every run; spooled beside the names as `HASH`."""
    return hash_array(image.to_numpy(zero_copy_only=False), categorize=False)


def check_repeats(spool: Spool, places: Places, hint: str = "") -> None:
    """LabelError for images that stand in two rows, with both places, and the hint after the last."""
    faults = Faults()
    n_buckets = -(-spool.n_rows // BUCKET_ROWS)
    rows = [row for bucket in range(n_buckets) for row in _suspects(spool, bucket, n_buckets)]
    first: dict[str, int] = {}
    for row, name in _names(spool, sorted(rows)):
        earlier = first.setdefault(name, row)
        if earlier != row:
            faults.add(f"{places(row)}: expected each image once, found {name} again ({places(earlier)})")
    faults.raise_all(hint)


def _suspects(spool: Spool, bucket: int, n_buckets: int) -> list[int]:
    """Rows of a bucket whose name has the hash of another; the same names always fall into the same bucket."""
    hashes, rows, start = [], [], 0
    for batch in spool.read([HASH]):
        hash_N = batch.column(0).to_numpy()
        inside_N = np.flatnonzero(hash_N % np.uint64(n_buckets) == bucket)
        hashes.append(hash_N[inside_N])
        rows.append(start + inside_N)
        start += len(batch)
    hash_N, row_N = np.concatenate(hashes), np.concatenate(rows)
    order_N = np.argsort(hash_N, kind="stable")
    same = hash_N[order_N[1:]] == hash_N[order_N[:-1]]
    suspect_N = row_N[order_N[np.append(same, False) | np.append(False, same)]]
    return [int(row) for row in suspect_N]


def _names(spool: Spool, rows: list[int]) -> Iterator[tuple[int, str]]:
    """These rows, rising, each with its image."""
    start, wanted_N = 0, np.array(rows, np.int64)
    for batch in spool.read(["image"]):
        low, high = np.searchsorted(wanted_N, (start, start + len(batch)))
        for row in wanted_N[low:high].tolist():
            yield row, batch.column(0)[row - start].as_py()
        start += len(batch)
