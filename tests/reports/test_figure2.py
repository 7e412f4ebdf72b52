"""Figure 2 marks what differs, boxes every observed AU and stays legible."""

import csv
from functools import cache
from importlib.resources import files
from itertools import combinations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import same_color
from matplotlib.patches import Rectangle

from rafce.action_units import ACTION_UNITS
from rafce.errors import RafceError
from rafce_reports.figure2 import draw_figure2, marks

RED, BLUE = "#d0021b", "#20558a"


def printed(environment):
    observed: dict[str, list[int]] = {}
    with (files("rafce") / "data" / f"table1_{environment}.csv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            observed.setdefault(row["emotion"], []).append(int(row["au"]))
    return observed


WILD, LAB = printed("wild"), printed("lab")
EVERYTHING = {"every au": list(ACTION_UNITS)}
CASES = {
    "paper": (WILD, LAB),
    "no lab": (WILD, {}),
    "every AU": (EVERYTHING, {"every au": [4]}),
    "disjoint": ({"a": [1]}, {"b": [2]}),
    "nothing": ({}, {}),
}
each_case = pytest.mark.parametrize("case", CASES)


@cache
def drawn(case):
    return draw_figure2(*CASES[case])


def boxes(figure):
    return [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)][:-3]  # the legend's


def labels(figure):
    return [text for text in figure.axes[0].texts if text.get_text().startswith("AU ")]


def test_exclusive_aus_are_those_that_the_paper_underlines():
    found = marks(WILD, LAB)
    for environment, expected in (("wild", {16, 27}), ("lab", {7, 11, 15, 20, 24})):
        assert {
            key[2] for key, mark in found.items() if mark == "exclusive" and key[0] == environment
        } == expected


def test_marks_tell_the_pair_from_the_environment():
    found = marks({"a": [1, 2], "b": [4], "c": [9]}, {"a": [1, 4], "b": [2, 5]})
    assert found == {
        ("wild", "a", 1): "shared",
        ("wild", "a", 2): "differs",
        ("wild", "b", 4): "differs",
        ("wild", "c", 9): "exclusive",
        ("lab", "a", 1): "shared",
        ("lab", "a", 4): "differs",
        ("lab", "b", 2): "differs",
        ("lab", "b", 5): "exclusive",
    }


def test_nothing_differs_from_figures_that_are_not_there():
    assert set(marks(WILD, {}).values()) == {"shared"}
    assert marks({"a": [1], "b": [2]}, {"b": [1, 2]})["wild", "a", 1] == "shared"


@each_case
def test_every_observed_au_has_a_box_and_a_label(case):
    figure = drawn(case)
    expected = [f"AU {au}" for observed in CASES[case] for aus in observed.values() for au in aus]
    assert sorted(label.get_text() for label in labels(figure)) == sorted(expected)
    assert len(boxes(figure)) == len(expected)


def test_red_and_dashed_boxes_are_as_many_as_the_marks():
    found = list(marks(WILD, LAB).values())
    found_boxes = boxes(drawn("paper"))
    assert sum(same_color(box.get_edgecolor(), RED) for box in found_boxes) == found.count("exclusive")
    assert sum(box.get_linestyle() != "-" for box in found_boxes) == found.count("differs")
    assert sum(same_color(box.get_edgecolor(), BLUE) for box in found_boxes) == len(found) - found.count(
        "exclusive"
    )


@each_case
def test_no_two_texts_overlap_and_none_leaves_the_page(case):
    figure = drawn(case)
    canvas = FigureCanvasAgg(figure)
    page = figure.bbox
    extents = [text.get_window_extent(canvas.get_renderer()) for text in figure.axes[0].texts]
    for extent in extents:
        assert page.x0 < extent.x0
        assert extent.x1 < page.x1
        assert page.y0 < extent.y0
        assert extent.y1 < page.y1
    assert not any(one.overlaps(other) for one, other in combinations(extents, 2))


@each_case
def test_every_box_stays_on_the_page(case):
    figure = drawn(case)
    width, height = figure.get_size_inches()
    for box in boxes(figure):
        assert 0 < box.get_x() < box.get_x() + box.get_width() < width
        assert 0 < box.get_y() < box.get_y() + box.get_height() < height


def test_it_fits_an_a4_page():
    width, height = drawn("paper").get_size_inches()
    assert width <= 8.27
    assert height <= 11.69


def test_an_emotion_without_lab_figures_says_so():
    texts = [text.get_text() for text in drawn("disjoint").axes[0].texts]
    assert {"lab: no figures", "wild: no figures"} <= set(texts)


def test_an_au_without_a_place_on_the_face_is_refused():
    with pytest.raises(RafceError, match="AU 99 has no place on the schematic face"):
        draw_figure2({"a": [99]}, {})
