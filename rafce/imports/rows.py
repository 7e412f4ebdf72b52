"""Blocks of any table to rows of one kind: image, emotion, group, partition, each AU active, inactive or unknown."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rafce.errors import LabelError
from rafce.imports.emotions import described, key_column
from rafce.imports.faults import BlockFaults, Faults
from rafce.imports.files import Block, Places
from rafce.imports.naming import Naming, frame_images, has_folders, is_picture, with_suffix
from rafce.imports.options import ImportOptions
from rafce.imports.plan import EMOTION, FILE_STEM, GROUP, PARTITION, Layout, Plan
from rafce.imports.repeats import HASH, hash_names
from rafce.imports.source import listed
from rafce.imports.values import (
    au_states,
    emotion_names,
    numbers,
    texts,
    whole_numbers,
)
from rafce.schema import PARTITIONS, au_column

# N rows of a block
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int32]

MOST_EMOTIONS = 127  # emotion_id is an int8
ANY_SUFFIX = "any_suffix"  # where the name was made here, so that its image may have any suffix


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


class Piece(NamedTuple):
    """A block on its way: `cells` are its columns by role, `told` what the emotions file says of its rows."""

    block: Block
    layout: Layout
    cells: Mapping[str, pa.Array]
    told: Mapping[str, pa.Array]
    found: BlockFaults

    def text(self, role: str) -> pa.Array:
        """What is known of each row in a role, from its table before the emotions file; an empty cell is a fault."""
        cells = self.cells[role] if role in self.cells else self.told[role]
        text = emotion_names(cells) if role == EMOTION else texts(cells)
        self.found.check(text.is_null(), f"a value for the {role}", cells)
        return text


class Reader:
    """Turns blocks into rows; keeps the names, the faults and the counts that all blocks have in common."""

    def __init__(self, plan: Plan, options: ImportOptions) -> None:
        self.plan, self.options = plan, options
        self.emotions, self.groups = Names(), Names()
        self.faults, self.places = Faults(), Places()
        self.n_failed = self.n_faceless = self.n_empty = self.n_unsure = self.n_blank = 0
        self.cut_folders = False
        self._videos_seen: set[str] = set()

    def schema(self) -> pa.Schema:
        """The columns of the rows: emotion and group by their number, the AUs with null for unknown."""
        always = {"image": pa.string(), HASH: pa.uint64(), ANY_SUFFIX: pa.bool_(), EMOTION: pa.int32()}
        others = {GROUP: pa.int32(), PARTITION: pa.int8()}
        known = {role: kind for role, kind in others.items() if role in self.plan.roles}
        return pa.schema({**always, **known, **{au_column(au): pa.bool_() for au in self.plan.aus}})

    def rows(self, block: Block, layout: Layout) -> pa.RecordBatch:
        """A block as rows of this schema; what is wrong in it goes to the faults."""
        piece = _piece(block, layout, self.plan)
        self._check_one_video(piece)
        image, any_suffix = self._images(piece)
        columns = {
            "image": image,
            HASH: hash_names(image),
            ANY_SUFFIX: any_suffix,
            EMOTION: self.emotions.number(piece.text(EMOTION)),
        }
        if GROUP in self.plan.roles:
            columns[GROUP] = self.groups.number(piece.text(GROUP))
        if PARTITION in self.plan.roles:
            columns[PARTITION] = _partitions(piece)
        columns |= self._aus(piece)
        self.faults.add_block(piece.found)
        self.places.add(block)
        self._check_emotions(layout)
        schema = self.schema()
        return pa.record_batch([columns[name] for name in schema.names], schema=schema)

    def _images(self, piece: Piece) -> tuple[pa.Array, pa.Array]:
        """The image of each row: of the image column, else of the emotions file, else after the video and the frame.

        And whether it may have another suffix than its name.
        """
        if "image" not in piece.cells:
            return self._other_images(piece)
        path = piece.text("image")
        if not piece.layout.names_videos:
            return self._named(piece, path), pa.repeat(False, len(path))
        pictured = is_picture(path)
        named = self._named(piece, pc.if_else(pictured, path, pa.scalar(None, pa.string())))
        if pc.all(pictured).as_py():
            return named, pa.repeat(False, len(named))
        other, any_suffix = self._other_images(piece)
        return pc.if_else(pictured, named, other), pc.and_not(any_suffix, pictured)

    def _other_images(self, piece: Piece) -> tuple[pa.Array, pa.Array]:
        if "image" in piece.told:
            named, by_stem = texts(piece.told["image"]), self.plan.naming.by_stem
            return with_suffix(named) if by_stem else named, pa.repeat(by_stem, len(named))
        video = self._videos(piece)
        if "frame" not in piece.cells:
            return with_suffix(video), pa.repeat(True, len(video))
        frame_N, wrong_N = whole_numbers(piece.cells["frame"])
        piece.found.check(wrong_N, "the number of a frame", piece.cells["frame"])
        return frame_images(video, pa.array(frame_N)), pa.repeat(True, len(video))

    def _videos(self, piece: Piece) -> pa.Array:
        """What the image of each row is called after: its video, else its file."""
        video = _stems(piece.block, piece.layout, self.plan.naming)
        if piece.layout.video is not None:
            cells = piece.block.columns[piece.layout.video]
            path = texts(cells)
            self.cut_folders |= not self.options.keep_folders and has_folders(path)
            piece.found.check(path.is_null(), "a value for the video", cells)
            wrong = pc.invert(self.plan.naming.fits(video))
            piece.found.check(wrong, "the path of a video below a folder", cells)
        return video

    def _check_one_video(self, piece: Piece) -> None:
        """LabelError for frames of several videos that the emotions file does not tell apart."""
        layout, emotions = piece.layout, self.plan.emotions
        if emotions is None or layout.video is None or list(layout.keys) != ["frame"]:
            return
        video = _stems(piece.block, layout, self.plan.naming)
        self._videos_seen |= set(pc.unique(video.drop_null()).to_pylist())
        if len(self._videos_seen) > 1:
            raise LabelError(
                f"{emotions.path}: expected a column beside frame that tells the videos of {layout.table.path} apart, "
                f"such as video, found none; videos: {listed(sorted(self._videos_seen))}"
            )

    def _named(self, piece: Piece, path: pa.Array) -> pa.Array:
        """The names of images by their paths; whether folders were cut off is kept, for who meets a name twice."""
        naming = self.plan.naming
        named = naming.images(path)
        self.cut_folders |= not naming.keep_folders and not named.equals(path)
        piece.found.check(pc.invert(naming.fits(named)), naming.expected, path)
        return named

    def _aus(self, piece: Piece) -> dict[str, pa.Array]:
        """The states of each AU; of rows without a face, or not sure enough of it, all are unknown."""
        n_rows = piece.block.n_rows
        unseen_N = self._failed(piece) | self._unsure(piece)
        columns = {au_column(au): pa.nulls(n_rows, pa.bool_()) for au in self.plan.aus}
        for meaning in piece.layout.aus:
            cell = piece.block.columns[meaning.column]
            states = au_states(cell, meaning)
            expected = f"{meaning.expected} in column {meaning.column}"
            piece.found.check(states.wrong_N & ~unseen_N, expected, cell)
            columns[au_column(meaning.au)] = pa.array(states.active_N, mask=~states.known_N | unseen_N)
        self.n_blank += int(np.logical_and.reduce([column.is_null() for column in columns.values()]).sum())
        return columns

    def _failed(self, piece: Piece) -> BoolArray:
        """Where no face was tracked."""
        if piece.block.without_face:
            self.n_failed += piece.block.n_rows
            self.n_faceless += piece.block.n_rows
            return np.ones(piece.block.n_rows, bool)
        if "success" not in piece.cells:
            return np.zeros(piece.block.n_rows, bool)
        cell = piece.cells["success"]
        value_N, wrong_N = numbers(cell)
        piece.found.check(wrong_N | ~np.isin(value_N, (0, 1)), "0 or 1 for a face that was tracked", cell)
        failed_N: BoolArray = value_N == 0
        self.n_failed += int(failed_N.sum())
        return failed_N

    def _unsure(self, piece: Piece) -> BoolArray:
        """Where the confidence is below what was asked for, or unknown."""
        if self.options.min_confidence is None or piece.block.without_face:
            return np.zeros(piece.block.n_rows, bool)
        cell = piece.cells["confidence"]
        value_N, wrong_N = numbers(cell)
        piece.found.check(wrong_N | (value_N < 0) | (value_N > 1), "a confidence from 0 to 1", cell)
        unsure_N: BoolArray = ~(value_N >= self.options.min_confidence)
        self.n_unsure += int(unsure_N.sum())
        return unsure_N

    def _check_emotions(self, layout: Layout) -> None:
        if len(self.emotions) > MOST_EMOTIONS:
            column = layout.roles.get(EMOTION, EMOTION)
            raise LabelError(
                f"{layout.table.path}: expected at most {MOST_EMOTIONS} emotions in column {column}, found more: "
                f"{listed(self.emotions.names())}"
            )


def _piece(block: Block, layout: Layout, plan: Plan) -> Piece:
    """A block with what the emotions file says of its rows; a row that it does not have is a fault."""
    found, emotions, naming = BlockFaults(block), plan.emotions, plan.naming
    cells = {role: _cell(name, block, layout, naming) for role, name in layout.roles.items()}
    if emotions is None:
        return Piece(block, layout, cells, {}, found)
    keys = {
        key: key_column(key, _cell(name, block, layout, naming), found, naming)
        for key, name in layout.keys.items()
    }
    row_N = emotions.find(keys)
    expected = f"expected a row of {emotions.path} with"
    lacking_N = (row_N < 0) & ~found.wrong_rows()  # of a row without a key the key is the fault
    found.note(lacking_N, lambda row: f"{expected} {described(keys, row)}, found none")
    return Piece(block, layout, cells, emotions.take(row_N), found)


def _cell(name: str, block: Block, layout: Layout, naming: Naming) -> pa.Array:
    """A column of the table, or the video of each row."""
    return _stems(block, layout, naming) if name == FILE_STEM else block.columns[name]


def _stems(block: Block, layout: Layout, naming: Naming) -> pa.Array:
    """The video of each row; where no column names one, the file without its suffix."""
    stem = pa.repeat(pa.scalar(layout.table.path.stem), block.n_rows)
    if layout.video is None:
        return stem
    path = texts(block.columns[layout.video])
    return (
        pc.if_else(is_picture(path), stem, naming.videos(path))
        if layout.names_videos
        else naming.videos(path)
    )


def _partitions(piece: Piece) -> pa.Array:
    text = piece.text(PARTITION)
    index = pc.index_in(text, value_set=pa.array(PARTITIONS))
    piece.found.check(pc.and_(index.is_null(), text.is_valid()), f"one of {', '.join(PARTITIONS)}", text)
    return index.cast(pa.int8())
