"""The meta-gradient of section 4.2 without a second derivative: pure functions of parameters, gradients and losses.

The meta net's parameters ψ enter the step θ* = θ - α ∇θ c Σ_i Σ_t ω_ti L_ti (Eq. 12-13) through the weights ω alone.
With v the gradient of the validation loss at θ*, Eq. 15 is therefore

    ∇ψ L_val(θ*) = -c Σ_i Σ_t ∂ω_ti/∂ψ · [(α·v) · ∇θ L_ti],

and the brackets of all samples i and losses t are one forward-mode product of the losses at θ in direction α·v: exact,
where Eq. 15 as printed differentiates a gradient, which costs more time and nearly twice the memory.

B batch, T losses. Parameters and gradients go by the names that the net gives its parameters.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from rafce_train.dual import dual, dual_numbers, tangent_of

Parameters = Mapping[str, Tensor]


class Rule(NamedTuple):
    """How SGD is about to move one parameter; its momentum buffer is read here and never written."""

    rate: float
    momentum: float
    nesterov: bool
    weight_decay: float
    buffer: Tensor | None

    @classmethod
    def of(cls, group: Mapping[str, Any], state: Mapping[str, Any]) -> "Rule":
        """The rule of a parameter, from its group and its state in torch.optim.SGD."""
        return cls(
            group["lr"],
            group["momentum"],
            group["nesterov"],
            group["weight_decay"],
            state.get("momentum_buffer"),
        )

    @property
    def scale(self) -> float:
        """-∂θ*/∂gradient: α, and α (1 + momentum) with Nesterov; weight decay and plain momentum leave it alone."""
        return self.rate * (1 + self.momentum) if self.nesterov else self.rate

    def step(self, parameter: Tensor, gradient: Tensor) -> Tensor:
        """θ*, where torch.optim.SGD would take the parameter."""
        return parameter.add(self.direction(parameter.detach(), gradient), alpha=-self.rate)

    def direction(self, parameter: Tensor, gradient: Tensor) -> Tensor:
        """What torch.optim.SGD would multiply by the rate and subtract."""
        if self.weight_decay:
            gradient = gradient.add(parameter, alpha=self.weight_decay)
        if not self.momentum:
            return gradient
        velocity = gradient if self.buffer is None else gradient.add(self.buffer, alpha=self.momentum)
        return gradient.add(velocity, alpha=self.momentum) if self.nesterov else velocity


def gradients(loss: Tensor, parameters: Parameters, *, keep_graph: bool = False) -> dict[str, Tensor]:
    """∇ loss for the parameters that it depends on; the others are left out."""
    found = torch.autograd.grad(loss, list(parameters.values()), retain_graph=keep_graph, allow_unused=True)
    return {name: gradient for name, gradient in zip(parameters, found, strict=True) if gradient is not None}


def virtual_step(
    parameters: Parameters, gradient: Parameters, rules: Mapping[str, Rule]
) -> dict[str, Tensor]:
    """Eq. 13, θ*; a parameter without a gradient stays where it is, as in torch.optim.

    To autograd θ* is θ plus a constant: a loss at θ* has with respect to θ the first-order gradient of Eq. 17.
    """
    return {
        name: rules[name].step(parameter, gradient[name]) if name in gradient else parameter
        for name, parameter in parameters.items()
    }


def scaled(gradient: Parameters, rules: Mapping[str, Rule]) -> dict[str, Tensor]:
    """α·v, with α as each parameter's rule has it."""
    return {name: value * rules[name].scale for name, value in gradient.items()}


@torch.no_grad()
def directional_derivatives(
    losses: Callable[[Parameters], Tensor], parameters: Parameters, direction: Parameters
) -> Tensor:
    """The brackets direction · ∇θ L_ti, shape BT, of losses that are a function of the parameters.

    A parameter that the direction does not name, such as the AU layer's, has no tangent. Attention runs as plain
    arithmetic here: its fused kernels have no forward mode.
    """
    with dual_numbers(), sdpa_kernel(SDPBackend.MATH):
        along = {
            name: dual(parameter, direction[name]) if name in direction else parameter
            for name, parameter in parameters.items()
        }
        raw_BT = losses(along)
        tangent_BT = tangent_of(raw_BT)
        return torch.zeros_like(raw_BT) if tangent_BT is None else tangent_BT


def meta_gradient(
    weight_BT: Tensor, psi: Iterable[Tensor], bracket_BT: Tensor, scale: float
) -> tuple[Tensor, ...]:
    """Eq. 15, ∇ψ L_val(θ*) = -c Σ_i Σ_t ∂ω_ti/∂ψ · bracket_ti, for weights that are a function of ψ; scale is c."""
    return torch.autograd.grad(weight_BT, tuple(psi), grad_outputs=-scale * bracket_BT)
