import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from rafce_cli.comparison_screen import LiveComparisonScreen, PlainComparisonScreen, duration
from rafce_cli.console import Console
from rafce_cli.main_train import rafce_train as program
from rafce_train.loop import Standing
from rafce_train.plan import make_plan

SMALL = (
    *("--methods", "stl,mal", "--seeds", "2", "--backbone", "squeezenet1_1", "--image-size", "32"),
    *("--batch-size", "8", "--epochs", "2", "--device", "cpu", "--deterministic"),
)
TABLES = (
    *(f"{name}.{kind}" for name in ("table2", "table3", "tests") for kind in ("csv", "parquet")),
    *(f"{name}.{kind}" for name in ("table2", "table3") for kind in ("md", "tex")),
    *("figure5.png", "figure5.svg", "comparison.html", "summary.json"),
)


def compare(*arguments: object) -> Result:
    return CliRunner().invoke(program, ["compare", *map(str, arguments)])


def tables(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in TABLES}


@pytest.fixture(scope="module")
def compared(tiny_dataset: Path, tmp_path_factory) -> tuple[Path, Result]:
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("compare") / "comparison"
    return out, compare(tiny_dataset, "--out", out, *SMALL)


def test_a_comparison_trains_prints_a_line_a_run_and_ends_with_its_page(compared):
    out, result = compared
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == f"{out}/comparison.html"
    assert sorted(run.name for run in (out / "runs").iterdir()) == [
        f"{method}-none-none-{seed}" for method in ("mal", "stl") for seed in (0, 1)
    ]
    lines = [line for line in result.stderr.splitlines() if not line.startswith("note: ")]
    assert lines[0] == "4 runs: 0 done already, 4 to do"
    assert lines[1].startswith("first epoch of stl-none-none-0: ")
    assert "; all that is to do: about " in lines[1]
    assert [line.split(":")[0] for line in lines[2:]] == [
        *("[1/4] stl-none-none-0", "[2/4] mal-none-none-0"),
        *("[3/4] stl-none-none-1", "[4/4] mal-none-none-1"),
    ]
    assert lines[-1].endswith("; the last one")
    assert "pairs differ beyond noise" in result.stdout


def test_every_note_is_said_once(compared):
    notes = [line for line in compared[1].stderr.splitlines() if line.startswith("note: ")]
    assert len(notes) == len(set(notes))


def test_the_same_command_again_trains_nothing_and_gives_the_same_files(compared, tiny_dataset):
    out, before = compared[0], tables(compared[0])
    result = compare(tiny_dataset, "--out", out, *SMALL)
    assert result.stderr.splitlines() == ["4 runs: 4 done already, 0 to do"]
    assert tables(out) == before


def test_killing_it_and_starting_again_gives_the_same_tables(compared, tiny_dataset, tmp_path):
    out = tmp_path / "comparison"
    program_text = "from rafce_cli.main_train import rafce_train; rafce_train()"
    command = [sys.executable, "-c", program_text, "compare", tiny_dataset, "--out", out, *SMALL]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=one_thread)
    while not (out / "runs/mal-none-none-0").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert not (out / "table2.csv").exists()
    result = compare(tiny_dataset, "--out", out, *SMALL)
    assert result.exit_code == 0, result.output
    assert tables(out) == tables(compared[0])


def test_ctrl_c_stops_after_a_step_and_says_how_to_go_on(tiny_dataset, tmp_path, monkeypatch):
    def interrupt(_: PlainComparisonScreen, standing: Standing) -> None:
        if standing.step == 2:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(PlainComparisonScreen, "step", interrupt)
    result = compare(tiny_dataset, "--out", tmp_path / "c", *SMALL)
    assert result.exit_code == 130
    assert "note: finishing this step" in result.stderr
    assert (
        f"stopped and saved in {tmp_path}/c/runs/stl-none-none-0; the same command again goes on"
        in result.stderr
    )


def test_runs_that_are_there_can_be_compared(compared, tmp_path):
    runs = compared[0] / "runs"
    result = compare(runs / "stl-none-none-0", runs / "mal-none-none-1", "--out", tmp_path / "two", "--json")
    summary = json.loads(result.stdout)
    assert [system["system"] for system in summary["systems"]] == ["stl", "mal"]
    assert [system["seeds"] for system in summary["systems"]] == [[0], [1]]
    assert summary["runs"] == 2
    assert set(summary["files"]) == {path.name for path in (tmp_path / "two").iterdir()}


