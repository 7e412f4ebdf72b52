"""Tests of the difference between two systems that judged the same images, each by one or several trained nets.

The hypothesis: on each image the two systems may be swapped. Where images of a group (a video, a subject) depend on
each other, groups are swapped as a whole. The nets are taken as they are: p says nothing of nets from other seeds.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import gcd, lcm
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from rafce.bootstrap import group_sums

# N images, U units of them (groups, or each image alone), S nets of a system, K classes, X labels (emotions or AUs),
# R draws (D in one block), M sizes of a difference or tests, P pairs of systems
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Reals = npt.NDArray[Any]

DRAWS = 9_999
"""So many that the smallest p is still below 0.05 after Holm's correction over four hundred pairs."""
BLOCK = 1 << 22  # drawn signs in memory at a time
SWAPS_IN_BLOCK = 500
WORD, ALL_BITS = 64, (1 << 64) - 1
EXACT = 1 << 62  # whole numbers up to here are summed as int64, larger ones as Python's
NEAR = 1e-9
"""Differences of mean F1 nearer than this to the observed one are compared as fractions."""


# --- accuracy ---


def net_difference(right_a_NS: Reals, right_b_NS: Reals) -> IntArray:
    """Share of A's nets that are right less share of B's, shape (N,), in the smallest whole unit.

    For one net each it is 1 where only A is right, -1 where only B is, else 0.
    """
    n_a, n_b = right_a_NS.shape[1], right_b_NS.shape[1]
    shared = gcd(n_a, n_b)
    difference_N: IntArray = n_b // shared * right_a_NS.astype(np.int64).sum(1)
    difference_N -= n_a // shared * right_b_NS.astype(np.int64).sum(1)
    return difference_N


def mcnemar(difference_N: IntArray) -> float:
    """Exact two-sided p of the hypothesis that on each image A and B may be swapped (McNemar 1947).

    Under it the sum of the differences is distributed as Σ ± |d_n| with fair signs. For one net each that is McNemar's
    exact test, `binomtest(only_a, only_a + only_b)`; for several, an image still counts once, whatever their number.
    Given the sums over groups it is the permutation test that flips the signs of whole groups.
    """
    size_N = np.abs(difference_N)
    pmf = np.ones(1)  # of the sum of the positive ones: 0 … Σ |d_n|
    for size, n in zip(*np.unique(size_N[size_N > 0], return_counts=True), strict=True):
        before, pmf = pmf, np.zeros(len(pmf) + size * n)
        for k, probability in enumerate(binom.pmf(np.arange(n + 1), n, 0.5)):
            pmf[size * k : size * k + len(before)] += probability * before
    total = 2 * np.arange(len(pmf)) - size_N.sum()
    return float(min(pmf[np.abs(total) >= abs(difference_N.sum())].sum(), 1.0))


# --- UAR ---


