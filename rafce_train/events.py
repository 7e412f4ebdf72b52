"""TensorBoard's events of a run: the columns of its history, grouped, a point an epoch."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from tensorboard.summary import Writer

from rafce_train.history import Row

EVENTS = "tensorboard"
GROUPS = {"loss": "loss", "omega": "weight", "lr": "learning_rate", "seconds": "seconds"}


class Events:
    """Events written anew from the history, then epoch by epoch: a resumed run shows no epoch twice."""

    def __init__(self, folder: Path, rows: Sequence[Row]):
        shutil.rmtree(folder / EVENTS, ignore_errors=True)
        self._writer = Writer(str(folder / EVENTS))
        for row in rows:
            self.add(row)

    def add(self, row: Mapping[str, int | float | None]) -> None:
        """Write one epoch."""
        for name, value in row.items():
            if isinstance(value, float):
                group = GROUPS.get(name.partition("_")[0], "score")
                self._writer.add_scalar(f"{group}/{name}", value, row["epoch"])
        self._writer.flush()

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()
