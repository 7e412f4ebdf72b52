"""The base net of section 5.2: a torchvision backbone without its last layer, and one linear layer for each task.

B batch, F features, K emotions, A action units (AUs).
"""

import difflib
import warnings
from contextlib import nullcontext
from itertools import chain
from typing import NamedTuple

import torch
import torchvision
from torch import Tensor, nn
from torch.func import functional_call

from rafce.errors import ConfigError


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

    Any torchvision classifier will that returns one tensor for square images of this size.
    """
    _check_name(backbone)
    with warnings.catch_warnings():
        # GoogLeNet and Inception announce other initial weights
        warnings.simplefilter("ignore", FutureWarning)
        network = torchvision.models.get_model(backbone, weights=None)
    last_layer = _remove_last_layer(network)
    n_features = _probe(network, backbone, image_size)
    net = Net(network, last_layer, n_features, n_emotions, n_aus)
    return net.to(memory_format=torch.channels_last)  # 5 to 10 % faster on CPUs, more on tensor cores


def _probe(network: nn.Module, backbone: str, image_size: int) -> int:
    """The number of features, from a training pass on the meta device: nothing is computed, no buffer written."""
    named = chain(network.named_parameters(), network.named_buffers())
    images_B3HW = torch.empty(2, 3, image_size, image_size, device="meta")
    try:
        features = functional_call(network, {name: tensor.to("meta") for name, tensor in named}, images_B3HW)
    except (RuntimeError, AssertionError, ValueError) as error:
        raise ConfigError(
            f"backbone {backbone}: expected a network for {image_size}×{image_size} images, found: {error}"
        ) from None
    if not isinstance(features, Tensor):
        raise ConfigError(
            f"backbone {backbone}: expected a network that returns one tensor, "
            f"found one that returns {len(features)} while it trains ({type(features).__name__})"
        )
    return features.shape[1]


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
