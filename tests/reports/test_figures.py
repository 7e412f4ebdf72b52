"""The figures show the numbers that they are given, whatever the emotions."""

import hashlib
from itertools import combinations, pairwise
from pathlib import Path

import matplotlib.colors
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from rafce.dataset import Dataset
from rafce.errors import ImageError
from rafce_reports.analysis import Analysis, AnalyzeOptions, analyze
from rafce_reports.figure1 import draw_figure1, example_faces
from rafce_reports.heatmaps import draw_difference, draw_frequencies
from rafce_reports.information import draw_information, draw_sides, draw_telling, pair_matrix, tick_powers
from rafce_reports.save import save_figure
from rafce_reports.style import AGAINST, FOR, PARTITION_COLOURS, drawing_style

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def analysis(dataset: Dataset) -> Analysis:
    return analyze(dataset, AnalyzeOptions())


@pytest.fixture(scope="module")
def classes(analysis: Analysis) -> pd.DataFrame:
    return analysis.classes


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_class_counts_equal_counting_rows(dataset, classes):
    rows = pq.read_table(dataset.folder / "samples.parquet").to_pandas()
    for record in classes.to_dict("records"):
        members = rows[rows["emotion"] == record["emotion"]]
        assert record["n"] == len(members)
        assert record["train"] == (members["partition"] == "train").sum()
        assert record["ci_low"] < record["share"] == len(members) / len(rows) < record["ci_high"]


def test_figure_1_draws_every_count_most_frequent_emotion_first(classes):
    figure = draw_figure1(classes)
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == classes.sort_values("n", ascending=False, kind="stable")["emotion"].tolist()
    ordered = classes.set_index("emotion").loc[names]
    for partition, bars in zip(PARTITION_COLOURS, figure.axes[0].containers, strict=True):
        assert [bar.get_width() for bar in bars] == ordered[partition].tolist()
    assert [text for text in texts(figure) if "/" not in text] == [f"{n:,}" for n in ordered["n"]]


def test_figure_1_shows_a_face_beside_each_emotion_where_asked(dataset, classes):
    faces = {emotion: np.zeros((8, 8, 3), np.uint8) for emotion in dataset.emotions}
    strips = draw_figure1(classes, faces).axes[0].child_axes
    assert sum(bool(strip.images) for strip in strips) == len(dataset.emotions)


def test_no_two_texts_of_figure_1_overlap(classes):
    counts = classes.assign(emotion=["a name with $ and $ in it", *classes["emotion"][1:]])
    with drawing_style():
        figure = draw_figure1(counts)
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        drawn = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
        extents = [text.get_window_extent(renderer) for text in drawn]
    assert {"train", "validation", "test", "a name with $ and $ in it"} <= {text.get_text() for text in drawn}
    assert not any(text.get_parse_math() for text in drawn)
    assert not any(one.overlaps(other) for one, other in combinations(extents, 2))


def with_images(dataset: Dataset, root: Path) -> Dataset:
    images = {"root": str(root), "suffix": "_aligned", "missing": []}
    return Dataset(**{**vars(dataset), "manifest": {**dataset.manifest, "images": images}})


def test_example_faces_are_the_first_training_images_of_the_folder(dataset, tmp_path):
    rows = pq.read_table(dataset.folder / "samples.parquet").to_pandas()
    for name in rows.loc[rows["partition"] == "train"].drop_duplicates("emotion")["image"]:
        shade = int(name[:4]) % 256
        Image.new("L", (150, 100), shade).save(tmp_path / f"{name[:4]}_aligned.jpg")
    faces = example_faces(with_images(dataset, tmp_path))
    for emotion, face in faces.items():
        train = rows[(rows["emotion"] == emotion) & (rows["partition"] == "train")]
        assert abs(int(face.mean()) - int(train["image"].min()[:4]) % 256) <= 1
        assert face.shape == (85, 128, 3)


def test_example_faces_need_a_known_folder_and_readable_images(dataset, tmp_path):
    with pytest.raises(ImageError, match=r"rafce build --images DIR"):
        example_faces(dataset)
    with pytest.raises(ImageError, match=r"_aligned\.jpg: expected an image"):
        example_faces(with_images(dataset, tmp_path))


def test_the_heat_maps_print_both_frequencies(analysis, dataset):
    figure = draw_frequencies(analysis.comparison, dataset.emotions, dataset.aus)
    for axes, side in zip(figure.axes, ("wild", "lab"), strict=False):
        known = analysis.comparison[analysis.comparison["au"].isin(dataset.aus)].dropna(subset=[side])
        assert sorted(text.get_text() for text in axes.texts) == sorted(f"{100 * v:.0f}" for v in known[side])


