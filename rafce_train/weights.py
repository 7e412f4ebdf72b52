"""Weights to start a backbone from: a user's file, or torchvision's, matched by name and shape."""

import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import safetensors.torch
import torch
import torchvision
from torch import Tensor, nn

from rafce.errors import WeightsError, first_faults, raise_all
from rafce.reading import open_file

NEEDED = 0.95
DEEPER = 0.05
"""From this share of the backbone's tensors on, what a file has more in the backbone's own modules is more layers."""
SHOWN = 3
COUNTER = "num_batches_tracked"
"""BatchNorm's step counter: old files have none, and it does not change what the network computes."""


class WeightsReport(NamedTuple):
    """Names of the backbone's tensors that were found, were not, and of the file's that were of no use."""

    matched: tuple[str, ...]
    missing: tuple[str, ...]
    left_over: tuple[str, ...]
    other_shape: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{len(self.matched)} tensors matched, {_counted(self.missing)} missing, "
            f"{_counted(self.other_shape)} of another shape, {len(self.left_over)} left over"
        )


def load_backbone(backbone: nn.Module, name: str, source: str) -> WeightsReport | None:
    """Fill a backbone from `source`: "none", "imagenet" or a file; what does not match keeps its random start.

    Prefixes such as `module.` or `backbone.` are found out, a foreign last layer is left over.
    WeightsError when fewer than 95 % of the backbone's tensors match, when the file has layers more in the backbone's
    own modules (ResNet-34's for a ResNet-18), or when a number in it is none.
    """
    if source == "none":
        return None
    tensors = imagenet_weights(name) if source == "imagenet" else read_weights(Path(source))
    own = {key: value for key, value in backbone.state_dict().items() if not key.endswith(COUNTER)}
    found, left_over = _without_prefix(tensors, own)
    report = match(own, found, left_over)
    _check_same_network(report, own, source, name)
    _check_finite({key: found[key] for key in report.matched}, source)
    backbone.load_state_dict({key: found[key] for key in report.matched}, strict=False)
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
