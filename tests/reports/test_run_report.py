"""The report of a run: what it says against the run's own files, what it shows of faces, what it leaves alone."""

import json
import re
import shutil
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from matplotlib.lines import Line2D
from PIL import Image

from rafce.errors import DatasetError, ImageError, OutputError, TrainingError
from rafce.images import ImageFolder
from rafce.schema import emotion_slug
from rafce_reports import run_report
from rafce_reports.curves import draw_curves
from rafce_reports.reliability import bins_frame, draw_reliability
from rafce_reports.run_page import against_majority, run_page, too_sure
from rafce_reports.run_report import find_faces, write_run_report
from rafce_reports.run_tables import aus_grid, emotions_grid, mistakes, mistakes_grid, most_taken_for
from rafce_reports.runs import Run, read_run
from rafce_reports.style import drawing_style
from rafce_train.run_folder.checksums import read_sums, write_sums

EXPECTED = {
    *(f"{name}.{kind}" for name in ("curves", "confusion", "reliability") for kind in ("png", "svg")),
    *(
        f"{name}.{kind}"
        for name in ("emotions", "aus", "mistakes", "calibration")
        for kind in ("csv", "parquet")
    ),
    *("confusion.csv", "report.html", "summary.json"),
}


class Elements(HTMLParser):
    """Every start tag of a page with its attributes, and its text in one line."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "

    def all(self, attribute: str) -> list[str]:
        return [attributes[attribute] or "" for _, attributes in self.found if attribute in attributes]


def elements(page: Path) -> Elements:
    return Elements(page.read_text(encoding="utf-8"))


def page_of(folder: Path, run: Run | None = None) -> Elements:
    """The page with the pictures that are there already, of the run in the folder or of what it might have been."""
    run = run or read_run(folder)
    return Elements(run_page(run, mistakes(run), None, folder / "report"))


def changed(folder: Path, change: Callable[[dict[str, Any]], None]) -> Run:
    """A run as it would be with other figures."""
    run = read_run(folder)
    metrics = deepcopy(run.metrics)
    change(metrics)
    return replace(run, metrics=metrics)


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def copied(reported_run, tmp_path):
    """A run of which a test may change something."""
    folder = tmp_path / reported_run.name
    shutil.copytree(reported_run, folder)
    return folder


def xy(line: Line2D) -> npt.NDArray[np.float64]:
    """The points of a line, a row each."""
    return np.asarray(line.get_xydata(), np.float64)


def rewrite(run, change):
    metrics = json.loads((run / "metrics.json").read_text())
    change(metrics)
    (run / "metrics.json").write_text(json.dumps(metrics))
    write_sums(run, read_sums(run).digests or ())


def test_everything_the_page_shows_lies_beside_it(reported_run):
    folder = reported_run / "report"
    assert {path.name for path in folder.iterdir()} == EXPECTED
    assert json.loads((folder / "summary.json").read_text()) == {
        "schema": "run-report/1",
        "with_images": False,
        "files": sorted(EXPECTED),
    }


@pytest.mark.parametrize("which", ["reported_run", "other_run"])
def test_a_page_needs_nothing_but_itself_and_its_links_lead_somewhere(which, request):
    folder = request.getfixturevalue(which) / "report"
    page = elements(folder / "report.html")
    assert all((attributes.get("src") or "data:").startswith("data:") for _, attributes in page.found)
    assert not [tag for tag, _ in page.found if tag in ("script", "iframe", "object")]
    assert not re.search(r"@import|url\(", (folder / "report.html").read_text(encoding="utf-8"))
    links = [href for href in page.all("href") if not href.startswith("data:")]
    assert {href[1:] for href in links if href.startswith("#")} <= set(page.all("id"))
    assert all((folder / href).is_file() for href in links if not href.startswith("#"))


def test_every_picture_has_an_alternative_and_every_table_a_caption(reported_run):
    page = elements(reported_run / "report/report.html")
    assert all(attributes.get("alt") for tag, attributes in page.found if tag == "img")
    tags = [tag for tag, _ in page.found]
    assert tags.count("img") == 3
    assert tags.count("figcaption") == tags.count("img") + tags.count("table")


def test_the_figures_stand_there_with_intervals_beside_the_majority_class(reported_run):
    metrics, text = read_run(reported_run).metrics, elements(reported_run / "report/report.html").text
    for name, label in (("accuracy", "accuracy"), ("uar", "UAR, mean recall over emotions")):
        value, low, high = (100 * metrics["test"][name][end] for end in ("value", "ci_low", "ci_high"))
        always = metrics["majority"][name]
        always = 100 * (always["value"] if name == "accuracy" else always)
        assert f"{label} {value:.1f} {low:.1f} to {high:.1f} {always:.1f}" in text
    assert f"would be right in {100 * metrics['majority']['accuracy']['value']:.1f} % of these images" in text


def test_the_page_says_prior_validation_seed_small_classes_and_licence(reported_run):
    text = elements(reported_run / "report/report.html").text
    for words in (
        "counted on the training images alone: no test label touches training",
        "The validation images picked the epoch and tuned the AU thresholds; they also drove the learned weights",
        "Intervals are over test images, for this trained network",
        "Fewer than 10 test images:",
        "licensed for non-commercial research only",
        "say nothing about real faces",
    ):
        assert words in text


def test_a_run_without_aus_or_statistics_says_so(other_run):
    text = elements(other_run / "report/report.html").text
    assert "stl learns emotions alone" in text
    assert "stl uses no statistics of AUs" in text
    assert "The weights of the losses are fixed" in text
    assert not (other_run / "report/aus.csv").exists()


def test_a_run_on_groups_says_how_many_and_that_intervals_are_over_them(grouped_run):
    text = elements(grouped_run / "report/report.html").text
    for words in (
        "tested once on 9 in 3 groups.",
        "9 test images in 3 groups, looked at once, after training. Intervals: bootstrap over groups.",
        "recall with its 95 % interval (bootstrap over groups)",
        "Intervals are over groups of test images, for this trained network",
        "intervals draw whole groups, 3 in all, which makes them too narrow",
    ):
        assert words in text
    assert "Wilson" not in text
    frame = pd.read_csv(grouped_run / "report/emotions.csv")
    predictions = pq.read_table(grouped_run / "predictions.parquet").to_pandas()
    for row in frame.to_dict("records"):
        of = predictions[predictions["emotion"] == row["emotion"]]
        assert (row["support"], row["groups"]) == (len(of), of["group"].nunique())


def test_test_images_of_a_single_group_make_a_page_without_intervals(grouped_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(grouped_run, run)

    def alone(metrics):
        for figure in [
            metrics["test"]["accuracy"],
            *(row["accuracy"] for row in metrics["test"]["calibration"]["bins"]),
        ]:
            figure.update(ci_low=None, ci_high=None)
        metrics["test"]["groups"] = 1

    text = page_of(run, changed(run, alone)).text
    assert "All test images are of one group: how sure the accuracy is cannot be said." in text
    assert "9 test images in 1 group, looked at once" in text


def test_a_run_that_names_no_kind_of_interval_has_those_over_images(copied):
    def older(metrics):
        for part in (metrics["test"], *metrics["test"]["emotions"], *metrics["test"]["action_units"]["aus"]):
            part.pop("groups")
        metrics["test"].pop("intervals")
        metrics["schema"] = "metrics/1"

    rewrite(copied, older)
    (copied / "SHA256SUMS").unlink()
    before = page_of(copied).text
    assert "Intervals: Wilson for accuracy, bootstrap over images for the others." in before
    assert "Intervals are over test images, for this trained network" in before


def test_names_full_of_markup_come_out_as_they_are(other_run):
    page = elements(other_run / "report/report.html")
    for emotion in read_run(other_run).words.emotions:
        assert emotion in page.text


def test_mistakes_are_the_wrong_predictions_the_surest_first(reported_run):
    run = read_run(reported_run)
    found, predictions = mistakes(run), run.predictions.set_index("image")
    wrong = predictions[predictions["emotion"] != predictions["predicted"]]
    assert sorted(found["image"]) == sorted(wrong.index)
    assert found["p_predicted"].is_monotonic_decreasing
    for row in found.to_dict("records"):
        of_image = predictions.loc[row["image"]]
        p = {name: of_image[f"p_{emotion_slug(name)}"] for name in run.words.emotions}
        assert (row["p_predicted"], row["p_true"]) == (p[row["predicted"]], p[row["emotion"]])
        assert row["rank_true"] == 1 + sum(value > p[row["emotion"]] for value in p.values())


def test_the_most_frequent_mistake_of_each_emotion_is_counted_right(reported_run):
    run = read_run(reported_run)
    wrong = run.predictions[run.predictions["emotion"] != run.predictions["predicted"]]
    for emotion, found in zip(run.words.emotions, most_taken_for(run), strict=True):
        counts = wrong.loc[wrong["emotion"] == emotion, "predicted"].value_counts()
        assert found == "–" if counts.empty else found.endswith(f" ({counts.iloc[0]})")
        assert counts.empty or counts[found.rpartition(" (")[0]] == counts.iloc[0]


def test_tables_count_support_and_positives(reported_run):
    run = read_run(reported_run)
    supports = run.predictions["emotion"].value_counts()
    assert [row[:2] for row in emotions_grid(run).rows] == [
        (emotion, str(supports.get(emotion, 0))) for emotion in run.words.emotions
    ]
    frame = pd.read_csv(reported_run / "report/aus.csv")
    assert frame["au"].tolist() == list(run.words.aus)
    assert (frame["f1_low"].isna() == frame["f1"].isna()).all()
    aus = run.au_metrics
    assert aus is not None
    rows = aus_grid(aus).rows
    assert [row[0].endswith("*") for row in rows] == sorted(not au["in_macro"] for au in aus["aus"])


def test_thresholds_that_were_not_tuned_are_marked(reported_run):
    aus = deepcopy(read_run(reported_run).au_metrics)
    assert aus is not None
    for row in aus["aus"]:
        row["validation_positives"] = 0 if row["au"] == 12 else 3
    assert [row[0].rstrip(" *") for row in aus_grid(aus).rows if row[3].endswith(" †")] == [
        "12 lip corner puller"
    ]
    for row in aus["aus"]:
        del row["validation_positives"]  # a run of an older release
    assert not any("†" in row[3] for row in aus_grid(aus).rows)


def test_calibration_is_that_of_the_predictions(reported_run):
    run = read_run(reported_run)
    confidence = run.predictions[[f"p_{emotion_slug(name)}" for name in run.words.emotions]].max(axis=1)
    assert too_sure(run.test["calibration"]) == pytest.approx(float(confidence.mean()) - run.right_N.mean())
    bins = bins_frame(run.test["calibration"])
    assert bins["n"].sum() == len(run.predictions)
    for row in bins.to_dict("records"):
        inside = (confidence >= row["from"]) & (confidence < row["to"])
        assert row["accuracy"] == pytest.approx(run.right_N[inside].mean())
    (_, points) = draw_reliability(run.test["calibration"]).axes[0].lines
    np.testing.assert_allclose(xy(points) / 100, bins[["confidence", "accuracy"]])


def test_curves_are_the_history_with_the_picked_epoch_marked(reported_run, other_run):
    run = read_run(reported_run)
    with drawing_style():
        losses, scores, weights = draw_curves(run).axes
    titles = [axes.get_title(loc="left") for axes in (losses, scores, weights)]
    assert titles == ["Losses", "Scores, %", "Learned weights ω"]
    drawn = {str(line.get_label()): xy(line)[:, 1] for axes in (losses, scores) for line in axes.lines}
    np.testing.assert_allclose(drawn["AU"], run.history["loss_au"])
    np.testing.assert_allclose(drawn["emotion, validation"], run.history["validation_loss"])
    np.testing.assert_allclose(drawn["UAR, training"], 100 * run.history["train_uar"])
    for axes in (losses, scores, weights):
        assert (xy(axes.lines[-1])[:, 0] == run.metrics["selected"]["epoch"]).all()
    assert len(draw_curves(read_run(other_run)).axes) == 2


@pytest.mark.parametrize(
    ("low", "high", "word", "words"),
    [
        (0.3, 0.5, "above", "accuracy lies above that"),
        (0.1, 0.3, "around", "accuracy includes that: it is not shown to have learned anything"),
        (0.05, 0.1, "below", "accuracy lies below that"),
    ],
)
def test_the_page_says_how_accuracy_stands_to_the_majority_class(low, high, word, words, copied):
    def change(metrics):
        metrics["test"]["accuracy"].update(ci_low=low, ci_high=high)
        metrics["majority"]["accuracy"]["value"] = 0.2

    run = changed(copied, change)
    assert against_majority(run) == word
    assert words in page_of(copied, run).text


def test_weights_that_were_tried_are_listed(copied):
    tried = [{"rho_au": rho, "rho_align": 0.1, "epoch": 2, "validation": 0.2 + rho} for rho in (0.03, 0.1)]
    rewrite(copied, lambda metrics: metrics.update(trials=tried, chosen=tried[1]))
    text = page_of(copied).text
    assert "0.1 0.1 2 30.0 chosen" in text
    assert "they chose the fixed weights" in text


def test_a_rerun_gives_the_same_bytes(reported_run, copied):
    write_run_report(copied)
    assert snapshot(copied / "report") == snapshot(reported_run / "report")


@pytest.fixture
def faces(reported_run, tmp_path):
    """A folder of images of the run's test images, as the aligned release names them."""
    folder = tmp_path / "aligned"
    folder.mkdir()
    for name in read_run(reported_run).predictions["image"]:
        Image.new("RGB", (100, 100), "tan").save(folder / name.replace(".jpg", "_aligned.jpg"))
    return folder


