"""A dataset folder as the trainer knows it: arrays from its Parquet files and their metadata, images by name."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from rafce.errors import DatasetError, ImageError, TrainingError, raise_all
from rafce.schema import (
    PARTITIONS,
    SCOPES,
    Vocabulary,
    au_column,
    au_statistics_schema,
    check_schema,
    lab_statistics_schema,
    samples_schema,
)

# N images, K emotions, A action units, S scopes
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]

SAMPLES, AU_STATISTICS, LAB_STATISTICS = "samples", "au_statistics", "lab_statistics"
MANIFEST = "manifest.json"
OBSERVED = ("prototypical", "variant")
OBSERVED_FROM_PERCENT = 20.0
SUFFIXES = ("", "_aligned")


@dataclass(frozen=True)
class Statistics:
    """How often each AU is active per emotion over one scope: all that a prior is made from."""

    n_K: IntArray
    """Images of each emotion."""
    n_KA: IntArray
    """Images of each emotion in which the AU is known."""
    count_KA: IntArray
    """Images of each emotion in which the AU is active."""
    observed_KA: BoolArray
    """Where the AU is prototypical or variant: at least 20 % (section 3.2)."""


@dataclass(frozen=True, eq=False)  # arrays have no single truth value to compare by
class TrainingData:
    """The labels of a dataset folder, a row an image, with the statistics that come with it."""

    folder: Path
    emotions: tuple[str, ...]
    aus: tuple[int, ...]
    names: tuple[str, ...]
    partition_N: npt.NDArray[np.str_]
    emotion_N: IntArray
    au_NA: FloatArray
    """1 active, 0 inactive, NaN unknown."""
    statistics: Mapping[str, Statistics]
    """Per scope: all, train, validation, test."""
    lab_percent_KA: npt.NDArray[np.float64]
    """Percentages of the laboratory table, 0 where it is blank."""
    fingerprint: str
    """SHA-256 over the folder's Parquet files."""

    @property
    def lab_observed_KA(self) -> BoolArray:
        """Where the laboratory table has the AU at 20 % or more; false throughout when that table is empty."""
        observed_KA: BoolArray = self.lab_percent_KA >= OBSERVED_FROM_PERCENT
        return observed_KA

    def rows(self, partition: str) -> IntArray:
        """Row numbers of the images in a partition, rising."""
        return np.flatnonzero(self.partition_N == partition)

    def emotion_counts(self, partition: str) -> IntArray:
        """Images per emotion in a partition, shape (K,)."""
        return np.bincount(self.emotion_N[self.rows(partition)], minlength=len(self.emotions))

    def au_positives(self, partition: str) -> IntArray:
        """Images per AU in which it is active in a partition, shape (A,)."""
        positives_A: IntArray = np.count_nonzero(self.au_NA[self.rows(partition)] == 1, axis=0)
        return positives_A

    def keep(self, good_N: BoolArray) -> "TrainingData":
        """The same data without the rows where `good_N` is false; statistics and fingerprint stay the folder's."""
        names = tuple(name for name, good in zip(self.names, good_N, strict=True) if good)
        arrays = {name: getattr(self, name)[good_N] for name in ("partition_N", "emotion_N", "au_NA")}
        return replace(self, names=names, **arrays)


def read_data(folder: Path) -> TrainingData:
    """Read a dataset folder; DatasetError when it is absent, incomplete, inconsistent or of another version."""
    if not folder.is_dir():
        raise DatasetError(f"{folder}: expected a dataset folder (make one with `rafce build`), found none")
    tables = {kind: _Table.open(folder, kind) for kind in (SAMPLES, AU_STATISTICS, LAB_STATISTICS)}
    words = tables[SAMPLES].words
    if any(table.words != words for table in tables.values()):
        raise DatasetError(f"{folder}: its files do not agree on emotions and AUs; build the dataset again")
    labels = _read_samples(tables[SAMPLES])
    images_SK = _images_by_scope(labels, len(words.emotions))
    return TrainingData(
        folder=folder,
        emotions=words.emotions,
        aus=words.aus,
        **labels,
        statistics=_read_statistics(tables[AU_STATISTICS], images_SK),
        lab_percent_KA=_read_lab(tables[LAB_STATISTICS]),
        fingerprint=_fingerprint(folder),
    )


