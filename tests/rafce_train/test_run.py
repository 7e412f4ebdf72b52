import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.metrics import accuracy_score, recall_score
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from rafce.errors import ConfigError, ImageError, OutputError, TrainingError
from rafce_train.checkpoint import load_state, load_weights, save_state
from rafce_train.config import config_from, config_toml, read_config
from rafce_train.events import EVENTS
from rafce_train.learner import Learner
from rafce_train.methods import find_method
from rafce_train.run import Stopped, resume, start
from rafce_train.saved import load_net
from rafce_train.setup import without_effect

PLAIN_FILES = (
    "config.toml",
    "history.parquet",
    "predictions.parquet",
    "metrics.json",
    "model_card.md",
    "weights.safetensors",
    "state.pt",
    "SHA256SUMS",
)
EVERYTHING = {
    "method": "mml",
    "backbone": "shufflenet_v2_x0_5",  # with BatchNorm
    "augment": "standard",
    "sampler": "balanced",
    "momentum": 0.9,
    "nesterov": True,
    "weight_decay": 0.01,
    "schedule": "cosine",
    "meta_every": 2,
    "lr_meta": 1e-4,
    "checkpoint_every": 0.0,
}


class CrashError(Exception):
    """Stands for a process that ends without a word."""


def break_off(config, folder, screen, step):
    """Start a run that crashes after so many steps."""

    def crash(number):
        if number == step:
            raise CrashError

    screen.at_step = crash
    with pytest.raises(CrashError):
        start(config, folder, screen)
    screen.at_step = lambda number: None


def history(folder):
    table = pq.read_table(folder / "history.parquet")
    return table.drop_columns([name for name in table.column_names if name.startswith("seconds_")])


def assert_same_outcome(one, two):
    for name in ("weights.safetensors", "predictions.parquet", "metrics.json", "config.toml"):
        assert (one / name).read_bytes() == (two / name).read_bytes(), name
    assert history(one).equals(history(two))


def test_a_run_leaves_every_file_of_a_run_folder_and_nothing_beside_it(tiny, whole):
    folder, metrics = whole(tiny(**EVERYTHING))
    assert {path.name for path in folder.iterdir()} == {*PLAIN_FILES, "tensorboard", ".lock"}
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert json.loads((folder / "metrics.json").read_text()) == metrics


def test_metrics_follow_from_the_predictions(tiny, whole):
    folder, metrics = whole(tiny(**EVERYTHING))
    rows = pq.read_table(folder / "predictions.parquet").to_pandas()
    emotions = rows.filter(regex="^p_[a-z]+_[a-z]+$")
    np.testing.assert_allclose(emotions.sum(axis=1), 1, rtol=1e-6)
    names = [name.removeprefix("p_").replace("_", " ") for name in emotions]
    assert [names[i] for i in emotions.to_numpy().argmax(1)] == rows["predicted"].tolist()
    assert metrics["test"]["n"] == len(rows)
    assert metrics["test"]["accuracy"]["value"] == pytest.approx(
        accuracy_score(rows["emotion"], rows["predicted"])
    )
    there = sorted(set(rows["emotion"]))
    uar = recall_score(rows["emotion"], rows["predicted"], labels=there, average="macro")
    assert metrics["test"]["uar"]["value"] == pytest.approx(uar)
    assert rows.filter(regex="^p_AU").notna().all(axis=None)
    assert metrics["test"]["action_units"]["aus"][0]["au"] == 1


def test_a_method_that_learns_no_aus_reports_none(tiny, whole):
    folder, metrics = whole(tiny())
    table = pq.read_table(folder / "predictions.parquet")
    assert metrics["test"]["action_units"] is None
    assert all(table[name].null_count == len(table) for name in table.column_names if name.startswith("p_AU"))
    assert history(folder)["au_macro_f1"].to_pylist() == [None, None]