def test_each_run_has_its_report(compared):
    for run in (compared[0] / "runs").iterdir():
        assert (run / "report").is_dir()


def test_other_options_than_those_of_the_runs_are_refused(compared, tiny_dataset):
    result = compare(tiny_dataset, "--out", compared[0], *SMALL, "--momentum", "0.9")
    assert result.exit_code == 2
    assert "mal-none-none-1: expected a run with momentum = 0.9, found 0.0" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a", "b", "--seeds", "2"), "--seeds: runs that are there keep their options"),
        (("a", "b"), "a: expected a finished run, found no metrics.json"),
        (
            ("--methods", "stl,foo"),
            "expected of stl, mtl, am, mal, mal2, mml, uncertainty, gradnorm, dtp, dm, found 'foo'",
        ),
        (("--seeds", "0"), "0 is not in the range 1<=x<=1000"),
        (("--statistics", "lab", "--alignment", "bayes", "--methods", "am"), "expected at least one method"),
        (("--config", "absent.toml"), "absent.toml: expected a TOML file of options"),
        (("absent", "--methods", "stl"), "absent: expected a dataset folder"),
    ],
)
def test_what_cannot_be_done_is_said_with_exit_code_2(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = compare(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not list(tmp_path.iterdir())


def test_one_run_alone_is_no_comparison(compared):
    run = compared[0] / "runs/stl-none-none-0"
    result = compare(run)
    assert result.exit_code == 2
    assert f"{run} is a run folder: expected a dataset, or at least two runs" in result.stderr


def test_a_folder_of_others_is_refused_before_anything_is_trained(tiny_dataset, tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    result = compare(tiny_dataset, "--out", tmp_path, *SMALL)
    assert result.exit_code == 2
    assert "expected an empty folder or an older comparison" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_config_file_gives_what_is_not_asked_for(compared, tiny_dataset, tmp_path):
    config = compared[0] / "runs/mal-none-none-0/config.toml"
    shutil.copytree(compared[0] / "runs", tmp_path / "c/runs")
    result = compare(
        tiny_dataset, "--out", tmp_path / "c", "--config", config, "--methods", "mal,stl", "--seeds", 2
    )
    assert result.exit_code == 0, result.output
    assert "4 done already, 0 to do" in result.stderr


def test_run_options_are_those_of_the_run_command(compared):
    of_run = {parameter.name for parameter in program.get_command(None, "run").params}  # type: ignore[arg-type, union-attr]
    of_compare = {parameter.name for parameter in program.get_command(None, "compare").params}  # type: ignore[arg-type, union-attr]
    assert of_run - of_compare == {"dataset", "method", "seed", "resume"}


def test_a_terminal_has_a_bar_of_all_runs_and_one_of_the_run_under_way():
    console = Console(force_terminal=True, width=100, record=True)
    screen = LiveComparisonScreen(console)
    plan = make_plan({"epochs": 2}, ("stl", "mml"), ("wild",), ("paper",), 1)
    screen.comparison(plan, list(plan.runs))
    screen.run("stl-none-none-0")
    screen.decoding(3, 59)
    console.print(screen.live.renderable)
    assert " 3/59 images" in console.export_text()
    screen.begin(plan.runs[0].config, ("emo",), 10)
    console.print(screen.live.renderable)
    shown = console.export_text()
    assert re.search("all runs .* 0/2 +runs", shown)
    assert re.search("stl-none-none-0 .* 0/20 +steps", shown)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (61, "1 min 1 s"), (3599.6, "1 h 0 min"), (7260, "2 h 1 min")]
)
def test_durations_have_two_units(seconds, text):
    assert duration(seconds) == text


def test_a_single_method_is_refused_before_anything_is_trained(tiny_dataset, tmp_path):
    out = tmp_path / "comparison"
    result = compare(tiny_dataset, "--methods", "stl", "--seeds", "2", "--out", out)
    assert result.exit_code == 2
    assert "expected at least two systems to compare, found stl-none-none alone" in result.stderr
    assert not out.exists()
