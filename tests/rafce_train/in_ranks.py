"""Train small networks, alone or as one of several ranks, and write down what came out; the test compares both.

    python tests/rafce_train/in_ranks.py OUT

Writes OUT/<ranks>-<rank>.pt. B images, C channels, K emotions, A action units (AUs).
"""

import os
import sys
import warnings
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from rafce.errors import ConfigError
from rafce_train.config import Config
from rafce_train.learner import REDUCTIONS, Batch, Learner
from rafce_train.losses import distribution_matching_loss, wild_alignment_loss
from rafce_train.meta import directional_derivatives
from rafce_train.methods import METHODS, find_method
from rafce_train.model import Net, build_net
from rafce_train.prior import Prior
from rafce_train.ranks import Ranks, SaidElsewhereError, joined
from rafce_train.sync_batchnorm import synchronize

N_EMOTIONS, N_AUS, N_IMAGES = 5, 7, 8
BUSY: dict[str, Any] = {
    "momentum": 0.9,
    "nesterov": True,
    "weight_decay": 1e-3,
    "lr_backbone": 0.01,
    "lr_meta": 0.1,
}
"""Everything that a step can do, at rates that move the network."""


def main() -> None:
    """Compute all cases and save them."""
    warnings.simplefilter("error")
    torch.set_num_threads(1)
    spoke = True
    try:
        with joined() as ranks:
            cases = (*batchnorm(ranks), *methods(ranks), *resnet(ranks))
            found = {name: tensor.detach() for name, tensor in cases}
            found["flags"] = torch.tensor(ranks.any(ranks.rank == 1, False))
            raise ConfigError("wrong on all ranks")
    except ConfigError:
        pass
    except SaidElsewhereError:
        spoke = False
    found["spoke"] = torch.tensor(spoke)
    torch.save(found, Path(sys.argv[1]) / f"{ranks.size}-{ranks.rank}.pt")


def batchnorm(ranks: Ranks) -> Iterator[tuple[str, Tensor]]:
    """Value, gradients, tangent and running statistics of a BatchNorm in float64; images that need it exact."""
    for what, shape in {"maps": (N_IMAGES, 3, 4, 5), "vectors": (N_IMAGES, 3)}.items():
        x, along_x, towards_y = (random(seed, *shape) for seed in range(3))
        x = x * torch.tensor([1.0, 1e-3, 10.0]).view(-1, *[1] * (x.dim() - 2)) + 30
        norm = (nn.BatchNorm2d if x.dim() == 4 else nn.BatchNorm1d)(3).double()
        net = nn.Sequential(norm)
        if ranks.size > 1:
            synchronize(net, ranks)
        parameters: dict[str, Tensor] = {
            name: random(9, 3).requires_grad_() for name, _ in net.named_parameters()
        }
        part_x = mine(ranks, x).requires_grad_()
        y = functional_call(net, parameters, (part_x,))
        slopes = torch.autograd.grad((y * mine(ranks, towards_y)).sum(), [part_x, *parameters.values()])
        yield f"{what} y", ranks.gathered(y.detach())
        yield f"{what} towards x", ranks.gathered(slopes[0])
        yield from zip((f"{what} towards w", f"{what} towards b"), ranks.sum(slopes[1:]), strict=True)
        yield from ((f"{what} {name}", value.double()) for name, value in net.named_buffers())
        yield f"{what} along", ranks.gathered(tangent(net, mine(ranks, x), mine(ranks, along_x)))


def tangent(net: nn.Module, x: Tensor, along_x: Tensor) -> Tensor:
    """Of the net's output for tangents of x, weight and bias."""
    for norm in net.modules():
        norm.track_running_stats = False  # type: ignore[assignment]  # forward mode would corrupt them
    parameters = dict(net.named_parameters())
    along = {name: random(5, 3) for name in parameters}
    found = directional_derivatives(
        lambda at: functional_call(net, {name: at[name] for name in parameters}, (at["x"],)),
        {**parameters, "x": x},
        {**along, "x": along_x},
    )
    for norm in net.modules():
        norm.track_running_stats = True  # type: ignore[assignment]
    return found


def methods(ranks: Ranks) -> Iterator[tuple[str, Tensor]]:
    """Every method after five iterations, in float64."""
    for name, reduction in product(METHODS, REDUCTIONS):
        torch.manual_seed(0)
        net = Net(small_backbone(), "last", 6, N_EMOTIONS, N_AUS).double()
        config = Config(method=name, reduction=reduction, sync_batchnorm=True, **BUSY)
        yield from trained(f"{name} {reduction}", net, config, ranks)


def resnet(ranks: Ranks) -> Iterator[tuple[str, Tensor]]:
    """A network as users have it, with the whole method; its float32 differs as much from float64 on one process."""
    torch.manual_seed(0)
    net = build_net("resnet18", N_EMOTIONS, N_AUS, image_size=32).double()
    yield from trained("resnet18 mml", net, Config(method="mml", sync_batchnorm=True), ranks, n_steps=2)


def trained(
    what: str, net: Net, config: Config, ranks: Ranks, n_steps: int = 5
) -> Iterator[tuple[str, Tensor]]:
    """All that some iterations change, and what the last one said of the whole batch."""
    if config.sync_batchnorm and ranks.size > 1:
        synchronize(net, ranks)
    tables, silent = (random(3, N_EMOTIONS, N_AUS).sigmoid(),), (False,) * N_EMOTIONS
    losses = {"align": wild_alignment_loss, "dm": distribution_matching_loss}
    priors = {term: Prior(tables, loss, silent) for term, loss in losses.items()}
    learner = Learner(net, find_method(config.method, True), config, priors, ranks=ranks)
    for step in range(n_steps):
        train, validation = (batch(ranks, 2 * step + more) for more in range(2))
        log = learner.step(train, validation, True, step)
    state = {**net.state_dict(), **learner.weighting.state_dict(prefix="weighting.")}
    yield from ((f"{what}: {name}", value) for name, value in state.items())
    for name, value in log._asdict().items():
        yield f"{what}: {name}", ranks.gathered(value)


def batch(ranks: Ranks, seed: int) -> Batch:
    """This rank's part of eight images of noise with labels, an AU unknown."""
    au_BA = (random(seed, N_IMAGES, N_AUS) > 0.5).double()
    au_BA[0, 0] = torch.nan
    images_B3HW, emotion_BK = (
        random(seed + 100, N_IMAGES, 3, 32, 32),
        random(seed + 200, N_IMAGES, N_EMOTIONS),
    )
    return Batch(mine(ranks, images_B3HW), mine(ranks, emotion_BK.argmax(1)), mine(ranks, au_BA))


def small_backbone() -> nn.Sequential:
    """Two convolutions, each with a BatchNorm."""
    first = nn.Conv2d(3, 4, 3, stride=4), nn.BatchNorm2d(4), nn.ReLU()
    second = nn.Conv2d(4, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU()
    return nn.Sequential(*first, *second, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def mine(ranks: Ranks, whole: Tensor) -> Tensor:
    """This rank's part of a batch."""
    return whole.chunk(ranks.size)[ranks.rank].clone()


def random(seed: int, *shape: int) -> Tensor:
    """Normal numbers that depend on nothing but the seed."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
