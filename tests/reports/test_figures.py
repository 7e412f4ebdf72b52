"""The figures show the numbers that they are given, whatever the emotions."""

import hashlib
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import matplotlib.colors
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from rafce.dataset import Dataset
from rafce.errors import ImageError
from rafce.schema import PARTITIONS
from rafce_reports.analysis import Analysis, AnalyzeOptions, analyze
from rafce_reports.figure1 import draw_figure1, example_faces
from rafce_reports.heatmaps import draw_difference, draw_frequencies
from rafce_reports.information import (
    draw_cooccurrence,
    draw_information,
    draw_sides,
    draw_telling,
    pair_matrix,
    tick_powers,
)
from rafce_reports.numbers import au_label
from rafce_reports.save import save_figure
from rafce_reports.style import AGAINST, FOR, LEFT, MUTED, PARTITION_COLOURS, RIGHT, drawing_style

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
    never = analysis.sides["au"].isin([4, 12])
    sides = analysis.sides.assign(count=analysis.sides["count"].where(~never, 0))
    one_sided = sides[(sides["place"] == "one side") & (sides["count"] > 0)]
    labels = draw_sides(sides).axes[0].get_yticklabels()
    shown = [int(label.get_text().split()[0]) for label in labels]
    assert shown == one_sided["au"].tolist()
    assert not {4, 12} & {*shown}


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


# --- what each artist says, against the frame it was drawn from


def untyped(figure):
    """A figure whose artists may be asked for what their base class does not promise."""
    return figure


def collections(axes, kind):
    """The collections of one kind in their order."""
    return [found for found in axes.collections if isinstance(found, kind)]


def table_of(frame: pd.DataFrame, *keys: str) -> dict:
    """The rows of a frame by some of its columns."""
    return {tuple(row[key] for key in keys): row for row in frame.to_dict("records")}


def ticks(axes: Axes, which: str) -> dict[float, str]:
    """The labels of an axis by their places."""
    axis = getattr(axes, f"{which}axis")
    return dict(zip(axis.get_ticklocs(), (label.get_text() for label in axis.get_ticklabels()), strict=True))


def title_of(axes: Axes) -> str:
    """An axes' title, to the left or in the middle."""
    return axes.get_title(loc="left") or axes.get_title(loc="center")


def reads_red(mesh, value: float) -> bool:
    red, _, blue, _ = mesh.to_rgba(np.array([value]))[0]
    return bool(red > blue)


def test_every_bar_of_figure_1_begins_where_the_one_before_ends_in_its_partitions_colour(classes):
    figure = untyped(draw_figure1(classes))
    axes = figure.axes[0]
    by_emotion = classes.set_index("emotion")
    (legend,) = figure.legends
    shown = {
        text.get_text(): handle for text, handle in zip(legend.texts, legend.legend_handles, strict=True)
    }
    begun = dict.fromkeys(ticks(axes, "y"), 0)
    for partition, bars in zip(PARTITIONS, axes.containers, strict=True):
        assert bars.get_label() == partition
        for bar in bars:
            place = round(bar.get_y() + bar.get_height() / 2)
            assert bar.get_x() == begun[place]
            assert bar.get_width() == by_emotion.loc[ticks(axes, "y")[place], partition]
            begun[place] += bar.get_width()
            assert matplotlib.colors.to_hex(bar.get_facecolor()) == PARTITION_COLOURS[partition]
        handle = matplotlib.colors.to_hex(shown[partition].get_facecolor())
        assert handle == PARTITION_COLOURS[partition]


def test_the_numbers_beside_a_bar_of_figure_1_are_those_of_its_emotion(classes):
    axes = untyped(draw_figure1(classes)).axes[0]
    by_emotion = table_of(classes, "emotion")
    totals, splits = axes.texts[::2], axes.texts[1::2]
    for total, split in zip(totals, splits, strict=True):
        row = by_emotion[(ticks(axes, "y")[total.xy[1]],)]
        assert (total.get_text(), total.xy[0]) == (f"{row['n']:,}", row["n"])
        assert split.get_text() == f"{row['train']:,} / {row['validation']:,} / {row['test']:,}"
        assert split.xycoords is total


def test_figure_1_shows_each_emotions_own_face_beside_its_bar(dataset, classes):
    faces = {emotion: np.full((8, 8, 3), i, np.uint8) for i, emotion in enumerate(dataset.emotions)}
    with drawing_style():
        figure = untyped(draw_figure1(classes, faces))
        figure.draw(FigureCanvasAgg(figure).get_renderer())
    axes = figure.axes[0]
    for strip in (strip for strip in axes.child_axes if strip.images):
        box = strip.get_window_extent().transformed(axes.transData.inverted())
        emotion = ticks(axes, "y")[round((box.y0 + box.y1) / 2)]
        assert np.asarray(strip.images[0].get_array()).max() == dataset.emotions.index(emotion)


