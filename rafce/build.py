"""Label files to the dataset folder: read, join, split, count, write, atomically and byte-identically."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import rafce
from rafce.compounds import TIE_POLICIES
from rafce.dataset import MANIFEST, MANIFEST_SCHEMA, TABLES, manifest_with_digest
from rafce.errors import ConfigError, RafceError
from rafce.folder import check_replaceable, names_in, replacing_folder
from rafce.formats.lines import ReadOnce, check_same_spelling
from rafce.formats.raf_au import AuRow, find_raf_au, read_raf_au
from rafce.formats.raf_ce import AU_FILE, EMOTION_FILE, PARTITION_FILE, OfficialRow, read_raf_ce
from rafce.formats.raf_ml import EmotionRow, find_raf_ml, read_raf_ml
from rafce.images import ImageFolder, check_inside, find_beside, find_in, missing_images, require_images
from rafce.joining import REASONS, Joined, Sample, describe, join, join_official_alone
from rafce.licences import RAF
from rafce.parquet import write_parquet
from rafce.reference import LabCell, lab_cells, read_lab_table
from rafce.schema import (
    PARTITIONS,
    SAMPLES_PLACES,
    Vocabulary,
    au_statistics_schema,
    discarded_schema,
    lab_statistics_schema,
    samples_schema,
)
from rafce.split import parse_split, stratified_split
from rafce.tables import (
    au_matrix,
    au_statistics_table,
    counts_by_scope,
    discarded_table,
    lab_statistics_table,
    samples_table,
)
from rafce.taxonomy import AUS, BASIC_EMOTIONS, COMPOUND_EMOTIONS

WHAT = "dataset folder"
WRITTEN = {MANIFEST, *SAMPLES_PLACES, *(f"{name}.parquet" for name in TABLES), "reports"}
"""What a dataset folder may hold and still be replaced: what commands write there."""
RAFCE_WORDS = Vocabulary(COMPOUND_EMOTIONS, AUS)


@dataclass(frozen=True)
class BuildOptions:
    """What `rafce build` was asked for; paths are label files or release folders."""

    raf_ml: Path | None = None
    raf_au: Path | None = None
    raf_ce: Path | None = None
    out: Path = Path("rafce-data")
    ties: str = "first"
    null_au: str = "negative"
    images: Path | None = None
    allow_missing_images: bool = False
    split: str = "60/20/20"
    seed: int = 0
    lab: Path | None = None

    def __post_init__(self) -> None:
        """ConfigError for a combination of inputs that names no dataset."""
        if self.ties not in TIE_POLICIES:
            raise ConfigError(f"--ties: expected one of {', '.join(TIE_POLICIES)}, found {self.ties!r}")
        if (self.raf_ml is None) != (self.raf_au is None):
            raise ConfigError("expected --raf-ml and --raf-au together, found one of them")
        if self.raf_ml is None and self.raf_ce is None:
            raise ConfigError("expected --raf-ml and --raf-au, or --rafce, found none of them")


def build_dataset(options: BuildOptions) -> dict[str, Any]:
    """Build the dataset folder `options.out` and return its manifest; RafceError leaves nothing behind."""
    check_replaceable(options.out, is_dataset_folder, WHAT)
    shares = parse_split(options.split)
    read = ReadOnce()
    joined = _join(options, read)
    samples = _with_partitions(joined.samples, shares, options.seed)
    cells = lab_cells() if options.lab is None else read_lab_table(options.lab, read=read)
    image_folder, missing = _find_images(options, samples)
    tables = _tables(samples, joined, cells)
    inputs = {role: _fingerprint(path, read(path)) for role, path in _input_files(options).items()}
    manifest = manifest_with_digest(_manifest(options, inputs, joined, samples, image_folder, missing))
    with replacing_folder(options.out, is_dataset_folder, WHAT) as folder:
        for name, (table, schema) in tables.items():
            write_parquet(table, schema, folder / f"{name}.parquet")
        text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
        (folder / MANIFEST).write_text(text, encoding="utf-8")
    return manifest


def is_dataset_folder(folder: Path) -> bool:
    """Whether a folder is a dataset folder of any schema version, holds nothing else, and so may be replaced."""
    path = folder / MANIFEST
    try:
        if names_in(folder) - WRITTEN:
            return False
        return str(json.loads(path.read_text(encoding="utf-8"))["schema"]).startswith("manifest/")
    except (OSError, ValueError, TypeError, KeyError):
        return False


def _join(options: BuildOptions, read: ReadOnce) -> Joined:
    official = None if options.raf_ce is None else read_raf_ce(options.raf_ce, read)
    if options.raf_ml is None or options.raf_au is None:
        assert official is not None
        joined = join_official_alone(official, options.null_au)
    else:
        emotion_rows = read_raf_ml(find_raf_ml(options.raf_ml), read)
        au_rows = read_raf_au(find_raf_au(options.raf_au), read)
        check_same_spelling(_names(options, emotion_rows, au_rows, official))
        joined = join(emotion_rows, au_rows, official, options.ties, options.null_au)
    if not joined.samples:
        reasons = Counter(discard.reason for discard in joined.discards)
        raise RafceError(f"expected images with a class, found none: {_listed(reasons)}")
    return joined


def _names(
    options: BuildOptions,
    emotion_rows: Sequence[EmotionRow],
    au_rows: Sequence[AuRow],
    official: Sequence[OfficialRow] | None,
) -> dict[Path, list[str]]:
    """The images of each label file."""
    assert options.raf_au is not None
    assert options.raf_ml is not None
    files: dict[Path, Sequence[AuRow | EmotionRow | OfficialRow]] = {
        find_raf_au(options.raf_au): au_rows,
        find_raf_ml(options.raf_ml): emotion_rows,
    }
    if options.raf_ce is not None and official is not None:
        files[options.raf_ce / EMOTION_FILE] = official
    return {path: [row.image for row in rows] for path, rows in files.items()}


def _listed(reasons: Counter[str]) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in reasons.most_common())


def _with_partitions(samples: list[Sample], shares: Sequence[float], seed: int) -> list[Sample]:
    """The official partitions where there are any, else a stratified split."""
    if samples[0].partition is not None:
        return samples
    emotion_N = np.array([sample.emotion_id for sample in samples])
    partition_N = stratified_split(emotion_N, shares, seed)
    return [sample._replace(partition=name) for sample, name in zip(samples, partition_N, strict=True)]


def _find_images(options: BuildOptions, samples: list[Sample]) -> tuple[ImageFolder | None, list[str]]:
    """The image folder, if any is known, and the kept images that it lacks."""
    names = [sample.image for sample in samples]
    folder = find_in(options.images, names) if options.images else None
    for label_file in _input_files(options).values():
        folder = folder or find_beside(label_file, names)
    missing = missing_images(folder, names) if folder else []
    if folder:
        check_inside(folder.root, map(folder.file_name, names))
    if folder and not options.allow_missing_images:
        require_images(folder, missing, len(names))
    return folder, missing


def _input_files(options: BuildOptions) -> dict[str, Path]:
    """Every label file that was read, by role; RAF-AU first, since its folder holds the aligned images."""
    files = {}
    if options.raf_au:
        files["raf_au"] = find_raf_au(options.raf_au)
    if options.raf_ml:
        files["raf_ml"] = find_raf_ml(options.raf_ml)
    if options.raf_ce:
        files["rafce_emotions"] = options.raf_ce / EMOTION_FILE
        files["rafce_aus"] = options.raf_ce / AU_FILE
        files["rafce_partition"] = options.raf_ce / PARTITION_FILE
    if options.lab:
        files["lab"] = options.lab
    return files


def _tables(samples: list[Sample], joined: Joined, cells: Sequence[LabCell]) -> dict[str, tuple[Any, Any]]:
    words = RAFCE_WORDS
    active_NA = au_matrix(samples, words.aus)
    counts = counts_by_scope(
        np.array([sample.emotion_id for sample in samples]),
        np.array([sample.partition for sample in samples], dtype=object),
        active_NA,
        np.ones_like(active_NA),
        len(words.emotions),
    )
    return {
        "samples": (samples_table(samples, words), samples_schema(words, BASIC_EMOTIONS)),
        "discarded": (discarded_table(joined.discards), discarded_schema(words, BASIC_EMOTIONS)),
        "au_statistics": (au_statistics_table(counts, words), au_statistics_schema(words)),
        "lab_statistics": (lab_statistics_table(cells), lab_statistics_schema(words)),
    }


def _manifest(
    options: BuildOptions,
    inputs: Mapping[str, Any],
    joined: Joined,
    samples: list[Sample],
    images: ImageFolder | None,
    missing: list[str],
) -> dict[str, Any]:
    """Inputs, options and the counts at every step: no clock time, no output path."""
    return {
        "schema": MANIFEST_SCHEMA,
        "inputs": inputs,
        "options": {
            "ties": options.ties,
            "null_au": options.null_au,
            "split": None if options.raf_ce else options.split,
            "seed": None if options.raf_ce else options.seed,
            "allow_missing_images": options.allow_missing_images,
        },
        "images": {
            "root": str(images.root) if images else None,
            "suffix": images.suffix if images else "",
            "missing": missing,
        },
        "counts": _counts(inputs, joined, samples),
        "official": _agreement(joined) if options.raf_ce and options.raf_ml else None,
        "licence": RAF,
        "versions": {name: version(name) for name in ("numpy", "pyarrow", "scipy")}
        | {"rafce": rafce.__version__},
    }


def _fingerprint(path: Path, data: bytes) -> dict[str, Any]:
    n_lines = data.count(b"\n") + (not data.endswith(b"\n"))
    return {"file": path.name, "sha256": hashlib.sha256(data).hexdigest(), "lines": n_lines}


def _counts(inputs: Mapping[str, Any], joined: Joined, samples: list[Sample]) -> dict[str, Any]:
    reasons = Counter(discard.reason for discard in joined.discards)
    cells = Counter((sample.emotion_id, sample.partition) for sample in samples)
    n_lines = {role: entry["lines"] for role, entry in inputs.items() if role != "lab"}
    return {
        "input_lines": n_lines,
        "joined": joined.n_joined,
        "kept": len(samples),
        "tied": None if "raf_ml" not in inputs else sum(bool(sample.tied) for sample in samples),
        "discarded": {reason: reasons[reason] for reason in REASONS if reasons[reason]},
        "partitions": {
            name: {partition: cells[emotion_id, partition] for partition in PARTITIONS}
            for emotion_id, name in enumerate(COMPOUND_EMOTIONS)
        },
    }


def _agreement(joined: Joined) -> dict[str, Any]:
    """How the mapping compares with the official classes; `differences` holds a line an image."""
    n_official = sum(sample.source == "official" for sample in joined.samples)
    return {
        "agree": n_official - len(joined.differences),
        "differ": len(joined.differences),
        "differences": [describe(difference) for difference in joined.differences],
    }
