"""`rafce analyze` from the command line: the chain of three commands, what it prints, and how it fails."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

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
    assert "of the paper's 40 claims hold" in result.output


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
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
