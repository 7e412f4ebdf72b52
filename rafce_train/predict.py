"""What a trained network says of any images: a row for each that can be read, a reason for each that cannot.

N images, B batch, K emotions, A action units, H image side in pixels.
"""

import codecs
import io
import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeGuard

import numpy as np
import pyarrow as pa
import pyarrow.csv
import torch
from PIL import Image
from torch import Tensor

from rafce.errors import ConfigError, ImageError
from rafce.parquet import parquet_bytes
from rafce.reading import read_file
from rafce.schema import Vocabulary, au_column, metadata
from rafce_train.augment import batch_images
from rafce_train.cache import BadImage, ByteArray, decode_image
from rafce_train.checkpoint import write_atomic
from rafce_train.facts import Facts
from rafce_train.inference import Probabilities
from rafce_train.outcome import probability_columns
from rafce_train.saved import Model, check_output, check_probabilities

STDIN = "-"
LIST_SUFFIX = ".txt"
IMAGE_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
"""Of the files in a folder, those that are images."""

Progress = Callable[[int, int], None]  # images done, images in all


class Predicted(NamedTuple):
    """The table of what was predicted, and the images that could not be read."""

    table: pa.Table
    bad: tuple[BadImage, ...]


def image_paths(sources: Sequence[str], stdin: Callable[[], bytes]) -> list[Path]:
    """The images that arguments name, in order: images, folders with all below them, lists (`.txt` or `-`) of images.

    Paths in a list are relative to the current folder, as everywhere. ImageError for a list that cannot be read or when
    there is no image at all; whether an image is there is not looked at.
    """
    paths = [path for source in sources for path in _paths(source, stdin)]
    if not paths:
        raise ImageError(f"{', '.join(sources)}: expected at least one image, found none")
    return paths


def predict(model: Model, paths: Sequence[Path], batch_size: int, progress: Progress) -> Predicted:
    """Look at every image, `batch_size` at a time, and go on where one cannot be read."""
    size = model.facts.preprocessing.image_size
    good: list[Path] = []
    bad: list[BadImage] = []
    found = [_nothing(model.facts)]
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as threads:
        warnings.simplefilter("error", Image.DecompressionBombWarning)  # else printed beside the reason
        for start in range(0, len(paths), batch_size):
            rows = range(start, min(start + batch_size, len(paths)))
            images = list(threads.map(lambda row: _decoded(row, paths[row], size), rows))
            pixels = {row: image for row, image in zip(rows, images, strict=True) if _is_good(image)}
            bad += [image for image in images if isinstance(image, BadImage)]
            good += [paths[row] for row in pixels]
            if pixels:
                looked = model.look(_batch(np.stack(list(pixels.values())), model))
                check_probabilities(looked, [paths[row] for row in pixels], "the network")
                found.append(looked)
            progress(rows.stop, len(paths))
    together = Probabilities(*map(np.concatenate, zip(*found, strict=True)))
    return Predicted(predictions_table(model.facts, good, together), tuple(bad))


def predictions_table(facts: Facts, paths: Sequence[Path], found: Probabilities) -> pa.Table:
    """A row an image: top emotion, every probability, and 1 for each AU at or above its threshold, else 0.

    All about an AU is null where it was not learned.
    """
    words = Vocabulary(facts.emotions, facts.aus)
    names = [os.fsencode(path).decode(errors="replace") for path in paths]
    columns = {
        "image": pa.array(names, pa.string()),
        "predicted": pa.array([facts.emotions[emotion] for emotion in found.predicted_N], pa.string()),
        **probability_columns(words, found),
    }
    thresholds = facts.thresholds or [None] * len(facts.aus)
    for au, threshold, p_N in zip(facts.aus, thresholds, found.au_NA.T, strict=True):
        calls = [None] * len(p_N) if threshold is None else p_N >= threshold
        columns[au_column(au)] = pa.array(calls, pa.bool_()).cast(pa.uint8())
    return pa.table(columns).replace_schema_metadata(metadata("image_predictions", words))


def check_table_output(path: Path) -> None:
    """ConfigError or OutputError when `write_predictions` could not write there."""
    if path.suffix not in WRITERS:
        raise ConfigError(f"--out {path}: expected a name that ends in {' or '.join(WRITERS)}")
    check_output(path)


def write_predictions(table: pa.Table, path: Path) -> None:
    """Write a table as its name says, whole or not at all."""
    write_atomic(path, WRITERS[path.suffix](table))


def csv_bytes(table: pa.Table) -> bytes:
    """A heading, then a line an image; nothing between commas where a value is null."""
    buffer = io.BytesIO()
    pyarrow.csv.write_csv(table, buffer, pyarrow.csv.WriteOptions(quoting_style="needed"))
    return buffer.getvalue()


WRITERS = {".parquet": parquet_bytes, ".csv": csv_bytes}
"""By the suffix of the file."""


def _paths(source: str, stdin: Callable[[], bytes]) -> Iterable[Path]:
    path = Path(source)
    if source == STDIN:
        return _listed(stdin())
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES)
    if path.suffix.lower() != LIST_SUFFIX:
        return [path]
    try:
        return _listed(read_file(path))
    except OSError as error:
        raise ImageError(f"{path}: expected a list of images: {error.strerror}") from None


def _listed(content: bytes) -> list[Path]:
    lines = content.removeprefix(codecs.BOM_UTF8).splitlines()
    return [Path(os.fsdecode(line.strip())) for line in lines if line.strip()]


def _decoded(row: int, path: Path, size: int) -> ByteArray | BadImage:
    try:
        return decode_image(path, size)
    except ImageError as error:
        return BadImage(row, str(path), str(error))


def _is_good(image: ByteArray | BadImage) -> TypeGuard[ByteArray]:
    return not isinstance(image, BadImage)


def _batch(pixels_BHH3: ByteArray, model: Model) -> Tensor:
    seen = model.facts.preprocessing
    images_BHH3 = torch.from_numpy(pixels_BHH3).to(model.device)
    return batch_images(images_BHH3, np.arange(len(images_BHH3)), seen.normalize, seen.channel_order)


def _nothing(facts: Facts) -> Probabilities:
    return Probabilities(*(np.empty((0, len(names)), np.float32) for names in (facts.emotions, facts.aus)))
