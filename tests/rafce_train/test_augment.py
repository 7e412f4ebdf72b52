"""Augmentation equals torchvision's operations image by image, and its draws depend on nothing but their keys."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torchvision.transforms import functional as tv

from rafce_train.augment import (
    NORMALIZATIONS,
    Jitter,
    batch_images,
    draw_jitter,
    splitmix64,
    uniforms,
)

SIZE = 10
IMAGES_NHW3 = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (7, SIZE, SIZE, 3), dtype=np.uint8))
ROWS = np.array([3, 0, 6, 3])


def jitter(n: int, **changes: list[float]) -> Jitter:
    still = draw_jitter("none", np.arange(n), SIZE, seed=0, epoch=0)
    return still._replace(
        **{name: torch.tensor(values, dtype=getattr(still, name).dtype) for name, values in changes.items()}
    )


def unit(rows, jitter=None):
    """Images of these rows from 0 to 1."""
    return batch_images(IMAGES_NHW3, rows, "unit", "rgb", jitter)


def plain(row: int) -> torch.Tensor:
    return IMAGES_NHW3[row].permute(2, 0, 1).float() / 255


def test_splitmix64_gives_the_published_first_outputs():
    assert splitmix64(0)[0] == 0xE220A8397B1DCDAF
    assert splitmix64(1234567)[0] == 6457827717110365317


def test_without_jitter_images_are_exactly_the_cached_bytes():
    expected = torch.stack([plain(row) for row in ROWS])
    assert unit(ROWS).equal(expected)
    assert unit(ROWS, draw_jitter("none", ROWS, SIZE, seed=5, epoch=3)).equal(expected)


@pytest.mark.parametrize("normalize", NORMALIZATIONS)
def test_normalisation_equals_torchvisions(normalize):
    expected = torch.stack([tv.normalize(plain(row), *NORMALIZATIONS[normalize]) for row in ROWS])
    torch.testing.assert_close(
        batch_images(IMAGES_NHW3, ROWS, normalize, "rgb"), expected, rtol=1e-5, atol=1e-5
    )


def test_bgr_is_rgb_reversed_after_normalisation():
    rgb = batch_images(IMAGES_NHW3, ROWS, "imagenet", "rgb")
    assert batch_images(IMAGES_NHW3, ROWS, "imagenet", "bgr").equal(rgb.flip(1))


def test_colour_jitter_equals_torchvisions_per_image():
    brightness, contrast, saturation = [0.5, 1.7, 1.0, 1.2], [1.8, 0.4, 1.0, 0.8], [0.0, 2.0, 1.0, 1.1]
    changed = unit(ROWS, jitter(4, brightness_B=brightness, contrast_B=contrast, saturation_B=saturation))
    for i, row in enumerate(ROWS):
        expected = tv.adjust_brightness(plain(row), brightness[i])
        expected = tv.adjust_contrast(expected, contrast[i])
        torch.testing.assert_close(
            changed[i], tv.adjust_saturation(expected, saturation[i]), rtol=0, atol=1e-5
        )


def test_a_flip_mirrors_the_image_left_to_right():
    changed = unit(ROWS, jitter(4, flip_B=[1, 0, 1, 0]))
    assert changed[0].equal(tv.hflip(plain(3)))
    assert changed[3].equal(plain(3))


@given(st.integers(-9, 9), st.integers(-9, 9), st.booleans())
@settings(max_examples=30, deadline=None)
def test_a_shift_after_the_flip_moves_every_pixel_and_repeats_the_edge(down, right, flip):
    changed = unit(np.array([2]), jitter(1, down_B=[down], right_B=[right], flip_B=[flip]))[0]
    image = tv.hflip(plain(2)) if flip else plain(2)
    padded = torch.nn.functional.pad(image[None], (9, 9, 9, 9), mode="replicate")[0]
    assert changed.equal(padded[:, 9 - down : 9 - down + SIZE, 9 - right : 9 - right + SIZE])


def test_an_image_is_changed_alike_whatever_stands_beside_it_in_the_batch():
    batch = np.array([4, 1, 5, 0])
    together = unit(batch, draw_jitter("standard", batch, SIZE, seed=1, epoch=2))
    for i, row in enumerate(batch):
        alone = unit(np.array([row]), draw_jitter("standard", np.array([row]), SIZE, seed=1, epoch=2))
        torch.testing.assert_close(alone[0], together[i], rtol=0, atol=1e-6)


def test_images_epochs_and_seeds_draw_differently():
    draws = [uniforms(seed, epoch, np.arange(50), 6) for seed in range(3) for epoch in range(3)]
    flat = np.concatenate([draw.ravel() for draw in draws])
    assert len(np.unique(flat)) == len(flat)


def test_every_repeat_of_an_image_draws_anew_and_the_first_showing_as_without_repeats():
    rows_B, repeat_B = np.repeat(np.arange(50), 4), np.tile(np.arange(4), 50)
    drawn_Bn = uniforms(3, 1, rows_B, 6, repeat_B)
    assert len(np.unique(drawn_Bn)) == drawn_Bn.size
    np.testing.assert_array_equal(drawn_Bn[::4], uniforms(3, 1, np.arange(50), 6))


def test_draws_are_uniform_and_independent():
    draw_Bn = uniforms(7, 3, np.arange(20_000), 6)
    assert draw_Bn.min() >= 0
    assert draw_Bn.max() < 1
    for column in draw_Bn.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-4
    correlations = np.corrcoef(np.column_stack([draw_Bn, np.roll(draw_Bn, 1, axis=0)]).T)
    assert np.abs(correlations - np.eye(12)).max() < 0.04


def test_standard_jitter_keeps_to_its_limits_and_reaches_them():
    drawn = draw_jitter("standard", np.arange(5000), 112, seed=0, epoch=0)
    for shift_B in (drawn.down_B, drawn.right_B):
        assert set(shift_B.tolist()) == set(range(-4, 5))
    for factor_B in drawn[3:]:
        assert 0.8 <= factor_B.min() < 0.81
        assert 1.19 < factor_B.max() <= 1.2
    assert stats.binomtest(int(drawn.flip_B.sum()), 5000, 0.5).pvalue > 1e-4
