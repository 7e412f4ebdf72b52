"""A dataset folder as the trainer knows it: arrays from its Parquet files and their metadata, images by name."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import compress
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from rafce.errors import DatasetError, ImageError, TrainingError, raise_all
from rafce.images import check_inside, check_name
from rafce.licences import UNRECORDED, licence_note
from rafce.reading import check_file, read_file
from rafce.schema import (
    PARTITIONS,
    SCHEMA_KEY,
    SCOPES,
    Vocabulary,
    au_column,
    au_statistics_schema,
    check_schema,
    imported_samples_schema,
    lab_statistics_schema,
    samples_path,
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
    group_N: npt.NDArray[np.str_] | None
    """The video or subject that each image is of, none of them in two partitions; None where each stands for itself."""
    statistics: Mapping[str, Statistics]
    """Per scope: all, train, validation, test."""
    lab_percent_KA: npt.NDArray[np.float64]
    """Percentages of the laboratory table, 0 where it is blank."""
    fingerprint: str
    """SHA-256 over the folder's Parquet files."""
    licence: str = UNRECORDED
    """What the sources of the data allow, in a sentence or two."""

    @cached_property
    def _rows(self) -> dict[str, IntArray]:
        return {partition: np.flatnonzero(self.partition_N == partition) for partition in PARTITIONS}

    @property
    def lab_observed_KA(self) -> BoolArray:
        """Where the laboratory table has the AU at 20 % or more; false throughout when that table is empty."""
        observed_KA: BoolArray = self.lab_percent_KA >= OBSERVED_FROM_PERCENT
        return observed_KA

    def rows(self, partition: str) -> IntArray:
        """Row numbers of the images in a partition, rising."""
        return self._rows[partition]

    def emotion_counts(self, partition: str) -> IntArray:
        """Images per emotion in a partition, shape (K,)."""
        return np.bincount(self.emotion_N[self.rows(partition)], minlength=len(self.emotions))

    def au_positives(self, partition: str) -> IntArray:
        """Images per AU in which it is active in a partition, shape (A,)."""
        positives_A: IntArray = np.count_nonzero(self.au_NA[self.rows(partition)] == 1, axis=0)
        return positives_A

    def au_known(self, partition: str) -> IntArray:
        """Images per AU in which it is known in a partition, shape (A,)."""
        known_A: IntArray = np.count_nonzero(~np.isnan(self.au_NA[self.rows(partition)]), axis=0)
        return known_A

    def groups(self, partition: str) -> npt.NDArray[np.str_] | None:
        """The group of each image of a partition; None in a dataset without groups."""
        return None if self.group_N is None else self.group_N[self.rows(partition)]

    def keep(self, good_N: BoolArray) -> "TrainingData":
        """The same data without the rows where `good_N` is false; statistics and fingerprint stay the folder's."""
        names = tuple(compress(self.names, good_N.tolist()))
        arrays = {name: getattr(self, name)[good_N] for name in ("partition_N", "emotion_N", "au_NA")}
        group_N = None if self.group_N is None else self.group_N[good_N]
        return replace(self, names=names, group_N=group_N, **arrays)


def read_data(folder: Path) -> TrainingData:
    """Read a dataset folder; DatasetError when it is absent, incomplete, inconsistent or of another version."""
    if not folder.is_dir():
        raise DatasetError(
            f"{folder}: expected a dataset folder (make one with `rafce build` or `rafce import`), found none"
        )
    counted, lab = (_Table.open(folder, kind) for kind in (AU_STATISTICS, LAB_STATISTICS))
    samples = _Table.open(folder, SAMPLES, counted.words)
    words = samples.words
    if any(table.words != words for table in (counted, lab)):
        raise DatasetError(f"{folder}: its files do not agree on emotions and AUs; build the dataset again")
    labels = _read_samples(samples)
    statistics = _read_statistics(counted, labels)
    return TrainingData(
        folder=folder,
        emotions=words.emotions,
        aus=words.aus,
        **labels,
        statistics=statistics,
        lab_percent_KA=_read_lab(lab),
        fingerprint=_fingerprint(folder),
        licence=licence_note(read_manifest(folder)),
    )


