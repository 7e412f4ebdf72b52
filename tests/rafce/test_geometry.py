"""The face obeys FACS: what each AU moves, on which side, and where its region lies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rafce import geometry
from rafce.action_units import ACTION_UNITS
from rafce.errors import RafceError
from rafce.geometry import (
    LIPS,
    NEUTRAL_P2,
    POINT_NAMES,
    SIDES,
    action,
    displacement_P2,
    face_P2,
    regions_pixels,
)
from rafce.taxonomy import AUS

MIRROR_P = [
    POINT_NAMES.index(
        name.replace("left_", "right_") if name.startswith("left_") else name.replace("right_", "left_")
    )
    for name in POINT_NAMES
]


def at(points_P2, name):
    return points_P2[POINT_NAMES.index(name)]


def shown(*aus):
    return face_P2([action(au) for au in aus])


def mirrored(points_P2):
    return points_P2[MIRROR_P] * (-1, 1)


def rise(au, name):
    """How far an AU lifts a landmark, in face units."""
    return at(NEUTRAL_P2, name)[1] - at(shown(au), name)[1]


def eye_opening(*aus):
    points_P2 = shown(*aus)
    return at(points_P2, "left_lid_lower")[1] - at(points_P2, "left_lid_upper")[1]


def mouth_opening(*aus):
    points_P2 = shown(*aus)
    return at(points_P2, "lip_lower_inner")[1] - at(points_P2, "lip_upper_inner")[1]


def mouth_width(*aus):
    points_P2 = shown(*aus)
    return at(points_P2, "left_mouth_corner")[0] - at(points_P2, "right_mouth_corner")[0]


def lip_thickness(points_P2, lip):
    inner, outer = at(points_P2, f"lip_{lip}_inner"), at(points_P2, f"lip_{lip}")
    return abs(inner[1] - outer[1])


def test_every_au_of_raf_au_and_the_lab_table_has_a_place():
    assert set(ACTION_UNITS) == {*AUS, 11}


def test_the_neutral_face_is_symmetric_and_no_au_leaves_it_unchanged():
    np.testing.assert_array_equal(face_P2([]), NEUTRAL_P2)
    np.testing.assert_array_equal(mirrored(NEUTRAL_P2), NEUTRAL_P2)


def test_inner_and_outer_brow_raisers_lift_their_own_end_most():
    assert rise(1, "left_brow_inner") > 0.1 > 5 * rise(1, "left_brow_outer")
    assert rise(2, "left_brow_outer") > 0.1 > 5 * rise(2, "left_brow_inner")


def test_the_brow_lowerer_lowers_the_brows_and_draws_them_together():
    moved_P2 = shown(4)
    assert rise(4, "left_brow_inner") < -0.05
    assert at(moved_P2, "left_brow_inner")[0] < at(NEUTRAL_P2, "left_brow_inner")[0]
    assert at(moved_P2, "right_brow_inner")[0] > at(NEUTRAL_P2, "right_brow_inner")[0]


def test_lid_aus_open_narrow_and_close_the_eye():
    assert eye_opening(5) > eye_opening() > eye_opening(6) > eye_opening(7) > eye_opening(43) == 0
    assert eye_opening(5, 43) == eye_opening(43)


def test_lip_corners_go_up_down_out_and_in_as_facs_says():
    assert rise(12, "left_mouth_corner") > 0.08
    assert rise(15, "left_mouth_corner") < -0.08
    assert mouth_width(20) > mouth_width(12) > mouth_width() > mouth_width(23) > mouth_width(18)


def test_mouths_open_wider_from_25_over_26_to_27():
    assert 0 == mouth_opening() < mouth_opening(25) < mouth_opening(26) < mouth_opening(27)
    assert mouth_opening(26, 27) == mouth_opening(27)
    assert rise(27, "chin") < rise(26, "chin") < 0 == rise(25, "chin")


@pytest.mark.parametrize("au", [10, 17, 23, 24, 28])
def test_lips_stay_in_contact_while_nothing_parts_them(au):
    assert mouth_opening(au) == 0


def test_lip_suck_hides_the_red_of_the_named_lip_only():
    top_P2, bottom_P2 = face_P2([action(28, lip="T")]), face_P2([action(28, lip="B")])
    assert lip_thickness(top_P2, "upper") < 0.02 < 0.08 < lip_thickness(top_P2, "lower")
    assert lip_thickness(bottom_P2, "lower") < 0.02 < 0.05 < lip_thickness(bottom_P2, "upper")


def test_nose_cheeks_and_jaw_change_their_width():
    assert at(shown(39), "left_nose_wing")[0] < at(NEUTRAL_P2, "left_nose_wing")[0]
    assert at(shown(35), "left_jaw_upper")[0] < at(NEUTRAL_P2, "left_jaw_upper")[0]
    assert at(shown(34), "left_jaw_upper")[0] > at(NEUTRAL_P2, "left_jaw_upper")[0]


@pytest.mark.parametrize(("side", "sign"), [(None, 1), ("L", 1), ("R", -1)])
def test_the_jaw_slides_to_the_named_side(side, sign):
    chin = at(face_P2([action(30, side)]), "chin")
    assert np.sign(chin[0]) == sign


@pytest.mark.parametrize("au", sorted(set(ACTION_UNITS) - {30}))
def test_left_moves_only_the_right_half_of_the_image_and_both_halves_make_the_whole(au):
    left_P2, right_P2 = (displacement_P2(action(au, side)) for side in SIDES)
    assert not left_P2[NEUTRAL_P2[:, 0] < 0].any()
    np.testing.assert_allclose(left_P2 + right_P2, displacement_P2(action(au)), atol=1e-15)


@pytest.mark.parametrize("au", ACTION_UNITS)
def test_an_au_on_the_right_mirrors_the_one_on_the_left(au):
    left_P2, right_P2 = (face_P2([action(au, side)]) for side in SIDES)
    np.testing.assert_allclose(mirrored(left_P2), right_P2, atol=1e-12)


@pytest.mark.parametrize("au", ACTION_UNITS)
def test_movement_is_proportional_to_strength(au):
    half_P2, full_P2 = displacement_P2(action(au, strength=0.5)), displacement_P2(action(au))
    np.testing.assert_allclose(half_P2 * 2, full_P2, atol=1e-15)


@pytest.mark.parametrize("au", [18, 22, 23, 24, 28])
def test_upper_and_lower_lip_make_the_whole_au(au):
    upper_P2, lower_P2 = (displacement_P2(action(au, lip=lip)) for lip in LIPS)
    for index, name in enumerate(POINT_NAMES):
        if "lip_upper" in name:
            assert not lower_P2[index].any()
        if "lip_lower" in name:
            assert not upper_P2[index].any()
    both_P2 = np.where(np.abs(upper_P2) > np.abs(lower_P2), upper_P2, lower_P2)
    np.testing.assert_array_equal(both_P2, displacement_P2(action(au)))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(sorted(ACTION_UNITS)), st.sampled_from([None, *SIDES])), unique=True)
)
def test_lids_and_lips_keep_their_order_under_any_combination(shown_on_sides):
    points_P2 = face_P2([action(au, side) for au, side in shown_on_sides])
    assert np.isfinite(points_P2).all()
    for side in ("left", "right"):
        assert at(points_P2, f"{side}_lid_upper")[1] <= at(points_P2, f"{side}_lid_lower")[1]
    column = ("lip_upper", "lip_upper_inner", "lip_lower_inner", "lip_lower")
    assert np.all(np.diff([at(points_P2, name)[1] for name in column]) >= 0)


@pytest.mark.parametrize("size", [100, 112])
@pytest.mark.parametrize("au", ACTION_UNITS)
def test_every_region_lies_in_the_frame_and_is_large_enough_to_see(au, size):
    for box in (box for side in (None, *SIDES) for box in regions_pixels(au, size, side)):
        assert 0 <= box.left < box.right <= size
        assert 0 <= box.top < box.bottom <= size
        assert (box.right - box.left) * (box.bottom - box.top) > 0.005 * size**2


@pytest.mark.parametrize("au", ACTION_UNITS)
def test_the_landmark_that_moves_most_lies_in_the_region(au):
    moved_P2 = shown(au)
    x, y = moved_P2[np.linalg.norm(moved_P2 - NEUTRAL_P2, axis=1).argmax()]
    assert any(box.left <= x <= box.right and box.top <= y <= box.bottom for box in geometry.regions(au))


def test_regions_of_a_named_lip_lie_on_their_side_of_the_mouth():
    line = at(NEUTRAL_P2, "lip_upper_inner")[1]
    (top,), (bottom,) = (geometry.regions(28, lip=lip, points_P2=NEUTRAL_P2) for lip in LIPS)
    assert top.bottom < line + 0.05 < bottom.bottom
    assert bottom.top > line - 0.05 > top.top


def test_paired_aus_have_a_region_on_either_side_and_the_left_one_is_right_in_the_image():
    left, right = geometry.regions(12)
    assert right.right < 0 < left.left
    assert geometry.regions(12, "L") == (left,)
    assert geometry.regions(12, "R") == (right,)


def test_pixels_follow_the_frame():
    np.testing.assert_allclose(
        geometry.to_pixels(np.array([[0.0, 0.0], [0.5, 0.5]]), 100), [[50, 41], [80, 71]]
    )


def test_a_spline_passes_through_its_points_and_keeps_straight_lines():
    zigzag_N2 = np.array([(0.0, 0.0), (1.0, 2.0), (2.0, -1.0), (3.0, 0.5)])
    np.testing.assert_allclose(geometry.smooth(zigzag_N2, 5)[::5], zigzag_N2)
    np.testing.assert_allclose(geometry.smooth(zigzag_N2, 5, closed=True)[::5], [*zigzag_N2, zigzag_N2[0]])
    line_M2 = geometry.smooth(np.array([(0.0, 1.0), (1.0, 3.0), (2.0, 5.0), (3.0, 7.0)]))
    np.testing.assert_allclose(line_M2[:, 1], 1 + 2 * line_M2[:, 0])


def area(outline_N2):
    x, y = outline_N2.T
    return abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2


def test_teeth_show_where_the_lip_before_them_moves_away():
    hidden, upper, lower = (geometry.teeth(shown(*aus)) for aus in ((), (10, 25), (16,)))
    assert area(hidden[0]) < 1e-12 > area(hidden[1])
    assert area(upper[0]) > 4 * area(upper[1])
    assert area(lower[1]) > area(lower[0])


@pytest.mark.parametrize("au", ACTION_UNITS)
def test_creases_of_one_side_stay_on_that_side(au):
    points_P2 = shown(au)
    left, right = (geometry.creases(action(au, side, strength=0.5), points_P2) for side in SIDES)
    assert len(left) == len(right) == len(ACTION_UNITS[au].creases)
    assert all(crease.line_N2[:, 0].min() >= 0 and crease.strength == 0.5 for crease in left)
    assert all(crease.line_N2[:, 0].max() <= 0 for crease in right)


def test_a_crease_of_one_lip_needs_that_lip():
    points_P2 = shown(23)
    assert len(geometry.creases(action(23), points_P2)) == 2 * len(
        geometry.creases(action(23, lip="T"), points_P2)
    )


def test_an_au_without_a_place_is_named_with_those_that_have_one():
    with pytest.raises(
        RafceError, match=r"AU 38 has no place on the schematic face: expected one of 1, 2, 4, "
    ):
        geometry.regions(38)


def test_a_lip_on_an_au_that_moves_no_lip_is_refused():
    with pytest.raises(RafceError, match="AU 4 does not act on the lips: found T4"):
        action(4, lip="T")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"side": "left"}, "AU 1: expected L or R, found 'left'"),
        ({"lip": "U"}, "AU 1: expected T or B, found 'U'"),
    ],
)
def test_an_unknown_side_or_lip_is_refused(arguments, message):
    with pytest.raises(RafceError, match=message):
        action(1, **arguments)
