"""The confusion matrix of a run's test images, as a figure and as a table, from the figures in its metrics.json."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rafce_reports.numbers import between, in_groups, percent
from rafce_reports.save import save_figure
from rafce_reports.style import FREQUENCY_MAP, INK, UNKNOWN, bare, drawing_style, new_figure

# K emotions
IntArray = npt.NDArray[np.int64]

CELL, TITLE_WIDTH = 0.38, 6.6
TEXT_SIZE = 7.5
DARK = 0.5
"""From this share on, figures in a cell are white."""


def write_confusion(test: dict[str, Any], folder: Path) -> None:
    """Write `confusion.png`, `confusion.svg` and `confusion.csv`, a row a true and a column a predicted emotion."""
    folder.mkdir(parents=True, exist_ok=True)
    emotions = [row["emotion"] for row in test["emotions"]]
    counts = pd.DataFrame(test["confusion"], index=pd.Index(emotions, name="emotion"), columns=emotions)
    counts.to_csv(folder / "confusion.csv", lineterminator="\n")
    with drawing_style():
        save_figure(draw_confusion(test), folder, "confusion")


def draw_confusion(test: dict[str, Any]) -> Figure:
    """Rows sum to 100 %; beside each its images and its recall with interval; grey for an emotion without images."""
    emotions, counts_KK = test["emotions"], np.array(test["confusion"])
    side = CELL * len(emotions)
    figure = new_figure(max(side + 4.4, TITLE_WIDTH), side + 2.3)
    axes = figure.subplots()
    support_K = counts_KK.sum(1)
    share_KK = np.divide(
        counts_KK, support_K[:, None], out=np.full(counts_KK.shape, np.nan), where=support_K[:, None] > 0
    )
    axes.set_facecolor(UNKNOWN)
    axes.imshow(share_KK, cmap=FREQUENCY_MAP, vmin=0, vmax=1, aspect="equal")
    _write_cells(axes, share_KK, counts_KK)
    _label(axes, emotions)
    figures = f"accuracy {_rate(test['accuracy'])}, mean recall (UAR) {_rate(test['uar'])}"
    counted = f"{test['n']:,} test images{in_groups(test)}, percent of each true emotion"
    figure.suptitle(f"{counted}\n{figures}", x=0.02, ha="left", size=10, weight="bold")
    return figure


def _write_cells(axes: Axes, share_KK: npt.NDArray[np.float64], counts_KK: IntArray) -> None:
    for row, column in np.argwhere(counts_KK > 0):
        share = share_KK[row, column]
        colour = "white" if share >= DARK else INK
        axes.text(column, row, percent(share), ha="center", va="center", size=TEXT_SIZE, color=colour)


def _label(axes: Axes, emotions: list[dict[str, Any]]) -> None:
    places, names = range(len(emotions)), [row["emotion"] for row in emotions]
    axes.set_xticks(places, names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(places, [f"{row['emotion']} ({row['support']:,})" for row in emotions])
    axes.set(xlabel="predicted", ylabel="true (images)")
    bare(axes)
    recalls = axes.secondary_yaxis("right")
    recalls.set_yticks(places, [_rate(row["recall"]) for row in emotions])
    recalls.spines[:].set_visible(False)
    recalls.tick_params(length=0)
    axes.annotate("recall (95 % interval)", (1, 1), (4, 3), "axes fraction", "offset points", size=8.5)


def _rate(figure: dict[str, Any]) -> str:
    value, low, high = (
        np.nan if figure[name] is None else figure[name] for name in ("value", "ci_low", "ci_high")
    )
    return "no image" if np.isnan(value) else f"{percent(value, 1)} ({between(low, high, 1)})"