def test_the_weights_are_those_of_the_best_validation_epoch(tiny, whole):
    folder, metrics = whole(tiny(epochs=4, lr_backbone=0.05))
    scores = history(folder)["uar"].to_pylist()
    assert metrics["selected"] == {
        "by": "uar",
        "epoch": scores.index(max(scores)) + 1,
        "validation": max(scores),
    }
    tensors, facts = load_weights(folder / "weights.safetensors")
    assert facts["epoch"] == metrics["selected"]["epoch"]
    preprocessing = {"image_size": 32, "normalize": "imagenet", "channel_order": "rgb"}
    assert facts["preprocessing"].items() >= preprocessing.items()
    assert len(facts["emotions"]) == 14
    assert "research" in facts["licence"]
    best = load_state(folder)["standing"]["best"]["net"]
    assert all(torch.equal(tensors[name], best[name]) for name in best)


def test_a_network_whose_state_has_a_version_of_its_own_is_tested_opened_and_resumed(
    tiny, whole, screen, tmp_path
):
    folder, metrics = whole(tiny(backbone="mnasnet0_5", epochs=1))
    shutil.copytree(folder, tmp_path / "run")
    assert resume(tmp_path / "run", screen) == metrics
    rows = pq.read_table(folder / "predictions.parquet").to_pandas()
    assert metrics["test"]["accuracy"]["value"] == (rows["emotion"] == rows["predicted"]).mean()
    net, _ = load_net(folder)
    best = load_state(folder)["standing"]["best"]["net"]
    assert all(torch.equal(net.state_dict()[name], best[name]) for name in best)


def test_the_history_tells_losses_weights_scores_rates_and_seconds(tiny, whole):
    folder, _ = whole(tiny(**EVERYTHING))
    table = pq.read_table(folder / "history.parquet")
    assert table["epoch"].to_pylist() == [1, 2]
    assert table["iterations"].to_pylist() == [4, 8]
    for row in table.to_pylist():
        for term in ("emo", "au", "align"):
            assert 0 < row[f"loss_{term}_weighted"] <= row[f"loss_{term}"]
        assert (row["omega_emo"], row["omega_emo_sd"]) == (1, 0)
        assert 0 < row["omega_align"] < 1
        assert row["omega_align_sd"] > 0
        assert 0 < row["p_au"] < 1
        assert row["gap_accuracy"] == pytest.approx(row["train_accuracy"] - row["accuracy"])
        assert row["lr_meta"] == pytest.approx(row["lr_heads"] / 100)
        assert row["lr_heads"] == pytest.approx(10 * row["lr_backbone"])
        assert row["seconds_data"] > 0
        assert row["seconds_compute"] > row["seconds_data"]


def test_fixed_weights_are_the_options_and_a_weighted_loss_is_their_product(tiny, whole):
    folder, _ = whole(tiny(method="am", rho_au=(0.3,), rho_align=(0.2,), epochs=1))
    (row,) = history(folder).to_pylist()
    assert row["omega_au"] == pytest.approx(0.3)
    assert row["loss_au_weighted"] == pytest.approx(0.3 * row["loss_au"])
    assert row["loss_align_weighted"] == pytest.approx(0.2 * row["loss_align"])


@pytest.mark.parametrize(
    ("changes", "sure"),
    [
        ({"method": "uncertainty", "checkpoint_every": 0.0}, {}),
        (
            {"method": "gradnorm", "with_alignment": True, "momentum": 0.9, "checkpoint_every": 0.0},
            {"sum": 3},
        ),
        ({"method": "dtp", "with_alignment": True, "meta_every": 3, "checkpoint_every": 0.0}, {"align": 0.1}),
    ],
)
def test_weights_of_cited_methods_stand_in_the_history_and_move(tiny, whole, changes, sure):
    config = tiny(**changes)
    rows = history(whole(config)[0]).to_pylist()
    terms = find_method(config.method, config.with_alignment).terms
    weights = [[row[f"omega_{term}"] for term in terms] for row in rows]
    assert all(
        abs(first - second) > 1e-6 for first, second in zip(weights[0][:2], weights[1][:2], strict=True)
    )
    assert all(row[f"omega_{term}_sd"] >= 0 for row in rows for term in terms)
    assert ("lr_meta" in rows[0]) == (config.method != "dtp")
    for row in rows:
        found = {"sum": sum(row[f"omega_{term}"] for term in terms), "align": row.get("omega_align")}
        assert {name: found[name] for name in sure} == pytest.approx(sure)


