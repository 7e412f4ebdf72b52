"""The files of a run folder: each is versioned and whole, the old one or the new one, whatever interrupts."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from rafce import atomic
from rafce.errors import TrainingError, WeightsError, raise_all
from rafce.parquet import parquet_bytes
from rafce.reading import read_file
from rafce_train.config import parse_config
from rafce_train.run_folder.checksums import Sums, is_finished, read_sums
from rafce_train.run_folder.digests import (
    BLANK,
    CHANGED,
    digest_fault,
    fill_digest,
    zip_digest_fault,
    zip_with_digest,
)
from rafce_train.run_folder.schema import CONFIG, STATE, SUMS

STATE_SCHEMA, WEIGHTS_SCHEMA, OLD_WEIGHTS_SCHEMA = "state/2", "weights/2", "weights/1"
"""The older weights carry no digest. An older state is not read: random draws were made otherwise when it was saved."""
WEIGHTS_KEY, DIGEST = "rafce", "digest"


write_atomic = atomic.write_bytes
"""Write a file so that even after a power cut there is the old content or the new, never a part."""


def save_state(folder: Path, state: Mapping[str, Any]) -> None:
    """Write `state.pt`: plain types and tensors, so that loading it runs no code, and the digest of all its bytes."""
    buffer = io.BytesIO()  # torch's own writer reports a full disk in many ways
    torch.save({"schema": STATE_SCHEMA, **state}, buffer)
    write_atomic(folder / STATE, zip_with_digest(buffer.getvalue()))


def load_state(folder: Path) -> dict[str, Any]:
    """Read `state.pt`; TrainingError when it is absent, damaged or of another version."""
    path = folder / STATE
    if not path.is_file():
        raise TrainingError(f"{folder}: expected a run folder with {STATE} in it, found none")
    try:
        content = read_file(path)
    except OSError as error:
        raise TrainingError(f"{path}: cannot be read as a checkpoint: {error.strerror}") from None
    fault = zip_digest_fault(content)
    if fault == CHANGED:
        raise TrainingError(f"{path}: cannot be read as a checkpoint: {fault}")
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a dozen kinds for a broken file
        raise TrainingError(f"{path}: cannot be read as a checkpoint: {str(error).splitlines()[0]}") from None
    found = state.pop("schema", None) if isinstance(state, dict) else None
    if found != STATE_SCHEMA:
        raise TrainingError(
            f"{path}: expected schema {STATE_SCHEMA}, found {str(found)[:100]}; a run of another release is gone on "
            "with by that release"
        )
    if fault:
        raise TrainingError(f"{path}: cannot be read as a checkpoint: {fault}")
    return dict(state)


def load_options(folder: Path) -> dict[str, Any]:
    """The options in `config.toml`, checked against `SHA256SUMS`; RafceError when absent, changed or not allowed."""
    path = folder / CONFIG
    return parse_config(read_sums(folder).read(CONFIG), path)


def save_weights(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors as safetensors, with what is needed to use them."""
    write_atomic(path, weights_bytes(tensors, facts))


def weights_bytes(tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> bytes:
    """The content of a safetensors file: tensors, and facts as one key, because it writes several in random order."""
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    return fill_digest(safetensors.torch.save(whole, {WEIGHTS_KEY: facts_text({**facts, DIGEST: BLANK})}))


def load_weights(path: Path, sums: Sums | None = None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and facts that `save_weights` wrote; WeightsError when there are none, or they were damaged or changed.

    `sums` are those of the run folder; weights of a run of an older release, which has none, carry no digest.
    """
    try:
        content = read_file(path)
    except FileNotFoundError:
        raise WeightsError(f"{path}: expected the weights of a run, found none") from None
    except OSError as error:
        raise WeightsError(f"{path}: expected the weights of a run: {error}") from None
    if sums is not None and is_finished(sums.folder):
        sums.check(path.name, content, WeightsError)
    fault = digest_fault(content)
    if fault == CHANGED:
        raise WeightsError(f"{path}: {fault}")
    try:
        tensors = safetensors.torch.load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        text = header.get("__metadata__", {}).get(WEIGHTS_KEY, "{}")
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise WeightsError(f"{path}: expected the weights of a run: {error}") from None
    is_without_sums = sums is not None and sums.digests is None
    facts = read_facts(text, path, may_be_old=is_without_sums)
    if is_without_sums and facts["schema"] == WEIGHTS_SCHEMA:
        raise WeightsError(f"{path}: expected {SUMS} beside weights of schema {WEIGHTS_SCHEMA}, found none")
    check_digest(facts, fault, path)
    _check_finite(tensors, path)
    return dict(sorted(tensors.items())), facts


def check_digest(facts: dict[str, Any], fault: str | None, where: object) -> None:
    """Take the digest out of facts; WeightsError where it is not the one that was found good, unless they are old."""
    schema, digest = facts.pop("schema"), facts.pop(DIGEST, None)
    if schema == WEIGHTS_SCHEMA and (fault or digest is None):
        raise WeightsError(f"{where}: expected the digest that a file of {WEIGHTS_SCHEMA} carries: {fault}")


def _check_finite(tensors: Mapping[str, Tensor], path: Path) -> None:
    bad = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    raise_all(
        [f"{path}: expected finite numbers, found others in {name}" for name in sorted(bad)], WeightsError
    )


def facts_text(facts: Mapping[str, Any]) -> str:
    """What is needed to use weights, as every file of them carries it: sorted JSON with its version."""
    return json.dumps({"schema": WEIGHTS_SCHEMA, **facts}, sort_keys=True, ensure_ascii=False)


def read_facts(text: str, where: object, *, may_be_old: bool = False) -> dict[str, Any]:
    """The facts that `facts_text` wrote, `schema` among them; WeightsError when they are none or of another version."""
    try:
        facts = dict(json.loads(text))
    except (ValueError, TypeError, RecursionError):
        raise WeightsError(
            f"{where}: expected the weights of a run, found no JSON under {WEIGHTS_KEY}"
        ) from None
    found, known = facts.setdefault("schema", None), [WEIGHTS_SCHEMA, *[OLD_WEIGHTS_SCHEMA] * may_be_old]
    if found not in known:
        again = "; export it again from its run" if found == OLD_WEIGHTS_SCHEMA else ""
        raise WeightsError(
            f"{where}: expected the weights of a run, schema {WEIGHTS_SCHEMA}, found {str(found)[:100]}{again}"
        )
    return facts


def write_table(path: Path, table: pa.Table) -> None:
    """Write a Parquet file in one go."""
    write_atomic(path, parquet_bytes(table))


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write JSON for people and programs: indented, keys in the order given, no NaN."""
    text = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomic(path, f"{text}\n".encode())
