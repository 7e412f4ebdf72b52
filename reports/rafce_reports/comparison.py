"""Everything that a comparison computes from run folders, before a line is drawn or a file written."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from rafce.errors import DatasetError
from rafce_reports.comparison_aus import AuLabels, read_au_labels
from rafce_reports.comparison_runs import System, differing_options, read_systems
from rafce_reports.comparison_tables import table2, table3
from rafce_reports.comparison_tests import paired_tests
from rafce_train.run_folder.read import BEFORE


@dataclass(frozen=True, eq=False)  # frames have no single truth value to compare by
class Comparison:
    """Systems and what was found of them; `left_out` says in words what is not there and why."""

    systems: tuple[System, ...]
    table2: pd.DataFrame
    table3: pd.DataFrame
    tests: pd.DataFrame
    left_out: tuple[str, ...]

    @property
    def differing(self) -> tuple[str, ...]:
        """In words, in which options the systems were not trained alike."""
        return tuple(
            f"{name}: {'; '.join(f'{value} for ' + ', '.join(of) for value, of in values.items())}"
            for name, values in differing_options(self.systems).items()
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader of these runs should know, in a sentence each."""
        old = [run.folder for system in self.systems for run in system.runs if run.is_old]
        return (f"{len(old)} of {self.n_runs} runs ({old[0]} is the first): {BEFORE}",) if old else ()

    @property
    def n_runs(self) -> int:
        """How many runs there are."""
        return sum(len(system.runs) for system in self.systems)


def compare_runs(
    folders: Sequence[Path], dataset: Path | None = None, left_out: Sequence[str] = ()
) -> Comparison:
    """Compare finished runs; `dataset` is where their dataset lies now, by default where their options say.

    TrainingError and ConfigError as in `read_systems`. Without the dataset's AU labels there are no paired intervals of
    AU macro-F1: that is then left out.
    """
    systems = read_systems(folders)
    labels, reason = _au_labels(dataset or Path(systems[0].runs[0].config["dataset"]), systems)
    return Comparison(
        systems, table2(systems), table3(systems), paired_tests(systems, labels), (*left_out, *reason)
    )


def _au_labels(dataset: Path, systems: Sequence[System]) -> tuple[AuLabels | None, tuple[str, ...]]:
    """The labels, or why there are none; neither where fewer than two systems learn AUs."""
    if sum(system.learns_aus for system in systems) < 2:
        return None, ()
    try:
        return read_au_labels(dataset, systems), ()
    except DatasetError as error:
        return None, (f"paired intervals of AU macro-F1: {error}",)