def test_distribution_matching_uses_the_laboratory_and_says_what_that_knows_nothing_of(
    tiny, screen, tmp_path
):
    start(tiny(method="dm", rho_align=(0.2,), epochs=1), tmp_path / "a", screen)
    (row,) = history(tmp_path / "a").to_pylist()
    assert row["loss_dm_weighted"] == pytest.approx(0.2 * row["loss_dm"])
    assert "loss_align" not in row
    (note,) = [note for note in screen.notes if "distribution matching" in note]
    denied = note.removeprefix("statistics: no emotion has ").partition(":")[0].split(", ")
    cells = pq.read_table(Path(tiny().dataset) / "lab_statistics.parquet").to_pydict()
    aus = sorted(json.loads(pq.read_schema(Path(tiny().dataset) / "samples.parquet").metadata[b"rafce.aus"]))
    assert denied == [f"AU{au:02d}" for au in aus if au not in cells["au"]]


def test_the_configuration_of_a_run_repeats_it_bit_for_bit(tiny, whole, screen, tmp_path):
    folder, _ = whole(tiny(**EVERYTHING))
    start(config_from(read_config(folder / "config.toml")), tmp_path / "again", screen)
    assert_same_outcome(folder, tmp_path / "again")


def test_another_seed_gives_another_run(tiny, whole):
    (one, _), (two, _) = whole(tiny()), whole(tiny(seed=1))
    assert (one / "weights.safetensors").read_bytes() != (two / "weights.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        (EVERYTHING, 6),
        ({"method": "mtl", "class_weights": "balanced", "checkpoint_every": 0.0}, 2),  # with dropout
        ({"method": "uncertainty", "checkpoint_every": 0.0}, 6),
        ({"method": "gradnorm", "with_alignment": True, "momentum": 0.9, "checkpoint_every": 0.0}, 6),
        ({"method": "dtp", "with_alignment": True, "meta_every": 3, "checkpoint_every": 0.0}, 2),
        ({"epochs": 3, "patience": 1, "lr_heads": 0.0, "checkpoint_every": 0.0}, 4),
        ({}, 2),  # before the first checkpoint
    ],
)
def test_a_crash_changes_no_bit_of_the_outcome(tiny, whole, screen, tmp_path, changes, step):
    config = tiny(**changes)
    break_off(config, tmp_path / "broken", screen, step)
    resume(tmp_path / "broken", screen)
    assert_same_outcome(whole(config)[0], tmp_path / "broken")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_step_finish_and_saves(tiny, whole, screen, tmp_path, number):
    handler = signal.getsignal(number)
    screen.at_step = lambda step: os.kill(os.getpid(), number) if step == 1 else None
    with pytest.raises(Stopped) as caught:
        start(tiny(), tmp_path / "broken", screen)
    assert (caught.value.folder, caught.value.number) == (tmp_path / "broken", number)
    standing = load_state(tmp_path / "broken")["standing"]
    assert (standing["epoch"], standing["step"]) == (0, 2)
    assert signal.getsignal(number) == handler
    resume(tmp_path / "broken", screen)
    assert_same_outcome(whole(tiny())[0], tmp_path / "broken")


def test_a_second_signal_ends_at_once(tiny, screen, tmp_path):
    def twice(step):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    screen.at_step = twice
    with pytest.raises(KeyboardInterrupt):
        start(tiny(), tmp_path / "broken", screen)


