"""What intervals take for independent: images, or whole groups where those of a video or subject are alike.

N images, G groups, R resamples.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rafce.intervals import group_weights, grouped_ratio_interval, wilson

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

N_RESAMPLES = 1000


class Resampling(ABC):
    """How sure figures are that are made from images."""

    rates: str
    """The kind of interval that a share of images has, in words."""
    scores: str
    """The kind of interval that every other figure has."""

    @abstractmethod
    def n_groups(self, member_N: BoolArray) -> int | None:
        """Of how many groups these images are; None where every image stands for itself."""

    @abstractmethod
    def rate_interval(self, hit_N: BoolArray, member_N: BoolArray) -> tuple[float, float]:
        """The 95 % interval of the share of hits among the members; NaN where there is none."""

    @abstractmethod
    def resamples(self, stratum_N: IntArray) -> Iterator[IntArray]:
        """How often each image counts, shape (N,), in each of `N_RESAMPLES` resamples."""

    def can_vary(self, member_N: BoolArray) -> bool:
        """Whether resamples of these images say anything: those of a single group are all the same."""
        n_groups = self.n_groups(member_N)
        return n_groups is None or n_groups > 1


class OverImages(Resampling):
    """Every image stands for itself; resamples draw them anew within their stratum, so that none gets lost."""

    rates, scores = "Wilson", "bootstrap over images"

    def n_groups(self, member_N: BoolArray) -> int | None:  # noqa: ARG002
        """None."""
        return None

    def rate_interval(self, hit_N: BoolArray, member_N: BoolArray) -> tuple[float, float]:
        """Wilson's."""
        low, high = wilson(np.count_nonzero(hit_N & member_N), np.count_nonzero(member_N))
        return float(low), float(high)

    def resamples(self, stratum_N: IntArray) -> Iterator[IntArray]:
        """Every stratum is drawn anew from itself with replacement."""
        return image_resamples(stratum_N, N_RESAMPLES)


@dataclass(frozen=True, eq=False)  # arrays have no single truth value to compare by
class OverGroups(Resampling):
    """Groups stand for themselves: a resample draws as many whole ones as there are, whatever strata they have."""

    group_N: IntArray
    """From 0 to G - 1."""

    rates = scores = "bootstrap over groups"

    def n_groups(self, member_N: BoolArray) -> int | None:
        """How many groups have a member."""
        return len(np.unique(self.group_N[member_N]))

    def rate_interval(self, hit_N: BoolArray, member_N: BoolArray) -> tuple[float, float]:
        """Percentiles of the ratio over drawn groups; NaN of fewer than two groups."""
        low, high = grouped_ratio_interval(self._sums(hit_N & member_N), self._sums(member_N))
        return float(low), float(high)

    def resamples(self, stratum_N: IntArray) -> Iterator[IntArray]:  # noqa: ARG002
        """Each image counts as often as its group is drawn."""
        n_groups = int(self.group_N.max()) + 1
        for block_DG in group_weights(n_groups, N_RESAMPLES):
            for weight_G in block_DG.astype(np.int64):
                yield weight_G[self.group_N]

    def _sums(self, value_N: BoolArray) -> IntArray:
        n_groups = int(self.group_N.max()) + 1
        return np.bincount(self.group_N, weights=value_N, minlength=n_groups).astype(np.int64)


OVER_IMAGES = OverImages()


def resampling_of(group_N: npt.NDArray[Any] | None) -> Resampling:
    """Over groups where the images have any (by name or number), else over images."""
    return OVER_IMAGES if group_N is None else OverGroups(np.unique(group_N, return_inverse=True)[1])


def image_resamples(stratum_N: IntArray, n_resamples: int, seed: int = 0) -> Iterator[IntArray]:
    """How often each image is drawn, shape (N,), when every stratum is drawn anew from itself with replacement."""
    random = np.random.default_rng(seed)
    _, size = np.unique(stratum_N, return_counts=True)
    by_stratum_N = np.argsort(stratum_N, kind="stable")
    first_N, size_N = np.repeat(size.cumsum() - size, size), np.repeat(size, size)
    for _ in range(n_resamples):
        drawn_N = by_stratum_N[first_N + random.integers(size_N)]
        yield np.bincount(drawn_N, minlength=len(stratum_N))
