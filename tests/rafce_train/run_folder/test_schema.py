"""Each figure of a run is held against those that it follows from: whatever is changed alone is refused."""

import copy
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rafce.errors import TrainingError
from rafce.schema import AUS_KEY, EMOTIONS_KEY
from rafce_train.run_folder.checksums import read_sums, write_sums
from rafce_train.run_folder.read import read_finished
from rafce_train.run_folder.schema import metrics_record, parse_json

Place = tuple[str | int, ...]
FREE = ("fingerprint", "licence", "steps", "weights", "rates", "scores")
"""Texts and the like that follow from nothing else."""


@pytest.fixture(scope="module")
def finished(tiny, whole):
    return whole(tiny(method="mtl", epochs=2))[0]


@pytest.fixture(scope="module")
def metrics(finished):
    return json.loads((finished / "metrics.json").read_text())


@pytest.fixture
def copied(finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    return folder


def leaves(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every number and text with its place; of a list the first three, since its items are alike."""
    items = (
        value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    )
    for key, inner in items:
        yield from leaves(inner, (*place, key))
    if not isinstance(value, dict | list):
        yield place, value


def changed(values: Any, place: Place, new: Any) -> Any:
    """The same but for the value at a place; what lies beside the way there is shared."""
    if not place:
        return new
    found = copy.copy(values)
    found[place[0]] = changed(
        found.get(place[0]) if isinstance(found, dict) else found[place[0]], place[1:], new
    )
    return found


def read(values: Any) -> Any:
    return metrics_record(values, Path("metrics.json"))


def test_what_a_run_wrote_is_read_and_its_record_has_its_figures(metrics, finished):
    record = read(metrics)
    assert record.test.accuracy.value == metrics["test"]["accuracy"]["value"]
    assert record.test.calibration.bins[0].from_ == metrics["test"]["calibration"]["bins"][0]["from"]
    assert [row.au for row in record.test.action_units.aus] == [
        row["au"] for row in metrics["test"]["action_units"]["aus"]
    ]
    assert read_finished(finished).metrics == metrics


def test_every_number_below_its_range_and_every_value_of_another_type_is_refused(metrics):
    n_numbers = 0
    for place, value in leaves(metrics):
        if place[-1] in FREE or "intervals" in place or place == ("seed",):
            continue
        if isinstance(value, int | float) and not isinstance(value, bool):
            n_numbers += 1
            with pytest.raises(TrainingError):
                read(changed(metrics, place, -7))
        with pytest.raises(TrainingError):
            read(changed(metrics, place, [value]))
    assert n_numbers > 80


def test_every_share_above_one_is_refused(metrics):
    for place, value in leaves(metrics):
        if isinstance(value, float):
            with pytest.raises(TrainingError):
                read(changed(metrics, place, 7.5))


def test_every_figure_that_is_absent_is_refused(metrics):
    def places(value: Any, place: Place = ()) -> Iterator[Place]:
        for key, inner in value.items() if isinstance(value, dict) else ():
            yield (*place, key)
            yield from places(inner, (*place, key))
        for i, inner in enumerate(value[:2]) if isinstance(value, list) else ():
            yield from places(inner, (*place, i))

    for place in places(metrics):
        if "intervals" in place[:-1]:
            continue
        found = copy.deepcopy(metrics)
        inner = found
        for key in place[:-1]:
            inner = inner[key]
        del inner[place[-1]]
        with pytest.raises(TrainingError):
            read(found)


DERIVED: dict[Place, Any] = {
    ("test", "accuracy", "value"): 0.5,
    ("test", "uar", "value"): 0.5,
    ("test", "macro_f1", "value"): 0.5,
    ("test", "n"): 12,
    ("test", "emotions", 0, "support"): 3,
    ("test", "emotions", 0, "emotion"): "sadly angry",
    ("test", "confusion", 0, 0): 9,
    ("test", "calibration", "expected_error"): 0.123,
    ("test", "calibration", "bins", 0, "n"): 99,
    ("test", "action_units", "n_aus"): 1,
    ("test", "action_units", "macro_f1", "value"): 0.77,
    ("test", "action_units", "mean_average_precision", "value"): 0.77,
    ("test", "action_units", "aus", 1, "au"): 1,
    ("test", "action_units", "aus", 0, "positives"): 99,
    ("test", "accuracy", "ci_low"): 0.99,
    ("majority", "accuracy", "value"): 0.5,
    ("majority", "emotion"): "calm",
    ("dataset", "test"): 12,
    ("selected", "by"): "f1",
    ("schema",): "metrics/3",
    ("chosen",): {"rho_au": 0.1, "rho_align": 0.1, "epoch": 1, "validation": 0.5},
}


@pytest.mark.parametrize("place", DERIVED, ids=lambda place: ".".join(map(str, place)))
def test_a_figure_that_contradicts_those_it_follows_from_is_refused(metrics, place):
    with pytest.raises(TrainingError, match=re.escape("metrics.json: ")):
        read(changed(metrics, place, DERIVED[place]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": -Infinity}', "-Infinity is not JSON"),
        ('{"a": 1, "b": 2, "a": 1}', "key 'a' stands there twice"),
        ("[" * 100_000, "expected the metrics of a run: "),
        ('{"a": 1', "expected the metrics of a run: "),
    ],
)
def test_json_that_programs_read_differently_is_refused(text, message):
    with pytest.raises(TrainingError) as caught:
        parse_json(text.encode(), Path("metrics.json"))
    assert message in str(caught.value)


def rewrite_table(folder: Path, name: str, change: Callable[[pa.Table], pa.Table]) -> None:
    pq.write_table(change(pq.read_table(folder / name)), folder / name)
    write_sums(folder, read_sums(folder).digests or ())


def column(name: str, change: Callable[[list[Any]], list[Any]]) -> Callable[[pa.Table], pa.Table]:
    """A change of a column's values."""

    def apply(table: pa.Table) -> pa.Table:
        field = table.schema.field(name)
        values = pa.array(change(table[name].to_pylist()), field.type)
        return table.set_column(table.column_names.index(name), field, values)

    return apply


def words(key: bytes, change: Callable[[list[Any]], list[Any]]) -> Callable[[pa.Table], pa.Table]:
    """A change of the emotions or AUs in the metadata."""

    def apply(table: pa.Table) -> pa.Table:
        metadata = dict(table.schema.metadata)
        metadata[key] = json.dumps(change(json.loads(metadata[key]))).encode()
        return table.replace_schema_metadata(metadata)

    return apply


def permuted(values: list[Any]) -> list[Any]:
    return [values[1], values[0], *values[2:]]


def repeated(values: list[Any]) -> list[Any]:
    return [values[1], *values[1:]]


def first(value: Any) -> Callable[[list[Any]], list[Any]]:
    return lambda values: [value, *values[1:]]


P = "p_happily_surprised"
OF_PREDICTIONS: dict[str, tuple[Callable[[pa.Table], pa.Table], str]] = {
    "p above 1": (column(P, first(1.5)), f"column {P}: expected 0 to 1, found 1.5 in row 1"),
    "p NaN": (column(P, first(float("nan"))), f"column {P}: expected 0 to 1, found nan in row 1"),
    "p null": (column(P, first(None)), f"column {P}: expected 0 to 1, found nan in row 1"),
    "sum": (column(P, first(0.5)), "row 1: expected probabilities with a sum of 1"),
    "AU p": (column("p_AU12", first(-0.1)), "column p_AU12: expected 0 to 1, found -0.1 in row 1"),
    "AU null": (column("p_AU12", first(None)), "column p_AU12: expected null in every row or in none"),
    "unknown": (column("predicted", first("calm")), "column predicted: unknown emotion 'calm'"),
    "no name": (column("image", first(None)), "column image: expected no null"),
    "twice": (column("image", repeated), "stands there twice"),
    "permuted emotions": (words(EMOTIONS_KEY, permuted), "name different emotions, or in another order"),
    "repeated emotions": (words(EMOTIONS_KEY, repeated), "expected each emotion once in its metadata"),
    "empty emotion": (words(EMOTIONS_KEY, first("")), "expected ordered emotion names and AU numbers"),
    "permuted AUs": (words(AUS_KEY, permuted), "expected AU numbers that rise in its metadata"),
    "repeated AUs": (words(AUS_KEY, repeated), "expected AU numbers that rise in its metadata"),
    "AU -7": (words(AUS_KEY, first(-7)), "expected ordered emotion names and AU numbers"),
    "absent": (lambda table: table.drop_columns(P), f"column {P}: expected float once, found none"),
    "one more": (
        lambda table: table.append_column("x", pa.nulls(len(table))),
        "column x: expected none of this name",
    ),
    "type": (
        lambda table: table.set_column(table.column_names.index(P), P, table[P].cast(pa.float64())),
        f"column {P}: expected float once, found double",
    ),
    "a row less": (lambda table: table.slice(1), "test.confusion: expected the counts of predictions"),
    "no row": (lambda table: table.slice(0, 0), "expected at least one image, found none"),
    "kind": (lambda table: table.replace_schema_metadata({}), "expected schema predictions/1, found nothing"),
}


@pytest.mark.parametrize("what", OF_PREDICTIONS)
def test_predictions_that_cannot_be_are_refused(copied, what):
    change, message = OF_PREDICTIONS[what]
    rewrite_table(copied, "predictions.parquet", change)
    with pytest.raises(TrainingError) as caught:
        read_finished(copied)
    assert message in str(caught.value)


def test_a_prediction_that_is_not_the_most_probable_and_another_truth_are_refused(copied):
    def others(names: list[str]) -> list[str]:
        return ["sadly angry" if names[0] != "sadly angry" else "sadly fearful", *names[1:]]

    for name, message in (
        ("predicted", "expected the most probable emotion"),
        ("emotion", "expected the counts"),
    ):
        before = (copied / "predictions.parquet").read_bytes()
        rewrite_table(copied, "predictions.parquet", column(name, others))
        with pytest.raises(TrainingError, match=message):
            read_finished(copied)
        (copied / "predictions.parquet").write_bytes(before)


OF_HISTORY: dict[str, tuple[Callable[[pa.Table], pa.Table], str]] = {
    "NaN": (column("loss_emo", first(float("nan"))), "column loss_emo: expected finite numbers"),
    "infinite": (column("lr_heads", first(float("inf"))), "column lr_heads: expected finite numbers"),
    "share": (column("uar", first(1.5)), "column uar: expected 0 to 1, found 1.5"),
    "null": (column("accuracy", first(None)), "column accuracy: expected no null"),
    "epoch": (column("epoch", first(2)), "column epoch: expected 1, 2, 3 and so on"),
    "iterations": (
        column("iterations", first(3)),
        "column iterations: expected the same number in each epoch",
    ),
    "gap": (column("gap_uar", first(0.9)), "column gap_uar: expected train_uar less uar"),
    "seconds": (column("seconds_data", first(-1.0)), "column seconds_data: expected 0 to inf, found -1"),
    "best": (lambda table: table.slice(0, 1), "selected: expected the first epoch with the best"),
    "absent": (lambda table: table.drop_columns("uar"), "column uar: expected double once, found none"),
}


@pytest.mark.parametrize("what", OF_HISTORY)
def test_a_history_that_cannot_be_is_refused(copied, what):
    scores = pq.read_table(copied / "history.parquet")["uar"].to_pylist()
    if what == "best":
        metrics = json.loads((copied / "metrics.json").read_text())
        metrics["selected"] |= {"epoch": 1 + (scores[1] <= scores[0]), "validation": min(scores)}
        (copied / "metrics.json").write_text(json.dumps(metrics))
    change, message = OF_HISTORY[what]
    rewrite_table(copied, "history.parquet", change)
    with pytest.raises(TrainingError) as caught:
        read_finished(copied)
    assert message in str(caught.value)


def test_options_of_another_run_are_refused(copied):
    text = (copied / "config.toml").read_text()
    (copied / "config.toml").write_text(text.replace("seed = 0", "seed = 1"))
    write_sums(copied, read_sums(copied).digests or ())
    with pytest.raises(TrainingError, match=r"metrics\.json: seed: expected 1 as in config\.toml, found 0"):
        read_finished(copied)


def test_calibration_and_counts_are_those_of_the_predictions(finished):
    found = read_finished(finished)
    confidence_N = np.stack(
        [found.predictions[name] for name in found.predictions.column_names if re.match("p_[a-z]", name)]
    ).max(0)
    assert sum(row.n for row in found.record.test.calibration.bins) == len(confidence_N)
    assert found.record.test.calibration.bins[0].confidence >= confidence_N.min()
