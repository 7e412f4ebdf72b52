"""A dataset folder as the trainer knows it: arrays from its Parquet files and their metadata, images by name."""

import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import compress
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rafce.dataset import MANIFEST, Dataset, check_partitions, read_dataset, read_manifest
from rafce.errors import DatasetError, ImageError, TrainingError, raise_all
from rafce.images import check_inside, check_name
from rafce.licences import UNRECORDED, licence_note
from rafce.parts import GROUP, au_tables
from rafce.schema import PARTITIONS, SCOPES, au_column, samples_path

# N images, K emotions, A action units, S scopes
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]

AU_STATISTICS = "au_statistics.parquet"
COUNTED_ANEW = (
    f"{AU_STATISTICS} does not hold the counts of these samples, so it is left aside: statistics are counted from the "
    "samples"
)
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
    counted_anew: bool = False
    """Whether another program changed the samples, so that the folder's own statistics are those of others."""

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
    dataset = read_dataset(folder)
    labels = _read_samples(dataset)
    statistics, agree = _read_statistics(dataset, labels)
    check_partitions(
        dataset,
        np.stack([statistics[partition].n_K for partition in PARTITIONS]),
        statistics["all"].n_KA.sum(0),
    )
    return TrainingData(
        folder=folder,
        emotions=dataset.emotions,
        aus=dataset.aus,
        **labels,
        statistics=statistics,
        lab_percent_KA=_read_lab(dataset),
        fingerprint=_fingerprint(folder),
        licence=licence_note(dataset.manifest),
        counted_anew=not agree,
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


def training_warnings(data: TrainingData, learns_aus: bool) -> list[str]:
    """What a user should know before the first step, a sentence each.

    TrainingError when a partition is empty, or AUs are to be learned and none is active in a training image.
    """
    empty = [partition for partition in PARTITIONS if not len(data.rows(partition))]
    raise_all([f"{data.folder}: no image in partition {partition}" for partition in empty], TrainingError)
    absent = [name for name, n in zip(data.emotions, data.emotion_counts("train"), strict=True) if not n]
    warnings = [COUNTED_ANEW] if data.counted_anew else []
    warnings += [f"no training image of {', '.join(absent)}: never predicted"] if absent else []
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


def _read_samples(dataset: Dataset) -> dict[str, Any]:
    """The labels of all samples, which `rafce.parts` has checked row by row."""
    grouped, n_emotions = dataset.samples.in_groups, len(dataset.emotions)
    path, names, groups = samples_path(dataset.folder), list[str](), list[pa.Array]()
    class_N, au_NA = list[IntArray](), list[FloatArray]()
    for chunk, rows in dataset.rows("image", *([GROUP] if grouped else [])):
        active_NA, known_NA = au_tables(chunk, len(dataset.aus))
        au_NA.append(np.where(known_NA, active_NA, np.nan).astype(np.float32))
        class_N.append(chunk.class_N.astype(np.int64))
        names += rows["image"].to_pylist()
        groups += [rows[GROUP].cast(pa.string())] if grouped else []
    raise_all([f"{path}: {fault}" for fault in _name_faults(names)], DatasetError)
    partition_N, emotion_N = np.divmod(np.concatenate(class_N), n_emotions)
    return {
        "names": tuple(names),
        "partition_N": np.array(PARTITIONS)[partition_N],
        "emotion_N": emotion_N,
        "au_NA": np.concatenate(au_NA),
        "group_N": _read_groups(path, pa.chunked_array(groups), partition_N) if grouped else None,
    }


def _encoded(column: pa.ChunkedArray) -> tuple[list[Any], IntArray]:
    """The different values, and which of them each row has."""
    encoded = column.combine_chunks().dictionary_encode()
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy(zero_copy_only=False)


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
    raise_all([f"{path}: column {GROUP}: expected no null"] if column.null_count else [], DatasetError)
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


def _read_statistics(dataset: Dataset, labels: Mapping[str, Any]) -> tuple[dict[str, Statistics], bool]:
    """The statistics of each scope, counted from the samples, and whether the folder's own are the same.

    DatasetError where they are not although the samples are as they were written: the files are of two datasets.
    """
    n_K, n_KA, count_KA = _counts_by_scope(labels, len(dataset.emotions))
    cells = {
        (row["scope"], row["emotion"], row["au"]): (row["n"], row["count"])
        for row in dataset.au_statistics.select(["scope", "emotion", "au", "n", "count"]).to_pylist()
    }
    found_SKA2 = np.array([[[cells[s, k, a] for a in dataset.aus] for k in dataset.emotions] for s in SCOPES])
    agree = np.array_equal(found_SKA2, np.stack([n_KA, count_KA], axis=-1))
    if not agree and dataset.samples.sealed:
        raise DatasetError(
            f"{dataset.folder / AU_STATISTICS}: expected the counts of the samples beside it, found others; make the "
            "dataset again"
        )
    observed = (100 * count_KA >= OBSERVED_FROM_PERCENT * n_KA) & (n_KA > 0)
    statistics = {s: Statistics(n_K[i], n_KA[i], count_KA[i], observed[i]) for i, s in enumerate(SCOPES)}
    return statistics, agree


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


def _read_lab(dataset: Dataset) -> npt.NDArray[np.float64]:
    """Rows about an AU that this dataset does not code (11 in RAF-AU) say nothing here."""
    percent_KA = np.zeros((len(dataset.emotions), len(dataset.aus)))
    for cell in dataset.lab_statistics.to_pylist():
        if cell["au"] in dataset.aus:
            place = dataset.emotions.index(cell["emotion"]), dataset.aus.index(cell["au"])
            percent_KA[place] = cell["percent"]
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
