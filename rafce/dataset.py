"""The dataset folder as a reader sees it: its tables, its vocabulary, its manifest."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rafce.errors import DatasetError
from rafce.parquet import read_parquet
from rafce.schema import Vocabulary, au_column

MANIFEST = "manifest.json"
MANIFEST_SCHEMA = "manifest/1"
TABLES = ("samples", "discarded", "au_statistics", "lab_statistics")


@dataclass(frozen=True)
class Dataset:
    """A dataset folder in memory; emotion names and AU numbers come from the files' metadata."""

    folder: Path
    manifest: dict[str, Any]
    samples: pa.Table
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

    def emotion_ids(self) -> npt.NDArray[np.int64]:
        """The emotion id of each sample, shape (N,)."""
        return np.asarray(self.samples["emotion_id"].to_numpy(), np.int64)

    def partitions(self) -> npt.NDArray[np.object_]:
        """The partition of each sample, shape (N,)."""
        return np.array(self.samples["partition"].to_pylist(), dtype=object)

    def au_matrix(self) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Active and known, both of shape (N, A) and bool; an unknown AU is not active."""
        columns = [self.samples[au_column(au)].combine_chunks() for au in self.aus]
        active = [column.fill_null(False).to_numpy(zero_copy_only=False) for column in columns]
        known = [column.is_valid().to_numpy(zero_copy_only=False) for column in columns]
        return np.stack(active, axis=1), np.stack(known, axis=1)


def read_dataset(folder: Path) -> Dataset:
    """Read a dataset folder whole; DatasetError when it is absent, incomplete or of another schema version."""
    if not folder.is_dir():
        raise DatasetError(f"{folder}: expected a dataset folder (make one with `rafce build`), found none")
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
    return Dataset(folder, manifest, **tables, words=words)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a dataset folder; DatasetError when there is none or it is of another version."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
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
