"""Image files that strangers made: named wrongly, of kinds that start programs, too large, moving, or no files."""

import io
import os
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rafce.errors import ImageError
from rafce.image_files import FORMATS, opened_image

PICTURE = Image.linear_gradient("L").resize((24, 16)).convert("RGB")
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(x) (w) file\nshowpage\n%%EOF\n"


def opened(path: Path) -> tuple[str | None, tuple[int, int]]:
    with opened_image(path) as image:
        image.load()
        return image.format, image.size


def fault(path: Path) -> str:
    """What is wrong; it must be found at once."""
    with ThreadPoolExecutor(1) as threads, pytest.raises(ImageError) as caught:
        threads.submit(opened, path).result(timeout=20)
    return str(caught.value)


def encoded(kind: str, pictures: int = 1, **how: Any) -> bytes:
    buffer = io.BytesIO()
    more = [PICTURE.rotate(90 * i) for i in range(1, pictures)]
    PICTURE.save(buffer, kind, **({"save_all": True, "append_images": more} if more else {}), **how)
    return buffer.getvalue()


def claimed(width: int, height: int) -> bytes:
    """A PNG that says how large it is, and has no pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name", ["a.jpg", "a.PNG", "a", "a.exe"])
def test_five_kinds_are_known_by_their_content_whatever_their_name(tmp_path, kind, name):
    (tmp_path / name).write_bytes(encoded(kind))
    assert opened(tmp_path / name) == (kind, PICTURE.size)


OTHERS = [
    "GIF",
    "PPM",
    "TGA",
    "ICO",
    "PCX",
    "SGI",
    "PDF",
    "EPS",
    "JPEG2000",
    "ICNS",
    "DDS",
    "SPIDER",
    "MSP",
]


@pytest.mark.parametrize("kind", OTHERS)
def test_no_other_kind_is_decoded(tmp_path, kind):
    buffer = io.BytesIO()
    mode = {"SPIDER": "F", "MSP": "1"}.get(kind, "RGB")
    try:
        PICTURE.convert(mode).save(buffer, kind)
    except (KeyError, OSError) as error:
        pytest.skip(f"Pillow writes none here: {error}")
    (tmp_path / "a.jpg").write_bytes(buffer.getvalue())
    assert (
        fault(tmp_path / "a.jpg") == "expected an image (JPEG, PNG, BMP, WebP or TIFF), found none of these"
    )


def test_no_program_is_started_for_postscript(tmp_path, monkeypatch):
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("a program was started")

    monkeypatch.setattr("subprocess.Popen", refuse)
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", refuse)
    (tmp_path / "a.jpg").write_bytes(EPS)
    assert (
        fault(tmp_path / "a.jpg") == "expected an image (JPEG, PNG, BMP, WebP or TIFF), found none of these"
    )


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_an_animation_or_pages_are_not_one_picture(tmp_path, kind):
    (tmp_path / "a.jpg").write_bytes(encoded(kind, pictures=3))
    assert fault(tmp_path / "a.jpg") == "expected one picture, found an animation or several pages"


def test_a_camera_s_jpeg_with_further_pictures_is_its_main_one(tmp_path):
    (tmp_path / "a.jpg").write_bytes(encoded("MPO", pictures=2))
    with opened_image(tmp_path / "a.jpg") as image:
        assert (image.format, image.size, image.tell()) == ("MPO", PICTURE.size, 0)


@pytest.mark.filterwarnings("error::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    "size", [(100_000, 100_000), (10_000, 10_000), (2**31 - 1, 2**31 - 1), (7_072, 7_072)]
)
def test_a_picture_that_says_it_is_huge_is_refused_before_it_is_decoded(tmp_path, size):
    (tmp_path / "a.png").write_bytes(claimed(*size))
    assert fault(tmp_path / "a.png").startswith("expected at most 50000000 pixels, found ")


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_more_than_eight_bits_a_channel_are_refused(tmp_path, mode):
    Image.new(mode, (4, 4)).save(tmp_path / "a.tiff")
    assert fault(tmp_path / "a.tiff") == f"expected 8 bits a channel, found an image of mode {mode}"


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (os.mkfifo, "it is a pipe, not a file"),
        (Path.mkdir, "Is a directory"),
        (device, "it is a device, not a file"),
        (Path.exists, "No such file or directory"),
    ],
)
def test_what_is_no_file_is_a_bad_image_at_once(tmp_path, make, found):
    make(tmp_path / "a.jpg")
    assert fault(tmp_path / "a.jpg") == f"expected an image, found none that can be read: {found}"
