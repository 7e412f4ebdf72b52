"""Figure 2 of the paper: for each emotion two schematic faces, lab and wild, that show and box the observed AUs.

Shape suffixes: P landmarks, N and M points of a line, 2 (x, y). Positions on the page are in inches, y downwards.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Polygon, Rectangle

from rafce import geometry
from rafce.action_units import ACTION_UNITS
from rafce.geometry import Action, Box, FloatArray
from rafce_reports.label_rows import label_rows

ObservedAUs = Mapping[str, Sequence[int]]
Mark = Literal["shared", "differs", "exclusive"]

_CARDS_A_ROW: Final = 3
_PADDING: Final = 0.05
_PANEL_WIDTH: Final = 1.26
_CARD_WIDTH: Final = 2 * (_PANEL_WIDTH + _PADDING)  # three cards fill the width of an A4 page
_GUTTER: Final = 0.07
_TITLE_HEIGHT: Final = 0.36
_FACE_HEIGHT: Final = 1.16
_INCHES_PER_UNIT: Final = 0.48
_FACE_MIDDLE: Final = 0.14  # between the crown and the chin below a wide open mouth, in face units
_LABEL_PITCH: Final = 0.105
_LABEL_WIDTH: Final = 0.295
_LABEL_SIZE: Final = 6.0

_INK: Final = "#3a3a3a"
_SOFT_INK: Final = "#8a7768"
_SKIN: Final = "#f6efe6"
_HAIR: Final = "#cfc8be"
_BROW: Final = "#57483d"
_LIP: Final = "#d8b9ab"
_MOUTH: Final = "#4b3a38"
_COLOURS: Final[Mapping[Mark, str]] = {"shared": "#20558a", "differs": "#20558a", "exclusive": "#d0021b"}
_MEANINGS: Final[Mapping[Mark, str]] = {
    "shared": "observed in both\nfaces of the pair",
    "differs": "not observed in the\nother face of the pair",
    "exclusive": "observed in no emotion\nof the other environment",
}

_SCALP: Final = ("temple", "head_side", "head_top", "crown")
_HAIRLINE_72: Final = np.array([(0, y) for y in (0, 0.08, 0.18, 0.20, 0.18, 0.08, 0)])
_HAIR_LIFT_72: Final = np.array([(1, 1), (1.02, 1), (1.03, 1.04), (1, 1.05), (1.03, 1.04), (1.02, 1), (1, 1)])


class Panel(NamedTuple):
    """One face on the page: where the origin of its coordinates lies, and between which rows its labels stand."""

    x: float
    y: float
    top: float
    bottom: float

    def place(self, points_N2: FloatArray) -> FloatArray:
        """Face units to inches on the page."""
        return points_N2 * _INCHES_PER_UNIT + (self.x, self.y)


def marks(wild: ObservedAUs, lab: ObservedAUs) -> dict[tuple[str, str, int], Mark]:
    """How each (environment, emotion, AU) stands to the other environment.

    "exclusive": observed there in no emotion at all; "differs": not in this emotion; "shared": in this emotion too.
    An emotion that the other environment lacks cannot differ, and beside an empty environment nothing is exclusive.
    """
    found: dict[tuple[str, str, int], Mark] = {}
    for environment, own, other in (("wild", wild, lab), ("lab", lab, wild)):
        anywhere = {au for aus in other.values() for au in aus}
        for emotion, aus in own.items():
            for au in aus:
                if other and au not in anywhere:
                    found[environment, emotion, au] = "exclusive"
                elif emotion in other and au not in other[emotion]:
                    found[environment, emotion, au] = "differs"
                else:
                    found[environment, emotion, au] = "shared"
    return found


def draw_figure2(wild: ObservedAUs, lab: ObservedAUs) -> Figure:
    """Figure 2 for the observed AUs of each emotion, in the order of `wild`, then whatever only `lab` has.

    Red boxes are exclusive to their environment, dashed ones are missing in the other face of the pair (`marks`).
    Paired AUs are boxed on one side, always the same. RafceError for an AU that the schematic face does not know.
    """
    emotions = list(dict.fromkeys((*wild, *lab)))
    height = _TITLE_HEIGHT + max(_FACE_HEIGHT, _tallest_column((*wild.values(), *lab.values())))
    figure, axes = _page(len(emotions) + 1, height)
    found = marks(wild, lab)
    for index, emotion in enumerate(emotions):
        card = _card(index, height)
        _draw_card(axes, card, emotion)
        for column, (environment, observed) in enumerate((("lab", lab), ("wild", wild))):
            aus = {au: found[environment, emotion, au] for au in observed.get(emotion, ())}
            caption = environment if emotion in observed else f"{environment}: no figures"
            _draw_panel(axes, _panel(card, column), aus, caption)
    _draw_legend(axes, _card(len(emotions), height))
    return figure


def _tallest_column(observed: Sequence[Sequence[int]]) -> float:
    counts = [sum(_label_side(au) == side for au in aus) for aus in observed for side in geometry.SIDES]
    return max(counts, default=0) * _LABEL_PITCH


def _label_side(au: int) -> str:
    """The side whose margin carries the label: neighbouring AUs alternate, and an AU never changes sides."""
    geometry.action_unit(au)
    return geometry.SIDES[(list(ACTION_UNITS).index(au) + 1) % 2]


def _page(n_cards: int, card_height: float) -> tuple[Figure, Axes]:
    """A figure with room for that many cards, and axes in inches that fill it."""
    columns, rows = min(n_cards, _CARDS_A_ROW), -(-n_cards // _CARDS_A_ROW)
    width = columns * (_CARD_WIDTH + _GUTTER) - _GUTTER
    height = rows * (card_height + _GUTTER) - _GUTTER
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return figure, axes


def _card(index: int, height: float) -> Box:
    row, column = divmod(index, _CARDS_A_ROW)
    left, top = column * (_CARD_WIDTH + _GUTTER), row * (height + _GUTTER)
    return Box(left, top, left + _CARD_WIDTH, top + height)


def _panel(card: Box, column: int) -> Panel:
    """The left (0) or the right (1) face of a card."""
    x = card.left + _PADDING + (column + 0.5) * _PANEL_WIDTH
    top, bottom = card.top + _TITLE_HEIGHT, card.bottom
    y = (top + bottom) / 2 - _FACE_MIDDLE * _INCHES_PER_UNIT
    return Panel(x, y, top + _LABEL_PITCH / 2, bottom - _LABEL_PITCH / 2)


def _draw_card(axes: Axes, card: Box, title: str) -> None:
    """The sheet behind a pair of faces, with the emotion's name."""
    left, top, right, bottom = card
    shape = FancyBboxPatch(
        (left + 0.01, top + 0.01),
        right - left - 0.02,
        bottom - top - 0.02,
        boxstyle="round,pad=0,rounding_size=0.05",
        facecolor="#fafafa",
        edgecolor="#d9d9d9",
        linewidth=0.6,
    )
    axes.add_artist(shape)
    axes.text(
        (left + right) / 2, top + 0.13, title, ha="center", va="center", size=8, weight="bold", color=_INK
    )


