"""Columns as texts, numbers and the three states of an AU, with the rows whose values mean nothing."""

import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rafce.imports.files import is_text
from rafce.imports.source import AuColumn
from rafce.imports.unknown_codes import UnknownCodes

# N rows of a block
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MISSING = ("", "na", "n/a", "n.a.", "#n/a", "#n/a n/a", "#na", "<na>", "nan", "null", "nil", "none", "nat")
"""A cell without a value, as R, pandas, NumPy, databases and spreadsheets write it, in lower case."""
NO_NAMES = [word for word in MISSING if word != "na"]  # NA is a subject of JAFFE
LETTERS = {"notactive": "0", "not active": "0", "a": "1", "b": "2", "c": "3", "d": "4", "e": "5"}
"""FACS intensities (Ekman, Friesen & Hager 2002) as letters, and what FaceReader writes where there is none."""
TRUTH = {"true": 1.0, "false": 0.0}
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


def names(column: pa.Array) -> pa.Array:
    """As `texts`, but null also where the cell says that it has no value."""
    text = texts(column)
    is_none = pc.is_in(pc.utf8_lower(text), value_set=pa.array(NO_NAMES))
    return pc.if_else(is_none, pa.scalar(None, pa.string()), text)


def numbers(column: pa.Array) -> Numbers:
    """A column as numbers; true is 1 and false 0."""
    if is_text(column.type):
        return _read_numbers(texts(column))
    value_N = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return Numbers(np.where(np.isinf(value_N), np.nan, value_N), np.isinf(value_N))


def au_states(column: pa.Array, meaning: AuColumn, unknown: UnknownCodes) -> States:
    """What a column says of its AU; unknown where it is empty or has one of the codes for that."""
    if unknown.words and is_text(column.type):
        text = texts(column)
        is_code = pc.is_in(pc.utf8_lower(text), value_set=pa.array(unknown.words))
        column = pc.if_else(is_code, pa.scalar(None, pa.string()), text)
    value_N, wrong_N = numbers(column)
    if wrong_N.any() and is_text(column.type) and meaning.is_intensity:
        value_N, wrong_N = numbers(_without_letters(texts(column)))
    known_N = ~(np.isnan(value_N) | np.isin(value_N, unknown.numbers(meaning)))
    if meaning.threshold is None:
        fits_N, active_N = np.isin(value_N, (0, 1)), value_N == 1
    else:
        fits_N, active_N = (
            (value_N >= meaning.least) & (value_N <= meaning.most),
            value_N >= meaning.threshold,
        )
    return States(active_N & known_N, known_N, wrong_N | (known_N & ~fits_N))


def _without_letters(text: pa.Array) -> pa.Array:
    position = pc.index_in(pc.utf8_lower(text), value_set=pa.array(list(LETTERS)))
    return pc.if_else(position.is_valid(), pa.array(list(LETTERS.values())).take(position), text)


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
    if word in MISSING:
        return np.nan
    number = float(word) if NUMBER.fullmatch(word) else np.inf  # as 1e999 is: more than a number can be
    return TRUTH.get(word, number if np.isfinite(number) else None)
