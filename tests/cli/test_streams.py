"""Commands beside a terminal that is closed, full, gone, or speaks ASCII; texts that would steer it."""

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from rafce.dataset import read_dataset
from rafce_cli.main import rafce

CODE = "from rafce_cli.main import rafce; rafce(prog_name='rafce')"


def run(*arguments):
    return CliRunner().invoke(rafce, [str(argument) for argument in arguments], prog_name="rafce")


@pytest.fixture
def start(release, tmp_path):
    """Start `rafce build` on the tiny release through a shell, `how` behind it."""
    root = release()

    def run(how="", prefix="", **environment):
        inputs = f"--raf-ml {root}/RAF-ML --raf-au {root}/RAF-AU --out {tmp_path}/data"
        command = f'{prefix} {sys.executable} -c "{CODE}" build {inputs} {how}'
        return subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, env=os.environ | environment, timeout=60
        )

    return run


def whole(tmp_path):
    return read_dataset(tmp_path / "data").n_images > 0


@pytest.mark.parametrize("how", ["> /dev/full", "--json > /dev/full"])
def test_a_full_device_is_one_line_and_the_dataset_whole(start, tmp_path, how):
    result = start(how)
    assert result.stderr == "error: standard output: cannot be written: No space left on device\n"
    assert result.returncode == 2
    assert whole(tmp_path)


@pytest.mark.parametrize("how", ["", "--json", "--help"])
def test_a_reader_that_is_gone_is_one_line(start, how):
    result = start(f"{how} | true; exit ${{PIPESTATUS[0]}}", prefix="sleep 0.2;")
    if result.returncode:  # `true` was quicker
        assert result.stderr == "error: standard output: cannot be written: nobody reads it\n"
        assert result.returncode == 2


def test_a_closed_output_is_refused_before_anything_is_written(start, tmp_path):
    result = start(">&-")
    assert result.returncode == 2
    assert result.stderr == "error: standard output is closed; > /dev/null prints nothing\n"
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("how", ["<&-", "2>&-", "<&- 2>&-"])
def test_a_closed_input_or_error_output_changes_nothing(start, tmp_path, how):
    result = start(how)
    assert (result.returncode, result.stderr) == (0, "")
    assert whole(tmp_path)


def test_a_fault_is_an_exit_code_where_nobody_can_be_told(start):
    assert start("--ties x 2>&-").returncode == 2


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii"},
    ],
)
def test_any_locale_will_do(start, tmp_path, environment):
    result = start(**environment)
    assert (result.returncode, result.stderr) == (0, "")
    assert whole(tmp_path)
    printed = json.loads(start("--json", **environment).stdout)
    assert printed == json.loads((tmp_path / "data" / "manifest.json").read_text(encoding="utf-8"))


def test_a_name_that_is_no_utf_8_is_one_clear_error(release, tmp_path):
    root = release()
    out = tmp_path / os.fsdecode(b"d\xff")
    result = run("build", "--raf-ml", root / "RAF-ML", "--raf-au", root / "RAF-AU", "--out", out)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: expected a name in UTF-8, found ")
    assert [path.name for path in tmp_path.iterdir()] == ["releases"]


EVIL = "x\x1b]0;owned\x07\u202e[red]\x9b31m[/x]"


@pytest.mark.parametrize(
    "arguments",
    [
        ["build", "--raf-ml", EVIL, "--raf-au", EVIL],
        [EVIL],
        ["build", f"--{EVIL}"],
        ["build", "--ties", EVIL],
        ["analyze", EVIL],
    ],
)
def test_no_argument_steers_the_terminal(arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert r"x\x1b]0;owned\x07\u202e[red]\x9b31m[/x]" in result.stderr
    assert not set("\x1b\x07\u202e\x9b") & set(result.output)


def test_a_class_called_like_markup_is_shown_as_it_stands(tmp_path):
    table = tmp_path / "t.csv"
    rows = [f"{i}.jpg,{'[b]calm' if i % 2 else '[/x]'},{i % 3 % 2},{i % 2}" for i in range(40)]
    table.write_text("\n".join(["image,emotion,AU01,AU12", *rows]), encoding="utf-8")
    out = tmp_path / "d"
    for arguments in (["import", "table", table, "--out", out], ["analyze", out]):
        result = run(*arguments)
        assert result.exit_code == 0, result.output
        assert "[b]calm" in result.output
        assert "[/x]" in result.output
    card = (out / "reports" / "table1.md").read_text(encoding="utf-8")
    assert r"| \[b\]calm |" in card
    assert "\n[b]calm,wild," in (out / "reports" / "table1.csv").read_text(encoding="utf-8")


def test_an_emotion_that_steers_the_terminal_is_refused(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text(f"image,emotion,AU01\na.jpg,{EVIL},1\nb.jpg,calm,0\n", encoding="utf-8")
    result = run("import", "table", table, "--out", tmp_path / "d")
    assert result.exit_code == 2
    assert result.stderr.startswith(
        f"error: {table}:2: expected an emotion that can be printed, found 'x\\x1b]0;owned"
    )
    assert not set("\x1b\x07\u202e\x9b") & set(result.output)


def test_names_of_strangers_are_shown_and_never_obeyed(tmp_path):
    table = tmp_path / f"t{EVIL.replace('/', '-')}.csv"
    table.write_text("image,emotion,AU01\na.jpg,calm,1\nb.jpg,angry,0\nc.jpg,calm,1\n", encoding="utf-8")
    for how in ([], ["--json"]):
        result = run("import", "table", table, "--out", tmp_path / "d", *how)
        assert result.exit_code == 0, result.output
        assert not set("\x1b\x07\u202e\x9b") & set(result.output)
    assert json.loads(result.stdout)["inputs"]["table"]["file"] == table.name


def test_a_message_is_short_however_much_is_wrong(release):
    root = release()
    labels = root / "RAF-AU" / "RAFAU_label.txt"
    labels.write_text("\n".join(f"{n}.jpg {'9' * 5000}" for n in range(300)))
    result = run("build", "--raf-ml", root / "RAF-ML", "--raf-au", root / "RAF-AU", "--out", root / "d")
    assert result.exit_code == 2
    assert len(result.stderr) <= 2001
    assert len(result.stderr.splitlines()) <= 20
    assert result.stderr.endswith("more\n")
