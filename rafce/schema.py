"""Every Parquet schema of the dataset folder, its version, and the metadata that each file carries."""

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from rafce.errors import DatasetError, raise_all

PARTITIONS = ("train", "validation", "test")
SCOPES = ("all", *PARTITIONS)
CATEGORIES = ("prototypical", "variant", "unobserved")
SOURCES = ("mapped", "official", "given")
"""Where an emotion comes from: the two most probable labels, RAF-CE, another program's table."""
MAX_MASK_AUS = 32
MAX_AU = 999  # three digits, as in a label
VERSION = 1
SAMPLES_PLACES = ("samples.parquet", "samples")

SCHEMA_KEY = b"rafce.schema"
EMOTIONS_KEY = b"rafce.emotions"
AUS_KEY = b"rafce.aus"


class Vocabulary(NamedTuple):
    """What a dataset speaks about: ordered emotion names and ordered AU numbers."""

    emotions: tuple[str, ...]
    aus: tuple[int, ...]


def au_column(au: int) -> str:
    """The column of an AU as OpenFace and py-feat name it: 1 is AU01."""
    return f"AU{au:02d}"


def emotion_slug(emotion: str) -> str:
    """An emotion name that can stand in a column or file name: "happily surprised" is happily_surprised."""
    return emotion.replace(" ", "_")


def _field(name: str, kind: pa.DataType, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=nullable)


def samples_schema(words: Vocabulary, probabilities: Sequence[str]) -> pa.Schema:
    """`samples.parquet`: a row an image; `probabilities` names the p_* columns (the basic emotions of RAF-ML)."""
    fields = [
        _field("image", pa.string()),
        *_label_fields(),
        _field("tied", pa.bool_(), nullable=True),
        *(_field(f"p_{name}", pa.float32(), nullable=True) for name in probabilities),
        *_au_fields(words),
        _field("au_mask", pa.uint32()),
        _field("au_raw", pa.string()),
    ]
    return pa.schema(fields, metadata=metadata("samples", words))


def imported_samples_schema(words: Vocabulary, grouped: bool, some_unknown: bool) -> pa.Schema:
    """`samples` from other programs: what `rafce build` writes, less what only RAF-ML and RAF-AU know.

    `group` (video, subject) is there when rows depend on each other, the masks only up to `MAX_MASK_AUS` AUs, and
    `au_known` beside `au_mask` (the same bits) when any AU of any row is unknown.
    """
    masks = ("au_mask", "au_known") if some_unknown else ("au_mask",)
    fields = [
        _field("image", pa.string()),
        *([_field("group", pa.string())] if grouped else []),
        *_label_fields(),
        *_au_fields(words),
        *(_field(name, pa.uint32()) for name in masks if len(words.aus) <= MAX_MASK_AUS),
    ]
    return pa.schema(fields, metadata=metadata("samples", words))


def _label_fields() -> list[pa.Field]:
    kinds = {
        "partition": pa.string(),
        "emotion": pa.string(),
        "emotion_id": pa.int8(),
        "emotion_source": pa.string(),
    }
    return [_field(name, kind) for name, kind in kinds.items()]


def _au_fields(words: Vocabulary) -> list[pa.Field]:
    return [_field(au_column(au), pa.bool_(), nullable=True) for au in words.aus]


def samples_path(folder: Path) -> Path:
    """The samples of a dataset folder: `samples.parquet`, or a folder of Parquet parts called `samples`.

    DatasetError where both are there, since only one of them can be meant.
    """
    file, parts = (folder / name for name in SAMPLES_PLACES)
    if file.exists() and parts.is_dir():
        raise DatasetError(f"{folder}: expected {file.name} or a folder {parts.name}, found both")
    return parts if parts.is_dir() else file


