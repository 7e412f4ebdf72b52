"""The figures and tables of a run's page show the run's own numbers, each at its place."""

import json
import shutil
from copy import deepcopy
from dataclasses import replace

import matplotlib.colors
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection

from rafce.schema import emotion_slug
from rafce_reports import confusion as confusion_module
from rafce_reports import run_report
from rafce_reports.confusion import draw_confusion
from rafce_reports.curves import draw_curves
from rafce_reports.numbers import au_label
from rafce_reports.reliability import bins_frame, draw_reliability
from rafce_reports.run_page import key_figures, lede, run_page
from rafce_reports.run_tables import mistakes
from rafce_reports.runs import read_run
from rafce_reports.style import AGAINST, FOR, INK, WILD, drawing_style


@pytest.fixture(scope="module")
def run(reported_run):
    return read_run(reported_run)


@pytest.fixture(scope="module")
def tables(reported_run, page_tables):
    page = (reported_run / "report/report.html").read_text(encoding="utf-8")
    return page_tables(page).tables


def untyped(figure):
    """A figure whose artists may be asked for what their base class does not promise."""
    return figure


def collections(axes, kind):
    """The collections of one kind in their order."""
    return [found for found in axes.collections if isinstance(found, kind)]


def percent(value) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def rate(figure) -> list[str]:
    """A figure and its interval as a table prints them."""
    low, high = figure["ci_low"], figure["ci_high"]
    return [percent(figure["value"]), "–" if low is None else f"{percent(low)} to {percent(high)}"]


def ticks(axes: Axes, which: str) -> dict[float, str]:
    axis = getattr(axes, f"{which}axis")
    return dict(zip(axis.get_ticklocs(), (label.get_text() for label in axis.get_ticklabels()), strict=True))


# --- curves


LINES = {
    "emotion": ("loss_emo", 1, INK),
    "AU": ("loss_au", 1, AGAINST),
    "alignment": ("loss_align", 1, FOR),
    "emotion, validation": ("validation_loss", 1, INK),
    "accuracy, training": ("train_accuracy", 100, INK),
    "accuracy, validation": ("accuracy", 100, INK),
    "UAR, training": ("train_uar", 100, WILD),
    "UAR, validation": ("uar", 100, WILD),
    "AU macro-F1, validation": ("au_macro_f1", 100, AGAINST),
}


def test_each_line_of_the_curves_is_the_column_that_its_label_names(run):
    with drawing_style():
        losses, scores, weights = untyped(draw_curves(run)).axes
    drawn = {line.get_label(): line for axes in (losses, scores) for line in axes.lines[:-1]}
    assert set(drawn) == set(LINES)
    for label, (column, scale, colour) in LINES.items():
        line = drawn[label]
        np.testing.assert_allclose(line.get_ydata(), scale * run.history[column])
        np.testing.assert_array_equal(line.get_xdata(), run.history["epoch"])
        assert matplotlib.colors.to_hex(line.get_color()) == colour
        assert (line.get_linestyle() == "-") == (not label.endswith("validation"))
    assert losses.get_yscale() == "log"
    learned = {line.get_label(): line for line in weights.lines[:-1]}
    spreads = collections(weights, PolyCollection)
    for (label, line), area in zip(learned.items(), spreads, strict=True):
        term = {"AU": "au", "alignment": "align"}[label]
        mean, spread = run.history[f"omega_{term}"], run.history[f"omega_{term}_sd"]
        np.testing.assert_allclose(line.get_ydata(), mean)
        points = area.get_paths()[0].vertices
        assert points[:, 1].min() == pytest.approx((mean - spread).min())
        assert points[:, 1].max() == pytest.approx((mean + spread).max())
        assert (line.get_color(), matplotlib.colors.to_hex(area.get_facecolor()[0])) == (LINES[label][2],) * 2
    assert set(learned) == {"AU", "alignment"}
    for axes in (losses, scores, weights):
        assert [text.get_text() for text in axes.get_legend().texts] == [
            line.get_label() for line in axes.lines[:-1]
        ]


# --- confusion


@pytest.fixture(scope="module")
def lacking(run):
    """The test figures of the run, but without images of the third emotion."""
    test = deepcopy(run.test)
    test["confusion"][2] = [0] * len(test["confusion"])
    test["emotions"][2] |= {"support": 0, "recall": dict.fromkeys(("value", "ci_low", "ci_high"))}
    return test


