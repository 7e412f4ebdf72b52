"""Two processes that train together against one that sees the whole batch, and what happens when one of them dies."""

import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor

from rafce.errors import ConfigError
from rafce_train.checkpoint import load_state
from rafce_train.config import Config, config_toml
from rafce_train.data import read_data
from rafce_train.feed import Feed
from rafce_train.methods import METHODS
from rafce_train.ranks import ALONE, Ranks, check_alone, place
from rafce_train.run import Stopped, resume

SCRIPT = Path(__file__).with_name("in_ranks.py")
COMMAND = [sys.executable, "-c", "from rafce_cli.main_train import rafce_train; rafce_train()", "run"]
TWO = {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
SLURM = {"SLURM_PROCID": "1", "SLURM_NTASKS": "2", "SLURM_LOCALID": "0"}
PATIENCE = 300

Process = subprocess.Popen[str]


def launch(command: list[str], n_ranks: int) -> list[Process]:
    """So many processes, as torchrun would start them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return [
        subprocess.Popen(
            command,
            env={**os.environ, **TWO, "WORLD_SIZE": str(n_ranks), "MASTER_PORT": str(port), **place_of(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(n_ranks)
    ]


def place_of(rank: int) -> dict[str, str]:
    return {"RANK": str(rank), "LOCAL_RANK": str(rank)}


def finish(processes: list[Process]) -> list[tuple[int, str, str]]:
    """Exit code, standard output and standard error of each."""
    ends = []
    for process in processes:
        out, err = process.communicate(timeout=PATIENCE)
        ends.append((process.returncode, out, err))
    return ends


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Tensor]]:
    """What in_ranks.py finds: alone, and on either of two ranks."""
    folder = tmp_path_factory.mktemp("ranks")
    command = [sys.executable, str(SCRIPT), str(folder)]
    for code, _, said in finish([*launch(command, 2), *launch(command, 1)]):
        assert code == 0, said
    return [torch.load(folder / f"{name}.pt", weights_only=True) for name in ("1-0", "2-0", "2-1")]


def assert_close(outcomes: list[dict[str, Tensor]], what: str, relative: float) -> None:
    """Every value of two ranks is that of one process, to a share of the largest number of its kind."""
    alone, two, _ = outcomes
    names = [name for name in alone if name.startswith(what)]
    assert names
    for name in names:
        atol = relative * alone[name].abs().max().item()
        torch.testing.assert_close(two[name], alone[name], rtol=relative, atol=atol, msg=name)


@pytest.mark.parametrize("shape", ["maps", "vectors"])
def test_synchronized_batchnorm_is_torchs_on_the_whole_batch(outcomes, shape):
    """In value, in all three gradients, in running statistics and in forward mode."""
    assert_close(outcomes, f"{shape} ", 1e-9)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("method", METHODS)
def test_two_ranks_equal_one_process_after_five_iterations(outcomes, method, reduction):
    assert_close(outcomes, f"{method} {reduction}: ", 1e-9)


def test_two_ranks_equal_one_process_on_a_residual_network(outcomes):
    assert_close(outcomes, "resnet18 mml", 1e-9)


def test_ranks_stay_the_same_bit_for_bit(outcomes):
    _, first, second = outcomes
    assert [name for name in first if not first[name].equal(second[name])] == ["spoke"]


def test_what_one_rank_wants_all_learn_and_of_an_error_one_speaks(outcomes):
    alone, first, second = outcomes
    assert [found["flags"].tolist() for found in outcomes] == [[False, False], [True, False], [True, False]]
    assert alone["spoke"]
    assert first["spoke"] != second["spoke"]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, ALONE),
        ({**TWO, "RANK": "1", "LOCAL_RANK": "0"}, Ranks(1, 2, 0)),
        ({**TWO, "WORLD_SIZE": "1"}, ALONE),
        ({**SLURM, "MASTER_ADDR": "node1", "MASTER_PORT": "29500"}, Ranks(1, 2, 0)),
        ({**SLURM, **TWO, "RANK": "0"}, Ranks(0, 2, 0)),  # torchrun started by srun
        (SLURM, ALONE),  # in a job's script, before any srun
        ({**SLURM, "SLURM_NTASKS": "1", "SLURM_STEP_ID": "0"}, ALONE),
    ],
)
def test_a_process_knows_its_place_from_torchrun_and_slurm(environment, expected):
    assert place(environment) == expected


@pytest.mark.parametrize("value", ["a", "-1", "1.5", "", "²"])
def test_a_place_that_is_no_number_is_named(value):
    with pytest.raises(
        ConfigError, match=f"WORLD_SIZE in the environment: expected a whole number, found '{value}'"
    ):
        place({"RANK": "0", "WORLD_SIZE": value, "LOCAL_RANK": "0"})


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (
            {**TWO, "RANK": "2"},
            "RANK in the environment: expected a number below WORLD_SIZE, which is 2, found 2",
        ),
        (
            {**TWO, "RANK": "7", "WORLD_SIZE": "1"},
            "RANK in the environment: expected a number below WORLD_SIZE",
        ),
        (
            {"RANK": "7", "WORLD_SIZE": "2"},
            "several ranks: expected LOCAL_RANK in the environment, found none",
        ),
        ({**TWO, "LOCAL_RANK": "2"}, "LOCAL_RANK in the environment: expected a number below WORLD_SIZE"),
        ({**TWO, "LOCAL_RANK": "-1"}, "LOCAL_RANK in the environment: expected a whole number, found '-1'"),
        ({**TWO, "RANK": "-1"}, "RANK in the environment: expected a whole number, found '-1'"),
        (
            {**TWO, "WORLD_SIZE": "0"},
            "RANK in the environment: expected a number below WORLD_SIZE, which is 0, found 0",
        ),
        (
            {**SLURM, "SLURM_PROCID": "5"},
            "SLURM_PROCID in the environment: expected a number below SLURM_NTASKS",
        ),
    ],
)
def test_a_rank_that_cannot_be_is_refused(environment, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        place(environment)


WAITING = """
    import signal, sys, time
    from rafce_train.ranks import joined
    signal.signal(signal.SIGTERM, lambda *_: None)  # as the trainer: after this step
    with joined() as ranks:
        print("ready", flush=True)
        if ranks.is_first:
            time.sleep(120)
        ranks.from_first(lambda: 0)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_rank_that_waits_for_another_ends_on_a_signal(number):
    first, second = launch([sys.executable, "-c", textwrap.dedent(WAITING)], 2)
    try:
        assert second.stdout is not None
        assert second.stdout.readline() == "ready\n"
        time.sleep(0.5)  # it waits by now
        second.send_signal(number)
        assert second.wait(timeout=30) == 128 + number
        assert second.communicate()[1] == "stopped while waiting for the other ranks\n"
    finally:
        for process in (first, second):
            process.kill()
            process.communicate()


def test_a_rank_that_nobody_comes_to_meet_ends_on_a_signal():
    environment = {**os.environ, **TWO, "RANK": "1"}
    command = [
        sys.executable,
        "-c",
        textwrap.dedent(WAITING).replace("with joined", "print('ready', flush=True)\nwith joined"),
    ]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(1)
        process.terminate()
        assert process.wait(timeout=30) == 128 + signal.SIGTERM


def test_tasks_that_srun_started_need_a_place_to_meet():
    with pytest.raises(ConfigError, match="2 ranks: expected MASTER_PORT in the environment, found none"):
        place({**SLURM, "SLURM_STEP_ID": "0", "MASTER_ADDR": "node1"})


def test_what_one_process_does_is_refused_to_several(monkeypatch):
    check_alone("a comparison")
    for name, value in TWO.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="a comparison: expected one process, found 2 ranks"):
        check_alone("a comparison")


