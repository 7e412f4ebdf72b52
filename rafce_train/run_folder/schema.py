"""The records of a run folder: what `metrics.json`, `history.parquet` and `predictions.parquet` hold, in what bounds.

Shares, probabilities and scores are between 0 and 1, counts are whole, times are seconds. Everything that follows from
other figures is derived again and compared. Without torch, since the reports read runs too.
N test images, K emotions, A action units.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rafce.errors import DatasetError, TrainingError, raise_all
from rafce.schema import Vocabulary, au_column, check_schema, emotion_slug

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

CONFIG, STATE, WEIGHTS, HISTORY = "config.toml", "state.pt", "weights.safetensors", "history.parquet"
PREDICTIONS, METRICS, MODEL_CARD, SUMS = "predictions.parquet", "metrics.json", "model_card.md", "SHA256SUMS"
OWN_FILES = (CONFIG, STATE, WEIGHTS, HISTORY, PREDICTIONS, METRICS, MODEL_CARD, SUMS)
SUMMED = (CONFIG, HISTORY, METRICS, MODEL_CARD, PREDICTIONS, WEIGHTS)
"""What `SHA256SUMS` of a finished run lists."""

METRICS_SCHEMA, OLD_METRICS_SCHEMA = "metrics/2", "metrics/1"
"""The older one is of releases without `SHA256SUMS`, the first of which knew no groups and no kinds of interval."""
HISTORY_SCHEMA = "history/1"
PROBABILITY_SUM = 1e-4
"""How far the float32 probabilities of an image may be from a sum of 1."""
ROUNDING = 1e-9
MAX_AU = 999
WHOLE_COLUMNS = ("epoch", "iterations")
SHARE_COLUMNS = ("accuracy", "uar", "au_macro_f1", "train_accuracy", "train_uar", "p_au")
GAP_COLUMNS = ("gap_accuracy", "gap_uar")
NEVER_NULL = ("epoch", "iterations", "accuracy", "uar")


SINCE_CHECKSUMS = {"since_checksums": True}
"""Marks a field that the first metrics.json did not have; one of today has it."""


@dataclass(frozen=True)
class Estimate:
    """A share with its 95 % interval; None for what does not exist."""

    value: float | None
    ci_low: float | None
    ci_high: float | None


@dataclass(frozen=True)
class Groups:
    """Of how many groups the images of each partition are; None where images have no groups."""

    train: int | None
    validation: int | None
    test: int | None


@dataclass(frozen=True)
class DatasetRecord:
    """Which dataset under which licence, and how many images of each partition were used."""

    fingerprint: str
    train: int
    validation: int
    test: int
    groups: Groups | None = field(default=None, metadata=SINCE_CHECKSUMS)
    licence: str | None = field(default=None, metadata=SINCE_CHECKSUMS)
    """The notes of its sources."""


@dataclass(frozen=True)
class Selected:
    """The epoch that validation picked, and its score there."""

    by: str
    epoch: int
    validation: float


@dataclass(frozen=True)
class Trial:
    """A pair of fixed weights that was tried, and how it did on validation."""

    rho_au: float
    rho_align: float
    epoch: int
    validation: float


@dataclass(frozen=True)
class Majority:
    """What always saying the most frequent training emotion scores."""

    emotion: str
    accuracy: Estimate
    uar: Estimate | float
    """Older releases gave no interval."""


@dataclass(frozen=True)
class CalibrationBin:
    """The images whose top probability is from `from_` to `to`: their mean confidence and their accuracy."""

    from_: float
    to: float
    n: int
    confidence: float
    accuracy: Estimate


@dataclass(frozen=True)
class Calibration:
    """Expected calibration error, and the bins that have images."""

    expected_error: float
    bins: tuple[CalibrationBin, ...]


@dataclass(frozen=True)
class EmotionRecord:
    """An emotion's figures; `support` is its number of images."""

    emotion: str
    support: int
    recall: Estimate
    f1: Estimate
    groups: int | None = field(default=None, metadata=SINCE_CHECKSUMS)


@dataclass(frozen=True)
class AuRecord:
    """An AU's figures; `n` images know it, `positives` show it."""

    au: int
    n: int
    positives: int
    train_positives: int
    validation_positives: int
    in_macro: bool
    threshold: float | None
    f1: Estimate
    average_precision: Estimate
    groups: int | None = field(default=None, metadata=SINCE_CHECKSUMS)


