"""Measured tables get into RESULTS.md by the script alone."""

import re
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parent
ROOT = BENCH.parent.parent
BLOCKS = re.compile(r"<!-- bench:(\S+) (\S+).* -->")


def write_results(file, *blocks):
    command = [sys.executable, BENCH / "write_results.py", file, *blocks]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_block_gets_what_its_script_prints_and_nothing_else_changes(tmp_path):
    file = tmp_path / "results.md"
    start, other = (
        "before\n<!-- bench:help bench_counting.py --help -->\n",
        "<!-- bench:b x.py -->\n1\n<!-- end -->\n",
    )
    file.write_text(f"{start}stale\n<!-- end -->\nbetween\n{other}")
    done = write_results(file, "help")
    assert done.returncode == 0, done.stderr
    text = file.read_text()
    assert text.startswith(start)
    assert text.endswith(f"\n\n<!-- end -->\nbetween\n{other}")
    assert "stale" not in text
    assert "`python tests/bench/bench_counting.py --help` on " in text
    assert "usage: bench_counting.py" in text


def test_a_script_that_fails_leaves_the_file_alone(tmp_path):
    file = tmp_path / "results.md"
    file.write_text("<!-- bench:a bench_counting.py --nonsense -->\nfigures\n<!-- end -->\n")
    done = write_results(file, "a")
    assert done.returncode == 1
    assert "bench_counting.py --nonsense ended with code 2: nothing was written for it" in done.stderr
    assert "figures" in file.read_text()


def test_an_unknown_block_is_refused_with_those_there_are(tmp_path):
    file = tmp_path / "results.md"
    file.write_text("<!-- bench:a x.py -->\n<!-- end -->\n")
    done = write_results(file, "b")
    assert done.returncode == 2
    assert f"{file} has no block b, but a" in done.stderr


def test_make_bench_fills_blocks_that_are_there_with_scripts_that_are_there():
    scripts = dict(BLOCKS.findall((ROOT / "RESULTS.md").read_text(encoding="utf-8")))
    (asked,) = re.findall(r"^BENCH \?= (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(asked.split()) <= set(scripts)
    assert all((BENCH / script).exists() for script in scripts.values())
