"""Where each action unit acts on a face: landmarks, movements, creases and regions, in face units or pixels.

Face coordinates are those of `rafce.action_units`, which also holds what FACS says of every AU.

Shape suffixes: P landmarks, 2 (x, y), N points of a line, M points of a smooth line, S sides (left, right),
L lips (upper, lower).
"""

from collections.abc import Iterable
from functools import cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from rafce.action_units import (
    ACTION_UNITS,
    MIDLINE_POINTS,
    OVERRULED,
    PAIRED_POINTS,
    PARTING,
    ActionUnit,
    Offset,
)
from rafce.errors import RafceError

FloatArray = npt.NDArray[np.float64]

SIDES: Final = ("L", "R")
"""The subject's sides: L is on the right of the image."""
LIPS: Final = ("T", "B")

POINT_NAMES: Final = (
    *(f"left_{name}" for name in PAIRED_POINTS),
    *(f"right_{name}" for name in PAIRED_POINTS),
    *MIDLINE_POINTS,
)
_INDEX: Final = {name: index for index, name in enumerate(POINT_NAMES)}
_BASE_NAMES: Final = (*PAIRED_POINTS, *PAIRED_POINTS, *MIDLINE_POINTS)


def _constant(values: npt.ArrayLike) -> FloatArray:
    array = np.array(values, np.float64)
    array.flags.writeable = False
    return array


def _by_half(left: Offset, right: Offset, midline: Offset) -> list[Offset]:
    """One pair of numbers a landmark, by the half that it lies in."""
    return [left] * len(PAIRED_POINTS) + [right] * len(PAIRED_POINTS) + [midline] * len(MIDLINE_POINTS)


_MIRROR_P2: Final = _constant(_by_half((1, 1), (-1, 1), (1, 1)))
_SIDE_PS: Final = _constant(_by_half((1, 0), (0, 1), (0.5, 0.5)))
_UPPER_LIP_P: Final = np.array([name.startswith("lip_upper") for name in _BASE_NAMES])
_LOWER_LIP_P: Final = np.array([name.startswith("lip_lower") for name in _BASE_NAMES])

NEUTRAL_P2: Final = _constant(
    np.array([*PAIRED_POINTS.values(), *PAIRED_POINTS.values(), *MIDLINE_POINTS.values()]) * _MIRROR_P2
)
"""The neutral face, rows as in `POINT_NAMES`."""


class Box(NamedTuple):
    """A rectangle, in face units or pixels; the y axis points down."""

    left: float
    top: float
    right: float
    bottom: float


class Action(NamedTuple):
    """An AU as it is shown: how strongly on either side (rows: left, right) and lip (columns: upper, lower), 0 to 1."""

    au: int
    strength_SL: FloatArray


def action_unit(au: int) -> ActionUnit:
    """The description of an AU; RafceError names an AU that has none and lists those that have."""
    if au not in ACTION_UNITS:
        known = ", ".join(map(str, ACTION_UNITS))
        raise RafceError(f"AU {au} has no place on the schematic face: expected one of {known}")
    return ACTION_UNITS[au]


def has_place(au: int) -> bool:
    """Whether an AU acts somewhere on the schematic face; head and eye movements, say, do not."""
    return au in ACTION_UNITS


def action(au: int, side: str | None = None, lip: str | None = None, strength: float = 1.0) -> Action:
    """An AU shown on one side ("L" or "R", the subject's), on one lip ("T" or "B"), or all over (None).

    RafceError where the AU is unknown, or where a lip is named and the AU moves neither lip.
    """
    unit = action_unit(au)
    for value, allowed in ((side, SIDES), (lip, LIPS)):
        if value is not None and value not in allowed:
            raise RafceError(f"AU {au}: expected {allowed[0]} or {allowed[1]}, found {value!r}")
    if lip is not None and not any(name.startswith("lip_") for name in unit.moves):
        raise RafceError(f"AU {au} does not act on the lips: found {lip}{au}")
    sides = [strength * (side in (None, each)) for each in SIDES]
    lips = [lip in (None, each) for each in LIPS]
    return Action(au, np.outer(sides, lips))