def test_each_cell_of_the_confusion_is_the_share_of_its_true_emotion(run, lacking):
    names = list(run.words.emotions)
    for test in (run.test, lacking):
        axes = untyped(draw_confusion(test)).axes[0]
        counted = pd.crosstab(run.predictions["emotion"], run.predictions["predicted"])
        counts_KK = counted.reindex(index=names, columns=names, fill_value=0).to_numpy(copy=True)
        if test is lacking:
            counts_KK[2] = 0
        with np.errstate(invalid="ignore"):
            share_KK = counts_KK / counts_KK.sum(1, keepdims=True)
        shown_KK = np.ma.filled(axes.images[0].get_array(), np.nan)
        np.testing.assert_allclose(shown_KK, share_KK)
        written = {text.get_position(): text for text in axes.texts if text.get_text()[0].isdigit()}
        assert {place: text.get_text() for place, text in written.items()} == {
            (column, row): f"{100 * share_KK[row, column]:.0f}" for row, column in np.argwhere(counts_KK > 0)
        }
        for (column, row), text in written.items():
            assert (text.get_color() == "white") == (share_KK[int(row), int(column)] >= 0.5)
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true (images)")
        assert list(ticks(axes, "x").items()) == list(enumerate(names))


def test_beside_each_row_of_the_confusion_stand_its_images_and_recall(run, lacking):
    for test in (run.test, lacking):
        figure = untyped(draw_confusion(test))
        axes = figure.axes[0]
        (recalls,) = axes.child_axes
        for place, row in enumerate(test["emotions"]):
            assert ticks(axes, "y")[place] == f"{row['emotion']} ({row['support']:,})"
            value, interval = rate(row["recall"])
            expected = f"{value} ({interval})" if row["recall"]["value"] is not None else "no image"
            assert ticks(recalls, "y")[place] == expected
        (title,) = figure.texts
        accuracy, uar = (" (".join(rate(test[name])) + ")" for name in ("accuracy", "uar"))
        assert title.get_text() == (
            f"{test['n']} test images, percent of each true emotion\n"
            f"accuracy {accuracy}, mean recall (UAR) {uar}"
        )


# --- reliability


def test_bins_of_the_reliability_diagram_are_those_of_the_predictions(run):
    columns = [f"p_{emotion_slug(name)}" for name in run.words.emotions]
    confidence_N = run.predictions[columns].max(axis=1).to_numpy(float)
    above, below = untyped(draw_reliability(run.test["calibration"])).axes
    bins = bins_frame(run.test["calibration"])
    for bar, row in zip(below.patches, bins.to_dict("records"), strict=True):
        assert bar.get_x() == pytest.approx(100 * row["from"])
        assert bar.get_x() + bar.get_width() == pytest.approx(100 * row["to"])
        inside_N = (confidence_N >= row["from"]) & (confidence_N < row["to"])
        assert bar.get_height() == inside_N.sum()
    gaps, bounds = collections(above, LineCollection)
    for lines, low, high in ((gaps, "confidence", "accuracy"), (bounds, "ci_low", "ci_high")):
        expected = 100 * bins[["confidence", low, "confidence", high]].to_numpy()
        np.testing.assert_allclose(np.reshape(lines.get_segments(), (-1, 4)), expected)
    diagonal, points = above.lines
    np.testing.assert_array_equal(diagonal.get_xydata(), [(0, 0), (100, 100)])
    np.testing.assert_allclose(points.get_xydata(), 100 * bins[["confidence", "accuracy"]])
    assert (above.get_ylabel(), below.get_ylabel()) == ("of them right, %", "images")


# --- tables


def test_the_table_of_figures_names_each_of_them(run, tables):
    test, majority, aus = run.test, run.metrics["majority"], run.au_metrics
    uar = majority["uar"]["value"] if isinstance(majority["uar"], dict) else majority["uar"]
    rows = [[*cells[:3], cells[3].split(" (")[0]] for cells in tables["Figures on the test images"]]
    assert rows == [
        ["figure", "%", "95 % interval", f"always “{majority['emotion']}”, %"],
        ["accuracy", *rate(test["accuracy"]), percent(majority["accuracy"]["value"])],
        ["UAR, mean recall over emotions", *rate(test["uar"]), percent(uar)],
        ["macro-F1 over emotions", *rate(test["macro_f1"]), "–"],
        [f"macro-F1 over {aus['n_aus']} AUs", *rate(aus["macro_f1"]), "–"],
        [f"mean average precision over {aus['n_aus']} AUs", *rate(aus["mean_average_precision"]), "–"],
    ]
    figures = [
        test["accuracy"],
        test["uar"],
        test["macro_f1"],
        aus["macro_f1"],
        aus["mean_average_precision"],
    ]
    assert len({figure["value"] for figure in figures}) == 5  # equal ones could change places unseen


