"""Every image decoded once into a memory-mapped array beside the dataset folder; after that no JPEG is touched.

An entry knows its files by path, size, times, inode and the SHA-256 of their content. Where none of them changed, only
their status is read; a file that changed, or lies elsewhere, is read again, and decoded again if its content is new.
"""

import hashlib
import io
import json
import os
import shutil
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from filelock import FileLock
from PIL import Image, ImageOps

from rafce.atomic import making_folder
from rafce.errors import ImageError, OutputError, raise_all
from rafce.image_files import image_bytes, opened_image

# N images, H image side in pixels
ByteArray = npt.NDArray[np.uint8]
IntArray = npt.NDArray[np.int64]
Progress = Callable[[int, int], None]  # images done, images in all

VERSION = 3
"""Of the entry's layout and of how images are decoded: an entry of another version is not used."""
CHUNK = 256  # decoded images held in memory at a time
ANY = -1
"""Stands for any number of images."""
BLOCK = 16
"""Images to a checksum: to see one of them, as many are read once; at 112 pixels 600 KB."""
PIXELS, FILES, INDEX = "images.uint8", "files.parquet", "index.json"


class BadImage(NamedTuple):
    """An image that cannot be used: its row in the list that was asked for, and why."""

    row: int
    path: str
    reason: str


class ImageCache(NamedTuple):
    """The good images in the order asked for, file-backed, and the bad ones."""

    images_NHW3: torch.Tensor
    bad: tuple[BadImage, ...]
    check: Callable[[IntArray], None]
    """To be called with rows before their images are looked at; ImageError where they are not as they were decoded."""

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
    """The images as RGB of size × size pixels, decoded only where `folder` has no entry with just this content.

    Building an entry removes the older ones of the same image size. ImageError names bad images unless `on_bad_image`
    is "drop", and always when there is no good one; OutputError when the cache cannot be written.
    """
    files = [_status(path) for path in paths]
    place = folder / f"{size}px-{_key(files, size)}"
    entry = _open(place, len(paths), size) or _build_alone(place, paths, files, size, progress)
    bad = tuple(BadImage(row, str(paths[row]), reason) for row, reason in entry.bad.items())
    if on_bad_image != "drop" or len(bad) == len(paths):
        raise_all([f"{image.path}: {image.reason}" for image in bad], ImageError)
    return ImageCache(entry.images_NHW3, bad, entry.check)


def decode_image(source: Path | BinaryIO, size: int) -> ByteArray:
    """One image, upright, RGB, scaled to (size, size, 3) whatever its proportions; ImageError says what is wrong.

    Large JPEGs are decoded at the smallest of libjpeg's scales that is at least twice the size wanted.
    """
    with opened_image(source) as image:
        image.draft("RGB", (2 * size, 2 * size))
        upright = ImageOps.exif_transpose(image).convert("RGB")
        return np.asarray(upright.resize((size, size), Image.Resampling.BILINEAR))


class FileStatus(NamedTuple):
    """What tells a file from another, and from itself after a change, without reading it; an absent one has no size."""

    path: str
    size: int
    time: int
    changed: int
    """When content or status changed: a program can set the other time back, but not this one."""
    inode: int


