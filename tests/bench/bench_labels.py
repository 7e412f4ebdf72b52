"""How long it takes to start, to read, to build and to analyze: a ratio or a limit beside each figure."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rafce.formats.raf_au import read_raf_au
from rafce_fixtures.labels import generate
from rafce_fixtures.release import write_release

RAFCE = str(Path(sys.executable).with_name("rafce"))
N_IMAGES = 4601
N_LINES = 1_000_000


def timed(command: Sequence[str], cwd: Path) -> tuple[float, float]:
    """Wall and CPU seconds of one command."""
    before, start = os.times(), time.perf_counter()
    subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, cpu


def startup_ratio(cwd: Path, repeats: int = 15) -> float:
    """`rafce --help` over `python -c "import click"`, medians of interleaved runs."""
    commands = ([RAFCE, "--help"], [sys.executable, "-c", "import click"])
    walls = [[timed(command, cwd)[0] for command in commands] for _ in range(repeats)]
    ours, bare = (statistics.median(column) for column in zip(*walls, strict=True))
    return ours / bare


def parse_seconds(folder: Path) -> float:
    """CPU seconds to read a million label lines, made of the look-alike's labels under new names."""
    labels = (folder / "look-alike/RAF-AU/RAFAU_label.txt").read_text().splitlines()
    values = [line.split()[1] for line in labels]
    path = folder / "million.txt"
    path.write_text("".join(f"{i:07d}.jpg {values[i % len(values)]}\n" for i in range(N_LINES)))
    start = time.process_time()
    assert len(read_raf_au(path)) == N_LINES
    return time.process_time() - start


def main() -> None:
    """Print a row a figure."""
    print("| starting, reading, building, analyzing | | target |")
    print("| --- | ---: | --- |")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_release(generate(N_IMAGES, seed=0), folder / "look-alike")
        build = [RAFCE, "build", "--raf-ml", "look-alike/RAF-ML", "--raf-au", "look-alike/RAF-AU"]
        print(f"| time of `rafce --help` / `import click` | {startup_ratio(folder):.2f} | at most 1.5 |")
        print(f"| parsing {N_LINES:,} RAF-AU lines | {parse_seconds(folder):.2f} s CPU | under 3 s |")
        wall, cpu = timed(build, folder)
        print(f"| `rafce build`, {N_IMAGES:,} images | {cpu:.2f} s CPU | under 1.5 s |")
        analyze_wall, _ = timed([RAFCE, "analyze"], folder)
        print(f"| build and analyze, all figures | {wall + analyze_wall:.1f} s | under 15 s |")


if __name__ == "__main__":
    main()