@cache
def _moves_P2(au: int) -> FloatArray:
    moves = action_unit(au).moves
    return _constant(np.array([moves.get(name, (0.0, 0.0)) for name in _BASE_NAMES]) * _MIRROR_P2)


def _weight_P(strength_SL: FloatArray) -> FloatArray:
    """How much of its full movement each landmark makes; the midline follows a one-sided AU half the way."""
    upper_P, lower_P = (_SIDE_PS @ strength_SL).T
    any_lip_P: FloatArray = _SIDE_PS @ strength_SL.max(1)
    return np.where(_UPPER_LIP_P, upper_P, np.where(_LOWER_LIP_P, lower_P, any_lip_P))


def displacement_P2(action: Action) -> FloatArray:
    """What one AU adds to the landmarks, in face units."""
    if action.au == 30:  # the one AU that moves both halves the same way, to the left where no side is named
        left, right = action.strength_SL.max(1)
        sideways = left if left > 0 else -right
        weight_P2: FloatArray = _MIRROR_P2 * (sideways, abs(sideways))
    else:
        weight_P2 = _weight_P(action.strength_SL)[:, None]
    return _moves_P2(action.au) * weight_P2


def face_P2(actions: Iterable[Action], neutral_P2: FloatArray = NEUTRAL_P2) -> FloatArray:
    """The landmarks of a face that shows these AUs: the sum of their movements, with lids and lips kept in order."""
    shown = without_overruled(actions)
    points_P2 = neutral_P2.copy()
    for each in shown:
        points_P2 += displacement_P2(each)
    _order_lips(points_P2, parted=any(each.au in PARTING for each in shown))
    _order_lids(points_P2)
    return points_P2


def without_overruled(actions: Iterable[Action]) -> list[Action]:
    """The AUs that are left where one hides another on the same side (`OVERRULED`)."""
    shown = {each.au: each for each in actions}
    for winner, loser in OVERRULED:
        if winner in shown and loser in shown:
            free_S1 = shown[winner].strength_SL.max(1, keepdims=True) == 0
            shown[loser] = Action(loser, shown[loser].strength_SL * free_S1)
    return [each for each in shown.values() if each.strength_SL.any()]


_LIP_COLUMNS: Final = tuple(
    tuple(_INDEX[name] for name in names)
    for names in (
        [f"left_lip_{part}_side" for part in ("upper", "upper_inner", "lower_inner", "lower")],
        [f"right_lip_{part}_side" for part in ("upper", "upper_inner", "lower_inner", "lower")],
        [f"lip_{part}" for part in ("upper", "upper_inner", "lower_inner", "lower")],
    )
)
_LID_PAIRS: Final = tuple(
    (_INDEX[f"{side}_lid_upper{part}"], _INDEX[f"{side}_lid_lower{part}"])
    for side in ("left", "right")
    for part in ("", "_inner", "_outer")
)
_THINNEST_LIP: Final = 0.008


def _order_lips(points_P2: FloatArray, parted: bool) -> None:
    """From top to bottom: upper lip, its inner edge, the inner edge of the lower lip, lower lip (in place)."""
    for upper, upper_inner, lower_inner, lower in _LIP_COLUMNS:
        top, bottom = points_P2[upper_inner, 1], points_P2[lower_inner, 1]
        if not parted or top > bottom:
            top = bottom = (top + bottom) / 2
        points_P2[upper_inner, 1], points_P2[lower_inner, 1] = top, bottom
        points_P2[upper, 1] = min(points_P2[upper, 1], top - _THINNEST_LIP)
        points_P2[lower, 1] = max(points_P2[lower, 1], bottom + _THINNEST_LIP)


def _order_lids(points_P2: FloatArray) -> None:
    """The upper lid never passes the lower one (in place)."""
    for upper, lower in _LID_PAIRS:
        points_P2[upper, 1] = min(points_P2[upper, 1], points_P2[lower, 1])


@cache
def _rows(names: tuple[str, ...]) -> npt.NDArray[np.intp]:
    return np.array([_INDEX[name] for name in names])


