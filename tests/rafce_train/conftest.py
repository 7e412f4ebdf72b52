"""What the tests of training runs share: a screen that remembers, and a configuration that takes seconds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from rafce_train.config import Config, config_toml
from rafce_train.history import Row
from rafce_train.learner import Batch, Learner
from rafce_train.loop import Standing
from rafce_train.losses import distribution_matching_loss, wild_alignment_loss
from rafce_train.methods import find_method
from rafce_train.model import Net
from rafce_train.prior import Prior
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


SMALL_EMOTIONS, SMALL_AUS = 4, 6


def small_batch(seed: int) -> Batch:
    """Eight images of noise with random labels, one of them with an unknown AU."""
    generator = torch.Generator().manual_seed(seed)
    au_BA = (torch.rand(8, SMALL_AUS, generator=generator) < 0.3).double()
    au_BA[0, 0] = torch.nan
    return Batch(
        torch.randn(8, 3, 8, 8, generator=generator, dtype=torch.float64),
        torch.randint(0, SMALL_EMOTIONS, (8,), generator=generator),
        au_BA,
    )


def small_learner(method: str, with_alignment: bool = False, **options: Any) -> Learner:
    """A learner in float64 with two convolutions and no normalization: the same images give the same losses."""
    torch.manual_seed(0)
    layers = torch.nn.Conv2d(3, 5, 3), torch.nn.Tanh(), torch.nn.Conv2d(5, 7, 3), torch.nn.Tanh()
    backbone = torch.nn.Sequential(*layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    net = Net(backbone, "last", 7, SMALL_EMOTIONS, SMALL_AUS).double()
    tables, silent = (torch.rand(SMALL_EMOTIONS, SMALL_AUS),), (False,) * SMALL_EMOTIONS
    losses = {"align": wild_alignment_loss, "dm": distribution_matching_loss}
    priors = {term: Prior(tables, loss, silent) for term, loss in losses.items()}
    return Learner(net, find_method(method, with_alignment), Config(**options), priors)


@pytest.fixture
def make_small_batch() -> Callable[[int], Batch]:
    return small_batch


@pytest.fixture
def make_small_learner() -> Callable[..., Learner]:
    return small_learner


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