def test_faces_are_shown_only_where_asked_for(copied, faces):
    place = find_faces(copied, images=faces)
    assert place == ImageFolder(faces.resolve(), "_aligned")
    page = elements(write_run_report(copied, place))
    shown = [
        attributes for tag, attributes in page.found if tag == "img" and attributes.get("class") == "face"
    ]
    assert len(shown) == 20
    assert all((attributes["src"] or "").startswith("data:image/jpeg;base64,") for attributes in shown)
    assert "publish this page only if the licence of the images allows that" in page.text
    page = elements(write_run_report(copied))
    assert "face" not in page.all("class")


def test_faces_are_looked_for_where_the_dataset_says(copied, faces, dataset, tmp_path):
    with pytest.raises(ImageError, match=r"made without images; expected --images DIR"):
        find_faces(copied)
    moved = tmp_path / "moved"
    shutil.copytree(dataset.folder, moved, ignore=shutil.ignore_patterns("reports"))
    manifest = json.loads((moved / "manifest.json").read_text())
    manifest["images"] = {"root": str(faces), "suffix": "_aligned", "missing": []}
    (moved / "manifest.json").write_text(json.dumps(manifest))
    assert find_faces(copied, dataset=moved) == ImageFolder(faces, "_aligned")
    config = (copied / "config.toml").read_text()
    (copied / "config.toml").write_text(re.sub('images = ""', f"images = {json.dumps(str(faces))}", config))
    write_sums(copied, read_sums(copied).digests or ())
    assert find_faces(copied).root == faces.resolve()


