"""Blocks of any table to rows of one kind: image, emotion, group, partition, each AU active, inactive or unknown."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rafce.errors import LabelError
from rafce.imports.dialect import NEEDS_ANOTHER, has_decimal_commas
from rafce.imports.emotion_rules import DROPPED, MISSES, LeftOut, check_dropped
from rafce.imports.emotions import EMOTION, UNLABELLED, check_emotions, described, key_column
from rafce.imports.faults import BlockFaults, Faults
from rafce.imports.files import Block, Places
from rafce.imports.naming import Naming, frame_images, has_folders, is_picture, with_suffix
from rafce.imports.options import ImportOptions
from rafce.imports.partitions import OTHER_VALUES, PARTITION, NamesLikePartitions, PartitionValues
from rafce.imports.plan import FILE_STEM, GROUP, Layout, Plan
from rafce.imports.repeats import HASH, hash_names
from rafce.imports.source import AuColumn, listed
from rafce.imports.spellings import SpelledNames, group_key, word_key
from rafce.imports.values import au_states, names, numbers, texts, whole_numbers
from rafce.schema import PARTITIONS, au_column

# N rows of a block
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int32]

MOST_EMOTIONS = 127  # emotion_id is an int8
ANY_SUFFIX = "any_suffix"  # where the name was made here, so that its image may have any suffix


class Piece(NamedTuple):
    """A block being converted: `cells` are its columns by role, `told` what the emotions file says of its rows.

    `no_row_N` are the rows that the emotions file does not have.
    """

    block: Block
    layout: Layout
    cells: Mapping[str, pa.Array]
    told: Mapping[str, pa.Array]
    found: BlockFaults
    no_row_N: BoolArray

    def text(self, role: str) -> pa.Array:
        """What is known of each row in a role, from its table before the emotions file; an empty cell is a fault."""
        cells = self.cells[role] if role in self.cells else self.told[role]
        text = names(cells)
        self.found.check(text.is_null(), f"a value for the {role}", cells)
        return text

    def kept(self, keep_N: BoolArray) -> "Piece":
        """The same without some rows, of which nothing is checked any more."""
        if keep_N.all():
            return self
        kept, row_N = _Kept(pa.array(keep_N)), np.flatnonzero(keep_N)
        block = self.block._replace(
            columns=kept.of(self.block.columns),
            n_rows=len(row_N),
            place=_KeptRows(self.block.place, np.packbits(keep_N)),
            as_written=kept.as_written(self.block.as_written),
        )
        found, no_row_N = self.found.kept(block, row_N), self.no_row_N[keep_N]
        return Piece(block, self.layout, kept.of(self.cells), kept.of(self.told), found, no_row_N)


class _Kept:
    """Some rows of columns; a column that comes twice stays one object, by which its faults are known."""

    def __init__(self, mask: pa.Array) -> None:
        self.mask = mask
        self._kept: dict[int, pa.Array] = {}

    def of(self, columns: Mapping[str, pa.Array]) -> dict[str, pa.Array]:
        """The rows of each of these columns."""
        return {name: self._rows(column) for name, column in columns.items()}

    def as_written(self, columns: Mapping[int, pa.Array]) -> dict[int, pa.Array]:
        """The rows of columns that are known by the id of what they became."""
        return {id(self._kept[of]): column.filter(self.mask) for of, column in columns.items()}

    def _rows(self, column: pa.Array) -> pa.Array:
        if id(column) not in self._kept:
            self._kept[id(column)] = column.filter(self.mask)
        return self._kept[id(column)]


@dataclass(frozen=True)
class _KeptRows:
    """Where the rows of a block stand of which some were left out; a bit a row, since all blocks are remembered."""

    place: Callable[[int], str]
    keep_N: npt.NDArray[np.uint8]

    def __call__(self, row: int) -> str:
        return self.place(int(np.flatnonzero(np.unpackbits(self.keep_N))[row]))


class Reader:
    """Turns blocks into rows; keeps the names, the faults and the counts that all blocks have in common."""

    def __init__(self, plan: Plan, options: ImportOptions) -> None:
        self.plan, self.options = plan, options
        self.emotions, self.groups = SpelledNames(word_key), SpelledNames(group_key)
        self.partitions, self.names_like_partitions = PartitionValues(options), NamesLikePartitions()
        self.left_out = LeftOut()
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
        piece, text = self._labelled(_piece(block, layout, self.plan, self.options))
        self._check_one_video(piece)
        image, any_suffix = self._images(piece)
        columns = {
            "image": image,
            HASH: hash_names(image),
            ANY_SUFFIX: any_suffix,
            EMOTION: self._emotions(piece, text),
        }
        if GROUP in self.plan.roles:
            columns[GROUP] = self._groups(piece)
        if PARTITION in self.plan.roles:
            columns[PARTITION] = self._partitions(piece)
        columns |= self._aus(piece)
        self.faults.add_block(piece.found)
        self.places.add(piece.block)
        self._check_emotions(layout)
        schema = self.schema()
        return pa.record_batch([columns[name] for name in schema.names], schema=schema)

    def check_left_out(self) -> None:
        """RafceError: emotions to drop that no row has, or rows of which all were left out."""
        kept, n_rows = self.emotions.names(), self.left_out.n_rows
        check_dropped(self.plan.rules, self.left_out, kept)
        if n_rows and not kept:
            where = self.plan.layouts[0].table.path
            raise LabelError(f"{where}: expected rows with an emotion, found none: {n_rows} were left out")

    def _labelled(self, piece: Piece) -> tuple[Piece, pa.Array]:
        """The rows that are imported, with what stands for the emotion of each; the rows left out are counted."""
        cells = piece.cells[EMOTION] if EMOTION in piece.cells else piece.told[EMOTION]
        text = pc.if_else(pa.array(piece.no_row_N), pa.scalar(None, pa.string()), texts(cells))
        judged = self.plan.rules.judge(text)
        left_N = judged.are(DROPPED)
        if self.options.drops_unlabelled:
            left_N |= judged.are(MISSES)
        self.left_out.add(text, judged, left_N, piece.no_row_N)
        return piece.kept(~left_N), text.filter(pa.array(~left_N))

    def _emotions(self, piece: Piece, text: pa.Array) -> IntArray:
        judged = self.plan.rules.judge(text)
        if self.plan.emotions is None:  # else its lines were checked where they stand
            cells, expected = piece.cells[EMOTION], f"a value for the {EMOTION}"
            check_emotions(cells, judged, expected, piece.found, self.plan.rules)
        return self.emotions.number(judged.name)

    def _groups(self, piece: Piece) -> IntArray:
        number_N = self.groups.number(piece.text(GROUP))
        if GROUP in piece.cells and GROUP in piece.told:
            told_N = self.groups.number(texts(piece.told[GROUP]))
            self._check_agreement(piece, GROUP, number_N != told_N)
        return number_N

    def _partitions(self, piece: Piece) -> pa.Array:
        text = piece.text(PARTITION)
        index = self.partitions.index(text)
        wrong = pc.and_(index.is_null(), text.is_valid())
        piece.found.check(wrong, f"one of {', '.join(PARTITIONS)}", text, OTHER_VALUES)
        if PARTITION in piece.cells and PARTITION in piece.told:
            told = self.partitions.index(texts(piece.told[PARTITION]), is_counted=False)
            self._check_agreement(piece, PARTITION, pc.fill_null(pc.not_equal(index, told), False))
        return index

    def _check_agreement(self, piece: Piece, role: str, wrong: BoolArray | pa.Array) -> None:
        """Note the rows of which the table and the emotions file say different things."""
        assert self.plan.emotions is not None
        where, own, told = self.plan.emotions.path, texts(piece.cells[role]), texts(piece.told[role])
        piece.found.note(
            wrong, lambda row: f"expected the {role} {told[row]} as in {where}, found {own[row]}"
        )

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
            self._look_for_partitions(named)
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
        self._look_for_partitions(path)
        naming = self.plan.naming
        named = naming.images(path)
        self.cut_folders |= not naming.keep_folders and not named.equals(path)
        piece.found.check(pc.invert(naming.fits(named)), naming.expected, path)
        return named

    def _look_for_partitions(self, image: pa.Array) -> None:
        if PARTITION not in self.plan.roles:
            self.names_like_partitions.look(image)

    def _aus(self, piece: Piece) -> dict[str, pa.Array]:
        """The states of each AU; of rows without a face, or not sure enough of it, all are unknown."""
        n_rows = piece.block.n_rows
        unseen_N = self._failed(piece) | self._unsure(piece)
        columns = {au_column(au): pa.nulls(n_rows, pa.bool_()) for au in self.plan.aus}
        for meaning in piece.layout.aus:
            cell = piece.block.columns[meaning.column]
            states = au_states(cell, meaning, self.plan.unknown)
            expected = f"{meaning.expected} in column {meaning.column}"
            wrong_N = states.wrong_N & ~unseen_N
            hint = NEEDS_ANOTHER if wrong_N.any() and has_decimal_commas(cell) else self._au_hint(meaning)
            piece.found.check(wrong_N, expected, cell, hint)
            columns[au_column(meaning.au)] = pa.array(states.active_N, mask=~states.known_N | unseen_N)
        self.n_blank += int(np.logical_and.reduce([column.is_null() for column in columns.values()]).sum())
        return columns

    def _au_hint(self, meaning: AuColumn) -> str:
        """What may help where a value is outside the range of its column."""
        graded = "--au-threshold X takes intensities from 0 to 5 or A to E"
        wider = "--au-range LOW,HIGH takes another range"
        more = (wider if meaning.threshold is not None else graded) if self.options.source == "table" else ""
        return f"(--unknown 9,… names codes that mean unknown{more and '; '}{more})"

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


def _piece(block: Block, layout: Layout, plan: Plan, options: ImportOptions) -> Piece:
    """A block with what the emotions file says of its rows; a row that it does not have is a fault or left out."""
    found, emotions, naming = BlockFaults(block), plan.emotions, plan.naming
    cells = {role: _cell(name, block, layout, naming) for role, name in layout.roles.items()}
    if emotions is None:
        return Piece(block, layout, cells, {}, found, np.zeros(block.n_rows, bool))
    keys = {
        key: key_column(key, _cell(name, block, layout, naming), found, naming)
        for key, name in layout.keys.items()
    }
    row_N = emotions.find(keys)
    if not options.drops_unlabelled:
        expected = f"expected a row of {emotions.path} with"
        lacking_N = (row_N < 0) & ~found.wrong_rows()  # of a row without a key the key is the fault
        found.note(lacking_N, lambda row: f"{expected} {described(keys, row)}, found none", UNLABELLED)
    return Piece(block, layout, cells, emotions.take(row_N), found, row_N < 0)


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
