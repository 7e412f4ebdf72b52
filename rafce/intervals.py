"""Confidence intervals in closed form: of a rate, of a mean of rates, of a difference, of F1 (scipy.special only).

`rafce.bootstrap` has the intervals of figures that have none here, and of images that come in groups.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import betainc, betaincinv, ndtri

# K rates that are averaged; "..." are any further axes
FloatArray = npt.NDArray[np.float64]
Reals = npt.NDArray[Any]

FEW_IMAGES = 10
"""Below so many test images of an emotion its recall is said to tell little."""
FEW_GROUPS = 20
"""Below so many groups intervals over groups are said to be too narrow."""
WILSON_FROM = 3
"""Below so many images Wilson's interval of a recall is too short, and Clopper and Pearson's takes its place."""

WILSON = "Wilson"
RECALLS = f"Wilson (below {WILSON_FROM} images Clopper–Pearson)"
MOVER = "MOVER"
OF_F1 = "Wilson of TP / (TP + FP + FN)"


class Estimate(NamedTuple):
    """Figures with their 95 % limits, as fractions; NaN for what does not exist."""

    value: FloatArray
    low: FloatArray
    high: FloatArray


def wilson(count: npt.ArrayLike, n: npt.ArrayLike, confidence: float = 0.95) -> tuple[FloatArray, FloatArray]:
    """Wilson score interval of count / n, as fractions in [0, 1]; NaN where n is 0 (Wilson 1927).

    Equals `scipy.stats.binomtest(count, n).proportion_ci(confidence, method="wilson")`, elementwise.
    """
    count, n = np.asarray(count, np.float64), np.asarray(n, np.float64)
    z = float(ndtri(0.5 + confidence / 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        p = count / n
        centre = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * np.sqrt(np.maximum(p * (1 - p) / n, 0) + z * z / (4 * n * n))
    # at the ends the formula gives 0 and 1 only up to rounding
    low = np.where(count == 0, 0.0, np.clip(centre - half, 0, 1))
    high = np.where(count == n, 1.0, np.clip(centre + half, 0, 1))
    nothing = n == 0
    return np.where(nothing, np.nan, low), np.where(nothing, np.nan, high)


def clopper_pearson(
    count: npt.ArrayLike, n: npt.ArrayLike, confidence: float = 0.95
) -> tuple[FloatArray, FloatArray]:
    """Exact binomial interval of count / n; NaN where n is 0 (Clopper & Pearson 1934).

    Equals `scipy.stats.binomtest(count, n).proportion_ci(confidence, method="exact")`, elementwise.
    """
    count, n = np.asarray(count, np.float64), np.asarray(n, np.float64)
    tail, misses = (1 - confidence) / 2, n - count
    low = np.where(count > 0, betaincinv(np.where(count > 0, count, 1), misses + 1, tail), 0.0)
    high = np.where(misses > 0, betaincinv(count + 1, np.where(misses > 0, misses, 1), 1 - tail), 1.0)
    nothing = n == 0
    return np.where(nothing, np.nan, low), np.where(nothing, np.nan, high)


def recall(count: npt.ArrayLike, n: npt.ArrayLike) -> Estimate:
    """Recalls with their 95 % limits: Wilson's of three images or more, Clopper and Pearson's of fewer.

    `count` may be the mean over several trained nets. The limits are then as wide as those of a single net: how many
    images there are, and not how often they were judged, says how much they tell.
    """
    count, n = np.asarray(count, np.float64), np.asarray(n, np.float64)
    is_enough = n >= WILSON_FROM
    low, high = (
        np.where(is_enough, of_many, of_few)
        for of_many, of_few in zip(wilson(count, n), clopper_pearson(count, n), strict=True)
    )
    return Estimate(_ratio(count, n), low, high)


def mean_recall(count_K: npt.ArrayLike, n_K: npt.ArrayLike) -> Estimate:
    """UAR, the mean over the last axis of the `recall`s that have images, with its 95 % limits: `mean_of` them."""
    return mean_of(recall(count_K, n_K))


def mean_of(rates_K: Estimate) -> Estimate:
    """The mean of independent figures over the last axis, its limits from theirs; NaN where there is none.

    MOVER (Zou & Donner, Statistics in Medicine 27, 2008): mean -+ sqrt(Σ (value - limit)²) / K.
    """
    there_K = ~np.isnan(rates_K.value)
    n = there_K.sum(-1)
    mean = _ratio(np.where(there_K, rates_K.value, 0).sum(-1), n)
    below, above = (
        _ratio(np.sqrt((np.where(there_K, rates_K.value - limit_K, 0) ** 2).sum(-1)), n)
        for limit_K in rates_K[1:]
    )
    return Estimate(mean, mean - below, mean + above)


def difference(a: Estimate, b: Estimate) -> Estimate:
    """a - b of independent figures, its limits from theirs (MOVER; of two Wilson intervals Newcombe's method 10, 1998).

    low = a - b - sqrt((a - low of a)² + (high of b - b)²), and high likewise. Of figures that rise and fall together,
    as those of two systems on the same images do, the limits are wider than they need be, never too narrow.
    """
    value = a.value - b.value
    low = value - np.hypot(a.value - a.low, b.high - b.value)
    high = value + np.hypot(a.high - a.value, b.value - b.low)
    return Estimate(value, low, high)


def paired_difference(better: npt.ArrayLike, worse: npt.ArrayLike, n: npt.ArrayLike) -> Estimate:
    """Difference of two rates on the same n images, by on how many either is better (sums of shares of nets).

    MOVER of the two Wilson intervals, which are correlated by -sqrt(p q / ((1 - p) (1 - q))), as shares p and q of one
    whole are. It has a width even where the systems agree on every image.
    """
    better, worse, n = (np.asarray(of, np.float64) for of in (better, worse, n))
    p, q = _ratio(better, n), _ratio(worse, n)
    (p_low, p_high), (q_low, q_high) = wilson(better, n), wilson(worse, n)
    with np.errstate(invalid="ignore"):
        correlation = -np.sqrt(np.nan_to_num(_ratio(p * q, (1 - p) * (1 - q))))
    value = p - q
    low = value - _length(p - p_low, q_high - q, correlation)
    high = value + _length(p_high - p, q - q_low, correlation)
    return Estimate(value, np.maximum(low, -1), np.minimum(high, 1))


def f1(hits: npt.ArrayLike, false_alarms: npt.ArrayLike, misses: npt.ArrayLike) -> Estimate:
    """F1 with 95 % limits: Wilson's of J = TP / (TP + FP + FN), mapped by `f1_of`, so that F1 = 0 has a width."""
    count = np.asarray(hits, np.float64)
    n = count + np.asarray(false_alarms) + np.asarray(misses)
    return Estimate(f1_of(_ratio(count, n)), *(f1_of(limit) for limit in wilson(count, n)))


def f1_of(jaccard: FloatArray) -> FloatArray:
    """F1 = 2 TP / (2 TP + FP + FN) = 2 J / (1 + J), which rises with J = TP / (TP + FP + FN)."""
    score: FloatArray = 2 * jaccard / (1 + jaccard)
    return score


def posterior_masses(count: npt.ArrayLike, n: npt.ArrayLike, cuts: tuple[float, ...]) -> FloatArray:
    """Probability that the true rate lies between consecutive cuts, one more than there are cuts, on the last axis.

    The posterior under Jeffreys' prior is Beta(count + 1/2, n - count + 1/2); NaN where n is 0.
    """
    count, n = np.asarray(count, np.float64), np.asarray(n, np.float64)
    below = [betainc(count + 0.5, n - count + 0.5, cut) for cut in cuts]
    edges = np.stack([np.zeros_like(count), *below, np.ones_like(count)], axis=-1)
    masses: FloatArray = np.diff(edges, axis=-1)
    return np.where((n == 0)[..., None], np.nan, masses)


def _length(below: FloatArray, above: FloatArray, correlation: FloatArray) -> FloatArray:
    return np.asarray(np.sqrt(below**2 - 2 * correlation * below * above + above**2))


def _ratio(part: Reals, whole: Reals) -> FloatArray:
    """Part over whole, NaN where the whole is nothing."""
    part, whole = np.broadcast_arrays(part, whole)
    return np.asarray(np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0))
