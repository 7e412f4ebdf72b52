"""Emotion × AU, and × partition, from Parquet: rafce beside decoding alone, pandas, Polars, DuckDB; time and memory.

Each way runs in a process of its own on the same file, all in turn, round after round; a ratio is the median of the
rounds' ratios, of the best of a few repeats each. Memory is the most that the process held after the first repeat
(VmHWM of Linux), with NumPy and PyArrow imported in every one of them. A peer is asked for the bits of `au_mask` and
for the bool columns, each in the fastest of the ways to put it that were tried.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rafce.parquet import opened, seal
from rafce.parts import BUFFER_BYTES, CHUNK_ROWS, PART_ROWS, TEXT_COLUMNS, Part, Samples, find_samples
from rafce.schema import PARTITIONS, Vocabulary, au_column, imported_samples_schema
from rafce.streaming import MOST_THREADS, count_au_pairs, count_aus, count_here

AUS = (
    *(1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 18, 19, 20),
    *(21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 32, 33, 34, 35, 39, 43),
)
WORDS = Vocabulary(tuple(f"emotion {i}" for i in range(14)), AUS)
PERCENT = (15, 6, 5, 5, 4, 18, 5, 13, 0.8, 5, 21, 1.4, 0.2, 0.6)
COLUMNS = [au_column(au) for au in AUS]
WORKS = {"emotion × AU": ("emotion_id",), "emotion × AU × partition": ("partition", "emotion_id")}
HUGE = 100_000_000

Keys = tuple[str, ...]
Counts = dict[str, list[int]]  # by key: the number of rows, and of those with each AU


# --- the file ---


def write_samples(path: Path, n_rows: int) -> None:
    """Random samples as skewed as RAF-CE, sealed, the same each time; bool columns too, but in a huge file."""
    random = np.random.default_rng(0)
    rate_EA = random.beta(0.5, 2, (14, 32)).astype(np.float32)
    first = samples_table(random, rate_EA, 1, n_rows < HUGE)
    with pq.ParquetWriter(path, first.schema, compression="zstd", write_page_checksum=True) as writer:
        for row in range(0, n_rows, PART_ROWS):
            n = min(PART_ROWS, n_rows - row)
            writer.write_table(samples_table(random, rate_EA, n, n_rows < HUGE), PART_ROWS)
    with path.open("r+b") as file:
        seal(file)


def samples_table(random: np.random.Generator, rate_EA: Any, n: int, with_bools: bool) -> pa.Table:
    """Some rows, of the columns that counting can use, typed as in a dataset folder."""
    emotion_N = random.choice(14, n, p=np.array(PERCENT) / 100)
    active_NA = random.random((n, 32), np.float32) < rate_EA[emotion_N]
    columns = {
        "partition": np.array(PARTITIONS)[random.choice(3, n, p=[0.6, 0.2, 0.2])],
        "emotion_id": emotion_N.astype(np.int8),
        "au_mask": np.packbits(active_NA, axis=1, bitorder="little").view("<u4").ravel(),
    }
    bools = {name: active_NA[:, i] for i, name in enumerate(COLUMNS)} if with_bools else {}
    table = pa.table(columns | bools)
    whole = imported_samples_schema(WORDS, grouped=False, some_unknown=False)
    fields = [field for field in whole if field.name in table.column_names]
    return table.select([field.name for field in fields]).cast(pa.schema(fields, whole.metadata))


# --- the ways: a file to its counts ---


def samples_of(path: Path, keys: Keys, bools: bool) -> Samples:
    """The file before it is read; with `bools` as if it had no `au_mask`."""
    samples = find_samples(path, partitions=PARTITIONS if "partition" in keys else ())
    layout = samples.parts[0].layout
    layout = layout._replace(aus=tuple(COLUMNS)) if bools else layout
    return samples._replace(parts=tuple(part._replace(layout=layout) for part in samples.parts))


def count(path: Path, keys: Keys, jobs: int | None = None, bools: bool = False) -> Counts:
    """What `rafce` does."""
    samples = samples_of(path, keys, bools)
    tally = count_here(count_aus, samples, jobs)
    table_PEX = np.dstack([tally.images_PE, *np.moveaxis(tally.active_PEA, 2, 0)])
    names = samples.grid.partitions or ("",)
    rows = ((name, e, *table_PEX[p, e]) for p, name in enumerate(names) for e in range(len(WORDS.emotions)))
    return keyed((row[2 - len(keys) :] for row in rows), keys)


def co_occurrence(path: Path, keys: Keys) -> None:
    """The second kernel."""
    count_here(count_au_pairs, samples_of(path, keys, bools=False))


def decode(path: Path, keys: Keys, jobs: int | None = None, bools: bool = False) -> None:
    """What `rafce` reads, as it reads it, and nothing else."""
    with ThreadPoolExecutor(jobs or min(os.cpu_count() or 1, MOST_THREADS)) as threads:
        list(threads.map(decode_part, samples_of(path, keys, bools).parts))


def decode_part(part: Part) -> None:
    """Every batch of a part, its checksums verified, dropped."""
    columns = part.layout.columns
    texts = [name for name in columns if name in TEXT_COLUMNS]
    with opened(part.path, pre_buffer=False, buffer_size=BUFFER_BYTES, read_dictionary=texts) as opening:
        opening.check(part.row_groups, columns)
        for _ in opening.file.iter_batches(CHUNK_ROWS, list(part.row_groups), columns, use_threads=False):
            pass


def pandas_counts(path: Path, keys: Keys, bools: bool) -> Counts:
    """Group by, sum; the bits of the mask as columns."""
    import pandas as pd

    frame = pd.read_parquet(path, columns=[*keys, *(COLUMNS if bools else ["au_mask"])])
    if not bools:
        mask = frame.pop("au_mask").to_numpy()
        frame = frame.assign(**{name: ((mask >> i) & 1) != 0 for i, name in enumerate(COLUMNS)})
    groups = frame.groupby(list(keys))
    table = groups[COLUMNS].sum()
    table.insert(0, "n", groups.size())
    return keyed(table.reset_index().itertuples(index=False), keys)


def polars_counts(path: Path, keys: Keys, bools: bool) -> Counts:
    """Group by, sum, lazily, on the streaming engine; the bits as bool columns, since a sum of each takes longer."""
    import polars as pl

    bits = [((pl.col("au_mask") & (1 << i)) != 0).alias(name) for i, name in enumerate(COLUMNS)]
    rows = pl.scan_parquet(path).select(*keys, *(COLUMNS if bools else bits))
    query = rows.group_by(keys).agg(pl.len(), pl.col(COLUMNS).sum())
    return keyed(query.collect(engine="streaming").rows(), keys)


def duckdb_counts(path: Path, keys: Keys, bools: bool) -> Counts:
    """Group by, count, in SQL; of the bits too by `count_if`, since `sum` takes longer."""
    import duckdb

    tests = COLUMNS if bools else [f"(au_mask & {1 << i}) != 0" for i in range(len(COLUMNS))]
    columns = [*keys, "count(*)", *(f"count_if({test})" for test in tests)]
    query = f"select {', '.join(columns)} from '{path}' group by all"
    return keyed(duckdb.execute(query).fetchall(), keys)


def keyed(rows: Iterable[Sequence[Any]], keys: Keys) -> Counts:
    """The counts of each row under its key."""
    return {" ".join(map(str, row[: len(keys)])): [int(value) for value in row[len(keys) :]] for row in rows}


class Way(NamedTuple):
    """How to count, what it needs beside rafce, which figure its time is divided by."""

    work: Callable[[Path, Keys], Counts | None]
    package: str = "rafce"
    base: str = "rafce"


WAYS = {
    "rafce": Way(count),
    "decoding alone": Way(decode),
    "rafce, one thread": Way(partial(count, jobs=1)),
    "decoding alone, one thread": Way(partial(decode, jobs=1), base="rafce, one thread"),
    "rafce, co-occurrence": Way(co_occurrence),
    "Polars, mask": Way(partial(polars_counts, bools=False), "polars"),
    "DuckDB, mask": Way(partial(duckdb_counts, bools=False), "duckdb"),
    "pandas, mask": Way(partial(pandas_counts, bools=False), "pandas"),
    "rafce, bools": Way(partial(count, bools=True)),
    "decoding alone, bools": Way(partial(decode, bools=True), base="rafce, bools"),
    "Polars, bools": Way(partial(polars_counts, bools=True), "polars"),
    "DuckDB, bools": Way(partial(duckdb_counts, bools=True), "duckdb"),
    "pandas, bools": Way(partial(pandas_counts, bools=True), "pandas"),
}
TOO_BIG = ("pandas, mask", *(name for name in WAYS if name.endswith("bools")))


# --- measuring ---


class Run(NamedTuple):
    """One process of one way."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    counts: Counts | None


