"""Every two systems of a comparison against each other, on the same test images."""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from rafce import intervals
from rafce.bootstrap import (
    group_sums,
    mean_recall_difference_over_groups,
    percentiles,
    rate_difference_over_groups,
)
from rafce.intervals import Estimate
from rafce.paired import flip_test, holm, macro_f1_swap_tests, mcnemar, net_difference, uar_differences
from rafce_reports.comparison_aus import AuLabels, au_calls, drawn_macro_f1
from rafce_reports.comparison_runs import System
from rafce_reports.numbers import SIGNIFICANT

# N test images, U units of them (groups, or each image alone), R draws of these
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

INSIDE, A_BETTER, B_BETTER = "inside noise", "a better", "b better"
MCNEMAR, FLIPPED = "McNemar, exact", "signs of groups, exact"
SIGNS, SWAPS = "signs of {} flipped", "predictions of {} swapped"


class Pair(NamedTuple):
    """Two systems, and on how many more runs of A than of B each test image is right, in whole units."""

    a: System
    b: System
    net_N: IntArray

    @property
    def units(self) -> str:
        """What is flipped, swapped or drawn."""
        return "groups" if self.a.is_grouped else "images"


def paired_tests(systems: Sequence[System], labels: AuLabels | None) -> pd.DataFrame:
    """A row a measure and pair: difference in percentage points with interval, p, p by Holm, verdict, sd over seeds.

    A difference counts where p, corrected by Holm over all pairs of its measure, is below 0.05 and the interval leaves
    out 0; else it is inside noise. Both take the trained nets as given, and ask about the images (or the groups that
    they come in); how far runs of other seeds lie apart stand beside it as `sd_a`, `sd_b`. AU macro-F1 only where AU
    labels are at hand, and between systems that learn AUs.
    """
    pairs = [Pair(a, b, net_difference(a.right_NS, b.right_NS)) for a, b in combinations(systems, 2)]
    rows = [*(_accuracy_row(pair) for pair in pairs)], [*(_uar_row(pair) for pair in pairs)]
    learned = [system for system in systems if system.learns_aus]
    of_aus = _au_rows(learned, labels) if labels is not None and len(learned) > 1 else []
    return pd.concat([_with_verdicts(of) for of in (*rows, of_aus) if of], ignore_index=True)


def _accuracy_row(pair: Pair) -> dict[str, object]:
    a, b, net_N = pair
    difference_N = a.right_N - b.right_N
    if a.is_grouped:
        found = rate_difference_over_groups(group_sums(difference_N, a.unit_N), np.bincount(a.unit_N))
    else:
        gained, lost = (np.maximum(sign * difference_N, 0).sum() for sign in (1, -1))
        found = intervals.paired_difference(gained, lost, len(difference_N))
    test = FLIPPED if a.is_grouped else MCNEMAR
    return _row("accuracy", pair, found, mcnemar(group_sums(net_N, a.unit_N)), test)


def _uar_row(pair: Pair) -> dict[str, object]:
    a, b, net_N = pair
    if a.is_grouped:
        of_a, of_b = (system.resampling.ratios(system.hits_NK, system.member_NK) for system in (a, b))
        found = mean_recall_difference_over_groups(of_a, of_b)
    else:
        found = intervals.difference(a.uar(), b.uar())
    p = flip_test(uar_differences(net_N, a.emotion_N, a.unit_N))
    return _row("uar", pair, found, p, SIGNS.format(pair.units))


def _au_rows(systems: Sequence[System], labels: AuLabels) -> list[dict[str, object]]:
    """By the bootstrap, and by swapping; no interval where two systems call the same AUs in every image."""
    positives_A = (labels.active_NA & labels.known_NA).sum(0)
    places = list(combinations(range(len(systems)), 2))
    p_P = macro_f1_swap_tests([au_calls(system, labels) for system in systems], positives_A, places)
    drawn = [drawn_macro_f1(system, labels) for system in systems]
    rows = []
    for (i, j), p in zip(places, p_P.tolist(), strict=True):
        pair = Pair(systems[i], systems[j], net_difference(systems[i].right_NS, systems[j].right_NS))
        value = pair.a.mean("au_macro_f1") - pair.b.mean("au_macro_f1")
        found = _of_draws(value, drawn[i] - drawn[j])
        rows.append(_row("au_macro_f1", pair, found, p, SWAPS.format(pair.units)))
    return rows


def _of_draws(value: float, drawn_R: FloatArray) -> Estimate:
    limits = percentiles(drawn_R) if drawn_R.max() > drawn_R.min() else (np.nan, np.nan)
    return Estimate(*(np.asarray(of, np.float64) for of in (value, *limits)))


def _row(measure: str, pair: Pair, found: Estimate, p: float, test: str) -> dict[str, object]:
    a, b, net_N = pair
    value, low, high = (100 * float(of) for of in found)
    return {
        "measure": measure,
        "a": a.name,
        "b": b.name,
        "images": len(net_N),
        "groups": int(a.unit_N.max()) + 1 if a.is_grouped else None,
        "seeds_a": len(a.seeds),
        "seeds_b": len(b.seeds),
        # more often right about an image's emotion, which says nothing of its AUs
        "images_a_better": None if measure == "au_macro_f1" else int((net_N > 0).sum()),
        "images_b_better": None if measure == "au_macro_f1" else int((net_N < 0).sum()),
        "difference": value,
        "ci_low": low,
        "ci_high": high,
        "sd_a": _spread(a, measure),
        "sd_b": _spread(b, measure),
        "test": test,
        "p": p,
    }


def _spread(system: System, measure: str) -> float:
    """The standard deviation over seeds in points; NaN for one seed."""
    value_S = system.by_seed(measure)
    return 100 * float(value_S.std(ddof=1)) if len(value_S) > 1 else np.nan


def _with_verdicts(rows: Sequence[dict[str, object]]) -> pd.DataFrame:
    table = pd.DataFrame(rows).astype(
        dict.fromkeys(("groups", "images_a_better", "images_b_better"), "Int64")
    )
    table["p_holm"] = holm(table["p"].tolist())
    sure = (table["p_holm"] < SIGNIFICANT) & ((table["ci_low"] > 0) | (table["ci_high"] < 0))
    table["verdict"] = np.where(~sure, INSIDE, np.where(table["difference"] > 0, A_BETTER, B_BETTER))
    return table
