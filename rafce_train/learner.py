"""One training iteration: the plain weighted step, and the three stages of meta multi-task learning (section 4.2).

B batch, F features, K emotions, A action units (AUs), T losses of the method, "emo" first.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

from rafce_train.config import Config
from rafce_train.convolutions import ConvolutionRecord, ConvolutionReplay
from rafce_train.losses import au_loss, emotion_loss
from rafce_train.meta import (
    Parameters,
    Rule,
    directional_derivatives,
    gradients,
    meta_gradient,
    scaled,
    virtual_step,
)
from rafce_train.model import Net, Outputs, load_tensors
from rafce_train.prior import Prior
from rafce_train.ranks import ALONE, Ranks
from rafce_train.sync_batchnorm import SyncBatchNorm
from rafce_train.weighting import Weighting


class Batch(NamedTuple):
    """Images and what is known of them."""

    images_B3HW: Tensor
    emotion_B: Tensor
    """Emotion ids, int64."""
    au_BA: Tensor
    """1 active, 0 inactive, NaN unknown."""


class StepLog(NamedTuple):
    """What one iteration saw of its training batch: detached, on the net's device."""

    raw_BT: Tensor
    """Each loss before its weight, at the parameters before the step."""
    weight_BT: Tensor
    """The weights that the step used."""
    emotion_logits_BK: Tensor
    au_logits_BA: Tensor


Step = Callable[["Learner", Batch, Batch | None, int], StepLog]

PLAIN_PASSES, META_PASSES = 3, 13
"""Passes through the network of an iteration, a backward pass counted as two: their ratio is that of the times."""


@dataclass(frozen=True)
class Method:
    """A recipe: which losses, where their weights come from, and what an iteration does."""

    terms: tuple[str, ...]
    """The losses by name: "emo" (Eq. 2) first, then "au" (Eq. 1), "dm" (Eq. 6 with Eq. 4), "align" (Eq. 9)."""
    weighting: Weighting
    step: Step
    options: tuple[str, ...] = ()
    """Options that not every method has and this one does."""
    alignment_options: tuple[str, ...] | None = None
    """Further ones that come with the alignment loss if `--with-alignment` adds it; None: it never does."""
    needs_validation: bool = False
    passes: float = PLAIN_PASSES
    weights_are: str = "fixed"
    """Where the weights come from, in words."""

    @property
    def uses_statistics(self) -> bool:
        """Whether there is a loss that needs the chosen statistics p(AU | emotion)."""
        return "align" in self.terms

    def aligned(self) -> "Method":
        """This recipe with the alignment loss added, or as it is where that never is."""
        if self.alignment_options is None:
            return self
        options = (*self.options, *self.alignment_options)
        return replace(self, terms=(*self.terms, "align"), options=options)


class Reduction(NamedTuple):
    """How the losses of a batch are put together."""

    factor: Callable[[int], float]
    """c, the factor before the sum of the losses of so many samples."""
    over_ranks: Callable[[Ranks, Sequence[Tensor]], list[Tensor]]
    """From what ranks make of their equal parts of the batch, that of the whole."""


REDUCTIONS = {
    "mean": Reduction(lambda n_samples: 1 / n_samples, Ranks.mean),
    "sum": Reduction(lambda _: 1.0, Ranks.sum),
}