def test_faces_are_not_looked_for_in_another_dataset(copied, dataset, other_dataset, tmp_path):
    with pytest.raises(DatasetError, match=r"expected the test images that .* was tested on"):
        find_faces(copied, dataset=other_dataset.folder)
    relabelled = tmp_path / "relabelled"
    shutil.copytree(dataset.folder, relabelled, ignore=shutil.ignore_patterns("reports"))
    table = pq.read_table(relabelled / "samples.parquet")
    position = table.schema.get_field_index("image")
    images = pa.array([*table["image"].to_pylist()[1:], "last.jpg"])
    pq.write_table(
        table.set_column(position, table.schema.field(position), images), relabelled / "samples.parquet"
    )
    with pytest.raises(DatasetError, match="relabelled: expected the test images that"):
        find_faces(copied, dataset=relabelled)


def test_a_face_that_cannot_be_read_leaves_the_older_report(copied, faces):
    before = snapshot(copied / "report")
    worst = mistakes(read_run(copied))["image"][0]
    (faces / worst.replace(".jpg", "_aligned.jpg")).write_text("no image")
    with pytest.raises(ImageError, match=r"_aligned\.jpg: expected an image"):
        write_run_report(copied, find_faces(copied, images=faces))
    assert snapshot(copied / "report") == before