@cache
def _side_rows(side: str, names: tuple[str, ...]) -> npt.NDArray[np.intp]:
    prefix = {"L": "left_", "R": "right_"}[side]
    return _rows(tuple(name if name in MIDLINE_POINTS else prefix + name for name in names))


def points(points_P2: FloatArray, *names: str) -> FloatArray:
    """Landmarks by name, in that order, shape (N, 2)."""
    found: FloatArray = points_P2[_rows(names)]
    return found


def side_points(points_P2: FloatArray, side: str, *names: str) -> FloatArray:
    """Landmarks of one half ("L" or "R"), midline ones among them, in that order, shape (N, 2)."""
    found: FloatArray = points_P2[_side_rows(side, names)]
    return found


def across(points_P2: FloatArray, *names: str) -> FloatArray:
    """A line from right to left over the midline, through paired landmarks, outermost first, and a midline one."""
    return np.concatenate((side_points(points_P2, "R", *names), side_points(points_P2, "L", *names[-2::-1])))


@cache
def _spline_MN(n_points: int, per_segment: int, closed: bool) -> FloatArray:
    """The matrix that turns N control points into M points of a Catmull-Rom spline."""
    t = np.arange(per_segment) / per_segment
    basis = (
        np.stack((-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2)) / 2
    )
    n_segments = n_points if closed else n_points - 1
    matrix_MN = np.zeros((n_segments * per_segment + 1, n_points))
    for segment in range(n_segments):
        rows = slice(segment * per_segment, (segment + 1) * per_segment)
        for column, weight in enumerate(basis, start=segment - 1):
            matrix_MN[rows, column % n_points if closed else min(max(column, 0), n_points - 1)] += weight
    matrix_MN[-1, 0 if closed else -1] = 1
    return matrix_MN


def smooth(line_N2: FloatArray, per_segment: int = 8, closed: bool = False) -> FloatArray:
    """A Catmull-Rom spline through the points, the first and last included, shape (M, 2)."""
    return _spline_MN(len(line_N2), per_segment, closed) @ line_N2


def lids(points_P2: FloatArray, side: str) -> tuple[FloatArray, FloatArray]:
    """The edges of the upper and the lower lid of one eye as smooth lines from the nose outwards."""
    upper, lower = (
        smooth(side_points(points_P2, side, "eye_inner", f"{lid}_inner", lid, f"{lid}_outer", "eye_outer"))
        for lid in ("lid_upper", "lid_lower")
    )
    return upper, lower


def brow(points_P2: FloatArray, side: str) -> FloatArray:
    """The middle of one brow as a smooth line from the nose outwards."""
    names = ("brow_inner", "brow_inner_mid", "brow_arch", "brow_outer_mid", "brow_outer")
    return smooth(side_points(points_P2, side, *names))


def head(points_P2: FloatArray) -> FloatArray:
    """The outline of the head as a closed smooth line."""
    names = ("jaw_chin", "jaw_angle", "jaw_upper", "cheekbone", "temple", "head_side", "head_top", "crown")
    return smooth(np.concatenate((across(points_P2, *names), points(points_P2, "chin"))), closed=True)


class Mouth(NamedTuple):
    """The four edges of the lips from the right corner to the left one, sampled at like places."""

    upper_M2: FloatArray
    upper_inner_M2: FloatArray
    lower_inner_M2: FloatArray
    lower_M2: FloatArray


def mouth(points_P2: FloatArray) -> Mouth:
    """The edges of the lips as smooth lines."""
    corner = "mouth_corner"
    return Mouth(
        smooth(across(points_P2, corner, "lip_upper_side", "lip_upper_peak", "lip_upper"), 8),
        smooth(across(points_P2, corner, "lip_upper_inner_side", "lip_upper_inner"), 12),
        smooth(across(points_P2, corner, "lip_lower_inner_side", "lip_lower_inner"), 12),
        smooth(across(points_P2, corner, "lip_lower_side", "lip_lower"), 12),
    )


_UPPER_TEETH_END: Final = 0.005
_LOWER_TEETH_START: Final = 0.030


