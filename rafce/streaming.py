"""Counts of samples larger than memory: one pass over their parts on all cores, adding up what each part has."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from rafce.parts import Chunk, Grid, IntArray, Part, Samples, read_chunks
from rafce.planes import ByteArray, n_bytes

if TYPE_CHECKING:
    from rafce.statistics import Counts

# N rows of a chunk, P partitions, E emotions, C = P · E classes, A action units, Q bytes that hold A bits,
# X values of a byte
MOST_THREADS = 4
BITS_X8 = (np.arange(256)[:, None] >> np.arange(8)) & 1


class Tally(NamedTuple):
    """Images, and those in which an AU is known and active, by partition (in the order of the grid) and emotion."""

    images_PE: IntArray
    known_PEA: IntArray
    active_PEA: IntArray


class PairTally(NamedTuple):
    """Images that know both AUs of a pair, that know both and have the first active, and that have both active.

    The diagonal is each AU with itself.
    """

    known_PEAA: IntArray
    first_PEAA: IntArray
    active_PEAA: IntArray


Sums = TypeVar("Sums", bound=tuple[Any, ...])  # a NamedTuple of arrays
Kernel = Callable[[Iterable[Chunk], Grid], Sums]
Progress = Callable[[int], object]


def count_here(
    kernel: Kernel[Sums], samples: Samples, jobs: int | None = None, progress: Progress | None = None
) -> Sums:
    """What `kernel` (such as `count_aus` or `count_au_pairs`) counts in all samples, by `jobs` threads.

    By default as many as there are cores, up to `MOST_THREADS`: bincount, a quarter of the work, runs in one thread
    at a time, so that more would wait for each other. Memory is some 40 MB a thread, whatever the number of rows.
    `progress` is told the rows of each part that is done, in the caller's thread. DatasetError as `read_chunks`, of
    the first part in order that has a fault.
    """
    work = partial(count_part, kernel, grid=samples.grid)
    total = kernel((), samples.grid)
    # threads, not processes: all but bincount runs side by side in them, and an interruption leaves nothing behind
    threads = ThreadPoolExecutor(jobs or min(os.cpu_count() or 1, MOST_THREADS))
    try:
        for part, sums in zip(samples.parts, threads.map(work, samples.parts), strict=True):
            total = add(total, sums)
            if progress is not None:
                progress(part.n_rows)
    finally:
        threads.shutdown(cancel_futures=True)
    return total


def count_part(kernel: Kernel[Sums], part: Part, grid: Grid) -> Sums:
    """What `kernel` counts in one part; DatasetError as `read_chunks`."""
    return kernel(read_chunks(part, grid), grid)


def add(left: Sums, right: Sums) -> Sums:
    """The sums of two disjoint sets of rows as those of their union."""
    make: Callable[..., Sums] = type(left)
    return make(*(a + b for a, b in zip(left, right, strict=True)))


def over_partitions(table_P: IntArray, grid: Grid, partitions: Iterable[str]) -> npt.NDArray[np.int64]:
    """The sum over some partitions of a table whose first axis is the partition."""
    chosen = [grid.partitions.index(partition) for partition in partitions]
    return np.asarray(table_P[chosen].sum(0), np.int64)


def counts_by_scope(tally: Tally, grid: Grid) -> "dict[str, Counts]":
    """The counts of all images and of each partition, as `rafce.statistics` and the tables want them."""
    from rafce.statistics import Counts  # brings SciPy, which counting itself does without

    counts = {"all": Counts(tally.known_PEA.sum(0), tally.active_PEA.sum(0))}
    for partition, known_EA, active_EA in zip(
        grid.partitions, tally.known_PEA, tally.active_PEA, strict=False
    ):
        counts[partition] = Counts(known_EA, active_EA)
    return counts


# --- kernels ---


def count_aus(chunks: Iterable[Chunk], grid: Grid) -> Tally:
    """Emotion × AU × partition; equals `rafce.statistics.count` of each partition's rows.

    For each byte of the AUs a histogram of (class, byte) is kept, and at the end spread over the byte's eight bits.
    """
    n_partitions, n_emotions, n_aus = grid.shape
    shape_QCX = (n_bytes(n_aus), n_partitions * n_emotions, 256)
    active_QCX, known_QCX, all_known_QCX = (np.zeros(shape_QCX, np.int64) for _ in range(3))
    for chunk in chunks:
        if chunk.known_QN is None:
            _add_histogram(all_known_QCX, chunk.class_N, chunk.active_QN)
        else:
            _add_histogram(active_QCX, chunk.class_N, chunk.active_QN)
            _add_histogram(known_QCX, chunk.class_N, chunk.known_QN)
    active_QCX += all_known_QCX
    known_QCX[..., 255] += all_known_QCX.sum(-1)
    images_PE = active_QCX[0].sum(-1).reshape(n_partitions, n_emotions)
    return Tally(images_PE, *(_spread(table, n_aus).reshape(grid.shape) for table in (known_QCX, active_QCX)))


def _add_histogram(total_QCX: IntArray, class_N: IntArray, planes_QN: ByteArray) -> None:
    # in 16 bits for up to 256 classes: keys in the 64 bits that bincount counts in would move four times the memory
    key_N = class_N.astype(np.min_scalar_type(total_QCX[0].size - 1)) << 8
    for total_CX, plane_N in zip(total_QCX, planes_QN, strict=True):
        total_CX += np.bincount(key_N | plane_N, minlength=total_CX.size).reshape(total_CX.shape)


def _spread(histogram_QCX: IntArray, n_aus: int) -> IntArray:
    """How often each bit is set, shape (C, A)."""
    # as float64 for the speed of BLAS, exact up to 2^53 rows
    count_QC8 = (histogram_QCX.astype(np.float64) @ BITS_X8).astype(np.int64)
    return count_QC8.swapaxes(0, 1).reshape(histogram_QCX.shape[1], -1)[:, :n_aus]


def count_au_pairs(chunks: Iterable[Chunk], grid: Grid) -> PairTally:
    """Co-occurrence per partition and emotion: products of each class's bits, exact in float32 for a chunk."""
    n_partitions, n_emotions, n_aus = grid.shape
    shape_CAA = (n_partitions * n_emotions, n_aus, n_aus)
    known_CAA, first_CAA, active_CAA = (np.zeros(shape_CAA, np.int64) for _ in range(3))
    for chunk in chunks:
        order_N, n_C = (
            np.argsort(chunk.class_N, kind="stable"),
            np.bincount(chunk.class_N, minlength=shape_CAA[0]),
        )
        active = _bits_by_class(chunk.active_QN, order_N, n_C, n_aus)
        together_CAA = _products(active, active)
        active_CAA += together_CAA
        if chunk.known_QN is None:
            known_CAA += n_C[:, None, None]
            first_CAA += np.diagonal(together_CAA, axis1=1, axis2=2)[:, :, None]
        else:
            known = _bits_by_class(chunk.known_QN, order_N, n_C, n_aus)
            known_CAA += _products(known, known)
            first_CAA += _products(active, known)
    return PairTally(*(table.reshape(*grid.shape, n_aus) for table in (known_CAA, first_CAA, active_CAA)))


def _bits_by_class(
    planes_QN: ByteArray, order_N: IntArray, n_C: IntArray, n_aus: int
) -> list[npt.NDArray[np.float32]]:
    """The rows of each class as 0 and 1, shape (n_C, A)."""
    # take, not [order_N]: eight times as fast, and other threads go on meanwhile
    bytes_NQ = planes_QN.T.take(order_N, axis=0)
    bits_NA = BITS_X8.astype(np.float32).take(bytes_NQ, axis=0).reshape(len(order_N), -1)[:, :n_aus]
    return np.split(bits_NA, n_C[:-1].cumsum())


def _products(
    first: Sequence[npt.NDArray[np.float32]], second: Sequence[npt.NDArray[np.float32]]
) -> IntArray:
    """How often bit i of the first and bit j of the second are both 1, shape (C, A, A)."""
    return np.stack([(a.T @ b).astype(np.int64) for a, b in zip(first, second, strict=True)])
