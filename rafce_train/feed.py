"""The batches of a run: which images each step sees, as tensors where the network is.

N images, B batch, S steps of an epoch.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from rafce_train.augment import batch_images, draw_jitter, on_device
from rafce_train.config import Config
from rafce_train.data import IntArray, TrainingData
from rafce_train.learner import Batch
from rafce_train.sampling import SAMPLERS, batches, validation_batch


@dataclass(frozen=True)
class Feed:
    """Labels and images of a dataset, handed out as functions of the seed, the epoch and the step alone."""

    data: TrainingData
    images_NHW3: Tensor
    config: Config
    device: torch.device

    _orders: dict[int, IntArray] = field(default_factory=dict)
    """The order of the current epoch, drawn once."""

    def __post_init__(self) -> None:
        """ConfigError when no whole batch can be filled."""
        self.epoch_rows(0)

    @property
    def steps(self) -> int:
        """Steps of an epoch; the last, smaller batch is dropped."""
        return len(self.data.rows("train")) // self.config.batch_size

    def epoch_rows(self, epoch: int) -> IntArray:
        """Rows of the training images in the order of an epoch, shape (S, B)."""
        if epoch not in self._orders:
            config, rows_N = self.config, self.data.rows("train")
            order_N = SAMPLERS[config.sampler](rows_N, self.data.emotion_N[rows_N], config.seed, epoch)
            self._orders.clear()
            self._orders[epoch] = batches(order_N, config.batch_size)
        return self._orders[epoch]

    def training_batch(self, epoch: int, step: int) -> Batch:
        """The batch that a step learns from, augmented if that was asked for."""
        rows_B = self.epoch_rows(epoch)[step]
        config = self.config
        jitter = draw_jitter(config.augment, rows_B, self.images_NHW3.shape[1], config.seed, epoch)
        return self._batch(
            rows_B, batch_images(self.images_NHW3, rows_B, config.normalize, config.channel_order, jitter)
        )

    def validation_batch(self, epoch: int, step: int) -> Batch:
        """The batch that a step's meta-test looks at."""
        config = self.config
        rows_B = validation_batch(self.data.rows("validation"), config.batch_size, config.seed, epoch, step)
        return self.plain_batch(rows_B)

    def plain_batch(self, rows_B: IntArray) -> Batch:
        """Images of these rows as they are."""
        images_B3HW = batch_images(self.images_NHW3, rows_B, self.config.normalize, self.config.channel_order)
        return self._batch(rows_B, images_B3HW)

    def partition(self, name: str) -> Iterator[Batch]:
        """All images of a partition in the order of the dataset, the last batch smaller."""
        rows = self.data.rows(name)
        size = self.config.batch_size
        return (self.plain_batch(rows[start : start + size]) for start in range(0, len(rows), size))

    def _batch(self, rows_B: IntArray, images_B3HW: Tensor) -> Batch:
        labels = torch.from_numpy(self.data.emotion_N[rows_B]), torch.from_numpy(self.data.au_NA[rows_B])
        return Batch(*(on_device(tensor, self.device) for tensor in (images_B3HW, *labels)))
