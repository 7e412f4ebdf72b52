"""The meta-gradient of section 4.2 without a second derivative: pure functions of parameters, gradients and losses.

The meta net's parameters ψ enter the step θ* = θ - α ∇θ c Σ_i Σ_t ω_ti L_ti (Eq. 12-13) through the weights ω alone.
With v the gradient of the validation loss at θ*, Eq. 15 is therefore

    ∇ψ L_val(θ*) = -c Σ_i Σ_t ∂ω_ti/∂ψ · [(α·v) · ∇θ L_ti],

and the brackets of all samples i and losses t are one forward-mode product of the losses at θ in direction α·v: exact,
where Eq. 15 as printed differentiates a gradient, which costs more time and nearly twice the memory.

B batch, T losses. Parameters and gradients go by the names that the net gives its parameters.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn.attention import SDPBackend, sdpa_kernel

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
        if self.weight_decay:
            gradient = gradient.add(parameter, alpha=self.weight_decay)
        if self.momentum:
            velocity = gradient if self.buffer is None else gradient.add(self.buffer, alpha=self.momentum)
            gradient = gradient.add(velocity, alpha=self.momentum) if self.nesterov else velocity
        return parameter.add(gradient, alpha=-self.rate)


def gradients(loss: Tensor, parameters: Parameters, *, keep_graph: bool = False) -> dict[str, Tensor]:
    """∇ loss for the parameters that it depends on; the others are left out."""
    found = torch.autograd.grad(loss, list(parameters.values()), retain_graph=keep_graph, allow_unused=True)
    return {name: gradient for name, gradient in zip(parameters, found, strict=True) if gradient is not None}


@torch.no_grad()
def virtual_step(
    parameters: Parameters, gradient: Parameters, rules: Mapping[str, Rule]
) -> dict[str, Tensor]:
    """Eq. 13, θ*: new leaves for autograd; a parameter without a gradient stays where it is, as in torch.optim."""
    return {
        name: (
            rules[name].step(parameter, gradient[name]) if name in gradient else parameter.clone()
        ).requires_grad_()
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
    _load_forward_mode()
    with forward_ad.dual_level(), sdpa_kernel(SDPBackend.MATH):
        dual = {
            name: _dual(parameter, direction[name]) if name in direction else parameter
            for name, parameter in parameters.items()
        }
        return _tangent(losses(dual))


def meta_gradient(
    weight_BT: Tensor, psi: Iterable[Tensor], bracket_BT: Tensor, scale: float
) -> tuple[Tensor, ...]:
    """Eq. 15, ∇ψ L_val(θ*) = -c Σ_i Σ_t ∂ω_ti/∂ψ · bracket_ti, for weights that are a function of ψ; scale is c."""
    return torch.autograd.grad(weight_BT, tuple(psi), grad_outputs=-scale * bracket_BT)


def _dual(primal: Tensor, tangent: Tensor) -> Tensor:
    dual: Tensor = forward_ad.make_dual(primal, tangent)  # type: ignore[no-untyped-call]  # torch gives no types
    return dual


def _tangent(dual: Tensor) -> Tensor:
    tangent: Tensor = forward_ad.unpack_dual(dual).tangent  # type: ignore[no-untyped-call]
    return tangent


@cache
def _load_forward_mode() -> None:
    """Let torch compile its forward-mode rules, once; it warns about its own use of torch.jit while doing so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        with forward_ad.dual_level():
            _dual(torch.zeros(()), torch.zeros(()))