def test_resuming_a_finished_run_changes_nothing(tiny, screen, tmp_path):
    metrics = start(tiny(epochs=1), tmp_path / "a", screen)
    before = {name: (tmp_path / "a" / name).read_bytes() for name in PLAIN_FILES}
    assert resume(tmp_path / "a", screen) == metrics
    assert before == {name: (tmp_path / "a" / name).read_bytes() for name in PLAIN_FILES}


def test_a_resumed_run_shows_every_epoch_once_in_tensorboard(tiny, screen, tmp_path):
    break_off(tiny(), tmp_path / "a", screen, step=6)
    resume(tmp_path / "a", screen)
    events = EventAccumulator(str(tmp_path / "a" / EVENTS))
    events.Reload()
    assert [event.step for event in events.Tensors("loss/loss_emo")] == [1, 2]


def test_patience_ends_a_run_that_does_not_get_better(tiny, screen, tmp_path):
    start(tiny(epochs=9, patience=2, lr_backbone=0.0, lr_heads=0.0), tmp_path / "a", screen)
    assert [row["epoch"] for row in screen.rows] == [1, 2, 3]


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        ("step", [1, 1, 0.1, 0.01]),
        ("cosine", [(1 + np.cos(np.pi * done / 16)) / 2 for done in (3, 7, 11, 15)]),
    ],
)
def test_schedules_scale_every_rate(tiny, whole, schedule, factors):
    rows = history(whole(tiny(epochs=4, schedule=schedule))[0])
    assert rows["lr_heads"].to_pylist() == pytest.approx([0.01 * factor for factor in factors])
    assert rows["lr_backbone"].to_pylist() == pytest.approx([0.001 * factor for factor in factors])


@pytest.mark.parametrize(
    ("schedule", "factor"),
    [
        ("none", lambda step: 1),
        ("cosine", lambda step: (1 + np.cos(np.pi * step / 8)) / 2),
        ("step", lambda step: 1 if step < 4 else 0.1 if step < 6 else 0.01),
    ],
)
def test_each_step_is_taken_at_the_rate_of_the_share_of_steps_before_it(
    tiny, screen, tmp_path, monkeypatch, schedule, factor
):
    rates, step = [], Learner.step

    def watched(self, *batches):
        rates.append([group["lr"] for group in self.optimizer.param_groups])
        return step(self, *batches)

    monkeypatch.setattr(Learner, "step", watched)
    config = tiny(schedule=schedule)
    start(config, tmp_path / "run", screen)
    assert len(rates) == 8  # two epochs of four
    np.testing.assert_allclose(
        rates, [[rate * factor(i) for rate in (config.lr_backbone, config.lr_heads)] for i in range(8)]
    )


def test_going_on_with_a_finished_run_trains_nothing_and_says_so(tiny, whole, screen, tmp_path):
    source, metrics = whole(tiny())
    shutil.copytree(source, tmp_path / "run")
    assert resume(tmp_path / "run", screen) == metrics
    assert screen.steps == []
    assert f"{tmp_path / 'run'} is finished: nothing is trained, its figures are made again" in screen.notes