def discarded_schema(words: Vocabulary, probabilities: Sequence[str]) -> pa.Schema:
    """`discarded.parquet`: a row an image that was left out, with the reason."""
    fields = [
        _field("image", pa.string()),
        _field("reason", pa.string()),
        _field("label_1", pa.string(), nullable=True),
        _field("label_2", pa.string(), nullable=True),
        *(_field(f"p_{name}", pa.float32(), nullable=True) for name in probabilities),
    ]
    return pa.schema(fields, metadata=metadata("discarded", words))


def au_statistics_schema(words: Vocabulary, grouped: bool = False) -> pa.Schema:
    """`au_statistics.parquet`: a row per scope × emotion × AU; rates are null where n is 0.

    With groups `n_groups` says of how many groups the `n` images are.
    """
    rates = ("frequency", "ci_low", "ci_high")
    fields = [
        _field("scope", pa.string()),
        _field("emotion", pa.string()),
        _field("emotion_id", pa.int8()),
        _field("au", pa.int16()),
        _field("n", pa.int64()),
        *([_field("n_groups", pa.int64())] if grouped else []),
        _field("count", pa.int64()),
        *(_field(name, pa.float64(), nullable=True) for name in rates),
        _field("category", pa.string(), nullable=True),
        *(_field(f"p_{name}", pa.float64(), nullable=True) for name in CATEGORIES),
    ]
    return pa.schema(fields, metadata=metadata("au_statistics", words))


def lab_statistics_schema(words: Vocabulary) -> pa.Schema:
    """`lab_statistics.parquet`: the laboratory table in force; it lists only AUs >= 20 %, a blank is unknown."""
    fields = [
        _field("emotion", pa.string()),
        _field("au", pa.int16()),
        _field("percent", pa.float64()),
        _field("note", pa.string()),
    ]
    return pa.schema(fields, metadata=metadata("lab_statistics", words))


def metadata(kind: str, words: Vocabulary) -> dict[bytes, bytes]:
    """The three entries that every file carries: its schema and version, the emotions, the AUs."""
    return {
        SCHEMA_KEY: f"{kind}/{VERSION}".encode(),
        EMOTIONS_KEY: json.dumps(list(words.emotions)).encode(),
        AUS_KEY: json.dumps(list(words.aus)).encode(),
    }


def check_schema(found: Mapping[bytes, bytes] | None, kind: str, where: object) -> Vocabulary:
    """The vocabulary in a file's metadata; DatasetError when the file is of another kind or version."""
    entries = dict(found or {})
    expected, stood = f"{kind}/{VERSION}", entries.get(SCHEMA_KEY, b"nothing").decode(errors="replace")
    if stood != expected:
        raise DatasetError(f"{where}: expected schema {expected}, found {stood}; build the dataset again")
    return check_vocabulary(entries, where)


def check_vocabulary(entries: Mapping[bytes, bytes], where: object) -> Vocabulary:
    """The vocabulary in a file's metadata; DatasetError unless names are different texts and AUs rise from 1 on."""
    try:
        emotions, aus = json.loads(entries[EMOTIONS_KEY]), json.loads(entries[AUS_KEY])
    except (KeyError, ValueError, TypeError, RecursionError):
        emotions = aus = None
    if not (isinstance(emotions, list) and all(isinstance(name, str) and name.strip() for name in emotions)):
        raise DatasetError(f"{where}: expected ordered emotion names and AU numbers in its metadata")
    if not (isinstance(aus, list) and all(type(au) is int and 0 < au <= MAX_AU for au in aus)):
        raise DatasetError(f"{where}: expected ordered emotion names and AU numbers in its metadata")
    repeated = sorted({name for name in emotions if emotions.count(name) > 1})
    raise_all(
        [f"{where}: expected each emotion once in its metadata, found {name} again" for name in repeated],
        DatasetError,
    )
    if any(one >= other for one, other in pairwise(aus)):
        raise DatasetError(
            f"{where}: expected AU numbers that rise in its metadata, found {', '.join(map(str, aus))}"
        )
    return Vocabulary(tuple(emotions), tuple(aus))