def find_images(data: TrainingData, images: Path | None = None) -> list[Path]:
    """Where each image should lie: in the folder that the dataset names, or in `images`, under one suffix for all.

    Of NAME.jpg, NAME_aligned.jpg and what the dataset says, the form that finds most images; those that are missing
    are left to whoever opens them. ImageError when there is no folder, or none of the images is in it.
    """
    root, suffix = _image_root(data.folder)
    root = images or root
    if root is None:
        raise ImageError(f"{data.folder}: built from labels alone; expected --images DIR")
    if not root.is_dir():
        raise ImageError(f"{root}: expected a folder of images, found none; --images DIR names another")
    candidates = [_paths(root, data.names, form) for form in dict.fromkeys((suffix, *SUFFIXES))]
    found = [sum(path.is_file() for path in paths) for paths in candidates]
    if not max(found):
        example, aligned = (_paths(root, data.names[:1], form)[0].name for form in SUFFIXES)
        raise ImageError(
            f"{root}: expected images such as {example} or {aligned}, found none of {len(data.names)}"
        )
    return candidates[found.index(max(found))]


def read_manifest(folder: Path) -> dict[str, Any]:
    """`manifest.json`: what the dataset was made from, and how; DatasetError when there is none."""
    path = folder / MANIFEST
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise DatasetError(f"{path}: expected the manifest of a dataset: {error.strerror}") from None
    except (ValueError, TypeError):
        raise DatasetError(f"{path}: expected the manifest of a dataset as JSON") from None


def training_warnings(data: TrainingData, learns_aus: bool) -> list[str]:
    """What a user should know before the first step, a sentence each.

    TrainingError when a partition is empty, or AUs are to be learned and none is active in a training image.
    """
    empty = [partition for partition in PARTITIONS if not len(data.rows(partition))]
    raise_all([f"{data.folder}: no image in partition {partition}" for partition in empty], TrainingError)
    absent = [name for name, n in zip(data.emotions, data.emotion_counts("train"), strict=True) if not n]
    warnings = [f"no training image of {', '.join(absent)}: never predicted"] if absent else []
    if not learns_aus:
        return warnings
    positives_A = data.au_positives("train")
    if not positives_A.any():
        raise TrainingError(
            f"{data.folder}: no AU is active in any training image, nothing to learn AUs from"
        )
    silent = [au_column(au) for au, positives in zip(data.aus, positives_A, strict=True) if not positives]
    if silent:
        warnings.append(f"no training image with {', '.join(silent)}: left out of the AU macro-F1")
    return warnings


@dataclass(frozen=True)
class _Table:
    """An open Parquet file of the dataset folder, its schema checked."""

    path: Path
    file: Any
    words: Vocabulary

    @classmethod
    def open(cls, folder: Path, kind: str) -> "_Table":
        path = folder / f"{kind}.parquet"
        try:
            file = pq.ParquetFile(path)
        except FileNotFoundError:
            raise DatasetError(f"{path}: expected a file of a dataset folder, found none") from None
        except (pa.ArrowException, OSError, ValueError) as error:
            raise DatasetError(f"{path}: expected a Parquet file: {error}") from None
        return cls(path, file, check_schema(file.schema_arrow.metadata, kind, path))

    def columns(self, expected: pa.Schema, *names: str) -> dict[str, pa.ChunkedArray]:
        """These columns by name; DatasetError when one is absent, of another type, or null where it may not be."""
        found = self.file.schema_arrow
        types = {name: found.field(name).type if name in found.names else "none" for name in names}
        wrong = [name for name in names if types[name] != expected.field(name).type]
        faults = [
            f"{self.path}: column {n}: expected {expected.field(n).type}, found {types[n]}" for n in wrong
        ]
        raise_all(faults, DatasetError)
        try:
            table = self.file.read(columns=list(names))
            table.validate(full=True)
        except (pa.ArrowException, OSError) as error:
            raise DatasetError(f"{self.path}: cannot be read: {error}") from None
        nulls = [name for name in names if table[name].null_count and not expected.field(name).nullable]
        raise_all([f"{self.path}: column {name}: expected no null" for name in nulls], DatasetError)
        return {name: table[name] for name in names}

    def positions(self, values: Sequence[Any], known: Sequence[Any], what: str) -> IntArray:
        """Where each value stands among the known ones; DatasetError names those that are not among them."""
        place = {value: position for position, value in enumerate(known)}
        foreign = sorted({str(value) for value in values if value not in place})
        raise_all([f"{self.path}: unknown {what} {value}" for value in foreign], DatasetError)
        return np.array([place[value] for value in values], dtype=np.int64)


