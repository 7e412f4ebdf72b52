"""The AU labels of the test images, to compare systems by AU macro-F1: predictions carry emotions only."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rafce.bootstrap import drawn_sums
from rafce.dataset import Dataset, read_dataset
from rafce.errors import DatasetError
from rafce.paired import Calls
from rafce.parts import au_tables
from rafce_reports.comparison_runs import System
from rafce_reports.runs import Run

# N test images, M images of a chunk, A action units, P all runs of all systems, R resamples (C at a time)
# 3: hits, false alarms, misses
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class AuLabels:
    """Which AUs are active, and known, in each test image."""

    active_NA: BoolArray
    known_NA: BoolArray


def read_au_labels(folder: Path, systems: Sequence[System]) -> AuLabels:
    """The labels of the runs' test images from their dataset's folder.

    DatasetError when there is no dataset, or when its labels do not give the AU macro-F1 that the runs found.
    """
    dataset = read_dataset(folder)
    first = systems[0].runs[0]
    if dataset.words != first.words:
        raise DatasetError(f"{folder}: expected the emotions and AUs of {first.folder}, found others")
    images = first.predictions["image"].tolist()
    labels, found_N = _labels_of(images, dataset)
    if not found_N.all():
        absent = images[int(np.argmin(found_N))]
        raise DatasetError(f"{folder}: expected the test images of {first.folder}, found no {absent}")
    for run in (run for system in systems if system.learns_aus for run in system.runs):
        found = macro_f1(cells(run, labels).sum(1), trained(run))
        if not np.isclose(found, run.estimate("au_macro_f1")["value"] or 0.0, atol=TOLERANCE):
            raise DatasetError(f"{folder}: its AU labels are not those that {run.folder} was tested on")
    return labels


def _labels_of(images: Sequence[str], dataset: Dataset) -> tuple[AuLabels, BoolArray]:
    """The labels of some images of a dataset, and which of them it has."""
    position = {name: i for i, name in enumerate(images)}
    active_NA, known_NA = np.zeros((2, len(images), len(dataset.aus)), np.bool_)
    found_N = np.zeros(len(images), np.bool_)
    for chunk, rows in dataset.rows("image"):
        position_M = np.array([position.get(name, -1) for name in rows["image"].to_pylist()])
        wanted_M = position_M >= 0
        chosen = position_M[wanted_M]
        active_NA[chosen], known_NA[chosen] = (t_MA[wanted_M] for t_MA in au_tables(chunk, len(dataset.aus)))
        found_N[chosen] = True
    return AuLabels(active_NA, known_NA), found_N


def drawn_macro_f1(system: System, labels: AuLabels) -> FloatArray:
    """AU macro-F1, mean over the system's runs, in every draw of the test images or their groups, shape (R,)."""
    drawn_RS = [
        macro_f1(
            np.stack([drawn_sums(system.resampling.sums(cells_NA)) for cells_NA in cells(run, labels)]),
            trained(run),
        )
        for run in system.runs
    ]
    mean_R: FloatArray = np.mean(drawn_RS, axis=0)
    return mean_R


def au_calls(system: System, labels: AuLabels) -> Calls:
    """What its runs call active in each unit of the test images, an image or a group."""
    hits, calls = [], []
    for run in system.runs:
        hits_NA, false_alarms_NA, _ = cells(run, labels)
        hits.append(system.resampling.sums(hits_NA))
        calls.append(system.resampling.sums(hits_NA + false_alarms_NA))
    judged_SA = np.stack([trained(run) for run in system.runs])
    return Calls(np.stack(hits, axis=1), np.stack(calls, axis=1), judged_SA)


def cells(run: Run, labels: AuLabels) -> FloatArray:
    """Which images are hits, false alarms and misses of each AU at the run's thresholds, 0 or 1, shape (3, N, A)."""
    # an AU that was not learned has no threshold: it is never called, and counts in no mean
    threshold_A = np.array([row["threshold"] for row in _rows(run)], np.float64)
    called_NA = run.au_probability_NA >= threshold_A
    active_NA, inactive_NA = labels.active_NA & labels.known_NA, ~labels.active_NA & labels.known_NA
    return np.stack([active_NA & called_NA, inactive_NA & called_NA, active_NA & ~called_NA]).astype(
        np.float64
    )


def trained(run: Run) -> BoolArray:
    """The AUs that are active in a training image, shape (A,): nothing can be learned of the others."""
    return np.array([row["train_positives"] > 0 for row in _rows(run)])


def macro_f1(counts_3A: FloatArray, trained_A: BoolArray) -> FloatArray:
    """Mean of 2 TP / (2 TP + FP + FN) over the trained AUs that are active in an image; any axes between 3 and A."""
    hits_A, false_alarms_A, misses_A = counts_3A
    counts_A = trained_A & (hits_A + misses_A > 0)
    f1_A = 2 * hits_A / np.where(counts_A, 2 * hits_A + false_alarms_A + misses_A, 1)
    mean: FloatArray = np.where(counts_A, f1_A, 0).sum(-1) / np.maximum(counts_A.sum(-1), 1)
    return mean


def _rows(run: Run) -> list[dict[str, Any]]:
    assert run.au_metrics is not None
    rows: list[dict[str, Any]] = run.au_metrics["aus"]
    return rows
