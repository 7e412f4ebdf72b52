"""Figures of what action units tell: about the emotion, about each other, about the side of the face."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import FuncFormatter

from rafce_reports.numbers import au_label
from rafce_reports.style import (
    AGAINST,
    ASSOCIATION_MAP,
    FAINT,
    FOR,
    FREQUENCY_MAP,
    INK,
    LEFT,
    MUTED,
    RIGHT,
    bare,
    new_figure,
)

# A action units
FloatArray = npt.NDArray[np.float64]

PANELS_A_ROW = 3
PAIR_PANELS_A_ROW = 5
N_TELLING = 6
MOST_TICKS = 2  # to either side of 1; beyond that labels are long, and one has room
TICK_STEP = float(np.log(8))


def draw_information(information: pd.DataFrame) -> Figure:
    """Bits that each AU tells about the emotion beyond chance, with intervals, the most telling on top."""
    known = information.dropna(subset=["excess"]).sort_values("excess", ascending=False, kind="stable")
    figure = new_figure(7.6, 0.19 * len(known) + 0.9)
    axes = figure.add_subplot()
    sure = known["ci_low"] > 0
    for chosen, colour in ((sure, FOR), (~sure, MUTED)):
        _intervals(axes, known[chosen], np.flatnonzero(chosen), "excess", colour)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.set_yticks(range(len(known)), [au_label(au) for au in known["au"]])
    axes.set_ylim(len(known) - 0.4, -0.6)
    axes.set_xlabel("bits about the emotion beyond chance, with 95 % interval")
    axes.xaxis.grid(True)
    bare(axes)
    return figure


def _intervals(
    axes: Axes, rows: pd.DataFrame, positions: npt.NDArray[np.intp], value: str, colour: str
) -> None:
    axes.hlines(positions, rows["ci_low"], rows["ci_high"], color=colour, linewidth=1.6, alpha=0.55)
    axes.plot(rows[value], positions, "o", color=colour, markersize=4.5)


def draw_telling(telling: pd.DataFrame, emotions: Sequence[str]) -> Figure:
    """The surest AUs for and against each emotion: odds ratios against all other emotions, with intervals."""
    n_rows = -(-len(emotions) // PANELS_A_ROW)
    height = 1.42 * n_rows + 0.5
    figure = Figure(figsize=(9.6, height))
    margins = {"left": 0.145, "right": 0.99, "top": 1 - 0.25 / height, "bottom": 0.62 / height}
    grid = figure.add_gridspec(n_rows, PANELS_A_ROW, wspace=0.85, hspace=0.5, **margins)
    sure = telling[telling["strength"] != 0].groupby("emotion").head(N_TELLING)
    reach = float(np.abs(sure[["ci_low", "ci_high"]].to_numpy()).max()) if len(sure) else TICK_STEP
    for position, emotion in enumerate(emotions):
        axes = figure.add_subplot(grid[divmod(position, PANELS_A_ROW)])
        _telling_panel(axes, sure[sure["emotion"] == emotion], reach)
        axes.set_title(emotion, size=9)
    figure.text(0.5, 0.1 / height, "odds ratio against all other emotions, with 95 % interval", ha="center")
    return figure


def _telling_panel(axes: Axes, rows: pd.DataFrame, reach: float) -> None:
    speaks_for = rows["strength"] > 0
    for chosen, colour in ((speaks_for, FOR), (~speaks_for, AGAINST)):
        _intervals(axes, rows[chosen], np.flatnonzero(chosen), "log_odds", colour)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.set_yticks(range(len(rows)), [au_label(au) for au in rows["au"]], size=7.5)
    axes.set_ylim(N_TELLING - 0.4, -0.6)
    powers = tick_powers(reach)
    labels = [f"1/{8**-power:,}" if power < 0 else f"{8**power:,}" for power in powers]
    axes.set_xticks([power * TICK_STEP for power in powers], labels, size=7.5)
    axes.set_xlim(-1.05 * reach, 1.05 * reach)
    axes.xaxis.grid(True)
    bare(axes)


def tick_powers(reach: float) -> range:
    """Powers of 8 whose logarithms lie within reach, 1 among them, so few that their labels stand apart."""
    n_steps = int(reach / TICK_STEP)
    step = 1 if n_steps <= MOST_TICKS else n_steps // 2 + 1
    return range(-step * (n_steps // step), n_steps + 1, step)


def draw_cooccurrence(pairs: pd.DataFrame, emotions: Sequence[str], aus: Sequence[int]) -> Figure:
    """Below each diagonal how often two AUs show together, above it how they go together where that is sure."""
    n_rows = -(-len(emotions) // PAIR_PANELS_A_ROW)
    height = 2.02 * n_rows + 0.85
    figure = Figure(figsize=(9.6, height))
    grid = figure.add_gridspec(
        n_rows, PAIR_PANELS_A_ROW, left=0.03, right=0.995, top=1 - 0.25 / height, bottom=0.95 / height
    )
    for position, emotion in enumerate(emotions):
        axes = figure.add_subplot(grid[divmod(position, PAIR_PANELS_A_ROW)])
        of_emotion = pairs[pairs["emotion"] == emotion]
        maps = _pair_panel(axes, of_emotion, aus)
        if position % PAIR_PANELS_A_ROW:
            axes.set_yticks([])  # as in the first panel of the row
        axes.set_title(f"{emotion} ({of_emotion['n'].max():,})", size=8, pad=4)
    legends = (
        "percent of images that show both AUs (below the diagonal)",
        "correlation φ, where sure (above the diagonal)",
    )
    ends = "neither", "both"  # φ may lie beyond the colours
    for image, left, legend, end in zip(maps, (0.06, 0.56), legends, ends, strict=True):
        bar = figure.add_axes((left, 0.45 / height, 0.36, 0.09 / height))
        figure.colorbar(image, cax=bar, orientation="horizontal", label=legend, extend=end)
    return figure


def _pair_panel(axes: Axes, pairs: pd.DataFrame, aus: Sequence[int]) -> tuple[AxesImage, AxesImage]:
    sure = (pairs["log_odds_low"] > 0) | (pairs["log_odds_high"] < 0)
    together_AA = 100 * pair_matrix(pairs, "frequency", aus).T
    together = axes.imshow(together_AA, cmap=FREQUENCY_MAP, vmin=0, vmax=100)
    association = axes.imshow(pair_matrix(pairs[sure], "phi", aus), cmap=ASSOCIATION_MAP, vmin=-0.6, vmax=0.6)
    axes.plot([-0.5, len(aus) - 0.5], [-0.5, len(aus) - 0.5], color=MUTED, linewidth=0.6)
    size = min(5.5, 100 / len(aus))  # what lies closer together is read in the SVG, enlarged
    axes.set_xticks(range(len(aus)), [str(au) for au in aus], size=size, rotation=90)
    axes.set_yticks(range(len(aus)), [str(au) for au in aus], size=size)
    axes.tick_params(length=0, pad=1.5)
    axes.spines[:].set(visible=True, color=FAINT)
    return together, association


def pair_matrix(pairs: pd.DataFrame, value: str, aus: Sequence[int]) -> FloatArray:
    """A column of pairs above the diagonal of a matrix, shape (A, A); NaN elsewhere."""
    wide = pairs.pivot_table(index="au_1", columns="au_2", values=value)
    return wide.reindex(index=list(aus), columns=list(aus)).to_numpy(np.float64)


def draw_sides(sides: pd.DataFrame) -> Figure:
    """How often an AU shows on one side of the face only, left and right of zero, for the AUs that ever do."""
    one_sided = sides.loc[(sides["place"] == "one side") & (sides["count"] > 0), "au"]
    known = sides[sides["au"].isin(one_sided) & sides["place"].isin(["left", "right"])]
    aus = list(dict.fromkeys(known["au"]))
    figure = new_figure(7.6, 0.19 * len(aus) + 1.0)
    axes = figure.add_subplot()
    for place, sign, colour in (("left", -1, LEFT), ("right", 1, RIGHT)):
        rows = known[known["place"] == place]
        positions = np.arange(len(aus))
        axes.barh(positions, sign * rows["frequency"], height=0.7, color=colour, label=f"{place} side only")
        axes.hlines(positions, sign * rows["ci_low"], sign * rows["ci_high"], color=INK, linewidth=0.9)
    sizes = known[known["place"] == "left"]["n"]
    axes.set_yticks(
        range(len(aus)), [f"{au_label(au)} (n = {n:,})" for au, n in zip(aus, sizes, strict=True)]
    )
    axes.set_ylim(len(aus) - 0.4, -0.6)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(100 * value):g}"))
    axes.set_xlabel("percent of the images with the AU, with 95 % interval (the subject's left and right)")
    axes.xaxis.grid(True)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.0 + 0.3 / len(aus) + 0.04), ncols=2)
    bare(axes)
    return figure