def find_images(data: TrainingData, images: Path | None = None) -> list[Path]:
    """Where each image should lie: in the folder that the dataset names, or in `images`, under one suffix for all.

    Of NAME.jpg, NAME_aligned.jpg and what the dataset says, the form that finds most images; those that are missing
    are left to whoever opens them. ImageError when there is no folder, or none of the images is in it.
    """
    root, suffix = _image_root(data.folder)
    root = images or root
    if root is None:
        raise ImageError(
            f"{data.folder}: made without images; expected --images DIR, the folder of {data.names[0]} and the others"
        )
    if not root.is_dir():
        raise ImageError(f"{root}: expected a folder of images, found none; --images DIR names another")
    for name in data.names:
        check_name(root, name)
    best, most = list[str](), 0
    for form in dict.fromkeys((suffix, *SUFFIXES)):
        files = [_file_name(name, form) for name in data.names]
        found = _n_there(root, files)
        best, most = (files, found) if found > most else (best, most)
        if most == len(files):
            break
    if not most:
        example, aligned = (_file_name(data.names[0], form) for form in SUFFIXES)
        raise ImageError(
            f"{root}: expected images such as {example} or {aligned}, found none of {len(data.names)}"
        )
    check_inside(root, best)
    return [root / file for file in best]


def read_manifest(folder: Path) -> dict[str, Any]:
    """`manifest.json`: what the dataset was made from, and how; DatasetError when there is none."""
    path = folder / MANIFEST
    try:
        return dict(json.loads(read_file(path).decode("utf-8")))
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
    positives_A, known_A = data.au_positives("train"), data.au_known("train")
    if not positives_A.any():
        raise TrainingError(
            f"{data.folder}: no AU is active in any training image, nothing to learn AUs from"
        )
    columns = np.array([au_column(au) for au in data.aus])
    if len(silent := columns[(known_A > 0) & (positives_A == 0)]):
        warnings.append(f"no training image with {', '.join(silent)}: left out of the AU macro-F1")
    if len(unknown := columns[known_A == 0]):
        warnings.append(
            f"no label of {', '.join(unknown)} in the training images: not learned, and left empty in every prediction"
        )
    return warnings


@dataclass(frozen=True)
class _Table:
    """An open table of the dataset folder, of one Parquet file or of several parts, its schema checked."""

    path: Path
    parts: tuple[tuple[Path, Any], ...]
    words: Vocabulary

    @classmethod
    def open(cls, folder: Path, kind: str, words: Vocabulary | None = None) -> "_Table":
        """`words`: those of parts that other programs wrote, without metadata."""
        path = samples_path(folder) if kind == SAMPLES else folder / f"{kind}.parquet"
        paths = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
        if not paths:
            raise DatasetError(f"{path}: expected a folder of *.parquet files, found none in it")
        parts = tuple((part, _open(part)) for part in paths)
        found = [_words(file.schema_arrow.metadata, kind, part, words) for part, file in parts]
        if len(set(found)) > 1:
            raise DatasetError(f"{path}: its files do not agree on emotions and AUs; build the dataset again")
        return cls(path, parts, found[0])

    def has(self, column: str) -> bool:
        """Whether every part has a column of this name."""
        return all(column in file.schema_arrow.names for _, file in self.parts)

    def columns(self, expected: pa.Schema, *names: str) -> dict[str, pa.ChunkedArray]:
        """These columns by name; DatasetError when one is absent, of another type, or null where it may not be."""
        faults = [
            f"{part}: column {name}: expected {expected.field(name).type}, found {found}"
            for part, file in self.parts
            for name, found in _types(file.schema_arrow, names)
            if not _fits(found, expected.field(name).type)
        ]
        raise_all(faults, DatasetError)
        fields = pa.schema([expected.field(name) for name in names])
        table = pa.concat_tables([_read(part, file, fields) for part, file in self.parts])
        nulls = [name for name in names if table[name].null_count and not expected.field(name).nullable]
        raise_all([f"{self.path}: column {name}: expected no null" for name in nulls], DatasetError)
        return {name: table[name] for name in names}

    def positions(self, column: pa.ChunkedArray, known: Sequence[Any], what: str) -> IntArray:
        """Where each value stands among the known ones; DatasetError names those that are not among them."""
        distinct, distinct_N = _encoded(column)
        place = {value: position for position, value in enumerate(known)}
        foreign = sorted(str(value) for value in distinct if value not in place)
        raise_all([f"{self.path}: unknown {what} {value}" for value in foreign], DatasetError)
        return np.array([place[value] for value in distinct], dtype=np.int64)[distinct_N]


def _open(path: Path) -> Any:
    try:
        check_file(path)
        return pq.ParquetFile(path)
    except FileNotFoundError:
        raise DatasetError(f"{path}: expected a file of a dataset folder, found none") from None
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DatasetError(f"{path}: expected a Parquet file: {error}") from None


def _words(
    metadata: Mapping[bytes, bytes] | None, kind: str, path: Path, instead: Vocabulary | None
) -> Vocabulary:
    if instead is not None and SCHEMA_KEY not in (metadata or {}):
        return instead
    return check_schema(metadata, kind, path)


