"""Tables of other programs to the dataset folder: read once, block by block, then written whole or not at all."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from rafce.build import WHAT, is_dataset_folder
from rafce.dataset import MANIFEST, manifest_with_digest
from rafce.errors import LabelError, raise_all
from rafce.folder import check_replaceable, replacing_folder
from rafce.grouped import GroupTally, count_groups
from rafce.images import ImageFolder, check_inside, find_in, missing_images, require_images
from rafce.imports.files import Block, Ragged, examined, read_blocks
from rafce.imports.manifest import Imported, manifest_of, together
from rafce.imports.options import DEFAULT_SPLIT, ImportOptions
from rafce.imports.plan import Layout, Plan, make_plan
from rafce.imports.repeats import check_repeats
from rafce.imports.rows import ANY_SUFFIX, Reader
from rafce.imports.samples import ONE_FILE_ROWS, emotion_order, make_labels, write_samples
from rafce.imports.spool import Spool
from rafce.imports.suffixes import with_suffixes_on_disk
from rafce.parquet import write_parquet
from rafce.parts import find_samples
from rafce.reference import read_lab_table
from rafce.schema import (
    Vocabulary,
    au_statistics_schema,
    discarded_schema,
    lab_statistics_schema,
    samples_path,
)
from rafce.split import parse_split
from rafce.streaming import Tally, count_aus, count_here, counts_by_scope
from rafce.tables import au_statistics_table, discarded_table, lab_statistics_table

SPOOL, NAMED, SORTED = "rows.arrow", "named.arrow", "sorted.arrow"

SEVERAL_FACES = (
    "(several faces of a frame or an image are not told apart: keep one row of each in the table, such as the one with "
    "the highest confidence; several videos in one table need a column `video` or `input`)"
)
NO_FRAME = (
    "(a table without a column `image` or `frame` is of one image, called after its file; the rows of a video need a "
    "column `frame`)"
)
IN_ANY_SUFFIX = "(images that no table names were looked for with every suffix)"
CUT_OFF = (
    "(an image is called by the last part of its path; --keep-folders tells s1/1.jpg from s2/1.jpg, and --images DIR "
    "makes absolute paths below DIR relative)"
)

ANY_TABLE = "table"  # of which nobody knows what it means to have no rows

Progress = Callable[[int, int], None]
Json = dict[str, Any]


def import_dataset(options: ImportOptions, progress: Progress = lambda _done, _total: None) -> Json:
    """Make the dataset folder `options.out` and return its manifest; RafceError leaves nothing behind.

    `progress` is told how many bytes of how many were read. Rows are sorted by image where all of them fit into one
    file (`ONE_FILE_ROWS`); beyond that they stay in the order of the files.
    """
    check_replaceable(options.out, is_dataset_folder, WHAT)
    parse_split(options.split or DEFAULT_SPLIT)
    before = _states(options.emotions, options.lab)
    plan = make_plan(options)
    with replacing_folder(options.out, is_dataset_folder, WHAT) as folder:
        manifest = manifest_with_digest(_import(options, plan, folder, progress))
        _check_unchanged(before)
        text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
        (folder / MANIFEST).write_text(text, encoding="utf-8")
    return manifest


def _import(options: ImportOptions, plan: Plan, folder: Path, progress: Progress) -> Json:
    """Read all rows, check them, write every table; the manifest."""
    reader, spool, inputs = _read(options, plan, folder, progress)
    images, missing = _find_images(options, spool)
    emotions, groups = reader.emotions.names(), reader.groups.names()
    words = Vocabulary(emotion_order(emotions), plan.aus)
    shares = parse_split(options.split or DEFAULT_SPLIT)
    labels = make_labels(spool, emotions, groups, words, shares, options.seed)
    write_samples(spool, labels, words, folder)
    spool.remove()
    tally, group_tally = _write_statistics(options, words, folder)
    imported = Imported(plan, reader, inputs, words, tally, group_tally, images, missing, labels.n_carved)
    return manifest_of(imported, options)


def _read(options: ImportOptions, plan: Plan, folder: Path, progress: Progress) -> tuple[Reader, Spool, Json]:
    """All rows, in a fixed order, with the fingerprints of the files; LabelError: whatever is wrong with a row."""
    reader, prints = Reader(plan, options), list[Json]()
    spool = Spool(folder / SPOOL, reader.schema())
    spool.write(_batches(plan, reader, prints, progress))
    reader.faults.raise_all()
    reader.check_left_out()
    if not spool.n_rows:
        tables = f"{plan.layouts[0].table.path}" + (" and the others" if len(plan.layouts) > 1 else "")
        raise LabelError(f"{tables}: expected rows below the names of the columns, found none")
    if options.images is not None:
        spool = with_suffixes_on_disk(spool, options.images, folder / NAMED)
    if options.source == ANY_TABLE:
        others = [NO_FRAME] * any(layout.is_one_image for layout in plan.layouts)
    else:
        others = [SEVERAL_FACES]
    hints = [CUT_OFF] * reader.cut_folders + others
    check_repeats(spool, reader.places, "\n".join(hints))
    return reader, _in_order(spool, folder), {options.source: together(prints), **plan.prints}


def _batches(plan: Plan, reader: Reader, prints: list[Json], progress: Progress) -> Iterator[pa.RecordBatch]:
    """The rows of all files, one after the other; their fingerprints go to `prints`, faults to the reader."""
    sizes = [layout.table.path.stat().st_size for layout in plan.layouts]
    done, total = 0, sum(sizes)
    for layout, size in zip(plan.layouts, sizes, strict=True):
        ragged, n_rows = list[Ragged](), 0
        before = _states(layout.table.path)
        table, found = examined(layout.table)
        prints.append(found)
        for block in read_blocks(table, layout.columns, ragged, layout.numbers, layout.whole):
            yield reader.rows(block, layout)
            n_rows += block.n_rows
            if block.as_written:
                found["dialect"] = table.dialect.in_words(has_decimal_comma=True)
            progress(done + block.n_bytes, total)
        for line in ragged:
            reader.faults.add(line.fault, line.hint)
        if not n_rows and not ragged:
            yield from _without_rows(reader, layout)
        _check_unchanged(before)
        done += size


def _without_rows(reader: Reader, layout: Layout) -> Iterator[pa.RecordBatch]:
    """What a table without rows stands for: an image in which its program found no face, or a video without any."""
    path = layout.table.path
    if reader.options.source == ANY_TABLE:
        raise LabelError(f"{path}: expected rows below the names of the columns, found none")
    if layout.is_one_image:
        nothing = pa.nulls(1, pa.string())
        columns = dict.fromkeys(layout.columns, nothing)
        yield reader.rows(Block(columns, 1, lambda _row: str(path), 0, without_face=True), layout)
    else:
        reader.n_empty += 1


def _states(*paths: Path | None) -> dict[Path, tuple[int, int, int]]:
    """What changes when files are written to or replaced; files that are not there have no state."""
    found = {path: path.stat() for path in paths if path is not None and path.exists()}
    return {path: (stat.st_ino, stat.st_size, stat.st_mtime_ns) for path, stat in found.items()}


def _check_unchanged(before: Mapping[Path, tuple[int, int, int]]) -> None:
    """LabelError where a file is another than it was: tables of any size are read twice, for rows and fingerprint."""
    changed = [path for path, state in before.items() if _states(path).get(path) != state]
    raise_all(
        [f"{path}: was written to while it was read; try again when it is finished" for path in changed]
    )


def _in_order(spool: Spool, folder: Path) -> Spool:
    if spool.n_rows > ONE_FILE_ROWS:
        return spool
    in_order = spool.sorted_by("image", folder / SORTED)
    spool.remove()
    return in_order


def _find_images(options: ImportOptions, spool: Spool) -> tuple[ImageFolder | None, list[str]]:
    """The folder of the images, if one is named, and the images that it lacks."""
    if options.images is None:
        return None, []
    found = find_in(options.images, _image_names(spool))
    check_inside(found.root, map(found.file_name, _image_names(spool)))
    missing = missing_images(found, _image_names(spool))
    if not options.allow_missing_images:
        made_up = any(pc.any(batch.column(0)).as_py() for batch in spool.read([ANY_SUFFIX]))
        require_images(found, missing, spool.n_rows, IN_ANY_SUFFIX if made_up else "")
    return found, missing


def _image_names(spool: Spool) -> Iterator[str]:
    return (name for batch in spool.read(["image"]) for name in batch.column(0).to_pylist())


def _write_statistics(
    options: ImportOptions, words: Vocabulary, folder: Path
) -> tuple[Tally, GroupTally | None]:
    """Write the tables beside the samples; the counts that they were made from."""
    samples = find_samples(samples_path(folder))
    tally = count_here(count_aus, samples)
    groups = count_groups(samples) if options.group_column is not None else None
    counts = counts_by_scope(tally, samples.grid)
    lab = () if options.lab is None else read_lab_table(options.lab, words.emotions)
    tables = {
        "discarded": (discarded_table([]), discarded_schema(words, ())),
        "au_statistics": (
            au_statistics_table(counts, words, groups),
            au_statistics_schema(words, grouped=groups is not None),
        ),
        "lab_statistics": (lab_statistics_table(lab), lab_statistics_schema(words)),
    }
    for name, (table, schema) in tables.items():
        write_parquet(table, schema, folder / f"{name}.parquet")
    return tally, groups
