"""The image cache: decoded by hand beside it, broken files of every kind, staleness, a full disk, memory."""

import io
import os
import resource
import shutil
import struct
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rafce.errors import ImageError, OutputError
from rafce_train import cache
from rafce_train.cache import cache_folder, cached_images, decode_image

SIZE = 32


def picture(seed: int, side: tuple[int, int] = (40, 30), mode: str = "RGB") -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(side, Image.Resampling.BICUBIC).convert(mode)


def write_pictures(folder: Path, n: int) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{i:04d}.jpg" for i in range(n)]
    for seed, path in enumerate(paths):
        picture(seed).save(path)
    return paths


def silent(done: int, total: int) -> None:
    pass


def refuse_to_decode(source: object, size: int):
    raise AssertionError(f"{source} was decoded again")


def build(paths, folder, size=SIZE, on_bad_image="error", progress=silent):
    return cached_images(paths, size, folder, on_bad_image, progress)


def test_the_array_holds_what_pillow_decodes_in_order(tmp_path):
    paths = write_pictures(tmp_path / "faces", 5)
    images = build(paths, tmp_path / "cache").images_NHW3
    for path, image in zip(paths, images, strict=True):
        with Image.open(path) as opened:
            expected = np.asarray(opened.resize((SIZE, SIZE), Image.Resampling.BILINEAR))
        np.testing.assert_array_equal(image.numpy(), expected)


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB", "RGBA", "P", "1", "LA"])
def test_every_colour_mode_becomes_rgb(tmp_path, mode):
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    picture(0, mode=mode).save(path)
    assert decode_image(path, SIZE).shape == (SIZE, SIZE, 3)


@pytest.mark.parametrize(("kind", "mode"), [("uint16", "I;16"), ("int32", "I"), ("float32", "F")])
def test_an_image_of_more_than_8_bits_a_channel_is_refused(tmp_path, kind, mode):
    path = tmp_path / "deep.tiff"
    Image.fromarray(np.full((20, 20), 1000, kind)).save(path)
    with pytest.raises(ImageError, match=f"expected 8 bits a channel, found an image of mode {mode}"):
        decode_image(path, 32)


def test_images_are_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    picture(3, (32, 32)).save(tmp_path / "turned.png", exif=exif)
    picture(3, (32, 32)).save(tmp_path / "plain.png")
    turned, plain = (decode_image(tmp_path / f"{name}.png", 32) for name in ("turned", "plain"))
    np.testing.assert_array_equal(turned, np.rot90(plain, -1))


def test_reduced_decoding_of_large_jpegs_changes_little(tmp_path):
    picture(1, (1000, 800)).save(tmp_path / "large.jpg", quality=95)
    with Image.open(tmp_path / "large.jpg") as opened:
        full = np.asarray(opened.resize((SIZE, SIZE), Image.Resampling.BILINEAR), dtype=int)
    assert np.abs(decode_image(tmp_path / "large.jpg", SIZE) - full).max() <= 6


def test_an_epoch_touches_no_image_file(tmp_path, monkeypatch):
    paths = write_pictures(tmp_path / "faces", 5)
    first = build(paths, tmp_path / "cache").images_NHW3
    monkeypatch.setattr(cache, "decode_image", refuse_to_decode)
    assert build(paths, tmp_path / "cache").images_NHW3.equal(first)


def test_changes_to_the_tensor_never_reach_the_cache(tmp_path):
    paths = write_pictures(tmp_path / "faces", 2)
    images = build(paths, tmp_path / "cache").images_NHW3
    before = images.clone()
    images.zero_()
    assert build(paths, tmp_path / "cache").images_NHW3.equal(before)


