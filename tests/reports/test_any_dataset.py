"""Reports of samples of any size, layout and vocabulary: every figure against a count by hand."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal
from PIL import Image

import rafce.parts
from rafce.dataset import Dataset, read_dataset
from rafce.errors import DatasetError
from rafce.parquet import write_parquet
from rafce.reference import lab_cells
from rafce.schema import (
    PARTITIONS,
    Vocabulary,
    au_column,
    au_statistics_schema,
    discarded_schema,
    imported_samples_schema,
    lab_statistics_schema,
)
from rafce.tables import (
    au_mask,
    au_statistics_table,
    counts_by_scope,
    discarded_table,
    lab_statistics_table,
)
from rafce.taxonomy import AUS, BASIC_EMOTIONS, COMPOUND_EMOTIONS
from rafce_reports.analysis import (
    MOST_FOR_PAIRS,
    NOT_ASKED,
    NOT_BY_DEFAULT,
    Analysis,
    AnalyzeOptions,
    analyze,
)
from rafce_reports.dataset_page import dataset_page
from rafce_reports.dataset_report import summarize, write_frames, write_reports
from rafce_reports.figure1 import example_faces
from rafce_reports.information import draw_information
from rafce_reports.table1_text import markdown

# N images, A action units
MOODS = Vocabulary(("glad", "sad", "mad"), (1, 4, 12, 25))
MANY = Vocabulary(("glad", "sad"), tuple(range(1, 41)))
COMPOUNDS = Vocabulary(COMPOUND_EMOTIONS, AUS)
FRAMES = ("comparison", "information", "telling", "pairs", "sentences", "sides", "classes")


class Labels(NamedTuple):
    """What a dataset is made of."""

    words: Vocabulary
    emotion_N: npt.NDArray[np.int64]
    partition_N: npt.NDArray[np.object_]
    active_NA: npt.NDArray[np.bool_]
    known_NA: npt.NDArray[np.bool_]


def draw(words: Vocabulary, n: int = 400, unknown: float = 0.0) -> Labels:
    rng = np.random.default_rng(0)
    rate_EA = rng.uniform(0.05, 0.9, (len(words.emotions), len(words.aus)))
    emotion_N = rng.integers(0, len(words.emotions), n)
    known_NA = rng.random((n, len(words.aus))) >= unknown
    active_NA = (rng.random(known_NA.shape) < rate_EA[emotion_N]) & known_NA
    return Labels(words, emotion_N, rng.choice(np.array(PARTITIONS, object), n), active_NA, known_NA)


def table_of(labels: Labels) -> pa.Table:
    """Its samples as other programs would have them: bool columns alone, null where unknown."""
    words, emotion_N, partition_N, active_NA, known_NA = labels
    return pa.table(
        {
            "image": [f"{i:06d}.jpg" for i in range(len(emotion_N))],
            "partition": partition_N.tolist(),
            "emotion": [words.emotions[e] for e in emotion_N],
            **{
                au_column(au): pa.array(active_NA[:, i], mask=~known_NA[:, i])
                for i, au in enumerate(words.aus)
            },
        }
    )


def write_imported(table: pa.Table, labels: Labels, folder: Path) -> None:
    """As `rafce import` writes them: with masks up to 32 AUs."""
    some_unknown = not labels.known_NA.all()
    columns = {"emotion_id": labels.emotion_N, "emotion_source": ["given"] * len(table)}
    if len(labels.words.aus) <= 32:
        columns |= {"au_mask": au_mask(labels.active_NA)}
        columns |= {"au_known": au_mask(labels.known_NA)} if some_unknown else {}
    for name, column in columns.items():
        table = table.append_column(name, pa.array(column))
    schema = imported_samples_schema(labels.words, grouped=False, some_unknown=some_unknown)
    write_parquet(table, schema, folder / "samples.parquet")


def write_pandas_parts(table: pa.Table, _labels: Labels, folder: Path) -> None:
    """Three parts written by pandas, which know no vocabulary."""
    (folder / "samples").mkdir()
    frame = table.to_pandas()
    for i, part in enumerate(np.array_split(np.arange(len(frame)), 3)):
        frame.iloc[part].reset_index(drop=True).to_parquet(folder / f"samples/{i}.parquet")


def write_polars_parts(table: pa.Table, _labels: Labels, folder: Path) -> None:
    """Parts written by Polars, with categories and small row groups."""
    polars = pytest.importorskip("polars")
    (folder / "samples").mkdir()
    frame = polars.DataFrame(table.to_pydict()).with_columns(polars.col("emotion").cast(polars.Categorical))
    for i in range(2):
        half = frame.slice(i * (len(frame) // 2), len(frame) if i else len(frame) // 2)
        half.write_parquet(folder / f"samples/half {i}.parquet", row_group_size=70)


def make(
    folder: Path, labels: Labels, write: Callable[..., None] = write_imported, lab: bool = False
) -> Dataset:
    """A dataset folder, its samples written one way or another."""
    folder.mkdir(parents=True)
    words = labels.words
    write(table_of(labels), labels, folder)
    counts = counts_by_scope(*labels[1:], len(words.emotions))
    tables = {
        "discarded": (
            discarded_table([]),
            discarded_schema(words, BASIC_EMOTIONS),
        ),
        "au_statistics": (au_statistics_table(counts, words), au_statistics_schema(words)),
        "lab_statistics": (lab_statistics_table(lab_cells() if lab else []), lab_statistics_schema(words)),
    }
    for name, (table, schema) in tables.items():
        write_parquet(table, schema, folder / f"{name}.parquet")
    n = len(labels.emotion_N)
    manifest = {
        "schema": "manifest/1",
        "inputs": {"openface": {"file": "a.csv", "sha256": "0" * 64, "lines": n}},
        "options": {"group_column": None, "au_threshold": None},
        "images": {"root": None, "suffix": "", "missing": []},
        "counts": {"input_lines": {"openface": n}, "kept": n, "discarded": {}, "failed_frames": 7},
        "versions": {"rafce": "0.1.0"},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return read_dataset(folder)


def rows_by_hand(labels: Labels, scope: str = "all") -> Iterator[tuple[str, dict[int, bool]]]:
    """Each image's emotion and its known AUs."""
    words, emotion_N, partition_N, active_NA, known_NA = labels
    for n, partition in enumerate(partition_N):
        if scope in ("all", partition):
            known = {au: bool(active_NA[n, i]) for i, au in enumerate(words.aus) if known_NA[n, i]}
            yield words.emotions[emotion_N[n]], known