def _types(schema: pa.Schema, names: Sequence[str]) -> Iterator[tuple[str, object]]:
    for name in names:
        yield name, schema.field(name).type if name in schema.names else "none"


def _fits(found: Any, expected: pa.DataType) -> bool:
    """Whether values of a type can stand for those of another: what other programs write for text, ids and nulls."""
    if found == "none" or found == expected:
        return bool(found == expected)
    if pa.types.is_string(expected):
        plain = found.value_type if pa.types.is_dictionary(found) else found
        return bool(pa.types.is_string(plain) or pa.types.is_large_string(plain))
    if pa.types.is_boolean(expected):
        return bool(pa.types.is_null(found))
    return bool(pa.types.is_integer(expected) and pa.types.is_integer(found))


def _read(path: Path, file: Any, fields: pa.Schema) -> pa.Table:
    try:
        table = file.read(columns=fields.names)
        table.validate(full=True)
        return table.select(fields.names).replace_schema_metadata(None).cast(_nullable(fields))
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from None


def _nullable(fields: pa.Schema) -> pa.Schema:
    """The same columns, ids as wide as any: what may not be null or that large is said later, by its name."""
    return pa.schema(
        [
            pa.field(field.name, pa.int64() if pa.types.is_integer(field.type) else field.type)
            for field in fields
        ]
    )


def _encoded(column: pa.ChunkedArray) -> tuple[list[Any], IntArray]:
    """The different values, and which of them each row has."""
    encoded = column.combine_chunks().dictionary_encode()
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy(zero_copy_only=False)


def _read_samples(table: _Table) -> dict[str, Any]:
    columns = [au_column(au) for au in table.words.aus]
    emotion = "emotion_id" if table.has("emotion_id") else "emotion"
    group = ["group"] if any("group" in file.schema_arrow.names for _, file in table.parts) else []
    schema = imported_samples_schema(table.words, grouped=True, some_unknown=False)
    samples = table.columns(schema, "image", *group, "partition", emotion, *columns)
    names = samples["image"].to_pylist()
    raise_all([f"{table.path}: {fault}" for fault in _name_faults(names)], DatasetError)
    emotions = table.words.emotions
    known = range(len(emotions)) if emotion == "emotion_id" else emotions
    partition_N = table.positions(samples["partition"], PARTITIONS, "partition")
    return {
        "names": tuple(names),
        "partition_N": np.array(PARTITIONS)[partition_N],
        "emotion_N": table.positions(samples[emotion], known, emotion),
        "au_NA": _au_states([samples[column] for column in columns], len(names)),
        "group_N": _read_groups(table.path, samples["group"], partition_N) if group else None,
    }


def _name_faults(names: Sequence[str]) -> list[str]:
    if not names:
        return ["expected at least one image, found none"]
    faults = []
    if len(set(names)) < len(names):
        faults = [f"image {name} stands there twice" for name, times in Counter(names).items() if times > 1]
    suspicious = [
        name for name in names if not name.strip("./")
    ]  # a path of each of a million would take long
    nameless = [name for name in suspicious if not PurePath(name).name]
    return faults + [f"expected the name of an image, found {name!r}" for name in nameless]


