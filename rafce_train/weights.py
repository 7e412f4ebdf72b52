"""Weights to start a backbone from: a user's file, or torchvision's, matched by name and shape."""

import pickle
import re
import warnings
from collections.abc import Mapping
from math import isqrt
from pathlib import Path
from typing import Any, NamedTuple

import safetensors.torch
import torch
import torchvision
from torch import Tensor, nn
from torch.nn.functional import interpolate

from rafce.errors import WeightsError, first_faults, raise_all
from rafce.reading import open_file
from rafce_train.model import load_tensors

NEEDED = 0.95
DEEPER = 0.05
"""From this share of the backbone's tensors on, what a file has more in the backbone's own modules is more layers."""
SHOWN = 3
VGGFACE2_CLASSES = 8631
POSITIONS = "encoder.pos_embedding"
"""A vision transformer's: one for its class token, then a square grid, row by row; shape (1, L, D)."""
COUNTER = "num_batches_tracked"
"""BatchNorm's step counter: old files have none, and it does not change what the network computes."""


class WeightsReport(NamedTuple):
    """Names of the backbone's tensors that were found, were not, and of the file's that were of no use."""

    matched: tuple[str, ...]
    missing: tuple[str, ...]
    left_over: tuple[str, ...]
    other_shape: tuple[str, ...]
    resized: tuple[str, ...] = ()
    """Grids of positions that were interpolated to another image side."""

    def __str__(self) -> str:
        return (
            f"{len(self.matched)} tensors matched, {_counted(self.missing)} missing, "
            f"{_counted(self.other_shape)} of another shape, {len(self.left_over)} left over"
            f"{''.join(f'; {change}' for change in self.resized)}"
        )


def load_backbone(backbone: nn.Module, name: str, source: str) -> WeightsReport | None:
    """Fill a backbone from `source`: "none", "imagenet" or a file; what does not match keeps its random start.

    Prefixes such as `module.` or `backbone.` are found out, a foreign last layer is left over, a vision transformer's
    positions are interpolated to its image side. WeightsError when fewer than 95 % of the backbone's tensors match, if
    the file has layers more in the backbone's own modules (ResNet-34's for a ResNet-18), if it belongs to a network
    of the same names that computes something else (VGGFace2's ResNet-50), or if a number in it is none.
    """
    if source == "none":
        return None
    tensors = imagenet_weights(name) if source == "imagenet" else read_weights(Path(source))
    own = {key: value for key, value in backbone.state_dict().items() if not key.endswith(COUNTER)}
    found, left_over = _without_prefix(tensors, own)
    _check_no_double(tensors, source, name)
    found, resized = _with_positions(found, own)
    report = match(own, found, left_over)._replace(resized=resized)
    _check_same_network(report, own, source, name)
    _check_finite({key: found[key] for key in report.matched}, source)
    load_tensors(backbone, {key: found[key] for key in report.matched}, strict=False)
    return report


def match(
    own: Mapping[str, Tensor], found: Mapping[str, Tensor], left_over: tuple[str, ...]
) -> WeightsReport:
    """Compare tensors by name and shape."""
    common = [key for key in own if key in found]
    fits = [key for key in common if found[key].shape == own[key].shape]
    other = [
        f"{key} {tuple(found[key].shape)} where {tuple(own[key].shape)} was expected"
        for key in common
        if found[key].shape != own[key].shape
    ]
    missing = [key for key in own if key not in found]
    left_over = left_over + tuple(key for key in found if key not in own and not key.endswith(COUNTER))
    return WeightsReport(tuple(fits), tuple(missing), left_over, tuple(other))


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors or torch file by name; nothing in it is run, code in it is refused."""
    try:
        with open_file(path) as file:
            head = file.read(9)
    except OSError as error:
        raise WeightsError(f"{path}: expected a file of weights: {error.strerror}") from None
    # A safetensors file is eight bytes of length, then JSON; no torch file has a brace there.
    content = _read_safetensors(path) if head[8:] == b"{" else _read_torch(path)
    tensors = _largest_table(content)
    if not tensors:
        raise WeightsError(f"{path}: expected named tensors (a state_dict), found none")
    return tensors


def imagenet_weights(name: str) -> dict[str, Tensor]:
    """torchvision's weights of a classifier; WeightsError when there are none or they cannot be fetched."""
    try:
        weights = torchvision.models.get_model_weights(name)["DEFAULT"]
        return dict(weights.get_state_dict(progress=False, check_hash=True))
    except (KeyError, ValueError):
        raise WeightsError(f"--weights imagenet: torchvision has none for {name}") from None
    except (OSError, RuntimeError) as error:
        raise WeightsError(f"--weights imagenet: could not be fetched for {name}: {error}") from None


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path}: cannot be read as a safetensors file: {error}") from None


