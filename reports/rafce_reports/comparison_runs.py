"""The runs of a comparison: which of them are one system under several seeds, and what they have in common."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rafce.bootstrap import Resampling
from rafce.errors import ConfigError, TrainingError, raise_all
from rafce.intervals import Estimate
from rafce_reports.runs import OF_STATISTICS, Run, read_run

# N test images, S runs of one system, K emotions
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


OF_METHODS = (
    *("method", "with_alignment", *OF_STATISTICS),
    *("rho_au", "rho_align", "gradnorm_alpha", "dtp_gamma", "dtp_alpha", "meta_every", "lr_meta"),
)
"""Options that make a method what it is; all others should be the same where methods are compared."""


@dataclass(frozen=True, eq=False)
class System:
    """Runs that differ in their seed alone, by rising seed; statistics and alignment are None where it uses none."""

    name: str
    runs: tuple[Run, ...]

    @property
    def method(self) -> str:
        """Its method, as on the command line."""
        return str(self.runs[0].config["method"])

    @property
    def statistics(self) -> str | None:
        """wild or lab."""
        return self._if_used("statistics")

    @property
    def alignment(self) -> str | None:
        """paper or bayes."""
        return self._if_used("alignment")

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of its runs."""
        return tuple(run.seed for run in self.runs)

    @cached_property
    def right_NS(self) -> BoolArray:
        """Which test images each of its runs is right about."""
        return np.stack([run.right_N for run in self.runs], axis=1)

    @property
    def is_grouped(self) -> bool:
        """Whether test images come in groups, as frames of videos do."""
        return self.runs[0].group_N is not None

    @cached_property
    def unit_N(self) -> IntArray:
        """What is drawn anew with each test image, numbered from 0: its group, or itself alone."""
        group_N = self.runs[0].group_N
        return np.arange(len(self.right_NS)) if group_N is None else group_N

    @cached_property
    def resampling(self) -> Resampling:
        """What intervals take for independent: test images, or their groups."""
        return Resampling(self.runs[0].group_N)

    @cached_property
    def emotion_N(self) -> IntArray:
        """The true emotion of each test image, by its place among the emotions."""
        place = {emotion: i for i, emotion in enumerate(self.runs[0].words.emotions)}
        return np.array(self.runs[0].predictions["emotion"].map(place), np.int64)

    @cached_property
    def member_NK(self) -> BoolArray:
        """Which emotion each test image has."""
        member_NK: BoolArray = self.emotion_N[:, None] == np.arange(len(self.runs[0].words.emotions))
        return member_NK

    @cached_property
    def right_N(self) -> FloatArray:
        """The share of its runs that are right about each test image."""
        share_N: FloatArray = self.right_NS.mean(1)
        return share_N

    @cached_property
    def hits_NK(self) -> FloatArray:
        """`right_N` in the column of the true emotion."""
        hits_NK: FloatArray = self.right_N[:, None] * self.member_NK
        return hits_NK

    @property
    def learns_aus(self) -> bool:
        """Whether every run has a figure on AUs."""
        return all(run.estimate("au_macro_f1")["value"] is not None for run in self.runs)

    def accuracy(self) -> Estimate:
        """Mean over its runs, with the interval over test images (or groups) for these trained nets."""
        return self.resampling.rate(self.right_N, np.ones(len(self.right_N), np.bool_))

    def recalls(self) -> Estimate:
        """`accuracy` on each emotion, shape (K,)."""
        return self.resampling.recall(self.hits_NK, self.member_NK)

    def uar(self) -> Estimate:
        """The mean recall over the emotions that have test images."""
        return self.resampling.mean_recall(self.hits_NK, self.member_NK)

    def recall_SK(self) -> FloatArray:
        """The recall of each run on each emotion; NaN without test images."""
        right_SK, n_K = self.right_NS.T.astype(np.float64) @ self.member_NK, self.member_NK.sum(0)
        recall_SK: FloatArray = np.divide(right_SK, n_K, out=np.full(right_SK.shape, np.nan), where=n_K > 0)
        return recall_SK

    def by_seed(self, measure: str) -> FloatArray:
        """A measure of each of its runs: accuracy, uar or au_macro_f1."""
        if measure == "accuracy":
            accuracy_S: FloatArray = self.right_NS.mean(0)
            return accuracy_S
        if measure == "uar":
            uar_S: FloatArray = np.nanmean(self.recall_SK(), axis=1)
            return uar_S
        return self.estimates(measure)["value"].to_numpy(np.float64)

    def estimates(self, measure: str) -> pd.DataFrame:
        """`Run.estimate` of its runs, a row each; NaN for what does not exist."""
        return pd.DataFrame([run.estimate(measure) for run in self.runs], dtype=np.float64)

    def mean(self, measure: str) -> float:
        """The mean of its runs."""
        return float(self.estimates(measure)["value"].mean(skipna=False))

    def _if_used(self, name: str) -> str | None:
        return str(self.runs[0].config[name]) if self.runs[0].uses_statistics else None