@dataclass(frozen=True)
class AuFigures:
    """Figures over all AUs that can be judged, and of each AU."""

    macro_f1: Estimate
    mean_average_precision: Estimate
    n_aus: int
    aus: tuple[AuRecord, ...]


@dataclass(frozen=True)
class Figures:
    """Every figure on the test images; `confusion` counts them by true (row) and predicted emotion."""

    n: int
    accuracy: Estimate
    uar: Estimate
    macro_f1: Estimate
    calibration: Calibration
    emotions: tuple[EmotionRecord, ...]
    confusion: tuple[tuple[int, ...], ...]
    action_units: AuFigures | None
    groups: int | None = field(default=None, metadata=SINCE_CHECKSUMS)
    intervals: Mapping[str, str] | None = field(default=None, metadata=SINCE_CHECKSUMS)


@dataclass(frozen=True)
class Metrics:
    """`metrics.json`: what was run on what, the epoch that was picked, and every figure on the test images."""

    schema: str
    method: str
    seed: int
    dataset: DatasetRecord
    selected: Selected
    weights: str | None
    dropped: tuple[str, ...]
    majority: Majority
    test: Figures
    trials: tuple[Trial, ...] | None = None
    chosen: Trial | None = None

    @property
    def is_old(self) -> bool:
        """Whether a release without checksums wrote it."""
        return self.schema == OLD_METRICS_SCHEMA


@dataclass(frozen=True, eq=False)  # arrays have no single truth value to compare by
class Predictions:
    """`predictions.parquet`: a row a test image, in the order of the file."""

    words: Vocabulary
    images: tuple[str, ...]
    emotion_N: IntArray
    predicted_N: IntArray
    probability_NK: FloatArray
    au_probability_NA: FloatArray
    """NaN throughout for an AU that was not learned."""
    groups: tuple[str, ...] | None


def parse_json(content: bytes, path: Path) -> Any:
    """JSON without NaN, infinity or a key that stands twice; TrainingError otherwise."""

    def refuse(name: str) -> Any:
        raise ValueError(f"{name} is not JSON")

    try:
        return json.loads(content.decode("utf-8"), parse_constant=refuse, object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        raise TrainingError(f"{path}: expected the metrics of a run: {error}") from None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"key {next(name for name in names if names.count(name) > 1)!r} stands there twice")
    return found


def metrics_record(values: Any, path: Path) -> Metrics:
    """`metrics.json` as its record; TrainingError names what is absent, of another type, out of bounds, at odds."""
    schema = values.get("schema") if isinstance(values, dict) else None
    if schema not in (METRICS_SCHEMA, OLD_METRICS_SCHEMA):
        raise TrainingError(f"{path}: expected schema {METRICS_SCHEMA}, found {str(schema)[:100]}")
    faults: list[str] = []
    record: Metrics = _decoded(Metrics, values, "", faults, schema == OLD_METRICS_SCHEMA)
    raise_all([f"{path}: {fault}" for fault in faults], TrainingError)
    raise_all([f"{path}: {fault}" for fault in _metrics_faults(record)], TrainingError)
    return record


def history_columns(table: pa.Table, path: Path) -> dict[str, FloatArray]:
    """`history.parquet` by column, NaN where a figure is undefined; TrainingError as in `metrics_record`."""
    found = (table.schema.metadata or {}).get(b"rafce.schema", b"none").decode(errors="replace")
    if found != HISTORY_SCHEMA:
        raise TrainingError(f"{path}: expected schema {HISTORY_SCHEMA}, found {found[:100]}")
    faults = []
    for name in dict.fromkeys((*NEVER_NULL, *table.column_names)):
        kind = pa.int64() if name in WHOLE_COLUMNS else pa.float64()
        faults += _type_fault(table, name, kind)
    raise_all([f"{path}: {fault}" for fault in faults], TrainingError)
    faults = [f for name in table.column_names for f in _column_faults(name, table[name])]
    raise_all([f"{path}: {fault}" for fault in faults], TrainingError)
    columns = {name: _floats(table[name]) for name in table.column_names}
    raise_all([f"{path}: {fault}" for fault in _epoch_faults(columns)], TrainingError)
    return columns


