"""How sure a difference between two systems is that judged the same images, each by one or several trained nets.

Two things are noise: which images were drawn, and how training happened to go. McNemar's test takes the nets as given
and asks about the images; the bootstrap draws images and nets anew. Where images of a group (a video, a subject) depend
on each other, groups take their place: what is summed over a group's images is one difference, and groups are drawn.
"""

from collections.abc import Iterator, Sequence
from math import gcd
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr
from scipy.stats import binom

# N images, G groups of them, P nets, S nets of one system, R resamples (C of them at a time), M tests, X any figures
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Reals = npt.NDArray[Any]

N_RESAMPLES = 2000
CHUNK = 200


class Difference(NamedTuple):
    """A minus B with its 95 % interval, and how probable one as large is where there is none."""

    value: float
    ci_low: float
    ci_high: float
    p: float


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


def holm(p_M: Sequence[float]) -> FloatArray:
    """p-values adjusted so that the chance of any false one among them is kept (Holm 1979), shape (M,)."""
    p = np.asarray(p_M, np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return adjusted


def resample_weights(stratum_N: IntArray, seed: int | Sequence[int] = 0) -> Iterator[FloatArray]:
    """How much each member counts in each of `N_RESAMPLES` resamples, in chunks of shape (C, N).

    Every stratum of n is drawn from itself, n - 1 with replacement, each for n / (n - 1): the spread of a mean is then
    right for however few (Rao & Wu 1988), where n draws would give (n - 1) / n of it. One alone stays as it is.
    """
    random = np.random.default_rng(seed)
    strata = [np.flatnonzero(stratum_N == stratum) for stratum in np.unique(stratum_N)]
    for _ in range(0, N_RESAMPLES, CHUNK):
        weight_CN = np.ones((CHUNK, len(stratum_N)))
        for member_n in strata:
            if (n := len(member_n)) > 1:
                weight_CN[:, member_n] = _drawn(random, n) * n / (n - 1)
        yield weight_CN


def resampled_sums(value_NP: Reals, stratum_N: IntArray) -> FloatArray:
    """The sum over images of each column in every resample, shape (R, P); the resamples are always the same."""
    return np.concatenate([weight_CN @ value_NP for weight_CN in resample_weights(stratum_N)])


def group_sums(value_NX: Reals, group_N: IntArray) -> Reals:
    """The sum over each group's images, shape (G, ...); groups are numbered from 0."""
    sums_GX = np.zeros((int(group_N.max()) + 1, *value_NX.shape[1:]), np.result_type(value_NX, np.int64))
    np.add.at(sums_GX, group_N, value_NX)
    return sums_GX


def resampled_ratios(numerator_GX: Reals, denominator_GX: Reals) -> FloatArray:
    """Σ numerator / Σ denominator over the groups of every resample, shape (R, ...), which both shapes broadcast to.

    Where a resample has nothing to divide by it is the ratio of all groups. The resamples are always the same.
    """
    drawn_RX = np.concatenate(
        [
            _ratio(np.tensordot(weight_CG, numerator_GX, 1), np.tensordot(weight_CG, denominator_GX, 1))
            for weight_CG in resample_weights(np.zeros(len(numerator_GX), np.int64))
        ]
    )
    value_X = _ratio(numerator_GX.sum(0), denominator_GX.sum(0))
    return np.where(np.isnan(drawn_RX), value_X, drawn_RX)


def mean_of_nets(figure_RS: FloatArray, seeds: Sequence[int]) -> FloatArray:
    """The mean figure of a system's nets, these drawn anew in every resample, shape (R,).

    Systems with the same seeds draw the same ones: a seed's luck is then common to both. A single net is never
    redrawn, so that differences between trainings do not enter.
    """
    weight_RS = np.concatenate(list(resample_weights(np.zeros(len(seeds), np.int64), seed=[1, *seeds])))
    mean_R: FloatArray = (figure_RS * weight_RS).mean(1)
    return mean_R


def difference(value: float, a_R: FloatArray, b_R: FloatArray) -> Difference:
    """A difference with the percentiles of its resamples, p from their standard deviation and the normal curve."""
    drawn_R = a_R - b_R
    low, high = np.percentile(drawn_R, [2.5, 97.5])
    error = drawn_R.std(ddof=1)
    distance = abs(value) / error if error > 0 else np.where(value == 0, 0.0, np.inf)
    return Difference(value, float(low), float(high), float(2 * ndtr(-distance)))


def _drawn(random: np.random.Generator, n: int) -> IntArray:
    """How often each of n is among n - 1 draws, shape (C, n)."""
    drawn = random.integers(n, size=(CHUNK, n - 1)) + n * np.arange(CHUNK)[:, None]
    return np.bincount(drawn.ravel(), minlength=CHUNK * n).reshape(CHUNK, n)


def _ratio(numerator_X: Reals, denominator_X: Reals) -> FloatArray:
    shape = np.broadcast_shapes(numerator_X.shape, denominator_X.shape)
    ratio_X: FloatArray = np.divide(
        numerator_X, denominator_X, out=np.full(shape, np.nan), where=denominator_X > 0
    )
    return ratio_X