def run_here(name: str, path: Path, work: str, repeats: int) -> None:
    """Print what a process of its own is asked for, as JSON."""
    walls, cpus, peak_mb = [], [], 0.0
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        counts = WAYS[name].work(path, WORKS[work])
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
        peak_mb = peak_mb or peak_memory_mb()
    if name.startswith("rafce"):
        assert not {"pandas", "scipy"} & set(sys.modules)
    print(json.dumps(Run(min(walls), min(cpus), peak_mb, counts)))


def peak_memory_mb() -> float:
    """The most that this process held; `ru_maxrss` would start with what its parent held."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def run(name: str, path: Path, work: str, repeats: int) -> Run:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--way", name, "--work", work, "--file", str(path)]
    command += ["--repeats", str(repeats)]
    return Run(*json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))


def measure(path: Path, names: Sequence[str], work: str, rounds: int, repeats: int) -> dict[str, list[Run]]:
    """Every way once a round; all that count count the same."""
    runs: dict[str, list[Run]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            runs[name].append(run(name, path, work, repeats))
    expected = runs["rafce"][0].counts
    for name in names:
        assert all(found.counts in (None, expected) for found in runs[name]), f"{name} counts otherwise"
    return runs


def ratio(runs: dict[str, list[Run]], above: str, below: str) -> float:
    """Median over rounds of one way's time over another's."""
    return statistics.median(a.seconds / b.seconds for a, b in zip(runs[above], runs[below], strict=True))


def report(runs: dict[str, list[Run]], work: str, n_rows: int) -> None:
    """A Markdown table, and the ratios that have a target."""
    print(f"\n| {n_rows:,} rows, {work} | ms | CPU ms | × | of | peak MB |")
    print("| --- | ---: | ---: | ---: | --- | ---: |")
    for name, found in runs.items():
        wall, cpu = (
            1000 * statistics.median(times) for times in zip(*(one[:2] for one in found), strict=True)
        )
        times, peak = ratio(runs, name, WAYS[name].base), max(one.peak_mb for one in found)
        print(f"| {name} | {wall:,.0f} | {cpu:,.0f} | {times:.2f} | {WAYS[name].base} | {peak:,.0f} |")
    print(f"\n- rafce / decoding alone: {ratio(runs, 'rafce', 'decoding alone'):.2f} (at most 2.5)")
    for peer, least in (("Polars", 4), ("DuckDB", 4), ("pandas", 15)):
        of_peer = {name: ratio(runs, name, "rafce") for name in runs if name.startswith(peer)}
        if of_peer:
            quickest = min(of_peer, key=of_peer.__getitem__)
            print(f"- {quickest} / rafce: {of_peer[quickest]:.1f} (at least {least})")
    print(f"- rafce, peak memory: {max(one.peak_mb for one in runs['rafce']):.0f} MB (at most 200)")


def missing_packages() -> dict[str, str]:
    """The peers that are not installed, with the reason."""
    reasons = {}
    for package in {way.package for way in WAYS.values()}:
        try:
            version(package)
        except PackageNotFoundError as error:
            reasons[package] = f"left out: {type(error).__name__}: {error}"
    return reasons


def print_peers(missing: dict[str, str]) -> None:
    """The versions of the peers, and which are left out."""
    packages = {way.package for way in WAYS.values()} - {"rafce"}
    for package in sorted(packages):
        print(f"- {package} {missing.get(package) or version(package)}")


def parse_options() -> argparse.Namespace:
    """The sizes to measure; or the way that this process is for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--huge", action="store_true", help=f"{HUGE:,} rows, masks only: 0.4 GB of disk")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=5)
    for option in ("--way", "--work", "--file"):
        parser.add_argument(option, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measure each work at each number of rows, or be one way's process."""
    options = parse_options()
    if options.way:
        run_here(options.way, Path(options.file), options.work, options.repeats)
        return
    missing = missing_packages()
    print_peers(missing)
    names = [name for name, way in WAYS.items() if way.package not in missing]
    for n_rows in [HUGE] if options.huge else options.rows:
        fitting = [name for name in names if n_rows < HUGE or name not in TOO_BIG]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "samples.parquet"
            write_samples(path, n_rows)
            for work in WORKS:
                report(measure(path, fitting, work, options.rounds, options.repeats), work, n_rows)


if __name__ == "__main__":
    main()