def _status(path: Path) -> FileStatus:
    place = os.path.abspath(path)  # noqa: PTH100 (Path.absolute keeps "..", and takes thrice as long)
    try:
        found = os.stat(place)  # noqa: PTH116 (there may be a million)
    except OSError:
        return FileStatus(place, -1, 0, 0, 0)
    return FileStatus(place, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def _key(files: Sequence[FileStatus], size: int) -> str:
    digest = hashlib.sha256(f"{VERSION} {size}".encode())
    for file in files:
        digest.update(f"\0{file}".encode(errors="surrogateescape"))
    return digest.hexdigest()[:16]


@dataclass(eq=False)  # tensors have no single truth value to compare by
class _Entry:
    """An entry that is whole; its pixels are verified block by block, when one of a block is first asked for."""

    place: Path
    images_NHW3: torch.Tensor
    bad: dict[int, str]
    """Reasons by row of the list that was asked for; not where the images lay, since that may have changed."""
    blocks: list[str]
    files_sha256: str
    _verified: set[int] = field(default_factory=set)

    def check(self, rows: IntArray) -> None:
        """ImageError unless the pixels of these rows are as they were decoded; the damaged entry is removed then."""
        for block in sorted({int(block) for block in np.unique(rows // BLOCK)} - self._verified):
            if not self.is_intact(block):
                shutil.rmtree(self.place, ignore_errors=True)
                raise ImageError(
                    f"{self.place / PIXELS}: expected the pixels that were decoded, found others in images "
                    f"{block * BLOCK + 1} to {min((block + 1) * BLOCK, len(self.images_NHW3))}; this cache was damaged "
                    "and is removed: the same command again decodes the images anew"
                )

    def is_intact(self, block: int) -> bool:
        """Whether the pixels of a block have the checksum that they had."""
        if block not in self._verified:
            pixels = self.images_NHW3[block * BLOCK : (block + 1) * BLOCK].numpy()
            if hashlib.sha256(pixels.data).hexdigest() != self.blocks[block]:
                return False
            self._verified.add(block)
        return True

    @cached_property
    def _files(self) -> tuple[dict[FileStatus, bytes], dict[bytes, int | str]]:
        """The digest of each file's content, and what came of each content: a row of the pixels or a reason."""
        content = (self.place / FILES).read_bytes()
        if hashlib.sha256(content).hexdigest() != self.files_sha256:
            return {}, {}
        columns = pq.read_table(pa.BufferReader(content)).to_pydict()
        names = [os.fsdecode(name) for name in columns.pop("path")]
        digests = columns.pop("sha256")
        statuses = map(FileStatus, names, *(columns[name] for name in FileStatus._fields[1:]))
        known = {status: digest for status, digest in zip(statuses, digests, strict=True) if digest}
        outcomes: dict[bytes, int | str] = {}
        n_good = 0
        for row, digest in enumerate(digests):
            if digest:
                outcomes[digest] = self.bad.get(row, n_good)
            n_good += row not in self.bad
        return known, outcomes

    def digest(self, file: FileStatus) -> bytes | None:
        """The digest of a file that is as it was."""
        return self._files[0].get(file)

    def outcome(self, digest: bytes | None) -> ByteArray | str | None:
        """What came of a content: its pixels, the reason why it is bad, or None where that is not known any more."""
        found = self._files[1].get(digest) if digest else None
        if not isinstance(found, int):
            return found
        return self.images_NHW3[found].numpy() if self.is_intact(found // BLOCK) else None


def _open(place: Path, n_images: int, size: int) -> _Entry | None:
    """An entry, or None where there is none that is whole.

    Renaming makes an entry whole or absent; digest and size show one that was damaged later.
    """
    try:
        head, _, body = (place / INDEX).read_bytes().partition(b"\n")
        if hashlib.sha256(body).hexdigest().encode() != head:
            return None
        index = json.loads(body)
        if (index["version"], index["size"]) != (VERSION, size) or n_images not in (index["n"], ANY):
            return None
        bad = {int(row): str(reason) for row, reason in index["bad"]}
        blocks, files_sha256 = index["blocks"], index["files"]
        n_good = index["n"] - len(bad)
        n_bytes = n_good * size * size * 3
        if (place / PIXELS).stat().st_size != n_bytes:
            return None
        flat = (
            torch.from_file(str(place / PIXELS), shared=False, size=n_bytes, dtype=torch.uint8)
            if n_good
            else torch.empty(0, dtype=torch.uint8)
        )
    except (OSError, RuntimeError, ValueError, TypeError, KeyError):
        return None
    return _Entry(place, flat.view(n_good, size, size, 3), bad, blocks, files_sha256)


def _build_alone(
    place: Path, paths: Sequence[Path], files: Sequence[FileStatus], size: int, progress: Progress
) -> _Entry:
    """Several processes may want the same entry (one a GPU): the first builds it, the others wait for the lock.

    It is opened before the lock is let go: whoever builds another entry after that removes this one.
    """
    folder = place.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "lock"):
            if (entry := _open(place, len(paths), size)) is None:
                _build(place, paths, files, size, progress)
                entry = _open(place, len(paths), size)
                _remove_older(place, size)
    except OSError as error:
        raise OutputError(f"{folder}: cannot write the image cache: {error.strerror or error}") from None
    if entry is None:
        raise OutputError(f"{place}: the image cache was changed while it was written")
    return entry


def _build(
    place: Path, paths: Sequence[Path], files: Sequence[FileStatus], size: int, progress: Progress
) -> None:
    older = _newest(place.parent, size)
    with making_folder(place, lambda _: None) as partial:
        with (partial / PIXELS).open("wb") as file:
            seen = _look_at_all(_Pixels(file), paths, files, older, size, progress)
        _write_index(partial, files, seen, size)


def _newest(folder: Path, size: int) -> _Entry | None:
    """The newest of the entries of an image size that are whole: what it knows need not be decoded again."""
    found = [_open(place, ANY, size) for place in folder.glob(f"{size}px-*") if not place.suffix]
    return max(filter(None, found), key=lambda entry: entry.place.stat().st_mtime_ns, default=None)


@dataclass
class _Pixels:
    """Pixels appended to a file, with a checksum a block.

    Written, not mapped: there a full disk is an OSError, in a mapping it kills the process.
    """

    file: BinaryIO
    blocks: list[str] = field(default_factory=list)
    _n_images: int = 0
    _digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def append(self, image: ByteArray) -> None:
        """One image more."""
        self.file.write(image.data)
        self._digest.update(image.data)
        self._n_images += 1
        if self._n_images % BLOCK == 0:
            self.end_block()

    def end_block(self) -> None:
        """Put the block's checksum on record, unless nothing is in it yet."""
        if self._n_images > BLOCK * len(self.blocks):
            self.blocks.append(self._digest.hexdigest())
            self._digest = hashlib.sha256()


class _Seen(NamedTuple):
    """What came of the images: the digest of each content, None where there is none; reasons by row; checksums."""

    digests: list[bytes | None]
    bad: dict[int, str]
    blocks: list[str]


def _look_at_all(
    pixels: _Pixels,
    paths: Sequence[Path],
    files: Sequence[FileStatus],
    older: _Entry | None,
    size: int,
    progress: Progress,
) -> _Seen:
    """Append every good image to the pixels, in order."""
    digests: list[bytes | None] = []
    bad: dict[int, str] = {}

    def look(path: Path, file: FileStatus) -> tuple[bytes | None, ByteArray | str]:
        return _look(path, file, older, size)

    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as threads:
        warnings.simplefilter("error", Image.DecompressionBombWarning)  # else printed beside the error
        for start in range(0, len(paths), CHUNK):
            part = slice(start, start + CHUNK)
            for digest, image in threads.map(look, paths[part], files[part]):
                if isinstance(image, str):
                    bad[len(digests)] = image
                else:
                    pixels.append(image)
                digests.append(digest)
            progress(len(digests), len(paths))
    pixels.end_block()
    return _Seen(digests, bad, pixels.blocks)


def _look(
    path: Path, file: FileStatus, older: _Entry | None, size: int
) -> tuple[bytes | None, ByteArray | str]:
    """The digest of a file's content and its pixels, or the reason why it has none; from the older entry if known."""
    digest = older.digest(file) if older else None
    if older and (found := older.outcome(digest)) is not None:
        return digest, found
    digest = None
    try:
        content = image_bytes(path)
        digest = hashlib.sha256(content).digest()
        known = older.outcome(digest) if older else None
        return digest, decode_image(io.BytesIO(content), size) if known is None else known
    except ImageError as error:
        return digest, str(error)


def _write_index(folder: Path, files: Sequence[FileStatus], seen: _Seen, size: int) -> None:
    """What came of which file, and then, with a digest of its own, all that opening the entry takes."""
    paths, *numbers = zip(*files, strict=True)
    kinds = (pa.int64(), pa.int64(), pa.int64(), pa.uint64())
    columns = {
        "path": pa.array(map(os.fsencode, paths), pa.binary()),
        **{
            name: pa.array(*column)
            for name, *column in zip(FileStatus._fields[1:], numbers, kinds, strict=True)
        },
        "sha256": pa.array(seen.digests, pa.binary()),
    }
    table = pa.table(columns)
    pq.write_table(table, folder / FILES, compression="zstd")
    index = {
        "version": VERSION,
        "size": size,
        "n": len(files),
        "bad": list(seen.bad.items()),
        "blocks": seen.blocks,
        "files": hashlib.sha256((folder / FILES).read_bytes()).hexdigest(),
    }
    body = json.dumps(index).encode()
    (folder / INDEX).write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)


def _remove_older(entry: Path, size: int) -> None:
    for other in entry.parent.glob(f"{size}px-*"):
        if other != entry:
            shutil.rmtree(other, ignore_errors=True)