@pytest.fixture
def feeds(tiny, tiny_dataset: Path) -> Callable[..., list[Feed]]:
    """The feeds of one process and of two ranks."""
    data = read_data(tiny_dataset)
    images_NHW3 = torch.randint(0, 256, (len(data.names), 32, 32, 3), dtype=torch.uint8)

    def make(places: Iterable[Ranks] = (ALONE, Ranks(0, 2), Ranks(1, 2)), **changes) -> list[Feed]:
        config, device = tiny(**changes), torch.device("cpu")
        return [Feed(data, images_NHW3, config, device, ranks) for ranks in places]

    return make


def test_ranks_see_different_images_that_make_up_the_batch_of_one_process(feeds):
    for step in range(3):
        whole, *parts = (feed.training_batch(1, step) for feed in feeds(augment="standard"))
        assert all(len(part.emotion_B) == 4 for part in parts)
        for tensor, *of_parts in zip(whole, *parts, strict=True):
            torch.testing.assert_close(torch.cat(of_parts), tensor, rtol=0, atol=0, equal_nan=True)
        whole, *parts = (feed.validation_batch(1, step) for feed in feeds())
        assert torch.cat([part.images_B3HW for part in parts]).equal(whole.images_B3HW)


def test_ranks_share_a_partition_that_is_looked_at(feeds):
    whole, *parts = (list(feed.partition("test")) for feed in feeds())
    emotions = torch.cat([batch.emotion_B for part in parts for batch in part])
    assert emotions.equal(torch.cat([batch.emotion_B for batch in whole]))
    assert all(parts)


