import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch.nn import functional as F  # noqa: N812

from rafce.errors import RafceError
from rafce.geometry import regions_pixels
from rafce_train.attention import mean_with_interval, region_mask, shares

# N images, H image side and h map side in pixels
SIZE = 24
REGIONS = [frozenset({12}), frozenset({4, 25}), frozenset({1, 2, 26}), frozenset({12})]


def inside_by_hand(aus, y, x, size=SIZE):
    boxes = [box for au in aus for box in regions_pixels(au, size)]
    return any(left <= x + 0.5 < right and top <= y + 0.5 < bottom for left, top, right, bottom in boxes)


def share_by_hand(map_hh, aus):
    """The part of the enlarged map that lies in the boxes, pixel by pixel."""
    enlarged = F.interpolate(torch.from_numpy(map_hh)[None, None], (SIZE, SIZE), mode="bilinear")[
        0, 0
    ].numpy()
    inside = sum(enlarged[y, x] for y in range(SIZE) for x in range(SIZE) if inside_by_hand(aus, y, x))
    return inside / enlarged.sum()


def random_maps(n=4):
    return np.random.default_rng(0).random((n, 7, 7)) ** 3


def test_shares_equal_adding_up_pixels():
    maps = random_maps()
    found = shares(maps, REGIONS, SIZE)
    assert found.inside_N == pytest.approx([share_by_hand(*pair) for pair in zip(maps, REGIONS, strict=True)])
    flat = np.ones((7, 7))
    assert found.area_N == pytest.approx([share_by_hand(flat, aus) for aus in REGIONS])


def test_the_average_is_that_of_the_other_images_maps():
    maps = random_maps()
    unit = [
        map_hh
        / F.interpolate(torch.from_numpy(map_hh)[None, None], (SIZE, SIZE), mode="bilinear").sum().item()
        for map_hh in maps
    ]
    expected = [
        share_by_hand(np.mean([other for j, other in enumerate(unit) if j != i], axis=0), aus)
        for i, aus in enumerate(REGIONS)
    ]
    assert shares(maps, REGIONS, SIZE).average_N == pytest.approx(expected)


@pytest.mark.parametrize("side", [2, 7, 24, 30])
def test_a_uniform_map_scores_the_area(side):
    found = shares(np.full((4, side, side), 0.3), REGIONS, SIZE)
    assert found.inside_N == pytest.approx(found.area_N)
    assert found.average_N == pytest.approx(found.area_N)


def test_a_mask_is_the_pixels_whose_centre_lies_in_a_box():
    mask = region_mask(frozenset({1, 12, 25}), SIZE)
    expected = [[inside_by_hand({1, 12, 25}, y, x) for x in range(SIZE)] for y in range(SIZE)]
    np.testing.assert_array_equal(mask, expected)
    assert 0 < mask.mean() < 0.5


@settings(max_examples=25, deadline=None)
@given(
    arrays(np.float64, (4, 5, 5), elements=st.floats(0.01, 100)),
    st.permutations(range(4)),
    st.floats(0.1, 1e3),
)
def test_order_and_scale_of_maps_do_not_matter(maps, order, scale):
    found = shares(maps, REGIONS, SIZE)
    other = shares(maps[order] * scale, [REGIONS[i] for i in order], SIZE)
    for part, again in zip(found, other, strict=True):
        assert again == pytest.approx(part[order])
        assert ((part >= 0) & (part <= 1 + 1e-9)).all()


def test_a_map_of_zeros_and_an_image_without_aus_have_no_share_and_no_say():
    maps, regions = random_maps(), [*REGIONS[:3], frozenset()]
    maps[0] = 0
    found = shares(maps, regions, SIZE)
    for part in found:
        np.testing.assert_array_equal(np.isnan(part), [True, False, False, True])
    without = shares(maps[1:], regions[1:], SIZE)
    assert found.average_N[1:3] == pytest.approx(without.average_N[:2])


def test_there_is_no_average_where_it_could_say_nothing():
    assert np.isnan(shares(random_maps(1), REGIONS[:1], SIZE).average_N).all()
    same = shares(random_maps(3), [frozenset({12})] * 3, SIZE)
    assert np.isnan(same.average_N).all()
    assert not np.isnan(same.inside_N).any()


def test_an_au_without_a_place_on_the_face_is_an_error():
    with pytest.raises(RafceError, match="AU 45 has no place on the schematic face"):
        shares(random_maps(1), [frozenset({45})], SIZE)


def test_the_interval_repeats_and_is_about_two_standard_errors_wide():
    values = np.random.default_rng(3).normal(0.2, 0.1, 400)
    found = mean_with_interval(values)
    assert found == mean_with_interval(values)
    error = values.std(ddof=1) / 20
    assert found["value"] == pytest.approx(values.mean())
    assert found["ci_low"] == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert found["ci_high"] == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


@pytest.mark.parametrize(("values", "mean"), [([], None), ([np.nan], None), ([0.25, np.nan], 0.25)])
def test_nothing_has_no_mean_and_one_value_no_interval(values, mean):
    found = mean_with_interval(np.array(values))
    nothing = {"groups": None, "ci_low": None, "ci_high": None}
    assert found == {"n": sum(value == value for value in values), "value": mean, **nothing}
