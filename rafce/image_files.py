"""Image files of strangers: of five kinds by their content, and bounded before anything is decoded."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from rafce.errors import ImageError
from rafce.reading import open_file

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF")
"""Pillow's names; it knows dozens more, of which some start other programs (EPS: Ghostscript)."""
KINDS = "JPEG, PNG, BMP, WebP or TIFF"
MAX_PIXELS = 50_000_000
MAX_BYTES = 1 << 30


def image_bytes(path: Path) -> bytes:
    """The whole file in one reading, for whoever hashes what it decodes; ImageError where it cannot be read."""
    try:
        with open_file(path) as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ImageError(_reason(error)) from None
    if len(content) > MAX_BYTES:
        raise ImageError(f"expected at most {MAX_BYTES} bytes, found more")
    return content


@contextmanager
def opened_image(source: Path | BinaryIO) -> Iterator[Image.Image]:
    """An image that is not decoded yet; ImageError says what is wrong, also with what the block decodes of it.

    A JPEG with further pictures in it (MPO, from cameras) is its first, the main one. Refused: another kind, more than
    `MAX_PIXELS`, more than 8 bits a channel, an animation or pages, a pipe, device or folder.
    """
    try:
        with (
            open_file(source) if isinstance(source, Path) else nullcontext(source) as file,
            Image.open(file, formats=FORMATS) as image,
        ):
            _check(image)
            yield image
    except ImageError:
        raise
    except Exception as error:  # Pillow's parsers raise whatever a broken file makes them stumble over
        raise ImageError(_reason(error)) from None


def _check(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise ImageError(f"expected at most {MAX_PIXELS} pixels, found {image.width} × {image.height}")
    # these Pillow would cut off at 255: all white, or all black
    if image.mode.startswith(("I", "F")):
        raise ImageError(f"expected 8 bits a channel, found an image of mode {image.mode}")
    if _has_more(image):
        raise ImageError("expected one picture, found an animation or several pages")


def _has_more(image: Image.Image) -> bool:
    if image.format != "TIFF":
        return image.format != "MPO" and getattr(image, "n_frames", 1) > 1
    try:
        image.seek(1)  # to ask for their number would walk through all pages
    except EOFError:
        return False
    return True


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return f"expected an image ({KINDS}), found none of these"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        found = re.search("[0-9]+ pixels", str(error))
        return f"expected at most {MAX_PIXELS} pixels, found {found[0] if found else 'far more'}"
    if isinstance(error, OSError) and error.strerror:
        return f"expected an image, found none that can be read: {error.strerror}"
    return f"expected an image, found none that can be decoded: {str(error) or type(error).__name__}"
