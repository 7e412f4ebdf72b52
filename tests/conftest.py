"""Releases small enough to read: written as text, in the folder shape of the real ones."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

# one thread a process: the tests run in as many processes as there are cores, and waiting threads would spin
os.environ.setdefault("OMP_NUM_THREADS", "1")

ReleaseWriter = Callable[..., Path]

VOTES = {
    "0001.jpg": (0.6, 0, 0, 0.4, 0, 0),  # happily surprised
    "0002.jpg": (0, 0, 0.4, 0.6, 0, 0),  # happily disgusted
    "0003.jpg": (0, 0.4, 0, 0, 0.6, 0),  # sadly fearful
    "0004.jpg": (0, 0, 0, 0, 0.6, 0.4),  # sadly angry
    "0005.jpg": (0.5, 0, 0, 0, 0.5, 0),  # sadly surprised: two labels, no tie
    "0006.jpg": (0.3, 0, 0.1, 0.3, 0.3, 0),  # tied three ways for the first
    "0007.jpg": (0, 0, 0, 0.6, 0, 0.4),  # happily angry: no class
    "0008.jpg": (0.2, 0, 0, 0.6, 0, 0.2),  # tied for the second
    "0009.jpg": (0, 0, 1, 0, 0, 0),  # no second label
    "0010.jpg": (0.6, 0, 0, 0.4, 0, 0),  # without an AU label
}
LABELS = {
    "0001.jpg": "1+2+25",
    "0002.jpg": "L10+12+R10",
    "0003.jpg": "null",
    "0004.jpg": "4",
    "0005.jpg": "26+26",
    "0006.jpg": "12+L12L",
    "0007.jpg": "4+7",
    "0008.jpg": "t23+B28",
    "0009.jpg": "9",
    "0011.jpg": "43",  # without votes
}


def distribution_text(votes: Mapping[str, tuple[float, ...]]) -> str:
    return "".join(f"{name} {' '.join(f'{p:.6f}' for p in row)} \n" for name, row in votes.items())


def label_text(labels: Mapping[str, object]) -> str:
    return "".join(f"{name} {label}\n" for name, label in labels.items())


@pytest.fixture
def release(tmp_path: Path) -> ReleaseWriter:
    """A writer of RAF-ML and RAF-AU below a folder; any label file can be replaced by text or bytes."""

    def write(
        votes: Mapping[str, tuple[float, ...]] | str | bytes = VOTES,
        labels: Mapping[str, str] | str | bytes = LABELS,
        classes: Mapping[str, int] | str | bytes | None = None,
        partitions: Mapping[str, int] | str | bytes | None = None,
        official_labels: Mapping[str, str] | str | bytes | None = None,
    ) -> Path:
        root = tmp_path / "releases"
        put(
            root / "RAF-ML/EmoLabel/distribution.txt",
            distribution_text(votes) if isinstance(votes, Mapping) else votes,
        )
        put(root / "RAF-AU/RAFAU_label.txt", labels)
        if classes is not None:
            names = list(classes) if isinstance(classes, Mapping) else []
            known = labels if isinstance(labels, Mapping) else {}
            put(root / "RAF-CE/RAFCE_emolabel.txt", classes)
            default = {name: known.get(name, "null") for name in names}
            put(root / "RAF-CE/RAFCE_AUlabel.txt", default if official_labels is None else official_labels)
            put(
                root / "RAF-CE/RAFCE_partition.txt",
                partitions or {name: i % 3 for i, name in enumerate(names)},
            )
        return root

    return write


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset folder with 59 images of coloured noise, 32 × 32 pixels: enough to train on, and nothing to learn."""
    import numpy as np
    from PIL import Image

    from rafce.build import BuildOptions, build_dataset
    from rafce_fixtures.labels import generate
    from rafce_fixtures.release import write_release

    root = tmp_path_factory.mktemp("tiny")
    release = generate(60, seed=0)
    write_release(release, root)
    random = np.random.default_rng(0)
    aligned = root / "RAF-AU" / "aligned"
    aligned.mkdir()
    for row in release.raf_au:
        pixels = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(aligned / row.image.replace(".jpg", "_aligned.jpg"))
    build_dataset(BuildOptions(raf_ml=root / "RAF-ML", raf_au=root / "RAF-AU", out=root / "data"))
    return root / "data"


def put(path: Path, content: Mapping[str, Any] | str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = label_text(content) if isinstance(content, Mapping) else content
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