class Learner:
    """A net, its weighing of losses and its optimizer, which learn together from batch to batch.

    `priors` has the tables of those losses of the method that need any, by their names; `class_weight_K` multiplies the
    emotion loss in training, never the validation loss. Learning rates are those of `optimizer.param_groups`:
    "backbone", "heads" and, for methods whose weights are parameters, "meta".

    Each of several `ranks` has a learner of its own and sees its part of every batch; all of them take the same step.
    """

    def __init__(
        self,
        net: Net,
        method: Method,
        config: Config,
        priors: Mapping[str, Prior] | None = None,
        class_weight_K: Tensor | None = None,
        ranks: Ranks = ALONE,
    ):
        self.net, self.method, self.ranks = net, method, ranks
        like = net.emotion_head.weight
        self.weighting = method.weighting(config, method.terms, net.n_features).to(like.device, like.dtype)
        self.optimizer = make_optimizer(net, self.weighting, config)
        self._reduction = REDUCTIONS[config.reduction]
        self._losses = [_loss_functions(priors or {}, class_weight_K, like)[term] for term in method.terms]

    @property
    def needs_validation(self) -> bool:
        """Whether an iteration that updates the meta net takes a validation batch."""
        return self.method.needs_validation

    def step(self, batch: Batch, validation: Batch | None, update_meta: bool, seed: int) -> StepLog:
        """One iteration; without `update_meta`, a plain step with the weights as they are.

        Random layers draw from `seed` alone, and the caller's generators are left as they were: the same state, batches
        and seed give the same result bit for bit. Nothing waits for the device, so a loss that is not a finite number
        is not noticed here: it stands in the log, and one of the validation batch in the weights of the log.
        """
        self.net.train()
        step = self.method.step if update_meta else plain_step
        with _own_generator(batch.images_B3HW.device):
            log = step(self, batch, validation, seed)
        self._share_statistics()
        return log

    def first_pass(self, batch: Batch, seed: int) -> tuple[Outputs, Tensor]:
        """Outputs and losses raw_BT at θ: the one pass of an iteration that BatchNorm's running statistics see."""
        torch.manual_seed(seed)
        outputs: Outputs = self.net(batch.images_B3HW)
        return outputs, self._raw(outputs, batch)

    def losses_at(self, parameters: Parameters, batch: Batch, seed: int) -> Tensor:
        """Losses raw_BT of the first pass, with other parameters and the same random masks."""
        torch.manual_seed(seed)
        return self._raw(self.outputs_at(parameters, batch), batch)

    def outputs_at(self, parameters: Parameters, batch: Batch) -> Outputs:
        """Outputs with other parameters; BatchNorm uses the batch's statistics and keeps its own as they are.

        Random layers go on drawing where the pass before left off.
        """
        with _kept_statistics(self.net):
            outputs: Outputs = functional_call(self.net, dict(parameters), (batch.images_B3HW,))
        return outputs

    def total(self, raw_BT: Tensor, weight_BT: Tensor) -> Tensor:
        """c Σ_i Σ_t ω_ti L_ti (Eq. 12)."""
        return self.scale(len(raw_BT)) * (weight_BT * raw_BT).sum()

    def scale(self, n_samples: int) -> float:
        """c."""
        return self._reduction.factor(n_samples)

    def over_ranks(self, parts: Sequence[Tensor]) -> list[Tensor]:
        """From what each rank has of c Σ_i … over its part of the batch, that over the whole batch."""
        return self._reduction.over_ranks(self.ranks, parts)

    def gradients(
        self, loss: Tensor, parameters: Parameters, *, keep_graph: bool = False
    ) -> dict[str, Tensor]:
        """∇ of the whole batch's loss, of which `loss` is this rank's part."""
        found = gradients(loss, parameters, keep_graph=keep_graph)
        return dict(zip(found, self.over_ranks(list(found.values())), strict=True))

    def theta(self) -> dict[str, Tensor]:
        """θ, the parameters of the base net by name."""
        return dict(self.net.named_parameters())

    def psi(self) -> dict[str, Tensor]:
        """ψ, the parameters of the weighting, by names that none of θ has."""
        return {f"weighting.{name}": parameter for name, parameter in self.weighting.named_parameters()}

    def rules(self) -> dict[str, Rule]:
        """How the optimizer is about to move each of θ."""
        of = {
            parameter: Rule.of(group, self.optimizer.state.get(parameter, {}))
            for group in self.optimizer.param_groups
            for parameter in group["params"]
        }
        return {name: of[parameter] for name, parameter in self.theta().items()}

    def descend(self, *parts: Parameters) -> None:
        """One step of the optimizer along the sum of these gradients; what none of them names stays as it is."""
        for name, parameter in (self.theta() | self.psi()).items():
            found = [part[name] for part in parts if name in part]
            parameter.grad = reduce(torch.add, found) if found else None
        self.optimizer.step()
        self.optimizer.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        """Everything that an iteration changes, in types that torch.load reads with weights_only."""
        return {
            "net": self.net.state_dict(),
            "weighting": self.weighting.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        load_tensors(self.net, state["net"])
        self.weighting.load_state_dict(state["weighting"])
        self.optimizer.load_state_dict(state["optimizer"])

    def _share_statistics(self) -> None:
        """BatchNorm's running statistics, where each rank followed its own images, become their means over ranks."""
        if self.ranks.size == 1:
            return  # an iteration need not look for what it would not change
        norms = (norm for norm in _tracking(self.net) if not isinstance(norm, SyncBatchNorm))
        buffers = [buffer for norm in norms for buffer in norm.buffers() if buffer.is_floating_point()]
        for buffer, mean in zip(buffers, self.ranks.mean(buffers), strict=True):
            buffer.copy_(mean)

    def _raw(self, outputs: Outputs, batch: Batch) -> Tensor:
        return torch.stack([loss(outputs, batch) for loss in self._losses], dim=1)


def plain_step(learner: Learner, batch: Batch, _: Batch | None, seed: int) -> StepLog:
    """One step of the optimizer along ∇θ c Σ_i Σ_t ω_ti L_ti, the weights as they are."""
    outputs, raw_BT = learner.first_pass(batch, seed)
    weight_BT = learner.weighting(outputs.features_BF.detach()).detach()
    learner.descend(learner.gradients(learner.total(raw_BT, weight_BT), learner.theta()))
    return step_log(outputs, raw_BT, weight_BT)


def meta_step(learner: Learner, batch: Batch, validation: Batch | None, seed: int) -> StepLog:
    """Meta-train, meta-test and base-learning (Eq. 12-17).

    The meta net sees features without their graph: the base net cannot lower its loss by lowering its own weights.
    """
    if validation is None:
        raise ValueError("meta_step: expected a validation batch, found none")
    with ConvolutionRecord() as record:
        outputs, raw_BT = learner.first_pass(batch, seed)

    def losses(theta: Parameters) -> Tensor:
        with ConvolutionReplay(record):
            return learner.losses_at(theta, batch, seed)

    features_BF = outputs.features_BF.detach()
    weight_BT = learner.weighting(features_BF)
    theta_star = meta_train(learner, raw_BT, weight_BT.detach())
    update_meta_net(learner, meta_test(learner, theta_star, weight_BT, losses, validation))
    weight_BT = learner.weighting(features_BF).detach()
    base_learning(learner, theta_star, raw_BT, weight_BT, batch, seed)
    return step_log(outputs, raw_BT, weight_BT)


def meta_train(learner: Learner, raw_BT: Tensor, weight_BT: Tensor) -> dict[str, Tensor]:
    """Eq. 12-13: θ*, where the optimizer would go from θ; the graph of the losses is kept for base-learning."""
    theta = learner.theta()
    gradient = learner.gradients(learner.total(raw_BT, weight_BT), theta, keep_graph=True)
    return virtual_step(theta, gradient, learner.rules())


def meta_test(
    learner: Learner,
    theta_star: Parameters,
    weight_BT: Tensor,
    losses: Callable[[Parameters], Tensor],
    validation: Batch,
) -> tuple[Tensor, ...]:
    """Eq. 14-15: ∇ψ L_val(θ*), where L_val is the mean emotion loss of the validation batch.

    `losses` gives those of the training batch, raw_BT, as a function of the parameters.
    """
    direction = scaled(validation_slope(learner, theta_star, validation), learner.rules())
    bracket_BT = directional_derivatives(losses, learner.theta(), direction)
    psi, scale = learner.weighting.parameters(), learner.scale(len(bracket_BT))
    return tuple(learner.over_ranks(meta_gradient(weight_BT, psi, bracket_BT, scale)))


def validation_slope(learner: Learner, theta_star: Parameters, validation: Batch) -> dict[str, Tensor]:
    """v, the gradient of the validation loss at θ*."""
    logits_BK = learner.outputs_at(theta_star, validation).emotion_logits_BK
    loss = emotion_loss(logits_BK, validation.emotion_B).mean()
    slope = gradients(loss, theta_star)
    return dict(zip(slope, learner.ranks.mean(list(slope.values())), strict=True))


@torch.no_grad()
def update_meta_net(learner: Learner, gradient: tuple[Tensor, ...]) -> None:
    """Eq. 14: ψ ← ψ - β ∇ψ L_val."""
    (beta,) = (group["lr"] for group in learner.optimizer.param_groups if group["name"] == "meta")
    for parameter, along in zip(learner.weighting.parameters(), gradient, strict=True):
        parameter.sub_(beta * along)


def base_learning(
    learner: Learner, theta_star: Parameters, raw_BT: Tensor, weight_BT: Tensor, batch: Batch, seed: int
) -> None:
    """Eq. 16-17: one step from θ for the emotion loss at θ* and the others at θ; θ* - θ counts as constant.

    The others go first: their graph, of the first pass, is gone before that at θ* is made.
    """
    theta = learner.theta()
    others = gradients(learner.total(raw_BT[:, 1:], weight_BT[:, 1:]), theta)
    emotion_B1 = learner.losses_at(theta_star, batch, seed)[:, :1]
    found = gradients(learner.total(emotion_B1, weight_BT[:, :1]), theta)
    for name, gradient in others.items():
        found[name] = gradient.add_(found[name]) if name in found else gradient
    learner.descend(dict(zip(found, learner.over_ranks(list(found.values())), strict=True)))


def step_log(outputs: Outputs, raw_BT: Tensor, weight_BT: Tensor) -> StepLog:
    """What an iteration leaves behind."""
    logits = outputs.emotion_logits_BK.detach(), outputs.au_logits_BA.detach()
    return StepLog(raw_BT.detach(), weight_BT.detach(), *logits)


def make_optimizer(net: Net, weighting: nn.Module, config: Config) -> torch.optim.SGD:
    """SGD with the learning rates of section 5.2; the meta net's has neither momentum nor weight decay."""
    heads = [*net.emotion_head.parameters(), *net.au_head.parameters()]
    optimizer = torch.optim.SGD(
        [
            {"name": "backbone", "params": list(net.backbone.parameters()), "lr": config.lr_backbone},
            {"name": "heads", "params": heads, "lr": config.lr_heads},
        ],
        momentum=config.momentum,
        nesterov=config.nesterov,
        weight_decay=config.weight_decay,
    )
    if psi := list(weighting.parameters()):
        plain = {"momentum": 0.0, "nesterov": False, "weight_decay": 0.0}
        optimizer.add_param_group({"name": "meta", "params": psi, "lr": config.lr_meta, **plain})
    return optimizer


LossFunction = Callable[[Outputs, Batch], Tensor]


def _loss_functions(
    priors: Mapping[str, Prior], class_weight_K: Tensor | None, like: Tensor
) -> dict[str, LossFunction]:
    """The loss of every sample by the name of its term."""
    weight_K = None if class_weight_K is None else class_weight_K.to(like)
    functions: dict[str, LossFunction] = {
        "emo": lambda outputs, batch: emotion_loss(outputs.emotion_logits_BK, batch.emotion_B, weight_K),
        "au": lambda outputs, batch: au_loss(outputs.au_logits_BA, batch.au_BA),
    }
    return functions | {term: _matching_function(prior.to(like)) for term, prior in priors.items()}


def _matching_function(prior: Prior) -> LossFunction:
    return lambda outputs, _: prior.matching_loss(outputs.emotion_logits_BK, outputs.au_logits_BA)


@contextmanager
def _own_generator(device: torch.device) -> Iterator[None]:
    """Seeds set within do not reach the generators outside, but for Apple's GPU, which torch cannot fork."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield


@contextmanager
def _kept_statistics(net: nn.Module) -> Iterator[None]:
    """BatchNorm does not follow the statistics of its batches; forward mode would corrupt them in silence."""
    tracking = _tracking(net)
    for norm in tracking:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in tracking:
            norm.track_running_stats = True


def _tracking(net: nn.Module) -> list[_BatchNorm]:
    return [norm for norm in net.modules() if isinstance(norm, _BatchNorm) and norm.track_running_stats]
