"""Heat maps of p(AU | emotion) in the wild and in the laboratory, and of the difference between them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from rafce_reports.numbers import SIGNIFICANT, percent, points
from rafce_reports.style import DIFFERENCE_MAP, FREQUENCY_MAP, UNKNOWN, new_figure

# E emotions, A action units
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

TEXT_SIZE = 7.5
SURPASSED = "▲"
GREY_WORDS = "no difference known: the laboratory lists no figure, or the wild has none"


def draw_frequencies(comparison: pd.DataFrame, emotions: Sequence[str], aus: Sequence[int]) -> Figure:
    """Both frequencies, in percent, one above the other; grey where nothing is known."""
    sides = {"wild": "In the wild"}
    if comparison["lab"].notna().any():
        sides["lab"] = "In the laboratory (blank: below 20 %, not listed)"
    figure = new_figure(_width(aus), len(sides) * _height(emotions))
    for axes, (side, title) in zip(_unlaid(figure, len(sides)), sides.items(), strict=True):
        frequency = frame(comparison, side, emotions, aus)
        _heat(axes, frequency, percent, cmap=FREQUENCY_MAP, vmin=0, vmax=1)
        axes.set_title(title)
    _colour_bar(figure, "percent", percent, shrink=1 / len(sides), aspect=30)
    return figure


def draw_difference(comparison: pd.DataFrame, emotions: Sequence[str], aus: Sequence[int]) -> Figure:
    """Wild minus lab in percentage points; bold where q < 0.05, ▲ where the wild surpasses a blank of the lab."""
    difference = frame(comparison, "difference", emotions, aus)
    significant_EA = frame(comparison, "q", emotions, aus).to_numpy() < SIGNIFICANT
    figure = new_figure(_width(aus), _height(emotions) + 0.35)
    (axes,) = _unlaid(figure, 1)
    _heat(axes, difference, points, cmap=DIFFERENCE_MAP, vmin=-1, vmax=1)
    _embolden(axes, significant_EA)
    for row, column in np.argwhere(significant_EA & difference.isna().to_numpy()):
        axes.text(column + 0.5, row + 0.5, SURPASSED, ha="center", va="center", size=TEXT_SIZE)
    axes.set_title("Wild minus laboratory")
    _colour_bar(figure, "percentage points", points, shrink=0.8, aspect=25)
    figure.legend(handles=[Patch(color=UNKNOWN, label=GREY_WORDS)], loc="outside lower left")
    return figure


def frame(comparison: pd.DataFrame, value: str, emotions: Sequence[str], aus: Sequence[int]) -> pd.DataFrame:
    """One column of the comparison, a row an emotion, a column an AU; NaN where there is no such pair."""
    wide = comparison.pivot_table(index="emotion", columns="au", values=value)
    return wide.reindex(index=list(emotions), columns=list(aus)).astype(float)


def _width(aus: Sequence[int]) -> float:
    return 2.6 + 0.36 * len(aus)


def _height(emotions: Sequence[str]) -> float:
    return 0.9 + 0.25 * len(emotions)


def _unlaid(figure: Figure, n: int) -> list[Axes]:
    """Axes below each other; seaborn draws each map once to look at it, which is slow while the layout is on."""
    figure.set_layout_engine("none")
    return list(figure.subplots(n, squeeze=False).flat)


def _heat(axes: Axes, values: pd.DataFrame, say: Callable[[float], str], **colours: Any) -> None:
    axes.set_facecolor(UNKNOWN)
    sns.heatmap(
        values,
        ax=axes,
        annot=values.map(say),
        fmt="",
        annot_kws={"size": TEXT_SIZE},
        cbar=False,
        xticklabels=False,
        yticklabels=False,
        linewidths=0.8,
        linecolor="white",
        **colours,
    )
    # set here, since seaborn would draw the figure to see whether they overlap
    axes.set_xticks(np.arange(values.shape[1]) + 0.5, [str(au) for au in values.columns])
    axes.set_yticks(np.arange(values.shape[0]) + 0.5, list(values.index))
    axes.tick_params(length=0)
    axes.set(xlabel="action unit", ylabel="")


def _embolden(axes: Axes, bold_EA: BoolArray) -> None:
    for text in axes.texts:
        column, row = text.get_position()
        text.set_fontweight("bold" if bold_EA[int(row), int(column)] else "normal")


def _colour_bar(figure: Figure, label: str, say: Callable[[float], str], **shape: Any) -> None:
    figure.set_layout_engine("constrained")
    mesh = figure.axes[0].collections[0]
    ticks = FuncFormatter(lambda value, _: say(value))
    figure.colorbar(mesh, ax=figure.axes, pad=0.015, label=label, format=ticks, **shape)