def predictions_record(table: pa.Table, path: Path) -> Predictions:
    """`predictions.parquet` as its record; TrainingError as in `metrics_record`."""
    try:
        words = check_schema(table.schema.metadata, "predictions", path)
    except DatasetError as error:
        raise TrainingError(str(error)) from None
    raise_all(
        [f"{path}: {fault}" for fault in [*words_faults(words), *_type_faults(table, words)]], TrainingError
    )
    raise_all([f"{path}: {fault}" for fault in _label_faults(table, words)], TrainingError)
    place = {name: position for position, name in enumerate(words.emotions)}
    emotion_N, predicted_N = (
        np.array([place[name] for name in table[column].to_pylist()], np.int64)
        for column in ("emotion", "predicted")
    )
    probability_NK, au_probability_NA = (
        np.stack([_floats(table[name]) for name in names], axis=1) if names else np.empty((len(table), 0))
        for names in (_emotion_columns(words), _au_columns(words))
    )
    raise_all(
        [f"{path}: {fault}" for fault in _probability_faults(words, table, probability_NK, predicted_N)],
        TrainingError,
    )
    groups = tuple(table["group"].to_pylist()) if "group" in table.column_names else None
    images = tuple(table["image"].to_pylist())
    return Predictions(words, images, emotion_N, predicted_N, probability_NK, au_probability_NA, groups)


def words_faults(words: Vocabulary) -> list[str]:
    """What is wrong with emotions and AUs as a file names them: none, empty, twice, no number of FACS."""
    faults = [] if words.emotions else ["expected at least one emotion, found none"]
    if "" in words.emotions:
        faults.append("expected the name of an emotion, found an empty one")
    faults += [f"emotion {name} stands there twice" for name in _repeated(words.emotions)]
    slugs = [emotion_slug(name) for name in dict.fromkeys(words.emotions)]
    faults += [f"column p_{slug} stands for two emotions" for slug in _repeated(slugs)]
    faults += [f"AU {au} stands there twice" for au in _repeated(words.aus)]
    return faults + [
        f"AU {au}: expected a number from 1 to {MAX_AU}" for au in words.aus if not 0 < au <= MAX_AU
    ]


def agreement_faults(
    metrics: Metrics, history: Mapping[str, FloatArray], predictions: Predictions
) -> list[str]:
    """Where the three files of a run say different things of the same."""
    test, words = metrics.test, predictions.words
    counted = np.zeros((len(words.emotions),) * 2, np.int64)
    np.add.at(counted, (predictions.emotion_N, predictions.predicted_N), 1)
    faults = []
    if tuple(row.emotion for row in test.emotions) != words.emotions:
        faults.append(f"{METRICS} and {PREDICTIONS} name different emotions, or in another order")
    elif test.confusion != tuple(map(tuple, counted.tolist())):
        faults.append(f"{METRICS}: test.confusion: expected the counts of {PREDICTIONS}, found others")
    if test.action_units and tuple(row.au for row in test.action_units.aus) != words.aus:
        faults.append(f"{METRICS} and {PREDICTIONS} name different AUs, or in another order")
    if not metrics.is_old and test.groups != (len(set(predictions.groups)) if predictions.groups else None):
        faults.append(f"{METRICS}: test.groups: expected the groups of {PREDICTIONS}, found {test.groups}")
    return faults + _selection_faults(metrics.selected, history)


def _selection_faults(selected: Selected, history: Mapping[str, FloatArray]) -> list[str]:
    scores = history[selected.by]
    best = int(np.argmax(scores)) if len(scores) else -1
    if best < 0 or (selected.epoch, selected.validation) != (best + 1, scores[best]):
        return [
            f"{METRICS}: selected: expected the first epoch with the best {selected.by} of {HISTORY}, "
            f"found epoch {selected.epoch} with {selected.validation}"
        ]
    return []


# -- from plain JSON to records


