"""Convolutions whose outputs are known from an earlier pass over the same batch with the same parameters and masks.

Of dual numbers, a convolution is three plain ones: the value x * w, and the tangent dx * w + x * dw. Where the value is
kept, a forward-mode pass is a third cheaper; nothing else about it changes.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from rafce_train.dual import dual, tangent_of, value_of


class ConvolutionRecord(TorchFunctionMode):
    """While entered, keeps the output of every convolution in order; it shares memory with the graph."""

    def __init__(self) -> None:
        super().__init__()
        self.outputs: deque[tuple[Tensor, int]] = deque()

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        output = function(*args, **(kwargs or {}))
        if function is torch.conv2d:
            self.outputs.append((output.detach(), output._version))
        return output


class ConvolutionReplay(TorchFunctionMode):
    """While entered, takes the values of dual convolutions from a record, which it empties."""

    def __init__(self, record: ConvolutionRecord):
        super().__init__()
        self.outputs = record.outputs

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if function is torch.conv2d:
            output, version = self.outputs.popleft()
            # an activation that works in place, such as VGG's, has written over the output by now
            unchanged = output._version == version
            if unchanged and (tangent := _tangent(*args, **(kwargs or {}))) is not None:
                return dual(output, tangent)
        return function(*args, **(kwargs or {}))


def _tangent(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, *geometry: Any, **options: Any
) -> Tensor | None:
    """x * dw + db + dx * w; None where w has no tangent, which is rare and left to torch."""
    d_x, d_weight = tangent_of(x), tangent_of(weight)
    if d_weight is None:
        return None
    d_bias = None if bias is None else tangent_of(bias)
    tangent = torch.conv2d(value_of(x), d_weight, d_bias, *geometry, **options)
    return (
        tangent if d_x is None else tangent + torch.conv2d(d_x, value_of(weight), None, *geometry, **options)
    )
