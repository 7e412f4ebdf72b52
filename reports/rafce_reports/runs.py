"""A finished run folder as the reports read it: its files, and the figures in them by name."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rafce.schema import Vocabulary, au_column, check_schema
from rafce_train.run_folder.read import read_finished

# N test images, A action units
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

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
    is_old: bool = False
    """Whether a release without checksums made it."""

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
    def group_N(self) -> IntArray | None:
        """The group of each test image (its video, its subject), numbered from 0; None where there are no groups."""
        if "group" not in self.predictions:
            return None
        return np.asarray(pd.factorize(self.predictions["group"])[0], np.int64)

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


def read_run(folder: Path) -> Run:
    """The files of a finished run; TrainingError where one is absent, damaged, changed or of another version."""
    found = read_finished(folder)
    words = check_schema(found.predictions.schema.metadata, "predictions", folder)
    frames = found.history.to_pandas(), found.predictions.to_pandas()
    return Run(folder, found.config, found.metrics, *frames, words, found.is_old)
