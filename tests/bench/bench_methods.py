"""How long one iteration of every method takes over a single-task step, and how much memory.

Beside `mml` stand others that take the same step: double backward with torch alone, with `higher` and with `torchopt`,
each checked against `mml` in float64 first. Times are interleaved in one process, so that whatever else the machine
does hits all alike; memory is measured in a process of its own for each.
"""

import argparse
import copy
import importlib
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from rafce_train.config import Config
from rafce_train.learner import (
    Batch,
    Learner,
    Method,
    StepLog,
    base_learning,
    meta_train,
    step_log,
    update_meta_net,
)
from rafce_train.losses import distribution_matching_loss, emotion_loss, wild_alignment_loss
from rafce_train.meta import Parameters, gradients
from rafce_train.methods import METHODS
from rafce_train.model import build_net
from rafce_train.prior import Prior

BACKBONE, SIZE, BATCH, THREADS = "resnet34", 112, 16, 2
N_EMOTIONS, N_AUS = 14, 32
CHECKED_BATCH, TOLERANCE = 4, 1e-9
STATUS = Path("/proc/self/status")
PLAIN, LEAN = "double backward", "lean double backward"
MOST_STL, MOST_TIME, MOST_MEMORY = 4.9, 0.95, 0.7


Unrolled = Callable[[Learner, Tensor], tuple[Parameters, object]]
"""Eq. 13: from a loss to θ*, which autograd can follow back to ψ, and what is kept until Eq. 17."""


def by_autograd(learner: Learner, loss: Tensor) -> tuple[Parameters, object]:
    """Torch alone, as one would write it at first: the gradient is kept."""
    theta, rules = learner.theta(), learner.rules()
    gradient = torch.autograd.grad(loss, list(theta.values()), create_graph=True)
    star = {name: rules[name].step(theta[name], value) for name, value in zip(theta, gradient, strict=True)}
    return star, gradient


def by_lean_autograd(learner: Learner, loss: Tensor) -> tuple[Parameters, object]:
    """Torch alone, the gradient let go of."""
    return by_autograd(learner, loss)[0], None


def by_higher(learner: Learner, loss: Tensor) -> tuple[Parameters, object]:
    """The differentiable twin that `higher` makes of the optimizer."""
    import higher

    parameters = learner.theta() | learner.psi()
    optimizer = higher.get_diff_optim(learner.optimizer, parameters.values())
    stepped = dict(zip(parameters, optimizer.step(loss, params=parameters.values()), strict=True))
    return {name: stepped[name] for name in learner.theta()}, None


def by_torchopt(learner: Learner, loss: Tensor) -> tuple[Parameters, object]:
    """The functional SGD of `torchopt`, once for each learning rate; its FuncOptimizer would go back once for each."""
    import torchopt

    theta, rules = learner.theta(), learner.rules()
    found = torch.autograd.grad(loss, list(theta.values()), create_graph=True)
    gradient, theta_star = dict(zip(theta, found, strict=True)), dict(theta)
    for rate in {rule.rate for rule in rules.values()}:
        moved = {name: theta[name] for name in theta if rules[name].rate == rate}
        sgd = torchopt.sgd(rate, moment_requires_grad=True)
        updates, _ = sgd.update({name: gradient[name] for name in moved}, sgd.init(moved), inplace=False)
        theta_star |= torchopt.apply_updates(moved, updates, inplace=False)
    return theta_star, None


def double_backward(
    learner: Learner, batch: Batch, validation: Batch | None, seed: int, unrolled: Unrolled
) -> StepLog:
    """The iteration of `mml` with Eq. 15 as printed: the virtual step is differentiated with respect to ψ."""
    assert validation is not None
    outputs, raw_BT = learner.first_pass(batch, seed)
    features_BF = outputs.features_BF.detach()
    weight_BT = learner.weighting(features_BF)
    theta_star, kept = unrolled(learner, learner.total(raw_BT, weight_BT))
    logits_BK = learner.outputs_at(theta_star, validation).emotion_logits_BK
    loss = emotion_loss(logits_BK, validation.emotion_B).mean()
    update_meta_net(learner, torch.autograd.grad(loss, list(learner.weighting.parameters())))
    first_order = {
        name: value + (theta_star[name] - value).detach() for name, value in learner.theta().items()
    }
    del theta_star, kept, logits_BK, loss, weight_BT  # the graph of the gradient, not needed any more
    weight_BT = learner.weighting(features_BF).detach()
    base_learning(learner, first_order, raw_BT, weight_BT, batch, seed)
    return step_log(outputs, raw_BT, weight_BT)


def no_meta_gradient(learner: Learner, batch: Batch, validation: Batch | None, seed: int) -> StepLog:
    """The floor: all that any way has to do, without the derivative for ψ."""
    assert validation is not None
    outputs, raw_BT = learner.first_pass(batch, seed)
    weight_BT = learner.weighting(outputs.features_BF.detach()).detach()
    theta_star = meta_train(learner, raw_BT, weight_BT)
    logits_BK = learner.outputs_at(theta_star, validation).emotion_logits_BK
    gradients(emotion_loss(logits_BK, validation.emotion_B).mean(), theta_star)
    base_learning(learner, theta_star, raw_BT, weight_BT, batch, seed)
    return step_log(outputs, raw_BT, weight_BT)


