"""The reports folder: complete, byte-identical on a rerun, whole or not at all, and honest about what it leaves out."""

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from rafce.errors import ConfigError, OutputError
from rafce.parts import find_samples
from rafce_reports import dataset_report
from rafce_reports.analysis import AnalyzeOptions, analyze
from rafce_reports.dataset_page import build_context
from rafce_reports.dataset_report import write_reports

FIGURES = {
    "figure1",
    "figure2",
    "frequencies",
    "lab_vs_wild",
    "au_information",
    "telling_aus",
    "cooccurrence",
    "sides",
}
FRAMES = {
    *("table1", "figure1", "lab_vs_wild", "sentences", "au_information", "telling_aus", "cooccurrence"),
    *("classifiers", "classifier_recall", "sides", "lab_source"),
}
EXPECTED = (
    {f"{name}.{kind}" for name in FIGURES for kind in ("png", "svg")}
    | {f"{name}.{kind}" for name in FRAMES for kind in ("csv", "parquet")}
    | {"figure2.pdf", "table1.md", "table1.tex", "table1.html", "report.html", "summary.json"}
)


class Elements(HTMLParser):
    """Every start tag of a page with its attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, attribute: str) -> list[str]:
        return [attributes[attribute] or "" for _, attributes in self.found if attribute in attributes]


def elements(folder: Path, name: str = "report.html") -> Elements:
    return Elements((folder / name).read_text(encoding="utf-8"))


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_table_and_figure_is_there_in_every_form(reports):
    assert {path.name for path in reports.iterdir()} == EXPECTED


def test_the_summary_lists_the_files_and_the_key_figures(reports):
    summary = json.loads((reports / "summary.json").read_text(encoding="utf-8"))
    assert set(summary["files"]) == EXPECTED
    assert (summary["scope"], summary["lab_n"], summary["images"]) == ("all", 230, 900)
    assert summary["left_out"] == {}


@pytest.mark.parametrize("name", ["report.html", "table1.html"])
def test_a_page_needs_nothing_but_itself(name, reports):
    page = elements(reports, name)
    for attributes in (attributes for _, attributes in page.found):
        assert (attributes.get("src") or "data:").startswith("data:")
    assert not [tag for tag, _ in page.found if tag in ("script", "iframe", "object")]
    assert [attributes["href"] for tag, attributes in page.found if tag == "link"] == ["data:,"]
    assert not re.search(r"@import|url\(", (reports / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("which", ["reports", "other_reports"])
def test_every_link_of_the_page_leads_somewhere(which, request):
    folder = request.getfixturevalue(which)
    page = elements(folder)
    links = [href for href in page.all("href") if not href.startswith("data:")]
    assert {href[1:] for href in links if href.startswith("#")} <= set(page.all("id"))
    assert {href for href in links if not href.startswith("#")} <= {path.name for path in folder.iterdir()}
    assert len(set(page.all("id"))) == len(page.all("id"))


def test_every_picture_has_an_alternative_and_every_table_a_caption(reports):
    page = elements(reports)
    assert all(attributes.get("alt") for tag, attributes in page.found if tag == "img")
    tags = [tag for tag, _ in page.found]
    assert tags.count("img") == len(FIGURES)
    assert tags.count("figure") == tags.count("figcaption") == tags.count("img") + tags.count("table")


def test_the_page_says_scope_prior_licence_and_how_sure_it_is(reports):
    text = " ".join(elements(reports).text.split())
    for words in (
        "all images, test images included",
        "The default is train: no test label touches training.",
        "licensed for non-commercial research only",
        "the pair of emotions has no class (happily angry)",
        "less than 95 % sure",
    ):
        assert words in text


def test_what_other_emotions_cannot_have_is_left_out_and_said(other_reports):
    names = {path.name for path in other_reports.iterdir()}
    assert not names & {"sentences.csv", "lab_vs_wild.png", "sides.csv"}
    assert {"table1.csv", "figure2.pdf", "lab_vs_wild.csv"} <= names
    left_out = json.loads((other_reports / "summary.json").read_text(encoding="utf-8"))["left_out"]
    assert set(left_out) == {"lab", "sentences", "sides"}
    text = elements(other_reports).text
    for reason in left_out.values():
        assert reason in text


def test_names_full_of_markup_come_out_as_they_are(other_reports, other_dataset):
    page = elements(other_reports)
    for emotion in other_dataset.emotions:
        assert emotion in page.text


def test_a_rerun_replaces_the_older_reports_with_the_same_bytes(other_dataset, other_reports, tmp_path):
    out = tmp_path / "deep" / "reports"
    shutil.copytree(other_reports, out)
    (out / "table1.csv").write_text("spoilt")
    write_reports(analyze(other_dataset, AnalyzeOptions()), out)
    assert snapshot(out) == snapshot(other_reports)
    assert [path.name for path in out.parent.iterdir()] == ["reports"]


def test_a_folder_with_other_files_is_refused_and_left_alone(other_dataset, other_reports, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="expected an empty folder or an older reports folder"):
        write_reports(analyze(other_dataset, AnalyzeOptions()), tmp_path)
    assert snapshot(tmp_path) == {"notes.txt": b"mine"}
    assert dataset_report.is_reports_folder(other_reports)
    (tmp_path / "summary.json").write_bytes((other_reports / "summary.json").read_bytes())
    assert not dataset_report.is_reports_folder(tmp_path)  # still holds notes.txt


def test_a_fault_on_the_way_leaves_the_older_reports(other_dataset, other_reports, tmp_path, monkeypatch):
    out = tmp_path / "reports"
    shutil.copytree(other_reports, out)
    monkeypatch.setattr(dataset_report, "draw_figure2", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_reports(analyze(other_dataset, AnalyzeOptions()), out)
    assert snapshot(out) == snapshot(other_reports)
    assert [path.name for path in tmp_path.iterdir()] == ["reports"]


def test_a_scope_counts_its_partition_only(dataset):
    analysis = analyze(dataset, AnalyzeOptions(scope="test"))
    partitions = pq.read_table(dataset.folder / "samples.parquet")["partition"].to_pylist()
    assert analysis.information["n"].max() == partitions.count("test")
    assert sum(row.n or 0 for row in analysis.table1.of("wild").values()) == partitions.count("test")
    assert sum(row.n or 0 for row in analysis.train_table1.of("wild").values()) == partitions.count("train")


def test_a_scope_without_images_is_an_error(dataset, tmp_path):
    rows = pq.read_table(dataset.folder / "samples.parquet")
    train = rows.filter([name == "train" for name in rows["partition"].to_pylist()])
    pq.write_table(train, tmp_path / "train.parquet")
    lacking = replace(dataset, samples=find_samples(tmp_path / "train.parquet"))
    with pytest.raises(ConfigError, match=r"--scope test: expected images of it in .*, found none"):
        analyze(lacking, AnalyzeOptions(scope="test"))
    assert analyze(lacking, AnalyzeOptions()).left_out["trial"].startswith("the classifiers need images")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scope": "most"}, "--scope: expected one of all, train"),
        ({"lab_n": 0}, "--lab-n: expected at least 1"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        AnalyzeOptions(**options)


@pytest.mark.parametrize(
    ("official", "words"),
    [(None, "it goes to the earlier column"), ({"agree": 896, "differ": 4}, "the official class decides")],
)
def test_the_page_says_who_decides_ties(official, words, dataset):
    told = replace(dataset, manifest={**dataset.manifest, "official": official})
    assert words in build_context(analyze(told, AnalyzeOptions()))["tie_words"]
