"""Basic emotions, compound emotions and action units, as RAF-ML, RAF-CE and FACS name and order them."""

from typing import NamedTuple

BASIC_EMOTIONS = ("surprise", "fear", "disgust", "happiness", "sadness", "anger")
"""The columns of RAF-ML's distribution.txt, in their order (Li & Deng 2019)."""


class Compound(NamedTuple):
    """A compound emotion and the two basic emotions that it blends (Du et al. 2014)."""

    name: str
    components: tuple[str, str]


COMPOUNDS = (
    Compound("happily surprised", ("happiness", "surprise")),
    Compound("happily disgusted", ("happiness", "disgust")),
    Compound("sadly fearful", ("sadness", "fear")),
    Compound("sadly angry", ("sadness", "anger")),
    Compound("sadly surprised", ("sadness", "surprise")),
    Compound("sadly disgusted", ("sadness", "disgust")),
    Compound("fearfully angry", ("fear", "anger")),
    Compound("fearfully surprised", ("fear", "surprise")),
    Compound("fearfully disgusted", ("fear", "disgust")),
    Compound("angrily surprised", ("anger", "surprise")),
    Compound("angrily disgusted", ("anger", "disgust")),
    Compound("disgustedly surprised", ("disgust", "surprise")),
    Compound("happily fearful", ("happiness", "fear")),
    Compound("happily sad", ("happiness", "sadness")),
)
"""The 14 classes of RAF-CE; a class id is the position here (Table 1, caption)."""

COMPOUND_EMOTIONS = tuple(compound.name for compound in COMPOUNDS)

AUS = (
    *(1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 18, 19, 20),
    *(21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 32, 33, 34, 35, 39, 43),
)
"""The 32 action units that RAF-AU codes; bit i of `au_mask` is the i-th of them."""

FACS_NAMES = {
    1: "inner brow raiser",
    2: "outer brow raiser",
    4: "brow lowerer",
    5: "upper lid raiser",
    6: "cheek raiser",
    7: "lid tightener",
    8: "lips toward each other",
    9: "nose wrinkler",
    10: "upper lip raiser",
    11: "nasolabial deepener",
    12: "lip corner puller",
    13: "sharp lip puller",
    14: "dimpler",
    15: "lip corner depressor",
    16: "lower lip depressor",
    17: "chin raiser",
    18: "lip pucker",
    19: "tongue show",
    20: "lip stretcher",
    21: "neck tightener",
    22: "lip funneler",
    23: "lip tightener",
    24: "lip pressor",
    25: "lips part",
    26: "jaw drop",
    27: "mouth stretch",
    28: "lip suck",
    29: "jaw thrust",
    30: "jaw sideways",
    31: "jaw clencher",
    32: "lip bite",
    33: "cheek blow",
    34: "cheek puff",
    35: "cheek suck",
    36: "tongue bulge",
    37: "lip wipe",
    38: "nostril dilator",
    39: "nostril compressor",
    41: "lid droop",
    42: "slit",
    43: "eyes closed",
    44: "squint",
    45: "blink",
    46: "wink",
    51: "head turn left",
    52: "head turn right",
    53: "head up",
    54: "head down",
    55: "head tilt left",
    56: "head tilt right",
    57: "head forward",
    58: "head back",
    61: "eyes turn left",
    62: "eyes turn right",
    63: "eyes up",
    64: "eyes down",
    65: "walleye",
    66: "cross-eye",
}
"""What FACS calls each action unit and action descriptor (Ekman & Friesen 1978; 2002 manual)."""
