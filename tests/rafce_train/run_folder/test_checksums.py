"""`SHA256SUMS` is what `sha256sum -c` reads, and every command that reads a run holds its files against it."""

import hashlib
import json
import shutil
import subprocess

import pytest
import torch

from rafce.errors import RafceError, TrainingError, WeightsError
from rafce_reports.run_report import write_run_report
from rafce_reports.runs import read_run
from rafce_train.checkpoint import load_state, load_weights, save_state, save_weights
from rafce_train.compare import carry_out
from rafce_train.evaluate import evaluate
from rafce_train.explain import Options, explain
from rafce_train.export import export
from rafce_train.plan import Plan, Planned
from rafce_train.run import resume
from rafce_train.run_folder.checksums import is_finished, read_sums, write_sums
from rafce_train.run_folder.digests import digest_fault, fill_digest, zip_digest_fault, zip_with_digest
from rafce_train.run_folder.read import notes
from rafce_train.saved import load_net, open_model

SUMMED = ["config.toml", "history.parquet", "metrics.json", "model_card.md", "predictions.parquet"]


@pytest.fixture
def copied(tiny, whole, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(whole(tiny(method="mtl", epochs=1))[0], folder)
    return folder


def look(run):
    return evaluate(run, "test", lambda text: None, lambda done, total: None)


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum")
def test_sha256sum_accepts_the_folder_and_names_what_was_changed(copied):
    command = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    assert subprocess.run(command, cwd=copied, capture_output=True).returncode == 0
    (copied / "model_card.md").write_text("better")
    found = subprocess.run(command, cwd=copied, capture_output=True, text=True)
    assert "model_card.md: FAILED" in found.stdout


def test_all_that_later_commands_read_is_listed_and_the_digests_are_hashlibs(copied):
    digests = read_sums(copied).digests or {}
    assert sorted(digests) == [*SUMMED, "weights.safetensors"]
    for name, digest in digests.items():
        assert hashlib.sha256((copied / name).read_bytes()).hexdigest() == digest


READERS = {
    "report": (write_run_report, ("config.toml", "history.parquet", "metrics.json", "predictions.parquet")),
    "evaluate": (look, ("config.toml", "metrics.json", "weights.safetensors")),
    "predict": (open_model, ("weights.safetensors",)),
    "explain": (
        lambda run: explain([run], Options(), lambda text: None, lambda done, total: None),
        ("config.toml", "metrics.json", "weights.safetensors"),
    ),
    "export": (
        lambda run: export(run, "safetensors", run.parent / "m.safetensors"),
        ("weights.safetensors",),
    ),
}


@pytest.mark.parametrize(
    ("command", "name"), [(command, name) for command, (_, names) in READERS.items() for name in names]
)
def test_a_command_refuses_a_changed_file_and_names_it(copied, command, name):
    content = bytearray((copied / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copied / name).write_bytes(content)
    with pytest.raises(RafceError) as caught:
        READERS[command][0](copied)
    message = str(caught.value)
    assert message.startswith(f"{copied / name}: expected the file that SHA256SUMS lists")
    assert len(message.splitlines()) == 1


def test_options_changed_between_a_run_and_its_going_on_are_refused(copied, screen):
    text = (copied / "config.toml").read_text()
    (copied / "config.toml").write_text(text.replace("lr_heads = 0.01", "lr_heads = 0.03"))
    with pytest.raises(TrainingError, match=r"config\.toml: expected the file that SHA256SUMS lists"):
        resume(copied, screen)
    write_sums(copied, ["config.toml"])
    with pytest.raises(
        TrainingError, match=r"state\.pt: cannot go on: it was saved by a run with another config"
    ):
        resume(copied, screen)


def test_a_comparison_refuses_the_changed_metrics_of_a_run_that_is_there(tiny, whole, screen, tmp_path):
    config = tiny(method="mtl", epochs=1)
    run = tmp_path / "mtl-none-none-0"
    shutil.copytree(whole(config)[0], run)
    (run / "metrics.json").write_text((run / "metrics.json").read_text().replace("0.", "0.0", 1))
    with pytest.raises(TrainingError, match=r"metrics\.json: expected the file that SHA256SUMS lists"):
        carry_out(Plan((Planned(run.name, config),), ()), tmp_path, screen)


@pytest.mark.parametrize("name", ["metrics.json", "weights.safetensors"])
def test_a_run_without_its_sums_is_refused(copied, name):
    (copied / "SHA256SUMS").unlink()
    read = {"metrics.json": read_run, "weights.safetensors": load_net}[name]
    with pytest.raises(RafceError, match="expected SHA256SUMS"):
        read(copied)


def test_a_file_without_a_line_is_refused(copied):
    digests = read_sums(copied).digests or {}
    write_sums(copied, [name for name in digests if name != "predictions.parquet"])
    with pytest.raises(TrainingError, match=r"predictions\.parquet: expected a line about it in SHA256SUMS"):
        read_run(copied)


def test_an_end_between_metrics_and_sums_leaves_a_run_that_is_gone_on_with(copied, screen):
    before = (copied / "SHA256SUMS").read_bytes()
    write_sums(copied, ["config.toml"])
    assert not is_finished(copied)
    resume(copied, screen)
    assert is_finished(copied)
    assert (copied / "SHA256SUMS").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected whole lines, found an end within one, or none"),
        (
            "abc  config.toml\n",
            ":1: expected a SHA-256 and a file name as sha256sum writes them, found 'abc ",
        ),
        (f"{'0' * 64}  ../config.toml\n", ":1: expected a SHA-256 and a file name"),
        (f"{'0' * 64}  config.toml", "expected whole lines"),
        (f"{'0' * 64}  a\n{'1' * 64}  a\n", "expected a once"),
    ],
)
def test_sums_of_another_format_are_refused(copied, text, message):
    (copied / "SHA256SUMS").write_text(text)
    with pytest.raises(TrainingError) as caught:
        read_run(copied)
    assert message in str(caught.value)