def _draw_panel(axes: Axes, panel: Panel, aus: Mapping[int, Mark], caption: str) -> None:
    """A face that shows the AUs, its caption, and a box with a label for each AU."""
    actions = [geometry.action(au) for au in aus]
    points_P2 = geometry.face_P2(actions)
    _draw_face(axes, panel, points_P2, actions)
    axes.text(panel.x, panel.top - 0.09, caption, ha="center", va="center", size=6.5, color="#707070")
    for side in geometry.SIDES:
        column = [au for au in aus if _label_side(au) == side]
        boxes = [_box(panel, au, side, points_P2) for au in column]
        rows = label_rows(
            [(box.top + box.bottom) / 2 for box in boxes], _LABEL_PITCH, panel.top, panel.bottom
        )
        for au, box, row in zip(column, boxes, rows, strict=True):
            _draw_box(axes, box, aus[au])
            _draw_label(axes, panel, f"AU {au}", _COLOURS[aus[au]], side, box, row)


def _box(panel: Panel, au: int, side: str, points_P2: FloatArray) -> Box:
    """The AU's box on the page, that of the label's side where it has two."""
    boxes = geometry.regions(au, points_P2=points_P2)
    box = boxes[geometry.SIDES.index(side) % len(boxes)]
    left, top, right, bottom = panel.place(np.array([box[:2], box[2:]])).ravel().tolist()
    return Box(left, top, right, bottom)


