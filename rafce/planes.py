"""AU columns as planes of bits: bit i % 8 of byte i // 8 is the i-th AU of the vocabulary."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

# N rows, A action units, Q bytes that hold A bits
BoolArray = npt.NDArray[np.bool_]
ByteArray = npt.NDArray[np.uint8]


def n_bytes(n_aus: int) -> int:
    """How many bytes hold a bit for each AU."""
    return -(-n_aus // 8)


def bool_planes(columns: Sequence[pa.Array]) -> tuple[ByteArray, ByteArray | None]:
    """The bool columns of all AUs, and where they are not null: None where none is."""
    columns = [column.cast(pa.bool_()) for column in columns]
    active_QN = packed([bits(column) for column in columns])
    if not any(column.null_count for column in columns):
        return active_QN, None
    return active_QN, packed([valid(column).view(np.uint8) for column in columns])


def mask_planes(mask_N: npt.NDArray[np.integer[Any]], n_aus: int) -> ByteArray:
    """The bytes of a bit mask; bits beyond those of the AUs are left out."""
    return mask_N.astype("<u4", copy=False).view(np.uint8).reshape(-1, 4).T[: n_bytes(n_aus)]


def mask_of(planes_QN: ByteArray) -> npt.NDArray[np.uint32]:
    """The bit mask whose bytes these are, of up to 32 AUs."""
    bytes_N4 = np.zeros((planes_QN.shape[1], 4), np.uint8)
    bytes_N4[:, : len(planes_QN)] = planes_QN.T
    return bytes_N4.view("<u4").ravel().astype(np.uint32, copy=False)


def packed(bits_AN: Sequence[ByteArray]) -> ByteArray:
    """A bit for each AU as planes, shape (Q, N)."""
    planes_QN = np.zeros((n_bytes(len(bits_AN)), len(bits_AN[0])), np.uint8)
    for i, bits_N in enumerate(bits_AN):
        planes_QN[i // 8] |= bits_N << (i % 8)
    return planes_QN


def bits(column: pa.BooleanArray) -> ByteArray:
    """A bool column as 0 and 1; whatever its buffer holds where it is null."""
    first_byte, skipped = divmod(column.offset, 8)
    held = np.frombuffer(column.buffers()[1], np.uint8)[first_byte:]
    return np.unpackbits(held, count=skipped + len(column), bitorder="little")[skipped:]


def valid(column: pa.Array) -> BoolArray:
    """Where a column is not null."""
    return bits(column.is_valid()).view(bool) if column.null_count else np.ones(len(column), bool)


def numbers(column: pa.Array, instead_of_null: int) -> npt.NDArray[Any]:
    """A column of numbers; `to_numpy` would import pandas."""
    values: npt.NDArray[Any] = np.from_dlpack(
        column.fill_null(instead_of_null) if column.null_count else column
    )
    return values
