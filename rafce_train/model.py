"""The base net of section 5.2: a torchvision backbone without its last layer, and one linear layer for each task.

B batch, F features, K emotions, A action units (AUs).
"""

import difflib
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import nullcontext
from itertools import chain
from typing import Any, NamedTuple

import torch
import torchvision
from torch import Tensor, nn
from torch.func import functional_call

from rafce.errors import ConfigError

SIZE_ARGUMENTS: dict[str, Any] = {
    "vision_transformer": lambda size: {"image_size": size},
    "maxvit": lambda size: {"input_size": (size, size)},
}
"""By torchvision's module: what its builders are told of the image side, where positions or windows depend on it."""
N_SIZES_TRIED = 24


class Outputs(NamedTuple):
    """What the base net says of a batch."""

    features_BF: Tensor
    emotion_logits_BK: Tensor
    au_logits_BA: Tensor


class Net(nn.Module):
    """f(x) and the two classifiers on it.

    `backbone` keeps torchvision's names, so `backbone.state_dict()` is matched with weight files as it stands;
    `last_layer` is the name of the layer that was taken off, which such files still carry.
    """

    def __init__(self, backbone: nn.Module, last_layer: str, n_features: int, n_emotions: int, n_aus: int):
        super().__init__()
        self.backbone = backbone
        self.last_layer = last_layer
        self.n_features = n_features
        self.emotion_head = nn.Linear(n_features, n_emotions)
        self.au_head = nn.Linear(n_features, n_aus)
        self.bf16 = False

    def forward(self, images_B3HW: Tensor) -> Outputs:
        """Features and logits in the images' dtype; with `bf16` set, computed in mixed precision.

        Autocast ends here: the losses take logarithms of small probabilities, which need full precision.
        """
        device = images_B3HW.device.type
        with torch.autocast(device, torch.bfloat16) if self.bf16 else nullcontext():
            features_BF = self.backbone(images_B3HW)
            outputs = features_BF, self.emotion_head(features_BF), self.au_head(features_BF)
        return Outputs(*(output.to(images_B3HW.dtype) for output in outputs))


def build_net(backbone: str, n_emotions: int, n_aus: int, *, image_size: int) -> Net:
    """A base net with random weights, drawn from torch's generator; ConfigError says why a backbone will not do.

    Any torchvision classifier will that returns one tensor for square images of this size; those with a grid of
    positions (vit_b_16) get one for this size.
    """
    _check_name(backbone)
    try:
        network, last_layer = _build(backbone, image_size)
        features = _features(network, image_size)
    except (RuntimeError, AssertionError, ValueError) as error:
        raise ConfigError(
            f"backbone {backbone}: expected a network for {image_size}×{image_size} images, "
            f"found: {str(error).splitlines()[0]}{_other_sizes(backbone, image_size)}"
        ) from None
    net = Net(network, last_layer, _width(features, backbone), n_emotions, n_aus)
    return net.to(memory_format=torch.channels_last)  # 5 to 10 % faster on CPUs, more on tensor cores


def load_tensors(module: nn.Module, tensors: Mapping[str, Tensor], *, strict: bool = True) -> None:
    """`module.load_state_dict` of tensors that were named by a network of this release.

    A plain mapping has lost the version that each of torch's modules writes into its state: some (MNASNet) take that
    for an older release, and rebuild their layers or refuse. RuntimeError as of `load_state_dict`.
    """
    state = OrderedDict(tensors)
    vars(state)["_metadata"] = vars(module.state_dict())["_metadata"]
    module.load_state_dict(state, strict=strict)


def _build(backbone: str, image_size: int) -> tuple[nn.Module, str]:
    """The network without its last layer, and the name of that layer."""
    kind = torchvision.models.get_model_builder(backbone).__module__.rpartition(".")[2]
    size_argument = SIZE_ARGUMENTS[kind](image_size) if kind in SIZE_ARGUMENTS else {}
    with warnings.catch_warnings():
        # GoogLeNet and Inception announce other initial weights, MaxViT talks of meshgrid
        warnings.simplefilter("ignore")
        network = torchvision.models.get_model(backbone, weights=None, **size_argument)
    return network, _remove_last_layer(network)


def _features(network: nn.Module, image_size: int) -> Any:
    """What a training pass returns on the meta device: nothing is computed, no buffer written."""
    named = chain(network.named_parameters(), network.named_buffers())
    images_B3HW = torch.empty(2, 3, image_size, image_size, device="meta")
    return functional_call(network, {name: tensor.to("meta") for name, tensor in named}, images_B3HW)


def _other_sizes(backbone: str, image_size: int) -> str:
    """The nearest image sides that the backbone takes, as a hint; nothing where none of some dozen will do."""
    sides = {step * n for step in (14, 16) for n in range(1, 1024 // step + 1) if step * n >= 32}
    nearest = sorted(sides - {image_size}, key=lambda side: abs(side - image_size))[:N_SIZES_TRIED]
    fit = next((side for side in nearest if _takes(backbone, side)), None)
    return f"; it takes --image-size {fit}" if fit else ""


def _takes(backbone: str, image_size: int) -> bool:
    try:
        with torch.device("meta"):
            network, _ = _build(backbone, image_size)
        return isinstance(_features(network, image_size), Tensor)
    except (RuntimeError, AssertionError, ValueError):
        return False


def _width(features: Any, backbone: str) -> int:
    """How many features an image has; ConfigError for a network that returns more than one tensor."""
    if not isinstance(features, Tensor):
        raise ConfigError(
            f"backbone {backbone}: expected a network that returns one tensor, "
            f"found one that returns {len(features)} while it trains ({type(features).__name__})"
        )
    return int(features.shape[1])


def _check_name(backbone: str) -> None:
    classifiers = torchvision.models.list_models(module=torchvision.models)
    if backbone in classifiers:
        return
    if backbone in torchvision.models.list_models():
        builder = torchvision.models.get_model_builder(backbone)
        found = f"one from {builder.__module__.rpartition('.')[0]}"
    else:
        close = difflib.get_close_matches(backbone, classifiers, n=3)
        found = "no model of that name" + (f"; close: {', '.join(close)}" if close else "")
    raise ConfigError(f"backbone {backbone}: expected a classifier of torchvision.models, found {found}")


def _remove_last_layer(network: nn.Module) -> str:
    """Put an identity in place of the layer that names classes, and return its name.

    It is the last linear layer that the network registers; SqueezeNet's is a convolution.
    """
    names: list[str] = [
        name for name, layer in network.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)
    ]
    network.set_submodule(names[-1], nn.Identity())
    return names[-1]
