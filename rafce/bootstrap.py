"""The bootstrap: whole groups of images (videos, subjects), or images, are drawn anew with replacement.

One mechanism for every figure that has no interval in closed form (`rafce.intervals`): all figures whose images come in
groups, and macro-F1 and average precision. Draws are always the same, so that figures on the same images share them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rafce import intervals
from rafce.intervals import Estimate, f1_of, wilson

# U units, that is groups, or images where these are independent; N images, R draws of the units, D draws in one block
# K figures that are averaged, X any figures; "..." are any further axes
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Reals = npt.NDArray[Any]

DRAWS = 2000
N_RESAMPLES = 1000
"""Draws of the scores of a run, some of which take long to compute."""
BLOCK_SIZE = 1 << 22  # weights in memory at a time
TAILS = (0.025, 0.975)
NORMAL_95 = 1.96
STILL = 1e-9


class Ratios(NamedTuple):
    """Two arrays of one shape, to be divided after summing over their first axis."""

    numerator: Reals
    denominator: Reals


# --- drawing ---


def group_weights(n_groups: int, draws: int = DRAWS, seed: int = 0) -> Iterator[FloatArray]:
    """How often each unit is in each draw, in blocks of shape (D, U): memory does not follow the number of draws."""
    random = np.random.default_rng(seed)
    size = max(1, BLOCK_SIZE // max(1, n_groups))
    for first in range(0, draws, size):
        n = min(size, draws - first)
        drawn_DG = random.integers(max(1, n_groups), size=(n, n_groups)) + n_groups * np.arange(n)[:, None]
        yield np.bincount(drawn_DG.ravel(), minlength=n * n_groups).reshape(n, n_groups).astype(np.float64)


def drawn_sums(value_UX: Reals, draws: int = DRAWS, seed: int = 0) -> FloatArray:
    """The sum over the units of each draw, shape (R, ...).

    Draw for draw the sums over `default_rng(seed).integers(U, size=U)`, the same units in all elements.
    """
    n_units, *shape = value_UX.shape
    flat = value_UX.reshape(n_units, prod(shape)).astype(np.float64)
    sums = np.concatenate([weight_DU @ flat for weight_DU in group_weights(n_units, draws, seed)])
    return sums.reshape(draws, *shape)


def resample_groups(ratios_G: Ratios, draws: int = DRAWS, seed: int = 0) -> Ratios:
    """Numerators and denominators summed over the groups of each draw; shapes (R, ...)."""
    both = drawn_sums(np.stack(ratios_G, axis=1), draws, seed)
    return Ratios(both[:, 0], both[:, 1])


def group_sums(value_NX: Reals, group_N: IntArray) -> Reals:
    """The sum over each group's images, shape (U, ...); groups are numbered from 0."""
    sums_UX = np.zeros((int(group_N.max()) + 1, *value_NX.shape[1:]), np.result_type(value_NX, np.int64))
    np.add.at(sums_UX, group_N, value_NX)
    return sums_UX


# --- a rate ---


