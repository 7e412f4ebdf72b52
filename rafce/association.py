"""How AUs go with emotions and with each other: mutual information, log odds, co-occurrence, all with intervals."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import gammaln, ndtri

from rafce.intervals import wilson
from rafce.statistics import Counts, PairCounts

# E emotions, A action units, S inactive and active, X possible counts of an emotion's active images
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Bounds = tuple[FloatArray, FloatArray]

Z_95 = float(ndtri(0.975))
LN_2 = float(np.log(2))
ALL_COUNTS = 10_000  # to either side of the mean; memory would follow the number of images otherwise
NO_BITS = 1e-9  # below it bits are rounding, and error^2 / bits its limit 2 / (n ln 2)
ODDS_COLUMNS = ["log_odds", "log_odds_low", "log_odds_high"]
PAIR_BOUNDS = ["ci_low", "ci_high", *ODDS_COLUMNS[1:]]
PAIR_COLUMNS = [
    *("emotion", "au_1", "au_2", "n", "active_1", "active_2", "count"),
    *("frequency", "ci_low", "ci_high", "expected", "phi", *ODDS_COLUMNS),
]


def mutual_information(counts: Counts, aus: Sequence[int]) -> pd.DataFrame:
    """How many bits each AU tells about the emotion: a row an AU, from the images that know it.

    Columns: au, n, active, bits, chance, excess, ci_low, ci_high. `bits` is the mutual information of emotion and
    AU. It is above 0 by chance alone, the more so with many emotions and few images; `chance` is its exact mean
    when the emotions are shuffled among the images (Vinh, Epps & Bailey 2010), and `excess` = bits - chance the
    figure to read, which can fall below 0. The interval is `information_interval`. NaN where no image knows the AU;
    no interval where it is active never or always.
    """
    rows = [
        (au, *_information_row(known_E, active_E))
        for au, known_E, active_E in zip(aus, counts.known_EA.T, counts.active_EA.T, strict=True)
    ]
    columns = ["au", "n", "active", "bits", "chance", "excess", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=columns)


def _information_row(
    known_E: IntArray, active_E: IntArray
) -> tuple[int, int, float, float, float, float, float]:
    n, n_active = int(known_E.sum()), int(active_E.sum())
    bits, error = information_bits(np.stack([known_E - active_E, active_E], axis=1))
    chance = chance_bits(known_E, n_active)
    if not 0 < n_active < n:
        return n, n_active, bits, chance, bits - chance, np.nan, np.nan
    low, high = information_interval(bits, error, chance, n)
    return n, n_active, bits, chance, bits - chance, low, high


def information_interval(bits: float, error: float, chance: float, n: int) -> tuple[float, float]:
    """95 % score interval of a mutual information I, in bits: |bits - chance - I| <= 1.96 sqrt(v0 + v1 I), I >= 0.

    v0 = chance / (n ln 2) is the variance where the AU tells nothing, as 2 n ln 2 bits is then chi-square; v1 I is
    the delta method's, error^2 at I = bits, which vanishes with I in proportion. Taking the variance at I rather
    than at bits bends the interval upwards, as Wilson's is; bits -+ 1.96 errors would miss too often above it.
    """
    excess = bits - chance
    v0, v1 = chance / (n * LN_2), error**2 / bits if bits > NO_BITS else 2 / (n * LN_2)
    centre, half = excess + Z_95**2 * v1 / 2, Z_95 * np.sqrt(v0 + v1 * max(excess, 0) + Z_95**2 * v1**2 / 4)
    return max(centre - half, 0), max(centre + half, 0)


def information_bits(table_ES: IntArray) -> tuple[float, float]:
    """Mutual information of a contingency table in bits, and its standard error; NaN for an empty table."""
    n = table_ES.sum()
    if n == 0:
        return np.nan, np.nan
    p_ES = table_ES / n
    by_chance_ES = p_ES.sum(1, keepdims=True) * p_ES.sum(0, keepdims=True)
    log_ratio_ES = np.log2(np.divide(p_ES, by_chance_ES, out=np.ones_like(p_ES), where=p_ES > 0))
    bits = float((p_ES * log_ratio_ES).sum())
    variance = float((p_ES * log_ratio_ES**2).sum()) - bits**2
    return bits, float(np.sqrt(max(variance, 0) / n))


def chance_bits(known_E: IntArray, n_active: int) -> float:
    """Mean mutual information in bits over all shuffles of the emotions; NaN without images.

    Each emotion's active count is then hypergeometric: n images, n_active of them active, n_e drawn.
    """
    n = int(known_E.sum())
    if n == 0:
        return np.nan
    n_E = known_E[:, None]
    active_EX = _likely_counts(n_E, n_active, n)
    inactive_EX = n_E - active_EX
    possible_EX = (active_EX <= n_active) & (inactive_EX >= 0) & (inactive_EX <= n - n_active)
    active_EX, inactive_EX = (np.where(possible_EX, table_EX, 0) for table_EX in (active_EX, inactive_EX))
    ways_EX = _log_choose(n_active, active_EX) + _log_choose(n - n_active, inactive_EX) - _log_choose(n, n_E)
    probability_EX = np.exp(np.where(possible_EX, ways_EX, -np.inf))
    nats_EX = _cell_nats(active_EX, n_E, n_active, n) + _cell_nats(inactive_EX, n_E, n - n_active, n)
    return float((probability_EX * nats_EX).sum()) / LN_2


def _likely_counts(n_E: IntArray, n_active: int, n: int) -> IntArray:
    """The counts from 0 to the largest possible, shape (E, X), or of a million images those near their mean.

    Beyond six roots of n_e to either side lies less than 2 e^-72 of the probability (Hoeffding 1963).
    """
    most = int(n_E.max())
    reach = ALL_COUNTS + int(6 * np.sqrt(most))
    first_E = np.maximum(n_E * (n_active / n) - reach, 0).astype(np.int64)
    counts_EX: IntArray = first_E + np.arange(min(most, n_active, 2 * reach) + 1)
    return counts_EX


def _log_choose(n: int, k: IntArray) -> FloatArray:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1), np.float64)


def _cell_nats(count: IntArray, n_E: IntArray, n_state: int, n: int) -> FloatArray:
    """A cell's part of the mutual information: count / n · log(n count / (n_e n_state)), 0 where the count is 0."""
    ratio = n * np.maximum(count, 1) / np.maximum(n_E * n_state, 1)
    return np.asarray(count / n * np.log(ratio), np.float64)