def _draw_box(axes: Axes, box: Box, mark: Mark) -> None:
    shape = Rectangle(
        (box.left, box.top),
        box.right - box.left,
        box.bottom - box.top,
        fill=False,
        edgecolor=_COLOURS[mark],
        linewidth=0.9,
        linestyle=(0, (2.2, 1.2)) if mark == "differs" else "-",
        zorder=4,
    )
    axes.add_artist(shape)


def _draw_label(axes: Axes, panel: Panel, text: str, colour: str, side: str, box: Box, row: float) -> None:
    """The label in the margin and a thin line from there to the box."""
    outwards = 1 if side == "L" else -1
    column = panel.x + outwards * (_PANEL_WIDTH / 2 - _LABEL_WIDTH)
    edge = box.right if side == "L" else box.left
    axes.plot((column, edge), (row, np.clip(row, box.top, box.bottom)), color=colour, linewidth=0.5, zorder=4)
    axes.text(
        column + outwards * 0.015,
        row,
        text,
        ha="left" if side == "L" else "right",
        va="center_baseline",
        size=_LABEL_SIZE,
        color=colour,
        zorder=5,
    )


def _draw_face(axes: Axes, panel: Panel, points_P2: FloatArray, actions: Sequence[Action]) -> None:
    """The line drawing, from the back to the front."""
    for side in geometry.SIDES:
        _draw_neck_and_ear(axes, panel, points_P2, side)
    _draw_head(axes, panel, points_P2)
    for side in geometry.SIDES:
        _draw_eye(axes, panel, points_P2, side)
        _draw_brow_and_nose(axes, panel, points_P2, side)
    _draw_mouth(axes, panel, points_P2)
    for action in actions:
        for crease in geometry.creases(action, points_P2):
            _line(axes, panel, geometry.smooth(crease.line_N2), 0.55, _SOFT_INK)


def _draw_neck_and_ear(axes: Axes, panel: Panel, points_P2: FloatArray, side: str) -> None:
    _line(axes, panel, geometry.side_points(points_P2, side, "neck_top", "neck_bottom"), 0.7)
    ear_N2 = geometry.side_points(points_P2, side, "temple", "temple", "cheekbone", "cheekbone")
    outwards = 1 if side == "L" else -1
    ear_N2 = ear_N2 + np.array([(0, 0.10), (0.05, 0.06), (0.04, -0.02), (0, 0.02)]) * (outwards, 1)
    _area(axes, panel, geometry.smooth(ear_N2, closed=True), _SKIN, 0.7)


def _draw_head(axes: Axes, panel: Panel, points_P2: FloatArray) -> None:
    head_M2 = geometry.head(points_P2)
    _area(axes, panel, head_M2, _SKIN, 0.9)
    scalp_N2 = geometry.across(points_P2, *_SCALP)
    hairline_M2 = geometry.smooth(scalp_N2 * (0.93, 1) + _HAIRLINE_72)
    hair_M2 = np.concatenate((geometry.smooth(scalp_N2 * _HAIR_LIFT_72), hairline_M2[::-1]))
    _area(axes, panel, hair_M2, _HAIR, 0.7)


