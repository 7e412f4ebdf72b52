"""Figure 4 and the folder of explain: what is drawn for an example, what is written, what is left alone."""

import json
from typing import NamedTuple

import matplotlib.colors
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from matplotlib.patches import Rectangle

from rafce.errors import OutputError
from rafce.geometry import regions_pixels
from rafce.schema import Vocabulary
from rafce_reports.explain_report import Look, check_explanation, explanation, heading, write_explanation
from rafce_reports.figure4 import draw_figure4
from rafce_reports.label_rows import label_rows
from rafce_reports.style import AGAINST, FOR

WORDS = Vocabulary(("happily surprised", "sadly angry"), (1, 12, 25, 26))
LOOKS = [Look("mml", "layer3", 7), Look("mtl", "layer4", 4)]


class View(NamedTuple):
    run: str
    words: str
    probability: float
    right: bool
    map_hh: np.ndarray


class Example(NamedTuple):
    image: str
    pixels_HH3: np.ndarray
    emotion: str
    boxes: dict
    observed: frozenset
    views: tuple


class Outcome(NamedTuple):
    target: str
    examples: tuple
    n_candidates: int
    images: list
    summary: list


def example(n_views=2, aus=(1, 12, 25), observed=(12, 25)):
    random = np.random.default_rng(0)
    views = [
        View("mml", "happily surprised", 0.713, True, random.random((7, 7), np.float32)),
        View("mtl", "sadly angry", 0.2, False, random.random((4, 4), np.float32)),
    ]
    pixels = random.integers(0, 256, (32, 32, 3), np.uint8)
    boxes = {au: regions_pixels(au, 1) for au in aus}
    return Example(
        "0001.jpg", pixels, "happily surprised", boxes, frozenset(observed), tuple(views[:n_views])
    )


def outcome(target="emotion", n_examples=2):
    row = {"run": "mml", "target": target, "regions": "AUs of the image"}
    image = {**row, "image": "0001.jpg", "inside": 0.3, "area": 0.2, "average": np.nan}
    mean = {**row, "measure": "inside", "asked": 2, "n": 1, "value": 0.3, "ci_low": None, "ci_high": None}
    return Outcome(target, (example(),) * n_examples, 5 * bool(n_examples), [image], [mean])


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def rectangles(figure):
    return [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]


@pytest.mark.parametrize("n_views", [1, 2])
def test_every_box_is_drawn_on_the_face_and_on_every_map(n_views):
    figure = draw_figure4([example(n_views)] * 3, "heading", "explanation")
    n_boxes = sum(len(boxes) for boxes in example().boxes.values())
    assert len(rectangles(figure)) == 3 * (1 + n_views) * n_boxes
    assert len(figure.axes[0].images) == 3 * (1 + 2 * n_views)


def test_an_au_that_is_not_observed_in_the_emotion_is_dashed():
    by_observed = {
        observed: [
            patch.get_linestyle()
            for patch in rectangles(draw_figure4([example(aus=(25,), observed=observed)], "", ""))
        ]
        for observed in ((25,), ())
    }
    assert by_observed[(25,)] == ["-"] * 3
    assert all(style not in ("-", "solid") for style in by_observed[()])


def test_a_box_lies_where_the_au_acts():
    figure = draw_figure4([example(aus=(25,))], "", "")
    (left, right, bottom, top) = figure.axes[0].images[0].get_extent()
    (box,) = regions_pixels(25, 1)
    drawn, side = rectangles(figure)[0], right - left
    assert bottom - top == pytest.approx(side)
    assert (drawn.get_x(), drawn.get_y()) == pytest.approx((left + box.left * side, top + box.top * side))
    assert drawn.get_width() == pytest.approx((box.right - box.left) * side)
    assert drawn.get_height() == pytest.approx((box.bottom - box.top) * side)


def test_a_card_says_truth_predictions_probability_and_every_au():
    figure = draw_figure4([example()], "heading", "explanation")
    found = texts(figure)
    assert {"heading", "explanation", "happily surprised", "0001.jpg", "1", "12", "25"} <= set(found)
    assert "A: happily surprised\np(true) 71 %" in found
    assert "B: sadly angry\np(true) 20 %" in found
    colours = {
        text.get_text()[0]: text.get_color() for text in figure.axes[0].texts if ":" in text.get_text()
    }
    assert [matplotlib.colors.to_hex(colours[letter]) for letter in "AB"] == [FOR, AGAINST]


