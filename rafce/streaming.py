"""Counts of samples larger than memory: one pass over their parts on all cores, adding up what each part has."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from rafce.parts import CHUNK_ROWS, ByteArray, Chunk, IntArray, Part, Samples, n_bytes, read_chunks
from rafce.schema import PARTITIONS, SCOPES, Vocabulary

if TYPE_CHECKING:
    from rafce.statistics import Counts

# N rows of a chunk, P partitions, E emotions, C = P · E classes, A action units, Q bytes that hold A bits,
# X values of a byte
BITS_X8 = (np.arange(256)[:, None] >> np.arange(8)) & 1


class Tally(NamedTuple):
    """Images, and those in which an AU is known and active, by partition (in the order of PARTITIONS) and emotion."""

    images_PE: IntArray
    known_PEA: IntArray
    active_PEA: IntArray


class PairTally(NamedTuple):
    """Images in which both AUs of a pair are known and both are active; the diagonal is each AU with itself."""

    known_PEAA: IntArray
    active_PEAA: IntArray


Sums = TypeVar("Sums", Tally, PairTally)
Kernel = Callable[[Iterable[Chunk], Vocabulary], Sums]
Progress = Callable[[int], object]


def count_here(
    kernel: Kernel[Sums], samples: Samples, jobs: int | None = None, progress: Progress | None = None
) -> Sums:
    """What `kernel` (`count_aus` or `count_au_pairs`) counts in all samples, by `jobs` threads: all cores if None.

    Memory is a few megabytes a thread, whatever the number of rows. `progress` is told the rows of each part that
    is done, in the caller's thread. DatasetError as `read_chunks`, of the first part in order that has a fault.
    """
    work = partial(count_part, kernel, words=samples.words)
    total = kernel((), samples.words)
    # threads, not processes: all but bincount runs side by side in them, and an interruption leaves nothing behind
    threads = ThreadPoolExecutor(jobs or os.cpu_count())
    try:
        for part, sums in zip(samples.parts, threads.map(work, samples.parts), strict=True):
            total = add(total, sums)
            if progress is not None:
                progress(part.n_rows)
    finally:
        threads.shutdown(cancel_futures=True)
    return total


def count_part(kernel: Kernel[Sums], part: Part, words: Vocabulary) -> Sums:
    """What `kernel` counts in one part; DatasetError as `read_chunks`."""
    return kernel(read_chunks(part, words), words)


def add(left: Sums, right: Sums) -> Sums:
    """The sums of two disjoint sets of rows as those of their union."""
    return type(left)(*(a + b for a, b in zip(left, right, strict=True)))


def counts_by_scope(tally: Tally) -> "dict[str, Counts]":
    """The counts of all images and of each partition, as `rafce.statistics` and the tables want them."""
    from rafce.statistics import Counts  # brings SciPy, which counting itself does without

    by_partition = [Counts(*cells) for cells in zip(tally.known_PEA, tally.active_PEA, strict=True)]
    everything = Counts(tally.known_PEA.sum(0), tally.active_PEA.sum(0))
    return dict(zip(SCOPES, [everything, *by_partition], strict=True))


# --- kernels ---


def count_aus(chunks: Iterable[Chunk], words: Vocabulary) -> Tally:
    """Emotion × AU × partition; equals `rafce.statistics.count` of each partition's rows.

    For each byte of the AUs a histogram of (class, byte) is kept, and at the end spread over the byte's eight bits.
    """
    by, n_aus = (len(PARTITIONS), len(words.emotions)), len(words.aus)
    shape_QCX = (n_bytes(n_aus), by[0] * by[1], 256)
    active_QCX, known_QCX, all_known_QCX = (np.zeros(shape_QCX, np.int64) for _ in range(3))
    # kept, since the allocator gives arrays of this size back each time: page faults would cost as much as counting
    scratch_2N = np.empty((2, CHUNK_ROWS), np.int64)
    for chunk in chunks:
        if chunk.known_QN is None:
            _add_histogram(all_known_QCX, chunk.class_N, chunk.active_QN, scratch_2N)
        else:
            _add_histogram(active_QCX, chunk.class_N, chunk.active_QN, scratch_2N)
            _add_histogram(known_QCX, chunk.class_N, chunk.known_QN, scratch_2N)
    active_QCX += all_known_QCX
    known_QCX[..., 255] += all_known_QCX.sum(-1)
    images_PE = active_QCX[0].sum(-1).reshape(by)
    known_CA, active_CA = _spread(known_QCX, n_aus), _spread(active_QCX, n_aus)
    return Tally(images_PE, known_CA.reshape(*by, n_aus), active_CA.reshape(*by, n_aus))


def _add_histogram(
    total_QCX: IntArray, class_N: IntArray, planes_QN: ByteArray, scratch_2N: IntArray
) -> None:
    shifted_N, key_N = scratch_2N[:, : len(class_N)]
    np.left_shift(class_N, 8, out=shifted_N, dtype=np.int64)
    for total_CX, plane_N in zip(total_QCX, planes_QN, strict=True):
        np.add(shifted_N, plane_N, out=key_N)
        total_CX += np.bincount(key_N, minlength=total_CX.size).reshape(total_CX.shape)


def _spread(histogram_QCX: IntArray, n_aus: int) -> IntArray:
    """How often each bit is set, shape (C, A)."""
    count_QC8 = histogram_QCX @ BITS_X8
    return count_QC8.swapaxes(0, 1).reshape(histogram_QCX.shape[1], -1)[:, :n_aus]


def count_au_pairs(chunks: Iterable[Chunk], words: Vocabulary) -> PairTally:
    """Co-occurrence per partition and emotion: the Gram matrix of each class's bits, exact in float32 for a chunk."""
    n_classes, n_aus = len(PARTITIONS) * len(words.emotions), len(words.aus)
    active_CAA = np.zeros((n_classes, n_aus, n_aus), np.int64)
    known_CAA = np.zeros_like(active_CAA)
    for chunk in chunks:
        active_CAA += _gram(chunk.class_N, chunk.active_QN, n_classes, n_aus)
        if chunk.known_QN is None:
            known_CAA += np.bincount(chunk.class_N, minlength=n_classes)[:, None, None]
        else:
            known_CAA += _gram(chunk.class_N, chunk.known_QN, n_classes, n_aus)
    by = (len(PARTITIONS), len(words.emotions), n_aus, n_aus)
    return PairTally(known_CAA.reshape(by), active_CAA.reshape(by))


def _gram(class_N: IntArray, planes_QN: ByteArray, n_classes: int, n_aus: int) -> IntArray:
    order_N = np.argsort(class_N, kind="stable")
    # take, not [order_N]: eight times as fast, and other threads go on meanwhile
    bytes_NQ = planes_QN.T.take(order_N, axis=0)
    bits_NA = BITS_X8.astype(np.float32).take(bytes_NQ, axis=0).reshape(len(order_N), -1)[:, :n_aus]
    of_class = np.split(bits_NA, np.bincount(class_N, minlength=n_classes)[:-1].cumsum())
    return np.stack([(bits.T @ bits).astype(np.int64) for bits in of_class])