def grouped_ratio_interval(
    numerator_G: npt.ArrayLike,
    denominator_G: npt.ArrayLike,
    confidence: float = 0.95,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[FloatArray, FloatArray]:
    """Interval of Σ numerator / Σ denominator over groups (videos, subjects) whose images depend on each other.

    Shapes (G, ...), 0 <= numerator <= denominator; low and high of shape (...). Elementwise `interval_of_draws` of
    `resample_groups`: the percentile bootstrap over groups.
    """
    ratios = Ratios(np.asarray(numerator_G), np.asarray(denominator_G))
    return interval_of_draws(ratios, resample_groups(ratios, draws, seed), confidence)


def interval_of_draws(
    ratios_G: Ratios, drawn_R: Ratios, confidence: float = 0.95
) -> tuple[FloatArray, FloatArray]:
    """Percentiles of the drawn ratios, over the draws whose denominator is not 0.

    NaN where fewer than two groups have a denominator: of a single group every draw is the same. Where all groups
    have one ratio (all of them 0, or all 1), all draws are the same too, however few groups there are; there it is
    Wilson's interval of so many groups, as if the images of a group were copies of one. Percentiles rather than BCa:
    they need no acceleration, which few groups do not tell and a group of its own kind throws off. With few groups a
    nominal 95 % interval undercovers: 87 % with 8 groups, 93 % with 20 (simulated).
    """
    n = (ratios_G.denominator > 0).sum(0)
    ratio_R = np.where(n < 2, 0, _ratio(*drawn_R))
    tails = (1 - confidence) / 2, (1 + confidence) / 2
    of_draws = np.nanquantile(ratio_R, tails, axis=0)
    is_still = _is_still(ratio_R)
    as_images = wilson(np.nan_to_num(_ratio(*(table.sum(0) for table in ratios_G))) * n, n, confidence)
    bounds = np.where(is_still, as_images, of_draws)
    low, high = np.where(n < 2, np.nan, bounds)
    return low, high


def alike_groups(ratios_G: Ratios) -> tuple[Reals, Reals, Reals]:
    """How many groups have the ratio 1 where all have it or all have 0; how many have any; whether all are alike."""
    total, whole = (table.sum(0) for table in ratios_G)
    n_groups = (ratios_G.denominator > 0).sum(0)
    return np.where(total == 0, 0, n_groups), n_groups, (total == 0) | (total == whole)


def mean_limits(total_U: Reals, n_U: Reals, draws: int = N_RESAMPLES) -> tuple[FloatArray, FloatArray]:
    """Percentiles of Σ total / Σ n over units: of the mean of any values of images, or of groups of them."""
    drawn_R = _ratio(drawn_sums(total_U, draws), drawn_sums(n_U, draws))
    return percentiles(drawn_R)


# --- a mean of figures ---


def percentiles(drawn_R: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The draws' 2.5 and 97.5 percentile."""
    low, high = np.quantile(drawn_R, TAILS, axis=0)
    return low, high


def normal_limits(value: FloatArray, drawn_R: FloatArray) -> tuple[FloatArray, FloatArray]:
    """1.96 standard deviations of the draws on either side of the value.

    For means of F1 and average precision: draws hold the few positives of a rare label twice or not at all, which lifts
    its figure, so that the draws' mean lies above the mean itself.
    """
    half = NORMAL_95 * drawn_R.std(0)
    return value - half, value + half


def mean_of_draws(
    one_K: Estimate,
    drawn_RK: FloatArray,
    is_normal: bool = False,
    of_images: bool = False,
    least: float = 0.0,
) -> Estimate:
    """The mean of K figures over the last axis, its limits from draws of them; NaN where there is no figure.

    Percentiles, or `normal_limits`. A figure that a draw misses keeps its value in it. `of_images`: a figure that is
    the same in every draw (of a class whose images are all right, or all wrong) would seem to be known exactly; there
    its own limits take part, their distance and that of the draws added in squares. Groups straddle classes, so that
    this would not hold for them: their draws stand alone, unless the mean itself is the same in all of them.
    """
    there_K = ~np.isnan(one_K.value)
    filled_RK = np.where(there_K, np.where(np.isnan(drawn_RK), one_K.value, drawn_RK), 0)
    n = np.maximum(there_K.sum(-1), 1)
    value, drawn_R = np.where(there_K, one_K.value, 0).sum(-1) / n, filled_RK.sum(-1) / n
    adds_K = there_K & (_is_still(drawn_R)[..., None] | (_is_still(filled_RK) & of_images))
    limits = normal_limits(value, drawn_R) if is_normal else percentiles(drawn_R)
    low, high = (
        _further(side, value, limit, np.sqrt((np.where(adds_K, one_K.value - own_K, 0) ** 2).sum(-1)) / n)
        for side, limit, own_K in zip((-1, 1), limits, one_K[1:], strict=True)
    )
    low, high = np.maximum(low, least), np.minimum(high, 1)
    return Estimate(*(np.where(there_K.any(-1), of, np.nan) for of in (value, low, high)))


def _further(side: int, value: FloatArray, limit: FloatArray, extra: FloatArray) -> FloatArray:
    """The lower (-1) or upper limit moved away from the value: its distance and another one added in squares."""
    distance = np.hypot(np.maximum(side * (limit - value), 0), extra)
    return np.where(extra == 0, limit, value + side * distance)


def recalls_of_units(ratios_UK: Ratios) -> Estimate:
    """Rates with the limits that one image for each unit that has any would give them, shape (K,)."""
    value_K = _ratio(*(table.sum(0) for table in ratios_UK))
    n_K = (ratios_UK.denominator > 0).sum(0)
    return intervals.recall(np.nan_to_num(value_K) * n_K, n_K)


def mean_recall_over_groups(ratios_UK: Ratios, draws: int = DRAWS) -> Estimate:
    """UAR of images that come in groups: percentiles of the mean recall of each draw, `mean_of_draws`.

    Never MOVER of the recalls: groups straddle classes. No limits of fewer than two groups.
    """
    drawn_RK = _ratio(*resample_groups(ratios_UK, draws))
    found = mean_of_draws(recalls_of_units(ratios_UK), drawn_RK)
    return found if len(ratios_UK.numerator) > 1 else Estimate(found.value, *_no_limits(found.value))


def mean_recall_difference_over_groups(a_UK: Ratios, b_UK: Ratios, draws: int = DRAWS) -> Estimate:
    """Difference of the UAR of two systems on the same groups: `mean_of_draws` of the recalls' differences."""
    drawn_RK = _ratio(*resample_groups(a_UK, draws)) - _ratio(*resample_groups(b_UK, draws))
    one_K = intervals.difference(recalls_of_units(a_UK), recalls_of_units(b_UK))
    found = mean_of_draws(one_K, drawn_RK, least=-1.0)
    return found if len(a_UK.numerator) > 1 else Estimate(found.value, *_no_limits(found.value))


def rate_difference_over_groups(difference_U: Reals, n_U: Reals, draws: int = DRAWS) -> Estimate:
    """Σ difference / Σ n over groups, with percentiles; where every draw is the same, as of so many single images."""
    n_groups = len(n_U)
    value = _ratio(difference_U.sum(), n_U.sum())
    if n_groups < 2:
        return Estimate(value, *_no_limits(value))
    drawn_R = _ratio(drawn_sums(difference_U, draws), drawn_sums(n_U, draws))
    if not _is_still(drawn_R):
        return Estimate(value, *percentiles(drawn_R))
    return intervals.paired_difference(
        n_groups * np.maximum(value, 0), n_groups * np.maximum(-value, 0), n_groups
    )


def figure_of_draws(one_X: Estimate, drawn_RX: FloatArray) -> Estimate:
    """Figures with the percentiles of their draws; with their own limits where all draws are the same.

    Draws that have no figure (they may miss every positive of a rare AU) are left aside.
    """
    is_there_X = ~np.isnan(one_X.value)
    drawn_RX = np.where(is_there_X, drawn_RX, 0)
    is_still_X = _is_still(drawn_RX)
    of_draws = np.nanquantile(drawn_RX, TAILS, axis=0)
    low_X, high_X = (
        np.where(is_still_X, own_X, of_X) for own_X, of_X in zip(one_X[1:], of_draws, strict=True)
    )
    low_X, high_X = (np.where(is_there_X, limit_X, np.nan) for limit_X in (low_X, high_X))
    return Estimate(one_X.value, low_X, high_X)


# --- images, or groups of them ---


@dataclass(frozen=True, eq=False)  # arrays have no single truth value to compare by
class Resampling:
    """What intervals take for independent: images, or whole groups where those of a video or subject are alike."""

    group_N: IntArray | None = None
    """The group of each image, numbered from 0; None where every image stands for itself."""

    @property
    def of_images(self) -> bool:
        """Whether every image stands for itself."""
        return self.group_N is None

    @property
    def kinds(self) -> dict[str, str]:
        """The kind of interval that rates, recalls, UAR, F1 and all other scores have, in words."""
        if self.group_N is not None:
            return dict.fromkeys(("rates", "recalls", "uar", "f1", "scores"), "bootstrap over groups")
        closed = {"rates": intervals.WILSON, "recalls": intervals.RECALLS, "uar": intervals.MOVER}
        return {**closed, "f1": intervals.OF_F1, "scores": "bootstrap over images"}

    def n_groups(self, member_N: BoolArray) -> int | None:
        """Of how many groups these images are; None where every image stands for itself."""
        return None if self.group_N is None else len(np.unique(self.group_N[member_N]))

    def can_vary(self, member_N: BoolArray) -> bool:
        """Whether draws of these images say anything: those of a single group are all the same."""
        n_groups = self.n_groups(member_N)
        return n_groups is None or n_groups > 1

    def rate(self, hit_NX: Reals, member_NX: BoolArray) -> Estimate:
        """The share of hits among the members, each hit a share of the nets that were asked; Wilson's limits."""
        if self.group_N is not None:
            return self._grouped_rate(hit_NX, member_NX)
        count, n = _hits(hit_NX, member_NX).sum(0), member_NX.sum(0)
        return Estimate(_ratio(count, n), *wilson(count, n))

    def recall(self, hit_NK: Reals, member_NK: BoolArray) -> Estimate:
        """`rate` with the limits of `rafce.intervals.recall`."""
        if self.group_N is not None:
            return self._grouped_rate(hit_NK, member_NK)
        return intervals.recall(_hits(hit_NK, member_NK).sum(0), member_NK.sum(0))

    def mean_recall(self, hit_NK: Reals, member_NK: BoolArray, draws: int = DRAWS) -> Estimate:
        """UAR: the mean over the classes that have members."""
        if self.group_N is None:
            return intervals.mean_of(self.recall(hit_NK, member_NK))
        return mean_recall_over_groups(self.ratios(hit_NK, member_NK), draws)

    def f1(self, hit_NX: BoolArray, union_NX: BoolArray) -> Estimate:
        """F1 of hits among the images that are labelled so, called so, or both."""
        found = self.rate(hit_NX, union_NX)
        return Estimate(*(f1_of(limit) for limit in found))

    def f1_of_units(self, hit_NX: BoolArray, union_NX: BoolArray) -> Estimate:
        """`f1` with the limits that one image for each unit would give it, for `mean_of_draws`."""
        return Estimate(*(f1_of(limit) for limit in recalls_of_units(self.ratios(hit_NX, union_NX))))

    def ratios(self, hit_NX: Reals, member_NX: BoolArray) -> Ratios:
        """Hits and members of each unit."""
        return Ratios(self.sums(_hits(hit_NX, member_NX)), self.sums(member_NX))

    def sums(self, value_NX: Reals) -> Reals:
        """The sum over each unit's images, shape (U, ...)."""
        return value_NX if self.group_N is None else group_sums(value_NX, self.group_N)

    def weights(self, n_images: int, draws: int = N_RESAMPLES) -> Iterator[IntArray]:
        """How often each image counts, shape (N,), in each draw: as often as its unit is drawn."""
        unit_N = np.arange(n_images) if self.group_N is None else self.group_N
        n_units = int(unit_N.max()) + 1 if n_images else 0
        for block_DU in group_weights(n_units, draws):
            for weight_U in block_DU.astype(np.int64):
                yield weight_U[unit_N]

    def _grouped_rate(self, hit_NX: Reals, member_NX: BoolArray) -> Estimate:
        ratios = self.ratios(hit_NX, member_NX)
        return Estimate(_ratio(*(table.sum(0) for table in ratios)), *grouped_ratio_interval(*ratios))


OVER_IMAGES = Resampling()


def resampling_of(group_N: npt.NDArray[Any] | None) -> Resampling:
    """Over groups where the images have any (by name or number), else over images."""
    return OVER_IMAGES if group_N is None else Resampling(np.unique(group_N, return_inverse=True)[1])


def _hits(hit_NX: Reals, member_NX: BoolArray) -> Reals:
    return np.asarray(hit_NX * member_NX)


def _is_still(drawn_R: FloatArray) -> BoolArray:
    """Whether a figure is the same in every draw, but for rounding."""
    return np.asarray(np.nanmax(drawn_R, axis=0) - np.nanmin(drawn_R, axis=0) < STILL)


def _no_limits(value: FloatArray) -> tuple[FloatArray, FloatArray]:
    return np.full_like(value, np.nan), np.full_like(value, np.nan)


def _ratio(part: Reals, whole: Reals) -> FloatArray:
    """Part over whole, NaN where the whole is nothing."""
    return np.asarray(np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0))
