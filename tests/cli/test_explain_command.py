"""`rafce-train explain` and `report` on the command line: what they print, write, refuse and exit with."""

import json
import shutil
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from rafce_cli.commands_train import explain as command
from rafce_cli.explain_summary import difference_lines, figure_line, signed
from rafce_cli.main_train import rafce_train as program
from rafce_train.config import Config
from rafce_train.run import start


class Silent:
    """A screen that shows nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: None


@pytest.fixture(scope="module")
def runs(tiny_dataset, tmp_path_factory):
    """Two runs on one dataset, of one method that learns AUs and one that does not."""
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("explained")
    small: dict[str, Any] = {"backbone": "squeezenet1_1", "image_size": 32, "batch_size": 8, "epochs": 1}
    for method in ("mtl", "stl"):
        start(
            Config(dataset=str(tiny_dataset), device="cpu", method=method, **small), root / method, Silent()
        )
    return root


def call(*words: object):
    return CliRunner().invoke(program, list(map(str, words)))


def test_explain_prints_shares_layers_and_figures_and_writes_them_into_the_run(runs):
    result = call("explain", runs / "mtl", "--against", runs / "stl", "--examples", 2)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "Share of Grad-CAM inside the regions of AUs, %"
    assert any(line.startswith("mtl: maps of features.4, 7 × 7") for line in lines)
    assert sum("AUs of the emotion" in line for line in lines) == 3  # a table each, and the difference
    assert any(line.startswith("mtl less stl, AUs of the image: ") for line in lines)
    assert "pass them on only if the licence of the images allows that" in lines[-2]
    assert lines[-1] == str(runs / "mtl" / "explain")
    assert {"attention.csv", "attention_means.parquet", "summary.json"} <= {
        path.name for path in (runs / "mtl" / "explain").iterdir()
    }


def test_explain_writes_pictures_only_where_it_is_told(runs, tmp_path):
    before = sorted(path.name for path in (runs / "stl").iterdir())
    result = call("explain", runs / "stl", "--layer", "features.0", "--out", tmp_path / "out", "--json")
    assert result.exit_code == 0
    summary = json.loads(result.stdout)
    assert summary["folder"] == str(tmp_path / "out")
    assert summary["runs"] == [{"run": "stl", "layer": "features.0", "side": 15}]
    assert sorted(path.name for path in (runs / "stl").iterdir()) == before
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(summary["files"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--layer", "conv9"], "--layer conv9: expected a layer with square maps"),
        (["--au", "99"], "--au 99: expected one of 1, 2, 4"),
        (["--against", "absent"], "absent: expected the weights of a run, found none"),
    ],
)
def test_explain_refuses_in_one_line_and_writes_nothing(words, message, runs, tmp_path):
    result = call("explain", runs / "mtl", *words, "--out", tmp_path / "out")
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert not (tmp_path / "out").exists()


def test_explain_looks_at_its_place_before_anything_else(runs, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    result = call("explain", tmp_path / "no run", "--out", tmp_path)
    assert result.exit_code == 2
    assert "expected an empty folder or an older explanation" in result.stderr


def test_explain_says_what_to_install(monkeypatch, runs):
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    result = call("explain", runs / "mtl")
    assert result.exit_code == 2
    assert "rafce-train explain needs captum: pip install 'rafce[explain]'" in result.stderr


def test_report_writes_the_page_again_and_says_where(runs):
    result = call("report", runs / "mtl")
    page = runs / "mtl" / "report" / "report.html"
    assert (result.exit_code, result.stdout) == (0, f"{page}\n")
    assert 'class="face"' not in page.read_text()


def test_report_shows_faces_from_where_the_dataset_says(runs):
    result = call("report", runs / "stl", "--with-images")
    assert result.exit_code == 0
    assert 'class="face"' in (runs / "stl" / "report" / "report.html").read_text()


def test_report_refuses_what_is_no_finished_run_or_has_no_images(runs, tmp_path):
    result = call("report", tmp_path)
    assert result.exit_code == 2
    assert "expected a finished run, found no metrics.json" in result.stderr
    shutil.copytree(runs / "stl", tmp_path / "run")
    result = call("report", tmp_path / "run", "--dataset", tmp_path / "absent")
    assert result.exit_code == 2
    assert "--dataset: expected --with-images beside" in result.stderr
    result = call("report", tmp_path / "run", "--with-images", "--images", tmp_path / "nowhere")
    assert result.exit_code == 2
    assert "nowhere: expected a folder of images, found none" in result.stderr


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (0.0123, -0.004, 0.03, "+1.2 (−0.4 to 3.0)"),
        (-0.02, -0.03, -0.01, "−2.0 (−3.0 to −1.0)"),
        (0.05, None, None, "+5.0"),
        (None, None, None, "–"),
    ],
)
def test_differences_are_signed_points(value, low, high, text):
    assert signed({"value": value, "ci_low": low, "ci_high": high}) == text


def test_a_difference_whose_interval_includes_0_is_called_noise():
    row = {"measure": "inside - inside of the other run", "regions": "AU12", "value": 0.1}
    rows = [{**row, "ci_low": low, "ci_high": 0.2} for low in (-0.01, 0.01, None)]
    assert [line.endswith(": inside noise") for line in difference_lines(rows, ["a", "b"])] == [
        True,
        False,
        True,
    ]


def test_a_figure_without_images_is_named_as_missing():
    assert figure_line("AU12", {"shown": 0, "of": 0}) == "figure4_AU12: none, no test image to show"
