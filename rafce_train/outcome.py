"""What a finished run says about the test images: `predictions.parquet` and `metrics.json`, from arrays alone.

N test images, K emotions, A action units.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from rafce.schema import PARTITIONS, Vocabulary, au_column, emotion_slug, metadata
from rafce_train.config import Config
from rafce_train.data import IntArray, TrainingData
from rafce_train.inference import Probabilities
from rafce_train.metrics import DEFAULT_THRESHOLD, au_metrics, emotion_metrics, majority_baseline
from rafce_train.resampling import resampling_of
from rafce_train.run_folder.schema import METRICS_SCHEMA

NO_FIGURE = {"value": None, "ci_low": None, "ci_high": None}


def predictions_table(data: TrainingData, rows_N: IntArray, found: Probabilities) -> pa.Table:
    """A row an image: true and predicted emotion, a probability for each emotion and AU; its group, if it has one.

    AUs that were not learned, NaN in `found`, are null.
    """
    words = Vocabulary(data.emotions, data.aus)
    columns: dict[str, Any] = {
        "image": [data.names[row] for row in rows_N],
        **({} if data.group_N is None else {"group": data.group_N[rows_N].tolist()}),
        "emotion": [data.emotions[emotion] for emotion in data.emotion_N[rows_N]],
        "predicted": [data.emotions[emotion] for emotion in found.predicted_N],
    }
    columns |= probability_columns(words, found)
    return pa.table(columns).replace_schema_metadata(metadata("predictions", words))


def probability_columns(words: Vocabulary, found: Probabilities) -> dict[str, pa.Array]:
    """A column a probability: p_happily_surprised, p_AU01 and so on; null where an AU was not learned (NaN)."""
    columns = {
        f"p_{emotion_slug(name)}": pa.array(p_N)
        for name, p_N in zip(words.emotions, found.emotion_NK.T, strict=True)
    }
    for au, p_N in zip(words.aus, found.au_NA.T, strict=True):
        columns[f"p_{au_column(au)}"] = pa.array(p_N, pa.float32(), from_pandas=True)
    return columns


def run_metrics(
    config: Config, data: TrainingData, found: Probabilities, best: dict[str, Any], rest: dict[str, Any]
) -> dict[str, Any]:
    """`metrics.json`: what was run on what, the epoch that validation picked, and every figure on the test images."""
    return {
        "schema": METRICS_SCHEMA,
        "method": config.method,
        "seed": config.seed,
        "dataset": dataset_facts(data),
        "selected": {"by": config.select, "epoch": best["epoch"], "validation": best["score"]},
        **rest,
        **partition_metrics(data, "test", found, best["thresholds"]),
    }


def dataset_facts(data: TrainingData) -> dict[str, Any]:
    """Which dataset under which licence, and how many images, and groups, of each partition were used."""
    groups = {partition: data.groups(partition) for partition in PARTITIONS}
    return {
        "fingerprint": data.fingerprint,
        "licence": data.licence,
        **{partition: len(data.rows(partition)) for partition in PARTITIONS},
        "groups": {name: None if of is None else len(np.unique(of)) for name, of in groups.items()},
    }


def partition_metrics(
    data: TrainingData, partition: str, found: Probabilities, thresholds: Sequence[float | None] | None
) -> dict[str, Any]:
    """Every figure on the images of a partition, under its name, and beside it those of the majority class.

    An AU without a threshold was not learned: it has no figure.
    """
    rows_N = data.rows(partition)
    emotion_N, resampling = data.emotion_N[rows_N], resampling_of(data.groups(partition))
    majority = majority_baseline(data.emotions, data.emotion_counts("train"), emotion_N, resampling)
    figures = emotion_metrics(data.emotions, emotion_N, found.emotion_NK, resampling)
    figures["action_units"] = None
    if thresholds is not None:
        au_NA, positives_A = data.au_NA[rows_N], data.au_positives("train")
        threshold_A = np.array([DEFAULT_THRESHOLD if value is None else value for value in thresholds])
        figures["action_units"] = au_metrics(
            data.aus, au_NA, np.nan_to_num(found.au_NA), threshold_A, positives_A, resampling
        )
        rows, validation_A = figures["action_units"]["aus"], data.au_positives("validation")
        for row, positives, threshold in zip(rows, validation_A.tolist(), thresholds, strict=True):
            row["validation_positives"] = positives  # without any, the threshold is not tuned
            if threshold is None:
                row.update(threshold=None, f1=NO_FIGURE, average_precision=NO_FIGURE)
    return {"majority": majority, partition: figures}
