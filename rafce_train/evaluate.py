"""The figures of a run made again from its weights alone, and held against those that it wrote.

N images of a partition, B batch.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rafce.errors import DatasetError
from rafce_train.checkpoint import load_options
from rafce_train.config import config_from
from rafce_train.data import read_data
from rafce_train.inference import probabilities
from rafce_train.outcome import dataset_facts, partition_metrics
from rafce_train.run_folder.checksums import read_sums
from rafce_train.run_folder.read import finished_metrics, notes, read_metrics
from rafce_train.saved import check_probabilities, load_net
from rafce_train.setup import gather, make_feed, repeatable

SCHEMA = "evaluation/1"
Json = dict[str, Any]


@dataclass(frozen=True)
class Evaluation:
    """What a run's weights score on a partition."""

    figures: Json
    """As in `metrics.json`, the partition's under its name."""
    differences: tuple[str, ...] | None
    """Where the run wrote something else; None when it has not written its metrics yet."""


def evaluate(
    run: Path,
    partition: str,
    note: Callable[[str], None],
    decoding: Callable[[int, int], None],
    **places: str,
) -> Evaluation:
    """Look at a partition with the weights, the options and the thresholds of a run.

    `places` says where `dataset` or `images` lie by now, or on what `device` to compute. For test images the figures
    equal the run's on the same device; for the others, only the validation figure that picked the epoch is on record.
    TrainingError for test images of a run that is not finished: they are looked at after training. DatasetError when
    the dataset speaks of other emotions or AUs; RafceError for whatever else is wrong with it.
    """
    config = config_from({**load_options(run), **places})
    recorded = recorded_metrics(run, partition)
    for text in notes(run):
        note(text)
    net, facts = load_net(run)
    data = read_data(Path(config.dataset))
    if (data.emotions, data.aus) != (facts.emotions, facts.aus):
        raise DatasetError(f"{data.folder}: expected the emotions and AUs of {run}, found others")
    material = gather(config, data, note, decoding)
    with repeatable(config):
        batches = (batch.images_B3HW for batch in make_feed(config, material).partition(partition))
        found = probabilities(net.to(material.device), batches)
    check_probabilities(found, [material.data.names[row] for row in material.data.rows(partition)], run)
    figures = {
        "schema": SCHEMA,
        "method": facts.method,
        "epoch": facts.epoch,
        "device": material.device.type,
        "dataset": dataset_facts(material.data),
        "dropped": [Path(image.path).name for image in material.dropped],
        **partition_metrics(material.data, partition, found, facts.thresholds),
    }
    if recorded is None:
        return Evaluation(figures, None)
    return Evaluation(figures, tuple(differences(_comparable(recorded, partition), figures)))


def differences(recorded: Any, found: Any, where: str = "") -> list[str]:
    """Every value on record that was not found again, with its place: test.accuracy.value.

    An interval beside a value that was recorded without one is no difference.
    """
    if isinstance(found, dict) and "value" in found and not isinstance(recorded, dict):
        found = found["value"]
    if isinstance(recorded, dict) and isinstance(found, dict):
        keys: list[Any] = list(recorded)
        inner = [(recorded[key], found.get(key), key) for key in keys]
    elif isinstance(recorded, list) and isinstance(found, list) and len(recorded) == len(found):
        inner = list(zip(recorded, found, range(len(found)), strict=True))
    else:
        return [] if recorded == found else [f"{where}: recorded {recorded}, found {found}"]
    return [
        text for old, new, key in inner for text in differences(old, new, f"{where}.{key}" if where else key)
    ]


def recorded_metrics(run: Path, partition: str) -> Json | None:
    """What a run wrote of itself, None before it did; TrainingError for test images of an unfinished run.

    Releases without checksums made some intervals otherwise: of theirs the values are compared.
    """
    sums = read_sums(run)
    found = finished_metrics(sums) if partition == "test" else read_metrics(sums)
    if found is None:
        return None
    values, record = found
    return _without_intervals(values) if record.is_old else values


def _without_intervals(recorded: Any) -> Any:
    if isinstance(recorded, list):
        return [_without_intervals(item) for item in recorded]
    if not isinstance(recorded, dict):
        return recorded
    ends = ("ci_low", "ci_high", "intervals")
    return {name: _without_intervals(value) for name, value in recorded.items() if name not in ends}


def _comparable(metrics: Mapping[str, Any], partition: str) -> Json:
    """What `metrics.json` says that an evaluation of this partition says too."""
    names = ("dataset", "dropped", *(("majority", "test") if partition == "test" else ()))
    comparable = {name: metrics[name] for name in names}
    if partition == "validation":
        selected = metrics["selected"]
        comparable["validation"] = {selected["by"]: {"value": selected["validation"]}}
    return comparable
