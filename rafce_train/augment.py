"""The images of a batch as the network sees them: gathered from the cache, jittered, normalised.

Every draw is a function of seed, epoch, image and how often that image has been shown before in the epoch: no generator
has a state that a resumed run would have lost.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

# N cached images, B batch, H image side in pixels, P = H·H pixels
IntArray = npt.NDArray[np.int64]

GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)
GREY = (0.2989, 0.587, 0.114)  # ITU-R 601, as torchvision has it

NORMALIZATIONS = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "symmetric": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "unit": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}
"""Mean and deviation of red, green and blue that a network expects, for pixels from 0 to 1."""

CHANNEL_ORDERS = {"rgb": (0, 1, 2), "bgr": (2, 1, 0)}


class Jitter(NamedTuple):
    """How each image of a batch is changed; the three factors are 1 where the colour stays."""

    flip_B: Tensor
    down_B: Tensor
    right_B: Tensor
    brightness_B: Tensor
    contrast_B: Tensor
    saturation_B: Tensor


class Strength(NamedTuple):
    """How much an augmentation changes: share of flips, largest shift over image side, largest change of a factor."""

    flip: float
    shift: float
    colour: float


AUGMENTATIONS = {"none": Strength(0, 0, 0), "standard": Strength(flip=0.5, shift=0.04, colour=0.2)}


def draw_jitter(
    augment: str, rows_B: IntArray, size: int, seed: int, epoch: int, repeat_B: IntArray | None = None
) -> Jitter:
    """How the images of these rows are changed in this epoch; `size` is the image side.

    `repeat_B` tells how often each image was shown before in the epoch (0 if left out): an image that a sampler repeats
    is changed in another way each time. A flip keeps the labels: they do not say on which side of the face an AU is
    active.
    """
    strength = AUGMENTATIONS[augment]
    draw_6B = torch.from_numpy(uniforms(seed, epoch, rows_B, 6, repeat_B).T)
    reach = round(strength.shift * size)
    shift_2B = (draw_6B[1:3] * (2 * reach + 1)).long() - reach
    factor_3B = (1 + strength.colour * (2 * draw_6B[3:] - 1)).float()
    return Jitter(draw_6B[0] < strength.flip, *shift_2B, *factor_3B)


def batch_images(
    images_NHW3: Tensor, rows_B: IntArray, normalize: str, channel_order: str, jitter: Jitter | None = None
) -> Tensor:
    """Images of these rows, shape (B, 3, H, H), float32, in the range and channel order that the weights expect.

    In order: flip and shift (edges repeat), brightness, contrast, saturation, each as torchvision defines it.
    """
    device, size = images_NHW3.device, images_NHW3.shape[1]
    jitter = jitter or draw_jitter("none", rows_B, size, seed=0, epoch=0)
    jitter = Jitter(*(on_device(draw_B, device) for draw_B in jitter))
    moved_BP3 = _moved(images_NHW3, on_device(torch.from_numpy(rows_B), device), jitter)
    pixels_B3P = _coloured(moved_BP3.transpose(1, 2).float().contiguous(), jitter)
    mean_31, deviation_31 = (
        on_device(255 * torch.tensor(values)[:, None], device) for values in NORMALIZATIONS[normalize]
    )
    pixels_B3P = pixels_B3P.sub_(mean_31).div_(deviation_31)
    if channel_order != "rgb":
        pixels_B3P = pixels_B3P[:, CHANNEL_ORDERS[channel_order]]
    return pixels_B3P.view(-1, 3, size, size)


def on_device(tensor: Tensor, device: torch.device) -> Tensor:
    """A CPU tensor elsewhere; CUDA buffers it at once, so that the CPU need not wait for the GPU's work before it."""
    return tensor.to(device, non_blocking=device.type == "cuda")


def uniforms(
    seed: int, epoch: int, rows_B: IntArray, n: int, repeat_B: IntArray | None = None
) -> npt.NDArray[np.float64]:
    """Numbers in [0, 1), shape (B, n), that depend on nothing but seed, epoch, image row, repeat and position.

    Repeat r takes positions r n to (r + 1) n - 1 of its image's stream, so the first showing draws what it always drew.
    """
    first_B1 = np.zeros((len(rows_B), 1), np.int64) if repeat_B is None else n * repeat_B[:, None]
    bits_Bn = splitmix64(seed, epoch, rows_B[:, None], first_B1 + np.arange(n))
    return (bits_Bn >> np.uint64(11)).astype(np.float64) * 2.0**-53


def splitmix64(*keys: npt.ArrayLike) -> npt.NDArray[np.uint64]:
    """64 random bits for each combination of keys; of one key, the first output of SplitMix64 seeded with it.

    Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators", applied to one key after the other.
    """
    bits = np.zeros(1, dtype=np.uint64)  # an array: it wraps around in silence, a scalar warns
    for key in keys:
        bits = (bits ^ np.asarray(key).astype(np.uint64)) + GOLDEN_GAMMA
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        bits ^= bits >> np.uint64(31)
    return bits


def _moved(images_NHW3: Tensor, rows_B: Tensor, jitter: Jitter) -> Tensor:
    """Row, flip and shift in one gather of whole pixels, shape (B, P, 3): several times faster than one of bytes."""
    size = images_NHW3.shape[1]
    along_H = torch.arange(size, device=rows_B.device)
    y_BH = (along_H - jitter.down_B[:, None]).clamp(0, size - 1)
    x_BH = (along_H - jitter.right_B[:, None]).clamp(0, size - 1)
    x_BH = torch.where(jitter.flip_B[:, None], size - 1 - x_BH, x_BH)
    pixel_BHH = (rows_B[:, None] * size + y_BH)[:, :, None] * size + x_BH[:, None, :]
    return images_NHW3.reshape(-1, 3).index_select(0, pixel_BHH.flatten()).view(len(rows_B), -1, 3)


def _coloured(pixels_B3P: Tensor, jitter: Jitter) -> Tensor:
    """Brightness about black, contrast about the mean grey, saturation about each pixel's grey; clamped after each."""
    brightness_B11, contrast_B11, saturation_B11 = (factor_B[:, None, None] for factor_B in jitter[3:])
    pixels_B3P = pixels_B3P.mul_(brightness_B11).clamp_(0, 255)
    level_B11 = _grey(pixels_B3P).mean(2, keepdim=True)
    pixels_B3P = torch.lerp(level_B11, pixels_B3P, contrast_B11).clamp_(0, 255)
    return torch.lerp(_grey(pixels_B3P), pixels_B3P, saturation_B11).clamp_(0, 255)


def _grey(pixels_B3P: Tensor) -> Tensor:
    weights_311 = on_device(torch.tensor(GREY)[:, None], pixels_B3P.device)
    return (pixels_B3P * weights_311).sum(1, keepdim=True)