def telling_aus(
    counts: Counts, emotions: Sequence[str], aus: Sequence[int], bounds: Bounds | None = None
) -> pd.DataFrame:
    """How much each AU speaks for or against each emotion, a row a pair, the most telling of an emotion first.

    `log_odds` is `log_odds_ratio` of the AU in the emotion against all other emotions, with its 95 % interval. The
    order is by `strength`, the end of the interval nearest 0: how much is sure, not how much was seen in a few
    images. It is 0 where the interval includes 0, and where the halves alone make the sign: an AU that a class of
    a dozen images never shows speaks for no class. Intervals are one at a time, not corrected for their number.
    NaN where the emotion or the rest has no image. `bounds`, low and high of shape (E, A), are other intervals.
    """
    table = _in_and_rest(counts, emotions, aus)
    inside, rest = table["active"], table["active_rest"]
    odds = log_odds_ratio(inside, table["n"] - inside, rest, table["n_rest"] - rest)
    table["log_odds"], table["ci_low"], table["ci_high"] = odds
    if bounds is not None:
        table["ci_low"], table["ci_high"] = (bound_EA.ravel() for bound_EA in bounds)
    table["strength"] = _strength(table)
    table["size"] = table["strength"].abs()
    order = table.sort_values(["emotion_id", "size", "au"], ascending=[True, False, True], ignore_index=True)
    return order.drop(columns=["emotion_id", "size"])