def _draw_eye(axes: Axes, panel: Panel, points_P2: FloatArray, side: str) -> None:
    upper_M2, lower_M2 = geometry.lids(points_P2, side)
    white = _area(axes, panel, np.concatenate((upper_M2, lower_M2[::-1])), "white", 0.0)
    iris_12 = geometry.side_points(points_P2, side, "iris")
    turn_M = np.linspace(0, 2 * np.pi, 40)
    circle_M2 = np.column_stack((np.cos(turn_M), np.sin(turn_M)))
    for radius, colour in ((0.062, "#8494a0"), (0.028, "#202020")):
        _area(axes, panel, iris_12 + radius * circle_M2, colour, 0.0).set_clip_path(white)
    _line(axes, panel, lower_M2, 0.5)
    _line(axes, panel, upper_M2, 1.1)
    crease_N2 = geometry.side_points(points_P2, side, "crease_inner", "crease", "crease_outer")
    _line(axes, panel, geometry.smooth(crease_N2), 0.45, _SOFT_INK)


def _draw_brow_and_nose(axes: Axes, panel: Panel, points_P2: FloatArray, side: str) -> None:
    brow_M2 = geometry.brow(points_P2, side)
    half_M = np.interp(np.linspace(0, 1, len(brow_M2)), (0, 0.15, 0.6, 1), (0.014, 0.030, 0.026, 0.004))
    half_M2 = np.column_stack((np.zeros_like(half_M), half_M))
    _area(axes, panel, np.concatenate((brow_M2 - half_M2, (brow_M2 + half_M2)[::-1])), _BROW, 0.0)
    wing_N2 = geometry.side_points(points_P2, side, "nose_side", "nose_wing", "nostril", "nose_base")
    _line(axes, panel, geometry.smooth(wing_N2)[8:], 0.7)


def _draw_mouth(axes: Axes, panel: Panel, points_P2: FloatArray) -> None:
    lips = geometry.mouth(points_P2)
    _area(axes, panel, np.concatenate((lips.upper_inner_M2, lips.lower_inner_M2[::-1])), _MOUTH, 0.0)
    for teeth_N2 in geometry.teeth(points_P2):
        _area(axes, panel, teeth_N2, "white", 0.0)
    for inner_M2, outer_M2 in ((lips.upper_inner_M2, lips.upper_M2), (lips.lower_inner_M2, lips.lower_M2)):
        _area(axes, panel, np.concatenate((inner_M2, outer_M2[::-1])), _LIP, 0.55)
        _line(axes, panel, inner_M2, 0.8)


def _line(axes: Axes, panel: Panel, line_N2: FloatArray, width: float, colour: str = _INK) -> None:
    axes.plot(*panel.place(line_N2).T, color=colour, linewidth=width, solid_capstyle="round", zorder=2)


def _area(axes: Axes, panel: Panel, outline_N2: FloatArray, colour: str, width: float) -> Polygon:
    shape = Polygon(
        panel.place(outline_N2),
        facecolor=colour,
        edgecolor=_INK,
        linewidth=width,
        joinstyle="round",
        zorder=2,
    )
    axes.add_artist(shape)  # add_patch would follow every curve to find limits that are set already
    return shape


def _draw_legend(axes: Axes, card: Box) -> None:
    """The neutral face and the meaning of the boxes, on the card after the last emotion."""
    panel = _panel(card, 0)
    _draw_panel(axes, panel, {}, "neutral")
    left = panel.x + _PANEL_WIDTH / 2 - 0.12
    for row, (mark, meaning) in enumerate(_MEANINGS.items()):
        y = panel.y - 0.26 + 0.26 * row
        _draw_box(axes, Box(left, y - 0.06, left + 0.2, y + 0.06), mark)
        axes.text(left + 0.27, y, meaning, va="center", size=_LABEL_SIZE, color=_INK, linespacing=1.1)
    note = "AUs on both sides of the face\nare boxed on one side only."
    axes.text(left, panel.y + 0.54, note, va="center", size=_LABEL_SIZE, color=_INK, linespacing=1.1)