def make_old(run):
    """The run as a release without checksums left it."""
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["schema"] = "metrics/1"
    (run / "metrics.json").write_text(json.dumps(metrics))
    content = (run / "weights.safetensors").read_bytes()
    n_header = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + n_header])
    facts = json.loads(header["__metadata__"]["rafce"])
    del facts["digest"]
    header["__metadata__"]["rafce"] = json.dumps({**facts, "schema": "weights/1"})
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    body = len(text).to_bytes(8, "little") + text + content[8 + n_header :]
    (run / "weights.safetensors").write_bytes(body)
    (run / "SHA256SUMS").unlink()


def test_a_run_of_an_older_release_is_read_with_its_contents_checked_and_a_note(copied, tmp_path):
    expected = read_run(copied).metrics["test"]
    make_old(copied)
    run = read_run(copied)
    assert (run.is_old, run.metrics["test"]) == (True, expected)
    assert look(copied).differences == ()
    assert notes(copied) == [
        f"{copied} was made before runs had checksums: its files agree with each other, but other damage goes unseen"
    ]
    text = (copied / "metrics.json").read_text()
    (copied / "metrics.json").write_text(
        text.replace('"accuracy": {"value": 0.', '"accuracy": {"value": 7.', 1)
    )
    with pytest.raises(TrainingError, match=r"accuracy\.value: expected 0 to 1, found 7\."):
        read_run(copied)


def test_weights_of_an_older_release_are_read_in_its_run_folder_alone(copied, tmp_path):
    expected, _ = load_weights(copied / "weights.safetensors")
    make_old(copied)
    net, _ = load_net(copied)
    assert all(torch.equal(net.state_dict()[name], expected[name]) for name in expected)
    shutil.copy(copied / "weights.safetensors", tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match="found weights/1; export it again from its run"):
        load_net(tmp_path / "w.safetensors")


def test_the_state_of_an_older_release_is_refused_by_name(copied, screen):
    state = torch.load(copied / "state.pt", weights_only=True)
    torch.save({**state, "schema": "state/1"}, copied / "state.pt")
    with pytest.raises(
        TrainingError, match="expected schema state/2, found state/1; a run of another release"
    ):
        resume(copied, screen)


def test_a_state_stays_a_file_that_torch_loads_with_weights_only(tmp_path):
    save_state(tmp_path, {"epoch": 2, "net": torch.arange(4.0)})
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert (state["schema"], state["epoch"]) == ("state/2", 2)
    assert torch.equal(state["net"], torch.arange(4.0))


def test_a_state_whose_digest_was_cut_off_is_refused(tmp_path):
    save_state(tmp_path, {"epoch": 2})
    torch.save({"schema": "state/2", "epoch": 3}, tmp_path / "state.pt")
    with pytest.raises(TrainingError, match="its digest is missing"):
        load_state(tmp_path)


TENSORS = {"a": torch.arange(6.0), "b": torch.ones(2, 2)}


@pytest.mark.parametrize(
    ("old", "new"),
    [("aaaa", "bbbb"), ('aaaa\\", \\"bbbb', 'bbbb\\", \\"aaaa'), ("11, 22", "22, 11"), ("11, 22", "11, 11")],
    ids=["repeated emotions", "permuted emotions", "permuted AUs", "repeated AUs"],
)
def test_metadata_that_were_changed_are_refused(tmp_path, old, new):
    path = tmp_path / "w.safetensors"
    save_weights(path, TENSORS, {"emotions": ["aaaa", "bbbb"], "aus": [11, 22]})
    content = path.read_bytes()
    assert content.count(old.encode()) == 1
    path.write_bytes(content.replace(old.encode(), new.encode()))
    with pytest.raises(WeightsError, match="damaged or was changed"):
        load_weights(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(tmp_path, value):
    save_weights(tmp_path / "w", {**TENSORS, "c": torch.tensor([1.0, value])}, {})
    with pytest.raises(WeightsError, match="w: expected finite numbers, found others in c"):
        load_weights(tmp_path / "w")


def test_a_digest_can_be_checked_by_a_stranger(tmp_path):
    """The SHA-256 of the file with the digest's own characters as zeros."""
    save_weights(tmp_path / "w", TENSORS, {})
    content = (tmp_path / "w").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    digest = json.loads(header["__metadata__"]["rafce"])["digest"].encode()
    assert content.count(digest) == 1
    assert hashlib.sha256(content.replace(digest, b"0" * 64)).hexdigest().encode() == digest


def test_only_what_holds_one_blank_digest_gets_one():
    with pytest.raises(ValueError, match="expected a blank digest"):
        fill_digest(b'"digest": "' + b"1" * 64 + b'"')
    with pytest.raises(ValueError, match="not enough values"):
        fill_digest(b"nothing")
    with pytest.raises(ValueError, match="expected a zip archive without a comment"):
        zip_with_digest(b"nothing")
    assert digest_fault(b"nothing") == zip_digest_fault(b"nothing") == "its digest is missing"
