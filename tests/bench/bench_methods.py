"""How long one iteration of every method takes over a single-task step, and how much memory, beside double backward.

Times are interleaved in one process, so that whatever else the machine does hits all alike; memory is measured in a
process of its own for each method.
"""

import argparse
import copy
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from rafce_train.config import Config
from rafce_train.learner import (
    Batch,
    Learner,
    Method,
    StepLog,
    base_learning,
    meta_train,
    update_meta_net,
)
from rafce_train.losses import distribution_matching_loss, emotion_loss, wild_alignment_loss
from rafce_train.meta import gradients
from rafce_train.methods import METHODS
from rafce_train.model import build_net
from rafce_train.prior import Prior

BACKBONE, SIZE, BATCH, THREADS = "resnet34", 112, 16, 2
N_EMOTIONS, N_AUS = 14, 32
STATUS = Path("/proc/self/status")
TARGETS = {
    "mml time / stl": 4.9,
    "mml time / double backward": 0.95,
    "mml memory / double backward": 0.7,
}


def double_backward(learner: Learner, batch: Batch, validation: Batch | None, seed: int) -> StepLog:
    """The iteration of `mml` with Eq. 15 as printed: the virtual step is differentiated with respect to ψ."""
    assert validation is not None
    outputs, raw_BT = learner.first_pass(batch, seed)
    features_BF = outputs.features_BF.detach()
    weight_BT = learner.weighting(features_BF)
    theta, rules = learner.theta(), learner.rules()
    gradient = torch.autograd.grad(learner.total(raw_BT, weight_BT), list(theta.values()), create_graph=True)
    theta_star = {
        name: rules[name].step(theta[name], value) for name, value in zip(theta, gradient, strict=True)
    }
    logits_BK = learner.outputs_at(theta_star, validation).emotion_logits_BK
    loss = emotion_loss(logits_BK, validation.emotion_B).mean()
    update_meta_net(learner, torch.autograd.grad(loss, list(learner.weighting.parameters())))
    first_order = {
        name: rules[name].step(theta[name], value.detach())
        for name, value in zip(theta, gradient, strict=True)
    }
    del gradient, theta_star, logits_BK, loss, weight_BT  # the graph of the gradient, not needed any more
    weight_BT = learner.weighting(features_BF).detach()
    base_learning(learner, first_order, raw_BT, weight_BT, batch, seed)
    return StepLog(raw_BT.detach(), weight_BT, *outputs[1:])


def no_meta_gradient(learner: Learner, batch: Batch, validation: Batch | None, seed: int) -> StepLog:
    """The floor: all that any way has to do, without the derivative for ψ."""
    assert validation is not None
    outputs, raw_BT = learner.first_pass(batch, seed)
    weight_BT = learner.weighting(outputs.features_BF.detach()).detach()
    theta_star = meta_train(learner, raw_BT, weight_BT)
    logits_BK = learner.outputs_at(theta_star, validation).emotion_logits_BK
    gradients(emotion_loss(logits_BK, validation.emotion_B).mean(), theta_star)
    base_learning(learner, theta_star, raw_BT, weight_BT, batch, seed)
    return StepLog(raw_BT.detach(), weight_BT, *outputs[1:])


WAYS: dict[str, Method] = {
    **METHODS,
    "no meta-gradient": replace(METHODS["mml"], step=no_meta_gradient),
    "double backward": replace(METHODS["mml"], step=double_backward),
}


class Row(NamedTuple):
    """A line of the table; memory is what an iteration needs on top of net, optimizer and batches."""

    way: str
    seconds: float
    over_stl: float
    peak_mib: float | None


def random_batch(seed: int) -> Batch:
    """Noise with random labels: what is in a batch does not change the time."""
    generator = torch.Generator().manual_seed(seed)
    return Batch(
        torch.randn(BATCH, 3, SIZE, SIZE, generator=generator),
        torch.randint(0, N_EMOTIONS, (BATCH,), generator=generator),
        (torch.rand(BATCH, N_AUS, generator=generator) < 0.1).float(),
    )


def learners(ways: Sequence[str]) -> dict[str, Learner]:
    """Learners of these ways, all from the same net."""
    torch.manual_seed(0)
    net = build_net(BACKBONE, N_EMOTIONS, N_AUS, image_size=SIZE)
    tables, silent = (torch.rand(N_EMOTIONS, N_AUS),), (False,) * N_EMOTIONS
    losses = {"align": wild_alignment_loss, "dm": distribution_matching_loss}
    priors = {term: Prior(tables, loss, silent) for term, loss in losses.items()}
    return {way: Learner(copy.deepcopy(net), WAYS[way], Config(), priors) for way in ways}


