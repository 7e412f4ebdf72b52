"""Laboratory against wild, per emotion and AU: how far apart the frequencies are, and how sure that is."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import binom, false_discovery_control, fisher_exact

from rafce.errors import ConfigError
from rafce.intervals import Estimate, difference, wilson
from rafce.reference import LAB_SUBJECTS, LabCell
from rafce.statistics import VARIANT_FROM, Counts, Sureness, sureness

# E emotions, A action units, R rows of the result: a pair of emotion and AU
FloatArray = npt.NDArray[np.float64]
Bounds = tuple[FloatArray, FloatArray]

FISHER = "fisher"
BINOMIAL = "binomial"
COLUMNS = [
    *("emotion", "au", "n", "count", "wild", "wild_ci_low", "wild_ci_high"),
    *("lab_n", "lab", "lab_ci_low", "lab_ci_high", "difference", "ci_low", "ci_high", "test", "p", "q"),
]


def compare_lab_and_wild(
    counts: Counts,
    emotions: Sequence[str],
    aus: Sequence[int],
    lab: Sequence[LabCell],
    lab_n: int = LAB_SUBJECTS,
    sure: Sureness | None = None,
) -> pd.DataFrame:
    """A row per emotion and AU: both frequencies with intervals, what separates them, p and q.

    Intervals are Wilson's, but those of the wild are `sure`'s where it is given.

    `test` says what is known of the lab, and with it what is compared (fractions in [0, 1] throughout):

    - "fisher", the lab lists a figure: `difference` = wild - lab with Newcombe's interval, and a two-sided
      exact test of equal proportions. Exact, since some emotions have a dozen images, where the normal
      approximation of the usual two-proportion test does not hold. The lab's count is its percent of `lab_n`
      subjects, rounded.
    - "binomial", the lab leaves the cell blank, so only "lab < 20 %" is known: a one-sided exact test of
      wild > 20 %, which takes the 20 % as exact; no lab figure and no difference.
    - None: no image knows the AU, or the lab has no row for the emotion; nothing is tested. Nor is anything where
      `sure` is given, as both tests take images for independent.

    `q` is Benjamini-Hochberg's, within each of the two families of tests. A pair unknown to both sides has no
    row. Raises ConfigError when `lab_n` is not positive.
    """
    if lab_n < 1:
        raise ConfigError(f"expected at least one subject in the laboratory, found {lab_n}")
    table = _pairs(counts, emotions, aus, lab)
    n, count, listed = table["n"], table["count"], table["lab"]
    table["wild"] = (count / n).where(n > 0)
    table["wild_ci_low"], table["wild_ci_high"] = _wild_bounds(table, sure or sureness(counts), emotions, aus)
    table["lab_n"] = lab_n
    table["lab_ci_low"], table["lab_ci_high"] = wilson(listed * lab_n, lab_n)
    table["difference"] = table["wild"] - listed
    table["ci_low"], table["ci_high"] = _difference_bounds(table)
    table["lab_count"] = np.rint(listed * lab_n)
    table["test"] = None if sure else _tests(table)
    table["p"] = _p_values(table)
    table["q"] = table.groupby("test")["p"].transform(false_discovery_control)
    return table[COLUMNS]


def newcombe(
    count_1: npt.ArrayLike, n_1: npt.ArrayLike, count_2: npt.ArrayLike, n_2: npt.ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """95 % interval of p1 - p2, p = count / n, from the two Wilson intervals; NaN where an n is 0.

    Newcombe's hybrid score (Statistics in Medicine 17, 1998, method 10):
    low = p1 - p2 - sqrt((p1 - l1)^2 + (u2 - p2)^2), high = p1 - p2 + sqrt((u1 - p1)^2 + (p2 - l2)^2).
    """
    with np.errstate(invalid="ignore"):
        rate_1, rate_2 = np.divide(count_1, n_1), np.divide(count_2, n_2)
    found = difference(Estimate(rate_1, *wilson(count_1, n_1)), Estimate(rate_2, *wilson(count_2, n_2)))
    return found.low, found.high


def _difference_bounds(table: pd.DataFrame) -> Bounds:
    wild, lab = (
        Estimate(*(table[name].to_numpy(np.float64) for name in (side, f"{side}_ci_low", f"{side}_ci_high")))
        for side in ("wild", "lab")
    )
    found = difference(wild, lab)
    return found.low, found.high


def _wild_bounds(
    table: pd.DataFrame, sure: Sureness, emotions: Sequence[str], aus: Sequence[int]
) -> list[FloatArray]:
    """The intervals of the wild for each row; NaN for an AU that the dataset has no column for."""
    row_R = pd.Index(emotions).get_indexer(pd.Index(table["emotion"]))
    column_R = pd.Index(aus).get_indexer(pd.Index(table["au"]))
    return [
        np.where(column_R < 0, np.nan, bound_EA[row_R, column_R]) for bound_EA in (sure.low_EA, sure.high_EA)
    ]


def _pairs(
    counts: Counts, emotions: Sequence[str], aus: Sequence[int], lab: Sequence[LabCell]
) -> pd.DataFrame:
    """The pairs that the dataset codes or the lab lists: emotion, au, n, count, lab, lab_row.

    `lab_row` says whether the lab has a row for the emotion; without one a blank means nothing.
    """
    percent = {(cell.emotion, cell.au): cell.percent for cell in lab}
    in_lab = {cell.emotion for cell in lab}
    column = {au: index for index, au in enumerate(aus)}
    rows = []
    for id_, emotion in enumerate(emotions):
        for au in sorted({*aus, *(au for name, au in percent if name == emotion)}):
            known, active = (int(table[id_, column[au]]) if au in column else 0 for table in counts)
            rows.append(
                (emotion, au, known, active, percent.get((emotion, au), np.nan) / 100, emotion in in_lab)
            )
    return pd.DataFrame(rows, columns=["emotion", "au", "n", "count", "lab", "lab_row"])


def _tests(table: pd.DataFrame) -> list[str | None]:
    return [
        None if n == 0 or not lab_row else BINOMIAL if np.isnan(lab) else FISHER
        for n, lab, lab_row in zip(table["n"], table["lab"], table["lab_row"], strict=True)
    ]


def _p_values(table: pd.DataFrame) -> FloatArray:
    above_bound = binom.sf(table["count"] - 1, table["n"], VARIANT_FROM)
    listed = table["test"] == FISHER
    p: FloatArray = np.where(table["test"] == BINOMIAL, above_bound, np.nan)
    p[listed] = [
        fisher_exact(np.array([[active, n - active], [posed, lab_n - posed]])).pvalue
        for active, n, posed, lab_n in table.loc[listed, ["count", "n", "lab_count", "lab_n"]].to_numpy(
            np.int64
        )
    ]
    return p
