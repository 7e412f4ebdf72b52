"""What the tests of training runs share: a screen that remembers, and a configuration that takes seconds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from rafce_train.config import Config, config_toml
from rafce_train.history import Row
from rafce_train.loop import Standing
from rafce_train.run import start


class RecordingScreen:
    """Remembers what it is told, and can do something at a step."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.begun: list[Config] = []
        self.rows: list[Row] = []
        self.steps: list[tuple[int, int]] = []
        self.at_step: Callable[[int], None] = lambda number: None

    def note(self, text: str) -> None:
        self.notes.append(text)

    def decoding(self, done: int, total: int) -> None:
        pass

    def begin(self, config: Config, terms: tuple[str, ...], steps: int) -> None:
        self.begun.append(config)

    def step(self, standing: Standing) -> None:
        self.steps.append((standing.epoch, standing.step))
        self.at_step(len(self.steps))

    def epoch(self, row: Row) -> None:
        self.rows.append(row)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def screen() -> RecordingScreen:
    return RecordingScreen()


@pytest.fixture(scope="session")
def tiny(tiny_dataset: Path) -> Callable[..., Config]:
    """A configuration of two epochs of four steps with a small network, changed as asked."""

    def make(**changes: Any) -> Config:
        options = {
            "dataset": str(tiny_dataset),
            "method": "stl",
            "backbone": "squeezenet1_1",
            "image_size": 32,
            "batch_size": 8,
            "epochs": 2,
            "device": "cpu",
            "deterministic": True,
        }
        return Config(**{**options, **changes})

    return make


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Config], tuple[Path, dict[str, Any]]]:
    """The folder and the metrics of an unbroken run, trained once for each configuration: to be read only."""
    runs: dict[str, tuple[Path, dict[str, Any]]] = {}

    def run(config: Config) -> tuple[Path, dict[str, Any]]:
        key = config_toml(config)
        if key not in runs:
            folder = tmp_path_factory.mktemp("whole") / "run"
            runs[key] = folder, start(config, folder, RecordingScreen())
        return runs[key]

    return run