def uar_differences(difference_N: IntArray, class_N: IntArray, unit_N: IntArray | None = None) -> Reals:
    """What each unit adds to the difference in UAR, shape (U,), in a whole unit common to all.

    An image of a class of n adds d / n. With L the least common multiple of all n that is L / n · d, a whole number;
    where the sum may be too large for int64 the array holds Python's.
    """
    n_K = np.bincount(class_N)
    scale = lcm(*n_K[n_K > 0].tolist())
    weight_K = [scale // n if n else 0 for n in n_K.tolist()]
    largest = len(n_K) * scale * int(np.abs(difference_N).max(initial=0))
    kind = np.int64 if largest < EXACT else object
    value_N: Reals = np.array(weight_K, kind)[class_N] * difference_N.astype(kind)
    return value_N if unit_N is None else group_sums(value_N, unit_N)


def flip_test(value_U: Reals, draws: int = DRAWS, seed: int = 0) -> float:
    """p of Σ value when each value may have either sign: (1 + hits) / (1 + draws), hits as far from 0 as the sum.

    Values are whole numbers, so that ties are ties. How many of the n of one size are negative is drawn as a binomial.
    No p is below `smallest_p`.
    """
    size_M, n_M = np.unique(np.abs(value_U[value_U != 0]), return_counts=True)
    if len(size_M) == 0:
        return 1.0
    observed, total = abs(value_U.sum()), (size_M * n_M.astype(size_M.dtype)).sum()
    hits = 0
    for negative_DM in _negatives(n_M, draws, seed):
        hits += int((np.abs(total - 2 * _dot(negative_DM, size_M, total)) >= observed).sum())
    return max((1 + hits) / (1 + draws), smallest_p(int(n_M.sum())))


def smallest_p(n: int) -> float:
    """The least p that n units can give: that all differ the same way, when each may have either sign."""
    return min(1.0, 2.0 ** (1 - n))


def _negatives(n_M: IntArray, draws: int, seed: int) -> Iterator[IntArray]:
    """How many of n are negative with fair signs, in blocks of shape (D, M): ones among n random bits, a binomial."""
    random = np.random.default_rng(seed)
    words_M = -(-n_M // WORD)
    first_M = words_M.cumsum() - words_M
    mask_W = np.full(int(words_M.sum()), ALL_BITS, np.uint64)
    mask_W[first_M] >>= (words_M * WORD - n_M).astype(np.uint64)
    size = max(1, BLOCK // len(mask_W))
    for first in range(0, draws, size):
        shape = min(size, draws - first), len(mask_W)
        bits_DW = random.integers(ALL_BITS, size=shape, dtype=np.uint64, endpoint=True) & mask_W
        yield np.add.reduceat(np.bitwise_count(bits_DW), first_M, axis=1, dtype=np.int64)


def _dot(count_DM: IntArray, size_M: Reals, total: int) -> Reals:
    """Σ count · size in whole numbers of any length, shape (D,)."""
    if total < EXACT:
        return np.asarray(count_DM @ size_M.astype(np.int64))
    low_M, high_M = size_M % (1 << 30), size_M // (1 << 30)
    rest = int((high_M * count_DM.max(0).astype(object)).sum())
    lows_D = (count_DM @ low_M.astype(np.int64)).astype(object)
    return np.asarray(lows_D + (1 << 30) * _dot(count_DM, high_M, rest).astype(object))


# --- F1 ---


class Calls(NamedTuple):
    """What the nets of one system say: of each unit's images, how many calls of a label there are, and right ones."""

    hits_USX: Reals
    calls_USX: Reals
    judged_SX: BoolArray
    """Which labels take part in each net's mean F1."""

    @property
    def n_nets(self) -> int:
        """How many nets there are."""
        return len(self.judged_SX)


class Counts(NamedTuple):
    """Hits and calls of the nets that are compared, in whole numbers, shapes (..., L, X)."""

    hits: Reals
    calls: Reals


def macro_f1_swap_tests(
    systems: Sequence[Calls],
    positives_X: IntArray,
    pairs: Sequence[tuple[int, int]],
    draws: int = DRAWS,
    seed: int = 0,
) -> FloatArray:
    """p of the difference in macro-F1 of each pair of systems, when their predictions of each unit may be swapped.

    The statistic is the mean F1, 2 hits / (positives + calls), over the labels that any image has, mean over a system's
    nets; of systems with different numbers of nets each net of one meets each of the other. Shape (P,):
    (1 + hits) / (1 + draws), and no p below `smallest_p` of as many units as the systems differ in. All pairs share the
    same swaps; ties are compared as fractions.
    """
    there_X = positives_X > 0
    observed = [_PairOfSystems.of(systems[a], systems[b], positives_X, there_X) for a, b in pairs]
    hits_P = np.zeros(len(pairs), np.int64)
    for swap_DU in _swaps(len(systems[0].hits_USX), draws, seed):
        moved = [_moved(swap_DU, system) for system in systems]
        for position, (a, b) in enumerate(pairs):
            hits_P[position] += observed[position].count_as_far(moved[a], moved[b])
    p_P = (1 + hits_P) / (1 + draws)
    return np.maximum(p_P, [smallest_p(pair.n_units) for pair in observed])


def macro_f1(counts: Counts, positives_X: IntArray, judged_SX: BoolArray) -> FloatArray:
    """Mean F1 over the judged labels, then over the nets; any axes before."""
    f1_SX = np.divide(
        2.0 * counts.hits,
        positives_X + counts.calls,
        out=np.zeros(counts.hits.shape),
        where=np.broadcast_to(judged_SX, counts.hits.shape),
    )
    mean: FloatArray = (f1_SX.sum(-1) / np.maximum(judged_SX.sum(-1), 1)).mean(-1)
    return mean


class _PairOfSystems(NamedTuple):
    """Two systems whose nets meet one another: net i of A is swapped with net i of B."""

    nets_a: IntArray
    nets_b: IntArray
    whole_a: Counts
    whole_b: Counts
    judged_a: BoolArray
    judged_b: BoolArray
    positives_X: IntArray
    n_units: int

    @classmethod
    def of(cls, a: Calls, b: Calls, positives_X: IntArray, there_X: BoolArray) -> "_PairOfSystems":
        n = lcm(a.n_nets, b.n_nets)
        nets_a, nets_b = np.arange(n) % a.n_nets, np.arange(n) % b.n_nets
        differs_U = np.zeros(len(a.hits_USX), np.bool_)
        for of_a, of_b in ((a.hits_USX, b.hits_USX), (a.calls_USX, b.calls_USX)):
            differs_U |= (of_a[:, nets_a] != of_b[:, nets_b]).any((1, 2))
        return cls(
            nets_a,
            nets_b,
            Counts(a.hits_USX.sum(0)[nets_a], a.calls_USX.sum(0)[nets_a]),
            Counts(b.hits_USX.sum(0)[nets_b], b.calls_USX.sum(0)[nets_b]),
            (a.judged_SX & there_X)[nets_a],
            (b.judged_SX & there_X)[nets_b],
            positives_X,
            int(differs_U.sum()),
        )

    def count_as_far(self, moved_a: Counts, moved_b: Counts) -> int:
        """In how many of the swaps the difference is as far from 0 as it is without one."""
        if self.n_units == 0:
            return len(moved_a.hits)
        a, b = self._swapped(moved_a, moved_b)
        observed = abs(float(self._difference(self.whole_a, self.whole_b)))
        distance_D = np.abs(self._difference(a, b)) - observed
        near = np.flatnonzero(np.abs(distance_D) < NEAR)
        return int((distance_D >= NEAR).sum()) + self._count_ties(a, b, near)

    def _swapped(self, moved_a: Counts, moved_b: Counts) -> tuple[Counts, Counts]:
        a, b = [], []
        for whole_a, whole_b, of_a, of_b in zip(self.whole_a, self.whole_b, moved_a, moved_b, strict=True):
            gained = of_b[:, self.nets_b] - of_a[:, self.nets_a]
            a.append(whole_a + gained)
            b.append(whole_b - gained)
        return Counts(*a), Counts(*b)

    def _difference(self, a: Counts, b: Counts) -> FloatArray:
        return macro_f1(a, self.positives_X, self.judged_a) - macro_f1(b, self.positives_X, self.judged_b)

    def _count_ties(self, a: Counts, b: Counts, near: IntArray) -> int:
        """How many of the swaps that are near the observed difference reach it; equal counts are looked at once."""
        if len(near) == 0:
            return 0
        rows = np.stack([table[near] for table in (*a, *b)], axis=1).astype(np.int64)
        unique, times = np.unique(rows, axis=0, return_counts=True)
        observed = abs(self._exact(np.stack([*self.whole_a, *self.whole_b])))
        return sum(int(n) for row, n in zip(unique, times, strict=True) if abs(self._exact(row)) >= observed)

    def _exact(self, counts_4SX: IntArray) -> Fraction:
        """The difference as a fraction, times the number of nets."""
        hits_a, calls_a, hits_b, calls_b = counts_4SX.tolist()
        return _exact_sum(hits_a, calls_a, self.positives_X, self.judged_a) - _exact_sum(
            hits_b, calls_b, self.positives_X, self.judged_b
        )


def _exact_sum(hits_SX: Any, calls_SX: Any, positives_X: IntArray, judged_SX: BoolArray) -> Fraction:
    total = Fraction(0)
    for hits_X, calls_X, judged_X in zip(hits_SX, calls_SX, judged_SX, strict=True):
        labels = np.flatnonzero(judged_X).tolist()
        f1s = (Fraction(2 * int(hits_X[x]), int(positives_X[x]) + int(calls_X[x])) for x in labels)
        total += sum(f1s, Fraction(0)) / max(len(labels), 1)
    return total


def _swaps(n_units: int, draws: int, seed: int) -> Iterator[FloatArray]:
    """Which units are swapped in each draw, 0 or 1, in blocks of shape (D, U)."""
    random = np.random.default_rng(seed)
    for first in range(0, draws, SWAPS_IN_BLOCK):
        n = min(SWAPS_IN_BLOCK, draws - first)
        yield random.integers(2, size=(n, n_units), dtype=np.int8).astype(np.float64)


def _moved(swap_DU: FloatArray, system: Calls) -> Counts:
    """What the swapped units hold, shapes (D, S, X); whole numbers in float64, which are exact there."""
    n_units, *shape = system.hits_USX.shape
    return Counts(
        *((swap_DU @ table.reshape(n_units, -1)).reshape(-1, *shape) for table in system[:2]),
    )


# --- many tests ---


def holm(p_M: Sequence[float]) -> FloatArray:
    """p-values adjusted so that the chance of any false one among them is kept (Holm 1979), shape (M,)."""
    p = np.asarray(p_M, np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return adjusted
