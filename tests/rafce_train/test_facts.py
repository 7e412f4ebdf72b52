import json

import pytest

from rafce.errors import WeightsError
from rafce_train.augment import NORMALIZATIONS
from rafce_train.facts import Facts, Preprocessing, facts_from

FACTS = Facts(
    backbone="resnet18",
    method="mtl",
    epoch=3,
    emotions=("happily sad", "sadly angry"),
    aus=(1, 4, 25),
    thresholds=(0.1, 0.30000001192092896, 0.5),
    precision="fp32",
    preprocessing=Preprocessing(32, "symmetric", "bgr"),
    licence="research only",
)


def test_facts_come_back_from_json_as_they_were():
    assert facts_from(json.loads(json.dumps(FACTS.described())), "w") == FACTS


def test_described_preprocessing_needs_no_program_to_be_read():
    described = FACTS.described()["preprocessing"]
    assert (described["mean"], described["deviation"]) == NORMALIZATIONS["symmetric"]
    assert "bilinear" in described["steps"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"thresholds": [0.5]}, "expected a threshold for each of 3 AUs, found 1"),
        ({"emotions": 14}, "w: expected facts beside the weights that can be used: 'int' object"),
        (
            {"preprocessing": {"image_size": 32, "normalize": "own", "channel_order": "gbr"}},
            "w: normalize: expected one of imagenet, symmetric, unit, found own, "
            "channel_order: expected one of rgb, bgr, found gbr",
        ),
        (
            {"preprocessing": {"image_size": 32}},
            "w: expected 'normalize' among the facts beside the weights, found none",
        ),
        ({"emotions": ["a", "a"]}, "w: emotion a stands there twice"),
        ({"emotions": ["a", 1]}, "w: emotions: expected str, found 1"),
        ({"aus": [1, 1, 2]}, "w: AU 1 stands there twice"),
        ({"aus": [1, -7, 2]}, "w: AU -7: expected a number from 1 to 999"),
        ({"thresholds": [0.1, 1.5, float("nan")]}, "w: threshold: expected 0 to 1, found 1.5, threshold: "),
        ({"precision": "fp8"}, "w: precision: expected one of fp32, bf16, found fp8"),
        ({"epoch": "3"}, "w: epoch: expected int, found 3"),
        (
            {"preprocessing": {"image_size": 10**9, "normalize": "unit", "channel_order": "rgb"}},
            "w: image_size: expected 32 up to 1025, found 1000000000",
        ),
    ],
)
def test_facts_that_cannot_be_used_are_refused(changes, message):
    with pytest.raises(WeightsError) as caught:
        facts_from({**FACTS.described(), **changes}, "w")
    assert message in str(caught.value)