def frames(analysis: Analysis) -> dict[str, pd.DataFrame]:
    """Every table of an analysis."""
    found = {name: getattr(analysis, name) for name in FRAMES}
    if analysis.trial:
        found |= analysis.trial._asdict()
    return {name: frame for name, frame in found.items() if frame is not None}


def assert_same_tables(one: Analysis, other: Analysis) -> None:
    assert frames(one).keys() == frames(other).keys()
    for name, frame in frames(one).items():
        assert_frame_equal(frame, frames(other)[name], check_exact=True)
    assert one.table1 == other.table1
    assert one.left_out == other.left_out


@pytest.fixture
def page_of(tmp_path, monkeypatch) -> Callable[[Analysis], str]:
    """The page of an analysis as text, without its figures, which take seconds to draw."""
    monkeypatch.setattr("rafce_reports.page.data_uri", lambda _: "data:,")
    return lambda analysis: unescape(dataset_page(analysis, tmp_path))


# --- layout and size


@pytest.mark.parametrize("write", [write_pandas_parts, write_polars_parts])
@pytest.mark.parametrize("unknown", [0.0, 0.3])
def test_parts_of_other_programs_give_the_tables_of_one_file(write, unknown, tmp_path, monkeypatch):
    labels = draw(MOODS, unknown=unknown)
    whole = analyze(make(tmp_path / "one", labels), AnalyzeOptions())
    monkeypatch.setattr(rafce.parts, "CHUNK_ROWS", 17)
    monkeypatch.setattr(rafce.parts, "PART_ROWS", 50)
    parts = make(tmp_path / "parts", labels, write)
    assert len(parts.samples.parts) > 2
    assert_same_tables(whole, analyze(parts, AnalyzeOptions()))


