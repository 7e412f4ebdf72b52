"""How a training run shows itself while it goes: bars and a live line on a terminal, else a plain line an epoch."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from rafce.foreign_text import brief
from rafce_cli.console import Console
from rafce_train.config import Config, flag
from rafce_train.history import Row
from rafce_train.loop import Standing
from rafce_train.methods import find_method
from rafce_train.metrics import accuracy


class PlainScreen:
    """A line for each note, a table that grows by a line an epoch, nothing in between."""

    def __init__(self, console: Console):
        self._console = console
        self._epochs = 0
        self._terms: tuple[str, ...] = ()
        self._needs_heading = True

    def note(self, text: str) -> None:
        """Print a line."""
        self._print(brief(f"note: {text}"))

    def decoding(self, done: int, total: int) -> None:
        """Print once, when all files were read; those that could not be decoded are told of apart."""
        if done == total:
            self._print(f"{total:,} image files read")

    def begin(self, config: Config, terms: tuple[str, ...], steps: int) -> None:
        """Print what is about to run."""
        self._epochs, self._terms, self._needs_heading = config.epochs, terms, True
        fixed = find_method(config.method, config.with_alignment).options
        weights = [
            f"{flag(name)} {getattr(config, name)[0]:g}" for name in ("rho_au", "rho_align") if name in fixed
        ]
        epochs = f"{config.epochs:,} epoch{'s' * (config.epochs > 1)} of {steps:,} step{'s' * (steps > 1)}"
        self._print(f"{', '.join((config.method, *weights, config.backbone))}: {epochs}")

    def step(self, standing: Standing) -> None:
        """Nothing: steps are too many for plain lines."""

    def epoch(self, row: Row) -> None:
        """Print the epoch's figures, the first time below their headings."""
        cells = epoch_cells(row, self._terms, self._epochs)
        if self._needs_heading:
            self._print(aligned(cells, cells))
        self._needs_heading = False
        self._print(aligned(cells, cells.values()))

    def _print(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, markup=False, highlight=False)


class LiveScreen(PlainScreen):
    """The same lines, and below them a bar with the time left and the running figures of the epoch."""

    def __init__(self, console: Console):
        super().__init__(console)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            expand=True,
        )
        self._now = Text()
        self._task: TaskID | None = None
        self._steps = 0
        self.live = Live(Group(self._bars, self._now), console=console, transient=True)

    def decoding(self, done: int, total: int) -> None:
        """Move the bar of the images."""
        if self._task is None:
            self._task = self._bars.add_task("decoding images", total=total)
        self._bars.update(self._task, completed=done)
        if done == total:
            self._drop_bar()
            super().decoding(done, total)

    def begin(self, config: Config, terms: tuple[str, ...], steps: int) -> None:
        """Put up the bar of all steps."""
        super().begin(config, terms, steps)
        self._drop_bar()
        self._steps = steps
        self._task = self._bars.add_task("training", total=steps * config.epochs)

    def step(self, standing: Standing) -> None:
        """Move the bar and show the epoch's means so far."""
        assert self._task is not None
        self._bars.update(
            self._task,
            completed=standing.epoch * self._steps + standing.step,
            description=f"epoch {standing.epoch + 1}/{self._epochs}",
        )
        means = standing.sums.means(self._terms)
        now = figures(means, self._terms) | {
            "train %": f"{100 * accuracy(standing.sums.confusion_KK.numpy()):.1f}"
        }
        self._now.plain = "  ".join(f"{name} {text}" for name, text in now.items())

    def _drop_bar(self) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = None


@contextmanager
def make_screen(*, is_shown: bool = True) -> Iterator[PlainScreen]:
    """The screen that suits standard error, or one that shows nothing; standard output stays free for results."""
    console = Console(stderr=True, quiet=not is_shown)
    if not is_shown or not console.is_terminal:
        yield PlainScreen(console)
        return
    screen = LiveScreen(console)
    with screen.live:
        yield screen


def epoch_cells(row: Row, terms: tuple[str, ...], epochs: int) -> dict[str, str]:
    """An epoch's figures by heading: mean losses and weights, accuracy in training and validation, UAR, seconds."""
    share = {name: f"{100 * (row[name] or 0):.1f}" for name in ("train_accuracy", "accuracy", "uar")}
    seconds = (row["seconds_data"] or 0) + (row["seconds_compute"] or 0)
    return {
        "epoch": f"{row['epoch']}/{epochs}",
        **figures(row, terms),
        "train %": share["train_accuracy"],
        "validation %": share["accuracy"],
        "UAR %": share["uar"],
        "seconds": f"{seconds:.0f}",
    }


def figures(row: Mapping[str, Any], terms: tuple[str, ...]) -> dict[str, str]:
    """Mean losses before weighing, and mean weights; the emotion's only where it is not 1."""
    losses = {f"loss {term}": f"{row[f'loss_{term}']:.3f}" for term in terms}
    weights = {f"ω {term}": f"{row[f'omega_{term}']:.3f}" for term in terms if row[f"omega_{term}"] != 1}
    return losses | weights


def aligned(cells: Mapping[str, str], show: Iterable[str]) -> str:
    """Texts in columns wide enough for their headings."""
    return "  ".join(f"{text:>{max(len(heading), 7)}}" for heading, text in zip(cells, show, strict=True))
