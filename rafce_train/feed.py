"""The batches of a run: which images each step sees, as tensors where the network is.

N images, B batch, S steps of an epoch.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rafce.errors import ConfigError, raise_all
from rafce_train.augment import batch_images, draw_jitter, on_device
from rafce_train.config import Config
from rafce_train.data import IntArray, TrainingData
from rafce_train.inference import Probabilities, probabilities
from rafce_train.learner import Batch
from rafce_train.methods import find_method
from rafce_train.model import Net
from rafce_train.ranks import ALONE, Ranks
from rafce_train.sampling import SAMPLERS, batches, repeats, validation_batch


class EpochOrder(NamedTuple):
    """What the steps of an epoch show."""

    rows_SB: IntArray
    """Rows of the training images."""
    repeats_SB: IntArray
    """How often the epoch has shown each of them before."""


def trust(rows: IntArray) -> None:
    """Images in memory were checked on their way there."""


@dataclass(frozen=True)
class Feed:
    """Labels and images of a dataset, handed out as functions of the seed, the epoch and the step alone.

    Of several ranks, each gets its part of the same batches.
    """

    data: TrainingData
    images_NHW3: Tensor
    config: Config
    device: torch.device
    ranks: Ranks = ALONE
    check_rows: Callable[[IntArray], None] = trust
    """Called with rows before their images are looked at; ImageError where these were damaged."""

    _orders: dict[int, EpochOrder] = field(default_factory=dict)
    """The order of the current epoch, drawn once."""

    def __post_init__(self) -> None:
        """ConfigError when no whole batch can be filled, or it cannot be divided over the ranks."""
        self.epoch_rows(0)
        raise_all(self._division_faults(), ConfigError)

    @property
    def steps(self) -> int:
        """Steps of an epoch; the last, smaller batch is dropped."""
        return len(self.data.rows("train")) // self.config.batch_size

    def epoch_rows(self, epoch: int) -> IntArray:
        """Rows of the training images in the order of an epoch, shape (S, B)."""
        return self._order(epoch).rows_SB

    def training_batch(self, epoch: int, step: int) -> Batch:
        """The batch that a step learns from, augmented if that was asked for."""
        order, config = self._order(epoch), self.config
        rows_B, repeat_B = (self.ranks.share(table_SB[step]) for table_SB in order)
        size = self.images_NHW3.shape[1]
        jitter = draw_jitter(config.augment, rows_B, size, config.seed, epoch, repeat_B)
        self.check_rows(rows_B)
        return self._batch(
            rows_B, batch_images(self.images_NHW3, rows_B, config.normalize, config.channel_order, jitter)
        )

    def validation_batch(self, epoch: int, step: int) -> Batch:
        """The batch that a step's meta-test looks at."""
        config = self.config
        rows_B = validation_batch(self.data.rows("validation"), config.batch_size, config.seed, epoch, step)
        return self.plain_batch(self.ranks.share(rows_B))

    def plain_batch(self, rows_B: IntArray) -> Batch:
        """Images of these rows as they are."""
        self.check_rows(rows_B)
        images_B3HW = batch_images(self.images_NHW3, rows_B, self.config.normalize, self.config.channel_order)
        return self._batch(rows_B, images_B3HW)

    def partition(self, name: str) -> Iterator[Batch]:
        """This rank's images of a partition in the order of the dataset, the last batch smaller."""
        rows = self.ranks.share(self.data.rows(name))
        size = self.config.batch_size
        return (self.plain_batch(rows[start : start + size]) for start in range(0, len(rows), size))

    def probabilities(self, net: Net, partition: str) -> Probabilities:
        """What the net says of all images of a partition in their order; every rank looks at its part."""
        found = probabilities(net, (batch.images_B3HW for batch in self.partition(partition)))
        parts = self.ranks.everyones(found)
        return Probabilities(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))

    def _division_faults(self) -> list[str]:
        """What leaves BatchNorm or a rank too few images, or ranks unequally many, in any batch or afterwards."""
        config, n_ranks = self.config, self.ranks.size
        n_images = len(self.data.rows("validation"))
        needs_validation = find_method(config.method, config.with_alignment).needs_validation
        if n_ranks == 1:
            few = f"--method {config.method}: expected at least 2 validation images, found {n_images}"
            return [few] if needs_validation and n_images < 2 else []
        sizes = {"--batch-size": config.batch_size}
        if needs_validation:
            sizes["images in a validation batch,"] = min(config.batch_size, n_images)
        least = 1 if config.sync_batchnorm else 2  # BatchNorm sees no spread in one image
        looked_at = {name: len(self.data.rows(name)) for name in ("validation", "test")}
        return [
            f"{what} {size}: expected a multiple of the {n_ranks} ranks, at least {least} images for each"
            for what, size in sizes.items()
            if size % n_ranks or size < least * n_ranks
        ] + [
            f"{n_images} {name} images: expected at least one for each of the {n_ranks} ranks"
            for name, n_images in looked_at.items()
            if n_images < n_ranks
        ]

    def _order(self, epoch: int) -> EpochOrder:
        if epoch not in self._orders:
            config, rows_N = self.config, self.data.rows("train")
            order_N = SAMPLERS[config.sampler](rows_N, self.data.emotion_N[rows_N], config.seed, epoch)
            tables_SB = (batches(values_N, config.batch_size) for values_N in (order_N, repeats(order_N)))
            self._orders.clear()
            self._orders[epoch] = EpochOrder(*tables_SB)
        return self._orders[epoch]

    def _batch(self, rows_B: IntArray, images_B3HW: Tensor) -> Batch:
        labels = torch.from_numpy(self.data.emotion_N[rows_B]), torch.from_numpy(self.data.au_NA[rows_B])
        return Batch(*(on_device(tensor, self.device) for tensor in (images_B3HW, *labels)))
