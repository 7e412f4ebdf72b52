"""Stratified train/validation/test splits, drawn from a seed, for data without an official partition."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rafce.errors import ConfigError
from rafce.schema import PARTITIONS

# N images, G groups (videos, subjects), P partitions, E emotions
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


def parse_split(text: str) -> tuple[float, float, float]:
    """Shares of train, validation and test from a text such as 60/20/20, scaled to sum to 1."""
    try:
        shares = [float(part) for part in text.split("/")]
    except ValueError:
        shares = []
    if len(shares) != len(PARTITIONS) or not all(
        share > 0 and sum(shares) < float("inf") for share in shares
    ):
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
    emotion_N: IntArray, shares: Sequence[float], seed: int, partitions: Sequence[str] = PARTITIONS
) -> npt.NDArray[np.object_]:
    """The partition of each image, shape (N,): each emotion divided by the shares at random.

    Emotions are drawn independently of each other; rows must come in a fixed order (sorted by name).
    """
    partition_N = np.empty(len(emotion_N), dtype=object)
    for emotion in np.unique(emotion_N):
        members = np.flatnonzero(emotion_N == emotion)
        shuffled = np.random.default_rng([seed, int(emotion)]).permutation(members)
        bounds = np.cumsum(class_sizes(len(members), shares))[:-1]
        for name, rows in zip(partitions, np.split(shuffled, bounds), strict=True):
            partition_N[rows] = name
    return partition_N


def grouped_split(
    emotion_N: IntArray,
    group_N: npt.NDArray[np.object_] | IntArray,
    shares: Sequence[float],
    seed: int,
    partitions: Sequence[str] = PARTITIONS,
) -> npt.NDArray[np.object_]:
    """The partition of each image, shape (N,): whole groups dealt out, so that none is cut.

    With n images of emotion e in all, partition p wants w = share_p · n_e of them. Group after group goes where it
    lowers Σ (given - w)² / w most, among the partitions that want any more images: none gets more than it wants and
    a group on top, and with equal groups the deal is Webster's. Large groups come first, since small ones can still
    even out what they leave; those of like size (in powers of two) come in random order. Each partition gets a group.
    The order of the rows does not matter. ConfigError for fewer groups than partitions.
    """
    import pandas as pd  # hashes names, where NumPy would sort one for each image

    of_group_N, names = pd.factorize(group_N, sort=True)
    if len(names) < len(partitions):
        raise ConfigError(
            f"expected at least {len(partitions)} groups, one for each partition, found {len(names)}: "
            f"{', '.join(map(str, names))}"
        )
    n_emotions = int(emotion_N.max()) + 1
    images_GE = np.bincount(of_group_N * n_emotions + emotion_N, minlength=len(names) * n_emotions)
    partition_G = _deal(images_GE.reshape(-1, n_emotions), np.asarray(shares), np.random.default_rng(seed))
    return np.array(partitions, dtype=object)[partition_G][of_group_N]


def _deal(images_GE: IntArray, shares_P: FloatArray, random: np.random.Generator) -> IntArray:
    """The partition id of each group."""
    images_GE = images_GE[:, images_GE.any(0)]
    wanted_PE = shares_P[:, None] * images_GE.sum(0)
    lacking_PE, n_groups_P = wanted_PE.copy(), np.zeros(len(shares_P), np.int64)
    partition_G = np.empty(len(images_GE), np.int64)
    for n_left, group in zip(range(len(images_GE), 0, -1), _order(images_GE.sum(1), random), strict=True):
        images_E = images_GE[group]
        worse_P = (images_E * (images_E - 2 * lacking_PE) / wanted_PE).sum(1)
        empty_P = n_groups_P == 0
        open_P = empty_P if n_left == empty_P.sum() else lacking_PE.sum(1) > 0
        chosen = np.where(open_P, worse_P, np.inf).argmin()
        lacking_PE[chosen] -= images_E
        n_groups_P[chosen] += 1
        partition_G[group] = chosen
    return partition_G


def _order(size_G: IntArray, random: np.random.Generator) -> IntArray:
    """Larger groups before smaller ones, those within a power of two at random."""
    return np.lexsort((random.permutation(len(size_G)), -np.frexp(size_G)[1]))
