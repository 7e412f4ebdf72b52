"""What is known of AUs given the emotion before training: the tables behind the matching losses (section 4.1).

K emotions, A action units (AUs), B batch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import compress

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rafce.errors import ConfigError
from rafce.schema import au_column
from rafce_train.data import BoolArray, Statistics
from rafce_train.losses import (
    bayes_alignment_loss,
    distribution_matching_loss,
    lab_alignment_loss,
    wild_alignment_loss,
)

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Prior:
    """A loss that matches the two predictions, together with the tables it needs."""

    tables: tuple[Tensor, ...]
    loss: Callable[..., Tensor]
    """Takes emotion logits, AU logits and the tables; returns a loss for every sample."""
    silent_K: tuple[bool, ...]
    """Emotions with no observed AU: Eq. 7 gives them 0 whatever the AUs, so the user must hear of them."""
    denied_A: tuple[bool, ...] = ()
    """AUs that the loss leads to 0 for want of an emotion that has them, likewise."""
    known: Tensor | None = None
    """The positions of the AUs that the tables are about; None: all. The loss has nothing to say of the others."""
    uncounted_KA: BoolArray | None = None
    """Where an AU of the tables is known in no image of the emotion: taken as not observed, likewise."""

    def matching_loss(self, emotion_logits_BK: Tensor, au_logits_BA: Tensor) -> Tensor:
        """The loss of every sample, shape B."""
        if self.known is not None:
            au_logits_BA = au_logits_BA.index_select(1, self.known)
        return self.loss(emotion_logits_BK, au_logits_BA, *self.tables)

    def to(self, like: Tensor) -> "Prior":
        """The same prior with the device and dtype of a tensor."""
        known = None if self.known is None else self.known.to(like.device)
        return replace(self, tables=tuple(table.to(like) for table in self.tables), known=known)

    def silent(self, emotions: Sequence[str]) -> tuple[str, ...]:
        """The names of the silent emotions."""
        return tuple(name for name, silent in zip(emotions, self.silent_K, strict=True) if silent)

    def notes(self, emotions: Sequence[str], aus: Sequence[int]) -> list[str]:
        """What the user must hear of, a sentence each."""
        silent, denied = self.silent(emotions), [au_column(au) for au in compress(aus, self.denied_A)]
        notes = [f"statistics: no AU observed in {', '.join(silent)}: no AU tells of them"] if silent else []
        notes += self._uncounted(emotions, aus)
        if denied:
            notes.append(
                f"statistics: no emotion has {', '.join(denied)}: distribution matching teaches that none is active"
            )
        return notes

    def _uncounted(self, emotions: Sequence[str], aus: Sequence[int]) -> list[str]:
        if self.uncounted_KA is None:
            return []
        columns = np.array([au_column(au) for au in aus])
        return [
            f"statistics: {', '.join(columns[uncounted_A])} known in no image of {name}: taken as not observed in it"
            for name, uncounted_A in zip(emotions, self.uncounted_KA, strict=True)
            if uncounted_A.any()
        ]


def wild_prior(statistics: Statistics, _: BoolArray) -> Prior:
    """Eq. 4-9: the frequencies count / n, zero where the AU is not observed, as Table 1 leaves them blank.

    An AU that is known in no image is not in the tables: a blank would lead it to 0.
    """
    known_A = statistics.n_KA.any(0)
    frequency_KA = np.where(statistics.observed_KA, statistics.count_KA / np.maximum(statistics.n_KA, 1), 0.0)
    known = None if known_A.all() else torch.from_numpy(np.flatnonzero(known_A))
    prior = _paper_prior(frequency_KA[:, known_A], wild_alignment_loss)
    return replace(prior, known=known, uncounted_KA=_uncounted_KA(statistics))


def lab_prior(_: Statistics, lab_observed_KA: BoolArray) -> Prior:
    """Section 5.3: ones where the laboratory table has the AU observed, zeros elsewhere; ConfigError if it is empty."""
    _need_lab("--statistics lab", lab_observed_KA)
    return _paper_prior(lab_observed_KA.astype(np.float64), lab_alignment_loss)


def bayes_prior(statistics: Statistics, _: BoolArray) -> Prior:
    """Laplace's estimates (count + 1) / (n + 2) and their complements over all AUs, and (n_k + 1) / (Σ n + K)."""
    present_KA = (statistics.count_KA + 1) / (statistics.n_KA + 2)
    absent_KA = (statistics.n_KA - statistics.count_KA + 1) / (statistics.n_KA + 2)
    class_K = (statistics.n_K + 1) / (statistics.n_K.sum() + len(statistics.n_K))
    return Prior(_tensors(present_KA, absent_KA, class_K), bayes_alignment_loss, (False,) * len(class_K))


def matching_prior(lab_percent_KA: FloatArray) -> Prior:
    """Eq. 4 with the laboratory's percentages as Kollias et al. have them: a blank of that table is 0."""
    _need_lab("--method dm", lab_percent_KA)
    prior = _paper_prior(lab_percent_KA / 100, distribution_matching_loss)
    return replace(prior, denied_A=tuple(not column.any() for column in lab_percent_KA.T))


PRIORS = {
    ("wild", "paper"): wild_prior,
    ("lab", "paper"): lab_prior,
    ("wild", "bayes"): bayes_prior,
}
"""By `--statistics` and `--alignment`: from the statistics of the prior's scope and the observed cells of the lab.

The laboratory table has no counts, so Bayes' rule cannot use it.
"""


def _need_lab(option: str, table_KA: FloatArray | BoolArray) -> None:
    if not table_KA.any():
        raise ConfigError(
            f"{option}: expected a laboratory table of the dataset's emotions and AUs, found none in "
            "lab_statistics.parquet"
        )


def _uncounted_KA(statistics: Statistics) -> BoolArray:
    """Where there are images of the emotion, but none that knows the AU, which images of other emotions do know."""
    n_KA = statistics.n_KA
    uncounted_KA: BoolArray = (n_KA == 0) & n_KA.any(0) & (statistics.n_K > 0)[:, None]
    return uncounted_KA


def _paper_prior(frequency_KA: FloatArray, loss: Callable[..., Tensor]) -> Prior:
    if not frequency_KA.any():
        raise ConfigError(
            "alignment: expected at least one AU observed in some emotion, found none in the statistics"
        )
    return Prior(_tensors(frequency_KA), loss, tuple(not row.any() for row in frequency_KA))


def _tensors(*arrays: FloatArray) -> tuple[Tensor, ...]:
    return tuple(torch.from_numpy(array) for array in arrays)
