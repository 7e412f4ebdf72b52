"""Stratified splits: how many images of an emotion each partition gets."""

import numpy as np
import pytest

from rafce.schema import PARTITIONS
from rafce.split import class_sizes, stratified_split

SHARES = (0.6, 0.2, 0.2)


@pytest.mark.parametrize(
    ("n", "sizes"),
    [
        (0, [0, 0, 0]),
        (1, [1, 0, 0]),
        (2, [1, 1, 0]),
        (3, [1, 1, 1]),  # none is left without
        (6, [4, 1, 1]),  # of 3.6, 1.2, 1.2 the largest remainder
        (7, [4, 2, 1]),  # of 4.2, 1.4, 1.4 the first of equals
        (10, [6, 2, 2]),
        (104, [62, 21, 21]),  # of 62.4, 20.8, 20.8
    ],
)
def test_largest_remainders_round_up(n, sizes):
    assert class_sizes(n, SHARES) == sizes


def test_each_emotion_is_divided_by_itself():
    emotion_N = np.repeat([0, 1, 2], [104, 7, 10])
    partition_N = stratified_split(emotion_N, SHARES, 0)
    for emotion, sizes in enumerate([[62, 21, 21], [4, 2, 1], [6, 2, 2]]):
        assert [np.sum(partition_N[emotion_N == emotion] == name) for name in PARTITIONS] == sizes
