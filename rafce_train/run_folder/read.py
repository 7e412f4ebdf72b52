"""A finished run folder as a whole: every file checked against `SHA256SUMS`, its schema and the others."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rafce.errors import RafceError, TrainingError, raise_all
from rafce_train.run_folder.checksums import Sums, is_finished, read_sums
from rafce_train.run_folder.schema import (
    CONFIG,
    HISTORY,
    METRICS,
    PREDICTIONS,
    SUMS,
    Metrics,
    agreement_faults,
    history_columns,
    metrics_record,
    parse_json,
    predictions_record,
)

BEFORE = "made before runs had checksums: its files agree with each other, but other damage goes unseen"
OPTION_TYPES: dict[str, type] = {"method": str, "seed": int, "dataset": str, "images": str}
"""Options that every release wrote and the reports read."""


@dataclass(frozen=True, eq=False)  # tables have no single truth value to compare by
class FinishedRun:
    """What a finished run says, as it stands in its files and as their records."""

    config: dict[str, Any]
    metrics: dict[str, Any]
    record: Metrics
    history: pa.Table
    predictions: pa.Table
    is_old: bool
    """Whether a release without checksums made it."""


def read_finished(folder: Path) -> FinishedRun:
    """The files of a finished run; TrainingError where one is absent, damaged, changed or contradicts another."""
    sums = read_sums(folder)
    metrics, record = finished_metrics(sums)
    config = read_options(sums)
    tables = {name: read_table(sums.read(name), folder / name) for name in (HISTORY, PREDICTIONS)}
    history = history_columns(tables[HISTORY], folder / HISTORY)
    predictions = predictions_record(tables[PREDICTIONS], folder / PREDICTIONS)
    faults = [*_option_faults(config, record), *agreement_faults(record, history, predictions)]
    raise_all([f"{folder}: {fault}" for fault in faults], TrainingError)
    return FinishedRun(config, metrics, record, tables[HISTORY], tables[PREDICTIONS], sums.digests is None)


def notes(path: Path) -> list[str]:
    """What to know of a run folder that is not done yet, or has no checksums; nothing of a file."""
    if not path.is_dir():
        return []
    texts = (
        []
        if is_finished(path)
        else [f"{path} is not finished: its weights are those of the best epoch so far"]
    )
    return texts + ([f"{path} was {BEFORE}"] if read_sums(path).digests is None else [])


def read_metrics(sums: Sums) -> tuple[dict[str, Any], Metrics] | None:
    """`metrics.json` as it stands and as its record, None before a run is finished; TrainingError where it is bad."""
    path = sums.folder / METRICS
    if not path.is_file() or not sums.has(METRICS):
        return None
    values = parse_json(sums.read(METRICS), path)
    record = metrics_record(values, path)
    if sums.digests is None and not record.is_old:
        raise TrainingError(
            f"{sums.folder}: expected {SUMS} in a run with metrics of schema {record.schema}, found none"
        )
    return values, record


def finished_metrics(sums: Sums) -> tuple[dict[str, Any], Metrics]:
    """As `read_metrics`; TrainingError when a run is not finished."""
    found = read_metrics(sums)
    if found is None:
        raise TrainingError(
            f"{sums.folder}: expected a finished run, found no {METRICS}; rafce-train run --resume goes on with one"
        )
    return found


def read_options(sums: Sums, error: type[RafceError] = TrainingError) -> dict[str, Any]:
    """`config.toml` as plain values; `error` where it is absent, changed or no TOML."""
    content = sums.read(CONFIG, error)
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise error(f"{sums.folder / CONFIG}: expected TOML: {problem}") from None


def read_table(content: bytes, path: Path) -> pa.Table:
    """A Parquet file from its content, its page checksums verified; TrainingError where it is damaged."""
    try:
        table = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True).read()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:  # a damaged footer is a UnicodeDecodeError
        raise TrainingError(f"{path}: expected a Parquet file: {error}") from None
    return table


def _option_faults(config: dict[str, Any], metrics: Metrics) -> list[str]:
    faults = [
        f"{CONFIG}: {name}: expected a value of type {kind.__name__}, found {str(config.get(name))[:100]}"
        for name, kind in OPTION_TYPES.items()
        if type(config.get(name)) is not kind
    ]
    return faults or [
        f"{METRICS}: {name}: expected {config[name]} as in {CONFIG}, found {getattr(metrics, name)}"
        for name in ("method", "seed")
        if config[name] != getattr(metrics, name)
    ]
