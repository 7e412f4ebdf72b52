"""Figure 2 marks what differs, boxes every observed AU and stays legible."""

import csv
from functools import cache
from importlib.resources import files
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import same_color
from matplotlib.patches import Polygon, Rectangle
from matplotlib.text import Text

from rafce import geometry
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
def drawn(case) -> Any:  # artists are asked for what their base class does not promise
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


class Face(NamedTuple):
    """A face as it is drawn: caption, title above it, place of the irises on the page, lips, AUs with their boxes."""

    caption: str
    title: str
    irises_22: np.ndarray
    lips: list
    aus: list

    def place(self, points_N2, face_points_P2):
        """Face units to the page, by where this face's irises are drawn."""
        left, right = (geometry.side_points(face_points_P2, side, "iris")[0] for side in "LR")
        scale = np.linalg.norm(self.irises_22[1] - self.irises_22[0]) / np.linalg.norm(left - right)
        return (points_N2 - (left + right) / 2) * scale + self.irises_22.mean(0)


def faces_of(figure) -> list[Face]:
    """What can be seen in each panel, the legend's neutral face left out."""
    axes = figure.axes[0]
    captions = [text for text in axes.texts if text.get_text().startswith(("lab", "wild"))]
    titles = [text for text in axes.texts if text.get_weight() == "bold"]
    centre = np.array([caption.get_position() for caption in captions])

    def panel(x: float, y: float) -> int:
        """The panel that a place lies in: in the lowest row that begins above it, the nearest sideways."""
        row = centre[centre[:, 1] < y + 0.1, 1].max()
        return int(np.where(centre[:, 1] == row, np.abs(centre[:, 0] - x), np.inf).argmin())

    polygons = [patch for patch in axes.patches if isinstance(patch, Polygon)]
    pupils = [patch for patch in polygons if same_color(patch.get_facecolor(), "#202020")]
    middles = [(patch.get_xy().min(0) + patch.get_xy().max(0)) / 2 for patch in pupils][:-2]
    lips = [patch.get_xy() for patch in polygons if same_color(patch.get_facecolor(), "#d8b9ab")][:-2]
    marked = list(zip(labels(figure), boxes(figure), strict=True))
    return [
        Face(
            caption.get_text(),
            min(
                titles, key=lambda title: np.abs(np.subtract(title.get_position(), centre[i])).sum()
            ).get_text(),
            np.array([middle for middle in middles if panel(*middle) == i]),
            [points for points in lips if panel(*points.mean(0)) == i],
            [(label, box) for label, box in marked if panel(*label.get_position()) == i],
        )
        for i, caption in enumerate(captions)
    ]


def number(label: Text) -> int:
    return int(label.get_text().removeprefix("AU "))


@pytest.mark.parametrize("case", ["paper", "every AU"])
def test_each_face_is_captioned_with_the_environment_whose_aus_it_shows(case):
    wild, lab = CASES[case]
    shown = {
        (face.title, face.caption): sorted(number(label) for label, _ in face.aus)
        for face in faces_of(drawn(case))
    }
    assert shown == {
        **{(emotion, "wild"): sorted(aus) for emotion, aus in wild.items()},
        **{(emotion, "lab"): sorted(aus) for emotion, aus in lab.items()},
    }


@pytest.mark.parametrize("case", ["paper", "every AU"])
def test_each_box_lies_on_the_region_of_the_au_that_its_label_names(case):
    for face in faces_of(drawn(case)):
        points_P2 = geometry.face_P2([geometry.action(number(label)) for label, _ in face.aus])
        for label, box in face.aus:
            regions = [
                face.place(np.array([region[:2], region[2:]]), points_P2)
                for region in geometry.regions(number(label), points_P2=points_P2)
            ]
            found = np.array(box.get_bbox().get_points())
            assert any(np.allclose(found, region, atol=1e-4) for region in regions), label.get_text()


@pytest.mark.parametrize("case", ["paper", "every AU"])
def test_a_label_stands_on_the_side_of_its_box_and_its_line_leads_there(case):
    figure = drawn(case)
    lines = [
        line for line in figure.axes[0].lines if len(line.get_xdata()) == 2 and line.get_linewidth() == 0.5
    ]
    for label, box, line in zip(labels(figure), boxes(figure), lines, strict=True):
        (start, row), (end, on_box) = line.get_xydata()
        assert (abs(start - label.get_position()[0]) < 0.02, row) == (True, label.get_position()[1])
        assert box.get_y() - 1e-9 <= on_box <= box.get_y() + box.get_height() + 1e-9
        outer = box.get_x() + (box.get_width() if label.get_ha() == "left" else 0)
        assert end == pytest.approx(outer)
        assert same_color(line.get_color(), label.get_color())
        assert same_color(label.get_color(), box.get_edgecolor())
    for face in faces_of(figure):
        for label, box in face.aus:
            sideways = box.get_x() + box.get_width() / 2 - face.irises_22[:, 0].mean()
            if len(geometry.regions(number(label))) == 2:
                assert (sideways > 0) == (label.get_position()[0] > face.irises_22[:, 0].mean())


def test_a_face_moves_as_its_aus_say():
    for face in faces_of(drawn("paper")):
        points_P2 = geometry.face_P2([geometry.action(number(label)) for label, _ in face.aus])
        lips = geometry.mouth(points_P2)
        expected = face.place(np.concatenate((lips.upper_inner_M2, lips.upper_M2[::-1])), points_P2)
        np.testing.assert_allclose(face.lips[0][: len(expected)], expected, atol=1e-4)  # inches


def test_each_box_is_red_or_dashed_as_its_own_mark_says():
    found = marks(WILD, LAB)
    for face in faces_of(drawn("paper")):
        for label, box in face.aus:
            mark = found[face.caption, face.title, number(label)]
            assert same_color(box.get_edgecolor(), RED) == (mark == "exclusive")
            assert (box.get_linestyle() != "-") == (mark == "differs")


def test_the_legend_names_each_mark_beside_a_box_that_looks_like_it():
    axes = drawn("paper").axes[0]
    legend = [patch for patch in axes.patches if isinstance(patch, Rectangle)][-3:]
    words = {text.get_text(): text.get_position()[1] for text in axes.texts}
    meant = {
        "observed in both\nfaces of the pair": (BLUE, "-"),
        "not observed in the\nother face of the pair": (BLUE, "--"),
        "observed in no emotion\nof the other environment": (RED, "-"),
    }
    for meaning, (colour, style) in meant.items():
        (box,) = (box for box in legend if abs(box.get_y() + box.get_height() / 2 - words[meaning]) < 1e-6)
        assert same_color(box.get_edgecolor(), colour)
        assert (box.get_linestyle() == "-") == (style == "-")


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