def test_the_difference_is_bold_where_significant_and_marked_where_only_a_bound_is_known(analysis, dataset):
    comparison = analysis.comparison
    figure = draw_difference(comparison, dataset.emotions, sorted(comparison["au"].unique()))
    shown = figure.axes[0].texts
    printed = comparison.dropna(subset=["difference"])
    surpassed = comparison[comparison["difference"].isna() & (comparison["q"] < 0.05)]
    assert sum(text.get_text() == "▲" for text in shown) == len(surpassed) > 0
    assert sum(text.get_text() != "▲" for text in shown) == len(printed)
    assert sum(text.get_fontweight() == "bold" for text in shown) == (printed["q"] < 0.05).sum() > 0


def dots(axes: Axes) -> list[tuple[str, IntArray, FloatArray]]:
    """Colour, positions and values of each series of dots."""
    lines = [line for line in axes.lines if line.get_marker() == "o"]
    return [
        (
            matplotlib.colors.to_hex(line.get_color()),
            np.asarray(line.get_ydata()),
            np.asarray(line.get_xdata()),
        )
        for line in lines
    ]


def test_information_stands_in_falling_order(analysis):
    series = dots(draw_information(analysis.information).axes[0])
    positions, bits = (np.concatenate([one[part] for one in series]) for part in (1, 2))
    assert bits[np.argsort(positions)].tolist() == sorted(analysis.information["excess"], reverse=True)


def test_telling_aus_are_coloured_by_what_they_speak_for(analysis, dataset):
    with drawing_style():
        figure = draw_telling(analysis.telling, dataset.emotions)
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(dataset.emotions)
    for colour, _, log_odds in (series for axes in figure.axes for series in dots(axes)):
        assert (np.sign(log_odds) == {FOR: 1, AGAINST: -1}[colour]).all()


@pytest.mark.parametrize(
    ("most", "powers"),
    [(5, [0]), (9, [-1, 0, 1]), (70, [-2, -1, 0, 1, 2]), (600, [-2, 0, 2]), (3e5, [-4, 0, 4])],
)
def test_odds_ratios_of_any_size_have_few_ticks(most, powers):
    assert list(tick_powers(np.log(most))) == powers


@pytest.mark.parametrize("most", [5, 64, 511, 513, 4095, 4097, 3e4, 2.6e5, 2.7e5, 1e8])
def test_labels_of_odds_ratios_stand_apart(most):
    row = {
        "emotion": "sad",
        "au": 1,
        "strength": 1.0,
        "log_odds": 1.0,
        "ci_low": 0.5,
        "ci_high": np.log(most),
    }
    with drawing_style():
        figure = draw_telling(pd.DataFrame([row]), ["sad", "calm", "glad"])
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        boxes = [label.get_window_extent(renderer) for label in figure.axes[0].get_xticklabels()]
    points = figure.dpi / 72
    assert all(after.x0 - before.x1 > 2 * points for before, after in pairwise(boxes))


def test_the_pair_matrix_holds_each_pair_above_its_diagonal(analysis):
    emotion = analysis.pairs["emotion"].iloc[0]
    pairs = analysis.pairs[analysis.pairs["emotion"] == emotion]
    aus = [25, 1, 12]  # in another order than the pairs
    matrix = pair_matrix(pairs, "frequency", sorted(aus))
    for (i, one), (j, other) in combinations(enumerate(sorted(aus)), 2):
        chosen = pairs[(pairs["au_1"] == one) & (pairs["au_2"] == other)]
        assert matrix[i, j] == chosen["frequency"].item()
        assert np.isnan(matrix[j, i])


def test_sides_show_only_aus_that_are_ever_one_sided(analysis):
    one_sided = analysis.sides[(analysis.sides["place"] == "one side") & (analysis.sides["count"] > 0)]
    labels = draw_sides(analysis.sides).axes[0].get_yticklabels()
    assert [int(label.get_text().split()[0]) for label in labels] == one_sided["au"].tolist()


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_a_figure_drawn_twice_gives_the_same_bytes(kind, classes, tmp_path):
    digests = set()
    for name in ("first", "second"):
        with drawing_style():
            figure = draw_figure1(classes)
        save_figure(figure, tmp_path, name, (kind,))
        digests.add(hashlib.sha256((tmp_path / f"{name}.{kind}").read_bytes()).hexdigest())
    assert len(digests) == 1


def test_frames_have_an_interval_beside_every_rate(analysis):
    bounds = {"ci_low", "ci_high"}
    for frame in (
        analysis.classes,
        analysis.comparison,
        analysis.information,
        analysis.telling,
        analysis.sides,
    ):
        assert isinstance(frame, pd.DataFrame)
        assert bounds <= set(frame.columns)