def test_a_list_of_fixed_weights_keeps_the_best_on_validation(tiny, screen, tmp_path):
    config = tiny(method="am", rho_au=(0.1, 1.0), rho_align=(0.1, 0.2), epochs=1)
    break_off(config, tmp_path / "a", screen, step=6)
    metrics = resume(tmp_path / "a", screen)
    pairs = [(trial["rho_au"], trial["rho_align"]) for trial in metrics["trials"]]
    assert pairs == [(0.1, 0.1), (0.1, 0.2), (1.0, 0.1), (1.0, 0.2)]
    scores = [trial["validation"] for trial in metrics["trials"]]
    assert metrics["chosen"] == metrics["trials"][scores.index(max(scores))]
    chosen = tmp_path / "a/trials" / "rho-au-{rho_au}-rho-align-{rho_align}".format(**metrics["chosen"])
    assert history(chosen).equals(history(tmp_path / "a"))
    assert not (chosen / "metrics.json").exists(), "a trial never sees the test images"
    assert (tmp_path / "a/config.toml").read_text() == config_toml(config)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"method": "stl", "rho_au": (0.1, 1.0)},
            "--rho-au 0.1, 1.0: --method stl has no fixed weight of that name",
        ),
        (
            {"method": "mtl", "rho_align": (0.1, 1.0)},
            "--rho-align 0.1, 1.0: --method mtl has no fixed weight",
        ),
        ({"method": "mml", "rho_au": (0.1, 1.0)}, "--rho-au 0.1, 1.0: --method mml has no fixed weight"),
        (
            {"method": "dtp", "rho_align": (0.1, 1.0)},
            "--rho-align 0.1, 1.0: --method dtp has no fixed weight",
        ),
        ({"batch_size": 40}, "--batch-size 40: expected at most the"),
        ({"backbone": "resnet35"}, "backbone resnet35: expected a classifier of torchvision.models"),
        ({"device": "cuda"}, "--device cuda: torch finds none here"),
    ],
)
def test_options_that_cannot_be_carried_out_leave_nothing_behind(
    tiny, screen, tmp_path, monkeypatch, changes, message
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError) as caught:
        start(tiny(**changes), tmp_path / "a", screen)
    assert message in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried …\nmore"),
            TrainingError,
            "smaller --batch-size, now 8",
        ),
        (
            RuntimeError("x_cuda does not have a deterministic implementation"),
            ConfigError,
            "--deterministic: cannot",
        ),
    ],
)
def test_what_torch_cannot_do_is_explained(tiny, screen, tmp_path, error, kind, message):
    def fail(number):
        raise error

    screen.at_step = fail
    with pytest.raises(kind, match=message):
        start(tiny(), tmp_path / "a", screen)


def test_options_without_effect_are_named(tiny, screen, tmp_path):
    unused = {
        "statistics": "lab",
        "with_alignment": True,
        "rho_au": (7.0,),
        "meta_every": 3,
        "dtp_gamma": 1.0,
    }
    start(tiny(**unused, epochs=1), tmp_path / "a", screen)
    given = "--statistics lab", "--with-alignment", "--rho-au 7.0", "--meta-every 3", "--dtp-gamma 1.0"
    told = {note for note in screen.notes if "changes nothing" in note}
    assert told == {f"{option} changes nothing with --method stl" for option in given}


@pytest.mark.parametrize("method", ["mml", "dtp"])
def test_options_with_an_effect_are_not_named(tiny, method):
    own: dict[str, dict[str, Any]] = {
        "mml": {"lr_meta": 0.1, "statistics": "lab"},
        "dtp": {"dtp_alpha": 0.5, "meta_every": 2},
    }
    assert without_effect(tiny(method=method, **own[method])) == []


def test_a_folder_that_exists_is_refused_and_untouched(tiny, screen, tmp_path):
    with pytest.raises(OutputError, match="expected no such folder yet"):
        start(tiny(), tmp_path, screen)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_no_run_cannot_be_resumed(screen, tmp_path):
    with pytest.raises(TrainingError, match=r"expected a run folder with config\.toml in it, found none"):
        resume(tmp_path, screen)


def test_a_pixel_that_changed_in_the_cache_stops_a_run_and_the_next_one_is_right(
    tiny, whole, screen, tiny_dataset, tmp_path
):
    shutil.copytree(tiny_dataset, tmp_path / "data")
    config = tiny(epochs=1, dataset=str(tmp_path / "data"))
    start(config, tmp_path / "one", screen)
    (pixels,) = tmp_path.glob("data.cache/*/images.uint8")
    content = bytearray(pixels.read_bytes())
    content[1000] ^= 1
    pixels.write_bytes(content)
    with pytest.raises(
        ImageError, match="expected the pixels that were decoded, found others in images 1 to 16"
    ):
        start(config, tmp_path / "two", screen)
    start(config, tmp_path / "three", screen)
    assert_same_outcome(tmp_path / "one", tmp_path / "three")


