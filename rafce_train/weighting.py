"""Where the weight of each loss comes from: constants, or the meta net g(f(x); ψ) of section 4.2.

B batch, F features, T losses of the method, "emo" first.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from rafce_train.config import Config

Weighting = Callable[[Config, tuple[str, ...], int], nn.Module]
"""Makes a module that turns features_BF into weight_BT, from the options, the losses and the number of features."""


class FixedWeights(nn.Module):
    """The same weight for every sample: 1 for emotions, ρ for the others (Eq. 3, Eq. 10)."""

    weight_T: Tensor

    def __init__(self, weights: tuple[float, ...]):
        super().__init__()
        # an option, not something learned: a checkpoint does not carry it
        self.register_buffer("weight_T", torch.tensor(weights), persistent=False)

    def forward(self, features_BF: Tensor) -> Tensor:
        """weight_BT."""
        return self.weight_T.to(features_BF).expand(len(features_BF), -1)


class MetaNet(nn.Module):
    """One linear layer and a sigmoid for the last `n_learned` of the losses; the others have weight 1 (Eq. 11).

    All zeros at the start (section 5.2), so that every learned weight begins at 0.5.
    """

    def __init__(self, n_features: int, n_losses: int, n_learned: int):
        super().__init__()
        self.n_fixed = n_losses - n_learned
        self.linear = nn.Linear(n_features, n_learned)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, features_BF: Tensor) -> Tensor:
        """weight_BT, the learned ones in (0, 1)."""
        return F.pad(self.linear(features_BF).sigmoid(), (self.n_fixed, 0), value=1.0)


def fixed_weights(config: Config, terms: tuple[str, ...], _: int) -> nn.Module:
    """1 for emotions, `--rho-au` for AUs, `--rho-align` for what ties them together."""
    return FixedWeights(chosen_weights(config, terms))


def chosen_weights(config: Config, terms: Sequence[str]) -> tuple[float, ...]:
    """The weights of these losses that the options fix."""
    (rho_au,), (rho_align,) = config.rho_au, config.rho_align
    weights = {"emo": 1.0, "au": rho_au, "dm": rho_align, "align": rho_align}
    return tuple(weights[term] for term in terms)


def learned_weights(n_learned: int) -> Weighting:
    """A meta net for the last losses of the method."""
    return lambda _, terms, n_features: MetaNet(n_features, len(terms), n_learned)
