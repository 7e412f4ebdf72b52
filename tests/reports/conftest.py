"""Dataset folders made from random labels through rafce's own schemas, in the shapes that the reports must bear."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from rafce.dataset import Dataset, read_dataset
from rafce.licences import RAF
from rafce.parquet import write_parquet
from rafce.reference import lab_cells, paper_wild_cells
from rafce.schema import (
    Vocabulary,
    au_column,
    au_statistics_schema,
    discarded_schema,
    lab_statistics_schema,
    samples_schema,
)
from rafce.statistics import Counts
from rafce.tables import au_mask, au_statistics_table, counts_by_scope, lab_statistics_table
from rafce.taxonomy import AUS, BASIC_EMOTIONS, COMPOUND_EMOTIONS
from rafce_reports.analysis import AnalyzeOptions, analyze
from rafce_reports.dataset_report import write_reports
from rafce_reports.run_report import write_run_report
from rafce_train import checkpoint
from rafce_train.config import Config, config_toml
from rafce_train.data import TrainingData, read_data
from rafce_train.history import Row, history_table
from rafce_train.inference import Probabilities, learned_aus
from rafce_train.methods import METHODS
from rafce_train.outcome import predictions_table, run_metrics
from rafce_train.run_folder.checksums import write_sums
from rafce_train.run_folder.schema import CONFIG, HISTORY, METRICS, PREDICTIONS

# N images, E emotions, A action units
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

COMPOUND_WORDS = Vocabulary(COMPOUND_EMOTIONS, AUS)
OTHER_WORDS = Vocabulary(("calm & cool", "bored_stiff", "50 % [thrilled]"), (1, 12, 25, 45))
VOTES = (0.4, 0.3, 0.2, 0.1, 0.0, 0.0)
SHARES = (15.0, 5.0, 5.0, 6.0, 4.0, 18.0, 4.5, 13.0, 0.8, 5.0, 21.0, 5.0, 0.25, 0.65)
"""Percent of images per compound emotion, about as skewed as RAF-CE."""


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Nine hundred images of the fourteen emotions, AUs drawn from the paper's Table 1."""
    return make_dataset(tmp_path_factory.mktemp("compound") / "rafce-data", 900, COMPOUND_WORDS, lab=True)


@pytest.fixture(scope="session")
def other_dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Three emotions and four AUs that the paper does not speak of, names full of markup, no laboratory table."""
    return make_dataset(tmp_path_factory.mktemp("other") / "rafce-data", 90, OTHER_WORDS, lab=False)


@pytest.fixture(scope="session")
def reports(dataset: Dataset) -> Path:
    """The reports of the fourteen emotions."""
    write_reports(analyze(dataset, AnalyzeOptions()), dataset.folder / "reports")
    return dataset.folder / "reports"


@pytest.fixture(scope="session")
def other_reports(other_dataset: Dataset) -> Path:
    """The reports of the emotions that the paper does not know."""
    write_reports(analyze(other_dataset, AnalyzeOptions()), other_dataset.folder / "reports")
    return other_dataset.folder / "reports"


@pytest.fixture
def printed_dataset(dataset: Dataset) -> Dataset:
    """The dataset with its statistics replaced by the paper's printed percentages, as if of a hundred images each."""
    known_EA = np.full((len(COMPOUND_EMOTIONS), len(AUS)), 100)
    active_EA = np.zeros_like(known_EA)
    for cell in paper_wild_cells():
        active_EA[COMPOUND_EMOTIONS.index(cell.emotion), AUS.index(cell.au)] = round(cell.percent)
    table = au_statistics_table({"all": Counts(known_EA, active_EA)}, COMPOUND_WORDS)
    return Dataset(**{**vars(dataset), "au_statistics": table})


