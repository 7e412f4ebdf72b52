"""Landmarks of the neutral face and what each action unit does to them: FACS as a table (Ekman, Friesen & Hager 2002).

Face coordinates: the origin lies midway between the pupils, x grows to the right of the image (the subject's *left*),
y grows downwards, and half a face is 0.65 units wide.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

Offset = tuple[float, float]

PAIRED_POINTS: Final[Mapping[str, Offset]] = {
    "brow_inner": (0.105, -0.175),
    "brow_inner_mid": (0.200, -0.220),
    "brow_arch": (0.315, -0.240),
    "brow_outer_mid": (0.430, -0.220),
    "brow_outer": (0.520, -0.155),
    "eye_inner": (0.165, 0.022),
    "lid_upper_inner": (0.225, -0.040),
    "lid_upper": (0.300, -0.063),
    "lid_upper_outer": (0.380, -0.043),
    "eye_outer": (0.440, 0.005),
    "lid_lower_outer": (0.385, 0.040),
    "lid_lower": (0.300, 0.056),
    "lid_lower_inner": (0.225, 0.048),
    "crease_inner": (0.200, -0.070),
    "crease": (0.305, -0.115),
    "crease_outer": (0.420, -0.070),
    "iris": (0.300, 0.000),
    "nose_side": (0.055, 0.160),
    "nose_wing": (0.125, 0.315),
    "nostril": (0.060, 0.358),
    "cheek": (0.370, 0.240),
    "fold_top": (0.150, 0.290),
    "fold_mid": (0.235, 0.400),
    "fold_bottom": (0.300, 0.530),
    "mouth_corner": (0.235, 0.565),
    "lip_upper_peak": (0.062, 0.498),
    "lip_upper_side": (0.155, 0.526),
    "lip_upper_inner_side": (0.120, 0.560),
    "lip_lower_inner_side": (0.120, 0.560),
    "lip_lower_side": (0.130, 0.630),
    "head_top": (0.330, -0.770),
    "head_side": (0.580, -0.500),
    "temple": (0.650, -0.150),
    "cheekbone": (0.640, 0.150),
    "jaw_upper": (0.590, 0.420),
    "jaw_angle": (0.480, 0.660),
    "jaw_chin": (0.250, 0.875),
    "neck_top": (0.400, 0.780),
    "neck_bottom": (0.400, 1.150),
}
"""The neutral face, its left half; the right half is the mirror image."""

MIDLINE_POINTS: Final[Mapping[str, Offset]] = {
    "crown": (0.000, -0.860),
    "glabella": (0.000, -0.150),
    "nose_root": (0.000, -0.030),
    "nose_tip": (0.000, 0.290),
    "nose_base": (0.000, 0.372),
    "lip_upper": (0.000, 0.510),
    "lip_upper_inner": (0.000, 0.565),
    "lip_lower_inner": (0.000, 0.565),
    "lip_lower": (0.000, 0.650),
    "chin_boss": (0.000, 0.785),
    "chin": (0.000, 0.940),
}


class Crease(NamedTuple):
    """A line in the skin that an AU deepens: the left one, its mirror image on the right.

    `line` is relative to the landmark `anchor`, or to the origin where there is none.
    """

    line: tuple[Offset, ...]
    anchor: str | None = None
    lip: str | None = None


class ActionUnit(NamedTuple):
    """One AU: what FACS says, the landmarks around its region, the movement at full strength, the creases it adds.

    A paired AU has a region on either side of the face, any other a single one across the midline.
    """

    facs: str
    region: tuple[str, ...]
    moves: Mapping[str, Offset]
    creases: tuple[Crease, ...] = ()
    paired: bool = False


_NASOLABIAL = Crease(((0.020, -0.050), (0.085, 0.040), (0.125, 0.140), (0.150, 0.200)), "nose_wing")
_LIPS = (
    *(
        "mouth_corner",
        "lip_upper",
        "lip_upper_peak",
        "lip_upper_side",
        "lip_upper_inner",
        "lip_upper_inner_side",
    ),
    *("lip_lower", "lip_lower_side", "lip_lower_inner", "lip_lower_inner_side"),
)
_CHEEK = ("jaw_upper", "jaw_angle", "fold_mid", "fold_bottom")

_RADIAL_CREASES = (
    Crease(((0.050, 0.440), (0.045, 0.490)), lip="T"),
    Crease(((0.135, 0.470), (0.115, 0.515)), lip="T"),
    Crease(((0.050, 0.690), (0.045, 0.640)), lip="B"),
    Crease(((0.140, 0.665), (0.115, 0.625)), lip="B"),
)

ACTION_UNITS: Final[Mapping[int, ActionUnit]] = MappingProxyType(
    {
        1: ActionUnit(
            "frontalis, pars medialis, lifts the inner brow, now oblique; the forehead wrinkles in its centre",
            ("brow_inner", "brow_inner_mid"),
            {"brow_inner": (0.0, -0.125), "brow_inner_mid": (0.0, -0.085), "brow_arch": (0.0, -0.020)},
            (
                Crease(((0.000, -0.430), (0.100, -0.425), (0.190, -0.395))),
                Crease(((0.000, -0.510), (0.090, -0.505), (0.170, -0.480))),
            ),
            paired=True,
        ),
        2: ActionUnit(
            "frontalis, pars lateralis, lifts the outer brow into an arch; the sides of the forehead wrinkle",
            ("brow_arch", "brow_outer_mid", "brow_outer"),
            {
                "brow_inner_mid": (0.0, -0.030),
                "brow_arch": (0.0, -0.095),
                "brow_outer_mid": (0.0, -0.125),
                "brow_outer": (0.0, -0.110),
            },
            (
                Crease(((0.260, -0.430), (0.370, -0.450), (0.480, -0.410))),
                Crease(((0.280, -0.510), (0.370, -0.525), (0.450, -0.500))),
            ),
            paired=True,
        ),
        4: ActionUnit(
            "corrugator and depressor supercilii lower the brows and draw them together; vertical furrows between them",
            ("brow_inner", "brow_inner_mid", "glabella"),
            {
                "brow_inner": (-0.045, 0.090),
                "brow_inner_mid": (-0.035, 0.085),
                "brow_arch": (-0.020, 0.065),
                "brow_outer_mid": (-0.005, 0.035),
                "brow_outer": (0.0, 0.010),
                "crease": (0.0, 0.020),
                "lid_upper": (0.0, 0.010),
            },
            (Crease(((0.042, -0.270), (0.036, -0.190), (0.046, -0.085))),),
        ),
        5: ActionUnit(
            "levator palpebrae raises the upper lid: white shows above the iris",
            ("eye_inner", "eye_outer", "lid_upper", "crease"),
            {
                "lid_upper_inner": (0.0, -0.040),
                "lid_upper": (0.0, -0.055),
                "lid_upper_outer": (0.0, -0.045),
                "lid_lower": (0.0, 0.010),
                "crease": (0.0, -0.018),
            },
            paired=True,
        ),
        6: ActionUnit(
            "orbicularis oculi, pars orbitalis, raises the cheek: the eye narrows from below, crow's feet appear",
            ("lid_lower_inner", "lid_lower_outer", "eye_outer", "cheek"),
            {
                "cheek": (0.0, -0.080),
                "lid_lower_inner": (0.0, -0.018),
                "lid_lower": (0.0, -0.032),
                "lid_lower_outer": (0.0, -0.026),
                "lid_upper_outer": (0.0, 0.012),
                "brow_outer": (0.0, 0.020),
                "fold_top": (0.010, -0.015),
            },
            (
                Crease(((0.035, -0.025), (0.120, -0.060)), "eye_outer"),
                Crease(((0.040, 0.010), (0.130, 0.015)), "eye_outer"),
                Crease(((0.035, 0.045), (0.110, 0.085)), "eye_outer"),
                Crease(((0.180, 0.105), (0.280, 0.145), (0.400, 0.120))),
            ),
            paired=True,
        ),
        7: ActionUnit(
            "orbicularis oculi, pars palpebralis, tightens the lids: the lower lid rises and becomes straight",
            ("eye_inner", "eye_outer", "lid_upper", "lid_lower"),
            {
                "lid_upper_inner": (0.0, 0.010),
                "lid_upper": (0.0, 0.020),
                "lid_upper_outer": (0.0, 0.012),
                "lid_lower_inner": (0.0, -0.028),
                "lid_lower": (0.0, -0.038),
                "lid_lower_outer": (0.0, -0.027),
            },
            (Crease(((0.185, 0.078), (0.290, 0.085), (0.400, 0.060))),),
            paired=True,
        ),
        9: ActionUnit(
            "levator labii superioris alaeque nasi wrinkles the nose root, lifts its wings and lowers the inner brow",
            ("nose_root", "nose_side", "nose_wing"),
            {
                "nose_wing": (0.018, -0.050),
                "nostril": (0.008, -0.035),
                "nose_base": (0.0, -0.020),
                "nose_tip": (0.0, -0.020),
                "brow_inner": (-0.010, 0.046),
                "brow_inner_mid": (0.0, 0.030),
                "lid_lower_inner": (0.0, -0.015),
                "fold_top": (0.012, -0.048),
                "lip_upper": (0.0, -0.022),
                "lip_upper_peak": (0.0, -0.025),
                "lip_upper_side": (0.0, -0.018),
            },
            (
                Crease(((0.000, -0.060), (0.050, -0.055))),
                Crease(((0.000, 0.000), (0.070, 0.012))),
                Crease(((0.030, 0.050), (0.100, 0.085))),
                Crease(((0.040, 0.110), (0.110, 0.160))),
            ),
        ),
        10: ActionUnit(
            "levator labii superioris lifts the upper lip, most beside its centre; the nasolabial furrow deepens above",
            ("fold_top", "lip_upper", "lip_upper_peak", "lip_upper_side", "lip_upper_inner_side"),
            {
                "lip_upper": (0.0, -0.055),
                "lip_upper_peak": (0.004, -0.068),
                "lip_upper_side": (0.010, -0.070),
                "lip_upper_inner": (0.0, -0.055),
                "lip_upper_inner_side": (0.006, -0.068),
                "nose_wing": (0.014, -0.018),
                "fold_top": (0.020, -0.035),
                "fold_mid": (0.025, -0.040),
                "cheek": (0.0, -0.025),
            },
            (_NASOLABIAL,),
        ),
        11: ActionUnit(
            "zygomaticus minor deepens the middle of the nasolabial furrow and lifts the lip a little",
            ("fold_top", "fold_mid", "fold_bottom"),
            {"fold_top": (0.010, -0.020), "fold_mid": (0.020, -0.020), "lip_upper_side": (0.005, -0.022)},
            (_NASOLABIAL,),
            paired=True,
        ),
        12: ActionUnit(
            "zygomaticus major pulls the lip corners up and back; cheeks rise, the nasolabial furrow bends outwards",
            ("mouth_corner", "lip_upper_side", "fold_bottom"),
            {
                "mouth_corner": (0.085, -0.095),
                "lip_upper_side": (0.055, -0.045),
                "lip_upper_peak": (0.015, 0.002),
                "lip_upper_inner_side": (0.040, -0.024),
                "lip_lower_inner_side": (0.040, -0.024),
                "lip_lower_side": (0.050, -0.035),
                "fold_mid": (0.050, -0.040),
                "fold_bottom": (0.080, -0.070),
                "cheek": (0.020, -0.050),
                "lid_lower": (0.0, -0.006),
            },
            (Crease(((-0.110, -0.230), (-0.010, -0.150), (0.045, -0.060), (0.050, 0.020)), "mouth_corner"),),
            paired=True,
        ),
        14: ActionUnit(
            "buccinator tightens the lip corner inwards: a pit and a wrinkle beside it",
            ("mouth_corner", "fold_bottom"),
            {
                "mouth_corner": (0.025, -0.012),
                "lip_upper_side": (0.010, 0.012),
                "lip_lower_side": (0.010, -0.014),
            },
            (
                Crease(((0.022, -0.060), (0.052, -0.030), (0.056, 0.005), (0.030, 0.045)), "mouth_corner"),
                Crease(((-0.015, 0.000), (0.030, 0.000)), "mouth_corner"),
            ),
            paired=True,
        ),
        15: ActionUnit(
            "depressor anguli oris pulls the lip corners down; the skin below them pouches",
            ("mouth_corner", "lip_lower_side", "jaw_chin"),
            {
                "mouth_corner": (0.010, 0.105),
                "lip_upper_side": (0.005, 0.045),
                "lip_upper_inner_side": (0.0, 0.025),
                "lip_lower_inner_side": (0.0, 0.025),
                "lip_lower_side": (0.005, 0.030),
                "fold_bottom": (0.0, 0.050),
            },
            (Crease(((0.005, 0.015), (0.045, 0.065), (0.040, 0.125)), "mouth_corner"),),
            paired=True,
        ),
        16: ActionUnit(
            "depressor labii inferioris pulls the lower lip down and flat: the lower teeth show",
            ("lip_lower", "lip_lower_side", "lip_lower_inner"),
            {
                "lip_lower_inner": (0.0, 0.075),
                "lip_lower_inner_side": (0.012, 0.074),
                "lip_lower": (0.0, 0.068),
                "lip_lower_side": (0.030, 0.072),
            },
            (Crease(((0.000, 0.735), (0.080, 0.730), (0.150, 0.700))),),
        ),
        17: ActionUnit(
            "mentalis pushes the chin boss and the lower lip up: the chin wrinkles, the mouth bends down at its ends",
            ("lip_lower", "lip_lower_side", "chin_boss", "chin"),
            {
                "chin_boss": (0.0, -0.065),
                "chin": (0.0, -0.020),
                "lip_lower": (0.0, -0.048),
                "lip_lower_side": (0.0, -0.030),
                "lip_lower_inner": (0.0, -0.050),
                "lip_lower_inner_side": (0.0, -0.034),
                "lip_upper_inner": (0.0, -0.036),
                "lip_upper_inner_side": (0.0, -0.020),
                "lip_upper": (0.0, -0.018),
                "mouth_corner": (0.0, 0.022),
            },
            (
                Crease(((0.000, 0.672), (0.090, 0.688), (0.150, 0.735))),
                Crease(((0.030, 0.780), (0.050, 0.800))),
                Crease(((0.020, 0.840), (0.060, 0.830))),
                Crease(((0.085, 0.770), (0.095, 0.800))),
            ),
        ),
        18: ActionUnit(
            "incisivii labii draw the lip corners to the middle and push the lips out: a small, round mouth",
            _LIPS,
            {
                "mouth_corner": (-0.120, 0.000),
                "lip_upper_side": (-0.065, -0.014),
                "lip_upper_peak": (-0.022, -0.024),
                "lip_upper": (0.0, -0.020),
                "lip_upper_inner_side": (-0.060, 0.0),
                "lip_lower_inner_side": (-0.060, 0.0),
                "lip_lower_side": (-0.055, 0.014),
                "lip_lower": (0.0, 0.020),
                "fold_bottom": (-0.050, 0.0),
            },
            _RADIAL_CREASES[::2],
        ),
        19: ActionUnit(
            "the tongue shows between the lips",
            ("mouth_corner", "lip_upper_inner", "lip_lower", "lip_lower_side"),
            {
                "lip_lower_inner": (0.0, 0.070),
                "lip_lower_inner_side": (0.0, 0.055),
                "lip_lower": (0.0, 0.055),
                "lip_lower_side": (0.0, 0.045),
                "chin_boss": (0.0, 0.020),
                "chin": (0.0, 0.030),
            },
        ),
        20: ActionUnit(
            "risorius stretches the mouth sidewards: the lips lengthen and flatten, wrinkles stand beside the corners",
            ("mouth_corner", "lip_upper_side", "lip_lower_side", "fold_bottom"),
            {
                "mouth_corner": (0.120, 0.020),
                "lip_upper_side": (0.070, 0.010),
                "lip_upper_peak": (0.020, 0.014),
                "lip_upper": (0.0, 0.012),
                "lip_upper_inner_side": (0.055, 0.004),
                "lip_lower_inner_side": (0.055, 0.004),
                "lip_lower_side": (0.065, -0.012),
                "lip_lower": (0.0, -0.022),
                "fold_bottom": (0.085, 0.0),
            },
            (
                Crease(((0.025, -0.075), (0.050, -0.010), (0.040, 0.070)), "mouth_corner"),
                Crease(((0.075, -0.055), (0.095, 0.000), (0.085, 0.055)), "mouth_corner"),
            ),
            paired=True,
        ),
        21: ActionUnit(
            "platysma tightens the neck: cords run down from the jaw",
            ("jaw_chin", "neck_top", "neck_bottom"),
            {"neck_top": (0.060, 0.0), "neck_bottom": (0.060, 0.0), "jaw_chin": (0.030, 0.012)},
            (
                Crease(((0.230, 0.925), (0.200, 1.000), (0.180, 1.140))),
                Crease(((0.340, 0.860), (0.310, 0.960), (0.290, 1.140))),
                Crease(((0.420, 0.780), (0.400, 0.900), (0.385, 1.140))),
            ),
            paired=True,
        ),
        22: ActionUnit(
            "orbicularis oris turns the lips outwards like a funnel: square, thick, apart",
            _LIPS,
            {
                "mouth_corner": (-0.060, 0.005),
                "lip_upper": (0.0, -0.050),
                "lip_upper_peak": (0.012, -0.052),
                "lip_upper_side": (-0.006, -0.056),
                "lip_upper_inner": (0.0, -0.020),
                "lip_upper_inner_side": (-0.018, -0.022),
                "lip_lower_inner": (0.0, 0.026),
                "lip_lower_inner_side": (-0.018, 0.026),
                "lip_lower_side": (-0.006, 0.058),
                "lip_lower": (0.0, 0.056),
            },
        ),
        23: ActionUnit(
            "orbicularis oris tightens the lips: narrow, thin, rolled in a little, with small lines around them",
            _LIPS,
            {
                "mouth_corner": (-0.035, 0.0),
                "lip_upper": (0.0, 0.036),
                "lip_upper_peak": (-0.008, 0.043),
                "lip_upper_side": (-0.015, 0.022),
                "lip_lower": (0.0, -0.054),
                "lip_lower_side": (-0.015, -0.044),
            },
            _RADIAL_CREASES,
        ),
        24: ActionUnit(
            "orbicularis oris presses the lips together: thinner lips, the skin above and below them bulges",
            _LIPS,
            {
                "mouth_corner": (-0.022, 0.004),
                "lip_upper": (0.0, 0.026),
                "lip_upper_peak": (-0.006, 0.030),
                "lip_upper_side": (-0.008, 0.014),
                "lip_upper_inner": (0.0, 0.018),
                "lip_upper_inner_side": (0.0, 0.014),
                "lip_lower_inner": (0.0, -0.018),
                "lip_lower_inner_side": (0.0, -0.014),
                "lip_lower": (0.0, -0.034),
                "lip_lower_side": (-0.008, -0.026),
            },
            (
                Crease(((0.000, 0.688), (0.090, 0.682), (0.170, 0.645)), lip="B"),
                Crease(((0.180, 0.500), (0.225, 0.525)), lip="T"),
            ),
        ),
        25: ActionUnit(
            "the lips part: depressor labii, or the mentalis and orbicularis oris let go",
            _LIPS,
            {
                "lip_upper_inner": (0.0, -0.016),
                "lip_upper_inner_side": (0.0, -0.012),
                "lip_upper": (0.0, -0.006),
                "lip_lower_inner": (0.0, 0.046),
                "lip_lower_inner_side": (0.0, 0.036),
                "lip_lower": (0.0, 0.036),
                "lip_lower_side": (0.0, 0.030),
            },
        ),
        26: ActionUnit(
            "masseter relaxes, the jaw drops",
            ("lip_lower_inner", "lip_lower_side", "chin_boss", "chin", "jaw_chin"),
            {
                "mouth_corner": (-0.014, 0.030),
                "lip_upper_inner": (0.0, -0.006),
                "lip_lower_inner": (0.0, 0.105),
                "lip_lower_inner_side": (0.0, 0.090),
                "lip_lower": (0.0, 0.115),
                "lip_lower_side": (-0.008, 0.105),
                "chin_boss": (0.0, 0.115),
                "chin": (0.0, 0.110),
                "jaw_chin": (0.0, 0.095),
                "jaw_angle": (-0.008, 0.040),
            },
        ),
        27: ActionUnit(
            "pterygoids and digastric pull the jaw down: the mouth stretches wide open, an upright oval",
            (*_LIPS, "fold_bottom", "chin_boss"),
            {
                "mouth_corner": (-0.045, 0.085),
                "lip_upper": (0.0, -0.030),
                "lip_upper_peak": (0.0, -0.028),
                "lip_upper_side": (0.0, -0.004),
                "lip_upper_inner": (0.0, -0.030),
                "lip_upper_inner_side": (0.0, -0.024),
                "lip_lower_inner": (0.0, 0.215),
                "lip_lower_inner_side": (-0.006, 0.190),
                "lip_lower": (0.0, 0.205),
                "lip_lower_side": (-0.008, 0.200),
                "chin_boss": (0.0, 0.200),
                "chin": (0.0, 0.200),
                "jaw_chin": (-0.010, 0.180),
                "jaw_angle": (-0.025, 0.090),
                "jaw_upper": (-0.020, 0.030),
                "fold_bottom": (-0.020, 0.080),
            },
            (Crease(((0.030, -0.160), (0.085, -0.050), (0.080, 0.070), (0.040, 0.150)), "mouth_corner"),),
        ),
        28: ActionUnit(
            "orbicularis oris sucks the lips in over the teeth: the red of the lips disappears",
            _LIPS,
            {
                "lip_upper": (0.0, 0.056),
                "lip_upper_peak": (0.0, 0.066),
                "lip_upper_side": (0.0, 0.034),
                "lip_lower": (0.0, -0.086),
                "lip_lower_side": (0.0, -0.068),
                "mouth_corner": (0.010, 0.0),
            },
            (
                Crease(((0.000, 0.655), (0.100, 0.650), (0.180, 0.620)), lip="B"),
                Crease(((0.000, 0.490), (0.100, 0.492), (0.180, 0.515)), lip="T"),
            ),
        ),
        29: ActionUnit(
            "the jaw is thrust forward: the lower lip and the chin stand before the upper lip",
            ("lip_lower", "lip_lower_side", "chin_boss", "jaw_chin"),
            {
                "lip_lower_inner": (0.0, -0.030),
                "lip_lower_inner_side": (0.0, -0.026),
                "lip_upper_inner": (0.0, -0.030),
                "lip_upper_inner_side": (0.0, -0.026),
                "lip_upper": (0.0, -0.006),
                "lip_lower": (0.0, 0.012),
                "lip_lower_side": (0.020, 0.008),
                "chin_boss": (0.0, 0.020),
                "chin": (0.0, 0.045),
                "jaw_chin": (0.055, 0.030),
            },
            (Crease(((0.000, 0.705), (0.100, 0.700), (0.170, 0.675))),),
        ),
        30: ActionUnit(
            "the jaw moves to one side (to the subject's left where the label names none)",
            ("mouth_corner", "lip_lower", "chin", "jaw_chin", "jaw_angle"),
            {
                "mouth_corner": (0.060, 0.012),
                "lip_upper_inner": (0.035, 0.0),
                "lip_upper_inner_side": (0.035, 0.0),
                "lip_lower_inner": (0.080, 0.012),
                "lip_lower_inner_side": (0.075, 0.012),
                "lip_lower": (0.095, 0.010),
                "lip_lower_side": (0.090, 0.010),
                "lip_upper": (0.025, 0.0),
                "lip_upper_peak": (0.025, 0.0),
                "lip_upper_side": (0.035, 0.0),
                "chin_boss": (0.110, 0.0),
                "chin": (0.120, 0.0),
                "jaw_chin": (0.110, 0.0),
                "jaw_angle": (0.050, 0.0),
            },
        ),
        32: ActionUnit(
            "the teeth bite a lip (the lower one where the label names none)",
            _LIPS,
            {
                "lip_lower": (0.0, -0.014),
                "lip_lower_inner": (0.0, 0.036),
                "lip_lower_inner_side": (0.0, 0.020),
                "lip_upper_inner": (0.0, -0.010),
            },
        ),
        33: ActionUnit(
            "the cheeks fill with air that leaves through a small opening between the lips",
            _CHEEK,
            {
                "jaw_upper": (0.075, 0.010),
                "jaw_angle": (0.065, 0.010),
                "cheekbone": (0.020, 0.0),
                "mouth_corner": (-0.070, 0.0),
                "lip_upper_side": (-0.045, -0.010),
                "lip_lower_side": (-0.040, 0.010),
                "lip_upper_inner_side": (-0.070, -0.004),
                "lip_lower_inner_side": (-0.070, 0.012),
                "lip_upper_inner": (0.0, -0.014),
                "lip_lower_inner": (0.0, 0.026),
                "lip_lower": (0.0, 0.020),
                "fold_bottom": (0.030, 0.0),
            },
            (Crease(((0.330, 0.310), (0.450, 0.370), (0.480, 0.500), (0.410, 0.640))),),
            paired=True,
        ),
        34: ActionUnit(
            "the cheeks fill with air behind closed lips",
            _CHEEK,
            {
                "jaw_upper": (0.095, 0.010),
                "jaw_angle": (0.090, 0.010),
                "cheekbone": (0.030, 0.0),
                "mouth_corner": (-0.015, 0.0),
                "fold_bottom": (0.030, 0.0),
            },
            (
                Crease(((0.330, 0.310), (0.450, 0.370), (0.480, 0.500), (0.410, 0.640))),
                Crease(((0.150, 0.400), (0.235, 0.470), (0.275, 0.580), (0.235, 0.700))),
            ),
            paired=True,
        ),
        35: ActionUnit(
            "the cheeks are sucked in between the teeth: hollows below the cheekbones",
            _CHEEK,
            {
                "jaw_upper": (-0.085, 0.0),
                "jaw_angle": (-0.055, 0.0),
                "mouth_corner": (-0.055, 0.0),
                "lip_upper_side": (-0.030, -0.006),
                "lip_lower_side": (-0.025, 0.006),
                "lip_upper_inner_side": (-0.025, 0.0),
                "lip_lower_inner_side": (-0.025, 0.0),
            },
            (Crease(((0.500, 0.200), (0.400, 0.330), (0.350, 0.480), (0.360, 0.600))),),
            paired=True,
        ),
        39: ActionUnit(
            "nasalis, pars transversa, presses the nostrils together",
            ("nose_tip", "nose_wing", "nostril", "nose_base"),
            {"nose_wing": (-0.046, 0.012), "nostril": (-0.016, 0.012), "fold_top": (-0.010, 0.0)},
            (Crease(((0.050, 0.215), (0.075, 0.265), (0.072, 0.310))),),
        ),
        43: ActionUnit(
            "levator palpebrae lets go, the eyes close",
            ("eye_inner", "eye_outer", "lid_upper", "lid_lower"),
            {
                "lid_upper_inner": (0.0, 0.080),
                "lid_upper": (0.0, 0.115),
                "lid_upper_outer": (0.0, 0.076),
                "lid_lower_inner": (0.0, -0.006),
                "lid_lower": (0.0, -0.008),
                "lid_lower_outer": (0.0, -0.006),
                "crease": (0.0, 0.022),
            },
            paired=True,
        ),
    }
)
"""The 32 AUs of RAF-AU and AU 11, which the laboratory table has; offsets are those of the left half at strength 1."""

OVERRULED: Final = ((43, 5), (27, 26))
"""The first hides the second: a closed eye is not wide open, and a stretched mouth is a dropped jaw already."""

PARTING: Final = frozenset({16, 19, 22, 25, 26, 27, 32, 33})
"""Without one of these AUs the lips stay in contact."""
