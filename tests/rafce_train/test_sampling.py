"""Orders, batches and class weights against counting and scikit-learn."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from rafce.errors import ConfigError
from rafce_train.sampling import CLASS_WEIGHTS, SAMPLERS, batches, repeats, validation_batch

emotions = st.lists(st.integers(0, 4), min_size=1, max_size=60).map(np.array)


@given(emotions, st.integers(0, 2**63), st.integers(0, 100))
@settings(max_examples=50, deadline=None)
def test_shuffle_shows_every_image_once(emotion_N, seed, epoch):
    rows_N = 3 * np.arange(len(emotion_N))
    order = SAMPLERS["shuffle"](rows_N, emotion_N, seed, epoch)
    assert sorted(order.tolist()) == rows_N.tolist()


@given(emotions, st.integers(0, 2**63), st.integers(0, 100))
@settings(max_examples=50, deadline=None)
def test_balanced_shows_every_emotion_and_its_images_equally_often(emotion_N, seed, epoch):
    rows_N = np.arange(len(emotion_N))
    order = SAMPLERS["balanced"](rows_N, emotion_N, seed, epoch)
    assert len(order) == len(rows_N)
    n_emotions = len(np.unique(emotion_N))
    times = Counter(emotion_N[order].tolist())
    assert {times[e] for e in np.unique(emotion_N)} <= {
        len(rows_N) // n_emotions,
        -(-len(rows_N) // n_emotions),
    }
    shown = Counter(order.tolist())
    for emotion in np.unique(emotion_N):
        counts = [shown[row] for row in rows_N[emotion_N == emotion].tolist()]
        assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_order_is_a_function_of_seed_and_epoch(sampler):
    emotion_N = np.arange(200) % 7
    order = {
        (seed, epoch): tuple(SAMPLERS[sampler](np.arange(200), emotion_N, seed, epoch))
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(set(order.values())) == 9
    assert tuple(SAMPLERS[sampler](np.arange(200), emotion_N, 2, 1)) == order[2, 1]


@given(st.lists(st.integers(0, 9), max_size=40))
def test_repeats_count_how_often_a_row_stood_before(order):
    assert repeats(np.array(order, np.int64)).tolist() == [
        order[:i].count(row) for i, row in enumerate(order)
    ]


def test_the_last_smaller_batch_is_dropped():
    assert batches(np.arange(11), 4).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_a_batch_larger_than_the_training_set_is_refused():
    with pytest.raises(ConfigError, match="--batch-size 16: expected at most the 11 training images"):
        batches(np.arange(11), 16)


def test_validation_batches_hold_different_images_and_depend_on_every_step():
    rows_V = np.arange(100, 150)
    drawn = {
        key: validation_batch(rows_V, 16, *key)
        for key in [(seed, epoch, step) for seed in range(2) for epoch in range(3) for step in range(4)]
    }
    for rows_B in drawn.values():
        assert len(set(rows_B.tolist())) == 16
        assert set(rows_B.tolist()) <= set(rows_V.tolist())
    assert len({tuple(rows_B) for rows_B in drawn.values()}) == len(drawn)
    np.testing.assert_array_equal(validation_batch(rows_V, 16, 1, 2, 3), drawn[1, 2, 3])


def test_validation_draws_favour_no_image():
    n_steps = 4000
    times = np.bincount(np.concatenate([validation_batch(np.arange(20), 4, 0, 0, s) for s in range(n_steps)]))
    spread = np.sqrt(n_steps * 0.2 * 0.8)
    assert np.abs(times - n_steps * 0.2).max() < 4.5 * spread


def test_few_validation_images_are_all_taken():
    assert sorted(validation_batch(np.array([5, 2, 9]), 16, 0, 0, 0).tolist()) == [2, 5, 9]


def test_balanced_weights_equal_scikit_learns():
    emotion_N = np.repeat(np.arange(5), [3, 50, 7, 1, 20])
    expected = compute_class_weight("balanced", classes=np.arange(5), y=emotion_N)
    weights = CLASS_WEIGHTS["balanced"](np.bincount(emotion_N))
    np.testing.assert_allclose(weights, expected, rtol=1e-6)
    assert weights[emotion_N].mean() == pytest.approx(1, rel=1e-6)


def test_an_emotion_without_images_keeps_weight_one_and_leaves_the_others_alone():
    with_absent = CLASS_WEIGHTS["balanced"](np.array([3, 0, 9]))
    np.testing.assert_array_equal(with_absent[[0, 2]], CLASS_WEIGHTS["balanced"](np.array([3, 9])))
    assert with_absent[1] == 1


def test_no_weights_are_ones():
    assert CLASS_WEIGHTS["none"](np.array([3, 0, 9])).tolist() == [1, 1, 1]
