"""What AUs tell, as in `rafce.association`, with intervals over groups of images that depend on each other."""

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import xlogy

from rafce.association import LN_2, Bounds, mutual_information
from rafce.bootstrap import TAILS, Ratios, alike_groups, resample_groups
from rafce.grouped import GroupTally

# G groups, R draws of them, E emotions, A action units
FloatArray = npt.NDArray[np.float64]


def mutual_information_over_groups(groups: GroupTally, aus: Sequence[int]) -> pd.DataFrame:
    """`rafce.association.mutual_information`, but for what shuffling images would tell.

    Images of a group share emotions and AUs, so that chance gives more bits than shuffled images do. `chance` is what
    drawing groups anew adds to the bits on average, the bootstrap's estimate of their bias; `excess` = bits - chance,
    and its interval is the basic bootstrap's, 2 · bits less the percentiles of the draws, not below 0. None of these
    where fewer than two groups know the AU, or where it is active never or always.
    """
    known_RE, active_RE = groups.known_GEA.sum(1), groups.active_GEA.sum(1)
    table = mutual_information(groups.counts(), aus)
    drawn_R = resample_groups(Ratios(groups.active_GEA, groups.known_GEA))
    bits_RA = information_bits(drawn_R.denominator, drawn_R.numerator)
    bits_RA[drawn_R.denominator.sum(1) == 0] = np.nan  # such a draw tells nothing, as elsewhere
    bits_A = table["bits"].to_numpy()
    _, n_groups_A, alike_A = alike_groups(Ratios(active_RE, known_RE))
    untold_A = (n_groups_A < 2) | alike_A
    chance_A = np.where(untold_A, np.nan, _over_draws(np.nanmean, bits_RA) - bits_A)
    low_A, high_A = (
        np.maximum(2 * bits_A - bound_A, 0)
        for bound_A in _over_draws(partial(np.nanquantile, q=TAILS[::-1]), bits_RA)
    )
    table.insert(list(table.columns).index("n") + 1, "n_groups", n_groups_A)
    return table.assign(
        chance=chance_A,
        excess=bits_A - chance_A,
        ci_low=np.where(untold_A, np.nan, low_A),
        ci_high=np.where(untold_A, np.nan, high_A),
    )


def _over_draws(figure: Callable[..., Any], bits_RA: FloatArray) -> Any:
    """A figure over the draws that have one; NaN, without a warning, where none has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return figure(bits_RA, axis=0)


def information_bits(known_EA: FloatArray, active_EA: FloatArray) -> FloatArray:
    """Mutual information of emotion and each AU in bits, shape (A,), or (R, A) of tables (R, E, A); 0 of no image.

    Of a table of counts c with margins r and s and sum n it is (Σ c ln c - Σ r ln r - Σ s ln s + n ln n) / (n ln 2).
    """
    cells = np.stack([active_EA, known_EA - active_EA])
    n_A = known_EA.sum(-2)
    nats_A = _times_log(cells).sum((0, -2)) - _times_log(known_EA).sum(-2)
    nats_A += _times_log(n_A) - _times_log(cells.sum(-2)).sum(0)
    bits_A: FloatArray = np.maximum(nats_A, 0) / (np.maximum(n_A, 1) * LN_2)
    return bits_A


def _times_log(count: FloatArray) -> FloatArray:
    return np.asarray(xlogy(count, count), np.float64)


def log_odds_bounds(groups: GroupTally) -> Bounds:
    """Percentiles of `rafce.association.log_odds_ratio` of each AU in each emotion, shapes (E, A).

    NaN where fewer than two groups know the AU in the emotion or in the rest, and where all or none of the images of
    either have it: half an image added to an empty cell is then all that the draws would tell.
    """
    inside = Ratios(groups.active_GEA, groups.known_GEA)
    rest, drawn = _rest(inside), resample_groups(inside)
    untold_EA = np.zeros(inside.numerator.shape[1:], np.bool_)
    for ratios in (inside, rest):
        _, n_groups_EA, alike_EA = alike_groups(ratios)
        untold_EA |= (n_groups_EA < 2) | alike_EA
    log_odds_REA = _log_odds(drawn) - _log_odds(_rest(drawn))
    percentiles = np.nanquantile(np.where(untold_EA, 0, log_odds_REA), TAILS, axis=0)
    low_EA, high_EA = np.where(untold_EA, np.nan, percentiles)
    return low_EA, high_EA


def _rest(sums: Ratios) -> Ratios:
    """Of all other emotions together; the emotion is the second axis."""
    return Ratios(*(table.sum(1, keepdims=True) - table for table in sums))


def _log_odds(sums: Ratios) -> FloatArray:
    """ln (active + 1/2) / (inactive + 1/2); NaN of no image."""
    active, known = sums
    return np.where(known > 0, np.log((active + 0.5) / (known - active + 0.5)), np.nan)
