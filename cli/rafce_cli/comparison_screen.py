"""How a comparison shows itself while it goes: a line a run; on a terminal two bars, of all runs and of one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from rafce.foreign_text import brief
from rafce_cli.console import Console
from rafce_train.config import Config
from rafce_train.history import Row
from rafce_train.loop import Standing
from rafce_train.plan import Plan, Planned, n_epochs


class PlainComparisonScreen:
    """A line for each run that is done; each note once, however many runs it comes from."""

    def __init__(self, console: Console):
        self._console = console
        self._said: set[str] = set()
        self._n_runs = self._n_done = 0

    def comparison(self, plan: Plan, to_do: list[Planned]) -> None:
        """Print what is about to run and what is left out."""
        self._n_runs = len(plan.runs)
        self._n_done = self._n_runs - len(to_do)
        self._print(f"{self._n_runs} runs: {self._n_done} done already, {len(to_do)} to do")
        for text in plan.left_out:
            self._print(f"left out: {text}")

    def run(self, name: str) -> None:
        """Nothing: a run's line comes when it is done."""

    def note(self, text: str) -> None:
        """Print a line, the first time."""
        if text not in self._said:
            self._said.add(text)
            self._print(brief(f"note: {text}"))

    def decoding(self, done: int, total: int) -> None:
        """Nothing: images are decoded once for all runs."""

    def begin(self, config: Config, terms: tuple[str, ...], steps: int) -> None:
        """Nothing."""

    def step(self, standing: Standing) -> None:
        """Nothing."""

    def epoch(self, row: Row) -> None:
        """Nothing."""

    def estimate(self, name: str, epoch_seconds: float, seconds: float) -> None:
        """Print how long the whole will take."""
        self._print(
            f"first epoch of {name}: {duration(epoch_seconds)}; all that is to do: about {duration(seconds)}"
        )

    def done(self, name: str, metrics: dict[str, Any], seconds_left: float) -> None:
        """Print the run's line."""
        self._n_done += 1
        test, selected = metrics["test"], metrics["selected"]
        left = f"about {duration(seconds_left)} left" if seconds_left else "the last one"
        count = f"[{self._n_done:>{len(str(self._n_runs))}}/{self._n_runs}]"
        accuracy, uar = (f"{100 * test[measure]['value']:.1f} %" for measure in ("accuracy", "uar"))
        self._print(f"{count} {name}: epoch {selected['epoch']}, test accuracy {accuracy}, UAR {uar}; {left}")

    def _print(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, markup=False, highlight=False)


class LiveComparisonScreen(PlainComparisonScreen):
    """The same lines, and below them two bars."""

    def __init__(self, console: Console):
        super().__init__(console)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            console=console,
            expand=True,
        )
        self._all = self._bars.add_task("all runs", total=None, unit="runs")
        self._one = self._bars.add_task("", total=None, unit="steps", visible=False)
        self._steps = 0
        self.live = Live(Group(self._bars), console=console, transient=True)

    def comparison(self, plan: Plan, to_do: list[Planned]) -> None:
        """Put up the bar of all runs."""
        super().comparison(plan, to_do)
        self._bars.update(self._all, total=self._n_runs, completed=self._n_done)

    def run(self, name: str) -> None:
        """Put up the run's bar, which knows its steps later."""
        self._bars.reset(self._one, total=None, description=name, visible=True)

    def decoding(self, done: int, total: int) -> None:
        """Move the run's bar by the images that are decoded."""
        self._bars.update(self._one, completed=done, total=total, unit="images")

    def begin(self, config: Config, terms: tuple[str, ...], steps: int) -> None:
        """Give the run's bar its steps."""
        super().begin(config, terms, steps)
        self._bars.update(self._one, total=steps * n_epochs(config), completed=0, unit="steps")
        self._steps = steps

    def step(self, standing: Standing) -> None:
        """Move the run's bar."""
        self._bars.update(self._one, completed=standing.epoch * self._steps + standing.step)

    def done(self, name: str, metrics: dict[str, Any], seconds_left: float) -> None:
        """Move the bar of all runs."""
        super().done(name, metrics, seconds_left)
        self._bars.update(self._all, completed=self._n_done)


@contextmanager
def make_screen() -> Iterator[PlainComparisonScreen]:
    """The screen that suits standard error; standard output stays free for results."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield PlainComparisonScreen(console)
        return
    screen = LiveComparisonScreen(console)
    with screen.live:
        yield screen


def duration(seconds: float) -> str:
    """A time in the two units that matter: 1 h 5 min, 3 min 20 s, 12 s."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"