def make_dataset(folder: Path, n: int, words: Vocabulary, lab: bool) -> Dataset:
    """Write the four Parquet files and the manifest, from labels drawn with one seed, and read them back."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    emotion_N, partition_N = draw_classes(rng, n, words)
    active_NA = rng.random((n, len(words.aus))) < rates(words)[emotion_N]
    known_NA = np.ones_like(active_NA)
    counts = counts_by_scope(emotion_N, partition_N, active_NA, known_NA, len(words.emotions))
    probabilities = BASIC_EMOTIONS
    tables = {
        "samples": (
            samples(rng, emotion_N, partition_N, active_NA, words),
            samples_schema(words, probabilities),
        ),
        "discarded": (discarded(words), discarded_schema(words, probabilities)),
        "au_statistics": (au_statistics_table(counts, words), au_statistics_schema(words)),
        "lab_statistics": (lab_statistics_table(lab_cells() if lab else []), lab_statistics_schema(words)),
    }
    for name, (table, schema) in tables.items():
        write_parquet(table, schema, folder / f"{name}.parquet")
    (folder / "manifest.json").write_text(json.dumps(manifest(n)), encoding="utf-8")
    return read_dataset(folder)


def manifest(n: int) -> dict[str, Any]:
    """A manifest as `rafce build` writes it, of a build from RAF-ML and RAF-AU."""
    raf_ml, raf_au = ({"file": "labels.txt", "sha256": "0" * 64, "lines": n + more} for more in (3, 1))
    return {
        "schema": "manifest/1",
        "inputs": {"raf_ml": raf_ml, "raf_au": raf_au},
        "options": {"ties": "first", "null_au": "negative", "split": "60/20/20", "seed": 0},
        "images": {"root": None, "suffix": "", "missing": []},
        "counts": {
            "input_lines": {"raf_ml": n + 3, "raf_au": n + 1},
            "joined": n + 1,
            "kept": n,
            "tied": 4,
            "discarded": {"no-au-label": 2, "unmappable-pair": 1},
        },
        "official": None,
        "licence": RAF,
        "versions": {"rafce": "0.1.0"},
    }


def draw_classes(
    rng: np.random.Generator, n: int, words: Vocabulary
) -> tuple[IntArray, npt.NDArray[np.object_]]:
    """Emotion ids as skewed as RAF-CE and a 60/20/20 split; every class has an image in every partition."""
    n_emotions = len(words.emotions)
    share_E = np.array(SHARES) if n_emotions == len(SHARES) else np.ones(n_emotions)
    emotion_N = rng.choice(n_emotions, n, p=share_E / share_E.sum())
    emotion_N[: 3 * n_emotions] = np.repeat(np.arange(n_emotions), 3)
    partition_N = rng.choice(np.array(["train", "validation", "test"], object), n, p=[0.6, 0.2, 0.2])
    partition_N[: 3 * n_emotions] = np.tile(["train", "validation", "test"], n_emotions)
    return emotion_N, partition_N


def rates(words: Vocabulary) -> npt.NDArray[np.float64]:
    """p(AU | emotion), shape (E, A): the paper's where it prints one, else 5 %; other emotions have an AU each."""
    rate_EA = np.full((len(words.emotions), len(words.aus)), 0.05)
    for cell in paper_wild_cells():
        if cell.emotion in words.emotions:
            rate_EA[words.emotions.index(cell.emotion), words.aus.index(cell.au)] = cell.percent / 100
    return rate_EA if words == COMPOUND_WORDS else rate_EA + 0.8 * np.eye(*rate_EA.shape)


def raw_label(rng: np.random.Generator, aus: Sequence[int]) -> str:
    """The label as RAF-AU writes it, one AU in eight on one side only, one in twenty on one lip."""
    places = rng.choice(["", "L", "R", "T"], len(aus), p=[0.83, 0.06, 0.06, 0.05])
    return "+".join(f"{place}{au}" for place, au in zip(places, aus, strict=True)) or "null"


def samples(
    rng: np.random.Generator,
    emotion_N: IntArray,
    partition_N: npt.NDArray[np.object_],
    active_NA: BoolArray,
    words: Vocabulary,
) -> pa.Table:
    """The rows of samples.parquet."""
    n = len(emotion_N)
    columns = {
        "image": [f"{i + 1:04d}.jpg" for i in range(n)],
        "partition": partition_N.tolist(),
        "emotion": [words.emotions[i] for i in emotion_N],
        "emotion_id": emotion_N,
        "emotion_source": ["mapped"] * n,
        "tied": [False] * n,
        **{
            f"p_{name}": pa.array([p] * n, pa.float32())
            for name, p in zip(BASIC_EMOTIONS, VOTES, strict=True)
        },
        **{au_column(au): active_NA[:, i] for i, au in enumerate(words.aus)},
        "au_mask": au_mask(active_NA),
        "au_raw": [raw_label(rng, np.array(words.aus)[row].tolist()) for row in active_NA],
    }
    return pa.table(columns)


def discarded(words: Vocabulary) -> pa.Table:
    """Three images left out for two reasons."""
    reasons = {"9001.jpg": "no-au-label", "9002.jpg": "no-au-label", "9003.jpg": "unmappable-pair"}
    rows = [
        {"image": image, "reason": reason, "label_1": "happiness", "label_2": "anger"}
        for image, reason in reasons.items()
    ]
    return pa.Table.from_pylist(rows, schema=discarded_schema(words, BASIC_EMOTIONS))


