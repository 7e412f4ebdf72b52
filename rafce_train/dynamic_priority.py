"""Dynamic task prioritization (Guo et al., ECCV 2018): the worse a task goes, the more its loss weighs.

The weight of a task is the focal loss of its key performance indicator κ in [0, 1]: here the accuracy of emotions, and
the average precision of AUs, over all pairs of an image and a known AU, since few AUs are active. The alignment loss is
no task with labels that could go well or badly: its weight is fixed, `--rho-align`. That paper also puts a focal loss
inside each task, over its examples; here every method has the losses of Eq. 1 and 2, so that only weights differ.
The default γ = 2 is the focal loss's own (Lin et al. 2017); the default α and the start at chance are this package's.

B batch, F features, K emotions, A action units (AUs), T losses of the method: P = 2 tasks first, then R others.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rafce_train.config import Config
from rafce_train.learner import Batch, Learner, StepLog, step_log
from rafce_train.losses import FLOOR
from rafce_train.model import Outputs
from rafce_train.ranks import Ranks
from rafce_train.weighting import chosen_weights

N_TASKS = 2


class Priorities(nn.Module):
    """A running κ of emotions and AUs, NaN before any was seen; the other losses have fixed weights."""

    kpi_P: Tensor
    fixed_R: Tensor

    def __init__(self, gamma: float, alpha: float, fixed: Sequence[float]):
        super().__init__()
        self.gamma, self.alpha = gamma, alpha
        self.register_buffer("kpi_P", torch.full((N_TASKS,), torch.nan))
        # options, not something learned: a checkpoint does not carry them
        self.register_buffer("fixed_R", torch.tensor(fixed), persistent=False)

    def forward(self, features_BF: Tensor) -> Tensor:
        """weight_BT, at least 0."""
        weight_T = torch.cat([priority(self.kpi_P, self.gamma), self.fixed_R])
        return weight_T.expand(len(features_BF), -1)

    def see(self, kpi_P: Tensor, chance_P: Tensor) -> None:
        """Take in κ of a batch; the running one begins at chance."""
        before_P = chance_P.where(self.kpi_P.isnan(), self.kpi_P)
        self.kpi_P.copy_(running(before_P, kpi_P, self.alpha))


def priorities(config: Config, terms: tuple[str, ...], _: int) -> nn.Module:
    """Priorities for emotions and AUs, and what the options say for the method's other losses."""
    return Priorities(config.dtp_gamma, config.dtp_alpha, chosen_weights(config, terms[N_TASKS:]))


def priority(kpi_P: Tensor, gamma: float) -> Tensor:
    """-(1 - κ)^γ log κ, the focal loss of κ: from 18.4 (FLOOR's limit) at κ = 0 down to 0 at κ = 1."""
    return -((1 - kpi_P) ** gamma) * kpi_P.clamp_min(FLOOR).log()


def running(before_P: Tensor, kpi_P: Tensor, alpha: float) -> Tensor:
    """α κ + (1 - α) κ_before; κ_before where κ is not a number."""
    return before_P.where(kpi_P.isnan(), alpha * kpi_P + (1 - alpha) * before_P)


def accuracy(emotion_logits_BK: Tensor, emotion_B: Tensor) -> Tensor:
    """The share of images whose highest logit is the true emotion's."""
    return (emotion_logits_BK.argmax(1) == emotion_B).to(emotion_logits_BK.dtype).mean()


def average_precision(au_logits_BA: Tensor, active_BA: Tensor) -> Tensor:
    """Of all known AUs of all images, ranked by logit: the mean precision down to each active one; NaN if none is."""
    logits = au_logits_BA.where(~active_BA.isnan(), -torch.inf).flatten()
    ranked = active_BA.nan_to_num().flatten()[logits.argsort(descending=True, stable=True)]
    # of whole numbers: the sum of floats cannot be had deterministic on a GPU
    n_active = ranked.long().cumsum(0)
    precision = n_active / torch.arange(1, len(ranked) + 1, device=ranked.device)
    return (precision * ranked).sum() / ranked.sum()


def chance(n_emotions: int, active_BA: Tensor) -> Tensor:
    """κ of blind guessing: 1/K, and the share of active AUs, (active + 1) / (known + 2) so that it is never 0."""
    n_active, n_known = active_BA.nansum(), (~active_BA.isnan()).sum()
    blind = torch.full_like(n_active, 1 / n_emotions)
    return torch.stack([blind, (n_active + 1) / (n_known + 2)])


def look(weighting: Priorities, ranks: Ranks, outputs: Outputs, batch: Batch) -> None:
    """Let the priorities see how the whole batch went, this rank's part and the others'."""
    emotion_logits_BK, au_logits_BA = map(ranks.gathered, outputs[1:])
    emotion_B, active_BA = map(ranks.gathered, batch[1:])
    kpis = accuracy(emotion_logits_BK, emotion_B), average_precision(au_logits_BA, active_BA)
    weighting.see(torch.stack(kpis), chance(emotion_logits_BK.shape[1], active_BA))


def dynamic_priority_step(learner: Learner, batch: Batch, _: Batch | None, seed: int) -> StepLog:
    """One step of the optimizer along ∇θ c Σ_i Σ_t ω_t L_ti, with weights by κ up to and with this batch."""
    weighting = learner.weighting
    assert isinstance(weighting, Priorities)
    outputs, raw_BT = learner.first_pass(batch, seed)
    with torch.no_grad():
        look(weighting, learner.ranks, outputs, batch)
        weight_BT = weighting(outputs.features_BF)
    learner.descend(learner.gradients(learner.total(raw_BT, weight_BT), learner.theta()))
    return step_log(outputs, raw_BT, weight_BT)
