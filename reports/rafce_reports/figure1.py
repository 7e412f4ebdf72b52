"""Figure 1 of the paper: how many images each emotion has, by partition, with one example face each where asked for."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from rafce.bootstrap import grouped_ratio_interval
from rafce.dataset import Dataset
from rafce.errors import ImageError
from rafce.grouped import GroupTally
from rafce.image_files import opened_image
from rafce.images import ImageFolder
from rafce.intervals import wilson
from rafce.schema import PARTITIONS
from rafce_reports.style import FAINT, MUTED, PARTITION_COLOURS, bare, new_figure

# P partitions, E emotions, N images
IntArray = npt.NDArray[np.integer[Any]]

FACE_PIXELS = 128


def class_counts(
    images_PE: IntArray, emotions: Sequence[str], groups: GroupTally | None = None
) -> pd.DataFrame:
    """A row an emotion: images per partition, their sum `n`, and the emotion's share of all with Wilson's interval.

    With groups, `n_groups` says of how many groups its images are, and the interval is over groups.
    """
    frame = pd.DataFrame({"emotion": emotions, **dict(zip(PARTITIONS, images_PE, strict=True))})
    frame["n"] = images_PE.sum(0)
    total = int(frame["n"].sum())
    frame["share"] = frame["n"] / total
    frame["ci_low"], frame["ci_high"] = wilson(frame["n"], np.full(len(frame), total))
    if groups is not None:
        all_GE = np.broadcast_to(groups.images_GE.sum(1, keepdims=True), groups.images_GE.shape)
        frame["ci_low"], frame["ci_high"] = grouped_ratio_interval(groups.images_GE, all_GE)
        frame["n_groups"] = groups.n_groups_E()
    return frame


def images_in(classes: pd.DataFrame, scope: str) -> dict[str, int]:
    """How many images each emotion has in a scope, from `class_counts`."""
    n_E = classes["n" if scope == "all" else scope]
    return dict(zip(classes["emotion"], n_E.tolist(), strict=True))


def draw_figure1(counts: pd.DataFrame, faces: Mapping[str, npt.NDArray[np.uint8]] | None = None) -> Figure:
    """Stacked bars, most frequent emotion first, every number beside its bar; faces, if any, before the names."""
    ordered = counts.sort_values("n", ascending=False, kind="stable").reset_index(drop=True)
    figure = new_figure(9.2, (0.62 if faces else 0.36) * len(ordered) + 1.1)
    axes = figure.add_subplot()
    _bars(axes, ordered)
    _numbers(axes, ordered)
    figure.legend(loc="outside lower left", ncols=len(PARTITIONS))
    if faces:
        _faces(axes, ordered["emotion"].tolist(), faces)
    return figure


def _bars(axes: Axes, ordered: pd.DataFrame) -> None:
    left = np.zeros(len(ordered))
    for partition in PARTITIONS:
        axes.barh(
            ordered.index,
            ordered[partition],
            left=left,
            height=0.68,
            color=PARTITION_COLOURS[partition],
            label=partition,
        )
        left += ordered[partition]
    axes.set_yticks(ordered.index, ordered["emotion"].tolist())
    axes.set_ylim(len(ordered) - 0.4, -0.6)
    axes.set_xticks([])  # every bar has its number
    bare(axes)


def _numbers(axes: Axes, ordered: pd.DataFrame) -> None:
    widest = ordered["n"].max()
    axes.set_xlim(0, (1.35 if "n_groups" in ordered else 1.2) * widest)
    for row in ordered.itertuples():
        split = " / ".join(f"{getattr(row, partition):,}" for partition in PARTITIONS)
        groups = f" in {row.n_groups:,} groups" if "n_groups" in ordered else ""
        total = axes.annotate(
            f"{row.n:,}{groups}",
            (row.n, row.Index),
            (4, 0),
            textcoords="offset points",
            va="center",
            weight="bold",
        )
        axes.annotate(
            split,
            (1, 0.5),
            (5, 0),
            xycoords=total,
            textcoords="offset points",
            va="center",
            color=MUTED,
            size=8,
        )


def _faces(axes: Axes, emotions: Sequence[str], faces: Mapping[str, npt.NDArray[np.uint8]]) -> None:
    for position, emotion in enumerate(emotions):
        if emotion not in faces:
            continue
        # in data height and a strip left of the bars, so that a face stays beside its bar at any figure size
        strip = axes.inset_axes((-0.34, position - 0.46, 0.1, 0.92), transform=axes.get_yaxis_transform())
        strip.imshow(faces[emotion], aspect="equal")
        strip.set_xticks([])
        strip.set_yticks([])
        strip.spines[:].set_color(FAINT)


def example_faces(dataset: Dataset) -> dict[str, npt.NDArray[np.uint8]]:
    """One face of each emotion from the folder that the dataset was built with: the first training image by name.

    ImageError when the dataset knows no folder, or when an image cannot be read.
    """
    place = dataset.manifest["images"]
    if place["root"] is None:
        raise ImageError(
            f"{dataset.folder}: expected a dataset that knows its images (rafce build --images DIR), found labels only"
        )
    folder = ImageFolder(Path(place["root"]), place["suffix"])
    return {
        emotion: read_face(folder.path_of(image))
        for emotion, image in _first_training_images(dataset).items()
    }


def _first_training_images(dataset: Dataset) -> dict[str, str]:
    """The first name of each emotion that has training images."""
    first: dict[str, str] = {}
    first_class = PARTITIONS.index("train") * len(dataset.emotions)
    for chunk, rows in dataset.rows("image"):
        image_N = np.array(rows["image"].to_pylist(), object)
        for i, emotion in enumerate(dataset.emotions):
            names = image_N[chunk.class_N == first_class + i].tolist()
            if names:
                first[emotion] = min(first.get(emotion, names[0]), *names)
    return first


def read_face(path: Path) -> npt.NDArray[np.uint8]:
    """An image as RGB, shape (H, W, 3), no side longer than 128 pixels; ImageError when it cannot be read."""
    try:
        with warnings.catch_warnings(), opened_image(path) as image:
            warnings.simplefilter("error", Image.DecompressionBombWarning)  # else printed beside the error
            image.thumbnail((FACE_PIXELS, FACE_PIXELS))
            return np.asarray(image.convert("RGB"))
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from None
