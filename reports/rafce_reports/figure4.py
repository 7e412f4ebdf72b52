"""Figure 4 of the paper: where runs look, on test images that the first is right about, with the AUs of each boxed.

Positions on the page are in inches, y downwards. H image side and h map side in pixels.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from rafce.geometry import Box
from rafce_reports.label_rows import label_rows
from rafce_reports.style import AGAINST, FOR, INK, MUTED

_WIDTH: Final = 10.8
_PANEL: Final = 1.1
_GAP: Final = 0.05
_GUTTER: Final = 0.3
_HEAD: Final = 0.62
_ABOVE: Final = 0.32
_CARD: Final = _ABOVE + _PANEL + 0.42
_PITCH: Final = 0.085

_HEAT: Final = "inferno"
_HEAT_ALPHA: Final = 0.6
_GREY: Final = (0.299, 0.587, 0.114)
_STROKE: Final[list[Any]] = [withStroke(linewidth=1.3, foreground="#12202e")]
_DASHES: Final = (0, (2.0, 1.4))


class View(Protocol):
    """One run's part of an example."""

    @property
    def words(self) -> str:
        """What it predicts."""

    @property
    def probability(self) -> float:
        """How probable it holds the truth."""

    @property
    def right(self) -> bool:
        """Whether it predicts the truth."""

    @property
    def map_hh(self) -> npt.NDArray[np.float32]:
        """Where it sees the truth."""


class Example(Protocol):
    """A test image and what the runs see in it."""

    @property
    def image(self) -> str:
        """Its name."""

    @property
    def pixels_HH3(self) -> npt.NDArray[np.uint8]:
        """As the network sees it."""

    @property
    def emotion(self) -> str:
        """The true one."""

    @property
    def boxes(self) -> Mapping[int, Sequence[Box]]:
        """Where each of its AUs acts, in parts of the image side."""

    @property
    def observed(self) -> frozenset[int]:
        """Those of its AUs that are observed in its emotion."""

    @property
    def views(self) -> Sequence[View]:
        """One for each run, in their order."""


class _Spot(NamedTuple):
    """A square panel on the page: its left upper corner."""

    x: float
    y: float

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """As matplotlib wants it for images."""
        return self.x, self.x + _PANEL, self.y + _PANEL, self.y

    def place(self, box: Box) -> Box:
        """From parts of the image side to inches on the page."""
        left, top, right, bottom = (_PANEL * side for side in box)
        return Box(self.x + left, self.y + top, self.x + right, self.y + bottom)


def draw_figure4(examples: Sequence[Example], heading: str, explanation: str) -> Figure:
    """A card an example: the face with the boxes of its AUs, then each run's map over it, in the order of its views.

    A map is scaled to its own maximum. Dashed boxes are of AUs that are not observed in the image's emotion.
    """
    card_width = (1 + len(examples[0].views)) * (_PANEL + _GAP) - _GAP + _GUTTER
    columns = int((_WIDTH + _GUTTER) // card_width)
    rows = -(-len(examples) // columns)
    axes = _page(columns * card_width - _GUTTER, _HEAD + rows * _CARD)
    axes.text(0, 0.08, heading, size=10.5, weight="bold", va="center", color=INK)
    axes.text(0, 0.22, explanation, size=7.5, va="top", color=MUTED, linespacing=1.35)
    for place, example in enumerate(examples):
        row, column = divmod(place, columns)
        _draw_card(axes, _Spot(column * card_width, _HEAD + row * _CARD + _ABOVE), example)
    figure = axes.figure
    assert isinstance(figure, Figure)
    return figure


def _page(width: float, height: float) -> Axes:
    """Axes in inches that fill a figure of this size and a margin."""
    margin = 0.1
    figure = Figure(figsize=(width + 2 * margin, height + 2 * margin))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(-margin, width + margin), ylim=(height + margin, -margin))
    axes.set_autoscale_on(False)
    axes.set_axis_off()
    return axes


def _draw_card(axes: Axes, spot: _Spot, example: Example) -> None:
    axes.text(spot.x, spot.y - 0.2, example.emotion, size=8, weight="bold", va="center", color=INK)
    axes.text(spot.x, spot.y - 0.075, example.image, size=6.5, va="center", color=MUTED)
    axes.imshow(example.pixels_HH3, extent=spot.extent, aspect="auto", interpolation="bilinear")
    _draw_boxes(axes, spot, example, outline=_STROKE)
    _write_numbers(axes, spot, example)
    grey_HH = example.pixels_HH3 @ np.array(_GREY) / 255
    for place, (letter, view) in enumerate(zip("AB", example.views, strict=False), start=1):
        beside = _Spot(spot.x + place * (_PANEL + _GAP), spot.y)
        axes.imshow(grey_HH, extent=beside.extent, aspect="auto", cmap="gray", vmin=0, vmax=1)
        _draw_heat(axes, beside, view.map_hh)
        _draw_boxes(axes, beside, example, outline=[])
        colour = FOR if view.right else AGAINST
        text = f"{letter}: {view.words}\np(true) {100 * view.probability:.0f} %"
        axes.text(
            beside.x, beside.y + _PANEL + 0.04, text, size=6.5, va="top", color=colour, linespacing=1.25
        )


def _draw_heat(axes: Axes, spot: _Spot, map_hh: npt.NDArray[np.float32]) -> None:
    """A map laid over what is there; bilinear as it was measured."""
    axes.imshow(
        map_hh / map_hh.max(),
        extent=spot.extent,
        aspect="auto",
        cmap=_HEAT,
        vmin=0,
        vmax=1,
        alpha=_HEAT_ALPHA,
        interpolation="bilinear",
    )


def _draw_boxes(axes: Axes, spot: _Spot, example: Example, outline: list[Any]) -> None:
    for au, boxes in example.boxes.items():
        for box in boxes:
            left, top, right, bottom = spot.place(box)
            frame = Rectangle(
                (left, top), right - left, bottom - top, fill=False, edgecolor="white", linewidth=0.6
            )
            frame.set_linestyle("-" if au in example.observed else _DASHES)
            frame.set_path_effects(outline)
            axes.add_patch(frame)


def _write_numbers(axes: Axes, spot: _Spot, example: Example) -> None:
    """The number of every AU at the nearer edge of the face, with a line to its box; every second one on the right."""
    outermost = {au: (boxes[-1], boxes[0]) for au, boxes in example.boxes.items()}
    by_height = sorted(outermost, key=lambda au: outermost[au][0].top + outermost[au][0].bottom)
    for side, aus in enumerate((by_height[::2], by_height[1::2])):
        boxes = [spot.place(outermost[au][side]) for au in aus]
        middles = [(box.top + box.bottom) / 2 for box in boxes]
        rows = label_rows(middles, _PITCH, spot.y + _PITCH / 2, spot.y + _PANEL - _PITCH / 2)
        for au, box, row, middle in zip(aus, boxes, rows, middles, strict=True):
            x = spot.x + (0.02, _PANEL - 0.02)[side]
            number = axes.text(
                x,
                row,
                str(au),
                size=5.4,
                weight="bold",
                color="white",
                va="center",
                ha=("left", "right")[side],
            )
            number.set_path_effects(_STROKE)
            ends = (x + (0.11, -0.11)[side], (box.left, box.right)[side])
            axes.plot(ends, (row, middle), color="white", linewidth=0.45, path_effects=_STROKE)