def test_a_map_is_scaled_to_its_own_maximum():
    figure = draw_figure4([example()], "", "")
    heats = [
        np.asarray(image.get_array()) for image in figure.axes[0].images if image.get_alpha() is not None
    ]
    for heat, view in zip(heats, example().views, strict=True):
        np.testing.assert_allclose(heat, view.map_hh / view.map_hh.max())


def test_an_image_without_aus_has_no_box():
    assert rectangles(draw_figure4([example(aus=())], "", "")) == []


def test_label_rows_keep_their_order_and_distance_within_bounds():
    rows = label_rows([0.5, 0.52, 0.1, 0.99], 0.1, 0.0, 1.0)
    assert np.argsort(rows).tolist() == np.argsort([0.5, 0.52, 0.1, 0.99]).tolist()
    assert (np.diff(sorted(rows)) >= 0.1 - 1e-9).all()
    assert rows == pytest.approx([0.46, 0.56, 0.1, 0.99])
    assert label_rows([0.99, 0.99], 0.1, 0.0, 1.0) == pytest.approx([0.9, 1.0])
    assert label_rows([], 0.1, 0.0, 1.0) == []


def test_the_folder_holds_figures_shares_and_what_they_are_of(tmp_path):
    out = tmp_path / "deep" / "explain"
    summary = write_explanation([outcome(), outcome("AU12")], LOOKS, WORDS, out)
    assert (
        {path.name for path in out.iterdir()}
        == set(summary["files"])
        == {
            *(f"{name}.{kind}" for name in ("figure4", "figure4_AU12") for kind in ("png", "svg")),
            *(f"{name}.{kind}" for name in ("attention", "attention_means") for kind in ("csv", "parquet")),
            "summary.json",
        }
    )
    assert json.loads((out / "summary.json").read_text()) == summary
    assert summary["runs"][1] == {"run": "mtl", "layer": "layer4", "side": 4}
    assert summary["figures"]["AU12"] == {"shown": 2, "of": 5}
    rows = pq.read_table(out / "attention.parquet")
    assert rows.schema.metadata[b"rafce.schema"] == b"attention/1"
    assert rows.to_pandas()["target"].tolist() == ["emotion", "AU12"]
    assert pd.read_csv(out / "attention_means.csv")["value"].tolist() == [0.3, 0.3]


def test_without_examples_there_is_no_figure(tmp_path):
    write_explanation([outcome(n_examples=0)], LOOKS, WORDS, tmp_path / "out")
    assert not list((tmp_path / "out").glob("figure4*"))


