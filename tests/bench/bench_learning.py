"""Do the methods learn? Look-alike faces, a backbone that knows landmarks only, and the table that RESULTS.md shows.

Everything lies below one folder and is reused or resumed when the script is started again.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rafce.dataset import read_dataset
from rafce.parquet import write_parquet
from rafce.parts import find_samples
from rafce.schema import au_statistics_schema, check_schema
from rafce.streaming import count_aus, count_here, counts_by_scope
from rafce.tables import au_statistics_table
from rafce_reports.analysis import try_classifiers
from rafce_reports.comparison_runs import System
from rafce_reports.runs import Run, read_run

BIN = Path(sys.executable).parent
RUN_OPTIONS = (
    *("--backbone", "resnet18", "--image-size", "48", "--batch-size", "32", "--epochs", "8"),
    *("--lr-backbone", "0.01", "--momentum", "0.9", "--weight-decay", "5e-4", "--schedule", "cosine"),
    *("--reduction", "mean", "--rho-au", "1"),
)
METHODS = ("stl", "mtl", "mml")
ENOUGH_POSITIVES = 150
PERMUTED = "rafce-permuted"


def call(*command: object, folder: Path) -> None:
    """Run one command of this environment below the folder, its output on the screen."""
    program, *arguments = map(str, command)
    subprocess.run([str(BIN / program), *arguments], cwd=folder, check=True)


def prepare(folder: Path, images: int, landmarks: int) -> None:
    """Faces with labels, other faces with landmarks, the dataset, its permuted twin and the backbone."""
    if not (folder / "look-alike").exists():
        call("rafce", "synth", "--out", "look-alike", "--images", images, "--seed", 0, folder=folder)
    if not (folder / "landmarks").exists():
        call("rafce", "synth", "--out", "landmarks", "--landmarks", landmarks, "--seed", 1, folder=folder)
    inputs = ("--raf-ml", "look-alike/RAF-ML", "--raf-au", "look-alike/RAF-AU")
    if not (folder / "rafce-data").exists():
        call("rafce", "build", *inputs, folder=folder)
    if not (folder / PERMUTED).exists():
        call("rafce", "build", *inputs, "--out", PERMUTED, folder=folder)
        permute_emotions(folder / PERMUTED)
    if not (folder / "landmarks.safetensors").exists():
        script = Path(__file__).with_name("pretrain_landmarks.py")
        call("python", script, "landmarks", "--out", "landmarks.safetensors", folder=folder)


def permute_emotions(dataset: Path) -> None:
    """Shuffle the emotions over the images of each partition: nothing is left to learn but how frequent they are.

    The statistics are counted anew, as the trainer demands.
    """
    path = dataset / "samples.parquet"
    table = pq.read_table(path)
    order_N, partition_N = np.arange(len(table)), np.array(table["partition"].to_pylist())
    for name in np.unique(partition_N):
        rows = np.flatnonzero(partition_N == name)
        order_N[rows] = np.random.default_rng(0).permutation(rows)
    for column in ("emotion", "emotion_id"):
        position = table.schema.get_field_index(column)
        field = table.schema.field(column)
        table = table.set_column(position, field, table[column].take(pa.array(order_N)))
    write_parquet(table, table.schema, path)
    samples = find_samples(path)
    counts = counts_by_scope(count_here(count_aus, samples), samples.grid)
    words = check_schema(table.schema.metadata, "samples", path)
    statistics = au_statistics_table(counts, words)
    write_parquet(statistics, au_statistics_schema(words), dataset / "au_statistics.parquet")


def train(folder: Path, name: str, dataset: str, method: str) -> Run:
    """A run, trained now, resumed or read."""
    run = folder / "runs" / name
    if not (run / "metrics.json").exists():
        if run.exists():
            call("rafce-train", "run", "--resume", run, folder=folder)
        else:
            start = ("--method", method, "--weights", "landmarks.safetensors", "--out", run)
            call("rafce-train", "run", dataset, *start, *RUN_OPTIONS, folder=folder)
    return read_run(run)


def from_true_aus(dataset: Path) -> pd.DataFrame:
    """What classifiers that see the true AUs reach on the same test images."""
    data = read_dataset(dataset)
    return try_classifiers(data, count_here(count_aus, data.samples)).summary


def rate(*figure: Any) -> str:
    """A rate in percent with its 95 % interval, from value, low and high."""
    value, low, high = (100 * float(of) for of in figure)
    return f"{value:.1f} ({low:.1f} to {high:.1f})"


def au_f1(run: Run) -> str:
    """Macro-F1 over the AUs with enough training positives; their number behind it."""
    units = run.au_metrics
    if units is None:
        return "–"
    found = [au["f1"]["value"] for au in units["aus"] if au["train_positives"] >= ENOUGH_POSITIVES]
    return f"{np.mean(found):.3f} ({len(found)} AUs)"


def learned_weights(run: Path) -> str:
    """How far the learned weights went from 0.5, and how they spread over images, in the last epoch."""
    last = pq.read_table(run / "history.parquet").to_pylist()[-1]
    parts = []
    for name in (name for name in last if name.startswith("omega_") and not name.endswith("_sd")):
        if last[f"{name}_sd"] or last[name] not in (0, 1):
            parts.append(
                f"{name}: |mean - 0.5| = {abs(last[name] - 0.5):.4f}, spread {last[f'{name}_sd']:.4f}"
            )
    return "; ".join(parts)


def table(folder: Path, runs: dict[str, Run]) -> str:
    """The results in Markdown: the runs, by their predictions, and what the true AUs alone tell."""
    lines = [
        "| run | accuracy, % (95 %) | UAR, % (95 %) | AU macro-F1, 150 training positives or more |",
        "| --- | --- | --- | --- |",
    ]
    for name, run in runs.items():
        system = System(name, (run,))
        lines.append(f"| {name} | {rate(*system.accuracy())} | {rate(*system.uar())} | {au_f1(run)} |")
    for row in from_true_aus(folder / "rafce-data").to_dict("records"):
        accuracy, uar = (rate(row[m], row[f"{m}_low"], row[f"{m}_high"]) for m in ("accuracy", "uar"))
        lines.append(f"| true AUs: {row['classifier']} | {accuracy} | {uar} | – |")
    return "\n".join([*lines, "", f"mml, {learned_weights(folder / 'runs/mml')}"])


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--images", default=4601, show_default=True)
@click.option("--landmarks", default=10_000, show_default=True)
def main(folder: Path, images: int, landmarks: int) -> None:
    """Prepare, train and print the table; FOLDER keeps everything."""
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    prepare(folder, images, landmarks)
    runs = {method: train(folder, method, "rafce-data", method) for method in METHODS}
    runs["stl, emotions permuted"] = train(folder, "permuted", PERMUTED, "stl")
    print(table(folder, runs))


if __name__ == "__main__":
    main()