def test_a_run_that_is_always_right_has_no_mistakes_to_show(copied):
    run = read_run(copied)
    right = run.predictions.assign(predicted=run.predictions["emotion"])
    assert "No test image is wrong" in page_of(copied, replace(run, predictions=right)).text


def test_a_name_cannot_close_the_picture_of_a_face():
    found = pd.DataFrame(
        {"image": ['"><script>'], "emotion": ["a"], "predicted": ["b"]}
        | {"p_predicted": [0.5], "p_true": [0.1], "rank_true": [2]}
    )
    (row,) = mistakes_grid(found, 3, {'"><script>': "data:,"}).rows
    assert "<script>" not in row[0]


def test_an_unfinished_run_is_refused(copied):
    (copied / "metrics.json").unlink()
    with pytest.raises(TrainingError, match=r"expected a finished run, found no metrics\.json"):
        write_run_report(copied)


def test_other_files_in_the_report_folder_are_left_alone(copied):
    (copied / "report" / "mine.txt").write_text("mine")
    before = snapshot(copied / "report")
    with pytest.raises(
        OutputError, match="an older report of the run, found other files; nothing was touched"
    ):
        write_run_report(copied)
    assert snapshot(copied / "report") == before


def test_a_report_of_the_first_version_is_replaced_and_one_with_other_files_is_not(copied):
    for path in (copied / "report").iterdir():
        if not path.name.startswith("confusion."):
            path.unlink()
    write_run_report(copied)
    assert {path.name for path in (copied / "report").iterdir()} == EXPECTED
    (copied / "report" / "summary.json").unlink()
    with pytest.raises(OutputError, match="found other files; nothing was touched"):
        write_run_report(copied)


def test_a_fault_on_the_way_leaves_the_older_report(copied, monkeypatch):
    before = snapshot(copied / "report")
    monkeypatch.setattr(run_report, "draw_reliability", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_run_report(copied)
    assert snapshot(copied / "report") == before
