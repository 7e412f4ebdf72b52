import errno
import json
import os
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from rafce.atomic import MARK
from rafce.errors import OutputError, TrainingError, WeightsError
from rafce_train import checkpoint

STATE: dict[str, Any] = {
    "epoch": 2,
    "net": {"weight": torch.arange(6.0)},
    "rows": [{"loss": 0.5}],
    "best": None,
}


def test_a_state_reads_back_equal(tmp_path):
    checkpoint.save_state(tmp_path, STATE)
    found = checkpoint.load_state(tmp_path)
    assert torch.equal(found["net"].pop("weight"), STATE["net"]["weight"])
    assert found == {**STATE, "net": {}}


def test_weights_and_their_facts_read_back_equal_and_bytes_repeat(tmp_path):
    tensors = {"b": torch.arange(4).float(), "a": torch.ones(2, 3).to(memory_format=torch.contiguous_format)}
    facts = {"thresholds": [0.5, 0.25], "backbone": "resnet18", "emotions": ["sadly ängry"]}
    for name in ("one", "two"):
        checkpoint.save_weights(tmp_path / name, tensors, facts)
    found, said = checkpoint.load_weights(tmp_path / "one")
    assert said == facts
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_table_reads_back_equal(tmp_path):
    schema = pa.schema([("epoch", pa.int32())], metadata={"rafce.schema": "history/1"})
    table = pa.table({"epoch": [1, 2]}, schema)
    checkpoint.write_table(tmp_path / "t.parquet", table)
    assert pq.read_table(tmp_path / "t.parquet").equals(table, check_metadata=True)


@pytest.mark.parametrize(
    ("number", "reason"), [(errno.ENOSPC, "the disk is full"), (errno.EACCES, "Permission denied")]
)
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, number, reason):
    checkpoint.save_state(tmp_path, {"epoch": 1})

    def fail(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(
        OutputError, match=f"state.pt: cannot be written: {reason}; what stood there is untouched"
    ):
        checkpoint.save_state(tmp_path, {"epoch": 2})
    monkeypatch.undo()
    assert checkpoint.load_state(tmp_path) == {"epoch": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]


def test_what_a_killed_run_was_writing_goes_with_the_next_checkpoint(tmp_path):
    dead = tmp_path / ".state.pt.tmp-0123456789abcdef"
    dead.mkdir()
    (dead / "lock").write_text(json.dumps({"mark": MARK, "name": "state.pt"}))
    (dead / "new.pt").write_bytes(b"half")
    checkpoint.save_state(tmp_path, {"epoch": 1})
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]


def test_a_broken_state_is_refused(tmp_path):
    (tmp_path / "state.pt").write_bytes(b"PK broken")
    with pytest.raises(TrainingError, match=r"state\.pt: cannot be read as a checkpoint"):
        checkpoint.load_state(tmp_path)


def test_a_state_of_another_version_is_refused(tmp_path):
    torch.save({"schema": "state/1"}, tmp_path / "state.pt")
    with pytest.raises(
        TrainingError, match="expected schema state/2, found state/1; a run of another release"
    ):
        checkpoint.load_state(tmp_path)


def test_a_folder_without_a_state_is_no_run(tmp_path):
    with pytest.raises(TrainingError, match=r"expected a run folder with state\.pt in it, found none"):
        checkpoint.load_state(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "expected the weights of a run, found none"), (b"broken", "expected the weights of a run: ")],
)
def test_weights_that_are_absent_or_broken_are_named(tmp_path, content, message):
    path = tmp_path / "weights.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        checkpoint.load_weights(path)


def test_weights_of_another_kind_are_refused(tmp_path):
    (tmp_path / "w").write_bytes(b"\x02\x00\x00\x00\x00\x00\x00\x00{}")
    with pytest.raises(WeightsError, match="schema weights/2, found None"):
        checkpoint.load_weights(tmp_path / "w")
