"""BatchNorm over the images of all ranks, with a gradient and a forward mode that cross the ranks too.

Torch's own runs on GPUs only and has no forward mode, which meta multi-task learning needs.

x is B images × C channels × positions, of which every rank has equally many; y = w x̂ + b with x̂ = (x - μ) s,
s = (σ² + ε)^-1/2, and μ and σ² of each channel over everything else on all ranks. Below, ⟨·⟩ is that mean.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.modules.batchnorm import _BatchNorm

from rafce_train.ranks import Ranks


def synchronize(net: nn.Module, ranks: Ranks) -> None:
    """Replace every BatchNorm of a net by one that has the same tensors and sees all ranks' images."""
    for name, module in list(net.named_modules()):
        if isinstance(module, _BatchNorm):
            net.set_submodule(name, SyncBatchNorm(module, ranks))


class SyncBatchNorm(_BatchNorm):
    """BatchNorm with a learned weight and bias and an exponential running mean, as torchvision's networks have it."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, norm: _BatchNorm, ranks: Ranks):
        super().__init__(norm.num_features, norm.eps, norm.momentum)
        self.ranks = ranks
        for name, tensor in (*norm.named_parameters(), *norm.named_buffers()):
            setattr(self, name, tensor)

    def forward(self, x: Tensor) -> Tensor:
        """y, in training with the statistics of the whole batch."""
        if not self.training:
            normal: Tensor = super().forward(x)
            return normal
        outputs: tuple[Tensor, ...] = _Normalize.apply(x, self.weight, self.bias, self.eps, self.ranks)
        y, mean_C, variance_C = outputs
        if self.track_running_stats:
            n = self.ranks.size * x.numel() // x.shape[1]
            self._follow(mean_C, variance_C * (n / (n - 1)))
        return y

    @torch.no_grad()
    def _follow(self, mean_C: Tensor, variance_C: Tensor) -> None:
        assert self.momentum is not None  # no network of torchvision weighs all batches alike
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean_C, self.momentum)
        self.running_var.lerp_(variance_C, self.momentum)

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of positions will do."""


class _Normalize(Function):
    """(x, w, b) -> y, μ, σ²; the statistics go without gradients."""

    @staticmethod
    def forward(x: Tensor, weight_C: Tensor, bias_C: Tensor, eps: float, ranks: Ranks) -> tuple[Tensor, ...]:
        exact = x.to(weight_C.dtype)
        mean_C, variance_C = _moments(exact, ranks)
        scale_C = weight_C * (variance_C + eps).rsqrt()
        y = (exact - _along(mean_C, x)) * _along(scale_C, x) + _along(bias_C, x)
        return y.to(x.dtype), mean_C, variance_C

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        x, weight_C, _, ctx.eps, ctx.ranks = inputs
        _, mean_C, variance_C = output
        ctx.mark_non_differentiable(mean_C, variance_C)
        ctx.save_for_backward(x, weight_C, mean_C, variance_C)
        ctx.save_for_forward(x, weight_C, mean_C, variance_C)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """∂x = w s (g - ⟨g⟩ - x̂ ⟨g x̂⟩), and of the parameters this rank's part: ∂w = Σ g x̂, ∂b = Σ g."""
        weight_C, normal, inverse_C = _recall(ctx)
        gradient = gradients[0].to(weight_C.dtype)
        sums = [_mean(gradient), _mean(gradient * normal)]
        mean_C, product_C = (_along(value, normal) for value in ctx.ranks.mean(sums))
        towards_x = (gradient - mean_C - normal * product_C) * _along(weight_C * inverse_C, normal)
        n = normal.numel() // normal.shape[1]
        return towards_x.to(gradients[0].dtype), sums[1] * n, sums[0] * n, None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor) -> tuple[Tensor | None, ...]:
        """dy = w s (dx - ⟨dx⟩ - x̂ ⟨dx x̂⟩) + dw x̂ + db."""
        weight_C, normal, inverse_C = _recall(ctx)
        along_x, along_weight_C, along_bias_C = tangents[:3]
        exact = along_x.to(weight_C.dtype)
        sums = [_mean(exact), _mean(exact * normal)]
        mean_C, product_C = (_along(value, normal) for value in ctx.ranks.mean(sums))
        along_y = (exact - mean_C - normal * product_C) * _along(weight_C * inverse_C, normal)
        along_y = along_y + normal * _along(along_weight_C, normal) + _along(along_bias_C, normal)
        return along_y.to(along_x.dtype), None, None


def _recall(ctx: Any) -> tuple[Tensor, Tensor, Tensor]:
    """w, x̂ and s."""
    x, weight_C, mean_C, variance_C = ctx.saved_tensors
    inverse_C = (variance_C + ctx.eps).rsqrt()
    return weight_C, (x.to(weight_C.dtype) - _along(mean_C, x)) * _along(inverse_C, x), inverse_C


def _moments(x: Tensor, ranks: Ranks) -> tuple[Tensor, Tensor]:
    """μ and σ²: variances within ranks and that between them, since differences of squares lose digits."""
    mean_C = _mean(x)
    local_12C = torch.stack([mean_C, _mean((x - _along(mean_C, x)).square())])[None]
    mean_RC, variance_RC = ranks.gathered(local_12C).unbind(1)
    return mean_RC.mean(0), variance_RC.mean(0) + mean_RC.var(0, correction=0)


def _mean(x: Tensor) -> Tensor:
    """Of each channel, over this rank's images and positions."""
    return x.mean([axis for axis in range(x.dim()) if axis != 1])


def _along(value_C: Tensor, x: Tensor) -> Tensor:
    """A number for each channel in the shape that spreads over x."""
    return value_C.view(-1, *[1] * (x.dim() - 2))