def test_the_fourteen_in_parts_give_sentences_and_their_intervals(tmp_path, monkeypatch):
    labels = draw(COMPOUNDS, 700, unknown=0.1)
    whole = analyze(make(tmp_path / "one", labels, lab=True), AnalyzeOptions("train"))
    monkeypatch.setattr(rafce.parts, "CHUNK_ROWS", 100)
    parts = analyze(make(tmp_path / "parts", labels, write_pandas_parts, lab=True), AnalyzeOptions("train"))
    assert whole.sentences is not None
    assert whole.sentences["ci_low"].notna().any()
    assert_same_tables(whole, parts)


def test_a_folder_with_a_file_and_parts_of_samples_is_refused(tmp_path):
    make(tmp_path / "data", draw(MOODS))
    (tmp_path / "data/samples").mkdir()
    with pytest.raises(
        DatasetError, match=r"data: expected samples\.parquet or a folder samples, found both$"
    ):
        read_dataset(tmp_path / "data")


def test_a_column_that_a_part_lacks_is_named_where_it_is_needed(tmp_path):
    dataset = make(tmp_path / "data", draw(MOODS), write_pandas_parts)
    path = tmp_path / "data/samples/1.parquet"
    pq.write_table(pq.read_table(path).drop_columns("image"), path)
    assert "image" not in read_dataset(tmp_path / "data").samples.columns
    with pytest.raises(DatasetError, match=r"1\.parquet: expected a column image, found none$"):
        list(dataset.rows("image"))


def test_example_faces_are_the_first_of_all_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(rafce.parts, "CHUNK_ROWS", 7)
    labels = draw(MOODS, 60)
    images = table_of(labels)["image"].to_pylist()[::-1]  # names fall from part to part
    dataset = make(
        tmp_path / "data",
        labels,
        lambda table, *rest: write_pandas_parts(table.set_column(0, "image", [images]), *rest),
    )
    for i, image in enumerate(images):
        Image.new("L", (4, 4), i).save(tmp_path / image, "PNG")  # exact shades, whatever the name
    place = {"root": str(tmp_path), "suffix": "", "missing": []}
    faces = example_faces(replace(dataset, manifest={**dataset.manifest, "images": place}))
    for id_, emotion in enumerate(MOODS.emotions):
        of_emotion = (labels.emotion_N == id_) & (labels.partition_N == "train")
        assert faces[emotion][0, 0].tolist() == [np.flatnonzero(of_emotion)[-1]] * 3


# --- unknown AUs


@pytest.mark.parametrize("scope", ["all", "test"])
def test_unknown_aus_count_in_no_table(scope, tmp_path):
    labels = draw(MOODS, unknown=0.4)
    analysis = analyze(make(tmp_path / "data", labels), AnalyzeOptions(scope))
    rows = list(rows_by_hand(labels, scope))
    for emotion, row in analysis.table1.of("wild").items():
        assert row.n == sum(name == emotion for name, _ in rows)
        for au, cell in row.cells.items():
            states = [known[au] for name, known in rows if name == emotion and au in known]
            assert (cell.n, cell.count) == (len(states), sum(states))
    for record in analysis.comparison.to_dict("records"):
        states = [
            known[record["au"]] for name, known in rows if name == record["emotion"] and record["au"] in known
        ]
        assert (record["n"], record["count"]) == (len(states), sum(states))
    for record in analysis.information.to_dict("records"):
        states = [known[record["au"]] for _, known in rows if record["au"] in known]
        assert (record["n"], record["active"]) == (len(states), sum(states))
    for record in analysis.telling.to_dict("records"):
        rest = [
            known[record["au"]] for name, known in rows if name != record["emotion"] and record["au"] in known
        ]
        assert (record["n_rest"], record["active_rest"]) == (len(rest), sum(rest))
    assert analysis.pairs is not None
    for record in analysis.pairs.to_dict("records"):
        one, other = record["au_1"], record["au_2"]
        both = [
            (known[one], known[other])
            for name, known in rows
            if name == record["emotion"] and {one, other} <= known.keys()
        ]
        expected = (len(both), *(sum(column) for column in zip(*both, strict=True)), both.count((True, True)))
        assert (record["n"], record["active_1"], record["active_2"], record["count"]) == expected