@pytest.mark.parametrize(
    "change",
    [
        lambda paths: picture(99).save(paths[1]),
        lambda paths: os.utime(paths[1], ns=(1, 1)),
        lambda paths: paths.reverse(),
        lambda paths: paths.pop(),
    ],
    ids=["content", "time", "order", "number"],
)
def test_a_stale_entry_is_rebuilt_and_removed(tmp_path, change):
    paths = write_pictures(tmp_path / "faces", 4)
    build(paths, tmp_path / "cache")
    change(paths)
    images = build(paths, tmp_path / "cache").images_NHW3
    for path, image in zip(paths, images, strict=True):
        np.testing.assert_array_equal(image.numpy(), decode_image(path, SIZE))
    assert len(list((tmp_path / "cache").glob("*px-*"))) == 1


def test_image_sizes_live_side_by_side(tmp_path, monkeypatch):
    paths = write_pictures(tmp_path / "faces", 3)
    sizes = (16, 32)
    for size in sizes:
        assert build(paths, tmp_path / "cache", size).images_NHW3.shape == (3, size, size, 3)
    monkeypatch.setattr(cache, "decode_image", refuse_to_decode)
    for size in sizes:
        build(paths, tmp_path / "cache", size)


def equal_statuses(tmp_path):
    """Two folders whose files have equal names, sizes and times, and other pictures."""
    folders = tmp_path / "one", tmp_path / "two"
    for seed, folder in enumerate(folders):
        folder.mkdir()
        for i in range(3):
            pixels = np.random.default_rng((seed, i)).integers(0, 256, (20, 20, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{i}.bmp")
            os.utime(folder / f"{i}.bmp", ns=(1, 1))
    return [[folder / f"{i}.bmp" for i in range(3)] for folder in folders]


def test_two_folders_of_equal_names_sizes_and_times_never_give_each_others_images(tmp_path):
    one, two = equal_statuses(tmp_path)
    for paths in (one, two, one, two):
        images = build(paths, tmp_path / "cache").images_NHW3
        for path, image in zip(paths, images, strict=True):
            np.testing.assert_array_equal(image.numpy(), decode_image(path, SIZE))


def test_content_changed_in_place_is_seen_though_size_time_and_inode_are_put_back(tmp_path):
    one, two = equal_statuses(tmp_path)
    build(one, tmp_path / "cache")
    before = one[1].stat()
    one[1].write_bytes(two[1].read_bytes())
    os.utime(one[1], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (one[1].stat().st_size, one[1].stat().st_ino) == (before.st_size, before.st_ino)
    images = build(one, tmp_path / "cache").images_NHW3
    np.testing.assert_array_equal(images[1].numpy(), decode_image(two[1], SIZE))


@pytest.mark.parametrize("how", ["copied", "touched", "renamed", "reordered", "one more"])
def test_only_new_content_is_decoded(tmp_path, monkeypatch, how):
    paths = write_pictures(tmp_path / "faces", 40)
    before = build(paths, tmp_path / "cache").images_NHW3.clone()
    decoded = []

    def count(source, size):
        decoded.append(source.getvalue())
        return decode_image(source, size)

    monkeypatch.setattr(cache, "decode_image", count)
    order, new = list(range(40)), []
    if how == "copied":
        shutil.copytree(tmp_path / "faces", tmp_path / "copy")
        paths = [tmp_path / "copy" / path.name for path in paths]
    elif how == "touched":
        os.utime(paths[3], ns=(5, 5))
    elif how == "renamed":
        paths[7] = paths[7].rename(tmp_path / "faces" / "other.jpg")
    elif how == "reordered":
        order.reverse()
    else:
        picture(99).save(tmp_path / "faces" / "new.jpg")
        new = [tmp_path / "faces" / "new.jpg"]
    images = build([*(paths[i] for i in order), *new], tmp_path / "cache").images_NHW3
    assert images[:40].equal(before[order])
    assert decoded == [path.read_bytes() for path in new]


def test_nothing_is_read_of_files_that_are_as_they_were(tmp_path, monkeypatch):
    paths = write_pictures(tmp_path / "faces", 3)
    build(paths, tmp_path / "cache")

    def refuse(path):
        raise AssertionError(f"{path} was read again")

    monkeypatch.setattr(cache, "_content", refuse)
    build(paths, tmp_path / "cache")


def flip(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def test_a_flipped_pixel_is_found_when_its_block_is_first_looked_at_and_the_cache_is_made_anew(tmp_path):
    paths = write_pictures(tmp_path / "faces", 40)
    before = build(paths, tmp_path / "cache").images_NHW3.clone()
    (entry,) = (tmp_path / "cache").glob("*px-*")
    flip(entry / cache.PIXELS, 20 * SIZE * SIZE * 3 + 5)
    found = build(paths, tmp_path / "cache")
    found.check(np.array([0, 15, 32, 39]))  # of other blocks
    with pytest.raises(
        ImageError, match="expected the pixels that were decoded, found others in images 17 to 32"
    ):
        found.check(np.array([31]))
    again = build(paths, tmp_path / "cache")
    again.check(np.arange(40))
    assert again.images_NHW3.equal(before)


def test_damaged_pixels_are_not_taken_over_into_another_entry(tmp_path):
    paths = write_pictures(tmp_path / "faces", 4)
    before = build(paths, tmp_path / "cache").images_NHW3.clone()
    (entry,) = (tmp_path / "cache").glob("*px-*")
    flip(entry / cache.PIXELS, 0)
    assert build(paths[::-1], tmp_path / "cache").images_NHW3.equal(before.flip(0))


def test_bad_images_stay_bad_in_another_folder_and_rows_keep_their_pixels(tmp_path):
    paths = write_pictures(tmp_path / "faces", 4)
    paths[1].write_bytes(b"broken")
    first = build(paths, tmp_path / "cache", on_bad_image="drop")
    shutil.copytree(tmp_path / "faces", tmp_path / "copy")
    moved = [tmp_path / "copy" / path.name for path in paths]
    second = build(moved, tmp_path / "cache", on_bad_image="drop")
    assert second.images_NHW3.equal(first.images_NHW3)
    assert [(image.row, image.reason) for image in second.bad] == [(1, first.bad[0].reason)]


@pytest.mark.parametrize("damage", ["shorter", "no index", "changed index"])
def test_a_damaged_entry_is_rebuilt(tmp_path, damage):
    paths = write_pictures(tmp_path / "faces", 3)
    before = build(paths, tmp_path / "cache").images_NHW3.clone()
    (entry,) = (tmp_path / "cache").glob("*px-*")
    if damage == "shorter":
        (entry / cache.PIXELS).write_bytes(b"\0" * 100)
    elif damage == "no index":
        (entry / cache.INDEX).unlink()
    else:
        index = (entry / cache.INDEX).read_bytes()
        (entry / cache.INDEX).write_bytes(index.replace(b'"bad": []', b'"bad": [[0, ""]]'))
    assert build(paths, tmp_path / "cache").images_NHW3.equal(before)


def test_images_that_moved_are_read_again_but_not_decoded(tmp_path, monkeypatch):
    paths = write_pictures(tmp_path / "faces", 3)
    build(paths, tmp_path / "cache")
    moved = [path.parent.with_name("elsewhere") / path.name for path in paths]
    (tmp_path / "faces").rename(tmp_path / "elsewhere")
    monkeypatch.setattr(cache, "decode_image", refuse_to_decode)
    build(moved, tmp_path / "cache")


def test_bad_images_are_named_where_they_lie_now(tmp_path):
    paths = write_pictures(tmp_path / "faces", 2)
    paths[1].write_bytes(b"")
    build(paths, tmp_path / "cache", on_bad_image="drop")
    (tmp_path / "faces").rename(tmp_path / "elsewhere")
    moved = [tmp_path / "elsewhere" / path.name for path in paths]
    assert build(moved, tmp_path / "cache", on_bad_image="drop").bad[0].path == str(moved[1])


def test_the_cache_lies_beside_the_dataset(tmp_path, monkeypatch):
    assert cache_folder(tmp_path / "rafce-data") == tmp_path / "rafce-data.cache"
    monkeypatch.chdir(tmp_path)
    assert cache_folder(Path()) == tmp_path.with_name(f"{tmp_path.name}.cache")


def test_progress_counts_up_to_every_image(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "CHUNK", 2)
    seen = []
    paths = write_pictures(tmp_path / "faces", 5)
    build(paths, tmp_path / "cache", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(2, 5), (4, 5), (5, 5)]


def png_of_claimed_size(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0")), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def jpeg() -> bytes:
    buffer = io.BytesIO()
    picture(0).save(buffer, "JPEG")
    return buffer.getvalue()


BAD = {
    "empty": (b"", "expected an image (JPEG, PNG, BMP, WebP or TIFF), found none of these"),
    "text": (b"no image at all", "expected an image (JPEG, PNG, BMP, WebP or TIFF), found none of these"),
    "truncated": (
        jpeg()[:-200],
        "expected an image, found none that can be decoded: image file is truncated",
    ),
    "large": (png_of_claimed_size(9000, 9000), "expected at most 50000000 pixels, found 9000 × 9000"),
    "huge": (
        png_of_claimed_size(10000, 10000),
        "expected at most 50000000 pixels, found 100000000 pixels",
    ),
    "bomb": (
        png_of_claimed_size(60000, 60000),
        "expected at most 50000000 pixels, found 3600000000 pixels",
    ),
    "no pixels": (
        png_of_claimed_size(0, 0),
        "expected an image (JPEG, PNG, BMP, WebP or TIFF), found none of these",
    ),
    "absent": (None, "expected an image, found none that can be read: No such file or directory"),
    "folder": (None, "expected an image, found none that can be read: Is a directory"),
}


def write_bad_pictures(folder: Path) -> list[Path]:
    """A good image, then every bad one, then a good one."""
    paths = write_pictures(folder, 2)
    for name, (content, _) in BAD.items():
        path = folder / f"{name}.jpg"
        if content is not None:
            path.write_bytes(content)
        paths.insert(-1, path)
    (folder / "folder.jpg").mkdir()
    return paths


def test_one_error_names_every_bad_image_with_its_reason(tmp_path):
    paths = write_bad_pictures(tmp_path / "faces")
    with pytest.raises(ImageError) as caught:
        build(paths, tmp_path / "cache")
    lines = str(caught.value).splitlines()
    assert len(lines) == len(BAD)
    for line, path, (_, reason) in zip(lines, paths[1:-1], BAD.values(), strict=True):
        assert line.startswith(f"{path}: {reason}")


def test_dropped_images_are_recorded_and_the_others_keep_their_order(tmp_path):
    paths = write_bad_pictures(tmp_path / "faces")
    images, bad, _ = found = build(paths, tmp_path / "cache", on_bad_image="drop")
    assert [image.row for image in bad] == list(range(1, len(BAD) + 1))
    assert [image.path for image in bad] == [str(path) for path in paths[1:-1]]
    assert np.flatnonzero(found.good()).tolist() == [0, len(paths) - 1]
    for image, path in zip(images, [paths[0], paths[-1]], strict=True):
        np.testing.assert_array_equal(image.numpy(), decode_image(path, SIZE))


def test_no_good_image_is_an_error_even_when_dropping(tmp_path):
    with pytest.raises(ImageError, match="No such file"):
        build([tmp_path / f"{i}.jpg" for i in range(30)], tmp_path / "cache", on_bad_image="drop")


def test_an_image_that_appears_later_is_noticed(tmp_path):
    paths = write_pictures(tmp_path / "faces", 2)
    late = tmp_path / "faces" / "late.jpg"
    assert build([*paths, late], tmp_path / "cache", on_bad_image="drop").good().tolist() == [
        True,
        True,
        False,
    ]
    picture(7).save(late)
    assert build([*paths, late], tmp_path / "cache").good().all()


def test_random_damage_gives_an_image_or_a_reason(tmp_path):
    random = np.random.default_rng(0)
    path = tmp_path / "damaged"
    buffers = {}
    for kind in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"):
        buffers[kind] = io.BytesIO()
        picture(0).save(buffers[kind], kind)
    for buffer in buffers.values():
        for _ in range(40):
            content = bytearray(buffer.getvalue())
            for position in random.integers(len(content), size=4):
                content[position] = random.integers(256)
            path.write_bytes(content[: random.integers(1, len(content) + 1)])
            try:
                decoded = decode_image(path, 8)
            except ImageError:
                continue
            assert decoded.shape == (8, 8, 3)


def test_a_full_disk_is_an_output_error_and_leaves_nothing_half_written(tmp_path):
    paths = write_pictures(tmp_path / "faces", 8)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))  # a write beyond it fails as on a full disk
    try:
        with pytest.raises(OutputError, match="cannot be written: File too large"):
            build(paths, tmp_path / "cache")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in (tmp_path / "cache").iterdir() if path.is_dir()] == []


def test_a_place_that_cannot_hold_the_cache_is_an_output_error(tmp_path):
    paths = write_pictures(tmp_path / "faces", 1)
    (tmp_path / "cache").write_text("a file", encoding="utf-8")
    with pytest.raises(OutputError, match="cache: cannot write the image cache: "):
        build(paths, tmp_path / "cache")


def test_an_interrupted_build_leaves_nothing_half_written(tmp_path):
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    paths = write_pictures(tmp_path / "faces", 3)
    with pytest.raises(KeyboardInterrupt):
        build(paths, tmp_path / "cache", progress=interrupt)
    assert [path.name for path in (tmp_path / "cache").iterdir() if path.is_dir()] == []


def test_what_a_killed_build_left_is_replaced(tmp_path):
    paths = write_pictures(tmp_path / "faces", 3)
    images = build(paths, tmp_path / "cache").images_NHW3.clone()
    (entry,) = (tmp_path / "cache").glob("*px-*")
    entry.rename(entry.with_name(f"{entry.name}.partial"))
    (tmp_path / "cache" / f"{SIZE}px-0123456789abcdef.partial").mkdir()
    assert build(paths, tmp_path / "cache").images_NHW3.equal(images)
    assert list((tmp_path / "cache").glob("*px-*")) == [entry]


def test_processes_that_want_the_same_entry_build_it_once(tmp_path, monkeypatch):
    paths = write_pictures(tmp_path / "faces", 6)
    decoded = []

    def count(source, size: int):
        decoded.append(source.getvalue())
        return decode_image(source, size)

    monkeypatch.setattr(cache, "decode_image", count)
    threads = [threading.Thread(target=build, args=(paths, tmp_path / "cache")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(decoded) == sorted(path.read_bytes() for path in paths)


ANONYMOUS_MEMORY = """
import re, sys, torch
from pathlib import Path
import numpy as np
from rafce_train.augment import batch_images
from rafce_train.cache import cached_images

def anonymous_kib():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

torch.set_num_threads(1)
path, copies, folder = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
cached_images([path] * 600, 112, folder / "small", "error", lambda done, total: None)  # as many as are held at a time
before = anonymous_kib()
images = cached_images([path] * copies, 112, folder / "large", "error", lambda done, total: None).images_NHW3
for start in range(0, copies, 16):
    batch_images(images, np.arange(start, min(start + 16, copies)), "imagenet", "rgb")
print(anonymous_kib() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc to read RssAnon")
def test_anonymous_memory_does_not_grow_with_the_dataset(tmp_path):
    (path,) = write_pictures(tmp_path / "faces", 1)
    arguments = [sys.executable, "-c", ANONYMOUS_MEMORY, str(path), "2000", str(tmp_path)]
    # beside other work threads fall behind each other, and each gets an arena of its own from malloc
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1"}
    found = subprocess.run(arguments, capture_output=True, text=True, check=True, env=environment)
    grown = int(found.stdout)
    assert grown < 0.25 * 2000 * 112 * 112 * 3 / 1024
