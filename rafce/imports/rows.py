"""Blocks of any table to rows of one kind: image, emotion, group, partition, each AU active, inactive or unknown."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rafce.errors import LabelError
from rafce.imports.emotions import Emotions, described, key_column
from rafce.imports.faults import BlockFaults, Faults
from rafce.imports.files import Block, Places
from rafce.imports.options import ImportOptions
from rafce.imports.plan import EMOTION, FILE_STEM, PARTITION, Layout, Plan
from rafce.imports.repeats import HASH, hash_names
from rafce.imports.source import listed
from rafce.imports.values import au_states, image_names, numbers, texts, whole_numbers
from rafce.schema import PARTITIONS, au_column

# N rows of a block
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int32]

MOST_EMOTIONS = 127  # emotion_id is an int8
NO_NAMES = ("", ".", "..")
IMAGE_OR_VIDEO = "input"  # as py-feat calls the file that it read
PICTURE = r"(?i)\.(jpe?g|png|bmp|tiff?|webp|gif)$"


class Names:
    """Numbers for texts, in the order in which they first come."""

    def __init__(self) -> None:
        self._number: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._number)

    def names(self) -> list[str]:
        """The texts in the order of their numbers."""
        return list(self._number)

    def number(self, text: pa.Array) -> IntArray:
        """The number of each text, shape (N,); 0 for null."""
        encoded = text.dictionary_encode()
        number_U = [
            self._number.setdefault(name, len(self._number)) for name in encoded.dictionary.to_pylist()
        ]
        number_N: IntArray = np.array(number_U or [0], np.int32)[encoded.indices.fill_null(0).to_numpy()]
        return number_N


class Reader:
    """Turns blocks into rows; keeps the names, the faults and the counts that all blocks have in common."""

    def __init__(self, plan: Plan, options: ImportOptions) -> None:
        self.plan, self.options = plan, options
        self.emotions, self.groups = Names(), Names()
        self.faults, self.places = Faults(), Places()
        self.n_failed = self.n_unsure = self.n_blank = 0

    def schema(self) -> pa.Schema:
        """The columns of the rows: emotion and group by their number, the AUs with null for unknown."""
        always = {"image": pa.string(), HASH: pa.uint64(), EMOTION: pa.int32()}
        others = {"group": pa.int32(), PARTITION: pa.int8()}
        known = {role: kind for role, kind in others.items() if role in self.plan.roles}
        return pa.schema({**always, **known, **{au_column(au): pa.bool_() for au in self.plan.aus}})

    def rows(self, block: Block, layout: Layout) -> pa.RecordBatch:
        """A block as rows of this schema; what is wrong in it goes to the faults."""
        found = BlockFaults(block)
        cells = {role: _cell(name, block, layout) for role, name in layout.roles.items()}
        told = {} if self.plan.emotions is None else _told(self.plan.emotions, block, layout, found)
        labels = {**told, **cells}
        columns: dict[str, Any] = {"image": _images(cells, told, block, layout, found)}
        columns[HASH] = hash_names(columns["image"])
        columns["emotion"] = self.emotions.number(_required(labels, EMOTION, found))
        if "group" in labels:
            columns["group"] = self.groups.number(_required(labels, "group", found))
        if PARTITION in labels:
            columns["partition"] = _partitions(_required(labels, PARTITION, found), found)
        columns |= self._aus(cells, block, layout, found)
        self.faults.add_block(found)
        self.places.add(block)
        self._check_emotions(layout)
        schema = self.schema()
        return pa.record_batch([columns[name] for name in schema.names], schema=schema)

    def _aus(
        self, cells: Mapping[str, Any], block: Block, layout: Layout, found: BlockFaults
    ) -> dict[str, pa.Array]:
        unseen_N = self._failed(cells, block.n_rows, found) | self._unsure(cells, block.n_rows, found)
        meanings = {meaning.au: meaning for meaning in layout.aus}
        columns = {au_column(au): pa.nulls(block.n_rows, pa.bool_()) for au in self.plan.aus}
        for au, meaning in meanings.items():
            cell = block.columns[meaning.column]
            states = au_states(cell, meaning)
            found.check(states.wrong_N & ~unseen_N, f"{meaning.expected} in column {meaning.column}", cell)
            columns[au_column(au)] = pa.array(states.active_N, mask=~states.known_N | unseen_N)
        is_blank_N = np.logical_and.reduce([column.is_null() for column in columns.values()])
        self.n_blank += int(is_blank_N.sum())
        return columns

    def _failed(self, cells: Mapping[str, Any], n_rows: int, found: BlockFaults) -> BoolArray:
        """Where no face was tracked."""
        if "success" not in cells:
            return np.zeros(n_rows, bool)
        value_N, wrong_N = numbers(cells["success"])
        found.check(
            wrong_N | ~np.isin(value_N, (0, 1)), "0 or 1 for a face that was tracked", cells["success"]
        )
        failed_N: BoolArray = value_N == 0
        self.n_failed += int(failed_N.sum())
        return failed_N

    def _unsure(self, cells: Mapping[str, Any], n_rows: int, found: BlockFaults) -> BoolArray:
        """Where the confidence is below what was asked for, or unknown."""
        if "confidence" not in cells or self.options.min_confidence is None:
            return np.zeros(n_rows, bool)
        value_N, wrong_N = numbers(cells["confidence"])
        found.check(wrong_N | (value_N < 0) | (value_N > 1), "a confidence from 0 to 1", cells["confidence"])
        unsure_N = ~(value_N >= self.options.min_confidence)
        self.n_unsure += int(unsure_N.sum())
        return unsure_N

    def _check_emotions(self, layout: Layout) -> None:
        if len(self.emotions) > MOST_EMOTIONS:
            column = layout.roles.get(EMOTION, EMOTION)
            raise LabelError(
                f"{layout.table.path}: expected at most {MOST_EMOTIONS} emotions in column {column}, found more: "
                f"{listed(self.emotions.names())}"
            )


def _cell(name: str, block: Block, layout: Layout) -> pa.Array:
    """A column of the table, or the name of its file in each row."""
    return _stems(block, layout) if name == FILE_STEM else block.columns[name]


def _stems(block: Block, layout: Layout) -> pa.Array:
    return pa.repeat(pa.scalar(layout.table.path.stem), block.n_rows)


def _told(emotions: Emotions, block: Block, layout: Layout, found: BlockFaults) -> dict[str, pa.Array]:
    """What the emotions file says of the rows of a block; a row that it does not have is a fault."""
    keys = {key: key_column(key, _cell(name, block, layout), found) for key, name in layout.keys.items()}
    row_N = emotions.find(keys)
    found.note(
        row_N < 0, lambda row: f"expected a row of {emotions.path} with {described(keys, row)}, found none"
    )
    return emotions.take(row_N)


def _required(labels: Mapping[str, pa.Array], role: str, found: BlockFaults) -> pa.Array:
    text = texts(labels[role])
    found.check(text.is_null(), f"a value for the {role}", text)
    return text


def _partitions(text: pa.Array, found: BlockFaults) -> pa.Array:
    index = pc.index_in(text, value_set=pa.array(PARTITIONS))
    found.check(pc.and_(index.is_null(), text.is_valid()), f"one of {', '.join(PARTITIONS)}", text)
    return index.cast(pa.int8())


def _images(
    cells: Mapping[str, pa.Array],
    told: Mapping[str, pa.Array],
    block: Block,
    layout: Layout,
    found: BlockFaults,
) -> pa.Array:
    """The image of each row: of the image column, else of the emotions file, else after the file and the frame."""
    if "image" not in cells:
        return _other_images(cells, told, block, layout, found)
    text = _required(cells, "image", found)
    named = image_names(text)
    found.check(pc.is_in(named, value_set=pa.array(NO_NAMES)), "the name of an image", text)
    if layout.roles["image"] != IMAGE_OR_VIDEO:
        return named
    is_picture = pc.match_substring_regex(named, PICTURE)
    if pc.all(is_picture).as_py():
        return named
    return pc.if_else(is_picture, named, _other_images(cells, told, block, layout, found))


def _other_images(
    cells: Mapping[str, pa.Array],
    told: Mapping[str, pa.Array],
    block: Block,
    layout: Layout,
    found: BlockFaults,
) -> pa.Array:
    if "image" in told:
        return image_names(texts(told["image"]))
    stem = _stems(block, layout)
    if "frame" not in cells:
        return pc.binary_join_element_wise(stem, ".jpg", "")
    frame_N, wrong_N = whole_numbers(cells["frame"])
    found.check(wrong_N, "the number of a frame", cells["frame"])
    number = pc.utf8_lpad(pa.array(frame_N).cast(pa.string()), 6, "0")
    return pc.binary_join_element_wise(stem, "_", number, ".jpg", "")