def test_the_classifiers_pass_over_unknown_aus(tmp_path):
    labels = draw(MOODS, unknown=0.4)
    trial = analyze(make(tmp_path / "data", labels), AnalyzeOptions()).trial
    assert trial is not None
    fit = [*rows_by_hand(labels, "train"), *rows_by_hand(labels, "validation")]
    p = {}
    for emotion in MOODS.emotions:
        for au in MOODS.aus:
            states = [known[au] for name, known in fit if name == emotion and au in known]
            p[emotion, au] = (sum(states) + 1) / (len(states) + 2)
    correct = 0
    told = [(emotion, known) for emotion, known in rows_by_hand(labels, "test") if known]
    for emotion, known in told:
        scores = [
            sum(np.log(p[name, au] if active else 1 - p[name, au]) for au, active in known.items())
            for name in MOODS.emotions
        ]
        correct += MOODS.emotions[int(np.argmax(scores))] == emotion
    row = trial.summary.set_index("classifier").loc["naive Bayes, uniform prior"]
    assert (row["n_fit"], row["n"], row["correct"]) == (len(fit), len(told), correct)
    assert len(told) < len(list(rows_by_hand(labels, "test")))


def test_an_au_that_no_image_knows_is_reported_as_unknown(tmp_path):
    labels = draw(MOODS)
    labels.known_NA[:, 2] = labels.active_NA[:, 2] = False
    labels.known_NA[labels.emotion_N == 0, 1] = labels.active_NA[labels.emotion_N == 0, 1] = False
    analysis = analyze(make(tmp_path / "data", labels, write_pandas_parts), AnalyzeOptions())
    assert [row.unknown for row in analysis.table1.of("wild").values()] == [{4, 12}, {12}, {12}]
    assert "| ? |" in markdown(analysis.table1)
    assert (
        draw_information(analysis.information).axes[0].get_yticklabels()[-1].get_text()
        != "12 lip corner puller"
    )


# --- vocabulary


def test_forty_aus_of_which_the_schematic_face_has_no_place_for_some_are_drawn_elsewhere(tmp_path):
    labels = draw(MANY, unknown=0.2)
    analysis = analyze(make(tmp_path / "data", labels), AnalyzeOptions())
    assert analysis.left_out["figure2"].startswith("the schematic face has no place for AU 3")
    summary = write_reports(analysis, tmp_path / "reports")
    assert "figure2.svg" in summary["files"]
    page = (tmp_path / "reports/report.html").read_text(encoding="utf-8")
    assert f"Not drawn: {analysis.left_out['figure2']}." in page


@pytest.mark.parametrize(
    ("words", "active"), [(MOODS, False), (Vocabulary(("glad",), (12,)), True)], ids=["none", "one"]
)
def test_where_no_au_is_observed_or_only_one_there_is_every_report(words, active, tmp_path):
    labels = draw(words, 90)
    labels.active_NA[:] = active
    analysis = analyze(make(tmp_path / "data", labels), AnalyzeOptions())
    assert analysis.table1.seen("wild") == (words.aus if active else ())
    assert ("pairs" in analysis.left_out) == (len(words.aus) == 1)
    assert {"figure2.svg", "report.html"} <= set(write_reports(analysis, tmp_path / "reports")["files"])


def test_a_page_of_imported_tables_speaks_of_no_raf(tmp_path, page_of):
    analysis = analyze(make(tmp_path / "data", draw(MOODS)), AnalyzeOptions())
    page = page_of(analysis)
    assert "<title>Emotions and action units</title>" in page
    assert "lines in OpenFace" in page
    assert "kept without AUs: the program failed on the frame" in page
    assert "RAF-ML, RAF-AU" not in page
    assert set(analysis.left_out) == {"lab", "sentences", "sides"}
    for reason in analysis.left_out.values():
        assert reason in page


