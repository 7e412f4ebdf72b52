"""Every two systems of a comparison against each other, on the same test images."""

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from rafce.paired import Difference, difference, holm, mcnemar, mean_of_nets, net_difference, resampled_sums
from rafce_reports.comparison_aus import AuLabels, resampled_macro_f1
from rafce_reports.comparison_runs import System
from rafce_reports.numbers import SIGNIFICANT

# N test images, P all runs of all systems, S runs of one system, R resamples, K emotions
FloatArray = npt.NDArray[np.float64]

INSIDE, A_BETTER, B_BETTER = "inside noise", "a better", "b better"
MEASURES = {"accuracy": "accuracy", "uar": "UAR", "au_macro_f1": "AU macro-F1"}
MCNEMAR, BOOTSTRAP = "McNemar, exact", "bootstrap, normal"


class Resampled(NamedTuple):
    """A measure of one system: its value, and in every resample of images and runs."""

    system: System
    value: float
    value_R: FloatArray


def paired_tests(systems: Sequence[System], labels: AuLabels | None) -> pd.DataFrame:
    """A row a measure and pair: difference in percentage points with interval, p, p by Holm, verdict.

    A difference counts where p, corrected by Holm over all pairs of its measure, is below 0.05 and the interval leaves
    out 0; else it is inside noise. Accuracy has McNemar's test, which takes the trained nets as given; the other p are
    of the bootstrap, as all intervals are, over images and runs. AU macro-F1 only where AU labels are at hand, and
    between systems that learn AUs.
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
    n = len(systems[0].right_NS)
    return _of_systems(
        systems, "accuracy", lambda: resampled_sums(_right_NP(systems) / n, np.zeros(n, np.int64))
    )


def _uars(systems: Sequence[System]) -> list[Resampled]:
    """Images are drawn within each emotion, so that none gets lost."""
    emotion_N = pd.factorize(systems[0].runs[0].predictions["emotion"])[0]
    n_K = np.bincount(emotion_N)
    share_N = 1 / n_K[emotion_N] / len(n_K)
    return _of_systems(
        systems, "uar", lambda: resampled_sums(_right_NP(systems) * share_N[:, None], emotion_N)
    )


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
    table = pd.DataFrame(rows)
    table["p_holm"] = holm(table["p"].tolist())
    sure = (table["p_holm"] < SIGNIFICANT) & ((table["ci_low"] > 0) | (table["ci_high"] < 0))
    table["verdict"] = np.where(~sure, INSIDE, np.where(table["difference"] > 0, A_BETTER, B_BETTER))
    return table


def _row(measure: str, a: Resampled, b: Resampled) -> dict[str, object]:
    found = difference(a.value - b.value, a.value_R, b.value_R)
    net_N = net_difference(a.system.right_NS, b.system.right_NS)
    if measure == "accuracy":
        found = found._replace(p=mcnemar(net_N))
    return {
        "measure": measure,
        "a": a.system.name,
        "b": b.system.name,
        "images": len(net_N),
        "seeds_a": len(a.system.seeds),
        "seeds_b": len(b.system.seeds),
        "images_a_better": int((net_N > 0).sum()),
        "images_b_better": int((net_N < 0).sum()),
        **_points(found),
        "test": MCNEMAR if measure == "accuracy" else BOOTSTRAP,
        "p": found.p,
    }


def _points(found: Difference) -> dict[str, float]:
    return {
        "difference": 100 * found.value,
        "ci_low": 100 * found.ci_low,
        "ci_high": 100 * found.ci_high,
    }
