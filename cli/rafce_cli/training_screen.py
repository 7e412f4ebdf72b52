"""How a training run shows itself while it goes: bars and a live line on a terminal, else a plain line an epoch."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from rafce_train.config import Config
from rafce_train.history import Row
from rafce_train.loop import Standing

LOSSES = {"emo": "emotion", "au": "AU", "align": "alignment"}


class PlainScreen:
    """A line for each note and each epoch, nothing in between."""

    def __init__(self, console: Console):
        self._console = console
        self._epochs = 0
        self._terms: tuple[str, ...] = ()

    def note(self, text: str) -> None:
        """Print a line."""
        self._print(f"note: {text}")

    def decoding(self, done: int, total: int) -> None:
        """Print once, when all are decoded."""
        if done == total:
            self._print(f"{total:,} images decoded")

    def begin(self, config: Config, terms: tuple[str, ...], steps: int) -> None:
        """Print what is about to run."""
        self._epochs, self._terms = config.epochs, terms
        self._print(f"{config.method}, {config.backbone}: {config.epochs} epochs of {steps} steps")

    def step(self, standing: Standing) -> None:
        """Nothing: steps are too many for plain lines."""

    def epoch(self, row: Row) -> None:
        """Print the epoch's figures."""
        self._print(epoch_line(row, self._terms, self._epochs))

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
        self._now.plain = figures(means, self._terms)

    def _drop_bar(self) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = None


@contextmanager
def make_screen() -> Iterator[PlainScreen]:
    """The screen that suits standard error; standard output stays free for results."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield PlainScreen(console)
        return
    screen = LiveScreen(console)
    with screen.live:
        yield screen


def epoch_line(row: Row, terms: tuple[str, ...], epochs: int) -> str:
    """An epoch in a line: losses and weights, accuracy in training, accuracy and UAR in validation, seconds."""
    share = {name: f"{100 * (row[name] or 0):.1f} %" for name in ("train_accuracy", "accuracy", "uar")}
    seconds = (row["seconds_data"] or 0) + (row["seconds_compute"] or 0)
    return (
        f"epoch {row['epoch']:>{len(str(epochs))}}/{epochs}  {figures(row, terms)}  train {share['train_accuracy']}  "
        f"validation {share['accuracy']}, UAR {share['uar']}  {seconds:.0f} s"
    )


def figures(row: Mapping[str, Any], terms: tuple[str, ...]) -> str:
    """Mean losses before weighing, and the mean weight of each but the emotion's when that is 1."""
    losses = "  ".join(f"{LOSSES[term]} {row[f'loss_{term}']:.3f}" for term in terms)
    weights = "  ".join(
        f"{LOSSES[term]} {row[f'omega_{term}']:.3f}" for term in terms if row[f"omega_{term}"] != 1
    )
    return f"loss: {losses}" + (f"  ω: {weights}" if weights else "")
