"""The file of `--emotions`: what it says of each row, joined on the columns that name images, frames and subjects."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rafce.imports.emotion_rules import MISSES, WRONG, EmotionRules, Judged
from rafce.imports.faults import BlockFaults, Faults
from rafce.imports.files import Places, Ragged, TableFile, read_blocks
from rafce.imports.spellings import whole_numbers_alike
from rafce.imports.values import image_names, texts, whole_numbers

# N rows of a block, M rows of the emotions file
IntArray = npt.NDArray[np.int64]

EMOTION = "emotion"
KEYS = ("image", "input", "frame", "video", "subject")
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
        keep_folders: bool,
    ):
        self.path, self.keys, self.told, self.keep_folders = table.path, tuple(keys), told, keep_folders
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
    rules: EmotionRules,
    keep_folders: bool = False,
    drop_unlabelled: bool = False,
) -> Emotions:
    """Read an emotions file; `told` says under which name each of its columns goes on.

    With `keep_folders` images are told apart by their folders too; with `drop_unlabelled` a row may lack its emotion.

    LabelError: empty cells, a frame that is no number, lines that do not fit the header, a key twice.
    """
    faults, places, ragged = Faults(), Places(), list[Ragged]()
    pieces: list[dict[str, Any]] = []
    names = list(dict.fromkeys([*keys, *told.values()]))
    for block in read_blocks(table, names, ragged):
        found = BlockFaults(block)
        columns = {
            name: key_column(name, block.columns[name], found, keep_folders)
            for name in names
            if name != EMOTION
        }
        columns[EMOTION] = texts(block.columns[EMOTION])
        judged = rules.judge(columns[EMOTION])
        check_emotions(
            columns[EMOTION], judged, f"a value in column {EMOTION}", found, rules, drop_unlabelled
        )
        pieces.append(columns)
        places.add(block)
        faults.add_block(found)
    for line in ragged:
        faults.add(line.fault)
    faults.raise_all()
    whole = {name: _concatenated([piece.pop(name) for piece in pieces]) for name in names}
    encoded = {role: whole[name].dictionary_encode() for role, name in told.items()}
    emotions = Emotions(table, keys, whole, encoded, keep_folders)
    for row, earlier in emotions.repeats():
        shown = described({name: whole[name] for name in keys}, row)
        faults.add(f"{places(row)}: expected each key once, found {shown} again ({places(earlier)})")
    faults.raise_all()
    return emotions


def key_column(name: str, column: pa.Array, found: BlockFaults, keep_folders: bool) -> Any:
    """A key as it is compared: frames by number, 01 and 1.0 as 1 elsewhere, images as `image_names` says."""
    if name == "frame":
        frame_N, wrong_N = whole_numbers(column)
        found.check(wrong_N, "the number of a frame", column)
        return frame_N
    text = texts(column)
    found.check(text.is_null(), f"a value in column {name}", column)
    return image_names(text, keep_folders) if name == "image" else whole_numbers_alike(text)


def check_emotions(
    text: pa.Array,
    judged: Judged,
    expected: str,
    found: BlockFaults,
    rules: EmotionRules,
    may_miss: bool = False,
) -> None:
    """Note the rows whose emotion cannot be used, and those that have none unless they may."""
    if not may_miss:
        found.check(judged.are(MISSES), expected, text, UNLABELLED)
    found.note(
        judged.are(WRONG),
        lambda row: f"expected {rules.expected(text[row].as_py())}, found {text[row].as_py()!r}",
    )


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
