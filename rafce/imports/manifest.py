"""The manifest of an imported dataset: inputs, options and counts, in the shape of `rafce build`'s."""

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, NamedTuple

import rafce
from rafce.dataset import MANIFEST_SCHEMA
from rafce.grouped import GroupTally
from rafce.images import ImageFolder
from rafce.imports.files import count_texts
from rafce.imports.notes import import_notes, reading_notes
from rafce.imports.options import DEFAULT_SPLIT, ImportOptions
from rafce.imports.plan import Plan
from rafce.imports.rows import Reader
from rafce.schema import PARTITIONS, Vocabulary, au_column
from rafce.streaming import Tally

Json = dict[str, Any]


class Imported(NamedTuple):
    """What was read and counted."""

    plan: Plan
    reader: Reader
    inputs: Json
    words: Vocabulary
    tally: Tally
    groups: GroupTally | None
    images: ImageFolder | None
    missing: Sequence[str]
    n_carved: int


def manifest_of(imported: Imported, options: ImportOptions) -> Json:
    """Inputs, options and the counts at every step: no clock time, no output path."""
    is_split = "partition" not in imported.plan.roles
    names = (
        *(
            "emotion_column",
            "emotion_names",
            "unknown_emotion",
            "drop_emotions",
            "unlabelled",
            "image_column",
        ),
        *("au_columns", "au_threshold", "au_range", "unknown", "min_confidence", "group_column"),
        *("partition_column", "partition_values"),
    )
    counts = _counts(imported, options)
    split = (options.split or DEFAULT_SPLIT) if is_split else None
    return {
        "schema": MANIFEST_SCHEMA,
        "inputs": imported.inputs,
        "options": {
            **{name: getattr(options, name) for name in names},
            "split": split,
            "seed": options.seed if is_split or imported.n_carved else None,
            "keep_folders": options.keep_folders,
            "allow_missing_images": options.allow_missing_images,
        },
        "images": {
            "root": str(imported.images.root) if imported.images else None,
            "suffix": imported.images.suffix if imported.images else "",
            "missing": list(imported.missing),
        },
        "counts": counts,
        "notes": reading_notes(imported.inputs, counts)
        + import_notes(imported.plan, imported.reader, imported.tally, imported.n_carved, options),
        "official": None,
        "licence": options.licence,
        "versions": {name: version(name) for name in ("numpy", "pyarrow", "scipy")}
        | {"rafce": rafce.__version__},
    }


def together(files: Sequence[Json]) -> Json:
    """The fingerprint of one file, or of many: the SHA-256 of their lines `SHA-256, two blanks, name`, and each."""
    if len(files) == 1:
        return files[0]
    lines = "".join(f"{file['sha256']}  {file['file']}\n" for file in files)
    return {
        "file": f"{len(files)} files",
        "sha256": hashlib.sha256(lines.encode()).hexdigest(),
        "lines": sum(file["lines"] for file in files),
        "files": list(files),
    }


def _counts(imported: Imported, options: ImportOptions) -> Json:
    reader, emotions = imported.reader, imported.plan.emotions
    images_PE, n_rows = imported.tally.images_PE, reader.places.n_rows
    known_A = imported.tally.known_PEA.sum((0, 1)).tolist()
    return {
        "input_lines": {role: entry["lines"] for role, entry in imported.inputs.items() if role != "lab"},
        "kept": n_rows,
        "discarded": {},
        "left_out": {
            "unlabelled": reader.left_out.unlabelled.total(),
            "dropped_emotions": reader.left_out.dropped.total(),
        },
        "carved_validation": imported.n_carved,
        "failed_frames": reader.n_failed,
        "faceless_tables": reader.n_faceless,
        "empty_tables": reader.n_empty,
        "texts_not_read": count_texts(options.inputs),
        "low_confidence": reader.n_unsure,
        "without_aus": reader.n_blank,
        "emotions_unused": 0 if emotions is None else int((~emotions.is_used_M).sum()),
        "unknown": {
            au_column(au): n_rows - known for au, known in zip(imported.words.aus, known_A, strict=True)
        },
        "groups": _groups(imported.groups),
        "partitions": {
            name: {partition: int(images_PE[p, e]) for p, partition in enumerate(PARTITIONS)}
            for e, name in enumerate(imported.words.emotions)
        },
    }


def _groups(groups: GroupTally | None) -> dict[str, int] | None:
    """How many groups each partition has; None without groups."""
    if groups is None:
        return None
    return {partition: int((groups.partition_G == partition).sum()) for partition in PARTITIONS}