def test_groups_stand_beside_the_images_of_figure_1(classes):
    axes = untyped(draw_figure1(classes.assign(n_groups=range(1, len(classes) + 1)))).axes[0]
    groups = classes.assign(n_groups=range(1, len(classes) + 1)).set_index("emotion")["n_groups"]
    for total in axes.texts[::2]:
        assert total.get_text().endswith(f" in {groups[ticks(axes, 'y')[total.xy[1]]]} groups")


def cells(axes: Axes) -> dict[tuple[str, int], Text]:
    """The text of each cell of a heat map by emotion and AU, as the ticks name them."""
    rows, columns = ticks(axes, "y"), ticks(axes, "x")
    found = {}
    for text in axes.texts:
        x, y = text.get_position()
        assert (rows[y], int(columns[x])) not in found
        found[rows[y], int(columns[x])] = text
    return found


def shades(axes: Any) -> dict[tuple[str, int], float]:
    """The value that each cell of a heat map is coloured by."""
    rows, columns = list(ticks(axes, "y").values()), list(ticks(axes, "x").values())
    values = axes.collections[0].get_array().reshape(len(rows), len(columns))
    return {
        (row, int(column)): float(values[i, j])
        for i, row in enumerate(rows)
        for j, column in enumerate(columns)
        if not np.ma.is_masked(values[i, j]) and not np.isnan(values[i, j])
    }


def test_every_cell_of_both_heat_maps_is_that_of_its_environment_emotion_and_au(analysis, dataset):
    figure = untyped(draw_frequencies(analysis.comparison, dataset.emotions, dataset.aus))
    titles = {"wild": "In the wild", "lab": "In the laboratory (blank: below 20 %"}
    for axes, (side, title) in zip(figure.axes, titles.items(), strict=False):
        assert title_of(axes).startswith(title)
        known = analysis.comparison[analysis.comparison["au"].isin(dataset.aus)].dropna(subset=[side])
        expected = {key: row[side] for key, row in table_of(known, "emotion", "au").items()}
        assert {key: text.get_text() for key, text in cells(axes).items()} == {
            key: f"{100 * value:.0f}" for key, value in expected.items()
        }
        assert shades(axes) == pytest.approx(expected)
        assert axes.collections[0].get_clim() == (0, 1)
        light, dark = axes.collections[0].to_rgba(np.array([0.0, 1.0]))[:, :3].sum(1)
        assert light > dark
    bar = figure.axes[-1]
    assert bar.get_ylabel() == "percent"
    assert bar.yaxis.get_major_formatter()(0.4, 0) == "40"


def test_every_cell_of_the_difference_is_wild_minus_laboratory_red_where_the_wild_has_more(analysis, dataset):
    comparison = analysis.comparison
    aus = sorted(comparison["au"].unique())
    figure = untyped(draw_difference(comparison, dataset.emotions, aus))
    axes = figure.axes[0]
    assert title_of(axes) == "Wild minus laboratory"
    rows = table_of(comparison, "emotion", "au")
    printed = {key: row for key, row in rows.items() if not np.isnan(row["difference"])}
    assert shades(axes) == pytest.approx({key: row["wild"] - row["lab"] for key, row in printed.items()})
    assert axes.collections[0].get_clim() == (-1, 1)
    assert reads_red(axes.collections[0], 0.5)
    assert not reads_red(axes.collections[0], -0.5)
    surpassed = {key for key, row in rows.items() if key not in printed and row["q"] < 0.05}
    expected = {
        key: f"{100 * (row['wild'] - row['lab']):+.0f}".replace("-", "−") for key, row in printed.items()
    }
    expected = {key: "0" if text in ("+0", "−0") else text for key, text in expected.items()}
    found = cells(axes)
    assert {key: text.get_text() for key, text in found.items()} == expected | dict.fromkeys(surpassed, "▲")
    bold = {key for key, text in found.items() if text.get_fontweight() == "bold"}
    assert bold - surpassed == {key for key, row in printed.items() if row["q"] < 0.05}
    assert figure.axes[-1].get_ylabel() == "percentage points"
    assert figure.axes[-1].yaxis.get_major_formatter()(-0.4, 0) == "−40"


def series(axes: Axes) -> dict[float, tuple[float, float, float, str]]:
    """Value, both ends of the interval and colour of each dot, by its place."""
    found = {}
    bars = collections(axes, LineCollection)
    for (colour, places, values), lines in zip(dots(axes), bars, strict=True):
        for place, value, ((low, y), (high, _)) in zip(places, values, lines.get_segments(), strict=True):
            assert y == place
            assert matplotlib.colors.to_hex(lines.get_color()[0]) == colour
            found[place] = float(value), low, high, colour
    return found