def _decoded(kind: Any, value: Any, where: str, faults: list[str], is_old: bool) -> Any:
    """A value as its type has it; what does not fit is told in `faults` with its place."""
    if get_origin(kind) is UnionType:
        if value is None and type(None) in get_args(kind):
            return None
        kinds = [part for part in get_args(kind) if part is not type(None)]
        kind = kinds[0] if len(kinds) == 1 or isinstance(value, dict) else kinds[1]
        return _decoded(kind, value, where, faults, is_old)
    if is_dataclass(kind) and isinstance(value, dict):
        return _decoded_record(kind, value, where, faults, is_old)
    if get_origin(kind) is tuple and isinstance(value, list):
        items = get_args(kind)[0]
        return tuple(_decoded(items, item, f"{where}.{i}", faults, is_old) for i, item in enumerate(value))
    if get_origin(kind) is Mapping and isinstance(value, dict):
        texts = get_args(kind)[1]
        return {
            name: _decoded(texts, item, f"{where}.{name}", faults, is_old) for name, item in value.items()
        }
    if kind is float and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    if type(value) is kind:
        return value
    faults.append(f"{where}: expected {_in_words(kind)}, found {json.dumps(value)[:100]}")
    return None


def _decoded_record(kind: Any, value: dict[str, Any], where: str, faults: list[str], is_old: bool) -> Any:
    hints, found = _hints(kind), {}
    for item in fields(kind):
        key = item.name.removesuffix("_")
        place = f"{where}.{key}" if where else key
        if key in value:
            found[item.name] = _decoded(hints[item.name], value[key], place, faults, is_old)
        elif item.default is MISSING or (item.metadata and not is_old):
            faults.append(f"{place}: expected it, found none")
            found[item.name] = None
    return kind(**found)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _in_words(kind: Any) -> str:
    plain = {int: "a whole number", float: "a finite number", str: "a text", bool: "true or false"}
    return plain.get(kind, "a list" if get_origin(kind) is tuple else "names with values")


# -- metrics.json


def _metrics_faults(metrics: Metrics) -> list[str]:
    dataset, test, selected = metrics.dataset, metrics.test, metrics.selected
    faults = _share("selected.validation", selected.validation)
    if selected.by not in ("uar", "accuracy"):
        faults.append(f"selected.by: expected uar or accuracy, found {selected.by[:100]!r}")
    if selected.epoch < 1:
        faults.append(f"selected.epoch: expected at least 1, found {selected.epoch}")
    if dataset.test != test.n:
        faults.append(f"dataset.test: expected test.n, {test.n}, found {dataset.test}")
    counts = {name: getattr(dataset, name) for name in ("train", "validation", "test")}
    faults += [f"dataset.{name}: expected at least 1, found {n}" for name, n in counts.items() if n < 1]
    for name, trial in enumerate(metrics.trials or ()):
        faults += _share(f"trials.{name}.validation", trial.validation)
    if metrics.chosen and metrics.chosen not in (metrics.trials or ()):
        faults.append("chosen: expected one of the trials")
    if faults := [*faults, *_figure_faults(test)]:
        return faults
    return [*_majority_faults(metrics.majority, test), *_group_faults(metrics)]


def _figure_faults(test: Figures) -> list[str]:
    n_emotions = len(test.emotions)
    if len(test.confusion) != n_emotions or any(len(row) != n_emotions for row in test.confusion):
        return [f"test.confusion: expected {n_emotions} rows of {n_emotions} counts"]
    if not n_emotions or any(count < 0 for row in test.confusion for count in row):
        return ["test.confusion: expected counts of at least 0 of at least one emotion"]
    faults = words_faults(Vocabulary(tuple(row.emotion for row in test.emotions), ()))
    confusion_KK = np.array(test.confusion, dtype=object)  # whole numbers of any size
    support_K, predicted_K, right_K = confusion_KK.sum(1), confusion_KK.sum(0), np.diagonal(confusion_KK)
    n = int(support_K.sum())
    if n != test.n or n < 1:
        return [*faults, f"test.n: expected the {n} images of the confusion matrix, found {test.n}"]
    rate_faults = _rate_faults if test.groups is None else _estimate_faults
    recall_K, f1_K = [], []
    for k, row in enumerate(test.emotions):
        place = f"test.emotions.{k}"
        if row.support != support_K[k]:
            faults.append(f"{place}.support: expected row {k} of the confusion matrix, found {row.support}")
        there = support_K[k] > 0
        recall_K.append(right_K[k] / support_K[k] if there else None)
        f1_K.append(2 * right_K[k] / (support_K[k] + predicted_K[k]) if there else None)
        faults += rate_faults(f"{place}.recall", row.recall, recall_K[k])
        faults += _estimate_faults(f"{place}.f1", row.f1, f1_K[k])
    faults += rate_faults("test.accuracy", test.accuracy, int(right_K.sum()) / n)
    faults += _estimate_faults("test.uar", test.uar, _mean(recall_K))
    faults += _estimate_faults("test.macro_f1", test.macro_f1, _mean(f1_K))
    faults += _calibration_faults(test.calibration, n, int(right_K.sum()))
    return faults + (_au_faults(test.action_units, n) if test.action_units else [])


