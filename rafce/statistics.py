"""p(AU | emotion): counts, frequencies and the paper's categories, with how sure they are (section 3.2, Table 1)."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rafce.intervals import posterior_masses, wilson
from rafce.schema import CATEGORIES

# N images, E emotions, A action units
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

PROTOTYPICAL_FROM = 0.70
VARIANT_FROM = 0.20


class Counts(NamedTuple):
    """Images in which an AU is known, and in which it is active, per emotion; both of shape (E, A)."""

    known_EA: IntArray
    active_EA: IntArray


class PairCounts(NamedTuple):
    """Counts for each two AUs per emotion, of shape (E, A, A): images that know both, that know both and have the
    first active, and that have both active; the diagonal is each AU with itself."""

    known_EAA: IntArray
    first_EAA: IntArray
    active_EAA: IntArray


def count(emotion_N: IntArray, active_NA: BoolArray, known_NA: BoolArray, n_emotions: int) -> Counts:
    """Count each AU per emotion; an AU that is not known in an image counts neither way."""
    member_NE = (emotion_N[:, None] == np.arange(n_emotions)).astype(np.int64)
    known_EA = member_NE.T @ known_NA.astype(np.int64)
    active_EA = member_NE.T @ (active_NA & known_NA).astype(np.int64)
    return Counts(known_EA, active_EA)


def frequency(counts: Counts) -> FloatArray:
    """p(AU | emotion), shape (E, A), in [0, 1]; NaN where no image knows the AU."""
    with np.errstate(invalid="ignore"):
        return np.where(counts.known_EA == 0, np.nan, counts.active_EA / counts.known_EA)


def category_index(counts: Counts) -> IntArray:
    """Position in CATEGORIES by the paper's rule, shape (E, A); -1 where no image knows the AU.

    Prototypical f >= 0.70, variant 0.20 <= f < 0.70, unobserved below; compared in integers, so that 7 of 10 and
    1 of 5 fall on the right side whatever the rounding of the quotient.
    """
    known, active = counts
    index = np.select([100 * active >= 70 * known, 100 * active >= 20 * known], [0, 1], default=2)
    return np.where(known == 0, -1, index)


class Sureness(NamedTuple):
    """Interval of the frequency and posterior mass of each category, (E, A) and (E, A, 3); NaN where n is 0."""

    low_EA: FloatArray
    high_EA: FloatArray
    mass_EAC: FloatArray  # in the order of CATEGORIES


def sureness(counts: Counts) -> Sureness:
    """Wilson 95 % interval and, under Jeffreys' prior, how probable each category is."""
    low, high = wilson(counts.active_EA, counts.known_EA)
    rising = posterior_masses(counts.active_EA, counts.known_EA, (VARIANT_FROM, PROTOTYPICAL_FROM))
    return Sureness(low, high, rising[..., ::-1])


def category_names(index_EA: IntArray) -> npt.NDArray[np.object_]:
    """The names of `category_index`, None where it is -1."""
    return np.array([*CATEGORIES, None], dtype=object)[index_EA]