def test_samples_whose_labels_tell_no_sides_say_so(tmp_path):
    labels = draw(MOODS, 30)
    dataset = make(tmp_path / "data", labels, write_pandas_parts)
    assert "(column au_raw)" in analyze(dataset, AnalyzeOptions()).left_out["sides"]
    for path in (tmp_path / "data/samples").iterdir():
        table = pq.read_table(path)
        pq.write_table(table.append_column("au_raw", pa.nulls(len(table), pa.string())), path)
    left_out = analyze(read_dataset(tmp_path / "data"), AnalyzeOptions()).left_out
    assert left_out["sides"] == "some of these samples have no label in column au_raw"


# --- what is counted


def test_statistics_of_other_samples_are_left_aside_with_a_note(tmp_path, page_of):
    labels = draw(MOODS)
    fresh = analyze(make(tmp_path / "data", labels), AnalyzeOptions())
    turned = make(tmp_path / "stale", labels._replace(active_NA=~labels.active_NA))
    write_imported(table_of(labels), labels, tmp_path / "stale")
    stale = analyze(read_dataset(turned.folder), AnalyzeOptions())
    assert_same_tables(fresh, stale)
    assert fresh.notes == ()
    (note,) = stale.notes
    assert note.startswith("au_statistics.parquet does not hold the counts of these samples")
    assert summarize(stale)["notes"] == [note]
    assert note in page_of(stale)


def kernels(dataset: Dataset, options: AnalyzeOptions) -> tuple[list[str], Analysis]:
    """What an analysis counts."""
    told: list[str] = []

    def count(what: str, kernel: Any, samples: Any) -> Any:
        told.append(what)
        return rafce.streaming.count_here(kernel, samples)

    return told, analyze(dataset, options, count)


def test_pairs_are_counted_only_when_asked_for_or_on_few_images(tmp_path, monkeypatch):
    dataset = make(tmp_path / "data", draw(COMPOUNDS), lab=True)
    told, analysis = kernels(dataset, AnalyzeOptions())
    assert told == ["AUs", "pairs of AUs", "classifiers"]
    assert analysis.left_out.keys() == {"sides"}
    told, analysis = kernels(dataset, AnalyzeOptions(co_occurrence=False))
    assert told == ["AUs", "classifiers"]
    assert analysis.left_out["pairs"] == NOT_ASKED
    assert analysis.sentences is not None
    assert analysis.sentences["ci_low"].isna().all()
    many = replace(dataset, samples=dataset.samples._replace(parts=as_if_long(dataset)))
    assert many.n_images == MOST_FOR_PAIRS + 1
    told, analysis = kernels(many, AnalyzeOptions())
    assert told == ["AUs", "classifiers"]
    assert analysis.left_out["pairs"] == NOT_BY_DEFAULT
    assert kernels(many, AnalyzeOptions(co_occurrence=True))[0] == ["AUs", "pairs of AUs", "classifiers"]


def as_if_long(dataset: Dataset) -> tuple[rafce.parts.Part, ...]:
    """Its parts, said to have just too many rows."""
    (part,) = dataset.samples.parts
    return (part._replace(n_rows=MOST_FOR_PAIRS + 1),)


def test_without_pairs_the_page_says_which_option_brings_them(tmp_path, page_of):
    dataset = make(tmp_path / "data", draw(COMPOUNDS), lab=True)
    analysis = analyze(dataset, AnalyzeOptions(co_occurrence=False))
    write_frames(analysis, tmp_path)
    assert (tmp_path / "telling_aus.csv").exists()
    assert not (tmp_path / "cooccurrence.csv").exists()
    page = page_of(analysis)
    assert "cooccurrence" not in page
    assert f"Left out: {NOT_ASKED}." in page
    assert f"Sums over AUs have no interval here: {NOT_ASKED}." in page
