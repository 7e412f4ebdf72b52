"""TensorBoard's events of a run: the columns of its history, grouped, a point an epoch."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tensorboard.summary import Writer

from rafce.errors import OutputError
from rafce_train.history import Row

EVENTS = "tensorboard"
GROUPS = {"loss": "loss", "omega": "weight", "lr": "learning_rate", "seconds": "seconds"}


class Events:
    """Events written anew from the history, then epoch by epoch: a resumed run shows no epoch twice."""

    def __init__(self, folder: Path, rows: Sequence[Row]):
        self._folder = folder / EVENTS
        shutil.rmtree(self._folder, ignore_errors=True)
        with self._failing():
            self._writer = Writer(str(self._folder))
        for row in rows:
            self.add(row)

    def add(self, row: Mapping[str, int | float | None]) -> None:
        """Write one epoch; OutputError when it cannot be written."""
        with self._failing():
            for name, value in row.items():
                if isinstance(value, float):
                    group = GROUPS.get(name.partition("_")[0], "score")
                    self._writer.add_scalar(f"{group}/{name}", value, row["epoch"])
            self._writer.flush()

    def close(self) -> None:
        """Write what is left."""
        with self._failing():
            self._writer.close()

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(f"{self._folder}: could not be written: {error.strerror or error}") from None
