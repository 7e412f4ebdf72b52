"""Calibration of a run: how often it is right where it is how sure, from the bins in its metrics.json."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rafce_reports.style import FAINT, MUTED, WILD, new_figure

Json = dict[str, Any]
COLOUR = "#22577a"


def bins_frame(calibration: Json) -> pd.DataFrame:
    """A row a bin that has images: from, to, n, mean confidence, accuracy with its interval, NaN where it has none."""
    rows = [{**row, **row["accuracy"], "accuracy": row["accuracy"]["value"]} for row in calibration["bins"]]
    frame = pd.DataFrame(rows, columns=["from", "to", "n", "confidence", "accuracy", "ci_low", "ci_high"])
    return frame.astype({"ci_low": np.float64, "ci_high": np.float64})


def draw_reliability(calibration: Json) -> Figure:
    """Accuracy over confidence, a point a bin, with intervals; below, how many images each bin has.

    On the diagonal a run is as often right as it says; below it, it is too sure of itself.
    """
    bins = bins_frame(calibration)
    figure = new_figure(4.8, 5.6)
    above, below = figure.subplots(2, 1, height_ratios=(3.4, 1), sharex=True)
    _draw_points(above, bins * [100, 100, 1, 100, 100, 100, 100])
    width = 100 * (bins["to"] - bins["from"])
    below.bar(100 * bins["from"], bins["n"], width, align="edge", color=FAINT, edgecolor=MUTED, linewidth=0.6)
    below.set(xlabel="probability of the top emotion, %", ylabel="images")
    return figure


def _draw_points(axes: Axes, percent: pd.DataFrame) -> None:
    axes.plot((0, 100), (0, 100), color=MUTED, linewidth=0.9, linestyle=":", zorder=1)
    confidence, accuracy = percent["confidence"], percent["accuracy"]
    axes.vlines(confidence, confidence, accuracy, color=WILD, linewidth=2.6, alpha=0.35, zorder=2)
    axes.vlines(confidence, percent["ci_low"], percent["ci_high"], color=COLOUR, linewidth=1.0, zorder=3)
    axes.plot(confidence, accuracy, color=COLOUR, linewidth=0, marker="o", markersize=5, zorder=4)
    axes.set(xlim=(0, 100), ylim=(0, 100), ylabel="of them right, %")
    axes.grid()
