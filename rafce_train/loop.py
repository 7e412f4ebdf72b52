"""The one training loop, read top to bottom; where it stands can be saved after any step and gone on from.

Every random draw is a function of the seed, the epoch and the step, so there is no generator to save. Of several ranks
each runs this loop, and all decide alike: what they decide by, they have exchanged.
B batch, T losses of the method, N validation images, K emotions, A action units.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from torch import Tensor

from rafce.errors import TrainingError
from rafce_train import metrics
from rafce_train.augment import splitmix64
from rafce_train.config import Config
from rafce_train.feed import Feed
from rafce_train.history import Row, Sums
from rafce_train.inference import Probabilities
from rafce_train.learner import Learner, StepLog

GPU_STEPS_UNREAD = 50
"""Steps whose losses stay on a GPU before they are read: reading each would make it wait for the CPU."""

SCHEDULES: dict[str, Callable[[float], float]] = {
    "none": lambda _: 1.0,
    "cosine": lambda done: (1 + math.cos(math.pi * done)) / 2,
    "step": lambda done: 0.1 ** ((done >= 0.5) + (done >= 0.75)),
}
"""Share of the run that is done -> factor of every learning rate."""


REMEDY = "try lower learning rates, or --reduction mean"


class Interrupted(Exception):  # noqa: N818 (not an error: the run stands saved after a whole step)
    """The run was asked to stop, and can be gone on with."""


class Hooks(Protocol):
    """What the loop calls outside."""

    def stop(self) -> bool:
        """Whether to save and stop after this step."""

    def step(self, standing: "Standing") -> None:
        """A step is done."""

    def save(self, standing: "Standing") -> None:
        """Write all that is needed to go on from here."""

    def epoch(self, standing: "Standing") -> None:
        """An epoch is done, saved, and the last of the history."""


@dataclass
class Standing:
    """Where a run stands, beside the learner."""

    sums: Sums
    epoch: int = 0
    """Whole epochs done."""
    step: int = 0
    """Steps done in the epoch after those."""
    history: list[Row] = field(default_factory=list)
    best: dict[str, Any] | None = None
    """Of the best validation so far: `epoch` (from 1), `score`, the `net`'s tensors and the AU `thresholds`."""

    def state(self) -> dict[str, Any]:
        """Plain types and tensors; `standing_from` reads them back."""
        return {**vars(self), "sums": vars(self.sums)}


def standing_from(state: dict[str, Any]) -> Standing:
    """The standing that `Standing.state` described."""
    return Standing(**{**state, "sums": Sums(**state["sums"])})


class Unread(NamedTuple):
    """A step whose losses have not been looked at, this rank's part of it."""

    step: int
    emotion_B: Tensor
    log: StepLog


def train(learner: Learner, feed: Feed, config: Config, standing: Standing, hooks: Hooks) -> None:
    """Train from wherever `standing` is until the epochs, or the patience, are over.

    Interrupted when `hooks.stop` says so; TrainingError when a loss or a weight is not finite.
    """
    keep_unread = 1 if feed.device.type == "cpu" else GPU_STEPS_UNREAD
    unread: list[Unread] = []
    saved_at = time.perf_counter()
    while not is_over(standing, config):
        for step in range(standing.step, feed.steps):
            iteration = standing.epoch * feed.steps + step
            update_meta = iteration % config.meta_every == 0

            started_at = time.perf_counter()
            batch = feed.training_batch(standing.epoch, step)
            needs_validation = update_meta and learner.needs_validation
            validation = feed.validation_batch(standing.epoch, step) if needs_validation else None
            fetched_at = time.perf_counter()

            set_rates(learner, config, done=iteration / (config.epochs * feed.steps))
            seed = step_seed(config.seed, iteration, learner.ranks.rank)
            log = learner.step(batch, validation, update_meta, seed)

            unread.append(Unread(step, batch.emotion_B, log))
            is_due = time.perf_counter() - saved_at >= config.checkpoint_every
            must_stop, is_due = learner.ranks.any(hooks.stop(), is_due)
            must_save = must_stop or is_due
            if must_save or len(unread) == keep_unread or step + 1 == feed.steps:
                read(unread, learner, feed, standing)
            standing.sums.seconds_data += fetched_at - started_at
            standing.sums.seconds_compute += time.perf_counter() - fetched_at
            hooks.step(standing)
            if must_save:
                hooks.save(standing)
                saved_at = time.perf_counter()
            if must_stop:
                raise Interrupted
        close_epoch(learner, feed, config, standing)
        hooks.save(standing)
        saved_at = time.perf_counter()
        hooks.epoch(standing)


def is_over(standing: Standing, config: Config) -> bool:
    """Whether all epochs are done, or `--patience` epochs have passed without a better one."""
    waited = standing.epoch - standing.best["epoch"] if standing.best else 0
    return standing.epoch >= config.epochs or (bool(config.patience) and waited >= config.patience)


def set_rates(learner: Learner, config: Config, done: float) -> None:
    """Set every group's learning rate to its option times the schedule's factor."""
    for group in learner.optimizer.param_groups:
        group["lr"] = getattr(config, f"lr_{group['name']}") * SCHEDULES[config.schedule](done)


