"""Figure 5: (a) validation accuracy and (b) learned weights of every system over the iterations, a point an epoch."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from rafce_reports.comparison_runs import System
from rafce_reports.runs import Run
from rafce_reports.style import AGAINST, FOR, INK, MUTED, WILD, new_figure

WEIGHT = "omega_"
WEIGHT_NAMES = {"emo": "emotion", "au": "AU", "dm": "distribution matching", "align": "alignment"}
WEIGHT_COLOURS = {"emo": INK, "au": AGAINST, "align": FOR}
BEHIND = "#b4bdc9"
SPREAD = 1e-6
"""A weight that varies less over images is a constant, up to the rounding of float32."""

MAX_COLUMNS = 5
PANEL_WIDTH, PANEL_HEIGHT, HEAD = 2.0, 1.55, 0.55


def draw_figure5(systems: Sequence[System]) -> Figure:
    """A small panel a system; grey in (a): the other systems. (b) has those that learn their weights."""
    learning = [system for system in systems if learned_weights(system)]
    parts = [(systems, draw_accuracy), *([(learning, draw_weights)] if learning else [])]
    n_columns = min(MAX_COLUMNS, max(len(systems), 3))
    rows = [-(-len(shown) // n_columns) for shown, _ in parts]
    heights = [HEAD + PANEL_HEIGHT * n for n in rows]
    figure = new_figure(PANEL_WIDTH * n_columns, sum(heights))
    for part, (shown, draw), n_rows in zip(
        np.atleast_1d(np.asarray(figure.subfigures(len(parts), 1, height_ratios=heights))),
        parts,
        rows,
        strict=True,
    ):
        axes = panels(part, shown, n_rows, n_columns)
        draw(part, axes, shown)
        whole_ticks(axes[0])  # shared by all
    return figure


def panels(part: SubFigure, systems: Sequence[System], n_rows: int, n_columns: int) -> list[Axes]:
    """An axes a system in a grid, titled with its name; places that are left over stay empty."""
    grid = part.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[len(systems) :]:
        axes.remove()
    used = list(grid.flat[: len(systems)])
    for position, (axes, system) in enumerate(zip(used, systems, strict=True)):
        axes.set_title(system.name, size=8.0, weight="normal", pad=3)
        axes.grid(axis="y")
        axes.tick_params(labelsize=7, labelbottom=position + n_columns >= len(systems))
    part.supxlabel("iterations", size=8.5)
    return used


def whole_ticks(axes: Axes) -> None:
    """Ticks at whole numbers along x, also where there is a single point."""
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))


def draw_accuracy(part: SubFigure, axes: Sequence[Axes], systems: Sequence[System]) -> None:
    """Part (a): mean over seeds, and one standard deviation over seeds shaded."""
    part.suptitle("(a) Validation accuracy, %", x=0.01, ha="left", size=10.5, weight="bold")
    curves = [curve(system.runs, "accuracy") * [1, 100, 100] for system in systems]
    for own, (panel, found) in enumerate(zip(axes, curves, strict=True)):
        for other, behind in enumerate(curves):
            if other != own:
                panel.plot(behind["iterations"], behind["mean"], color=BEHIND, linewidth=0.8, zorder=1)
        draw_curve(panel, found, WILD)


def draw_weights(part: SubFigure, axes: Sequence[Axes], systems: Sequence[System]) -> None:
    """Part (b): mean over images and seeds, and one standard deviation over them shaded."""
    part.suptitle("(b) Mean learned weight ω of each loss", x=0.01, ha="left", size=10.5, weight="bold")
    shown: dict[str, None] = {}
    for panel, system in zip(axes, systems, strict=True):
        for term in learned_weights(system):
            draw_curve(panel, curve(system.runs, WEIGHT + term), colour(term))
            shown[term] = None
    low, high = axes[0].get_ylim()
    axes[0].set_ylim(min(low, 0.0), max(high, 1.0))
    order = sorted(shown, key=[*WEIGHT_NAMES, *shown].index)
    handles = [Line2D([], [], color=colour(term), label=WEIGHT_NAMES.get(term, term)) for term in order]
    part.legend(handles=handles, loc="upper right", ncols=len(handles), fontsize=8)


def draw_curve(axes: Axes, found: pd.DataFrame, of_colour: str) -> None:
    """A line with a point an epoch, and its spread."""
    x, mean, spread = (found[name].to_numpy() for name in ("iterations", "mean", "spread"))
    axes.fill_between(x, mean - spread, mean + spread, color=of_colour, alpha=0.2, linewidth=0)
    axes.plot(x, mean, color=of_colour, linewidth=1.3, marker="o", markersize=2.2)


def curve(runs: Sequence[Run], column: str) -> pd.DataFrame:
    """A column of the histories: iterations, mean over seeds, spread.

    The spread is the standard deviation over seeds; for a weight, over images and seeds: that over images squared and
    averaged, plus the variance of the means.
    """
    within = f"{column}_sd"
    points = pd.concat([run.history.reindex(columns=["iterations", column, within]) for run in runs])
    epochs = points.assign(variance=points[within] ** 2).groupby("iterations")
    between = epochs[column].var(ddof=0 if column.startswith(WEIGHT) else 1)
    spread = np.sqrt(epochs["variance"].mean().fillna(0) + between.fillna(0))
    return pd.DataFrame({"mean": epochs[column].mean(), "spread": spread}).reset_index()


def learned_weights(system: System) -> list[str]:
    """The losses whose weight is learned: it changes from epoch to epoch, or differs between images."""
    columns = [str(name) for name in system.runs[0].history if str(name).startswith(WEIGHT)]
    means = [name for name in columns if not name.endswith("_sd")]
    return [name.removeprefix(WEIGHT) for name in means if any(_varies(run, name) for run in system.runs)]


def colour(term: str) -> str:
    """A loss's colour, the same in every panel."""
    return WEIGHT_COLOURS.get(term, MUTED)


def _varies(run: Run, column: str) -> bool:
    mean, within = run.history[column], run.history[f"{column}_sd"]
    return bool(mean.max() - mean.min() > SPREAD or within.max() > SPREAD)
