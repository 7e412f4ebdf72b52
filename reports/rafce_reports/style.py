"""One look for every figure: fonts, colours, and the settings that make a rerun byte-identical."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

matplotlib.use("Agg")

WILD = "#b2182b"
LAB = "#2166ac"
"""The red and blue of Table 1; RdBu's ends, told apart by every kind of colour vision."""

INK = "#1d2733"
MUTED = "#5b6675"
FAINT = "#d5dbe2"
UNKNOWN = "#dfe2e6"
PARTITION_COLOURS = {"train": "#22577a", "validation": "#57a5b5", "test": "#e0a030"}
FOR, AGAINST = "#1b7f79", "#c26a00"
LEFT, RIGHT = "#57a5b5", "#e0a030"
FREQUENCY_MAP = "YlGnBu"
DIFFERENCE_MAP = "RdBu_r"
ASSOCIATION_MAP = "PuOr_r"

SETTINGS: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],  # ships with matplotlib: the same letters on every machine
    "font.size": 9.0,
    "text.parse_math": False,  # a name with $ in it is no formula
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8.0,
    "axes.labelsize": 9.0,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.5,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.dpi": 160,
    "svg.fonttype": "path",
    "svg.hashsalt": "rafce",
    "pdf.fonttype": 42,
}


@contextmanager
def drawing_style() -> Iterator[None]:
    """Draw and save with the settings of this module; matplotlib's own are back afterwards."""
    with matplotlib.rc_context(SETTINGS):
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of this size in inches whose parts keep clear of each other."""
    return Figure(figsize=(width, height), layout="constrained")


def bare(axes: Axes) -> None:
    """Take the frame and the tick marks away, labels stay."""
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
