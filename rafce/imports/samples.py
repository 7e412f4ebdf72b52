"""The samples of a dataset folder from spooled rows: partitions, ids, masks, one file or a folder of parts."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rafce.errors import ConfigError
from rafce.imports.partitions import check_whole_groups, with_validation
from rafce.imports.spellings import as_number
from rafce.imports.spool import Spool
from rafce.parquet import write_parquet
from rafce.schema import (
    MAX_MASK_AUS,
    PARTITIONS,
    SAMPLES_PLACES,
    Vocabulary,
    au_column,
    imported_samples_schema,
)
from rafce.split import grouped_split, stratified_split
from rafce.tables import au_mask
from rafce.taxonomy import BASIC_EMOTIONS, COMPOUND_EMOTIONS

# N rows, A action units
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

ONE_FILE_ROWS = 1 << 21  # above that not all rows are in memory at a time
PART_ROWS = 1 << 20
KNOWN_ORDERS = (COMPOUND_EMOTIONS, (*BASIC_EMOTIONS, "neutral"))
SOURCE = "given"


class Labels(NamedTuple):
    """The labels of all rows in their final order: ids of emotions, partitions, and positions in `groups` if any.

    `n_carved` rows were taken from train for validation.
    """

    emotion_N: IntArray
    partition_N: npt.NDArray[np.object_]
    group_N: IntArray | None
    groups: tuple[str, ...]
    n_carved: int = 0


def emotion_order(names: Sequence[str]) -> tuple[str, ...]:
    """The order of the ids: the paper's for its fourteen, RAF-ML's and neutral for basic emotions, else by name.

    Only emotions that occur have an id; names of both kinds, or any other name, mean sorting: numbers by their value,
    before words.
    """
    for order in KNOWN_ORDERS:
        if set(names) <= set(order):
            return tuple(name for name in order if name in names)
    return tuple(sorted(names, key=_rank))


def _rank(name: str) -> tuple[bool, Decimal, str]:
    number = as_number(name)
    return number is None, number or Decimal(0), name


def make_labels(
    spool: Spool,
    emotions: Sequence[str],
    groups: Sequence[str],
    words: Vocabulary,
    shares: Sequence[float],
    seed: int,
) -> Labels:
    """The labels of all rows, whose numbers stand for `emotions` and `groups`.

    The partitions are their own where the tables have them, with validation taken from train if there is none, else a
    split that cuts no group. ConfigError: fewer groups than partitions. DatasetError: a group in two partitions.
    """
    emotion_N = _places(emotions, words.emotions)[spool.column("emotion")]
    names = tuple(sorted(groups))
    group_N = _places(groups, names)[spool.column("group")] if "group" in spool.schema.names else None
    if "partition" in spool.schema.names:
        own_N = np.array(PARTITIONS, dtype=object)[spool.column("partition")]
        if group_N is not None:
            check_whole_groups(own_N, group_N, names)
        carved = with_validation(own_N, emotion_N, group_N, seed)
        return Labels(emotion_N, carved.partition_N, group_N, names, carved.n_carved)
    if group_N is None:
        partition_N = stratified_split(emotion_N, shares, seed)
    else:
        _check_groups(names)
        partition_N = grouped_split(emotion_N, group_N, shares, seed)
    return Labels(emotion_N, partition_N, group_N, names)


def _places(names: Sequence[str], order: Sequence[str]) -> IntArray:
    """The position in `order` of each name."""
    position = {name: i for i, name in enumerate(order)}
    return np.array([position[name] for name in names], np.int64)


def _check_groups(names: Sequence[str]) -> None:
    if len(names) < len(PARTITIONS):
        raise ConfigError(
            f"--group-column: expected at least {len(PARTITIONS)} groups, one for each partition, "
            f"found {len(names)}: {', '.join(names)}"
        )


def write_samples(spool: Spool, labels: Labels, words: Vocabulary, folder: Path) -> None:
    """Write `samples.parquet`, or `samples/` with numbered parts where the rows are too many for one file."""
    schema = imported_samples_schema(words, labels.group_N is not None, some_unknown(spool))
    file, parts = (folder / name for name in SAMPLES_PLACES)
    if spool.n_rows <= ONE_FILE_ROWS:
        pieces = _pieces(spool, ONE_FILE_ROWS)
        write_parquet(_table(next(pieces), 0, labels, words), schema, file)
        return
    parts.mkdir()
    start = 0
    for i, rows in enumerate(_pieces(spool, PART_ROWS)):
        write_parquet(_table(rows, start, labels, words), schema, parts / f"{i:06d}.parquet")
        start += rows.num_rows


def some_unknown(spool: Spool) -> bool:
    """Whether any AU of any row is unknown."""
    names = [name for name in spool.schema.names if name.startswith("AU")]
    return any(column.null_count for batch in spool.read(names) for column in batch.columns)


def _pieces(spool: Spool, n_rows: int) -> Iterator[pa.Table]:
    """The rows in tables of this size, the last one smaller."""
    waiting: list[pa.RecordBatch] = []
    n_waiting = 0
    for batch in spool.read():
        while n_waiting + len(batch) > n_rows:
            yield pa.Table.from_batches([*waiting, batch.slice(0, n_rows - n_waiting)])
            batch, waiting, n_waiting = batch.slice(n_rows - n_waiting), [], 0
        waiting.append(batch)
        n_waiting += len(batch)
    if waiting:
        yield pa.Table.from_batches(waiting)


def _table(rows: pa.Table, start: int, labels: Labels, words: Vocabulary) -> pa.Table:
    """Rows from `start` on with all columns of the schema."""
    here = slice(start, start + rows.num_rows)
    emotion_N = labels.emotion_N[here]
    columns = {
        "image": rows["image"],
        "partition": pa.array(labels.partition_N[here]),
        "emotion": pa.array(words.emotions).take(pa.array(emotion_N)),
        "emotion_id": pa.array(emotion_N, pa.int8()),
        "emotion_source": pa.repeat(SOURCE, rows.num_rows),
        **{au_column(au): rows[au_column(au)] for au in words.aus},
    }
    if labels.group_N is not None:
        columns["group"] = pa.array(labels.groups).take(pa.array(labels.group_N[here]))
    if len(words.aus) <= MAX_MASK_AUS:
        states = rows.select([au_column(au) for au in words.aus])
        columns["au_mask"] = _mask(states, lambda state: state.fill_null(False))
        columns["au_known"] = _mask(states, lambda state: state.is_valid())
    return pa.table(columns)


def _mask(states: pa.Table, bit: Callable[[pa.Array], pa.Array]) -> npt.NDArray[np.uint32]:
    """A bit of each AU, made batch by batch: outside of Arrow a bit takes a byte and more."""
    batches = states.to_batches(max_chunksize=1 << 16)
    return np.concatenate(
        [au_mask(np.stack([bit(state) for state in batch.columns], axis=1)) for batch in batches]
    )
