"""The dataset folder as a reader sees it: its tables, its vocabulary, its manifest."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from rafce.errors import DatasetError
from rafce.parquet import read_parquet
from rafce.parts import Chunk, Samples, find_samples, read_rows
from rafce.reading import read_file
from rafce.schema import Vocabulary, samples_path

MANIFEST = "manifest.json"
MANIFEST_SCHEMA = "manifest/1"
TABLES = ("discarded", "au_statistics", "lab_statistics")


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
    tables, words = {}, None
    for kind in TABLES:
        tables[kind], found = read_parquet(folder / f"{kind}.parquet", kind)
        if words is not None and found != words:
            raise DatasetError(
                f"{folder}: its files do not agree on emotions and AUs; build the dataset again"
            )
        words = found
    assert words is not None
    return Dataset(folder, manifest, find_samples(samples_path(folder), words), **tables, words=words)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a dataset folder; DatasetError when there is none or it is of another version."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(read_file(path).decode("utf-8"))
    except FileNotFoundError:
        raise DatasetError(f"{folder}: expected a dataset folder, found no {MANIFEST} in it") from None
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: expected JSON: {error}") from None
    found = manifest.get("schema") if isinstance(manifest, dict) else None
    if found != MANIFEST_SCHEMA:
        raise DatasetError(
            f"{path}: expected schema {MANIFEST_SCHEMA}, found {found}; build the dataset again"
        )
    return dict(manifest)
