"""Splits that keep groups whole: what always holds, how well they balance, how fast they are."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rafce.errors import ConfigError
from rafce.schema import PARTITIONS
from rafce.split import grouped_split

SHARES = (0.6, 0.2, 0.2)


@st.composite
def labelled_groups(draw):
    """Emotions and groups of up to 200 images, in any order, of at least three groups of any sizes."""
    sizes = draw(st.lists(st.integers(1, 20), min_size=3, max_size=10))
    group_N = np.repeat(np.array([f"video {i}" for i in range(len(sizes))], dtype=object), sizes)
    emotion_N = np.array(draw(st.lists(st.integers(0, 4), min_size=len(group_N), max_size=len(group_N))))
    order = np.array(draw(st.permutations(range(len(group_N)))))
    return emotion_N[order], group_N[order]


@settings(max_examples=100, deadline=None)
@given(
    labelled_groups(),
    st.tuples(*[st.floats(0.1, 1)] * 3).map(lambda parts: np.array(parts) / sum(parts)),
    st.integers(0, 5),
)
def test_no_group_is_cut_and_shares_are_kept_as_far_as_the_largest_group_allows(labelled, shares, seed):
    emotion_N, group_N = labelled
    partition_N = grouped_split(emotion_N, group_N, shares, seed)
    assert set(partition_N) == set(PARTITIONS)  # every image is placed, every partition has some
    for group in set(group_N):
        assert len(set(partition_N[group_N == group])) == 1
    largest = max(np.sum(group_N == group) for group in set(group_N))
    for share, name in zip(shares, PARTITIONS, strict=True):
        surplus = np.sum(partition_N == name) - share * len(group_N)
        assert -2 * largest < surplus < largest


@settings(max_examples=30, deadline=None)
@given(labelled_groups(), st.integers(0, 5))
def test_the_order_of_the_rows_changes_nothing(labelled, seed):
    emotion_N, group_N = labelled
    partition_N = grouped_split(emotion_N, group_N, SHARES, seed)
    np.testing.assert_array_equal(
        grouped_split(emotion_N[::-1], group_N[::-1], SHARES, seed), partition_N[::-1]
    )


def test_every_emotion_is_divided_by_the_shares_when_groups_are_many():
    rng = np.random.default_rng(0)
    group_N = np.repeat(np.arange(400), rng.integers(5, 100, 400))
    likely_GE = rng.dirichlet(np.full(7, 0.5), 400)  # most groups show two or three of seven emotions
    emotion_N = np.array([rng.choice(7, p=likely_GE[group]) for group in group_N])
    partition_N = grouped_split(emotion_N, group_N, SHARES, 0)
    for emotion in range(7):
        members = partition_N[emotion_N == emotion]
        found = [np.mean(members == name) for name in PARTITIONS]
        assert found == pytest.approx(SHARES, abs=0.01)


@pytest.mark.parametrize(
    ("shares", "n_groups", "sizes"),
    [(SHARES, 10, [6, 2, 2]), ((0.65, 0.2, 0.15), 8, [5, 2, 1])],  # of the eight Jefferson's gives 6, 1, 1
)
def test_equal_groups_are_dealt_as_seats_are_by_websters_rule(shares, n_groups, sizes):
    partition_N = grouped_split(np.zeros(n_groups, np.int64), np.arange(n_groups), shares, 0)
    assert [np.sum(partition_N == name) for name in PARTITIONS] == sizes


def test_another_seed_deals_otherwise_and_the_same_seed_alike():
    group_N, emotion_N = np.repeat(np.arange(30), 10), np.tile(np.arange(5), 60)
    splits = [grouped_split(emotion_N, group_N, SHARES, seed).tolist() for seed in (0, 0, 1)]
    assert splits[0] == splits[1] != splits[2]


@pytest.mark.parametrize("seed", range(3))
def test_small_groups_even_out_what_a_large_one_leaves(seed):
    """Half of the images in one group: dealt first it leaves train 20 short, dealt last 40 over."""
    group_N = np.concatenate([np.zeros(100, np.int64), np.arange(1, 101)])
    partition_N = grouped_split(np.zeros(200, np.int64), group_N, SHARES, seed)
    assert [np.sum(partition_N == name) for name in PARTITIONS] == [120, 40, 40]


def test_large_groups_are_found_in_every_partition():
    size_G = np.random.default_rng(1).permutation(np.arange(60, 120))
    group_N = np.repeat(np.arange(60), size_G)
    partition_N = grouped_split(np.zeros(len(group_N), np.int64), group_N, SHARES, 0)
    mean_sizes = [size_G[np.unique(group_N[partition_N == name])].mean() for name in PARTITIONS]
    assert mean_sizes == pytest.approx([size_G.mean()] * 3, rel=0.15)


@pytest.mark.parametrize("groups", [["a"], ["b", "a", "b"]])
def test_fewer_than_three_groups_cannot_be_split(groups):
    message = rf"expected at least 3 groups, .* found {len(set(groups))}: {', '.join(sorted(set(groups)))}$"
    with pytest.raises(ConfigError, match=message):
        grouped_split(np.zeros(len(groups), np.int64), np.array(groups, object), SHARES, 0)


def test_ten_thousand_groups_are_dealt_in_a_moment():
    rng = np.random.default_rng(2)
    group_N, emotion_N = rng.integers(10_000, size=10**6), rng.integers(14, size=10**6)
    start = time.process_time()
    grouped_split(emotion_N, group_N, SHARES, 0)
    assert time.process_time() - start < 5
