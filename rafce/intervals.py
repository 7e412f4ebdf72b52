"""How sure a rate is: Wilson intervals and Jeffreys posterior masses (scipy.special only)."""

import numpy as np
import numpy.typing as npt
from scipy.special import betainc, ndtri

FloatArray = npt.NDArray[np.float64]


def wilson(count: npt.ArrayLike, n: npt.ArrayLike, confidence: float = 0.95) -> tuple[FloatArray, FloatArray]:
    """Wilson score interval of count / n, as fractions in [0, 1]; NaN where n is 0 (Wilson 1927).

    Equals `scipy.stats.binomtest(count, n).proportion_ci(confidence, method="wilson")`, elementwise.
    """
    count, n = np.asarray(count, np.float64), np.asarray(n, np.float64)
    z = float(ndtri(0.5 + confidence / 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        p = count / n
        centre = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    # at the ends the formula gives 0 and 1 only up to rounding
    low = np.where(count == 0, 0.0, np.clip(centre - half, 0, 1))
    high = np.where(count == n, 1.0, np.clip(centre + half, 0, 1))
    nothing = n == 0
    return np.where(nothing, np.nan, low), np.where(nothing, np.nan, high)


def posterior_masses(count: npt.ArrayLike, n: npt.ArrayLike, cuts: tuple[float, ...]) -> FloatArray:
    """Probability that the true rate lies between consecutive cuts, one more than there are cuts, on the last axis.

    The posterior under Jeffreys' prior is Beta(count + 1/2, n - count + 1/2); NaN where n is 0.
    """
    count, n = np.asarray(count, np.float64), np.asarray(n, np.float64)
    below = [betainc(count + 0.5, n - count + 0.5, cut) for cut in cuts]
    edges = np.stack([np.zeros_like(count), *below, np.ones_like(count)], axis=-1)
    masses: FloatArray = np.diff(edges, axis=-1)
    return np.where((n == 0)[..., None], np.nan, masses)
