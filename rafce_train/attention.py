"""How much of a map lies where action units act, beside what a map that knows nothing of the image would have there.

N images, H image side and h map side in pixels.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F  # noqa: N812

from rafce.bootstrap import mean_limits, resampling_of
from rafce.geometry import regions_pixels

Reals = npt.NDArray[np.floating[Any]]
Aus = frozenset[int]


class Shares(NamedTuple):
    """What part of each image's map lies inside its regions; NaN where it has no region, or a map of zeros."""

    inside_N: Reals
    area_N: Reals
    """The regions' part of the image: what a uniform map has there."""
    average_N: Reals
    """What the mean map of the other images has there: it knows faces, but not this one.

    NaN without other images, and where all have the same regions: the mean is then `inside` once more.
    """


def shares(map_Nhh: Reals, aus_N: Sequence[Aus], image_size: int) -> Shares:
    """The parts of maps, each enlarged to the image by bilinear interpolation, that regions of these AUs hold.

    A map of zeros has no say in the mean map either. RafceError for an AU without a place on the face.
    """
    mass_Nhh, has_mass_N = _unit_mass(map_Nhh.astype(np.float64), image_size)
    region_Nhh = np.stack([_region_hh(aus, image_size, map_Nhh.shape[1]) for aus in aus_N])
    area_N = np.array([region_mask(aus, image_size).mean() for aus in aus_N])
    n_others = has_mass_N.sum() - 1 if len(set(aus_N)) > 1 else 0
    others_Nhh = (mass_Nhh.sum(0) - mass_Nhh) / (n_others if n_others > 0 else np.nan)
    parts = ((mass_Nhh * region_Nhh).sum((1, 2)), area_N, (others_Nhh * region_Nhh).sum((1, 2)))
    return Shares(*(np.where(has_mass_N & (area_N > 0), part_N, np.nan) for part_N in parts))


@cache
def region_mask(aus: Aus, image_size: int) -> npt.NDArray[np.bool_]:
    """The pixels whose centre lies in the region of any of these AUs, shape (H, H)."""
    centre_H = np.arange(image_size) + 0.5
    mask_HH = np.zeros((image_size, image_size), dtype=np.bool_)
    for au in aus:
        for left, top, right, bottom in regions_pixels(au, image_size):
            rows_H, columns_H = (
                (low <= centre_H) & (centre_H < high) for low, high in ((top, bottom), (left, right))
            )
            mask_HH |= rows_H[:, None] & columns_H
    return mask_HH


def mean_with_interval(
    value_N: Reals, group_N: npt.NDArray[np.str_] | None = None
) -> dict[str, float | int | None]:
    """The mean of the values that exist, with the 95 % percentile interval over resampled images, or groups of them.

    `n` values of `groups` groups (None without groups). None for the mean of nothing, and for the interval of one value
    or group.
    """
    is_there_N = ~np.isnan(value_N)
    there_n = value_N[is_there_N]
    resampling = resampling_of(None if group_N is None else group_N[is_there_N])
    n_groups = resampling.n_groups(np.ones(len(there_n), dtype=np.bool_))
    mean = {"n": len(there_n), "groups": n_groups, "value": float(there_n.mean()) if len(there_n) else None}
    if len(there_n) < 2 or n_groups == 1:
        return {**mean, "ci_low": None, "ci_high": None}
    low, high = mean_limits(resampling.sums(there_n), resampling.sums(np.ones_like(there_n)))
    return {**mean, "ci_low": float(low), "ci_high": float(high)}


@cache
def _enlargement_Hh(image_size: int, side: int) -> Reals:
    """The matrix U of bilinear interpolation: U map Uᵀ is a map at the size of the image."""
    unit_h1h = torch.eye(side, dtype=torch.float64)[:, None]
    enlarged_h1H = F.interpolate(unit_h1h, image_size, mode="linear", align_corners=False)
    matrix_Hh: Reals = enlarged_h1H[:, 0].T.numpy()
    return matrix_Hh


def _region_hh(aus: Aus, image_size: int, side: int) -> Reals:
    """How many pixels of the region each place of a map speaks for: a sum over the enlarged map, carried back."""
    matrix_Hh = _enlargement_Hh(image_size, side)
    region_hh: Reals = matrix_Hh.T @ region_mask(aus, image_size) @ matrix_Hh
    return region_hh


def _unit_mass(map_Nhh: Reals, image_size: int) -> tuple[Reals, npt.NDArray[np.bool_]]:
    """Maps that sum to 1 over the enlarged image, and which ones could be so divided; the others stay zero."""
    matrix_Hh = _enlargement_Hh(image_size, map_Nhh.shape[1])
    weight_h = matrix_Hh.sum(0)
    total_N = (map_Nhh * np.outer(weight_h, weight_h)).sum((1, 2))
    return map_Nhh / np.where(total_N > 0, total_N, 1)[:, None, None], total_N > 0