def _calibration_faults(calibration: Calibration, n: int, n_right: int) -> list[str]:
    place, faults, gaps, right = "test.calibration", list[str](), 0.0, 0.0
    for position, row in enumerate(calibration.bins):
        where = f"{place}.bins.{position}"
        faults += _estimate_faults(f"{where}.accuracy", row.accuracy, row.accuracy.value)
        if row.n < 1 or row.accuracy.value is None or not 0 <= row.from_ < row.to <= 1 + ROUNDING:
            faults.append(f"{where}: expected images of a part of the range from 0 to 1")
            continue
        if not row.from_ - 1e-6 <= row.confidence <= row.to + 1e-6:
            faults.append(f"{where}.confidence: expected {row.from_} to {row.to}, found {row.confidence}")
        gaps += row.n * abs(row.confidence - row.accuracy.value)
        right += row.n * row.accuracy.value
    if faults:
        return faults
    edges = [edge for row in calibration.bins for edge in (row.from_, row.to)]
    if any(a > b + ROUNDING for a, b in pairwise(edges)):
        return [f"{place}.bins: expected parts of the range that rise"]
    if sum(row.n for row in calibration.bins) != n or not math.isclose(right, n_right, abs_tol=1e-6 * n):
        return [f"{place}.bins: expected the {n} images, {n_right} of them right, found others"]
    if not math.isclose(calibration.expected_error, gaps / n, abs_tol=ROUNDING):
        return [
            f"{place}.expected_error: expected {gaps / n} by its bins, found {calibration.expected_error}"
        ]
    return []


def _au_faults(figures: AuFigures, n: int) -> list[str]:
    place = "test.action_units"
    faults = words_faults(Vocabulary(("any",), tuple(row.au for row in figures.aus)))
    for i, row in enumerate(figures.aus):
        where = f"{place}.aus.{i}"
        if not 0 <= row.positives <= row.n <= n or min(row.train_positives, row.validation_positives) < 0:
            faults.append(
                f"{where}: expected at most {n} images that know AU {row.au}, and among them those with it"
            )
        if row.in_macro != (row.train_positives > 0 and row.positives > 0):
            faults.append(f"{where}.in_macro: expected the opposite by its numbers of images")
        if row.threshold is not None:
            faults += _share(f"{where}.threshold", row.threshold)
        for name, figure in (("f1", row.f1), ("average_precision", row.average_precision)):
            faults += _estimate_faults(f"{where}.{name}", figure, figure.value)
            if (row.in_macro and figure.value is None) or (not row.positives and figure.value is not None):
                faults.append(f"{where}.{name}: expected a value just where the AU can be judged")
    judged = [row for row in figures.aus if row.in_macro]
    if figures.n_aus != len(judged):
        faults.append(f"{place}.n_aus: expected {len(judged)}, found {figures.n_aus}")
    for name, mean, each in (
        ("macro_f1", figures.macro_f1, [row.f1.value for row in judged]),
        (
            "mean_average_precision",
            figures.mean_average_precision,
            [row.average_precision.value for row in judged],
        ),
    ):
        faults += _estimate_faults(f"{place}.{name}", mean, _mean(each))
    return faults


def _majority_faults(majority: Majority, test: Figures) -> list[str]:
    support = {row.emotion: row.support for row in test.emotions}
    if majority.emotion not in support:
        return [f"majority.emotion: expected one of the emotions, found {majority.emotion[:100]!r}"]
    n = support[majority.emotion]
    uar = (n > 0) / sum(of > 0 for of in support.values())
    faults = _estimate_faults("majority.accuracy", majority.accuracy, n / test.n)
    found = majority.uar if isinstance(majority.uar, Estimate) else Estimate(majority.uar, None, None)
    return faults + _estimate_faults("majority.uar", found, uar)


