"""The dataset folder as a reader sees it: its tables, its vocabulary, its manifest."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from rafce.checks.contracts import check_table, counted_faults, manifest_faults, repeated_names
from rafce.errors import DatasetError, raise_all
from rafce.parquet import Stored, opened, read_parquet
from rafce.parts import Chunk, Samples, find_samples, read_rows
from rafce.reading import read_file
from rafce.schema import (
    Vocabulary,
    au_statistics_schema,
    discarded_schema,
    lab_statistics_schema,
    samples_path,
)
from rafce.taxonomy import BASIC_EMOTIONS

MANIFEST = "manifest.json"
MANIFEST_SCHEMA, OLD_MANIFEST_SCHEMA = "manifest/2", "manifest/1"
"""The older one carries no digest."""
DIGEST = "sha256"
TABLES = ("discarded", "au_statistics", "lab_statistics")
MOST_NAMES = 1 << 21
"""Up to so many samples of other programs repeated names are looked for at once; the importer has looked at its own."""


@dataclass(frozen=True)
class Dataset:
    """A dataset folder: its tables in memory, its samples, which may be larger than that, found but not read.

    Emotion names and AU numbers come from the files' metadata.
    """

    folder: Path
    manifest: dict[str, Any]
    samples: Samples
    discarded: pa.Table
    au_statistics: pa.Table
    lab_statistics: pa.Table
    words: Vocabulary

    @property
    def emotions(self) -> tuple[str, ...]:
        """The emotion names in the order of their ids."""
        return self.words.emotions

    @property
    def aus(self) -> tuple[int, ...]:
        """The AU numbers in the order of their columns."""
        return self.words.aus

    @property
    def n_images(self) -> int:
        """How many samples it has."""
        return self.samples.n_rows

    def rows(self, *columns: str) -> Iterator[tuple[Chunk, pa.RecordBatch]]:
        """All samples in order, some thousands at a time: emotion and AUs as a chunk, beside further columns.

        DatasetError as `rafce.parts.read_rows`.
        """
        for part in self.samples.parts:
            yield from read_rows(part, self.samples.grid, columns)


def read_dataset(folder: Path) -> Dataset:
    """Read a dataset folder, all but its samples.

    DatasetError when it is absent, incomplete or of another schema version, or when its files do not belong together.
    """
    if not folder.is_dir():
        raise DatasetError(
            f"{folder}: expected a dataset folder (make one with `rafce build` or `rafce import`), found none"
        )
    manifest = read_manifest(folder)
    stored = {kind: read_parquet(folder / f"{kind}.parquet", kind) for kind in TABLES}
    words = stored["au_statistics"].words
    if any(table.words != words for table in stored.values()):
        raise DatasetError(f"{folder}: its files do not agree on emotions and AUs; build the dataset again")
    samples = find_samples(samples_path(folder), words)
    tables = {kind: _checked(table, kind, folder) for kind, table in stored.items()}
    dataset = Dataset(folder, manifest, samples, **tables, words=words)
    _check_names(dataset)
    _check_manifest(dataset, stored["discarded"].sealed)
    return dataset


def _checked(stored: Stored, kind: str, folder: Path) -> pa.Table:
    words = stored.words
    schema = {
        "discarded": discarded_schema(words, BASIC_EMOTIONS),
        "au_statistics": au_statistics_schema(words, grouped=True),
        "lab_statistics": lab_statistics_schema(words),
    }
    return check_table(stored.table, kind, schema[kind], words, folder / f"{kind}.parquet")


def _check_names(dataset: Dataset) -> None:
    """Of samples that another program wrote: each image once, and none that was left out."""
    samples = dataset.samples
    if samples.sealed or samples.n_rows > MOST_NAMES or "image" not in samples.columns:
        return
    names = [name for path in dict.fromkeys(part.path for part in samples.parts) for name in _names_of(path)]
    faults = repeated_names([*names, dataset.discarded["image"].combine_chunks()])
    raise_all([f"{samples_path(dataset.folder)}: {fault}" for fault in faults], DatasetError)


def _names_of(path: Path) -> list[pa.Array]:
    with opened(path) as opening:
        return [chunk.cast(pa.string()) for chunk in opening.file.read(["image"]).column("image").chunks]


def _check_manifest(dataset: Dataset, discarded_as_written: bool) -> None:
    """Samples that another program wrote are other than the manifest counts, and a reader is told so elsewhere."""
    if dataset.samples.sealed:
        discarded = dataset.discarded if discarded_as_written else None
        faults = manifest_faults(dataset.manifest, dataset.n_images, discarded, dataset.words)
        raise_all([f"{dataset.folder / MANIFEST}: {fault}" for fault in faults], DatasetError)


def check_partitions(dataset: Dataset, images_PE: Any, known_A: Any) -> None:
    """DatasetError where the manifest counts others than the samples, if these are as they were written.

    `images_PE` are images by partition and emotion, `known_A` those in which an AU is known.
    """
    if dataset.samples.sealed:
        faults = counted_faults(dataset.manifest, dataset.words, images_PE, known_A)
        raise_all([f"{dataset.folder / MANIFEST}: {fault}" for fault in faults], DatasetError)


def manifest_with_digest(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest and, last, the SHA-256 of all the rest but the place of the images, which may move."""
    return {**manifest, DIGEST: _digest(manifest)}


def _digest(manifest: Mapping[str, Any]) -> str:
    images = manifest.get("images")
    place = {"root": None, "suffix": ""}
    fixed = {"images": {**images, **place}} if isinstance(images, dict) else {}
    rest = {name: value for name, value in {**manifest, **fixed}.items() if name != DIGEST}
    return hashlib.sha256(json.dumps(rest, sort_keys=False, ensure_ascii=True).encode()).hexdigest()


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a dataset folder; DatasetError when there is none or it is of another version."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(read_file(path).decode("utf-8"))
    except FileNotFoundError:
        raise DatasetError(f"{folder}: expected a dataset folder, found no {MANIFEST} in it") from None
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: expected JSON: {error}") from None
    found = manifest.get("schema") if isinstance(manifest, dict) else None
    if found not in (MANIFEST_SCHEMA, OLD_MANIFEST_SCHEMA):
        raise DatasetError(
            f"{path}: expected schema {MANIFEST_SCHEMA}, found {str(found)[:60]}; build the dataset again"
        )
    if (found == MANIFEST_SCHEMA or DIGEST in manifest) and manifest.get(DIGEST) != _digest(manifest):
        raise DatasetError(
            f"{path}: damaged, or changed by hand: its {DIGEST} is not that of the rest (only the root and suffix of "
            "images may be changed); make the dataset again"
        )
    return dict(manifest)