def step_seed(seed: int, iteration: int, rank: int) -> int:
    """The seed of a step's random layers; rank 0 draws what a process alone would."""
    return int(splitmix64(seed, iteration, *[rank] * (rank > 0))[0] >> np.uint64(1))


def read(unread: list[Unread], learner: Learner, feed: Feed, standing: Standing) -> None:
    """Add the waiting steps to the epoch's sums, in order; TrainingError for a loss or weight that is not finite."""
    for step, emotion_B, log in unread:
        emotion_B, *of_all = (learner.ranks.gathered(tensor).cpu() for tensor in (emotion_B, *log))
        log = StepLog(*of_all)
        check_finite(log, learner.method.terms, feed, standing.epoch, step)
        standing.sums.add(log, emotion_B)
        standing.step = step + 1
    unread.clear()


def check_finite(log: StepLog, terms: tuple[str, ...], feed: Feed, epoch: int, step: int) -> None:
    """TrainingError that names step, loss and images where a loss or its weight is NaN or infinite."""
    for what, values_BT in (("loss", log.raw_BT), ("weight of the loss", log.weight_BT)):
        is_bad_BT = ~values_BT.isfinite()
        if is_bad_BT.any():
            names = [feed.data.names[row] for row in feed.epoch_rows(epoch)[step][is_bad_BT.any(1).numpy()]]
            bad_terms = [
                term for term, is_bad in zip(terms, is_bad_BT.any(0).tolist(), strict=True) if is_bad
            ]
            raise TrainingError(
                f"epoch {epoch + 1}, step {step + 1}: the {what} {', '.join(bad_terms)} is not a finite number "
                f"for {', '.join(names)}; {REMEDY}"
            )


def close_epoch(learner: Learner, feed: Feed, config: Config, standing: Standing) -> None:
    """Validate, write the epoch into the history, keep the net if it is the best so far, and begin the next epoch.

    TrainingError when the net's predictions are not finite numbers.
    """
    found = feed.probabilities(learner.net, "validation")
    if not (np.isfinite(found.emotion_NK).all() and np.isfinite(found.au_NA).all()):
        raise TrainingError(
            f"epoch {standing.epoch + 1}: after its last step the predictions on validation images are not finite "
            f"numbers; {REMEDY}"
        )
    row = history_row(learner, feed, standing, found)
    standing.history.append(row)
    score = row[config.select]
    assert score is not None
    if standing.best is None or score > standing.best["score"]:
        net = {name: tensor.detach().cpu().clone() for name, tensor in learner.net.state_dict().items()}
        thresholds = tuned_thresholds(learner, feed, found)
        standing.best = {"epoch": row["epoch"], "score": score, "net": net, "thresholds": thresholds}
    standing.epoch, standing.step = standing.epoch + 1, 0
    standing.sums = Sums.zero(len(learner.method.terms), len(feed.data.emotions))


def history_row(learner: Learner, feed: Feed, standing: Standing, found: Probabilities) -> Row:
    """The epoch's row: means over its training images, and the validation's accuracy, `uar` and AU macro-F1."""
    data, sums, rows_N = feed.data, standing.sums, feed.data.rows("validation")
    emotion_N = data.emotion_N[rows_N]
    learns_aus = "au" in learner.method.terms
    confusion_KK = metrics.confusion(emotion_N, found.predicted_N, len(data.emotions))
    trained_A = (data.au_positives("train") > 0) & learns_aus
    scores = metrics.epoch_metrics(confusion_KK, data.au_NA[rows_N], found.au_NA, trained_A)
    seen_KK = sums.confusion_KK.numpy()
    train = {"accuracy": metrics.accuracy(seen_KK), "uar": metrics.uar(seen_KK)}
    p_true_N = found.emotion_NK[np.arange(len(rows_N)), emotion_N]
    row: Row = {
        "epoch": standing.epoch + 1,
        "iterations": (standing.epoch + 1) * feed.steps,
        **sums.means(learner.method.terms),
        "p_au": sums.p_au / sums.images if learns_aus else None,
        "validation_loss": float(
            -np.log(np.maximum(p_true_N, np.finfo(np.float32).tiny)).mean(dtype=np.float64)
        ),
        **{name: None if math.isnan(value) else value for name, value in scores.items()},
        **{f"train_{name}": value for name, value in train.items()},
        **{f"gap_{name}": value - scores[name] for name, value in train.items()},
        **{f"lr_{group['name']}": float(group["lr"]) for group in learner.optimizer.param_groups},
        "seconds_data": sums.seconds_data,
        "seconds_compute": sums.seconds_compute,
    }
    return row


def tuned_thresholds(learner: Learner, feed: Feed, found: Probabilities) -> list[float | None] | None:
    """The validation's best threshold of each AU, None for one that is known in no training image: it is not learned.

    None in all for a method that learns no AUs.
    """
    if "au" not in learner.method.terms:
        return None
    au_NA = feed.data.au_NA[feed.data.rows("validation")]
    threshold_A = metrics.tune_thresholds(au_NA, found.au_NA).tolist()
    learned_A = feed.data.au_known("train") > 0
    return [threshold if learned else None for threshold, learned in zip(threshold_A, learned_A, strict=True)]