def test_each_aus_bits_and_interval_stand_at_its_name_grey_where_they_may_be_none(analysis):
    axes = untyped(draw_information(analysis.information)).axes[0]
    names = ticks(axes, "y")
    rows = table_of(analysis.information.dropna(subset=["excess"]), "au")
    found = {(int(names[place].split()[0]),): shown for place, shown in series(axes).items()}
    assert set(found) == set(rows)
    for key, (value, low, high, colour) in found.items():
        assert (value, low, high) == (rows[key]["excess"], rows[key]["ci_low"], rows[key]["ci_high"])
        assert colour == (FOR if low > 0 else MUTED)
    assert {colour for *_, colour in found.values()} == {FOR, MUTED}
    assert all(names[place] == au_label(int(names[place].split()[0])) for place in names)


def test_each_emotions_surest_aus_stand_in_its_panel_with_their_log_odds(analysis, dataset):
    with drawing_style():
        figure = untyped(draw_telling(analysis.telling, dataset.emotions))
    for axes in figure.axes:
        of_emotion = analysis.telling[analysis.telling["emotion"] == axes.get_title(loc="left")]
        surest = of_emotion[of_emotion["strength"] != 0].head(6)
        names = ticks(axes, "y")
        assert [int(name.split()[0]) for _, name in sorted(names.items())] == surest["au"].tolist()
        rows, found = table_of(surest, "au"), series(axes)
        assert len(found) == len(rows)
        for place, (value, low, high, colour) in found.items():
            row = rows[(int(names[place].split()[0]),)]
            assert (value, low, high) == (row["log_odds"], row["ci_low"], row["ci_high"])
            assert colour == (FOR if value > 0 else AGAINST)
        assert axes.get_xlim()[0] == -axes.get_xlim()[1]
        for place, name in ticks(axes, "x").items():
            top, _, bottom = name.replace(",", "").partition("/")
            assert np.exp(place) == pytest.approx(int(top) / int(bottom or 1))


def test_pairs_show_frequency_below_the_diagonal_and_sure_correlation_above(analysis, dataset):
    aus = analysis.table1.seen("wild")
    figure = untyped(draw_cooccurrence(analysis.pairs, dataset.emotions, aus))
    panels, bars = figure.axes[: len(dataset.emotions)], figure.axes[len(dataset.emotions) :]
    n_sure = 0
    for emotion, axes in zip(dataset.emotions, panels, strict=True):
        of_emotion = analysis.pairs[analysis.pairs["emotion"] == emotion]
        assert title_of(axes) == f"{emotion} ({of_emotion['n'].max():,})"
        assert list(ticks(axes, "x").values()) == [str(au) for au in aus]
        together, association = (np.ma.filled(image.get_array(), np.nan) for image in axes.images)
        for row in of_emotion.to_dict("records"):
            if row["au_1"] not in aus or row["au_2"] not in aus:
                continue
            i, j = aus.index(row["au_1"]), aus.index(row["au_2"])
            assert together[j, i] == pytest.approx(100 * row["count"] / row["n"])
            assert np.isnan(together[i, j])
            is_sure = row["log_odds_low"] > 0 or row["log_odds_high"] < 0
            n_sure += is_sure
            np.testing.assert_equal(association[i, j], row["phi"] if is_sure else np.nan)
            assert np.isnan(association[j, i])
        assert [image.get_clim() for image in axes.images] == [(0, 100), (-0.6, 0.6)]
        assert reads_red(axes.images[1], 0.5)  # brown: together more often than by chance
        assert not reads_red(axes.images[1], -0.5)
    assert n_sure > 20
    labels = {axes.get_xlabel(): axes.get_xlim() for axes in bars}
    assert labels == {
        "percent of images that show both AUs (below the diagonal)": (0, 100),
        "correlation φ, where sure (above the diagonal)": (-0.6, 0.6),
    }


def test_left_and_right_bars_are_the_subjects_left_and_right(analysis):
    axes = untyped(draw_sides(analysis.sides)).axes[0]
    names = ticks(axes, "y")
    rows = table_of(analysis.sides, "au", "place")
    assert [(bars.get_label(), sign) for bars, sign in zip(axes.containers, (-1, 1), strict=True)] == [
        ("left side only", -1),
        ("right side only", 1),
    ]
    bounds = collections(axes, LineCollection)
    for place, sign, colour, bars, lines in zip(
        ("left", "right"), (-1, 1), (LEFT, RIGHT), axes.containers, bounds, strict=True
    ):
        for bar, ((first, y), (last, _)) in zip(bars, lines.get_segments(), strict=True):
            at = round(bar.get_y() + bar.get_height() / 2)
            row = rows[int(names[at].split()[0]), place]
            assert bar.get_width() == sign * row["count"] / row["n"]
            assert (first, last, y) == (sign * row["ci_low"], sign * row["ci_high"], at)
            assert matplotlib.colors.to_hex(bar.get_facecolor()) == colour
            assert names[at] == f"{au_label(row['au'])} (n = {row['n']:,})"
    assert axes.xaxis.get_major_formatter()(-0.25, 0) == "25"
    assert "the subject's left and right" in axes.get_xlabel()