def _read_torch(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pickle protocols beside 2 are remarked on, then read or refused
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        wanted = re.search(r"GLOBAL (\S+)", str(error))
        raise WeightsError(
            f"{path}: refused, and nothing in it was run: expected tensors by name, "
            f"found {f'a call of {wanted[1]}' if wanted else 'something else'}; "
            "save the state_dict alone, best as safetensors"
        ) from None
    except Exception:  # torch raises a dozen kinds for a broken file, and its texts speak of its own code
        raise WeightsError(
            f"{path}: cannot be read as a safetensors or torch file: found {_kind(path)}"
        ) from None


def _kind(path: Path) -> str:
    """What a file is that torch cannot read."""
    with path.open("rb") as file:
        head = file.read(4)
    if head == b"PK\x03\x04":
        return "a torch file that is damaged or cut off"
    return "another kind of file, or a damaged one" if head else "an empty file"


def _largest_table(content: Any) -> dict[str, Tensor]:
    """The tensors of a state_dict: the whole content, or an entry of it (`state_dict`, `model`, `ema`, …)."""
    if not isinstance(content, Mapping):
        return {}
    tensors = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    inner = [_largest_table(value) for value in content.values() if isinstance(value, Mapping)]
    return max([tensors, *inner], key=len)


def _without_prefix(
    tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The tensors below the prefix that gives most of the backbone's names, and the names of all others."""
    parts = [key.split(".") for key in tensors]
    prefixes = {
        "".join(f"{part}." for part in words[:n]) for words in parts for n in range(min(len(words), 5))
    }
    best = max(sorted(prefixes), key=lambda prefix: sum(prefix + key in tensors for key in own))
    inside = {key[len(best) :]: value for key, value in tensors.items() if key.startswith(best)}
    return inside, tuple(key for key in tensors if not key.startswith(best))


def _check_same_network(report: WeightsReport, own: Mapping[str, Tensor], source: str, name: str) -> None:
    modules = {key.partition(".")[0] for key in own}
    deeper = [key for key in report.left_over if key.partition(".")[0] in modules]
    if len(report.matched) < NEEDED * len(own):
        found = (
            f"{len(report.matched)} of {len(own)} tensors match, at least {NEEDED:.0%} must "
            f"({len(report.left_over)} of the file's are left over)"
        )
        faults = [*report.other_shape, *(f"{key} missing" for key in report.missing)]
    elif len(deeper) > max(SHOWN, DEEPER * len(own)):
        found = f"it has {len(deeper)} tensors more in the same modules"
        faults = [f"{key} left over" for key in deeper]
    else:
        return
    heading = f"{source}: weights of another network than {name}: {found}"
    raise WeightsError("\n".join([heading, *first_faults(faults)]))


def _check_no_double(tensors: Mapping[str, Tensor], source: str, name: str) -> None:
    """WeightsError for weights whose names and shapes fit, and whose network is another all the same.

    VGGFace2's ResNet-50 was converted from Caffe: it halves the image in the first 1×1 convolution of a block, not in
    the 3×3 one, pools with ceil mode, and expects BGR from 0 to 255 less its mean. No tensor shows it; its classes do.
    """
    if name == "resnet50" and any(
        len(tensor) == VGGFACE2_CLASSES for tensor in tensors.values() if tensor.ndim
    ):
        raise WeightsError(
            f"{source}: weights of another network than {name}: {VGGFACE2_CLASSES:,} classes are those of VGGFace2's "
            "ResNet-50, whose strides, pooling and pixel range differ from torchvision's: its features would be wrong"
        )


def _with_positions(
    found: dict[str, Tensor], own: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """A vision transformer's positions for this backbone's grid, and what was changed, in words.

    The class token keeps its own, the grid is interpolated (bicubic, corners aligned), as torchvision does it.
    """
    if POSITIONS not in found or POSITIONS not in own:
        return found, ()
    old_1LD, new_1LD = found[POSITIONS], own[POSITIONS]
    old, new = (
        isqrt(max(tensor.shape[1] - 1, 0)) if tensor.ndim == 3 else 0 for tensor in (old_1LD, new_1LD)
    )
    fits = old_1LD.shape != new_1LD.shape and old_1LD.shape[::2] == new_1LD.shape[::2] == (
        1,
        new_1LD.shape[2],
    )
    if not (fits and old and new and old_1LD.shape[1] == old**2 + 1):
        return found, ()
    grid_1DHW = old_1LD[:, 1:].transpose(1, 2).reshape(1, -1, old, old)
    resized_1DHW = interpolate(grid_1DHW, size=(new, new), mode="bicubic", align_corners=True)
    positions_1LD = torch.cat([old_1LD[:, :1], resized_1DHW.flatten(2).transpose(1, 2)], dim=1)
    return {**found, POSITIONS: positions_1LD}, (f"positions interpolated from {old}×{old} to {new}×{new}",)


def _check_finite(tensors: Mapping[str, Tensor], source: str) -> None:
    raise_all(
        [
            f"{source}: {key}: expected finite numbers, found NaN or infinity"
            for key, tensor in tensors.items()
            if not tensor.isfinite().all()
        ],
        WeightsError,
    )


def _counted(names: tuple[str, ...]) -> str:
    """How many, and the first of them: what is not in the file keeps its random start."""
    if not names:
        return "0"
    return f"{len(names)} ({', '.join(names[:SHOWN])}{', …' if len(names) > SHOWN else ''})"