def _read_groups(path: Path, column: pa.ChunkedArray, partition_N: IntArray) -> npt.NDArray[np.str_]:
    """The group of each image; DatasetError names those that straddle partitions: their images depend on each other."""
    groups, group_N = _encoded(column)
    n_partitions = len(PARTITIONS)
    pair_n = np.unique(group_N.astype(np.int64) * n_partitions + partition_N)
    straddling, times = np.unique(pair_n // n_partitions, return_counts=True)
    faults = []
    for group in straddling[times > 1]:
        places = [PARTITIONS[pair % n_partitions] for pair in pair_n[pair_n // n_partitions == group]]
        faults.append(f"{path}: group {groups[group]}: expected one partition, found {' and '.join(places)}")
    raise_all(faults, DatasetError)
    return np.array(groups, dtype=np.str_)[group_N]


def _au_states(columns: Sequence[pa.ChunkedArray], n_images: int) -> FloatArray:
    au_NA = np.empty((n_images, len(columns)), dtype=np.float32)
    for position, column in enumerate(columns):
        au_NA[:, position] = column.cast(pa.uint8()).cast(pa.float32()).to_numpy()
    return au_NA


def _read_statistics(table: _Table, labels: Mapping[str, Any]) -> dict[str, Statistics]:
    """The statistics of each scope; DatasetError where they are of other samples: test labels may be in them."""
    schema = au_statistics_schema(table.words)
    columns = table.columns(schema, "scope", "emotion_id", "au", "n", "count", "category")
    shape = (len(SCOPES), len(table.words.emotions), len(table.words.aus))
    place = table.positions(columns["scope"], SCOPES, "scope")
    emotion = table.positions(columns["emotion_id"], range(shape[1]), "emotion_id")
    au = table.positions(columns["au"], table.words.aus, "AU")
    cell = np.ravel_multi_index((place, emotion, au), shape)
    if not np.array_equal(np.sort(cell), np.arange(np.prod(shape))):
        raise DatasetError(
            f"{table.path}: expected one row for each scope, emotion and AU, {np.prod(shape)} in all"
        )
    order_SKA = np.argsort(cell).reshape(shape)
    n, count = (np.asarray(columns[name], dtype=np.int64)[order_SKA] for name in ("n", "count"))
    images_SK, n_SKA, count_SKA = _counts_by_scope(labels, shape[1])
    if not (np.array_equal(n, n_SKA) and np.array_equal(count, count_SKA)):
        raise DatasetError(
            f"{table.path}: expected the counts of the samples beside it, found others; make the dataset again"
        )
    observed = np.array([category in OBSERVED for category in columns["category"].to_pylist()])[order_SKA]
    return {scope: Statistics(images_SK[i], n[i], count[i], observed[i]) for i, scope in enumerate(SCOPES)}


def _counts_by_scope(labels: Mapping[str, Any], n_emotions: int) -> tuple[IntArray, IntArray, IntArray]:
    """Images of each emotion in each scope, shape (S, K); those that know an AU, and have it, shape (S, K, A)."""
    emotion_N, partition_N, au_NA = labels["emotion_N"], labels["partition_N"], labels["au_NA"]
    tables: tuple[list[IntArray], ...] = ([], [], [])
    for scope in SCOPES:
        member_N = (partition_N == scope) | (scope == "all")
        of_emotion = [au_NA[member_N & (emotion_N == k)] for k in range(n_emotions)]
        tables[0].append(np.array([len(au_MA) for au_MA in of_emotion]))
        tables[1].append(np.stack([np.count_nonzero(~np.isnan(au_MA), axis=0) for au_MA in of_emotion]))
        tables[2].append(np.stack([np.count_nonzero(au_MA == 1, axis=0) for au_MA in of_emotion]))
    images_SK, known_SKA, active_SKA = map(np.stack, tables)
    return images_SK, known_SKA, active_SKA


def _read_lab(table: _Table) -> npt.NDArray[np.float64]:
    """Rows about an AU that this dataset does not code (11 in RAF-AU) say nothing here."""
    columns = table.columns(lab_statistics_schema(table.words), "emotion", "au", "percent")
    emotion = table.positions(columns["emotion"], table.words.emotions, "emotion")
    percent_KA = np.zeros((len(table.words.emotions), len(table.words.aus)))
    au_of_row, percent_of_row = columns["au"].to_pylist(), columns["percent"].to_pylist()
    for row, au, percent in zip(emotion, au_of_row, percent_of_row, strict=True):
        if au in table.words.aus:
            percent_KA[row, table.words.aus.index(au)] = percent
    return percent_KA


def _fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    parts = samples_path(folder).glob("*.parquet")  # none where the samples are one file
    for path in sorted([*folder.glob("*.parquet"), *parts]):
        with path.open("rb") as file:
            inner = hashlib.file_digest(file, "sha256").digest()
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + inner)
    return digest.hexdigest()


def _image_root(folder: Path) -> tuple[Path | None, str]:
    """The manifest's folder of images, if it names one, and what follows the name there."""
    try:
        images = read_manifest(folder)["images"]
        return (Path(images["root"]) if images["root"] is not None else None), str(images["suffix"])
    except (KeyError, TypeError):
        raise DatasetError(f"{folder / MANIFEST}: expected JSON with images: root and suffix") from None


def _file_name(name: str, suffix: str) -> str:
    """0001.jpg with suffix _aligned is 0001_aligned.jpg; folders in a name are kept."""
    stem, _, kind = name.rpartition(".")
    return f"{stem}{suffix}.{kind}" if stem and "/" not in kind else f"{name}{suffix}"


def _n_there(root: Path, files: Sequence[str]) -> int:
    """How many files are there; each folder is listed once: to ask for a million files one by one takes minutes."""
    listed: dict[str, set[str]] = {}
    n_there = 0
    for file in files:
        folder = file[: file.rfind("/") + 1]
        if folder not in listed:
            listed[folder] = _listing(root / folder)
        n_there += file[len(folder) :] in listed[folder]
    return n_there


def _listing(folder: Path) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries}
    except OSError:
        return set()
