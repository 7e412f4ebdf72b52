"""`rafce analyze` from the command line: the chain of three commands, what it prints, and how it fails."""

import json
import re
import shutil
import time
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from rafce_cli.groups import _interrupts_insist
from rafce_cli.main import rafce

IMAGES = "300"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(rafce, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the dataset of a look-alike release in `rafce-data`."""
    root = tmp_path_factory.mktemp("analyze")
    assert run("synth", "--out", root / "s", "--images", IMAGES, "--no-faces").exit_code == 0
    built = run(
        "build", "--raf-ml", root / "s/RAF-ML", "--raf-au", root / "s/RAF-AU", "--out", root / "rafce-data"
    )
    assert built.exit_code == 0, built.output
    return root


def test_analyze_needs_no_argument_beside_rafce_data_and_ends_with_the_path_of_the_page(built, monkeypatch):
    monkeypatch.chdir(built)
    result = run("analyze")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[-1] == str(Path("rafce-data/reports/report.html"))
    assert (built / lines[-1]).is_file()
    assert "angrily disgusted" in result.output
    verdicts = (
        pd.read_csv(built / "rafce-data/reports/sentences.csv")["dataset_verdict"].str.split(" [(]").str[0]
    )
    holds, fails, untold = ((verdicts == word).sum() for word in ("holds", "fails", "cannot tell"))
    assert (
        f"{holds} of the paper's 40 claims hold in this dataset, {fails} fail, {untold} cannot be told"
    ) in result.output
    assert (
        "corrected: 6 cells stand under the AUs that Du, Tao & Martinez 2014 have them under" in result.output
    )


def test_json_is_a_summary_with_every_file(built, monkeypatch, tmp_path):
    monkeypatch.setattr("rafce_reports.dataset_report.write_figures", lambda *_: None)
    monkeypatch.setattr("rafce_reports.dataset_report.dataset_page", lambda *_: "")
    out = tmp_path / "elsewhere"
    result = run(
        "analyze", built / "rafce-data", "--out", out, "--scope", "train", "--lab-n", "100", "--json"
    )
    summary = json.loads(result.output)
    assert summary["folder"] == str(out)
    assert (summary["scope"], summary["lab_n"]) == ("train", 100)
    assert set(summary["files"]) == {path.name for path in out.iterdir()}


TABLES = ("table1.csv", "figure1.csv", "sentences.csv", "cooccurrence.csv", "classifiers.csv", "sides.csv")


@pytest.fixture
def without_figures(monkeypatch):
    monkeypatch.setattr("rafce_reports.dataset_report.write_figures", lambda *_: None)
    monkeypatch.setattr("rafce_reports.dataset_report.dataset_page", lambda *_: "")


def as_parts(built: Path, folder: Path) -> Path:
    """The same dataset, its samples in parts of a hundred rows."""
    shutil.copytree(built / "rafce-data", folder, ignore=shutil.ignore_patterns("samples.parquet", "reports"))
    table = pq.read_table(built / "rafce-data/samples.parquet")
    (folder / "samples").mkdir()
    for start in range(0, len(table), 100):
        pq.write_table(table.slice(start, 100), folder / f"samples/{start:04d}.parquet")
    return folder


def tables(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in TABLES}


def test_parts_and_any_number_of_threads_give_the_tables_of_one_file(built, tmp_path, without_figures):
    parts = as_parts(built, tmp_path / "parts")
    assert run("analyze", built / "rafce-data", "--out", tmp_path / "one").exit_code == 0
    for jobs in ("1", "2"):
        assert run("analyze", parts, "--out", tmp_path / jobs, "--jobs", jobs).exit_code == 0
        assert tables(tmp_path / jobs) == tables(tmp_path / "one")


def test_a_dask_cluster_gives_the_same_tables(built, tmp_path, without_figures):
    distributed = pytest.importorskip("distributed")
    parts = as_parts(built, tmp_path / "parts")
    assert run("analyze", parts, "--out", tmp_path / "here").exit_code == 0
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs="CRITICAL"
    ) as cluster:
        result = run("analyze", parts, "--out", tmp_path / "there", "--scheduler", cluster.scheduler_address)
    assert result.exit_code == 0, result.output
    assert tables(tmp_path / "there") == tables(tmp_path / "here")


def test_the_screen_says_how_long_each_count_took_and_what_is_left_out(built, tmp_path, without_figures):
    result = run("analyze", built / "rafce-data", "--out", tmp_path / "a")
    assert re.search(
        r"^counted AUs in [\d.]+ s, pairs of AUs in [\d.]+ s, classifiers in", result.output, re.M
    )
    result = run("analyze", built / "rafce-data", "--out", tmp_path / "b", "--no-co-occurrence", "--json")
    summary = json.loads(result.output)
    assert summary["seconds"].keys() == {"AUs", "classifiers"}
    assert "--co-occurrence" in summary["left_out"]["pairs"]
    assert "seconds" not in json.loads((tmp_path / "b/summary.json").read_text(encoding="utf-8"))


def test_an_interruption_leaves_nothing_behind_and_is_exit_code_130(built, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("rafce.streaming.add", interrupt)
    result = run("analyze", built / "rafce-data", "--out", tmp_path / "out")
    assert (result.exit_code, result.output) == (130, "interrupted\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rafce-data", "--jobs", "0"], "0 is not in the range x>=1"),
        (["rafce-data", "--jobs", "2", "--scheduler", "x:1"], "so expected no --scheduler beside it"),
        (["absent"], "absent: expected a dataset folder"),
        (["rafce-data", "--scope", "most"], "'most' is not one of 'all', 'train'"),
        (["rafce-data", "--lab-n", "0"], "0 is not in the range x>=1"),
        (["rafce-data", "--out", "rafce-data"], "expected an empty folder or an older reports folder"),
        (["rafce-data", "--with-images"], "expected a dataset that knows its images"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(arguments, message, built, monkeypatch):
    monkeypatch.chdir(built)
    before = sorted(built.rglob("*"))
    result = run("analyze", *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert "Traceback" not in result.output
    assert sorted(built.rglob("*")) == before


def test_a_broken_file_of_the_dataset_is_named(built, tmp_path):
    folder = tmp_path / "rafce-data"
    folder.mkdir()
    for path in (built / "rafce-data").glob("*.*"):
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "au_statistics.parquet").write_bytes(b"PAR1")
    result = run("analyze", folder)
    assert result.exit_code == 2
    assert "au_statistics.parquet: expected a Parquet file" in result.output


def test_help_shows_examples():
    result = run("analyze", "--help")
    assert result.exit_code == 0
    assert "rafce analyze rafce-data --scope train --out train-reports" in result.output


def test_what_a_system_leaves_in_a_folder_does_not_keep_reports_from_being_made_again(built, tmp_path):
    assert run("analyze", built / "rafce-data", "--out", tmp_path / "r").exit_code == 0
    (tmp_path / "r/.DS_Store").touch()
    assert run("analyze", built / "rafce-data", "--out", tmp_path / "r").exit_code == 0
    (tmp_path / "r/mine.txt").touch()
    assert run("analyze", built / "rafce-data", "--out", tmp_path / "r").exit_code == 2


def test_an_interrupt_that_python_would_ignore_comes_again():
    class Finalized:
        def __del__(self) -> None:
            raise KeyboardInterrupt

    def lose_one() -> None:
        with _interrupts_insist():
            Finalized()
            time.sleep(10)

    with pytest.raises(KeyboardInterrupt):
        lose_one()