@pytest.fixture(scope="session")
def reported_run(dataset: Dataset) -> Path:
    """A finished run of mml on the fourteen emotions with its report, its predictions drawn at random."""
    return make_run(dataset, method="mml", seed=0)


@pytest.fixture(scope="session")
def other_run(other_dataset: Dataset) -> Path:
    """A finished run of stl, which learns no AUs, on the emotions that the paper does not know."""
    return make_run(other_dataset, method="stl", seed=1)


@pytest.fixture(scope="session")
def grouped_run(video_dataset: Path) -> Path:
    """A finished run of mml on frames of videos: test images in three groups, AUs that are unknown."""
    return make_run(read_dataset(video_dataset), method="mml", seed=0)


def make_run(dataset: Dataset, method: str, seed: int) -> Path:
    """Write the files of a run beside a dataset by the trainer's own functions, and its report."""
    folder = dataset.folder.with_name(f"run-{method}")
    folder.mkdir()
    config, data = Config(dataset=str(dataset.folder), method=method, epochs=3), read_data(dataset.folder)
    rng = np.random.default_rng(seed)
    rows_N = data.rows("test")
    found = draw_probabilities(rng, data, rows_N)
    learns_aus = method != "stl"
    history = history_rows(rng, METHODS[method].terms)
    score = max(float(row["uar"] or 0) for row in history)
    best: dict[str, Any] = {
        "epoch": [row["uar"] for row in history].index(score) + 1,
        "score": score,
        "thresholds": [0.5] * len(data.aus) if learns_aus else None,
    }
    metrics = run_metrics(config, data, found, best, {"weights": None, "dropped": []})
    checkpoint.write_atomic(folder / CONFIG, config_toml(config).encode())
    checkpoint.write_table(folder / HISTORY, history_table(history))
    found = found.of_learned(learned_aus(best["thresholds"], len(data.aus)))
    predictions = predictions_table(data, rows_N, found)
    checkpoint.write_table(folder / PREDICTIONS, predictions)
    checkpoint.write_json(folder / METRICS, metrics)
    write_sums(folder, [CONFIG, HISTORY, METRICS, PREDICTIONS])
    write_run_report(folder)
    return folder


def draw_probabilities(rng: np.random.Generator, data: TrainingData, rows_N: IntArray) -> Probabilities:
    """Probabilities that are right about half of the time."""
    emotion_N, au_NA = data.emotion_N[rows_N], data.au_NA[rows_N]
    logits_NK = rng.normal(size=(len(rows_N), len(data.emotions)))
    logits_NK[np.arange(len(rows_N)), emotion_N] += 2
    p_NK = np.exp(logits_NK) / np.exp(logits_NK).sum(1, keepdims=True)
    p_NA = np.clip(0.4 * np.nan_to_num(au_NA) + 0.6 * rng.random(au_NA.shape), 0, 1)
    return Probabilities(p_NK.astype(np.float32), p_NA.astype(np.float32))


def history_rows(rng: np.random.Generator, terms: tuple[str, ...]) -> list[Row]:
    """Three epochs with every column of a history."""
    learned = len(terms) == 3
    scores = ("accuracy", "uar", "train_accuracy", "train_uar")
    rates = ("lr_backbone", "lr_heads", "seconds_data", "seconds_compute")
    rows: list[Row] = [
        {
            "epoch": epoch,
            "iterations": 30 * epoch,
            **{f"loss_{term}": 4 / epoch + rng.random() for term in terms},
            **{f"loss_{term}_weighted": 2 / epoch for term in terms},
            **{f"omega_{term}": 0.5 + 0.1 * epoch if learned and term != "emo" else 1.0 for term in terms},
            **{f"omega_{term}_sd": 0.05 if learned and term != "emo" else 0.0 for term in terms},
            "p_au": 0.1 if learned else None,
            "validation_loss": 3 / epoch + rng.random(),
            **{name: rng.random() for name in scores},
            "au_macro_f1": rng.random() if learned else None,
            **dict.fromkeys(rates, 0.01),
        }
        for epoch in (1, 2, 3)
    ]
    for row in rows:
        row |= {f"gap_{name}": (row[f"train_{name}"] or 0) - (row[name] or 0) for name in ("accuracy", "uar")}
    return rows
