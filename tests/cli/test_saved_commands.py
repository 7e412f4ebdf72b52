"""`rafce-train evaluate`, `predict` and `export` on the command line: what they print, write, refuse and exit with."""

import io
import json
import shutil
import sys
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner

from rafce_cli.main_train import rafce_train as program
from rafce_cli.prediction_table import cells, print_predictions
from rafce_train.config import Config
from rafce_train.facts import Facts, Preprocessing
from rafce_train.predict import predict
from rafce_train.run import start
from rafce_train.run_folder.checksums import read_sums, write_sums
from rafce_train.saved import open_model


class Silent:
    """A screen that shows nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: None


@pytest.fixture(scope="module")
def run(tiny_dataset, tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("saved") / "run"
    small: dict[str, Any] = {
        "method": "mtl",
        "backbone": "squeezenet1_1",
        "image_size": 32,
        "batch_size": 8,
        "epochs": 1,
    }
    start(Config(dataset=str(tiny_dataset), device="cpu", **small), folder, Silent())
    return folder


@pytest.fixture(scope="module")
def faces(tiny_dataset):
    return tiny_dataset.parent / "RAF-AU" / "aligned"


def call(*words: object, stdin: bytes = b""):
    return CliRunner().invoke(program, list(map(str, words)), input=stdin)


def test_predict_writes_csv_where_no_terminal_is(run, faces):
    result = call("predict", run, faces)
    assert (result.exit_code, result.stderr) == (0, "")
    table = pd.read_csv(io.StringIO(result.stdout))
    assert table["image"].tolist() == [str(path) for path in sorted(faces.iterdir())]
    assert table.columns[:3].tolist() == ["image", "predicted", "p_happily_surprised"]
    assert set(table["AU01"]) <= {0, 1}


def test_predict_writes_the_file_it_is_given_and_says_so(run, faces, tmp_path):
    result = call("predict", run, faces, "--out", tmp_path / "p.parquet")
    assert (result.exit_code, result.output) == (0, f"{tmp_path / 'p.parquet'}: 60 images\n")
    assert len(pq.read_table(tmp_path / "p.parquet")) == 60


def test_predict_names_bad_images_predicts_the_others_and_exits_with_3(run, faces, tmp_path):
    good = sorted(faces.iterdir())[:2]
    (tmp_path / "bad.png").write_bytes(b"broken")
    listed = "\n".join(map(str, [good[0], tmp_path / "bad.png", tmp_path / "absent.jpg", good[1]]))
    result = call("predict", run, "-", "--out", tmp_path / "p.csv", stdin=listed.encode())
    assert result.exit_code == 3
    assert result.stdout == f"{tmp_path / 'p.csv'}: 2 images, 2 left out\n"
    assert result.stderr.splitlines() == [
        f"{tmp_path / 'bad.png'}: expected an image (JPEG, PNG, BMP, WebP or TIFF), found none of these",
        f"{tmp_path / 'absent.jpg'}: expected an image, found none that can be read: No such file or directory",
    ]
    assert pd.read_csv(tmp_path / "p.csv")["image"].tolist() == list(map(str, good))


def test_predict_reads_an_exported_file(run, faces, tmp_path):
    result = call("export", run, "--format", "safetensors", "--out", tmp_path / "m.safetensors")
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"{tmp_path / 'm.safetensors'}: safetensors; on random images at most ")
    predicted = call("predict", tmp_path / "m.safetensors", faces)
    assert predicted.stdout == call("predict", run, faces).stdout


def test_a_terminal_sees_two_emotions_and_the_aus_called(run, faces, capsys):
    model = open_model(run, "cpu")
    path = min(faces.iterdir())
    table, _ = predict(model, [path, path.with_name("0003_aligned.jpg")], 2, lambda done, total: None)
    print_predictions(table, model.facts)
    shown = capsys.readouterr().out
    row = table.to_pylist()[0]
    assert path.name[:6] in shown
    assert str(path.parent) not in shown
    assert row["predicted"] in shown


def test_cells_show_the_most_probable_first_and_a_dash_where_no_aus_were_learned():
    names = ("happily sad", "sadly angry", "sadly fearful")
    facts = Facts(
        "r", "mtl", 1, names, (1, 4, 25), (0.5, 0.5, 0.5), "fp32", Preprocessing(32, "unit", "rgb"), ""
    )
    row = {
        "p_happily_sad": 0.2,
        "p_sadly_angry": 0.7,
        "p_sadly_fearful": 0.1,
        "AU01": 1,
        "AU04": 0,
        "AU25": 1,
    }
    assert cells(row, facts) == ["sadly angry", "70.0", "happily sad", "20.0", "1 25"]
    silent = Facts(**{**vars(facts), "thresholds": None})
    assert cells({**row, "AU01": None, "AU04": None, "AU25": None}, silent)[-1] == "–"


def test_evaluate_finds_the_figures_of_the_run_again(run):
    result = call("evaluate", run)
    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines()[-1] == f"{run / 'metrics.json'}: all figures equal"
    accuracy = json.loads((run / "metrics.json").read_text())["test"]["accuracy"]["value"]
    assert f"accuracy     {100 * accuracy:.1f} %" in result.stdout
    assert "mtl, epoch 1, 11 test images, 95 % intervals" in result.stdout


def test_evaluate_prints_the_figures_alone_as_json(run):
    result = call("evaluate", run, "--partition", "validation", "--json")
    assert json.loads(result.stdout)["validation"]["n"] == 16
    assert "the dataset and the figure that picked the epoch equal" in result.stderr


def test_evaluate_says_which_figures_differ_and_exits_with_1(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    path = tmp_path / "run" / "metrics.json"
    metrics = json.loads(path.read_text())
    for row in metrics["test"]["action_units"]["aus"]:
        row["threshold"] = 0.999
    path.write_text(json.dumps(metrics))
    write_sums(path.parent, read_sums(path.parent).digests or ())
    result = call("evaluate", tmp_path / "run")
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    start = lines.index(f"{path}: 32 figures differ:")
    assert lines[start + 1].startswith("test.action_units.aus.0.threshold: recorded 0.999, found 0.")
    assert lines[-1] == "… and 12 more"


def test_metrics_that_cannot_be_are_not_reported(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    path = tmp_path / "run" / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["test"]["accuracy"]["value"] = 7.5
    path.write_text(json.dumps(metrics))
    result = call("report", tmp_path / "run")
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{path}: expected the file that SHA256SUMS lists" in result.stderr
    write_sums(path.parent, read_sums(path.parent).digests or ())
    result = call("report", tmp_path / "run")
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{path}: test.accuracy.value: expected 0 to 1, found 7.5" in result.stderr


@pytest.fixture
def unfinished(run, tmp_path):
    """A run as it lies between two epochs."""
    folder = tmp_path / "unfinished"
    shutil.copytree(run, folder)
    for name in ("metrics.json", "predictions.parquet", "model_card.md"):
        (folder / name).unlink()
    return folder


def test_an_unfinished_run_is_not_evaluated_on_test_images(unfinished):
    result = call("evaluate", unfinished)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{unfinished}: expected a finished run, found no metrics.json" in result.stderr
    result = call("evaluate", unfinished, "--partition", "validation")
    assert result.exit_code == 0
    assert "metrics.json: not there yet, nothing to compare with" in result.stderr


def test_predict_and_export_say_that_a_run_is_not_finished(unfinished, faces, tmp_path):
    note = f"note: {unfinished} is not finished: its weights are those of the best epoch so far\n"
    assert call("predict", unfinished, faces).stderr == note
    out = tmp_path / "m.safetensors"
    assert call("export", unfinished, "--format", "safetensors", "--out", out).stderr == note
    assert call("predict", out, faces).stderr == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["predict", "absent", "a.jpg"], "absent: expected a run folder or an exported file, found none"),
        (
            ["predict", "absent", "a.jpg", "--out", "p.txt"],
            "--out p.txt: expected a name that ends in .parquet",
        ),
        (["predict", "absent", "absent.txt"], "absent.txt: expected a list of images: No such file"),
        (["predict", "absent"], "Missing argument 'IMAGE|FOLDER|LIST…'"),
        (["evaluate", "absent"], "absent: expected a run folder with config.toml in it, found none"),
        (["export", "absent"], "Missing option '--out'"),
        (["export", "absent", "--out", "m.onnx"], "absent: expected the weights of a run, found none"),
        (["export", "absent", "--out", "m.pt"], "--out m.pt: expected a name that ends in .onnx"),
    ],
)
def test_bad_input_is_one_clear_message_and_exit_code_2(tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    result = call(*words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


def test_an_absent_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    result = call("export", tmp_path, "--out", tmp_path / "m.onnx")
    assert (result.exit_code, "pip install 'rafce[export]'" in result.stderr) == (2, True)


@pytest.mark.parametrize("command", ["evaluate", "predict", "export"])
def test_help_has_examples(command):
    result = call(command, "--help")
    assert f"rafce-train {command} runs/first" in result.output