def _read_samples(table: _Table) -> dict[str, Any]:
    columns = [au_column(au) for au in table.words.aus]
    schema = samples_schema(table.words, ())
    samples = table.columns(schema, "image", "partition", "emotion_id", *columns)
    names, partitions = samples["image"].to_pylist(), samples["partition"].to_pylist()
    raise_all([f"{table.path}: {fault}" for fault in _name_faults(names)], DatasetError)
    table.positions(partitions, PARTITIONS, "partition")
    emotion_ids = samples["emotion_id"].to_pylist()
    return {
        "names": tuple(names),
        "partition_N": np.array(partitions, dtype=np.str_),
        "emotion_N": table.positions(emotion_ids, range(len(table.words.emotions)), "emotion_id"),
        "au_NA": _au_states([samples[column] for column in columns], len(names)),
    }


def _name_faults(names: Sequence[str]) -> list[str]:
    if not names:
        return ["expected at least one image, found none"]
    faults = [f"image {name} stands there twice" for name, times in Counter(names).items() if times > 1]
    nameless = [name for name in names if not PurePath(name).name]
    return faults + [f"expected the name of an image, found {name!r}" for name in nameless]


def _au_states(columns: Sequence[pa.ChunkedArray], n_images: int) -> FloatArray:
    au_NA = np.empty((n_images, len(columns)), dtype=np.float32)
    for position, column in enumerate(columns):
        au_NA[:, position] = column.cast(pa.uint8()).cast(pa.float32()).to_numpy()
    return au_NA


def _read_statistics(table: _Table, images_SK: IntArray) -> dict[str, Statistics]:
    schema = au_statistics_schema(table.words)
    columns = table.columns(schema, "scope", "emotion_id", "au", "n", "count", "category")
    shape = (len(SCOPES), len(table.words.emotions), len(table.words.aus))
    place = table.positions(columns["scope"].to_pylist(), SCOPES, "scope")
    emotion = table.positions(columns["emotion_id"].to_pylist(), range(shape[1]), "emotion_id")
    au = table.positions(columns["au"].to_pylist(), table.words.aus, "AU")
    cell = np.ravel_multi_index((place, emotion, au), shape)
    if not np.array_equal(np.sort(cell), np.arange(np.prod(shape))):
        raise DatasetError(
            f"{table.path}: expected one row for each scope, emotion and AU, {np.prod(shape)} in all"
        )
    order_SKA = np.argsort(cell).reshape(shape)
    n, count = (np.asarray(columns[name], dtype=np.int64)[order_SKA] for name in ("n", "count"))
    observed = np.array([category in OBSERVED for category in columns["category"].to_pylist()])[order_SKA]
    return {scope: Statistics(images_SK[i], n[i], count[i], observed[i]) for i, scope in enumerate(SCOPES)}


def _images_by_scope(labels: Mapping[str, Any], n_emotions: int) -> IntArray:
    """Images of each emotion in each scope, shape (S, K)."""
    emotion_N, partition_N = labels["emotion_N"], labels["partition_N"]
    members = [(partition_N == scope) | (scope == "all") for scope in SCOPES]
    return np.stack([np.bincount(emotion_N[member_N], minlength=n_emotions) for member_N in members])


def _read_lab(table: _Table) -> npt.NDArray[np.float64]:
    """Rows about an AU that this dataset does not code (11 in RAF-AU) say nothing here."""
    columns = table.columns(lab_statistics_schema(table.words), "emotion", "au", "percent")
    emotion = table.positions(columns["emotion"].to_pylist(), table.words.emotions, "emotion")
    percent_KA = np.zeros((len(table.words.emotions), len(table.words.aus)))
    au_of_row, percent_of_row = columns["au"].to_pylist(), columns["percent"].to_pylist()
    for row, au, percent in zip(emotion, au_of_row, percent_of_row, strict=True):
        if au in table.words.aus:
            percent_KA[row, table.words.aus.index(au)] = percent
    return percent_KA


def _fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.parquet")):
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _image_root(folder: Path) -> tuple[Path | None, str]:
    """The manifest's folder of images, if it names one, and what follows the name there."""
    try:
        images = read_manifest(folder)["images"]
        return (Path(images["root"]) if images["root"] is not None else None), str(images["suffix"])
    except (KeyError, TypeError):
        raise DatasetError(f"{folder / MANIFEST}: expected JSON with images: root and suffix") from None


def _paths(root: Path, names: Sequence[str], suffix: str) -> list[Path]:
    """0001.jpg with suffix _aligned is root/0001_aligned.jpg; folders in a name are kept."""
    pure = [PurePath(name) for name in names]
    return [root / name.with_name(f"{name.stem}{suffix}{name.suffix}") for name in pure]