def test_a_run_does_not_go_on_with_another_dataset(tiny, screen, tmp_path):
    break_off(tiny(), tmp_path / "a", screen, step=1)
    state = torch.load(tmp_path / "a" / "state.pt", weights_only=True)
    save_state(tmp_path / "a", {**state, "fingerprint": "of another"})
    with pytest.raises(TrainingError, match="the dataset's fingerprint was of another at its start"):
        resume(tmp_path / "a", screen)


def test_two_processes_do_not_train_in_one_folder(tiny, screen, tmp_path):
    def resume_too(number):
        resume(tmp_path / "a", type(screen)())

    screen.at_step = resume_too
    with pytest.raises(TrainingError, match="another process is training in it"):
        start(tiny(), tmp_path / "a", screen)


def test_a_loss_that_is_not_finite_names_step_loss_and_images(tiny, screen, tmp_path):
    with pytest.raises(TrainingError) as caught:
        start(tiny(method="mtl", lr_backbone=9e5, checkpoint_every=0.0), tmp_path / "a", screen)
    assert "epoch 1, step 2: the loss emo" in str(caught.value)
    assert ".jpg" in str(caught.value)
    assert load_state(tmp_path / "a")["standing"]["step"] == 1, "what was saved is finite"


def test_a_net_that_breaks_at_the_last_step_of_an_epoch_is_named(tiny, screen, tmp_path):
    with pytest.raises(
        TrainingError, match="epoch 1: after its last step the predictions on validation images"
    ):
        start(tiny(lr_backbone=9e5, batch_size=30), tmp_path / "a", screen)


def test_a_run_goes_on_without_the_file_that_its_weights_came_from(tiny, whole, screen, tmp_path):
    source = tmp_path / "w.safetensors"
    source.write_bytes((whole(tiny())[0] / "weights.safetensors").read_bytes())
    break_off(tiny(epochs=1, weights=str(source)), tmp_path / "a", screen, step=1)
    source.unlink()
    metrics = resume(tmp_path / "a", screen)
    assert "50 tensors matched, 0 missing" in metrics["weights"]
    assert f"{source}: {metrics['weights']}" in screen.notes


def test_bad_images_that_are_dropped_are_recorded(tiny, tiny_dataset, screen, tmp_path):
    names = pq.read_table(tiny_dataset / "samples.parquet", columns=["image"])["image"].to_pylist()
    folder, aligned = tmp_path / "images", tiny_dataset.parent / "RAF-AU" / "aligned"
    folder.mkdir()
    for name in names[1:]:
        (folder / name).write_bytes((aligned / name.replace(".jpg", "_aligned.jpg")).read_bytes())
    metrics = start(tiny(images=str(folder), on_bad_image="drop", epochs=1), tmp_path / "a", screen)
    assert metrics["dropped"] == [names[0]]
    assert sum(metrics["dataset"][name] for name in ("train", "validation", "test")) == len(names) - 1
    assert any(names[0] in note for note in screen.notes)


def test_a_rate_that_would_overflow_is_refused_before_there_is_a_folder(tiny, screen, tmp_path):
    with pytest.raises(ConfigError, match="--lr-heads 1e\\+308: expected less than 1,000,000"):
        start(tiny(lr_heads=1e308), tmp_path / "a", screen)
    assert list(tmp_path.iterdir()) == []


def test_what_is_of_no_use_or_starts_from_nothing_is_noted(tiny, screen, tmp_path):
    start(tiny(epochs=1, sync_batchnorm=True), tmp_path / "a", screen)
    assert "--sync-batchnorm changes nothing in a single process" in screen.notes
    assert any(
        note.startswith("--weights none: the backbone starts from random numbers") for note in screen.notes
    )
