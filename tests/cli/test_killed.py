"""Every command that writes, killed while it writes: the next one there works, and nothing hidden stays."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rafce.atomic import is_staging

RAFCE = "from rafce_cli.main import rafce; rafce(prog_name='rafce')"
KILL_AT_RENAME = """
import os, pathlib, signal
rename = pathlib.Path.rename
def kill(self, target):
    if self.name.startswith("new"):
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)
pathlib.Path.rename = pathlib.Path.replace = kill
"""
"""What is written is whole by then, and has not got its name yet: all that a command can leave is there."""


def start(command: list[object], code: str = "") -> int:
    """The exit code of a command."""
    words = [sys.executable, "-c", code + RAFCE, *map(str, command)]
    return subprocess.run(words, capture_output=True, text=True, timeout=120).returncode


def hidden(folder: Path) -> list[Path]:
    return [path for path in folder.rglob(".*") if is_staging(path.name)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a small release and a table."""
    folder = tmp_path_factory.mktemp("killed")
    assert start(["synth", "--out", folder / "s", "--images", 60, "--no-faces"]) == 0
    rows = [f"{i}.jpg,{'calm' if i % 2 else 'angry'},{i % 3 % 2}" for i in range(40)]
    (folder / "t.csv").write_text("\n".join(["image,emotion,AU01", *rows]))
    return folder


@pytest.mark.parametrize("name", ["synth", "sheet", "build", "import"])
def test_a_killed_command_leaves_what_the_next_one_there_removes(place, tmp_path, name):
    out = tmp_path / "out"
    commands: dict[str, list[object]] = {
        "synth": ["synth", "--out", out, "--images", 40, "--no-faces"],
        "sheet": ["synth", "--contact-sheet", out],
        "build": ["build", "--raf-ml", place / "s/RAF-ML", "--raf-au", place / "s/RAF-AU", "--out", out],
        "import": ["import", "table", place / "t.csv", "--out", out],
    }
    assert start(commands[name], KILL_AT_RENAME) == -signal.SIGKILL
    assert not out.exists()
    assert len(hidden(tmp_path)) == 1
    assert start(commands[name]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_reports_of_a_killed_analysis_block_neither_the_next_one_nor_an_import(place, tmp_path):
    data, again = tmp_path / "data", tmp_path / "again"
    assert start(["import", "table", place / "t.csv", "--out", data]) == 0
    assert start(["analyze", data], KILL_AT_RENAME) == -signal.SIGKILL
    assert len(hidden(data)) == 1
    shutil.copytree(data, again)
    assert start(["import", "table", place / "t.csv", "--out", again]) == 0
    assert start(["analyze", data]) == 0
    assert hidden(tmp_path) == []


SLOW = """
import time
import rafce.build as building
write = building.write_parquet
def wait(*arguments):
    print("ready", flush=True)
    time.sleep(4)
    building.write_parquet = write
    write(*arguments)
building.write_parquet = wait
"""


def test_a_live_command_is_left_alone_by_another_that_writes_beside_it(place, tmp_path):
    build = ["build", "--raf-ml", place / "s/RAF-ML", "--raf-au", place / "s/RAF-AU", "--out"]
    words = [sys.executable, "-c", SLOW + RAFCE, *map(str, build), str(tmp_path / "slow")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert start([*build, tmp_path / "quick"]) == 0
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["quick", "slow"]


@pytest.mark.parametrize("name", ["synth", "sheet", "build", "import", "analyze"])
def test_no_command_writes_through_a_link(place, tmp_path, name):
    data, out = tmp_path / "data", tmp_path / "out"
    (tmp_path / "target").mkdir()
    out.symlink_to("target")
    commands: dict[str, list[object]] = {
        "synth": ["synth", "--out", out, "--images", 40, "--no-faces"],
        "sheet": ["synth", "--contact-sheet", out],
        "build": ["build", "--raf-ml", place / "s/RAF-ML", "--raf-au", place / "s/RAF-AU", "--out", out],
        "import": ["import", "table", place / "t.csv", "--out", out],
        "analyze": ["analyze", data, "--out", out],
    }
    assert start(["import", "table", place / "t.csv", "--out", data]) == 0
    assert start(commands[name]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out", "target"]
    assert out.readlink() == Path("target")
    assert list((tmp_path / "target").iterdir()) == []


def test_a_dataset_on_another_disk_is_read_and_its_reports_written_through_a_link_on_the_way(place, tmp_path):
    assert start(["import", "table", place / "t.csv", "--out", tmp_path / "disk" / "data"]) == 0
    (tmp_path / "data").symlink_to("disk/data")
    assert start(["analyze", tmp_path / "data"]) == 0
    assert (tmp_path / "disk/data/reports/report.html").is_file()