def teeth(points_P2: FloatArray, neutral_P2: FloatArray = NEUTRAL_P2) -> tuple[FloatArray, FloatArray]:
    """What the lips bare of the upper and the lower teeth, as polygons, flat where they are hidden.

    The upper teeth stay with the skull, the lower ones go with the chin.
    """
    lips = mouth(points_P2)
    line = points(neutral_P2, "lip_upper_inner")[0, 1]
    jaw = points(points_P2, "chin")[0, 1] - points(neutral_P2, "chin")[0, 1]
    upper_N2, lower_N2 = lips.upper_inner_M2, lips.lower_inner_M2
    upper_end = np.clip(line + _UPPER_TEETH_END, upper_N2[:, 1], np.maximum(lower_N2[:, 1], upper_N2[:, 1]))
    lower_start = np.clip(
        line + _LOWER_TEETH_START + max(jaw, 0), np.minimum(upper_N2[:, 1], lower_N2[:, 1]), lower_N2[:, 1]
    )
    return (
        np.concatenate((upper_N2, np.column_stack((upper_N2[:, 0], upper_end))[::-1])),
        np.concatenate((np.column_stack((lower_N2[:, 0], lower_start)), lower_N2[::-1])),
    )


class ShownCrease(NamedTuple):
    """A crease on a face that shows its AU, and how strongly (0 to 1)."""

    line_N2: FloatArray
    strength: float


def creases(action: Action, points_P2: FloatArray) -> list[ShownCrease]:
    """The lines in the skin that an AU adds to a face with these landmarks."""
    found = []
    for crease in action_unit(action.au).creases:
        for side, strength_L in zip(SIDES, action.strength_SL, strict=True):
            strength = float(strength_L.max() if crease.lip is None else strength_L[LIPS.index(crease.lip)])
            if strength > 0:
                line_N2 = np.array(crease.line) * (1 if side == "L" else -1, 1)
                if crease.anchor is not None:
                    line_N2 = line_N2 + side_points(points_P2, side, crease.anchor)
                found.append(ShownCrease(line_N2, strength))
    return found


_MARGIN: Final = 0.045


def regions(
    au: int, side: str | None = None, lip: str | None = None, points_P2: FloatArray | None = None
) -> tuple[Box, ...]:
    """Where an AU acts, in face units: two boxes for a paired AU (left, right), else one; one for a named side.

    The boxes surround the AU's landmarks on a face with the landmarks `points_P2`; without them, on the neutral face
    and on one that shows the AU at full strength, both. RafceError as for `action`.
    """
    unit, shown = action_unit(au), action(au, side, lip)
    faces = [NEUTRAL_P2, face_P2([shown])] if points_P2 is None else [points_P2]
    other_lip = {"T": "lip_lower", "B": "lip_upper"}.get(lip or "", "none")
    names = [name for name in unit.region if not name.startswith(other_lip)]
    sides = SIDES if side is None else (side,)
    groups = [[each] for each in sides] if unit.paired else [list(sides)]
    return tuple(
        _bounding_box(np.concatenate([side_points(face, each, *names) for face in faces for each in group]))
        for group in groups
    )


def _bounding_box(points_N2: FloatArray) -> Box:
    return Box(*(points_N2.min(0) - _MARGIN).tolist(), *(points_N2.max(0) + _MARGIN).tolist())


FRAME_CENTRE: Final = (0.5, 0.41)
"""Where the origin of the face lies in an aligned image, as fractions of its size."""
FRAME_SCALE: Final = 0.60
"""How many image sizes a face unit measures in an aligned image: 60 pixels of 100."""


def to_pixels(points_N2: FloatArray, image_size: int) -> FloatArray:
    """Face units to pixels of a square aligned image; the first pixel spans 0 to 1."""
    return (points_N2 * FRAME_SCALE + FRAME_CENTRE) * image_size


def regions_pixels(
    au: int, image_size: int, side: str | None = None, lip: str | None = None
) -> tuple[Box, ...]:
    """`regions` in pixels of an aligned image (100 for RAF, 112 for the network), cut at its edges."""
    boxes = []
    for box in regions(au, side, lip):
        corners_22 = to_pixels(np.array([box[:2], box[2:]]), image_size).clip(0, image_size)
        boxes.append(Box(*corners_22.ravel().tolist()))
    return tuple(boxes)
