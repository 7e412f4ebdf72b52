"""A damaged file of the trainer is refused or gives the same numbers, a hundred times; a script does it 2,000 times."""

import pytest

from rafce.errors import RafceError
from rafce_train.data import find_images, read_data
from tests.damage.damage import outcomes
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


def test_every_kind_is_damaged(kinds):
    assert tuple(kinds) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_damage_is_refused_or_changes_nothing(kinds, name):
    assert {outcome.what for _, outcome in outcomes(kinds[name], range(100))} <= {"refused", "same numbers"}


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
