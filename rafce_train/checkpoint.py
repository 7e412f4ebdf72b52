"""The files of a run folder: each is versioned and whole, the old one or the new one, whatever interrupts."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from rafce import atomic
from rafce.errors import TrainingError, WeightsError

CONFIG, STATE, WEIGHTS, HISTORY = "config.toml", "state.pt", "weights.safetensors", "history.parquet"
PREDICTIONS, METRICS, MODEL_CARD = "predictions.parquet", "metrics.json", "model_card.md"
OWN_FILES = (CONFIG, STATE, WEIGHTS, HISTORY, PREDICTIONS, METRICS, MODEL_CARD)
STATE_SCHEMA, WEIGHTS_SCHEMA = "state/1", "weights/1"
WEIGHTS_KEY = "rafce"


write_atomic = atomic.write_bytes
"""Write a file so that even after a power cut there is the old content or the new, never a part."""


def is_finished(folder: Path) -> bool:
    """Whether a run has looked at its test images and written what it found."""
    return (folder / METRICS).is_file()


def save_state(folder: Path, state: Mapping[str, Any]) -> None:
    """Write `state.pt`: plain types and tensors, so that loading it runs no code."""
    buffer = io.BytesIO()  # torch's own writer reports a full disk in many ways
    torch.save({"schema": STATE_SCHEMA, **state}, buffer)
    write_atomic(folder / STATE, buffer.getbuffer())


def load_state(folder: Path) -> dict[str, Any]:
    """Read `state.pt`; TrainingError when it is absent, broken or of another version."""
    path = folder / STATE
    if not path.is_file():
        raise TrainingError(f"{folder}: expected a run folder with {STATE} in it, found none")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a dozen kinds for a broken file
        raise TrainingError(f"{path}: cannot be read as a checkpoint: {str(error).splitlines()[0]}") from None
    found = state.pop("schema", None) if isinstance(state, dict) else None
    if found != STATE_SCHEMA:
        raise TrainingError(f"{path}: expected schema {STATE_SCHEMA}, found {found}")
    return dict(state)


def save_weights(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors as safetensors, with what is needed to use them."""
    write_atomic(path, weights_bytes(tensors, facts))


def weights_bytes(tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> bytes:
    """The content of a safetensors file: tensors, and facts as one key, because it writes several in random order."""
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    return safetensors.torch.save(whole, {WEIGHTS_KEY: facts_text(facts)})


def load_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and facts that `save_weights` wrote; WeightsError when there is no such file."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get(WEIGHTS_KEY, "{}")
            tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
    except FileNotFoundError:
        raise WeightsError(f"{path}: expected the weights of a run, found none") from None
    except (safetensors.SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: expected the weights of a run: {error}") from None
    return tensors, read_facts(text, path)


def facts_text(facts: Mapping[str, Any]) -> str:
    """What is needed to use weights, as every file of them carries it: sorted JSON with its version."""
    return json.dumps({"schema": WEIGHTS_SCHEMA, **facts}, sort_keys=True, ensure_ascii=False)


def read_facts(text: str, where: object) -> dict[str, Any]:
    """The facts that `facts_text` wrote; WeightsError when they are none or of another version."""
    try:
        facts = dict(json.loads(text))
    except (ValueError, TypeError):
        raise WeightsError(
            f"{where}: expected the weights of a run, found no JSON under {WEIGHTS_KEY}"
        ) from None
    if (found := facts.pop("schema", None)) != WEIGHTS_SCHEMA:
        raise WeightsError(f"{where}: expected the weights of a run, schema {WEIGHTS_SCHEMA}, found {found}")
    return facts


def write_table(path: Path, table: pa.Table) -> None:
    """Write a Parquet file in one go."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    write_atomic(path, memoryview(sink.getvalue()))


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write JSON for people and programs: indented, keys in the order given, no NaN."""
    text = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomic(path, f"{text}\n".encode())