@pytest.mark.parametrize(
    ("changes", "size", "message"),
    [
        (
            {"batch_size": 8},
            3,
            "--batch-size 8: expected a multiple of the 3 ranks, at least 2 images for each",
        ),
        (
            {"batch_size": 8},
            8,
            "--batch-size 8: expected a multiple of the 8 ranks, at least 2 images for each",
        ),
        (
            {"method": "mml", "batch_size": 20},
            5,
            "images in a validation batch, 16: expected a multiple of the 5 ranks",
        ),
        ({"batch_size": 24}, 12, "11 test images: expected at least one for each of the 12 ranks"),
    ],
)
def test_a_batch_that_cannot_be_divided_is_refused(feeds, changes, size, message):
    with pytest.raises(ConfigError) as caught:
        feeds([Ranks(0, size)], **changes)
    assert message in str(caught.value)


def test_synchronized_batchnorm_makes_do_with_an_image_a_rank(feeds):
    assert feeds([Ranks(0, 8)], batch_size=8, sync_batchnorm=True)


TRAINING = {
    "method": "mtl",
    "backbone": "resnet18",  # with BatchNorm and without random layers: the number of ranks changes rounding alone
    "sync_batchnorm": True,
    "lr_backbone": 1e-4,
    "lr_heads": 1e-3,
    "epochs": 3,
    "deterministic": False,
}


def run_command(config: Config, folder: Path) -> list[str]:
    """The command line of a run, given a configuration's file."""
    path = folder.with_suffix(".toml")
    path.write_text(config_toml(config))
    return [*COMMAND, "--config", str(path), "--out", str(folder)]


def await_epoch(process: Process, epoch: int) -> None:
    """Return when rank 0 shows the figures of an epoch."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if line.strip().startswith(f"{epoch}/"):
            return
    pytest.fail("".join(said))


def assert_like_one_process(folder: Path, whole: Path) -> None:
    """The histories agree but for rounding, and so does what was tested."""
    ours, theirs = (pq.read_table(run / "history.parquet").to_pandas() for run in (folder, whole))
    assert ours["epoch"].tolist() == theirs["epoch"].tolist()
    for name in ("loss_emo", "loss_au", "validation_loss", "p_au"):
        np.testing.assert_allclose(ours[name], theirs[name], rtol=0.02, err_msg=name)
    names = [pq.read_table(run / "predictions.parquet")["image"].to_pylist() for run in (folder, whole)]
    assert names[0] == names[1]


def test_two_ranks_and_one_go_on_for_each_other_after_signals_and_kills(tiny, whole, screen, tmp_path):
    """As one run: two ranks stop together, one process makes a step, one of two is killed, two finish."""
    config, folder = tiny(**TRAINING), tmp_path / "run"
    resume_command = [*COMMAND, "--resume", str(folder)]

    first, second = launch(run_command(config, folder), 2)
    await_epoch(first, 1)
    second.send_signal(signal.SIGTERM)  # whichever is asked
    (code, _, said), end_of_second = finish([first, second])
    assert code == 128 + signal.SIGTERM, said
    assert f"stopped and saved; go on with: rafce-train run --resume {folder}" in said
    assert end_of_second == (code, "", "")

    screen.at_step = lambda step: os.kill(os.getpid(), signal.SIGINT) if step == 1 else None
    with pytest.raises(Stopped):
        resume(folder, screen)

    first, second = launch(resume_command, 2)
    await_epoch(first, 2)
    second.kill()
    (code, out, said), (_, *said_by_second) = finish([first, second])
    assert code == 2
    assert re.search(r"error: rank 1 \(of 0 to 1\) is gone: .*\n.* rafce-train run --resume ", said), said
    assert "Traceback" not in said
    assert [out, *said_by_second] == ["", "", ""]
    assert load_state(folder)["standing"]["epoch"] == 2

    (code, out, said), end_of_second = finish(launch(resume_command, 2))
    assert code == 0, said
    assert f"run folder: {folder}" in out
    assert end_of_second == (0, "", "")
    assert_like_one_process(folder, whole(config)[0])
