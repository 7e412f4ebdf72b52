"""Which images each step sees: functions of seed, epoch and step, so that a resumed run sees the same ones."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from rafce.errors import ConfigError

# N training images, V validation images, B batch, S steps of an epoch, K emotions
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]

ORDER, VALIDATION = 0, 1  # separate streams of random numbers


def shuffled(rows_N: IntArray, _emotion_N: IntArray, seed: int, epoch: int) -> IntArray:
    """Every row once, in random order."""
    return np.random.default_rng([seed, ORDER, epoch]).permutation(rows_N)


def balanced(rows_N: IntArray, emotion_N: IntArray, seed: int, epoch: int) -> IntArray:
    """As many rows as there are, every emotion that has any equally often (to within one), in random order.

    An emotion with fewer images than its share repeats all of them before any comes again; one with more shows a
    random part of them.
    """
    random = np.random.default_rng([seed, ORDER, epoch])
    members = [rows_N[emotion_N == emotion] for emotion in np.unique(emotion_N)]
    share, rest = divmod(len(rows_N), len(members))
    has_one_more = random.permutation(len(members)) < rest
    drawn = [
        _rounds(rows, share + more, random) for rows, more in zip(members, has_one_more.tolist(), strict=True)
    ]
    return random.permutation(np.concatenate(drawn))


SAMPLERS: dict[str, Callable[[IntArray, IntArray, int, int], IntArray]] = {
    "shuffle": shuffled,
    "balanced": balanced,
}
"""Rows of the training images and their emotions, seed, epoch -> the order of the epoch."""


def batches(order_N: IntArray, batch_size: int) -> IntArray:
    """The order cut into steps, shape (S, B), the last, smaller batch dropped; ConfigError when none is whole."""
    n_steps = len(order_N) // batch_size
    if not n_steps:
        raise ConfigError(f"--batch-size {batch_size}: expected at most the {len(order_N)} training images")
    return order_N[: n_steps * batch_size].reshape(n_steps, batch_size)


def repeats(order_N: IntArray) -> IntArray:
    """How often each entry's row stands before it in the order, shape (N,)."""
    by_row_N = np.argsort(order_N, kind="stable")
    sorted_N = order_N[by_row_N]
    first_N = np.searchsorted(sorted_N, sorted_N)
    before_N = np.empty_like(order_N)
    before_N[by_row_N] = np.arange(len(order_N)) - first_N
    return before_N


def validation_batch(rows_V: IntArray, batch_size: int, seed: int, epoch: int, step: int) -> IntArray:
    """Different rows drawn for one meta-test step: B of them, or all V where there are fewer."""
    random = np.random.default_rng([seed, VALIDATION, epoch, step])
    return random.choice(rows_V, min(batch_size, len(rows_V)), replace=False)


def no_weights(count_K: IntArray) -> FloatArray:
    """One for every emotion, shape (K,)."""
    return np.ones(len(count_K), dtype=np.float32)


def balanced_weights(count_K: IntArray) -> FloatArray:
    """N / (K' n_k), shape (K,), K' the emotions that have images: their mean over the images is 1.

    An emotion without images keeps 1: no training image carries it.
    """
    share = count_K.sum() / np.count_nonzero(count_K)
    return np.where(count_K > 0, share / np.maximum(count_K, 1), 1.0).astype(np.float32)


CLASS_WEIGHTS: dict[str, Callable[[IntArray], FloatArray]] = {
    "none": no_weights,
    "balanced": balanced_weights,
}
"""Training images per emotion -> weight of the emotion loss."""


def _rounds(rows: IntArray, n: int, random: np.random.Generator) -> IntArray:
    n_rounds = -(-n // len(rows))
    return np.concatenate([random.permutation(rows) for _ in range(n_rounds)] or [rows[:0]])[:n]