def _group_faults(metrics: Metrics) -> list[str]:
    """Numbers of groups: everywhere or nowhere, and never more than images."""
    if metrics.is_old or metrics.dataset.groups is None:
        return [] if metrics.is_old else ["dataset.groups: expected numbers or nulls, found none"]
    dataset, test = metrics.dataset, metrics.test
    numbers: list[tuple[str, int | None, int]] = [
        (f"dataset.groups.{name}", getattr(dataset.groups, name), getattr(dataset, name))
        for name in ("train", "validation", "test")
    ]
    numbers.append(("test.groups", test.groups, test.n))
    numbers += [(f"test.emotions.{k}.groups", row.groups, row.support) for k, row in enumerate(test.emotions)]
    aus = test.action_units.aus if test.action_units else ()
    numbers += [(f"test.action_units.aus.{i}.groups", row.groups, row.n) for i, row in enumerate(aus)]
    has_groups = test.groups is not None
    faults = [
        f"{place}: expected {'a number' if has_groups else 'null'} of groups of {n} images, found {found}"
        for place, found, n in numbers
        if (found is not None) != has_groups or (found is not None and not (n > 0) <= found <= n)
    ]
    if metrics.dataset.groups.test != test.groups:
        faults.append(f"dataset.groups.test: expected test.groups, {test.groups}")
    return faults


def _rate_faults(place: str, found: Estimate, value: float | None) -> list[str]:
    """As `_estimate_faults`; the interval of a share of images, in closed form, holds the share."""
    faults = _estimate_faults(place, found, value)
    if faults or found.value is None or found.ci_low is None or found.ci_high is None:
        return faults
    if not found.ci_low - ROUNDING <= found.value <= found.ci_high + ROUNDING:
        return [
            f"{place}: expected {found.value} within its interval, found {found.ci_low} to {found.ci_high}"
        ]
    return []


def _estimate_faults(place: str, found: Estimate, value: float | None) -> list[str]:
    """What contradicts the value that follows from other figures; bootstrap intervals need not hold it."""
    if (found.value is None) != (value is None):
        return [f"{place}.value: expected {'null' if value is None else value}, found {found.value}"]
    if (found.ci_low is None) != (found.ci_high is None) or (
        found.value is None and found.ci_low is not None
    ):
        return [f"{place}: expected an interval with two ends about a value, or none"]
    faults = [
        fault
        for name, share in vars(found).items()
        if share is not None
        for fault in _share(f"{place}.{name}", share)
    ]
    if found.value is not None and not math.isclose(found.value, float(value or 0), abs_tol=ROUNDING):
        faults.append(f"{place}.value: expected {value} by the other figures, found {found.value}")
    if found.ci_low is not None and found.ci_high is not None and found.ci_low > found.ci_high:
        faults.append(f"{place}: expected ci_low up to ci_high, found {found.ci_low} and {found.ci_high}")
    return faults


def _share(place: str, value: float) -> list[str]:
    return [] if 0 <= value <= 1 else [f"{place}: expected 0 to 1, found {value}"]


