"""Columns as texts, numbers and the three states of an AU, with the rows whose values mean nothing."""

import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rafce.imports.files import is_text
from rafce.imports.source import AuColumn

# N rows of a block
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

EMPTY = ("", "na", "nan", "null")
TRUTH = {"true": 1.0, "false": 0.0}
UNKNOWN = (-1, 999)
"""What stands for an AU that was not coded: -1 in several data sets, 999 in EmotioNet."""
MOST_FRAMES = 1 << 32
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.ASCII)


class Numbers(NamedTuple):
    """A number a row, NaN where the cell is empty; `wrong_N` where something stands there that is none."""

    value_N: FloatArray
    wrong_N: BoolArray


class States(NamedTuple):
    """Whether an AU is active, and whether that is known; an AU that is not known is not active."""

    active_N: BoolArray
    known_N: BoolArray
    wrong_N: BoolArray


def texts(column: pa.Array) -> pa.Array:
    """A column as text without the blanks around it; null where the cell is empty."""
    text = pc.ascii_trim_whitespace(column.cast(pa.string()))
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def emotion_names(column: pa.Array) -> pa.Array:
    """As `texts`, but null also where the cell says that it has no value, as R and pandas write it."""
    text = texts(column)
    return pc.if_else(pc.is_in(pc.utf8_lower(text), pa.array(EMPTY)), pa.scalar(None, pa.string()), text)


def numbers(column: pa.Array) -> Numbers:
    """A column as numbers; true is 1 and false 0."""
    if is_text(column.type):
        return _read_numbers(texts(column))
    value_N = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return Numbers(np.where(np.isinf(value_N), np.nan, value_N), np.isinf(value_N))


def au_states(column: pa.Array, meaning: AuColumn) -> States:
    """What a column says of its AU; unknown where it is empty, -1 or 999."""
    value_N, wrong_N = numbers(column)
    known_N = ~(np.isnan(value_N) | np.isin(value_N, UNKNOWN))
    if meaning.threshold is None:
        fits_N, active_N = np.isin(value_N, (0, 1)), value_N == 1
    else:
        fits_N, active_N = (value_N >= 0) & (value_N <= meaning.most), value_N >= meaning.threshold
    return States(active_N & known_N, known_N, wrong_N | (known_N & ~fits_N))


def whole_numbers(column: pa.Array) -> tuple[IntArray, BoolArray]:
    """A column as numbers of frames, below 2^32, 0 where something else stands; and where that is."""
    value_N, wrong_N = numbers(column)
    fits_N = ~wrong_N & (value_N >= 0) & (value_N < MOST_FRAMES) & (value_N % 1 == 0)
    return np.where(fits_N, value_N, 0).astype(np.int64), ~fits_N


def _read_numbers(text: pa.Array) -> Numbers:
    try:
        value_N = text.cast(pa.float64()).to_numpy(zero_copy_only=False)
        if np.isfinite(value_N).sum() == len(text) - text.null_count:
            return Numbers(value_N, np.zeros(len(value_N), bool))
    except pa.ArrowInvalid:
        pass  # some value is no number; the few different ones are looked at by hand
    encoded = text.dictionary_encode()
    read: list[float | None] = [_number(value) for value in encoded.dictionary.to_pylist()]
    value_U = np.array([np.nan, *(np.nan if value is None else value for value in read)])
    wrong_U = np.array([False, *(value is None for value in read)])
    position_N = encoded.indices.fill_null(-1).to_numpy() + 1
    return Numbers(value_U[position_N], wrong_U[position_N])


def _number(text: str) -> float | None:
    word = text.lower()
    if word in EMPTY:
        return np.nan
    number = float(word) if NUMBER.fullmatch(word) else np.inf  # as 1e999 is: more than a number can be
    return TRUTH.get(word, number if np.isfinite(number) else None)
