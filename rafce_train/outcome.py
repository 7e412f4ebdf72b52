"""What a finished run says about the test images: `predictions.parquet` and `metrics.json`, from arrays alone.

N test images, K emotions, A action units.
"""

from typing import Any

import numpy as np
import pyarrow as pa

from rafce.schema import Vocabulary, au_column, emotion_slug, metadata
from rafce_train.config import Config
from rafce_train.data import IntArray, TrainingData
from rafce_train.inference import Probabilities
from rafce_train.metrics import au_metrics, emotion_metrics, majority_baseline

METRICS_SCHEMA = "metrics/1"
LICENCE = (
    "RAF-ML, RAF-AU and RAF-CE are for non-commercial research only; so is what was learned from their images. "
    "Figures on generated look-alikes say nothing about real faces."
)


def predictions_table(
    data: TrainingData, rows_N: IntArray, found: Probabilities, learns_aus: bool
) -> pa.Table:
    """A row an image: true and predicted emotion, a probability for each emotion and AU.

    The AUs are null for a method that does not learn them: its AU layer is as random as it was at the start.
    """
    words = Vocabulary(data.emotions, data.aus)
    columns: dict[str, Any] = {
        "image": [data.names[row] for row in rows_N],
        "emotion": [data.emotions[emotion] for emotion in data.emotion_N[rows_N]],
        "predicted": [data.emotions[emotion] for emotion in found.predicted_N],
    }
    columns |= {
        f"p_{emotion_slug(name)}": p_N for name, p_N in zip(data.emotions, found.emotion_NK.T, strict=True)
    }
    for au, p_N in zip(data.aus, found.au_NA.T, strict=True):
        columns[f"p_{au_column(au)}"] = pa.array(p_N if learns_aus else [None] * len(rows_N), pa.float32())
    return pa.table(columns).replace_schema_metadata(metadata("predictions", words))


def run_metrics(
    config: Config, data: TrainingData, found: Probabilities, best: dict[str, Any], rest: dict[str, Any]
) -> dict[str, Any]:
    """`metrics.json`: what was run on what, the epoch that validation picked, and every figure on the test images."""
    rows_N = data.rows("test")
    emotion_N = data.emotion_N[rows_N]
    emotions = emotion_metrics(data.emotions, emotion_N, found.emotion_NK)
    return {
        "schema": METRICS_SCHEMA,
        "method": config.method,
        "seed": config.seed,
        "dataset": {
            "fingerprint": data.fingerprint,
            "train": len(data.rows("train")),
            "validation": len(data.rows("validation")),
            "test": len(rows_N),
        },
        "selected": {"by": config.select, "epoch": best["epoch"], "validation": best["score"]},
        **rest,
        "majority": majority_baseline(data.emotions, data.emotion_counts("train"), emotion_N),
        "test": {**emotions, "action_units": _au_metrics(data, rows_N, found, best["thresholds"])},
    }


def weights_facts(config: Config, data: TrainingData, best: dict[str, Any]) -> dict[str, Any]:
    """What one must know to use the weights of a run."""
    return {
        "backbone": config.backbone,
        "method": config.method,
        "epoch": best["epoch"],
        "emotions": data.emotions,
        "aus": data.aus,
        "thresholds": best["thresholds"],
        "preprocessing": {
            "image_size": config.image_size,
            "normalize": config.normalize,
            "channel_order": config.channel_order,
        },
        "licence": LICENCE,
    }


def _au_metrics(
    data: TrainingData, rows_N: IntArray, found: Probabilities, thresholds: list[float] | None
) -> dict[str, Any] | None:
    if thresholds is None:
        return None
    positives_A = data.au_positives("train")
    return au_metrics(data.aus, data.au_NA[rows_N], found.au_NA, np.array(thresholds), positives_A)
