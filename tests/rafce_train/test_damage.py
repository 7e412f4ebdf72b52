"""A damaged file of the trainer is refused or gives the same numbers, a hundred times; a script does it 2,000 times."""

from contextlib import suppress

import numpy as np
import pytest

from rafce.errors import RafceError
from rafce_train.data import find_images, read_data
from tests.damage.run_kinds import CACHE_FILES, RUN_FILES, kinds_of

NAMES = (
    *(f"run, {file}" for file in RUN_FILES),
    *("run, weights.safetensors", "resume, config.toml", "resume, state.pt"),
    *("exported, safetensors", "exported, onnx"),
    *(f"image cache, {file}" for file in CACHE_FILES),
)


@pytest.fixture(scope="module")
def kinds(tiny, whole, tiny_dataset, tmp_path_factory):
    run, _ = whole(tiny(method="mtl", epochs=1, backbone="shufflenet_v2_x0_5"))
    images = find_images(read_data(tiny_dataset))
    return {kind.name: kind for kind in kinds_of(run, images, tmp_path_factory.mktemp("damaged"))}


def damaged(content: bytes, random: np.random.Generator) -> bytes:
    """A bit flipped, bytes overwritten, zeroed, cut out or added, or the end cut off."""
    start = int(random.integers(len(content)))
    stop = min(len(content), start + int(random.integers(1, 64)))
    flipped = bytes([content[start] ^ 1 << int(random.integers(8))]) + content[start + 1 : stop]
    some = random.bytes(stop - start)
    ways = (flipped, flipped, some, bytes(stop - start), b"", content[start:stop] + some, None)
    middle = ways[int(random.integers(len(ways)))]
    return content[:start] if middle is None else content[:start] + middle + content[stop:]


def test_every_kind_is_damaged(kinds):
    assert tuple(kinds) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_damage_is_refused_or_changes_nothing(kinds, name):
    kind, random = kinds[name], np.random.default_rng(0)
    path = kind.folder / kind.file
    whole, expected = path.read_bytes(), kind.read(kind.folder)
    try:
        for _ in range(100):
            path.write_bytes(damaged(whole, random))
            with suppress(RafceError):
                assert kind.read(kind.folder) == expected
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize(
    "name", ["resume, state.pt", "run, weights.safetensors", "exported, safetensors", "exported, onnx"]
)
def test_a_single_flipped_bit_of_tensors_is_always_refused(kinds, name):
    kind = kinds[name]
    path = kind.folder / kind.file
    whole = path.read_bytes()
    try:
        for i in range(30):
            flipped = bytearray(whole)
            flipped[(2 * i + 1) * len(whole) // 60] ^= 1 << (i % 8)
            path.write_bytes(flipped)
            with pytest.raises(RafceError, match="damaged or was changed"):
                kind.read(kind.folder)
    finally:
        path.write_bytes(whole)
