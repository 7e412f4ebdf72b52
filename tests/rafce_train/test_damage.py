"""Damaged files of the trainer are refused or give the same numbers; `bench/damage_runs.py` damages 2,000 times."""

import runpy
from pathlib import Path

import pytest

from rafce_train.data import find_images, read_data

BENCH = runpy.run_path(str(Path(__file__).parents[1] / "bench" / "damage_runs.py"))
NAMES = (
    *("config.toml", "history.parquet", "metrics.json", "predictions.parquet", "SHA256SUMS"),
    *(
        "config.toml (to resume)",
        "state.pt",
        "weights.safetensors",
        "exported .safetensors",
        "exported .onnx",
    ),
    *("image cache: images.uint8", "image cache: files.parquet", "image cache: index.json"),
)


@pytest.fixture(scope="module")
def kinds(tiny, whole, tiny_dataset, tmp_path_factory):
    run, _ = whole(tiny(method="mtl", epochs=1, backbone="shufflenet_v2_x0_5"))
    images = find_images(read_data(tiny_dataset))
    return BENCH["kinds"](run, images, tmp_path_factory.mktemp("damaged"))


def test_every_kind_is_damaged(kinds):
    assert tuple(kinds) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_damage_is_refused_or_changes_nothing(kinds, name):
    found = set(BENCH["outcomes"](kinds[name], 100))
    assert found <= {"refused", "the same numbers"}


def test_a_single_flipped_bit_in_a_state_or_in_weights_is_always_refused(kinds):
    for name in ("state.pt", "weights.safetensors", "exported .safetensors", "exported .onnx"):
        kind = kinds[name]
        content = kind.file.read_bytes()
        for i in range(24):
            flipped = bytearray(content)
            flipped[(2 * i + 1) * len(content) // 48] ^= 1 << (i % 8)
            kind.file.write_bytes(flipped)
            with pytest.raises(Exception, match="damaged or was changed"):
                kind.numbers()
        kind.restore()
