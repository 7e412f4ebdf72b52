"""Rows to the four Parquet tables of the dataset folder (pure; the schemas fix columns and types)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rafce.grouped import GroupTally, sureness_of
from rafce.joining import Discard, Sample
from rafce.reference import LabCell
from rafce.schema import CATEGORIES, MAX_MASK_AUS, SCOPES, Vocabulary, au_column
from rafce.statistics import BoolArray, Counts, category_index, category_names, count, frequency
from rafce.taxonomy import BASIC_EMOTIONS


def samples_table(samples: Sequence[Sample], words: Vocabulary) -> pa.Table:
    """`samples.parquet` of samples sorted by image name; the AUs of RAF-AU are all known."""
    active_NA = au_matrix(samples, words.aus)
    columns = {
        "image": [s.image for s in samples],
        "partition": [s.partition for s in samples],
        "emotion": [words.emotions[s.emotion_id] for s in samples],
        "emotion_id": pa.array([s.emotion_id for s in samples], pa.int8()),
        "emotion_source": [s.source for s in samples],
        "tied": pa.array([s.tied for s in samples], pa.bool_()),
        **probability_columns([s.probabilities for s in samples]),
        **{au_column(au): active_NA[:, i] for i, au in enumerate(words.aus)},
        "au_mask": au_mask(active_NA),
        "au_raw": [s.au.label for s in samples],
    }
    return pa.table(columns)


def au_matrix(samples: Sequence[Sample], aus: Sequence[int]) -> BoolArray:
    """Which AUs are active in each sample, shape (N, A)."""
    active = [sample.au.aus for sample in samples]
    return np.array([[au in present for au in aus] for present in active], bool).reshape(-1, len(aus))


def au_mask(active_NA: BoolArray) -> npt.NDArray[np.uint32]:
    """The AUs of each sample as bits, shape (N,): bit i is the i-th AU of the vocabulary; at most 32 fit."""
    n_aus = active_NA.shape[1]
    if n_aus > MAX_MASK_AUS:
        raise ValueError(f"au_mask holds {MAX_MASK_AUS} AUs, not {n_aus}")
    return active_NA @ (1 << np.arange(n_aus, dtype=np.uint32))


def probability_columns(rows: Sequence[Sequence[float] | None]) -> dict[str, pa.Array]:
    """The columns p_surprise … p_anger, null where an image has no distribution."""
    columns = {}
    for i, name in enumerate(BASIC_EMOTIONS):
        columns[f"p_{name}"] = pa.array([None if row is None else row[i] for row in rows], pa.float32())
    return columns


def discarded_table(discards: Sequence[Discard]) -> pa.Table:
    """`discarded.parquet` of discards sorted by image name."""
    return pa.table(
        {
            "image": pa.array([d.image for d in discards], pa.string()),
            "reason": pa.array([d.reason for d in discards], pa.string()),
            "label_1": pa.array([d.labels[0] for d in discards], pa.string()),
            "label_2": pa.array([d.labels[1] for d in discards], pa.string()),
            **probability_columns([d.probabilities for d in discards]),
        }
    )


def au_statistics_table(
    counts_by_scope: Mapping[str, Counts], words: Vocabulary, groups: GroupTally | None = None
) -> pa.Table:
    """`au_statistics.parquet`: scope by scope, emotion by emotion, AU by AU.

    With groups it says how many, and intervals and masses are those of `rafce.grouped.grouped_sureness`.
    """
    tables = [
        _scope_table(scope, counts, words, None if groups is None else groups.in_scope(scope))
        for scope, counts in counts_by_scope.items()
    ]
    return pa.concat_tables(tables)


def counts_by_scope(
    emotion_N: npt.NDArray[np.int64],
    partition_N: npt.NDArray[np.object_],
    active_NA: BoolArray,
    known_NA: BoolArray,
    n_emotions: int,
) -> dict[str, Counts]:
    """The counts of each scope: all images, and those of each partition."""
    counts = {}
    for scope in SCOPES:
        rows = np.ones(len(emotion_N), bool) if scope == "all" else partition_N == scope
        counts[scope] = count(emotion_N[rows], active_NA[rows], known_NA[rows], n_emotions)
    return counts


def _scope_table(scope: str, counts: Counts, words: Vocabulary, groups: GroupTally | None) -> pa.Table:
    n_emotions, n_aus = counts.known_EA.shape
    sure = sureness_of(counts, groups)
    rates: dict[str, Any] = {"frequency": frequency(counts), "ci_low": sure.low_EA, "ci_high": sure.high_EA}
    rates |= {f"p_{name}": sure.mass_EAC[..., i] for i, name in enumerate(CATEGORIES)}
    columns = {
        "scope": [scope] * (n_emotions * n_aus),
        "emotion": np.repeat(np.array(words.emotions, dtype=object), n_aus),
        "emotion_id": np.repeat(np.arange(n_emotions, dtype=np.int8), n_aus),
        "au": np.tile(np.array(words.aus, np.int16), n_emotions),
        "n": counts.known_EA.ravel(),
        **({} if groups is None else {"n_groups": groups.n_groups_EA().ravel()}),
        "count": counts.active_EA.ravel(),
        "category": pa.array(category_names(category_index(counts)).ravel().tolist(), pa.string()),
        **{name: pa.array(rate.ravel(), from_pandas=True) for name, rate in rates.items()},
    }
    return pa.table(columns)


def lab_statistics_table(cells: Sequence[LabCell]) -> pa.Table:
    """`lab_statistics.parquet`: the laboratory table in force."""
    return pa.table(
        {
            "emotion": pa.array([cell.emotion for cell in cells], pa.string()),
            "au": pa.array([cell.au for cell in cells], pa.int16()),
            "percent": pa.array([cell.percent for cell in cells], pa.float64()),
            "note": pa.array([cell.note for cell in cells], pa.string()),
        }
    )