def iteration(learner: Learner) -> Callable[[], StepLog]:
    """The same iteration over and over."""
    batch, validation = random_batch(0), random_batch(1)
    return lambda: learner.step(batch, validation, True, 0)


def times(ways: Sequence[str], repeats: int) -> dict[str, float]:
    """Median seconds of an iteration, the ways taking turns; the first turn, which warms up, is left out."""
    torch.set_num_threads(THREADS)
    turns = {way: iteration(learner) for way, learner in learners(ways).items()}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(repeats + 1):
        for way, turn in turns.items():
            start = time.perf_counter()
            turn()
            seconds[way].append(time.perf_counter() - start)
    return {way: statistics.median(values[1:]) for way, values in seconds.items()}


def peak_mib(way: str) -> float | None:
    """Peak of resident memory over three iterations, above what was there before them; None where Linux is not.

    The C library is told to hand back freed memory at once: the peak is what an iteration holds, not what lies idle.
    """
    if not STATUS.exists():
        return None
    command = [sys.executable, __file__, "--peak-of", way]
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "131072"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return float(done.stdout)


def own_peak_mib(way: str) -> float:
    """`peak_mib` of this process, which must not have done anything else."""
    torch.set_num_threads(THREADS)
    turn = iteration(learners([way])[way])
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    before = _resident_mib("VmRSS")
    for _ in range(3):
        turn()
    return _resident_mib("VmHWM") - before


def _resident_mib(field: str) -> float:
    lines = STATUS.read_text().splitlines()
    (kib,) = (line.split()[1] for line in lines if line.startswith(field + ":"))
    return int(kib) / 1024


def measure(ways: Sequence[str], repeats: int) -> list[Row]:
    """A row a way."""
    seconds = times(ways, repeats)
    return [Row(way, seconds[way], seconds[way] / seconds["stl"], peak_mib(way)) for way in ways]


def ratios(rows: Sequence[Row]) -> dict[str, float]:
    """The figures that have a target, as far as they were measured."""
    of = {row.way: row for row in rows}
    found = {}
    if "mml" in of:
        found["mml time / stl"] = of["mml"].over_stl
    if "mml" in of and "double backward" in of:
        ours, theirs = of["mml"], of["double backward"]
        found["mml time / double backward"] = ours.seconds / theirs.seconds
        if ours.peak_mib is not None and theirs.peak_mib is not None:
            found["mml memory / double backward"] = ours.peak_mib / theirs.peak_mib
    return found


def show(rows: Sequence[Row]) -> None:
    """Print the table and the figures that have a target."""
    print(
        f"one iteration, {BACKBONE}, {SIZE}×{SIZE}, batch {BATCH}, {THREADS} threads, torch {torch.__version__}"
    )
    print(f"{'':18}{'ms':>8}{'× stl':>8}{'MiB':>8}")
    for row in rows:
        memory = "" if row.peak_mib is None else f"{row.peak_mib:8.0f}"
        print(f"{row.way:18}{1000 * row.seconds:8.0f}{row.over_stl:8.2f}{memory}")
    for name, value in ratios(rows).items():
        print(f"{name:34}{value:6.2f} ×   (at most {TARGETS[name]})")


def main() -> None:
    """Read the options, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7, help="timed iterations of each way (7)")
    parser.add_argument("--methods", default=",".join(WAYS), help=f"comma-separated, of: {', '.join(WAYS)}")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--peak-of", metavar="WAY", choices=WAYS, help="print the peak memory of one way only"
    )
    options = parser.parse_args()
    if options.peak_of:
        print(own_peak_mib(options.peak_of))
        return
    chosen = set(options.methods.split(","))
    if foreign := chosen - set(WAYS):
        parser.error(f"--methods: unknown {', '.join(sorted(foreign))}")
    rows = measure([way for way in WAYS if way in chosen | {"stl"}], options.repeats)
    if options.json:
        print(json.dumps({"rows": [row._asdict() for row in rows], "ratios": ratios(rows)}, indent=2))
    else:
        show(rows)


if __name__ == "__main__":
    main()
