"""Dual numbers of torch.autograd.forward_ad, with the types that torch leaves out."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from torch import Tensor
from torch.autograd import forward_ad


@contextmanager
def dual_numbers() -> Iterator[None]:
    """Within, tensors may carry a tangent."""
    _load_rules()
    with forward_ad.dual_level():
        yield


def dual(value: Tensor, tangent: Tensor) -> Tensor:
    """value + ε tangent."""
    number: Tensor = forward_ad.make_dual(value, tangent)  # type: ignore[no-untyped-call]  # torch gives no types
    return number


def value_of(number: Tensor) -> Tensor:
    """What stands before ε; a tensor without a tangent is its own value."""
    value: Tensor = forward_ad.unpack_dual(number).primal  # type: ignore[no-untyped-call]
    return value


def tangent_of(number: Tensor) -> Tensor | None:
    """The factor of ε; None where it is 0 throughout and torch has none."""
    tangent: Tensor | None = forward_ad.unpack_dual(number).tangent  # type: ignore[no-untyped-call]
    return tangent


@cache
def _load_rules() -> None:
    """Let torch compile its forward-mode rules, once; it warns about its own use of torch.jit while doing so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        with forward_ad.dual_level():
            dual(torch.zeros(()), torch.zeros(()))
