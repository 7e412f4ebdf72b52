"""The file of `--emotions`: what it says of each row, joined on the columns that name images, frames and subjects."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rafce.errors import LabelError
from rafce.imports.emotion_rules import MISSES, WRONG, EmotionRules, Judged
from rafce.imports.faults import BlockFaults, Faults
from rafce.imports.files import Block, Places, Ragged, TableFile, read_blocks
from rafce.imports.naming import Naming
from rafce.imports.spellings import whole_numbers_alike
from rafce.imports.values import names, texts, whole_numbers

# N rows of a block, M rows of the emotions file
IntArray = npt.NDArray[np.int64]

EMOTION = "emotion"
KEYS = ("image", "input", "frame", "video", "subject")
FRAME = "frame"
SEPARATOR = "\x1f"  # stands in no name
UNLABELLED = "(--unlabelled drop leaves out rows without an emotion)"


class Emotions:
    """An emotions file in memory, found by its `keys`; `told` is what it tells of a row."""

    def __init__(
        self,
        table: TableFile,
        keys: Sequence[str],
        columns: Mapping[str, Any],
        told: Mapping[str, Any],
    ):
        self.path, self.keys, self.told = table.path, tuple(keys), told
        self.has_decimal_comma = False
        text, frame_M = _joined(self.keys, columns)
        self.is_used_M = np.zeros(len(frame_M), bool)
        self._texts = text.unique()
        key_M = self._combined(text, frame_M)
        self._order_M = np.argsort(key_M, kind="stable")
        self._sorted_M = key_M[self._order_M]

    def find(self, columns: Mapping[str, Any]) -> IntArray:
        """The row that tells of each row of a block with these keys, shape (N,); -1 where there is none."""
        key_N = self._combined(*_joined(self.keys, columns))
        place_N = np.searchsorted(self._sorted_M, key_N).clip(max=len(self._sorted_M) - 1)
        found_N = (self._sorted_M[place_N] == key_N) & (key_N >= 0)
        row_N: IntArray = np.where(found_N, self._order_M[place_N], -1)
        self.is_used_M[row_N[found_N]] = True
        return row_N

    def take(self, row_N: IntArray) -> dict[str, Any]:
        """What these rows tell; anything where there is none, a fault that was noted."""
        return {name: column.take(pa.array(row_N.clip(min=0))) for name, column in self.told.items()}

    def repeats(self) -> list[tuple[int, int]]:
        """The rows whose key stands in an earlier row too, each with that row."""
        same = np.flatnonzero(self._sorted_M[1:] == self._sorted_M[:-1])
        return sorted((int(self._order_M[i + 1]), int(self._order_M[i])) for i in same)

    def _combined(self, text: pa.Array, frame_N: IntArray) -> IntArray:
        """Text and frame as one number; negative where the text is not in this file."""
        code_N = pc.index_in(text, value_set=self._texts).fill_null(-1).to_numpy().astype(np.int64)
        key_N: IntArray = (code_N << 32) | frame_N
        return key_N


def read_emotions(
    table: TableFile,
    keys: Sequence[str],
    told: Mapping[str, str],
    naming: Naming,
    rules: EmotionRules,
    may_miss: bool = False,
) -> Emotions:
    """Read an emotions file; `told` says under which name each of its columns goes on.

    `naming` says what images and videos are called, here as in the tables, `rules` what is an emotion, and `may_miss`
    whether a row may have none.

    LabelError: empty cells, a frame that is no number, lines that do not fit the header, a key twice.
    """
    faults, places, ragged = Faults(), Places(), list[Ragged]()
    pieces: list[dict[str, Any]] = []
    told_pieces: list[dict[str, Any]] = []
    has_decimal_comma = False
    columns, frames = list(dict.fromkeys([*keys, *told.values()])), [key for key in keys if key == FRAME]
    for block in read_blocks(table, columns, ragged, numbers=frames, whole=frames):
        found = BlockFaults(block)
        pieces.append({name: key_column(name, block.columns[name], found, naming) for name in keys})
        has_decimal_comma |= bool(block.as_written)
        told_pieces.append(_told(block, told, found, naming))
        cells, judged = block.columns[told[EMOTION]], rules.judge(told_pieces[-1][EMOTION])
        check_emotions(cells, judged, f"a value in column {told[EMOTION]}", found, rules, may_miss)
        places.add(block)
        faults.add_block(found)
    for line in ragged:
        faults.add(line.fault, line.hint)
    faults.raise_all()
    if not pieces:
        raise LabelError(f"{table.path}: expected rows below the names of the columns, found none")
    whole = {name: _concatenated([piece.pop(name) for piece in pieces]) for name in keys}
    encoded = {
        role: _concatenated([piece.pop(role) for piece in told_pieces]).dictionary_encode() for role in told
    }
    emotions = Emotions(table, keys, whole, encoded)
    emotions.has_decimal_comma = has_decimal_comma
    for row, earlier in emotions.repeats():
        shown = described(whole, row)
        faults.add(f"{places(row)}: expected each key once, found {shown} again ({places(earlier)})")
    faults.raise_all()
    return emotions


def key_column(name: str, column: pa.Array, found: BlockFaults, naming: Naming) -> Any:
    """A key as it is compared: frames as numbers, the rest as text, images and videos as `naming` says.

    Elsewhere a number is the same as 1, 01 and 1.0, which is how pandas writes a column of numbers with a gap.
    """
    if name == FRAME:
        frame_N, wrong_N = whole_numbers(column)
        found.check(wrong_N, "the number of a frame", column)
        return frame_N
    text = names(column)
    found.check(text.is_null(), f"a value in column {name}", column)
    if name == "image":
        return naming.stems(text) if naming.by_stem else naming.images(text)
    return whole_numbers_alike(naming.videos(text) if name == "video" else text)


def check_emotions(
    cells: pa.Array,
    judged: Judged,
    expected: str,
    found: BlockFaults,
    rules: EmotionRules,
    may_miss: bool = False,
) -> None:
    """Note the rows whose emotion cannot be used, and those that have none unless they may."""
    if not may_miss:
        found.check(judged.are(MISSES), expected, cells, UNLABELLED)
    text = texts(cells)
    found.note(
        judged.are(WRONG),
        lambda row: f"expected {rules.expected(text[row].as_py())}, found {text[row].as_py()!r}",
    )


def _told(block: Block, told: Mapping[str, str], found: BlockFaults, naming: Naming) -> dict[str, Any]:
    """What a block tells of rows in each role, as text; images as `naming` calls them, emotions unchecked."""
    columns = {}
    for role, name in told.items():
        column = block.columns[name]
        text = texts(column) if role == EMOTION else names(column)
        if role != EMOTION:
            found.check(text.is_null(), f"a value in column {name}", column)
        columns[role] = naming.images(text) if role == "image" else text
        if role == "image":
            found.check(pc.invert(naming.fits(columns[role])), naming.expected, column)
    return columns


def described(keys: Mapping[str, Any], row: int) -> str:
    """The key of a row in words."""
    return ", ".join(f"{name} {column[row]}" for name, column in keys.items())


def _concatenated(pieces: Sequence[Any]) -> Any:
    return np.concatenate(pieces) if isinstance(pieces[0], np.ndarray) else pa.concat_arrays(pieces)


def _joined(keys: Sequence[str], columns: Mapping[str, Any]) -> tuple[pa.Array, IntArray]:
    """The keys that are text, joined to one, and the number of the frame, 0 where that is no key."""
    named = [columns[name] for name in keys if name != "frame"]
    n = len(columns[keys[0]])
    text = pc.binary_join_element_wise(*named, SEPARATOR) if named else pa.array([""] * n)
    return text, columns["frame"] if "frame" in keys else np.zeros(n, np.int64)
