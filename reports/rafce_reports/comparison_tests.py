"""Every two systems of a comparison against each other, on the same test images."""

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from rafce.paired import (
    Difference,
    difference,
    group_sums,
    holm,
    mcnemar,
    mean_of_nets,
    net_difference,
    resampled_ratios,
    resampled_sums,
)
from rafce_reports.comparison_aus import AuLabels, resampled_macro_f1
from rafce_reports.comparison_runs import System
from rafce_reports.numbers import SIGNIFICANT

# N test images, U units of them (groups, or each image alone), P all runs of all systems, S runs of one system,
# R resamples, K emotions
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

INSIDE, A_BETTER, B_BETTER = "inside noise", "a better", "b better"
MEASURES = {"accuracy": "accuracy", "uar": "UAR", "au_macro_f1": "AU macro-F1"}
MCNEMAR, FLIPS, BOOTSTRAP = "McNemar, exact", "signs of groups, exact", "bootstrap, normal"


class Resampled(NamedTuple):
    """A measure of one system: its value, and in every resample of images and runs."""

    system: System
    value: float
    value_R: FloatArray


def paired_tests(systems: Sequence[System], labels: AuLabels | None) -> pd.DataFrame:
    """A row a measure and pair: difference in percentage points with interval, p, p by Holm, verdict.

    A difference counts where p, corrected by Holm over all pairs of its measure, is below 0.05 and the interval leaves
    out 0; else it is inside noise. Accuracy has McNemar's test, which takes the trained nets as given; the other p are
    of the bootstrap, as all intervals are, over images and runs. Where images come in groups, groups are flipped and
    drawn instead; a single one tells nothing, and no p is below `smallest_p`. AU macro-F1 only where AU labels are at
    hand, and between systems that learn AUs.
    """
    resampled = {"accuracy": _accuracies(systems), "uar": _uars(systems)}
    if labels is not None:
        learned = [system for system in systems if system.learns_aus]
        resampled["au_macro_f1"] = _of_systems(
            learned, "au_macro_f1", lambda: resampled_macro_f1(learned, labels)
        )
    frames = [_all_pairs(measure, of) for measure, of in resampled.items() if len(of) > 1]
    return pd.concat(frames, ignore_index=True)


def _accuracies(systems: Sequence[System]) -> list[Resampled]:
    unit_N = systems[0].unit_N
    return _of_systems(
        systems,
        "accuracy",
        lambda: resampled_ratios(group_sums(_right_NP(systems), unit_N), np.bincount(unit_N)[:, None]),
    )


def _uars(systems: Sequence[System]) -> list[Resampled]:
    emotion_N = np.asarray(pd.factorize(systems[0].runs[0].predictions["emotion"])[0], np.int64)
    resample = _uars_over_groups if systems[0].is_grouped else _uars_over_images
    return _of_systems(systems, "uar", lambda: resample(systems, emotion_N))


def _uars_over_images(systems: Sequence[System], emotion_N: IntArray) -> FloatArray:
    """Images are drawn within each emotion, so that none gets lost."""
    n_K = np.bincount(emotion_N)
    share_N = 1 / n_K[emotion_N] / len(n_K)
    return resampled_sums(_right_NP(systems) * share_N[:, None], emotion_N)


def _uars_over_groups(systems: Sequence[System], emotion_N: IntArray) -> FloatArray:
    """Groups have several emotions; one that a resample misses keeps its recall."""
    member_NK = emotion_N[:, None] == np.arange(emotion_N.max() + 1)
    right_NKP = member_NK[:, :, None] & _right_NP(systems)[:, None, :]
    right_UKP, n_UK = (group_sums(table, systems[0].unit_N) for table in (right_NKP, member_NK))
    recall_RKP = resampled_ratios(right_UKP, n_UK[:, :, None])
    uar_RP: FloatArray = recall_RKP.mean(1)
    return uar_RP


def _right_NP(systems: Sequence[System]) -> npt.NDArray[np.bool_]:
    return np.concatenate([system.right_NS for system in systems], axis=1)


def _of_systems(
    systems: Sequence[System], measure: str, resample: Callable[[], FloatArray]
) -> list[Resampled]:
    if len(systems) < 2:
        return []
    ends = np.cumsum([len(system.runs) for system in systems])
    parts = np.split(resample(), ends[:-1], axis=1)
    return [
        Resampled(system, system.mean(measure), mean_of_nets(figure_RS, system.seeds))
        for system, figure_RS in zip(systems, parts, strict=True)
    ]


def _all_pairs(measure: str, of: Sequence[Resampled]) -> pd.DataFrame:
    rows = [_row(measure, a, b) for a, b in combinations(of, 2)]
    table = pd.DataFrame(rows).astype(
        dict.fromkeys(("groups", "images_a_better", "images_b_better"), "Int64")
    )
    table["p_holm"] = holm(table["p"].tolist())
    sure = (table["p_holm"] < SIGNIFICANT) & ((table["ci_low"] > 0) | (table["ci_high"] < 0))
    table["verdict"] = np.where(~sure, INSIDE, np.where(table["difference"] > 0, A_BETTER, B_BETTER))
    return table


def _row(measure: str, a: Resampled, b: Resampled) -> dict[str, object]:
    found = difference(a.value - b.value, a.value_R, b.value_R)
    net_N = net_difference(a.system.right_NS, b.system.right_NS)
    unit_N, is_grouped = a.system.unit_N, a.system.is_grouped
    n_units = int(unit_N.max()) + 1
    if measure == "accuracy":
        found = found._replace(p=mcnemar(group_sums(net_N, unit_N)))
    elif is_grouped:
        found = found._replace(p=max(found.p, smallest_p(n_units)))
    if n_units < 2:
        found = Difference(found.value, np.nan, np.nan, 1.0)
    return {
        "measure": measure,
        "a": a.system.name,
        "b": b.system.name,
        "images": len(net_N),
        "groups": n_units if is_grouped else None,
        "seeds_a": len(a.system.seeds),
        "seeds_b": len(b.system.seeds),
        # more often right about an image's emotion, which says nothing of its AUs
        "images_a_better": None if measure == "au_macro_f1" else int((net_N > 0).sum()),
        "images_b_better": None if measure == "au_macro_f1" else int((net_N < 0).sum()),
        **_points(found),
        "test": BOOTSTRAP if measure != "accuracy" else FLIPS if is_grouped else MCNEMAR,
        "p": found.p,
    }


def smallest_p(n_groups: int) -> float:
    """The least p that so few groups can give: that all differ the same way, when each may have either sign.

    The bootstrap of two groups knows three outcomes, and would take any common sign for a sure difference.
    """
    return float(2.0 ** (1 - n_groups))


def _points(found: Difference) -> dict[str, float]:
    return {
        "difference": 100 * found.value,
        "ci_low": 100 * found.ci_low,
        "ci_high": 100 * found.ci_high,
    }
