"""Grad-CAM (Selvaraju et al. 2017) of a base net, by captum: which places of an image speak for an emotion or an AU.

B batch, C channels, h side of a map, N images.
"""

import difflib
from collections import Counter
from collections.abc import Iterable
from itertools import takewhile
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from captum.attr import LayerGradCam
from torch import Tensor, nn

from rafce.errors import ConfigError
from rafce_train.model import Net

SMALLEST_MAP = 7
"""Least side of the map where no layer is named: the last map of a ResNet-34 at 112 pixels is 4 × 4."""

Maps = npt.NDArray[np.float32]


class MapLayer(NamedTuple):
    """A layer of the backbone whose output is a square map for each channel, and the side of that map."""

    name: str
    side: int


class Target(NamedTuple):
    """What the maps explain: an output of `Net` by its name, and for each image the column in it."""

    output: str
    column_N: Tensor


def map_layers(net: Net, image_size: int) -> list[MapLayer]:
    """The backbone's layers that can be explained, in the order in which a forward pass is done with them.

    Those with square maps, used once a pass: a layer that is used several times has several maps.
    """
    found: list[MapLayer] = []

    def note(name: str) -> Any:
        return lambda _module, _inputs, output: found.extend(_as_map_layer(name, output))

    hooks = [layer.register_forward_hook(note(name)) for name, layer in net.backbone.named_modules() if name]
    try:
        net.eval()
        parameter = next(net.parameters())
        with torch.inference_mode():
            net(torch.zeros(1, 3, image_size, image_size, device=parameter.device, dtype=parameter.dtype))
    finally:
        for hook in hooks:
            hook.remove()
    times = Counter(layer.name for layer in found)
    return [layer for layer in found if times[layer.name] == 1]


def choose_layer(net: Net, image_size: int, name: str | None = None) -> MapLayer:
    """The layer of this name, else the last one before the maps get smaller than 7 × 7; ConfigError for none.

    Not the last of all that are as large: some networks end with maps that are enlarged again.
    """
    layers = map_layers(net, image_size)
    if name is not None:
        return _named(layers, name)
    large = list(takewhile(lambda layer: layer.side >= SMALLEST_MAP, layers))
    if not large:
        raise ConfigError(
            f"expected a layer with a map of at least {SMALLEST_MAP} × {SMALLEST_MAP} for images of {image_size} "
            f"pixels, found none; --layer takes one of {', '.join(layer.name for layer in layers) or 'none'}"
        )
    return large[-1]


def grad_cam(net: Net, layer: MapLayer, batches: Iterable[Tensor], target: Target) -> Maps:
    """relu(Σ_c w_c A_c) of each image, shape (N, h, h), where w_c is the mean over places of ∂ output / ∂ A_c.

    A is the layer's output, the output one logit; `batches` hold the images of `target`, (B, 3, H, H) each. The net
    is left in evaluation mode.
    """
    net.eval()
    explainer = LayerGradCam(_Output(net, target.output), net.backbone.get_submodule(layer.name))
    maps, start = [], 0
    for images_B3HW in batches:
        column_B = target.column_N[start : start + len(images_B3HW)].to(images_B3HW.device)
        map_B1hh = explainer.attribute(images_B3HW, target=column_B, relu_attributions=True)
        maps.append(map_B1hh[:, 0].detach().float().cpu())
        start += len(images_B3HW)
    return torch.cat(maps).numpy()


class _Output(nn.Module):
    """One output of a net alone, as captum wants it."""

    def __init__(self, net: Net, output: str):
        super().__init__()
        self.net, self.output = net, output

    def forward(self, images_B3HW: Tensor) -> Tensor:
        logits: Tensor = getattr(self.net(images_B3HW), self.output)
        return logits


def _as_map_layer(name: str, output: object) -> list[MapLayer]:
    is_map = isinstance(output, Tensor) and output.ndim == 4 and output.shape[2] == output.shape[3] > 1
    return [MapLayer(name, output.shape[2])] if isinstance(output, Tensor) and is_map else []


def _named(layers: list[MapLayer], name: str) -> MapLayer:
    by_name = {layer.name: layer for layer in layers}
    if name in by_name:
        return by_name[name]
    close = difflib.get_close_matches(name, by_name, n=3) or [
        layer.name for layer in layers if "." not in layer.name
    ]
    raise ConfigError(
        f"--layer {name}: expected a layer with square maps that is used once a pass, such as {', '.join(close)}"
    )