def _mean(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None


# -- history.parquet


def _column_faults(name: str, column: pa.ChunkedArray) -> list[str]:
    values = _floats(column)
    if name in NEVER_NULL and column.null_count:
        return [f"column {name}: expected no null"]
    known = values[np.isfinite(values)]
    if len(known) + column.null_count != len(values):
        return [f"column {name}: expected finite numbers"]
    low, high = _bounds(name)
    outside = known[(known < low) | (known > high)]
    return [f"column {name}: expected {low:g} to {high:g}, found {outside[0]:g}"] if len(outside) else []


def _bounds(name: str) -> tuple[float, float]:
    if name in SHARE_COLUMNS:
        return 0, 1
    if name in GAP_COLUMNS:
        return -1, 1
    counted = (
        name in (*WHOLE_COLUMNS, "validation_loss")
        or name.startswith(("lr_", "seconds_"))
        or name.endswith("_sd")
    )
    return (0, math.inf) if counted else (-math.inf, math.inf)


def _epoch_faults(columns: Mapping[str, FloatArray]) -> list[str]:
    """Epochs are counted from 1, each of as many iterations; a gap is the difference of its two scores."""
    epoch, iterations = columns["epoch"], columns["iterations"]
    faults = []
    if not np.array_equal(epoch, np.arange(1, len(epoch) + 1)):
        faults.append("column epoch: expected 1, 2, 3 and so on")
    elif len(epoch) and (iterations[0] < 1 or not np.array_equal(iterations, iterations[0] * epoch)):
        faults.append("column iterations: expected the same number in each epoch")
    for name in ("accuracy", "uar"):
        gap, train = columns.get(f"gap_{name}"), columns.get(f"train_{name}")
        if (
            gap is not None
            and train is not None
            and not np.allclose(gap, train - columns[name], rtol=0, atol=ROUNDING)
        ):
            faults.append(f"column gap_{name}: expected train_{name} less {name}")
    return faults


# -- predictions.parquet


def _emotion_columns(words: Vocabulary) -> list[str]:
    return [f"p_{emotion_slug(name)}" for name in words.emotions]


def _au_columns(words: Vocabulary) -> list[str]:
    return [f"p_{au_column(au)}" for au in words.aus]


def _type_faults(table: pa.Table, words: Vocabulary) -> list[str]:
    expected = dict.fromkeys(("image", "emotion", "predicted"), pa.string())
    expected |= dict.fromkeys((*_emotion_columns(words), *_au_columns(words)), pa.float32())
    if "group" in table.column_names:
        expected["group"] = pa.string()
    faults = [
        f"column {name}: expected none of this name" for name in table.column_names if name not in expected
    ]
    for name, kind in expected.items():
        faults += _type_fault(table, name, kind)
    return faults


def _type_fault(table: pa.Table, name: str, kind: pa.DataType) -> list[str]:
    found = [item.type for item in table.schema if item.name == name]
    return (
        []
        if found == [kind]
        else [f"column {name}: expected {kind} once, found {', '.join(map(str, found)) or 'none'}"]
    )


def _label_faults(table: pa.Table, words: Vocabulary) -> list[str]:
    names = [name for name in ("image", "group", "emotion", "predicted") if name in table.column_names]
    faults = [f"column {name}: expected no null" for name in names if table[name].null_count]
    if faults or not len(table):
        return faults or ["expected at least one image, found none"]
    faults = [f"image {name} stands there twice" for name in _repeated(table["image"].to_pylist())]
    for column in ("emotion", "predicted"):
        foreign = sorted(set(table[column].to_pylist()) - set(words.emotions))
        faults += [f"column {column}: unknown emotion {name[:100]!r}" for name in foreign]
    return faults


def _probability_faults(
    words: Vocabulary, table: pa.Table, probability_NK: FloatArray, predicted_N: IntArray
) -> list[str]:
    faults = []
    for name in _au_columns(words):
        if table[name].null_count not in (0, len(table)):
            faults.append(f"column {name}: expected null in every row or in none")
        elif not table[name].null_count:
            faults += _outside(name, _floats(table[name]))
    for name, p_N in zip(_emotion_columns(words), probability_NK.T, strict=True):
        faults += _outside(name, p_N)
    if faults:
        return faults
    wrong_N = np.abs(probability_NK.sum(1) - 1) > PROBABILITY_SUM
    faults = [f"row {row + 1}: expected probabilities with a sum of 1" for row in np.flatnonzero(wrong_N)]
    other_N = probability_NK.argmax(1) != predicted_N
    return faults + [
        f"row {row + 1}: expected the most probable emotion, found {words.emotions[predicted_N[row]]}"
        for row in np.flatnonzero(other_N)
    ]


def _outside(name: str, p_N: FloatArray) -> list[str]:
    bad_N = ~((p_N >= 0) & (p_N <= 1))  # NaN is not in the range
    return (
        [f"column {name}: expected 0 to 1, found {p_N[bad_N][0]:g} in row {np.argmax(bad_N) + 1}"]
        if bad_N.any()
        else []
    )


def _floats(column: pa.ChunkedArray) -> FloatArray:
    """As float64, NaN for null."""
    return np.asarray(column.cast(pa.float64()).to_numpy(), np.float64)


def _repeated(values: Sequence[Any]) -> list[Any]:
    return [value for value, times in Counter(values).items() if times > 1]
