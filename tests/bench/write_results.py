"""Run the benchmarks that marked blocks of a file name, and put there what they print and which machine they ran on.

A block begins with `<!-- bench:NAME SCRIPT OPTIONS -->`, a script of this folder, and ends with `<!-- end -->`. What
stands between is replaced, so that no figure in it was typed by hand.

    python tests/bench/write_results.py RESULTS.md counting methods
"""

import argparse
import os
import platform
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

FOLDER = Path(__file__).parent
BLOCK = re.compile(r"(<!-- bench:(\S+) (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)
PACKAGES = ("numpy", "pyarrow", "torch")


def machine() -> str:
    """Processor, cores, memory and versions, in a line."""
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = [f"{package} {version(package)}" for package in PACKAGES]
    parts = [
        processor(),
        f"{os.cpu_count()} cores",
        f"{gib:.0f} GiB",
        f"{platform.system()} {platform.machine()}",
    ]
    return ", ".join([*parts, f"Python {platform.python_version()}", *versions])


def processor() -> str:
    """The model by the name that Linux has for it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"


def output_of(command: str) -> str:
    """What a script prints; shown here as it comes."""
    lines = []
    words = [sys.executable, str(FOLDER / command.split()[0]), *command.split()[1:]]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    if process.returncode != 0:
        sys.exit(f"{command} ended with code {process.returncode}: nothing was written for it")
    return "".join(lines).strip()


def filled(text: str, name: str) -> str:
    """The text with the block of this name measured anew."""
    (command,) = (found[3] for found in BLOCK.finditer(text) if found[2] == name)
    print(f"\n{command}", flush=True)
    body = f"\n`python tests/bench/{command}` on {machine()}:\n\n{output_of(command)}\n\n"
    return BLOCK.sub(lambda found: found[1] + body + found[4] if found[2] == name else found[0], text)


def main() -> None:
    """Measure block after block; each is written as soon as it is there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("blocks", nargs="+", metavar="block")
    options = parser.parse_args()
    names = [found[2] for found in BLOCK.finditer(options.file.read_text(encoding="utf-8"))]
    if foreign := set(options.blocks) - set(names):
        parser.error(f"{options.file} has no block {', '.join(sorted(foreign))}, but {', '.join(names)}")
    for name in options.blocks:
        text = filled(options.file.read_text(encoding="utf-8"), name)
        options.file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