def test_a_rerun_gives_the_same_bytes_and_replaces_what_is_no_longer_asked(tmp_path):
    write_explanation([outcome(), outcome("AU12")], LOOKS, WORDS, tmp_path / "a")
    write_explanation([outcome()], LOOKS, WORDS, tmp_path / "a")
    write_explanation([outcome()], LOOKS, WORDS, tmp_path / "b")
    found = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in "ab"]
    assert found[0] == found[1]


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    for refuse in (check_explanation, lambda out: write_explanation([outcome()], LOOKS, WORDS, out)):
        with pytest.raises(
            OutputError, match="expected an empty folder or an older explanation, found other files"
        ):
            refuse(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def untyped(figure):
    """A figure whose artists may be asked for what their base class does not promise."""
    return figure


def several():
    """Three examples that differ in every respect, each with two views."""
    made = []
    for i, aus in enumerate(((1, 12), (25, 4, 9), (12,))):
        one = example(aus=aus, observed=aus[:1])
        random = np.random.default_rng(i)
        views = tuple(
            view._replace(words=f"{view.run} says {i}", probability=(1 + i) / 10, right=bool((i + place) % 2))
            for place, view in enumerate(
                view._replace(map_hh=random.random(view.map_hh.shape, np.float32)) for view in one.views
            )
        )
        pixels = random.integers(0, 256, (32, 32, 3), np.uint8)
        made.append(one._replace(image=f"{i:04}.jpg", emotion=f"emotion {i}", pixels_HH3=pixels, views=views))
    return made


def inside(axes_image, x, y):
    left, right, bottom, top = axes_image.get_extent()
    return left - 1e-6 <= x <= right + 1e-6 and top - 1e-6 <= y <= bottom + 1e-6


def test_each_card_holds_its_own_face_maps_boxes_and_words():
    examples = several()
    axes = untyped(draw_figure4(examples, "heading", "explanation")).axes[0]
    faces = [image for image in axes.images if np.ndim(image.get_array()) == 3]
    greys = [image for image in axes.images if image.get_cmap().name == "gray"]
    heats = [image for image in axes.images if image.get_alpha() is not None]
    words = {text.get_text(): text for text in axes.texts}
    for i, (one, face) in enumerate(zip(examples, faces, strict=True)):
        np.testing.assert_array_equal(face.get_array(), one.pixels_HH3)
        left, _, bottom, top = face.get_extent()
        for name in (one.emotion, one.image):
            x, y = words[name].get_position()
            assert (x, y < top, y > top - 0.3) == (left, True, True)
        panels = [face, *greys[2 * i : 2 * i + 2]]
        for place, (view, letter) in enumerate(zip(one.views, "AB", strict=True), start=1):
            grey, heat = panels[place], heats[2 * i + place - 1]
            assert grey.get_extent() == heat.get_extent()
            assert grey.get_extent()[0] > panels[place - 1].get_extent()[1]  # in the order of the runs
            assert tuple(grey.get_extent()[2:]) == (bottom, top)
            np.testing.assert_allclose(heat.get_array(), view.map_hh / view.map_hh.max())
            luma = one.pixels_HH3 @ np.array([0.299, 0.587, 0.114]) / 255
            np.testing.assert_allclose(grey.get_array(), luma)
            said = words[f"{letter}: {view.words}\np(true) {100 * view.probability:.0f} %"]
            assert said.get_position()[0] == grey.get_extent()[0]
            assert matplotlib.colors.to_hex(said.get_color()) == (FOR if view.right else AGAINST)
        for panel in panels:
            x0, x1, _, y0 = panel.get_extent()
            drawn = {
                tuple(np.round([(box.get_x() - x0) / (x1 - x0), (box.get_y() - y0) / (x1 - x0)], 6)): box
                for box in rectangles(axes.figure)
                if inside(panel, box.get_x() + box.get_width() / 2, box.get_y() + box.get_height() / 2)
            }
            for au, boxes in one.boxes.items():
                for box in boxes:
                    shown = drawn.pop((round(box.left, 6), round(box.top, 6)))
                    assert shown.get_width() == pytest.approx((box.right - box.left) * (x1 - x0))
                    assert (shown.get_linestyle() == "-") == (au in one.observed)
            assert not drawn


def test_each_number_is_joined_to_a_box_of_its_own_au():
    examples = several()
    axes = untyped(draw_figure4(examples, "", "")).axes[0]
    faces = [image for image in axes.images if np.ndim(image.get_array()) == 3]
    numbers = [text for text in axes.texts if text.get_text().isdigit()]
    seen = []
    for number, line in zip(numbers, axes.lines, strict=True):
        (_, row), (end, middle) = line.get_xydata()
        assert row == number.get_position()[1]
        (which,) = (i for i, face in enumerate(faces) if inside(face, *number.get_position()))
        left, right, _, top = faces[which].get_extent()
        side, au = right - left, int(number.get_text())
        edges = [
            (left + side * x, top + side * (box.top + box.bottom) / 2)
            for box in examples[which].boxes[au]
            for x in (box.left, box.right)
        ]
        assert any((end, middle) == pytest.approx(edge) for edge in edges)
        seen.append((which, au))
    assert sorted(seen) == sorted((i, au) for i, one in enumerate(examples) for au in one.boxes)


@pytest.mark.parametrize(
    ("target", "n_runs", "words"),
    [
        ("emotion", 1, "Grad-CAM for the true emotion. A: mml (layer3, 7 × 7)"),
        ("AU12", 2, "Grad-CAM for AU12. A: mml (layer3, 7 × 7), B: mtl (layer4, 4 × 4)"),
    ],
)
def test_figure_4_is_headed_by_what_is_asked_of_which_runs(target, n_runs, words):
    asked = outcome(target)._replace(n_candidates=37)
    assert heading(asked, LOOKS[:n_runs]) == words
    text = explanation(asked, LOOKS[:n_runs])
    assert text.startswith("2 of the 37 test images where A is right")
    assert ("B is wrong" in text) == (n_runs == 2)
