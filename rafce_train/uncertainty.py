"""Homoscedastic uncertainty (Kendall, Gal & Cipolla, CVPR 2018): each loss has a variance, learned with the network.

B batch, F features, T losses of the method.
"""

import torch
from torch import Tensor, nn

from rafce_train.config import Config
from rafce_train.learner import Batch, Learner, StepLog, step_log


class LogVariances(nn.Module):
    """s = log σ² of each loss, 0 at the start; a loss's weight is exp(-s) = 1/σ²."""

    def __init__(self, n_losses: int):
        super().__init__()
        self.log_variance_T = nn.Parameter(torch.zeros(n_losses))

    def forward(self, features_BF: Tensor) -> Tensor:
        """weight_BT, above 0."""
        return self.log_variance_T.neg().exp().expand(len(features_BF), -1)


def log_variances(_: Config, terms: tuple[str, ...], __: int) -> nn.Module:
    """A variance for each loss of the method."""
    return LogVariances(len(terms))


def uncertainty_step(learner: Learner, batch: Batch, _: Batch | None, seed: int) -> StepLog:
    """One step of the optimizer for θ and s at once, along the gradient of c Σ_i Σ_t (L_ti / σ_t² + log σ_t).

    Eq. 10 there has 1/σ² before the loss of a classification (1/2σ² before that of a regression, which none here is)
    and log σ for each loss; the sum over AUs is one loss. At rest σ_t² is twice the mean loss: every weighted loss is
    1/2. s follows `--lr-meta` without momentum or weight decay.
    """
    weighting = learner.weighting
    assert isinstance(weighting, LogVariances)
    outputs, raw_BT = learner.first_pass(batch, seed)
    weight_BT = weighting(outputs.features_BF)
    log_sigma_BT = (weighting.log_variance_T / 2).expand_as(raw_BT)
    objective = learner.total(raw_BT, weight_BT) + learner.total(log_sigma_BT, torch.ones_like(raw_BT))
    learner.descend(learner.gradients(objective, learner.theta() | learner.psi()))
    return step_log(outputs, raw_BT, weight_BT.detach())
