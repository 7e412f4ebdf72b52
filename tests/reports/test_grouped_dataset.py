"""Reports of a dataset whose images come in groups: no interval may take frames of a video for independent."""

import json
import re
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rafce.dataset import Dataset, read_dataset
from rafce.intervals import wilson
from rafce.parquet import write_parquet
from rafce.parts import find_samples
from rafce.reference import LabCell
from rafce.schema import (
    PARTITIONS,
    Vocabulary,
    au_column,
    au_statistics_schema,
    discarded_schema,
    imported_samples_schema,
    lab_statistics_schema,
)
from rafce.streaming import count_aus, count_here, counts_by_scope
from rafce.tables import au_mask, au_statistics_table, discarded_table, lab_statistics_table
from rafce_cli.analyze_summary import key_lines, short_table1
from rafce_reports.analysis import Analysis, AnalyzeOptions, analyze
from rafce_reports.dataset_report import write_reports
from rafce_train.data import read_data

WORDS = Vocabulary(("glad", "sad", "mad"), (1, 4, 12, 25))
LAB = [LabCell("glad", 12, 90.0, ""), LabCell("sad", 4, 55.0, "")]


def write_dataset(folder: Path, lab: list[LabCell] | None = None, n_groups: int = 18) -> Path:
    """Videos of 15 to 45 frames with habits of their own; AU 25 is never seen, AU 1 of mad known in one video alone."""
    rng = np.random.default_rng(0)
    video_N = np.repeat(np.arange(n_groups), rng.integers(15, 45, n_groups))
    emotion_N = rng.integers(0, 3, len(video_N))
    rate_GEA = np.clip(rng.uniform(0.1, 0.9, (3, 4)) + rng.normal(0, 0.3, (n_groups, 3, 4)), 0.02, 0.98)
    active_NA = rng.random((len(video_N), 4)) < rate_GEA[video_N, emotion_N]
    known_NA = np.ones_like(active_NA)
    known_NA[(emotion_N == 2) & (video_N != 0), 0] = False
    active_NA[:, 3] = False
    active_NA &= known_NA
    table = pa.table(
        {
            "image": [f"{n:05d}.jpg" for n in range(len(video_N))],
            "group": [f"video {video:02d}" for video in video_N],
            "partition": [PARTITIONS[video % 3] for video in video_N],
            "emotion": [WORDS.emotions[emotion] for emotion in emotion_N],
            "emotion_id": pa.array(emotion_N, pa.int8()),
            "emotion_source": ["given"] * len(video_N),
            **{
                au_column(au): pa.array(active_NA[:, i], mask=~known_NA[:, i])
                for i, au in enumerate(WORDS.aus)
            },
            "au_mask": au_mask(active_NA),
            "au_known": au_mask(known_NA),
        }
    )
    folder.mkdir()
    write_parquet(table, imported_samples_schema(WORDS, True, True), folder / "samples.parquet")
    write_parquet(discarded_table([]), discarded_schema(WORDS, ()), folder / "discarded.parquet")
    write_parquet(
        lab_statistics_table(lab or []), lab_statistics_schema(WORDS), folder / "lab_statistics.parquet"
    )
    samples = find_samples(folder / "samples.parquet")
    counts = counts_by_scope(count_here(count_aus, samples), samples.grid)
    counted = au_statistics_table(counts, WORDS)  # as if images were independent
    write_parquet(counted, au_statistics_schema(WORDS), folder / "au_statistics.parquet")
    manifest = {
        "schema": "manifest/1",
        "inputs": {"table": {"file": "frames.csv", "lines": len(video_N) + 1, "sha256": "0" * 64}},
        "options": {"group_column": "video"},
        "images": {"root": None, "suffix": "", "missing": []},
        "counts": {"input_lines": {"table": len(video_N) + 1}, "kept": len(video_N), "discarded": {}},
        "versions": {"rafce": "0.1.0"},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Dataset:
    return read_dataset(write_dataset(tmp_path_factory.mktemp("grouped") / "frames"))


@pytest.fixture(scope="module")
def analysis(dataset) -> Analysis:
    return analyze(dataset, AnalyzeOptions())


@pytest.fixture(scope="module")
def samples(dataset) -> pd.DataFrame:
    return pq.read_table(dataset.folder / "samples.parquet").to_pandas()


@pytest.fixture(scope="module")
def out(analysis, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("grouped") / "reports"
    write_reports(analysis, folder)
    return folder


def page_in(out: Path) -> str:
    return " ".join(unescape((out / "report.html").read_text(encoding="utf-8")).split())


def bootstrap(part: pd.DataFrame, groups: list[str], value: str) -> tuple[float, float]:
    """By hand: the percentiles of the share of rows with a value, over draws of groups."""
    rng, rates = np.random.default_rng(0), []
    sums = part.groupby("group")[value].agg(["sum", "count"]).reindex(groups, fill_value=0).to_numpy(float)
    for _ in range(2000):
        active, known = sums[rng.integers(len(groups), size=len(groups))].sum(0)
        rates.append(active / known if known else np.nan)
    low, high = np.nanpercentile(rates, [2.5, 97.5])
    return float(low), float(high)


@pytest.mark.parametrize("scope", ["all", "train"])
def test_table_1_has_the_intervals_of_a_bootstrap_by_hand(dataset, samples, scope):
    table = analyze(dataset, AnalyzeOptions(scope=scope)).table1
    inside = samples[(samples["partition"] == scope) | (scope == "all")]
    groups = sorted(inside["group"].unique())
    assert table.n_groups == len(groups)
    for emotion, row in table.of("wild").items():
        part = inside[inside["emotion"] == emotion]
        assert row.size == f"{len(part)} ({part['group'].nunique()})"
        for au in (4, 12):
            expected = bootstrap(part, groups, au_column(au))
            assert row.cells[au].bounds == pytest.approx([100 * bound for bound in expected])


def test_shares_of_emotions_are_over_groups(analysis, samples):
    groups = sorted(samples["group"].unique())
    for row in analysis.classes.to_dict("records"):
        is_it = samples.assign(is_it=samples["emotion"] == row["emotion"])
        assert (row["ci_low"], row["ci_high"]) == pytest.approx(bootstrap(is_it, groups, "is_it"))
        assert row["n_groups"] == samples[samples["emotion"] == row["emotion"]]["group"].nunique()


def test_what_one_video_knows_has_no_interval_and_is_not_sure(analysis):
    cell = analysis.table1.of("wild")["mad"].cells[1]
    assert (cell.bounds, cell.mass, cell.n_groups, cell.unsure) == (None, None, 1, True)
    unseen = analysis.table1.of("wild")["glad"].cells[25]
    low, high = wilson(0, unseen.n_groups or 0)
    assert unseen.bounds == pytest.approx((float(low), 100 * float(high)))


def test_classifiers_are_as_sure_as_groups_make_them(analysis, samples):
    trial = analysis.trial
    assert trial is not None
    test = samples[samples["partition"] == "test"]
    assert set(trial.summary["n"]) == {len(test)}
    assert set(trial.summary["n_groups"]) == {test["group"].nunique()}
    largest = trial.summary.set_index("classifier").loc["largest class"]
    most = samples[samples["partition"] != "test"]["emotion"].value_counts().idxmax()
    right = test.assign(right=test["emotion"] == most)
    expected = bootstrap(right, sorted(test["group"].unique()), "right")
    assert [largest["accuracy_low"], largest["accuracy_high"]] == pytest.approx(list(expected))
    for row in trial.summary.to_dict("records"):
        assert row["accuracy_low"] <= row["accuracy"] <= row["accuracy_high"]
        assert row["uar_low"] <= row["uar"] <= row["uar_high"]


def test_no_interval_of_the_page_takes_frames_for_independent(analysis, out):
    page, n = page_in(out), analysis.dataset.n_images
    assert f"{n:,} images in 18 groups" in page
    assert "cluster-robust, 95 %, bootstrap over 18 groups" in page
    assert "Wilson's, 95 %" not in page
    assert "Jeffreys" not in page
    assert not re.search(r"\bnan\b", page, re.IGNORECASE)
    assert "no interval: a single group says nothing of others" in page
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert summary["groups"] == 18
    assert "pair_bounds" in summary["left_out"]


def test_pairs_are_counted_but_neither_sure_nor_drawn(out):
    assert "Counted, in cooccurrence.csv, but not drawn" in page_in(out)
    assert not (out / "cooccurrence.svg").exists()
    pairs = pd.read_csv(out / "cooccurrence.csv")
    assert pairs["count"].sum() > 0
    assert pairs[["ci_low", "ci_high", "log_odds_low", "log_odds_high"]].isna().all(axis=None)


def test_every_table_by_emotion_and_au_says_of_how_many_groups_n_is(analysis, samples):
    for frame in (analysis.comparison, analysis.telling):
        for row in frame.to_dict("records"):
            part = samples[(samples["emotion"] == row["emotion"]) & samples[au_column(row["au"])].notna()]
            assert (row["n"], row["n_groups"]) == (len(part), part["group"].nunique())
    for row in analysis.information.to_dict("records"):
        assert row["n_groups"] == samples[samples[au_column(row["au"])].notna()]["group"].nunique()


def test_the_screen_says_images_and_groups(analysis):
    assert "intervals: cluster-robust, 95 %, bootstrap over 18 groups" in key_lines(analysis)
    assert str(short_table1(analysis.table1).columns[1].header) == "n (groups)"


def test_a_laboratory_is_compared_without_tests(tmp_path):
    dataset = read_dataset(write_dataset(tmp_path / "frames", LAB))
    analysis = analyze(dataset, AnalyzeOptions())
    found = analysis.comparison
    assert found["difference"].notna().sum() == len(LAB)
    assert found["q"].isna().all()
    write_reports(analysis, tmp_path / "reports")
    page = page_in(tmp_path / "reports")
    assert "No tests: wild against laboratory is not tested" in page
    assert "Fisher" not in page


def test_statistics_that_take_images_for_independent_are_counted_anew(analysis):
    statistics = analysis.dataset.au_statistics
    assert "n_groups" in statistics.column_names
    assert statistics.num_rows == 4 * 3 * 4
    assert analysis.notes  # the file knew no groups


def test_the_trainer_reads_grouped_statistics_too(analysis, tmp_path):
    folder = write_dataset(tmp_path / "frames")
    schema = au_statistics_schema(WORDS, grouped=True)
    write_parquet(analysis.dataset.au_statistics, schema, folder / "au_statistics.parquet")
    data = read_data(folder)
    assert data.group_N is not None
    n_in_all_scopes = sum(
        analysis.dataset.au_statistics["n"].to_pylist()
    )  # each image is in all and a partition
    assert 2 * data.statistics["all"].n_KA.sum() == n_in_all_scopes
