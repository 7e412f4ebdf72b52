"""What an epoch adds up to: the running sums that a checkpoint carries, and the row of `history.parquet` they make.

B batch, T loss terms of the method, K emotions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from rafce_train.learner import StepLog
from rafce_train.metrics import confusion
from rafce_train.run_folder.schema import HISTORY_SCHEMA, WHOLE_COLUMNS

Row = dict[str, int | float | None]


@dataclass
class Sums:
    """Sums over the training images of an epoch so far, in float64 on the CPU: resumed, they end in the same bits."""

    images: int
    raw_T: Tensor
    """Each loss before its weight."""
    weighted_T: Tensor
    """Each loss times its weight."""
    weight_T: Tensor
    weight_squared_T: Tensor
    confusion_KK: Tensor
    """Images by true and predicted emotion, as the net was when it saw them."""
    p_au: float = 0.0
    """Mean predicted probability over AUs."""
    seconds_data: float = 0.0
    seconds_compute: float = 0.0

    @classmethod
    def zero(cls, n_terms: int, n_emotions: int) -> "Sums":
        """Nothing seen yet."""
        raw_T, weighted_T, weight_T, weight_squared_T = torch.zeros(4, n_terms, dtype=torch.float64)
        confusion_KK = torch.zeros(n_emotions, n_emotions, dtype=torch.int64)
        return cls(0, raw_T, weighted_T, weight_T, weight_squared_T, confusion_KK)

    def add(self, log: StepLog, emotion_B: Tensor) -> None:
        """Take in one iteration; all tensors on the CPU."""
        raw_BT, weight_BT = log.raw_BT.double(), log.weight_BT.double()
        self.images += len(emotion_B)
        self.raw_T += raw_BT.sum(0)
        self.weighted_T += (raw_BT * weight_BT).sum(0)
        self.weight_T += weight_BT.sum(0)
        self.weight_squared_T += weight_BT.square().sum(0)
        predicted_B = log.emotion_logits_BK.argmax(1)
        counted_KK = confusion(emotion_B.numpy(), predicted_B.numpy(), len(self.confusion_KK))
        self.confusion_KK += torch.from_numpy(counted_KK)
        self.p_au += float(log.au_logits_BA.double().sigmoid().mean(1).sum())

    def means(self, terms: Sequence[str]) -> Row:
        """Per loss term its mean before and after weighing, and mean and standard deviation of its weight over images.

        In the order of `terms`, named loss_emo, loss_emo_weighted, omega_emo, omega_emo_sd and so on.
        """
        n = max(self.images, 1)
        mean_T = self.weight_T / n
        spread_T = (self.weight_squared_T / n - mean_T.square()).clamp_min(0).sqrt()
        columns = {"loss_{}": self.raw_T / n, "loss_{}_weighted": self.weighted_T / n, "omega_{}": mean_T}
        columns["omega_{}_sd"] = spread_T
        return {
            name.format(term): float(values_T[t])
            for name, values_T in columns.items()
            for t, term in enumerate(terms)
        }


def history_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """`history.parquet`: a row an epoch, whole numbers as int64, everything else as float64, null where undefined."""
    names = list(rows[0]) if rows else ["epoch"]
    fields = [pa.field(name, pa.int64() if name in WHOLE_COLUMNS else pa.float64()) for name in names]
    schema = pa.schema(fields, metadata={"rafce.schema": HISTORY_SCHEMA})
    return pa.Table.from_pylist([dict(row) for row in rows], schema)
