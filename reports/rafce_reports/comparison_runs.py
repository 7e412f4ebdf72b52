"""Finished run folders as a comparison reads them, and which of them are one system under several seeds."""

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rafce.errors import ConfigError, DatasetError, TrainingError, raise_all
from rafce.schema import Vocabulary, au_column, check_schema

# N test images, S runs of one system, A action units
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]

METRICS_SCHEMA, HISTORY_SCHEMA = "metrics/1", "history/1"
PLACES = ("seed", "dataset", "device", "checkpoint_every")
"""Options in which the runs of one system may differ; the dataset's fingerprint tells datasets apart."""
OF_STATISTICS = ("statistics", "alignment", "prior_scope")
NOTHING: dict[str, float | None] = {"value": None, "ci_low": None, "ci_high": None}


@dataclass(frozen=True, eq=False)  # frames have no single truth value to compare by
class Run:
    """A run folder's files."""

    folder: Path
    config: dict[str, Any]
    metrics: dict[str, Any]
    history: pd.DataFrame
    predictions: pd.DataFrame
    words: Vocabulary

    @property
    def seed(self) -> int:
        """Its seed."""
        return int(self.config["seed"])

    @property
    def uses_statistics(self) -> bool:
        """Whether it has an alignment loss, and so statistics."""
        return "loss_align" in self.history

    @property
    def right_N(self) -> BoolArray:
        """Which test images it is right about."""
        return (self.predictions["emotion"] == self.predictions["predicted"]).to_numpy()

    @property
    def test(self) -> dict[str, Any]:
        """Its figures on the test images."""
        figures: dict[str, Any] = self.metrics["test"]
        return figures

    @property
    def au_metrics(self) -> dict[str, Any] | None:
        """Its figures on AUs; None for a method that learns none."""
        figures: dict[str, Any] | None = self.test["action_units"]
        return figures

    @property
    def au_probability_NA(self) -> FloatArray:
        """Its probability of every AU in every test image."""
        columns = [f"p_{au_column(au)}" for au in self.words.aus]
        return self.predictions[columns].to_numpy(np.float64)

    def estimate(self, measure: str) -> dict[str, float | None]:
        """Accuracy, uar or au_macro_f1 of the test images as value, ci_low, ci_high; None for what does not exist."""
        if measure != "au_macro_f1":
            return dict(self.test[measure])
        return dict(self.au_metrics["macro_f1"] if self.au_metrics else NOTHING)

    @property
    def options(self) -> dict[str, Any]:
        """What makes it the system it is: options that change nothing with its method are not among them."""
        without = (*PLACES, *(() if self.uses_statistics else OF_STATISTICS))
        chosen = {name: value for name, value in self.config.items() if name not in without}
        return {**chosen, "dataset": self.metrics["dataset"]["fingerprint"][:8]}

    def validation(self, measure: str) -> float:
        """A validation figure at the epoch that was picked."""
        row = self.history["epoch"] == self.metrics["selected"]["epoch"]
        return float(self.history.loc[row, measure].iloc[0])


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
    def learns_aus(self) -> bool:
        """Whether every run has a figure on AUs."""
        return all(run.estimate("au_macro_f1")["value"] is not None for run in self.runs)

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


def read_run(folder: Path) -> Run:
    """The files of a finished run; TrainingError where one is absent, broken or of another version."""
    if not (folder / "metrics.json").is_file():
        raise TrainingError(
            f"{folder}: expected a finished run, found no metrics.json; rafce-train run --resume goes on with one"
        )
    try:
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        config = tomllib.loads((folder / "config.toml").read_text(encoding="utf-8"))
        history, predictions = (
            pq.read_table(folder / f"{name}.parquet") for name in ("history", "predictions")
        )
        words = check_schema(predictions.schema.metadata, "predictions", folder / "predictions.parquet")
    except (OSError, ValueError, pa.ArrowException, DatasetError) as error:
        raise TrainingError(f"{folder}: expected the files of a finished run: {error}") from None
    _check_version(folder / "metrics.json", metrics.get("schema"), METRICS_SCHEMA)
    found = (history.schema.metadata or {}).get(b"rafce.schema", b"").decode(errors="replace")
    _check_version(folder / "history.parquet", found, HISTORY_SCHEMA)
    return Run(folder, config, metrics, history.to_pandas(), predictions.to_pandas(), words)


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


def _name(run: Run, others: Sequence[Run]) -> str:
    """Method, statistics, alignment if it is not the paper's, and what else sets it apart: "mml (wild, bayes)"."""
    alike = [other.options for other in others if _short_name(other) == _short_name(run)]
    apart = [
        f"{name}={_shown(value)}"
        for name, value in run.options.items()
        if any(options.get(name) != value for options in alike)
    ]
    method, parts = _short_name(run)
    return f"{method} ({', '.join([*parts, *apart])})" if parts or apart else method


def _short_name(run: Run) -> tuple[str, tuple[str, ...]]:
    if not run.uses_statistics:
        return run.config["method"], ()
    alignment = run.config["alignment"]
    return run.config["method"], (run.config["statistics"], *([alignment] if alignment != "paper" else []))


def _shown(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _check_version(path: Path, found: object, expected: str) -> None:
    if found != expected:
        raise TrainingError(f"{path}: expected schema {expected}, found {found}")


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
    """Runs whose test images, or their emotions, are not those of the first."""
    labels, first = ["image", "emotion"], runs[0]
    return [
        f"{run.folder}: expected the test images and emotions of {first.folder}, found others"
        for run in runs[1:]
        if run.words != first.words or not run.predictions[labels].equals(first.predictions[labels])
    ]
