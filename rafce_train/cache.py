"""Every image decoded once into a memory-mapped array beside the dataset folder; after that no JPEG is touched."""

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from filelock import FileLock
from PIL import Image, ImageOps

from rafce.atomic import making_folder
from rafce.errors import ImageError, OutputError, raise_all
from rafce.image_files import opened_image

# N images, H image side in pixels
ByteArray = npt.NDArray[np.uint8]
Progress = Callable[[int, int], None]  # images done, images in all

VERSION = 2
CHUNK = 256  # decoded images held in memory at a time
PIXELS, BAD_IMAGES = "images.uint8", "bad_images.json"


class BadImage(NamedTuple):
    """An image that cannot be used: its row in the list that was asked for, and why."""

    row: int
    path: str
    reason: str


class ImageCache(NamedTuple):
    """The good images in the order asked for, file-backed, and the bad ones."""

    images_NHW3: torch.Tensor
    bad: tuple[BadImage, ...]

    def good(self) -> npt.NDArray[np.bool_]:
        """Which of the images asked for are in the array."""
        good = np.ones(len(self.images_NHW3) + len(self.bad), dtype=np.bool_)
        good[[image.row for image in self.bad]] = False
        return good


def cache_folder(dataset: Path) -> Path:
    """Beside the dataset folder, so that rebuilding the dataset does not lose it."""
    dataset = dataset.resolve()
    return dataset.with_name(f"{dataset.name}.cache")


def cached_images(
    paths: Sequence[Path], size: int, folder: Path, on_bad_image: str, progress: Progress
) -> ImageCache:
    """The images as RGB of size × size pixels, decoded only where `folder` has no entry for just these files.

    An entry is keyed by the files' names, sizes and times and by the image size; building one removes the older
    ones of the same image size. ImageError names bad images unless `on_bad_image` is "drop", and always when there is
    no good one; OutputError when the cache cannot be written.
    """
    entry = folder / f"{size}px-{_key(paths, size)}"
    n_bytes = size * size * 3
    if not _is_whole(entry, len(paths), n_bytes):
        _build_alone(entry, paths, size, progress)
    bad = tuple(BadImage(row, str(paths[row]), reason) for row, reason in _read_bad(entry))
    if on_bad_image != "drop" or len(bad) == len(paths):
        raise_all([f"{image.path}: {image.reason}" for image in bad], ImageError)
    n_good = len(paths) - len(bad)
    flat = torch.from_file(str(entry / PIXELS), shared=False, size=n_good * n_bytes, dtype=torch.uint8)
    return ImageCache(flat.view(n_good, size, size, 3), bad)


def decode_image(path: Path, size: int) -> ByteArray:
    """One image, upright, RGB, scaled to (size, size, 3) whatever its proportions; ImageError says what is wrong.

    Large JPEGs are decoded at the smallest of libjpeg's scales that is at least twice the size wanted.
    """
    with opened_image(path) as image:
        image.draft("RGB", (2 * size, 2 * size))
        upright = ImageOps.exif_transpose(image).convert("RGB")
        return np.asarray(upright.resize((size, size), Image.Resampling.BILINEAR))


def _key(paths: Sequence[Path], size: int) -> str:
    digest = hashlib.sha256(f"{VERSION} {size}".encode())
    for path in paths:
        try:
            status = path.stat()
            digest.update(f"\0{path.name}\0{status.st_size}\0{status.st_mtime_ns}".encode())
        except OSError:
            digest.update(f"\0{path.name}\0absent".encode())
    return digest.hexdigest()[:16]


def _is_whole(entry: Path, n_images: int, n_bytes: int) -> bool:
    """Renaming makes an entry whole or absent; the size shows one that was damaged later."""
    try:
        return (entry / PIXELS).stat().st_size == (n_images - len(_read_bad(entry))) * n_bytes
    except (OSError, ValueError, TypeError):
        return False


def _read_bad(entry: Path) -> list[tuple[int, str]]:
    """Row and reason of the bad images; not where they lay, since that may have changed."""
    bad = json.loads((entry / BAD_IMAGES).read_text(encoding="utf-8"))
    return [(int(row), str(reason)) for row, reason in bad]


def _build_alone(entry: Path, paths: Sequence[Path], size: int, progress: Progress) -> None:
    """Several processes may want the same entry (one a GPU): the first builds it, the others wait for the lock."""
    folder = entry.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "lock"):
            if not _is_whole(entry, len(paths), size * size * 3):
                _build(entry, paths, size, progress)
                _remove_older(entry, size)
    except OSError as error:
        raise OutputError(f"{folder}: cannot write the image cache: {error.strerror or error}") from None


def _build(entry: Path, paths: Sequence[Path], size: int, progress: Progress) -> None:
    with making_folder(entry, lambda _: None) as partial:
        with (partial / PIXELS).open("wb") as file:
            bad = _decode_all(file, paths, size, progress)
        (partial / BAD_IMAGES).write_text(json.dumps(bad), encoding="utf-8")


def _decode_all(
    file: BinaryIO, paths: Sequence[Path], size: int, progress: Progress
) -> list[tuple[int, str]]:
    """Append every good image to the file, in order; row and reason of the bad ones.

    Written, not mapped: there a full disk is an OSError, in a mapping it kills the process.
    """
    bad = []

    def decoded(path: Path) -> ByteArray | str:
        try:
            return decode_image(path, size)
        except ImageError as error:
            return str(error)

    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as threads:
        warnings.simplefilter("error", Image.DecompressionBombWarning)  # else printed beside the error
        for start in range(0, len(paths), CHUNK):
            chunk = paths[start : start + CHUNK]
            for row, image in enumerate(threads.map(decoded, chunk), start):
                if isinstance(image, str):
                    bad.append((row, image))
                else:
                    file.write(image.data)
            progress(start + len(chunk), len(paths))
    return bad


def _remove_older(entry: Path, size: int) -> None:
    for other in entry.parent.glob(f"{size}px-*"):
        if other != entry:
            shutil.rmtree(other, ignore_errors=True)
