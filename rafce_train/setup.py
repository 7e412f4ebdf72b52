"""What a run needs before its first step: labels, images, device, net; everything that can be wrong is found here."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rafce.errors import ConfigError, TrainingError, raise_all
from rafce_train.cache import BadImage, IntArray, cache_folder, cached_images
from rafce_train.config import Config, flag, options
from rafce_train.data import TrainingData, find_images, training_warnings
from rafce_train.feed import Feed, trust
from rafce_train.learner import Learner
from rafce_train.methods import find_method, unused_options
from rafce_train.model import Net, build_net
from rafce_train.prior import PRIORS, Prior, matching_prior
from rafce_train.ranks import ALONE, Ranks
from rafce_train.sampling import CLASS_WEIGHTS
from rafce_train.sync_batchnorm import synchronize
from rafce_train.weights import WeightsReport, load_backbone


@dataclass(frozen=True)
class Material:
    """What the configurations of a run have in common."""

    data: TrainingData
    images_NHW3: Tensor
    dropped: tuple[BadImage, ...]
    device: torch.device
    ranks: Ranks
    check_rows: Callable[[IntArray], None]
    """To be called with rows before their images are looked at; ImageError where the cache was damaged."""


def gather(
    config: Config,
    data: TrainingData,
    note: Callable[[str], None],
    decoding: Callable[[int, int], None],
    ranks: Ranks = ALONE,
) -> Material:
    """Check options and device, find and decode the images; RafceError for whatever is wrong with any.

    `note` is told what a user should know, `decoding` how many images are decoded of how many.
    """
    check_method(config)
    device = find_device(config.device, ranks)
    paths = find_images(data, Path(config.images) if config.images else None)
    folder = cache_folder(Path(config.dataset))
    cache = cached_images(paths, config.image_size, folder, config.on_bad_image, decoding)
    data = data.keep(cache.good())
    learns_aus = "au" in find_method(config.method, config.with_alignment).terms
    texts = [*without_effect(config), *division(config, ranks), *training_warnings(data, learns_aus)]
    texts += [
        text for prior in make_priors(config, data).values() for text in prior.notes(data.emotions, data.aus)
    ]
    for text in texts:
        note(text)
    for image in cache.bad:
        note(f"left out: {image.path}: {image.reason}")
    images_NHW3 = where_they_fit(cache.images_NHW3, device, cache.check)
    is_mapped = images_NHW3 is cache.images_NHW3
    return Material(data, images_NHW3, cache.bad, device, ranks, cache.check if is_mapped else trust)


def where_they_fit(images_NHW3: Tensor, device: torch.device, check: Callable[[IntArray], None]) -> Tensor:
    """The images on the device, or still in their file where a GPU would have to give them half of its free memory.

    All that leave their file are checked before.
    """
    if device.type == "cpu":
        return images_NHW3
    if device.type == "cuda" and images_NHW3.nbytes > torch.cuda.mem_get_info(device)[0] / 2:
        return images_NHW3
    check(np.arange(len(images_NHW3)))
    return images_NHW3.to(device)


def make_feed(config: Config, material: Material) -> Feed:
    """The batches of a run."""
    return Feed(
        material.data, material.images_NHW3, config, material.device, material.ranks, material.check_rows
    )


def make_net(config: Config, data: TrainingData) -> tuple[Net, WeightsReport | None]:
    """The net at its start, a function of the seed, and what came of the backbone's weights."""
    with torch.random.fork_rng([]):
        torch.manual_seed(config.seed)
        net = build_net(config.backbone, len(data.emotions), len(data.aus), image_size=config.image_size)
    net.bf16 = config.precision == "bf16"
    return net, load_backbone(net.backbone, config.backbone, config.weights)


def make_learner(config: Config, net: Net, material: Material) -> Learner:
    """The method's learner for a net that is where it shall compute."""
    data, ranks = material.data, material.ranks
    if config.sync_batchnorm and ranks.size > 1:
        synchronize(net, ranks)
    method = find_method(config.method, config.with_alignment)
    class_weight_K = torch.from_numpy(CLASS_WEIGHTS[config.class_weights](data.emotion_counts("train")))
    return Learner(net, method, config, make_priors(config, data), class_weight_K, ranks)