def log_odds_ratio(
    both: npt.ArrayLike, only_1: npt.ArrayLike, only_2: npt.ArrayLike, neither: npt.ArrayLike
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Natural log of both · neither / (only_1 · only_2) and its 95 % interval, elementwise.

    Half an image is added to each cell (Haldane 1956, Anscombe 1956), so that it is finite where a cell is 0; the
    standard error is the root of the summed inverse cells. NaN where a row or the other of the table is empty.
    """
    cells = np.stack([np.asarray(cell, np.float64) for cell in (both, only_1, only_2, neither)])
    a, b, c, d = cells + 0.5
    empty = (cells[0] + cells[1] == 0) | (cells[2] + cells[3] == 0)
    value = np.where(empty, np.nan, np.log(a * d / (b * c)))
    half = Z_95 * np.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
    return value, value - half, value + half


def _in_and_rest(counts: Counts, emotions: Sequence[str], aus: Sequence[int]) -> pd.DataFrame:
    known, active = counts
    ids, columns = np.indices(known.shape).reshape(2, -1)
    return pd.DataFrame(
        {
            "emotion_id": ids,
            "emotion": np.array(emotions)[ids],
            "au": np.array(aus)[columns],
            "n": known.ravel(),
            "active": active.ravel(),
            "n_rest": (known.sum(0) - known).ravel(),
            "active_rest": (active.sum(0) - active).ravel(),
        }
    )


def _strength(table: pd.DataFrame) -> FloatArray:
    """The end of the interval nearest 0 where it and the plain rates agree on the sign, else 0."""
    seen_sign = np.sign(table["active"] * table["n_rest"] - table["active_rest"] * table["n"])
    for_emotion = (table["ci_low"] > 0) & (seen_sign > 0)
    against = (table["ci_high"] < 0) & (seen_sign < 0)
    return np.select([for_emotion, against], [table["ci_low"], table["ci_high"]], default=0.0)


def cooccurrence(
    counts: PairCounts, emotions: Sequence[str], aus: Sequence[int], independent: bool = True
) -> pd.DataFrame:
    """How often two AUs are active together, a row per emotion and pair of AUs (au_1 before au_2).

    `n` images of the emotion know both AUs; `active_1`, `active_2` and `count` of them have the one, the other and
    both. `frequency` = count / n with Wilson's 95 % interval; `expected` is the product of the two rates, what
    independent AUs would give. `phi` is their correlation; `log_odds` with its 95 % interval says how sure it is
    that they go together. NaN where n is 0, and where an AU is active always or never. Images that are not
    `independent` of each other have no intervals here.
    """
    one, other = np.triu_indices(len(aus), k=1)
    table = {
        "emotion": np.repeat(np.array(emotions, object), len(one)),
        "au_1": np.tile(np.array(aus)[one], len(emotions)),
        "au_2": np.tile(np.array(aus)[other], len(emotions)),
        "n": counts.known_EAA[:, one, other].ravel(),
        "active_1": counts.first_EAA[:, one, other].ravel(),
        "active_2": counts.first_EAA[:, other, one].ravel(),
        "count": counts.active_EAA[:, one, other].ravel(),
    }
    rates = _joint_rates(pd.DataFrame(table))[PAIR_COLUMNS]
    return rates if independent else rates.assign(**dict.fromkeys(PAIR_BOUNDS, np.nan))


def _joint_rates(table: pd.DataFrame) -> pd.DataFrame:
    n, both, first, second = table["n"], table["count"], table["active_1"], table["active_2"]
    low, high = wilson(both, n)
    rate_1, rate_2 = (first / n).where(n > 0), (second / n).where(n > 0)
    spread = np.sqrt(rate_1 * (1 - rate_1) * rate_2 * (1 - rate_2))
    odds = log_odds_ratio(both, first - both, second - both, n - first - second + both)
    both_vary = spread > 0
    frequency, expected = both / n, rate_1 * rate_2
    return table.assign(
        frequency=frequency.where(n > 0),
        ci_low=low,
        ci_high=high,
        expected=expected,
        phi=((frequency - expected) / spread).where(both_vary),
        **{name: pd.Series(value).where(both_vary) for name, value in zip(ODDS_COLUMNS, odds, strict=True)},
    )
