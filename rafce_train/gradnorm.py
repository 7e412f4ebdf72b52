"""GradNorm (Chen et al., ICML 2018): weights that bring the losses' gradients to norms by how slowly each loss falls.

The default α = 1.5 is the one it takes for NYUv2.

B batch, F features, T losses of the method.
"""

import torch
from torch import Tensor, nn

from rafce_train.config import Config
from rafce_train.learner import Batch, Learner, StepLog, step_log
from rafce_train.losses import FLOOR
from rafce_train.model import Net

GRADNORM_PASSES = 3.2
"""A plain iteration's three, and for each loss a way back through its head and the last layer; measured."""


class TaskWeights(nn.Module):
    """A weight for each loss, 1 at the start, T in sum, and what the losses were at the start."""

    initial_T: Tensor

    def __init__(self, n_losses: int, alpha: float):
        super().__init__()
        self.alpha = alpha
        self.weight_T = nn.Parameter(torch.ones(n_losses))
        self.register_buffer("initial_T", torch.zeros(n_losses))

    def forward(self, features_BF: Tensor) -> Tensor:
        """weight_BT, above 0."""
        return self.weight_T.expand(len(features_BF), -1)

    @torch.no_grad()
    def slope(self, loss_T: Tensor, norm_T: Tensor) -> Tensor:
        """∇w of this batch; the first loss of each term that is not 0 is remembered as its initial one."""
        self.initial_T.copy_(self.initial_T.where(self.initial_T > 0, loss_T))
        return weight_slope(self.weight_T, norm_T, slowness(loss_T, self.initial_T), self.alpha)

    @torch.no_grad()
    def renormalize(self) -> None:
        """Bring the sum of the weights back to T."""
        self.weight_T.copy_(renormalized(self.weight_T))


def task_weights(config: Config, terms: tuple[str, ...], _: int) -> nn.Module:
    """A weight for each loss of the method."""
    return TaskWeights(len(terms), config.gradnorm_alpha)


def slowness(loss_T: Tensor, initial_T: Tensor) -> Tensor:
    """r_t = L̃_t / mean L̃ with L̃_t = L_t(now) / L_t(0), called the relative inverse training rate; its mean is 1."""
    left_T = loss_T / initial_T.clamp_min(FLOOR)
    return left_T / left_T.mean()


def weight_slope(weight_T: Tensor, norm_T: Tensor, slowness_T: Tensor, alpha: float) -> Tensor:
    """∇w of L_grad = Σ_t |G_t - mean(G) r_t^α| (Eq. 2 there), the target mean(G) r_t^α taken as constant.

    norm_T is ‖∇W L_t‖, and G_t = w_t ‖∇W L_t‖ for w_t ≥ 0: the slope is the norm with the sign of the difference, which
    spares differentiating a gradient.
    """
    scaled_T = weight_T * norm_T
    return (scaled_T - scaled_T.mean() * slowness_T**alpha).sign() * norm_T


def renormalized(weight_T: Tensor) -> Tensor:
    """The weights scaled to T in sum; one that a long step took below 0 is put back to just above it first.

    Below 0, of which the paper does not speak, G_t would grow with -w_t and drive the weight further down.
    """
    positive_T = weight_T.clamp_min(FLOOR)
    return positive_T * (len(weight_T) / positive_T.sum())


def last_shared_weight(net: Net) -> Tensor:
    """W: the last kernel or matrix that all losses share, as the paper chooses it to save time."""
    return [weight for weight in net.backbone.parameters() if weight.dim() > 1][-1]


def losses_and_norms(learner: Learner, loss_T: Tensor) -> tuple[Tensor, Tensor]:
    """L_t and ‖∇W L_t‖ of every loss over the whole batch, from this rank's part; the graph is kept."""
    weight = last_shared_weight(learner.net)
    slopes = [torch.autograd.grad(loss, weight, retain_graph=True)[0] for loss in loss_T]
    loss_T, *slopes = learner.over_ranks([loss_T.detach(), *slopes])
    return loss_T, torch.stack([slope.norm() for slope in slopes])


def gradnorm_step(learner: Learner, batch: Batch, _: Batch | None, seed: int) -> StepLog:
    """Algorithm 1 there: one step of the optimizer for θ with the weights as they are, and one for the weights.

    L_t is c times the sum over the batch. The weights follow `--lr-meta` without momentum or weight decay.
    """
    weighting = learner.weighting
    assert isinstance(weighting, TaskWeights)
    outputs, raw_BT = learner.first_pass(batch, seed)
    weight_BT = weighting(outputs.features_BF).detach().clone()
    loss_T = learner.scale(len(raw_BT)) * raw_BT.sum(0)
    slope_T = weighting.slope(*losses_and_norms(learner, loss_T))
    gradient = learner.gradients(learner.total(raw_BT, weight_BT), learner.theta())
    learner.descend(gradient, dict(zip(learner.psi(), [slope_T], strict=True)))
    weighting.renormalize()
    return step_log(outputs, raw_BT, weight_BT)
