"""How a run learned: its losses, scores and learned weights over the epochs."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from rafce_reports.comparison_runs import System
from rafce_reports.figure5 import WEIGHT, WEIGHT_NAMES, colour, learned_weights, whole_ticks
from rafce_reports.runs import Run
from rafce_reports.style import INK, MUTED, WILD, new_figure

LOSS = "loss_"
SCORES = (("accuracy", "accuracy", INK), ("uar", "UAR", WILD))
PANEL_WIDTH, HEIGHT = 3.3, 3.5
DASHES = (0, (3.2, 1.4))


def draw_curves(run: Run) -> Figure:
    """A panel for losses, one for scores, one for weights where any is learned; a line at the epoch that was picked."""
    weights = learned_weights(System(run.folder.name, (run,)))
    figure = new_figure(PANEL_WIDTH * (3 if weights else 2), HEIGHT)
    panels = figure.subplots(1, 3 if weights else 2)
    draw_losses(panels[0], run.history)
    draw_scores(panels[1], run.history)
    if weights:
        draw_weights(panels[2], run.history, weights)
    for axes in panels:
        axes.axvline(run.metrics["selected"]["epoch"], color=MUTED, linewidth=0.8, linestyle=":", zorder=0)
        axes.set_xlabel("epoch")
        whole_ticks(axes)
        axes.grid(axis="y")
        axes.legend(loc="upper left", bbox_to_anchor=(-0.08, -0.17), ncols=2, fontsize=7.5, columnspacing=1.2)
    return figure


def draw_losses(axes: Axes, history: pd.DataFrame) -> None:
    """The mean of each loss over training images before it is weighted, and the emotion loss of validation."""
    axes.set_title("Losses")
    for term in losses(history):
        _line(axes, history, LOSS + term, WEIGHT_NAMES.get(term, term), colour(term))
    _line(axes, history, "validation_loss", "emotion, validation", colour("emo"), dashed=True)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())


def draw_scores(axes: Axes, history: pd.DataFrame) -> None:
    """Accuracy and UAR of training and validation, and the AU macro-F1 of validation where AUs are learned."""
    axes.set_title("Scores, %")
    percent = history * 100
    percent["epoch"] = history["epoch"]
    for name, label, of_colour in SCORES:
        _line(axes, percent, f"train_{name}", f"{label}, training", of_colour)
        _line(axes, percent, name, f"{label}, validation", of_colour, dashed=True)
    if history["au_macro_f1"].notna().any():
        _line(axes, percent, "au_macro_f1", "AU macro-F1, validation", colour("au"), dashed=True)
    axes.set_ylim(bottom=0)


def draw_weights(axes: Axes, history: pd.DataFrame, terms: Sequence[str]) -> None:
    """The mean of each learned weight over training images, one standard deviation over images shaded."""
    axes.set_title("Learned weights ω")
    for term in terms:
        mean, spread = history[WEIGHT + term], history[f"{WEIGHT}{term}_sd"]
        axes.fill_between(
            history["epoch"], mean - spread, mean + spread, color=colour(term), alpha=0.2, linewidth=0
        )
        _line(axes, history, WEIGHT + term, WEIGHT_NAMES.get(term, term), colour(term))
    axes.set_ylim(min(0, axes.get_ylim()[0]), max(1, axes.get_ylim()[1]))


def losses(history: pd.DataFrame) -> list[str]:
    """The losses of the method, by their columns before weighing."""
    names = [str(name).removeprefix(LOSS) for name in history if str(name).startswith(LOSS)]
    return [name for name in names if not name.endswith("_weighted")]


def _line(
    axes: Axes, history: pd.DataFrame, column: str, label: str, of_colour: str, dashed: bool = False
) -> None:
    epoch, value = history["epoch"], history[column]
    look: dict[str, Any] = {"linestyle": DASHES, "markerfacecolor": "white"} if dashed else {"linestyle": "-"}
    axes.plot(epoch, value, color=of_colour, linewidth=1.3, marker="o", markersize=3.2, label=label, **look)