PEERS = ("higher", "torchopt")
UNROLLED = {PLAIN: by_autograd, LEAN: by_lean_autograd, "higher": by_higher, "torchopt": by_torchopt}
WAYS: dict[str, Method] = {
    **METHODS,
    "no meta-gradient": replace(METHODS["mml"], step=no_meta_gradient),
    **{
        way: replace(METHODS["mml"], step=partial(double_backward, unrolled=unrolled))
        for way, unrolled in UNROLLED.items()
    },
}


class Row(NamedTuple):
    """A line of the table; memory is what an iteration needs on top of net, optimizer and batches."""

    way: str
    seconds: float
    peak_mib: float | None


def random_batch(seed: int, size: int = BATCH, dtype: torch.dtype = torch.float32) -> Batch:
    """Noise with random labels: what is in a batch does not change the time."""
    generator = torch.Generator().manual_seed(seed)
    return Batch(
        torch.randn(size, 3, SIZE, SIZE, generator=generator).to(dtype),
        torch.randint(0, N_EMOTIONS, (size,), generator=generator),
        (torch.rand(size, N_AUS, generator=generator) < 0.1).to(dtype),
    )


def learners(ways: Sequence[str], dtype: torch.dtype = torch.float32) -> dict[str, Learner]:
    """Learners of these ways, all from the same net."""
    torch.manual_seed(0)
    net = build_net(BACKBONE, N_EMOTIONS, N_AUS, image_size=SIZE).to(dtype)
    tables, silent = (torch.rand(N_EMOTIONS, N_AUS),), (False,) * N_EMOTIONS
    losses = {"align": wild_alignment_loss, "dm": distribution_matching_loss}
    priors = {term: Prior(tables, loss, silent) for term, loss in losses.items()}
    return {way: Learner(copy.deepcopy(net), WAYS[way], Config(), priors) for way in ways}


# --- are they the same? ---


def check(way: str) -> None:
    """ValueError unless its step of θ and of ψ is that of `mml`, in float64."""
    batch, validation = (random_batch(seed, CHECKED_BATCH, torch.float64) for seed in (0, 1))
    both = learners(["mml", way], torch.float64).values()
    start = [flat(learner.theta()) for learner in both]
    for learner in both:
        learner.step(batch, validation, True, 0)
    theta = [flat(learner.theta()) - begin for learner, begin in zip(both, start, strict=True)]
    for name, (ours, theirs) in (("θ", theta), ("ψ", [flat(learner.psi()) for learner in both])):
        difference = float((theirs - ours).norm() / ours.norm())
        if not difference < TOLERANCE:
            raise ValueError(f"its step of {name} differs from that of mml by {difference:.1e} of its length")


def flat(parameters: Parameters) -> Tensor:
    """All in one vector."""
    return torch.cat([value.detach().flatten() for value in parameters.values()])


def faults(ways: Sequence[str]) -> dict[str, str]:
    """The peers that cannot be measured, with the reason."""
    found = {}
    for way in set(ways) & set(PEERS):
        try:
            check(way)
        except Exception as error:  # whatever another's package may raise is the reason why it is left out
            found[way] = f"{type(error).__name__}: {error}"
    return found


# --- measuring ---


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
    if way in PEERS:
        importlib.import_module(way)  # what its code takes is not what an iteration takes
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
    return [Row(way, seconds[way], peak_mib(way)) for way in ways]


def ratios(of: Mapping[str, Row]) -> dict[str, tuple[float, float]]:
    """The figures that have a target, as far as they were measured, and the targets."""
    found = {}
    if "mml" in of:
        found["mml time / stl"] = of["mml"].seconds / of["stl"].seconds, MOST_STL
    for way in {PLAIN, LEAN} & set(of) if "mml" in of else ():
        ours, theirs = of["mml"], of[way]
        found[f"mml time / {way}"] = ours.seconds / theirs.seconds, MOST_TIME
        if ours.peak_mib is not None and theirs.peak_mib is not None:
            found[f"mml memory / {way}"] = ours.peak_mib / theirs.peak_mib, MOST_MEMORY
    return dict(sorted(found.items()))


def show(rows: Sequence[Row], left_out: Mapping[str, str]) -> None:
    """Print a Markdown table and the figures that have a target."""
    of = {row.way: row for row in rows}
    print(f"| {BACKBONE}, {SIZE} × {SIZE}, batch {BATCH}, {THREADS} threads | ms | × stl | × mml | MiB |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for row in rows:
        over = [row.seconds / of[base].seconds if base in of else math.nan for base in ("stl", "mml")]
        memory = "" if row.peak_mib is None else f"{row.peak_mib:.0f}"
        print(f"| {row.way} | {1000 * row.seconds:.0f} | {over[0]:.2f} | {over[1]:.2f} | {memory} |")
    for way, reason in left_out.items():
        print(f"| {way} | left out: {' '.join(reason.split())} | | | |")
    print()
    for name, (value, most) in ratios(of).items():
        print(f"- {name}: {value:.2f} (at most {most})")


def main() -> None:
    """Read the options, check, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7, help="timed iterations of each way (7)")
    parser.add_argument("--methods", default=",".join(WAYS), help=f"comma-separated, of: {', '.join(WAYS)}")
    parser.add_argument("--peak-of", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak_of:
        print(own_peak_mib(options.peak_of))
        return
    chosen = set(options.methods.split(","))
    if foreign := chosen - set(WAYS):
        parser.error(f"--methods: unknown {', '.join(sorted(foreign))}")
    ways = [way for way in WAYS if way in chosen | {"stl"}]
    for way in {PLAIN, LEAN} & set(ways):
        check(way)
    left_out = faults(ways)
    show(measure([way for way in ways if way not in left_out], options.repeats), left_out)


if __name__ == "__main__":
    main()