def test_the_table_of_emotions_has_recall_f1_and_the_commonest_mistake_of_each(run, tables):
    wrong = run.predictions[run.predictions["emotion"] != run.predictions["predicted"]]
    heads, *rows = tables["Emotions"]
    assert heads[1:6] == ["n", "recall, %", "95 % interval", "F1, %", "95 % interval"]
    for cells, row in zip(rows, run.test["emotions"], strict=True):
        counts = wrong.loc[wrong["emotion"] == row["emotion"], "predicted"].value_counts()
        assert cells[:6] == [row["emotion"], f"{row['support']}", *rate(row["recall"]), *rate(row["f1"])]
        assert (
            cells[6] in {f"{name} ({n})" for name, n in counts.items() if n == counts.max()} or counts.empty
        )


def test_the_table_of_aus_has_each_aus_own_figures_and_what_guessing_would_have(run, tables):
    heads, *rows = tables["Action units"]
    assert heads[1:] == [
        *("active, training", "active, test", "threshold", "F1, %", "95 % interval"),
        *("AP, %", "95 % interval", "by chance, %"),
    ]
    found = {cells[0].removesuffix(" *"): cells[1:] for cells in rows}
    assert len(found) == len(rows) == len(run.au_metrics["aus"])
    for row in run.au_metrics["aus"]:
        assert found[au_label(row["au"])] == [
            f"{row['train_positives']:,}",
            f"{row['positives']} of {row['n']}",
            f"{row['threshold']:.3f}" + ("" if row.get("validation_positives", 1) else " †"),
            *rate(row["f1"]),
            *rate(row["average_precision"]),
            percent(row["positives"] / row["n"]),
        ]


def test_the_table_of_mistakes_shows_what_was_predicted_and_how_surely(run, tables):
    heads, *rows = tables["Surest mistakes"]
    assert heads == ["image", "true", "predicted", "p(predicted), %", "p(true), %", "place of the true one"]
    predictions = run.predictions.set_index("image")
    assert len(rows) == 20
    for image, true, predicted, p_predicted, p_true, place in rows:
        of_image = predictions.loc[image]
        p = {name: of_image[f"p_{emotion_slug(name)}"] for name in run.words.emotions}
        assert (true, predicted) == (of_image["emotion"], of_image["predicted"])
        assert (p_predicted, p_true) == (percent(max(p.values())), percent(p[true]))
        assert place == f"{sorted(p, key=p.__getitem__, reverse=True).index(true) + 1} of {len(p)}"


def test_the_table_of_trials_marks_the_weights_that_were_chosen(reported_run, page_tables, tmp_path):
    folder = tmp_path / reported_run.name
    shutil.copytree(reported_run, folder)
    metrics = json.loads((folder / "metrics.json").read_text())
    tried = [
        {"rho_au": 0.03, "rho_align": 0.2, "epoch": 2, "validation": 0.25},
        {"rho_au": 0.1, "rho_align": 0.3, "epoch": 3, "validation": 0.315},
    ]
    changed = read_run(reported_run)
    changed.metrics.update(metrics | {"trials": tried, "chosen": tried[1]})
    page = run_page(changed, mistakes(changed), None, folder / "report")
    assert page_tables(page).tables["Fixed weights that were tried"] == [
        ["ρ of AUs", "ρ of alignment", "best epoch", "validation, %", ""],
        ["0.03", "0.2", "2", "25.0", ""],
        ["0.1", "0.3", "3", "31.5", "chosen"],
    ]


