"""A stratified train/validation/test split, drawn from a seed, for data without an official partition."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rafce.errors import ConfigError
from rafce.schema import PARTITIONS


def parse_split(text: str) -> tuple[float, float, float]:
    """Shares of train, validation and test from a text such as 60/20/20, scaled to sum to 1."""
    try:
        shares = [float(part) for part in text.split("/")]
    except ValueError:
        shares = []
    if len(shares) != len(PARTITIONS) or not all(0 < share < float("inf") for share in shares):
        raise ConfigError(f"--split: expected three positive shares such as 60/20/20, found {text!r}")
    train, validation, test = (share / sum(shares) for share in shares)
    return train, validation, test


def class_sizes(n: int, shares: Sequence[float]) -> list[int]:
    """How many of n images each partition gets: largest remainders, but at least one each from three images on.

    One image goes to train; of two, one to train and one to the larger of the other partitions.
    """
    exact = [n * share for share in shares]
    sizes = [int(part) for part in exact]
    by_remainder = sorted(range(len(shares)), key=lambda i: (sizes[i] - exact[i], i))
    for i in by_remainder[: n - sum(sizes)]:
        sizes[i] += 1
    by_claim = sorted(range(len(shares)), key=lambda i: (i != 0, -shares[i], i))
    for i in by_claim[:n]:
        if sizes[i] == 0:
            sizes[int(np.argmax(sizes))] -= 1
            sizes[i] = 1
    return sizes


def stratified_split(
    emotion_N: npt.NDArray[np.int64], shares: Sequence[float], seed: int
) -> npt.NDArray[np.object_]:
    """The partition of each image, shape (N,): each emotion divided by the shares at random.

    Emotions are drawn independently of each other; rows must come in a fixed order (sorted by name).
    """
    partition_N = np.empty(len(emotion_N), dtype=object)
    for emotion in np.unique(emotion_N):
        members = np.flatnonzero(emotion_N == emotion)
        shuffled = np.random.default_rng([seed, int(emotion)]).permutation(members)
        bounds = np.cumsum(class_sizes(len(members), shares))[:-1]
        for name, rows in zip(PARTITIONS, np.split(shuffled, bounds), strict=True):
            partition_N[rows] = name
    return partition_N
