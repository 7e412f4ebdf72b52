import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from rafce_cli.main import rafce


def run(*arguments: object):
    return CliRunner().invoke(rafce, [str(argument) for argument in arguments])


def test_the_funnel_and_the_partitions_are_printed(release, tmp_path):
    root = release(classes={"0001.jpg": 0, "0002.jpg": 1, "0006.jpg": 4})
    inputs = ["--raf-ml", root / "RAF-ML", "--raf-au", root / "RAF-AU", "--rafce", root / "RAF-CE"]
    result = run("build", *inputs, "--out", tmp_path / "data")
    assert result.exit_code == 0, result.output
    for expected in (
        "joined by image name",
        "– officially-discarded",
        "give the official class of 2 of 3",
        "labels only",
    ):
        assert expected in result.output


def test_json_is_the_manifest(release, tmp_path):
    root = release()
    result = run(
        "build", "--raf-ml", root / "RAF-ML", "--raf-au", root / "RAF-AU", "--out", tmp_path / "d", "--json"
    )
    assert json.loads(result.output) == json.loads((tmp_path / "d/manifest.json").read_text())


def test_label_files_and_inner_folders_are_accepted_in_place_of_the_release(release, tmp_path):
    root = release()
    ml, au = root / "RAF-ML/EmoLabel", root / "RAF-AU/RAFAU_label.txt"
    for raf_ml in (ml, ml / "distribution.txt"):
        result = run("build", "--raf-ml", raf_ml, "--raf-au", au, "--out", tmp_path / "data")
        assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("replaced", "expected"),
    [
        ({"votes": b""}, "distribution.txt: expected labels, found an empty file"),
        ({"labels": b"0001.jpg 4\n0002.jpg 4+77\n"}, "RAFAU_label.txt:2: expected a FACS code, found '77'"),
        ({"labels": b"0001.jpg 4 \xe9\n"}, "RAFAU_label.txt:1: expected UTF-8 text, found the byte 0xe9"),
        ({"labels": {"x.jpg": "4"}}, "expected common images, found none"),
    ],
)
def test_bad_input_gives_exit_code_2_and_nothing_half_written(release, tmp_path, replaced, expected):
    root = release(**replaced)
    result = run(
        "build", "--raf-ml", root / "RAF-ML", "--raf-au", root / "RAF-AU", "--out", tmp_path / "data"
    )
    assert result.exit_code == 2
    assert expected in result.output
    assert "Traceback" not in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["releases"]


def test_an_unwritable_place_is_one_clear_error(release):
    root = release()
    result = run(
        "build", "--raf-ml", root / "RAF-ML", "--raf-au", root / "RAF-AU", "--out", "/proc/rafce-data"
    )
    assert result.exit_code == 2
    assert "/proc/rafce-data: cannot be written" in result.output


def test_a_file_too_large_for_the_disk_leaves_nothing(release, tmp_path):
    root = release()
    limit = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000));"
    code = limit + "sys.argv = ['rafce', *sys.argv[1:]]; from rafce_cli.main import rafce; rafce()"
    inputs = ["--raf-ml", root / "RAF-ML", "--raf-au", root / "RAF-AU", "--out", tmp_path / "data"]
    command = [sys.executable, "-c", code, "build", *map(str, inputs)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2, result.stderr
    assert f"{tmp_path}/data: cannot be written" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["releases"]


def test_an_unexpected_fault_shows_a_traceback_only_with_debug(release, tmp_path, monkeypatch):
    root = release()

    def broken(_options):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("rafce.build.build_dataset", broken)
    arguments = ["build", "--raf-ml", root, "--raf-au", root]
    assert "unexpected ZeroDivisionError: a bug" in run(*arguments).output
    assert isinstance(run("--debug", *arguments).exception, ZeroDivisionError)


def test_help_has_examples_and_imports_nothing_heavy():
    heavy = {"numpy", "pandas", "scipy", "matplotlib", "torch", "pyarrow", "rich", "jinja2"}
    code = f"import sys, rafce_cli.main, rafce_cli.main_train; print(sorted({heavy!r} & set(sys.modules)))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"
    assert "rafce build --raf-ml RAF-ML --raf-au RAF-AU" in run("build", "--help").output


def test_the_build_imports_neither_matplotlib_nor_torch(release, tmp_path):
    root = release()
    code = (
        "import sys; from pathlib import Path; from rafce.build import *;"
        "build_dataset(BuildOptions(raf_ml=Path(sys.argv[1]), raf_au=Path(sys.argv[2]), out=Path(sys.argv[3])));"
        "print({'matplotlib', 'seaborn', 'torch'} & set(sys.modules))"
    )
    arguments = [root / "RAF-ML", root / "RAF-AU", tmp_path / "data"]
    command = [sys.executable, "-c", code, *map(str, arguments)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "set()"
    assert Path(tmp_path / "data/samples.parquet").exists()
