import dataclasses
import errno
import io
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner

import rafce_train.run
from rafce_cli.commands_train.run import run as run_command
from rafce_cli.console import Console
from rafce_cli.main_train import rafce_train as program
from rafce_cli.training_screen import LiveScreen, PlainScreen
from rafce_cli.training_summary import counted, emotion_table
from rafce_train.config import Config, flag, options, read_config
from rafce_train.history import Row, Sums
from rafce_train.loop import Standing

SMALL = {
    "--method": "mtl",
    "--backbone": "squeezenet1_1",
    "--image-size": 32,
    "--batch-size": 8,
    "--epochs": 1,
    "--device": "cpu",
}


def run(*arguments: object, small: bool = True):
    words = [word for pair in SMALL.items() for word in pair] if small else []
    return CliRunner().invoke(program, ["run", *map(str, (*words, *arguments))])


@pytest.fixture(scope="module")
def finished(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("cli") / "run"
    return folder, run(tiny_dataset, "--out", folder)


def test_a_run_prints_its_figures_with_intervals_and_where_they_lie(finished):
    folder, result = finished
    assert result.exit_code == 0, result.output
    metrics = json.loads((folder / "metrics.json").read_text())
    accuracy = metrics["test"]["accuracy"]
    shown = (
        f"{100 * accuracy['value']:.1f} % ({100 * accuracy['ci_low']:.1f} to {100 * accuracy['ci_high']:.1f})"
    )
    assert f"accuracy     {shown}   always sadly disgusted: " in result.stdout
    assert "AU macro-F1" in result.stdout
    assert result.stdout.splitlines()[-1] == f"run folder: {folder}"


def test_progress_is_a_line_an_epoch_on_standard_error(finished):
    lines = finished[1].stderr.splitlines()
    assert "mtl, --rho-au 0.1, squeezenet1_1: 1 epoch of 4 steps" in lines
    assert re.split("  +", lines[-2].strip()) == [
        *("epoch", "loss emo", "loss au", "ω au", "train %", "validation %", "UAR %", "seconds"),
    ]
    assert lines[-1].split()[0] == "1/1"


def test_of_lists_of_weights_each_is_named_and_the_best_one_printed(tiny_dataset, tmp_path):
    result = run(tiny_dataset, "--out", tmp_path / "a", "--rho-au", "0.03,1")
    begun = [line for line in result.stderr.splitlines() if line.startswith("mtl, ")]
    assert begun == [f"mtl, --rho-au {rho}, squeezenet1_1: 1 epoch of 4 steps" for rho in ("0.03", "1")]
    chosen = json.loads((tmp_path / "a/metrics.json").read_text())["chosen"]
    assert f"best on validation of 2: --rho-au {chosen['rho_au']:g}\n" in result.stdout


@pytest.mark.parametrize(("groups", "is_few"), [(None, False), (19, True), (20, False)])
def test_intervals_over_few_groups_are_said_to_be_too_narrow(groups, is_few):
    kinds = {"rates": "bootstrap over groups", "scores": "bootstrap over groups"}
    line = counted({"n": 100, "groups": groups, "intervals": kinds}, "test")
    assert ("; too narrow below 20 groups)" in line) == is_few


def test_names_in_brackets_are_no_markup():
    screen = io.StringIO()
    rate = {"value": 0.5, "ci_low": 0.1, "ci_high": 0.9}
    row = {"emotion": "[red] anger", "support": 2, "groups": None, "recall": rate}
    Console(file=screen).print(emotion_table([row]))
    assert "[red] anger" in screen.getvalue()


def test_the_report_is_written_with_the_confusion_matrix_drawn_and_counted(finished):
    folder, _ = finished
    names = {path.name for path in (folder / "report").iterdir()}
    assert {"report.html", "confusion.png", "confusion.svg", "confusion.csv"} <= names
    rows = (folder / "report/confusion.csv").read_text().splitlines()
    counts = [[int(count) for count in row.split(",")[1:]] for row in rows[1:]]
    assert counts == json.loads((folder / "metrics.json").read_text())["test"]["confusion"]


def test_json_is_the_metrics_and_nothing_else(tiny_dataset, tmp_path):
    result = run(tiny_dataset, "--out", tmp_path / "a", "--json")
    assert json.loads(result.stdout) == json.loads((tmp_path / "a/metrics.json").read_text())


def test_a_run_goes_into_runs_if_no_folder_is_named(tiny_dataset, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_dataset, "rafce-data")
    result = run("--method", "stl")
    (folder,) = Path("runs").iterdir()
    assert folder.name.endswith("-stl")
    assert str(folder) in result.output


def test_options_override_the_file(tiny_dataset, tmp_path):
    file = tmp_path / "base.toml"
    file.write_text('method = "stl"\nepochs = 7\nrho_au = [0.5]\n')
    result = run(tiny_dataset, "--out", tmp_path / "a", "--config", file)
    assert result.exit_code == 0, result.output
    found = read_config(tmp_path / "a/config.toml")
    assert (found["method"], found["epochs"], found["rho_au"]) == ("mtl", 1, (0.5,))


def test_every_option_of_the_configuration_is_on_the_command_line_with_its_default():
    shown = run("--help", small=False).output
    text = " ".join(shown.split())
    for name, (item, limits) in options().items():
        if name == "dataset":
            continue
        assert flag(name) in shown
        assert " ".join(limits.help.split()) in text
        default = getattr(Config(), name)
        if not isinstance(default, bool | tuple) and default != "":
            assert f"{' '.join(limits.help.split())} [default: {default}]" in text, item.name
    given = {parameter.name for parameter in run_command.params}
    assert {field.name for field in dataclasses.fields(Config)} <= given


def test_help_needs_no_torch():
    code = (
        "import sys; from rafce_cli.main_train import rafce_train;"
        "rafce_train(['run', '--help'], standalone_mode=False);"
        "assert not {'torch', 'pandas', 'matplotlib', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


class Bomb:
    """A pickle that would create a file."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))


def other_version(dataset: Path, folder: Path) -> Path:
    shutil.copytree(dataset, folder)
    path = folder / "samples.parquet"
    table = pq.read_table(path)
    pq.write_table(
        table.replace_schema_metadata({**table.schema.metadata, b"rafce.schema": b"samples/0"}), path
    )
    return folder


def bad_input(kind: str, dataset: Path, folder: Path) -> tuple[list[object], str]:
    """Arguments that cannot be carried out, and what must be said of them."""
    (folder / "existing").mkdir()
    (folder / "empty").mkdir()
    (folder / "bomb.pth").write_bytes(pickle.dumps(Bomb(folder / "ran")))
    torch.save({f"features.{i}.weight": torch.zeros(3) for i in range(9)}, folder / "other.pth")
    (folder / "bad.toml").write_text("epoch = 3\n")
    cases: dict[str, tuple[list[object], str]] = {
        "no dataset": (
            [folder / "none"],
            "none: expected a dataset folder (make one with `rafce build` or `rafce import`), found none",
        ),
        "another schema": (
            [other_version(dataset, folder / "old")],
            "samples.parquet: expected schema samples/1, found samples/0; build the dataset again",
        ),
        "no images": ([dataset, "--images", folder / "empty"], "empty: expected images such as "),
        "another network": ([dataset, "--weights", folder / "other.pth"], "weights of another network"),
        "pickle bomb": ([dataset, "--weights", folder / "bomb.pth"], "refused, and nothing in it was run"),
        "no weights": ([dataset, "--weights", folder / "none.pth"], "none.pth: expected a file of weights"),
        "unknown backbone": ([dataset, "--backbone", "resnet35"], "backbone resnet35: expected a classifier"),
        "no CUDA": ([dataset, "--device", "cuda"], "--device cuda: torch finds none here"),
        "existing folder": ([dataset, "--out", folder / "existing"], "existing: expected no such folder yet"),
        "unknown option": ([dataset, "--config", folder / "bad.toml"], "bad.toml: unknown option epoch"),
        "no config": (
            [dataset, "--config", folder / "none.toml"],
            "none.toml: expected a TOML file of options",
        ),
        "bad number": ([dataset, "--epochs", 0], "--epochs 0: expected at least 1"),
        "bad list": (
            [dataset, "--rho-au", "0.1,x"],
            "expected numbers with commas between them, found '0.1,x'",
        ),
        "combination": (
            [dataset, "--statistics", "lab", "--alignment", "bayes"],
            "--statistics lab with --alignment bayes",
        ),
        "no run": (["--resume", folder / "empty"], "expected a run folder with config.toml in it"),
    }
    return cases[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "no dataset",
        "another schema",
        "no images",
        "another network",
        "pickle bomb",
        "no weights",
        "unknown backbone",
        "no CUDA",
        "existing folder",
        "unknown option",
        "no config",
        "bad number",
        "bad list",
        "combination",
        "no run",
    ],
)
def test_bad_input_is_one_error_with_exit_code_2_and_leaves_nothing(
    kind, tiny_dataset, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    arguments, message = bad_input(kind, tiny_dataset, tmp_path)
    before = sorted(tmp_path.rglob("*"))
    result = run(*arguments, small="--resume" not in arguments)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert result.stderr.lower().count("error: ") == 1
    assert "Traceback" not in result.output
    assert result.stdout == ""
    assert sorted(tmp_path.rglob("*")) == before


def test_resume_takes_no_other_options(tmp_path):
    result = run("--resume", tmp_path, "--epochs", 3, "--out", "x", small=False)
    assert result.exit_code == 2
    assert "config.toml: --out, --epochs cannot be given" in result.stderr


def test_a_disk_that_fills_up_is_one_error_and_the_run_can_go_on(tiny_dataset, tmp_path, monkeypatch):
    calls, sync = [], os.fsync

    def full_after_six(handle: int) -> None:
        calls.append(handle)
        if len(calls) > 6:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(handle)

    monkeypatch.setattr(os, "fsync", full_after_six)
    result = run(tiny_dataset, "--out", tmp_path / "a", "--checkpoint-every", 0)
    assert result.exit_code == 2
    assert "state.pt: cannot be written: the disk is full; what stood there is untouched" in result.stderr
    monkeypatch.undo()
    assert run("--resume", tmp_path / "a", small=False).exit_code == 0


def test_a_disk_that_is_full_from_the_start_leaves_nothing(tiny_dataset, tmp_path, monkeypatch):
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    result = run(tiny_dataset, "--out", tmp_path / "a")
    assert result.exit_code == 2
    assert "the disk is full" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143)])
def test_a_stopped_run_says_how_to_go_on(tiny_dataset, tmp_path, monkeypatch, number, code):
    def stopped(*arguments: object) -> None:
        raise rafce_train.run.Stopped(tmp_path / "a", number)

    monkeypatch.setattr(rafce_train.run, "start", stopped)
    result = run(tiny_dataset, "--out", tmp_path / "a")
    assert result.exit_code == code
    assert f"go on with: rafce-train run --resume {tmp_path / 'a'}" in result.stderr


def test_a_terminal_shows_a_bar_and_the_running_figures(tiny_dataset):
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    screen = LiveScreen(console)
    sums = Sums.zero(2, 14)
    sums.images, sums.raw_T[:], sums.weight_T[:] = 4, 10.0, torch.tensor([4.0, 2.0])
    sums.confusion_KK[0, 0], sums.confusion_KK[0, 1] = 1, 3
    with screen.live:
        screen.decoding(1, 59)
        screen.live.refresh()
        screen.decoding(59, 59)
        screen.begin(Config(epochs=3), ("emo", "au"), 10)
        screen.step(Standing(sums, epoch=1, step=5))
        screen.live.refresh()
    shown = console.file.getvalue()  # type: ignore[attr-defined]  # the StringIO above
    assert "decoding images" in shown
    assert "epoch 2/3" in shown
    assert "15/30" in shown
    assert "loss emo 2.500  loss au 2.500  ω au 0.500  train % 25.0" in shown


def test_headings_stand_above_their_figures():
    console = Console(file=io.StringIO(), width=200)
    screen = PlainScreen(console)
    row: Row = {"epoch": 1, "train_accuracy": 0.5, "accuracy": 0.25, "uar": 0.125, "seconds_data": 1.0}
    row |= {"seconds_compute": 122.0, "loss_emo": 2.0, "omega_emo": 1.0, "loss_au": 20.0, "omega_au": 0.5}
    screen.begin(Config(epochs=60), ("emo", "au"), 10)
    screen.epoch(row)
    screen.epoch(row | {"epoch": 2})
    _, heading, *lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    ends = [
        heading.index(name) + len(name)
        for name in ("epoch", "loss emo", "loss au", "ω au", "UAR %", "seconds")
    ]
    for line, epoch in zip(lines, ("1/60", "2/60"), strict=True):
        found = [line[:end].split()[-1] for end in ends]
        assert found == [epoch, "2.000", "20.000", "0.500", "12.5", "123"]
