"""Each kind of file that this project writes and reads again, with what it says; the damage script damages all of them.

A kind is a folder, a file in it, and a reader of the numbers. `KINDS` names the makers of all kinds: a further module
of kinds puts its own there.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq

import rafce.imports.samples
from rafce.build import BuildOptions, build_dataset
from rafce.dataset import read_dataset
from rafce.imports.importing import import_dataset
from rafce.imports.options import ImportOptions
from rafce.streaming import count_aus, count_here
from rafce_fixtures.labels import generate
from rafce_fixtures.release import write_release
from rafce_train.data import read_data

N_IMAGES = 60
N_FRAMES = 90
PLACE = ("root", "suffix")
"""Of the images: what a manifest says may change, since folders move."""


class Kind(NamedTuple):
    """A file of a folder that is whole, and the numbers that are read from the folder."""

    name: str
    folder: Path
    file: str
    read: Callable[[Path], Any]


def dataset_kinds(root: Path) -> list[Kind]:
    """The files of a dataset folder as `rafce build` makes it, and parts as `rafce import` makes them."""
    built, imported = make_built(root / "built"), make_imported(root / "imported")
    files = (
        "samples.parquet",
        "discarded.parquet",
        "au_statistics.parquet",
        "lab_statistics.parquet",
        "manifest.json",
    )
    return [
        *(Kind(file, built, file, dataset_numbers) for file in files),
        Kind("part of samples/", imported, "samples/000001.parquet", dataset_numbers),
        Kind("au_statistics.parquet, groups", imported, "au_statistics.parquet", dataset_numbers),
        Kind("manifest.json, imported", imported, "manifest.json", dataset_numbers),
    ]


KINDS: list[Callable[[Path], list[Kind]]] = [dataset_kinds]


def make_built(root: Path) -> Path:
    """A dataset of look-alike labels, about sixty images."""
    write_release(generate(N_IMAGES, seed=0), root)
    build_dataset(
        BuildOptions(raf_ml=root / "RAF-ML", raf_au=root / "RAF-AU", ties="frequent", out=root / "data")
    )
    return root / "data"


def make_imported(root: Path) -> Path:
    """A dataset of a table with groups and unknown AUs, its samples in parts of 40 rows."""
    root.mkdir(parents=True)
    table, random = root / "table.csv", np.random.default_rng(0)
    cells = np.array(["0", "1", ""])[random.choice(3, (N_FRAMES, 4), p=[0.5, 0.4, 0.1])]
    lines = ["image,emotion,video,AU01,AU04,AU12,AU25"] + [
        f"{i:03d}.jpg,{('glad', 'sad', 'mad')[i % 3]},v{i // 6:02d},{','.join(row)}"
        for i, row in enumerate(cells)
    ]
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    most = rafce.imports.samples.ONE_FILE_ROWS, rafce.imports.samples.PART_ROWS
    try:
        rafce.imports.samples.ONE_FILE_ROWS, rafce.imports.samples.PART_ROWS = 40, 40
        import_dataset(
            ImportOptions(source="table", inputs=(table,), group_column="video", out=root / "data")
        )
    finally:
        rafce.imports.samples.ONE_FILE_ROWS, rafce.imports.samples.PART_ROWS = most
    return root / "data"


def dataset_numbers(folder: Path) -> dict[str, Any]:
    """All that is read from a dataset folder, as the reports and the trainer read it."""
    dataset = read_dataset(folder)
    images = {name: value for name, value in dataset.manifest["images"].items() if name not in PLACE}
    columns = sorted(dataset.samples.columns)
    rows = [row for _, batch in dataset.rows(*columns) for row in batch.to_pylist()]
    return {
        "manifest": json.dumps({**dataset.manifest, "images": images}, sort_keys=True),
        "words": dataset.words,
        "tables": [
            table.to_pylist() for table in (dataset.discarded, dataset.au_statistics, dataset.lab_statistics)
        ],
        "rows": rows,
        "counts": [table.tolist() for table in count_here(count_aus, dataset.samples, 1)],
        "trainer": trainer_numbers(folder),
    }


def trainer_numbers(folder: Path) -> list[Any]:
    """What training reads."""
    data = read_data(folder)
    arrays = [data.partition_N, data.emotion_N, np.nan_to_num(data.au_NA, nan=-1), data.lab_percent_KA]
    groups = None if data.group_N is None else data.group_N.tolist()
    statistics = {
        scope: [table.tolist() for table in vars(found).values()] for scope, found in data.statistics.items()
    }
    return [data.names, *(array.tolist() for array in arrays), groups, statistics]


def rewritten(path: Path, change: Callable[[Any], Any]) -> None:
    """A table as a user changes it with PyArrow, which keeps the metadata and knows no seal."""
    pq.write_table(change(pq.read_table(path)), path)
