"""Kill a training run with SIGKILL at random moments, resume it each time, and compare it with an unbroken one.

    python tests/bench/kill_run.py rafce-data --kills 10 --seed 1 -- --method mml --epochs 4

What follows `--` are options of `rafce-train run`; CPU and --deterministic are added. Exit code 1 when
a bit differs.
"""

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

COMMAND = [sys.executable, "-c", "from rafce_cli.main_train import rafce_train; rafce_train()", "run"]
ALWAYS = ["--device", "cpu", "--deterministic"]
SAME_BYTES = ("weights.safetensors", "predictions.parquet", "metrics.json", "config.toml")
PATIENCE = 600
PACES = (1, 5, 25)
"""How much faster the machine may have become since the unbroken run, in further attempts."""


def main() -> int:
    """Run both, print what happened, compare."""
    arguments = parse()
    with tempfile.TemporaryDirectory() as folder:
        whole, broken = Path(folder) / "whole", Path(folder) / "broken"
        options = [arguments.dataset, *arguments.options, *ALWAYS]
        startup, training = unbroken(options, whole)
        print(f"unbroken: {startup:.1f} s until training begins, {training:.1f} s from there")
        draw = random.Random(arguments.seed)
        for pace in PACES:
            hits = kill_and_resume(options, broken, arguments.kills, draw, startup, training / pace)
            if hits == arguments.kills:
                break
            print(f"the run ended after {hits} of {arguments.kills} kills: once more, killed sooner")
            if pace != PACES[-1]:
                shutil.rmtree(broken)
        faults = differences(whole, broken)
    if hits < arguments.kills:
        faults.append(f"the run ended after {hits} of {arguments.kills} kills: give it more --epochs")
    print("\n".join(faults) or f"{hits} kills: weights, metrics, predictions and history are identical")
    return bool(faults)


def parse() -> argparse.Namespace:
    """The command line; argparse alone would take the options after `--` for its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    arguments = parser.parse_args(words[:end])
    arguments.options = words[end + 1 :]
    return arguments


def unbroken(options: list[str], folder: Path) -> tuple[float, float]:
    """Run to the end; seconds until the training begins, and from there to the end."""
    started = time.monotonic()
    process = launch(options, folder)
    await_training(process)
    began = time.monotonic()
    finish(process)
    return began - started, time.monotonic() - began


def kill_and_resume(
    options: list[str], folder: Path, kills: int, draw: random.Random, startup: float, training: float
) -> int:
    """Start, kill, resume, kill …, then let it end; how many kills hit a living process.

    Every fifth kill falls into the startup. In a life the training gets at most its (kills + 1)-th part, so the run
    cannot end before the last kill, unless the machine gets faster meanwhile.
    """
    hits = 0
    for number in range(1, kills + 1):
        process = launch(options, folder)
        is_early = number % 5 == 0
        if not is_early:
            await_training(process)
        moment = draw.uniform(0, startup if is_early else training / (kills + 1))
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            hits += 1
            print(f"killed {moment:.2f} s after the {'start' if is_early else 'training began'}")
    finish(launch(options, folder))
    return hits


def launch(options: list[str], folder: Path) -> "subprocess.Popen[str]":
    """Start the run, or go on with it if its folder is there."""
    how = ["--resume", str(folder)] if folder.exists() else ["--out", str(folder), *options]
    return subprocess.Popen([*COMMAND, *how], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def await_training(process: "subprocess.Popen[str]") -> None:
    """Return when the run says that it trains."""
    assert process.stderr is not None
    for line in process.stderr:
        if "epochs of" in line:
            return


def finish(process: "subprocess.Popen[str]") -> None:
    """Wait for a run that must end well."""
    _, said = process.communicate(timeout=PATIENCE)
    if process.returncode != 0:
        sys.exit(f"rafce-train ended with code {process.returncode}: {said}")


def differences(whole: Path, broken: Path) -> list[str]:
    """What is not the same in two run folders, beside the seconds."""
    faults = [
        f"{name} differs"
        for name in SAME_BYTES
        if (whole / name).read_bytes() != (broken / name).read_bytes()
    ]
    one, two = (pq.read_table(folder / "history.parquet") for folder in (whole, broken))
    columns = [name for name in one.column_names if not name.startswith("seconds_")]
    return faults + [
        f"history.parquet: {name} differs" for name in columns if not one[name].equals(two[name])
    ]


if __name__ == "__main__":
    sys.exit(main())