def test_the_figures_at_the_head_of_a_runs_page_are_what_they_are_called(run):
    found = dict(key_figures(run))
    for label, figure in {
        "accuracy": run.test["accuracy"],
        "UAR": run.test["uar"],
        f"macro-F1 of {run.au_metrics['n_aus']} AUs": run.au_metrics["macro_f1"],
    }.items():
        value, interval = rate(figure)
        assert found.get(f"{label} ({interval})") == f"{value} %"
    majority = run.metrics["majority"]
    assert (
        found[f"accuracy of always “{majority['emotion']}”"] == f"{percent(majority['accuracy']['value'])} %"
    )
    error = run.test["calibration"]["expected_error"]
    assert found["expected calibration error, points"] == percent(error)


def test_the_first_sentences_of_a_runs_page_count_each_partition(run):
    sizes, selected = run.metrics["dataset"], run.metrics["selected"]
    text = lede(run)
    assert f"by mml on {sizes['train']:,} images, tested once on {sizes['test']:,}." in text
    assert f"{sizes['validation']:,} validation images picked epoch {selected['epoch']} of 3" in text
    assert f"(UAR {percent(selected['validation'])} %)" in text


# --- files and pictures


def test_each_picture_of_a_runs_page_stands_beside_the_words_about_it(run, page_tables, tmp_path):
    for name in ("curves", "confusion", "reliability"):
        (tmp_path / f"{name}.svg").write_text(f"<svg>{name}</svg>")
    found = page_tables(run_page(run, mistakes(run), None, tmp_path)).pictures
    assert list(found) == ["curves", "confusion", "reliability"]
    assert found["curves"].startswith("Lines over the epochs")
    assert found["confusion"].startswith("Matrix of true and predicted emotions")
    assert found["reliability"].startswith("Reliability diagram")


def test_each_figure_of_a_run_is_saved_under_its_own_name(run, monkeypatch, tmp_path):
    saved = {}
    for module in (run_report, confusion_module):
        monkeypatch.setattr(module, "save_figure", lambda figure, folder, name: saved.update({name: figure}))
    monkeypatch.setattr(run_report, "run_page", lambda *_: "")
    shutil.copytree(run.folder, tmp_path / "run", ignore=shutil.ignore_patterns("report"))
    run_report.write_run_report(tmp_path / "run")
    assert set(saved) == {"curves", "confusion", "reliability"}
    assert [axes.get_xlabel() for axes in saved["curves"].axes] == ["epoch"] * 3
    assert saved["confusion"].axes[0].get_xlabel() == "predicted"
    assert saved["reliability"].axes[-1].get_xlabel() == "probability of the top emotion, %"


def test_the_files_beside_a_runs_page_hold_its_metrics(run):
    def read(name):
        return pd.read_csv(run.folder / "report" / f"{name}.csv")

    def flat(rows, *figures):
        found = []
        for row in rows:
            kept = {key: value for key, value in row.items() if key not in figures and value is not None}
            for name in figures:
                bounds = ("value", name), ("ci_low", f"{name}_low"), ("ci_high", f"{name}_high")
                kept |= {column: row[name][end] for end, column in bounds}
            found.append(kept)
        return pd.DataFrame(found)

    for name, expected in {
        "emotions": flat(run.test["emotions"], "recall", "f1"),
        "aus": flat(run.au_metrics["aus"], "f1", "average_precision"),
    }.items():
        pd.testing.assert_frame_equal(read(name)[list(expected)], expected, check_dtype=False)
    counts = read("confusion").set_index("emotion")
    pairs = run.predictions.groupby(["emotion", "predicted"]).size()
    for true in counts.index:
        for predicted in counts.columns:
            assert counts.loc[true, predicted] == pairs.get((true, predicted), 0)
    pd.testing.assert_frame_equal(read("mistakes"), mistakes(run), check_dtype=False)
    np.testing.assert_allclose(
        read("calibration")[["n", "confidence"]],
        [[row["n"], row["confidence"]] for row in run.test["calibration"]["bins"]],
    )


@pytest.mark.parametrize(
    ("scope", "words"), [("train", "the training images alone"), ("all", "all images, test images")]
)
def test_the_page_says_on_which_images_the_statistics_were_counted(run, tmp_path, scope, words):
    for name in ("curves", "confusion", "reliability"):
        (tmp_path / f"{name}.svg").write_text("<svg/>")
    other = replace(run, config={**run.config, "prior_scope": scope})
    page = " ".join(run_page(other, mistakes(run), None, tmp_path).split())
    assert f"counted on {words}" in page