def make_priors(config: Config, data: TrainingData) -> dict[str, Prior]:
    """The tables of those losses of the method that need any, by their names; ConfigError when they are empty."""
    statistics = data.statistics[config.prior_scope]
    makers: dict[str, Callable[[], Prior]] = {
        "dm": lambda: matching_prior(data.lab_percent_KA),
        "align": lambda: PRIORS[config.statistics, config.alignment](statistics, data.lab_observed_KA),
    }
    terms = find_method(config.method, config.with_alignment).terms
    return {term: make() for term, make in makers.items() if term in terms}


def find_device(name: str, ranks: Ranks = ALONE) -> torch.device:
    """The device to compute on, of several ranks each its own GPU; ConfigError when it is not there."""
    has_mps = torch.backends.mps.is_available() and ranks.size == 1
    there = {"cuda": torch.cuda.is_available(), "mps": has_mps, "cpu": True}
    kind = next(kind for kind, is_there in there.items() if is_there) if name == "auto" else name
    if not there[kind]:
        here = "here" if ranks.size == 1 else f"that rank {ranks.rank} could use"
        raise ConfigError(f"--device {kind}: torch finds none {here}; --device auto takes what there is")
    if len(kinds := set(ranks.everyones(kind))) > 1:
        raise ConfigError(
            f"--device {name}: expected the same on all ranks, found {' and '.join(sorted(kinds))}"
        )
    if kind == "cuda" and ranks.size > 1:
        # Slurm may show each its own alone
        torch.cuda.set_device(ranks.local_rank % torch.cuda.device_count())
        return torch.device(kind, torch.cuda.current_device())
    return torch.device(kind)


def division(config: Config, ranks: Ranks) -> list[str]:
    """How several ranks divide the work, and what is of no use to one alone."""
    if ranks.size == 1:
        return ["--sync-batchnorm changes nothing in a single process"] if config.sync_batchnorm else []
    norm = "" if config.sync_batchnorm else f", BatchNorm too (--sync-batchnorm: all {config.batch_size})"
    return [f"{ranks.size} ranks: each sees {config.batch_size // ranks.size} images of a batch{norm}"]


def random_start(config: Config) -> list[str]:
    """A remark on a backbone that has seen nothing yet."""
    if config.weights != "none":
        return []
    return [
        "--weights none: the backbone starts from random numbers, and may predict the largest class for many epochs; "
        "the paper starts from a network that knows faces (--weights FILE)"
    ]


def check_method(config: Config) -> None:
    """ConfigError for a list of fixed weights that the method does not have."""
    method = find_method(config.method, config.with_alignment)
    faults = [
        f"{flag(name)} {', '.join(map(str, getattr(config, name)))}: --method {config.method} has no fixed weight "
        f"of that name, so there is nothing to choose from"
        for name in ("rho_au", "rho_align")
        if len(getattr(config, name)) > 1 and name not in method.options
    ]
    raise_all(faults, ConfigError)


def without_effect(config: Config) -> list[str]:
    """Options that were set and change nothing with this method."""
    unused, defaults = unused_options(find_method(config.method, config.with_alignment)), Config()
    return [
        f"{_typed(name, getattr(config, name))} changes nothing with --method {config.method}"
        for name in options()
        if name in unused and getattr(config, name) != getattr(defaults, name)
    ]


def _typed(name: str, value: Any) -> str:
    """An option as one types it."""
    if isinstance(value, tuple):
        return f"{flag(name)} {','.join(map(str, value))}"
    return flag(name) if value is True else f"{flag(name)} {value}"


@contextmanager
def explained(config: Config) -> Iterator[None]:
    """TrainingError where torch runs out of memory, ConfigError where it has no algorithm that repeats."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        first = str(error).splitlines()[0]
        raise TrainingError(f"{first}; try a smaller --batch-size, now {config.batch_size}") from None
    except RuntimeError as error:
        if not config.deterministic or "deterministic" not in str(error):
            raise
        raise ConfigError(f"--deterministic: cannot be had: {str(error).splitlines()[0]}") from None


@contextmanager
def repeatable(config: Config) -> Iterator[None]:
    """With `--deterministic`, only algorithms that repeat bit for bit inside; a RuntimeError for one that cannot."""
    before = torch.are_deterministic_algorithms_enabled()
    if config.deterministic:
        os.environ.setdefault(
            "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
        )  # cuBLAS repeats only with a fixed workspace
    torch.use_deterministic_algorithms(config.deterministic)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