def read_systems(folders: Sequence[Path]) -> tuple[System, ...]:
    """The systems of these run folders, in the order in which they first occur.

    TrainingError for a folder without a finished run; ConfigError when there are not two systems, when two runs differ
    in nothing, or when their test images are not the same.
    """
    runs, faults = [], []
    for folder in folders:
        try:
            runs.append(read_run(folder))
        except TrainingError as error:
            faults.append(str(error))
    raise_all(faults, TrainingError)
    raise_all([*_repeats(runs), *_other_images(runs)], ConfigError)
    systems = group(runs)
    if len(systems) < 2:
        raise ConfigError(f"expected at least two systems to compare, found {systems[0].name} alone")
    return systems


def group(runs: Sequence[Run]) -> tuple[System, ...]:
    """Runs that differ in their seed alone, together; each system named so that it is told from the others."""
    members: dict[str, list[Run]] = {}
    for run in runs:
        members.setdefault(json.dumps(run.options, sort_keys=True), []).append(run)
    firsts = [group_runs[0] for group_runs in members.values()]
    return tuple(
        System(_name(group_runs[0], firsts), tuple(sorted(group_runs, key=lambda run: run.seed)))
        for group_runs in members.values()
    )


def common_options(systems: Sequence[System]) -> dict[str, Any]:
    """The options that all runs share, in the order of the first run's."""
    all_runs = [run for system in systems for run in system.runs]
    first = {**all_runs[0].config, "dataset": all_runs[0].options["dataset"]}
    configs = [{**run.config, **run.options} for run in all_runs]
    return {
        name: value for name, value in first.items() if all(other.get(name) == value for other in configs)
    }


def differing_options(systems: Sequence[System]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Options in which systems were not trained alike: of each its values, and the systems that have them.

    What makes a method the method it is does not count; nor does an option that a run of an older release lacks.
    """
    names = dict.fromkeys(name for system in systems for name in system.runs[0].options)
    found = {name: _by_value(systems, name) for name in names if name not in OF_METHODS}
    return {name: values for name, values in found.items() if len(values) > 1}


def _by_value(systems: Sequence[System], option: str) -> dict[str, tuple[str, ...]]:
    """The names of the systems that have each value of an option."""
    found: dict[str, tuple[str, ...]] = {}
    for system in systems:
        if (value := system.runs[0].options.get(option)) is not None:
            found[_shown(value)] = (*found.get(_shown(value), ()), system.name)
    return found


def _name(run: Run, others: Sequence[Run]) -> str:
    """Method, statistics, alignment if it is not the paper's, and what else sets it apart: "mml (wild, bayes)"."""
    alike = [other.options for other in others if _short_name(other) == _short_name(run)]
    # runs of an older release may lack options: that tells two systems apart only where nothing else does
    both_have = [name for name in run.options if all(name in options for options in alike)]
    names = _apart(run, both_have, alike) or _apart(run, list(run.options), alike)
    apart = [f"{name}={_shown(run.options[name])}" for name in names]
    method, parts = _short_name(run)
    return f"{method} ({', '.join([*parts, *apart])})" if parts or apart else method


def _apart(run: Run, names: Sequence[str], alike: Sequence[dict[str, Any]]) -> list[str]:
    return [name for name in names if any(options.get(name) != run.options[name] for options in alike)]


def _short_name(run: Run) -> tuple[str, tuple[str, ...]]:
    if not run.uses_statistics:
        return run.config["method"], ()
    alignment = run.config["alignment"]
    return run.config["method"], (run.config["statistics"], *([alignment] if alignment != "paper" else []))


def _shown(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _repeats(runs: Sequence[Run]) -> list[str]:
    faults: list[str] = []
    seen: dict[tuple[int, str], Path] = {}
    for run in runs:
        key = (run.seed, json.dumps(run.options, sort_keys=True))
        if key in seen:
            faults.append(
                f"{run.folder}: expected other options or another seed than {seen[key]}, found the same"
            )
        seen.setdefault(key, run.folder)
    return faults


def _other_images(runs: Sequence[Run]) -> list[str]:
    """Runs whose test images, or their emotions or groups, are not those of the first."""
    first = _test_labels(runs[0])
    return [
        f"{run.folder}: expected the test images, emotions and groups of {runs[0].folder}, found others"
        for run in runs[1:]
        if run.words != runs[0].words or not _test_labels(run).equals(first)
    ]


def _test_labels(run: Run) -> pd.DataFrame:
    return run.predictions.reindex(columns=["image", "emotion", "group"])
