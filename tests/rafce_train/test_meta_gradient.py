"""One iteration of meta multi-task learning against a slow reference: double backward and SGD written out.

The reference shares nothing with the trainer but the losses that other tests check. B batch, T losses, K emotions,
A action units (AUs).
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.func import functional_call

from rafce_train.config import Config
from rafce_train.learner import Batch, Learner
from rafce_train.losses import bayes_alignment_loss, lab_alignment_loss, wild_alignment_loss
from rafce_train.meta import Rule, directional_derivatives, meta_gradient, virtual_step
from rafce_train.methods import METHODS
from rafce_train.model import Net, build_net
from rafce_train.prior import Prior

N_EMOTIONS, N_AUS, SEED = 5, 7, 11
LEARNED = {"mal": (1,), "mal2": (0, 1), "mml": (1, 2)}
"""Which of the losses emotion, AU and alignment each method learns the weight of."""
PLAIN = Config(lr_meta=1.0)
MOMENTUM = replace(PLAIN, momentum=0.9, weight_decay=5e-4)
NESTEROV = replace(MOMENTUM, nesterov=True)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def random_batch(seed: int, size: int = 64) -> Batch:
    emotion_B = random(4, N_EMOTIONS, seed=seed).argmax(1)
    au_BA = (random(4, N_AUS, seed=seed + 1) > 0.5).double()
    au_BA[0, 0] = torch.nan
    return Batch(random(4, 3, size, size, seed=seed + 2), emotion_B, au_BA)


Tables = tuple[Tensor, ...]


def random_prior(loss: str) -> Prior:
    rate_KA = random(N_EMOTIONS, N_AUS, seed=5).sigmoid()
    frequency_KA = rate_KA.where(rate_KA > 0.4, 0.0)
    tables: dict[str, tuple[Callable[..., Tensor], Tables]] = {
        "wild": (wild_alignment_loss, (frequency_KA,)),
        "lab": (lab_alignment_loss, ((frequency_KA > 0).double(),)),
        "bayes": (bayes_alignment_loss, (rate_KA, 1 - rate_KA, random(N_EMOTIONS, seed=6).softmax(0))),
    }
    function, values = tables[loss]
    return Prior(values, function, (False,) * N_EMOTIONS)


@dataclass
class Case:
    """A learner in the midst of training, and the batches of its next iteration."""

    method: str
    config: Config
    net: Net
    prior: Prior = field(default_factory=lambda: random_prior("wild"))
    train: Batch = field(default_factory=lambda: random_batch(100))
    validation: Batch = field(default_factory=lambda: random_batch(200))

    def __post_init__(self) -> None:
        net = copy.deepcopy(self.net).train()
        self.learner = Learner(net, METHODS[self.method], self.config, {"align": self.prior})
        for seed, psi in enumerate(self.learner.weighting.parameters()):
            psi.data.copy_(0.05 * random(*psi.shape, seed=seed))
        if self.config.momentum:
            for seed, parameter in enumerate(net.parameters()):
                buffer = 0.01 * random(*parameter.shape, seed=seed)
                self.learner.optimizer.state[parameter]["momentum_buffer"] = buffer

    def psi(self) -> list[Tensor]:
        return [psi.detach().clone() for psi in self.learner.weighting.parameters()]

    def theta(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.learner.net.named_parameters()}

    def buffers(self) -> dict[str, Tensor]:
        state = self.learner.optimizer.state
        named = self.learner.net.named_parameters()
        return {name: state[p]["momentum_buffer"].clone() for name, p in named if self.config.momentum}

    def step(self) -> None:
        self.learner.step(self.train, self.validation, True, SEED)

    def learned_gradient(self) -> Tensor:
        """∇ψ that the iteration used, in one vector; the meta net's rate is 1."""
        before = flat(self.psi())
        self.step()
        return before - flat(self.psi())


def flat(tensors) -> Tensor:
    return torch.cat([tensor.flatten() for tensor in tensors])


def assert_close(found: Tensor, expected: Tensor, relative: float) -> None:
    assert (found - expected).norm() <= relative * expected.norm()


class TwiceDifferentiableHardsigmoid(torch.nn.Module):
    """Torch's own has a forward mode, but no second derivative."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu6(x + 3) / 6


class Reference:
    """The iteration of section 4.2 as the paper prints it, with Eq. 15 differentiated twice."""

    def __init__(self, case: Case):
        self.case = case
        self.net = copy.deepcopy(case.learner.net)
        for name, module in list(self.net.named_modules()):
            if isinstance(module, torch.nn.BatchNorm2d):
                module.track_running_stats = False
            if isinstance(module, torch.nn.Hardsigmoid):
                self.net.set_submodule(name, TwiceDifferentiableHardsigmoid())
        self.theta = {name: value.requires_grad_() for name, value in case.theta().items()}
        self.buffers = case.buffers()
        self.c = 1 / len(case.train.emotion_B) if case.config.reduction == "mean" else 1.0

    def losses(self, parameters, batch: Batch) -> tuple[Tensor, Tensor]:
        features_BF, emotion_BK, au_BA = functional_call(self.net, parameters, (batch.images_B3HW,))
        known_BA = ~batch.au_BA.isnan()
        bce_BA = F.softplus(au_BA) - au_BA * batch.au_BA.nan_to_num()
        losses = [
            -emotion_BK.log_softmax(1).gather(1, batch.emotion_B[:, None])[:, 0],
            (bce_BA * known_BA).sum(1),
            self.case.prior.loss(emotion_BK, au_BA, *self.case.prior.tables),
        ]
        return features_BF, torch.stack(losses[: 3 if self.case.method == "mml" else 2], 1)

    def weights(self, features_BF: Tensor, psi: list[Tensor]) -> Tensor:
        learned_BW = torch.sigmoid(features_BF.detach() @ psi[0].T + psi[1])
        columns = list(LEARNED[self.case.method])
        n_losses = 3 if self.case.method == "mml" else 2
        one_B = torch.ones(len(features_BF), dtype=torch.float64)
        of = dict(zip(columns, learned_BW.T, strict=True))
        return torch.stack([of.get(column, one_B) for column in range(n_losses)], 1)

    def sgd(self, gradient: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Where SGD goes from θ, and its momentum buffers then."""
        config, theta, buffers = self.case.config, {}, {}
        for name, value in self.theta.items():
            rate = config.lr_backbone if name.startswith("backbone.") else config.lr_heads
            g = gradient[name] + config.weight_decay * value
            if config.momentum:
                buffers[name] = config.momentum * self.buffers[name] + g
                g = g + config.momentum * buffers[name] if config.nesterov else buffers[name]
            theta[name] = value - rate * g
        return theta, buffers

    def trial(self, psi: list[Tensor]) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        """θ*(ψ), the features and losses at θ, and L_val(θ*)."""
        torch.manual_seed(SEED)
        features_BF, raw_BT = self.losses(self.theta, self.case.train)
        total = self.c * (self.weights(features_BF, psi) * raw_BT).sum()
        names = list(self.theta)
        gradient = torch.autograd.grad(total, list(self.theta.values()), create_graph=psi[0].requires_grad)
        theta_star, _ = self.sgd(dict(zip(names, gradient, strict=True)))
        _, validation_BT = self.losses(theta_star, self.case.validation)
        return theta_star, features_BF, raw_BT, validation_BT[:, 0].mean()

    def meta_gradient(self, psi: list[Tensor]) -> list[Tensor]:
        psi = [value.clone().requires_grad_() for value in psi]
        return list(torch.autograd.grad(self.trial(psi)[-1], psi))

    def iteration(self, psi: list[Tensor]) -> tuple[list[Tensor], dict[str, Tensor], dict[str, Tensor]]:
        """∇ψ, and θ and its momentum buffers after Eq. 17."""
        psi = [value.clone().requires_grad_() for value in psi]
        theta_star, features_BF, raw_BT, validation_loss = self.trial(psi)
        slope = list(torch.autograd.grad(validation_loss, psi, retain_graph=True))
        new_psi = [value.detach() - self.case.config.lr_meta * g for value, g in zip(psi, slope, strict=True)]
        weight_BT = self.weights(features_BF, new_psi)
        at_star = {name: value.detach().requires_grad_() for name, value in theta_star.items()}
        torch.manual_seed(SEED)
        emotion_B = self.losses(at_star, self.case.train)[1][:, 0]
        first = torch.autograd.grad(
            self.c * (weight_BT[:, 0] * emotion_B).sum(), list(at_star.values()), allow_unused=True
        )
        second = torch.autograd.grad(
            self.c * (weight_BT[:, 1:] * raw_BT[:, 1:]).sum(), list(self.theta.values()), allow_unused=True
        )
        nothing = torch.zeros((), dtype=torch.float64)
        both = zip(self.theta, first, second, strict=True)
        gradient = {
            name: (nothing if a is None else a) + (nothing if b is None else b) for name, a, b in both
        }
        theta, buffers = self.sgd(gradient)
        return slope, theta, buffers


@pytest.fixture(scope="module")
def resnet() -> Net:
    torch.manual_seed(0)
    return build_net("resnet18", N_EMOTIONS, N_AUS, image_size=64).double()


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("config", [PLAIN, MOMENTUM, NESTEROV], ids=["plain", "momentum", "nesterov"])
@pytest.mark.parametrize(
    ("method", "loss"), [("mal", "wild"), ("mal2", "wild"), ("mml", "wild"), ("mml", "lab")]
)
def test_meta_gradient_equals_double_backward(resnet, method, loss, config, reduction):
    case = Case(method, replace(config, reduction=reduction), resnet, random_prior(loss))
    slope = Reference(case).meta_gradient(case.psi())
    assert_close(case.learned_gradient(), flat(slope), 1e-10)


@pytest.mark.parametrize(
    ("method", "loss"), [("mal", "wild"), ("mal2", "wild"), ("mml", "wild"), ("mml", "lab"), ("mml", "bayes")]
)
def test_whole_iteration_equals_double_backward_and_sgd_written_out(resnet, method, loss):
    case = Case(method, NESTEROV, resnet, random_prior(loss))
    before = case.theta()
    slope, theta, buffers = Reference(case).iteration(case.psi())
    assert_close(case.learned_gradient(), flat(slope), 1e-10)
    for name, value in case.theta().items():
        assert_close(value - before[name], theta[name] - before[name], 1e-8)
    for name, buffer in case.buffers().items():
        assert_close(buffer, buffers[name], 1e-10)


def agrees_with_finite_differences(case: Case, step: float = 1e-6) -> bool:
    """Whether ∇ψ equals central differences of ψ ↦ L_val(θ*(ψ)) in five random directions, to 1e-5.

    The step is small because L_val has kinks: at 1e-3 some rectifier switches.
    """
    reference, psi = Reference(case), case.psi()
    slope = case.learned_gradient()

    def validation_loss(along: list[Tensor], by: float) -> float:
        return reference.trial([p + by * u for p, u in zip(psi, along, strict=True)])[-1].item()

    for seed in range(5):
        along = [random(*p.shape, seed=seed) for p in psi]
        difference = (validation_loss(along, step) - validation_loss(along, -step)) / (2 * step)
        if abs(flat(along) @ slope - difference) > 1e-5 * abs(difference):
            return False
    return True


def test_meta_gradient_equals_finite_differences(resnet):
    assert agrees_with_finite_differences(Case("mml", NESTEROV, resnet))


def test_finite_differences_catch_a_flipped_sign(resnet, monkeypatch):
    def flipped(*arguments):
        return [-value for value in meta_gradient(*arguments)]

    monkeypatch.setattr("rafce_train.learner.meta_gradient", flipped)
    assert not agrees_with_finite_differences(Case("mml", PLAIN, resnet))


def test_finite_differences_catch_a_direction_without_learning_rates(resnet, monkeypatch):
    monkeypatch.setattr(Rule, "scale", 0.001)  # not even right up to a factor: the heads' rate is another
    assert not agrees_with_finite_differences(Case("mml", PLAIN, resnet))


def test_finite_differences_catch_a_forgotten_nesterov_factor(resnet, monkeypatch):
    monkeypatch.setattr(Rule, "scale", property(lambda rule: rule.rate))
    assert not agrees_with_finite_differences(Case("mml", NESTEROV, resnet))


def test_finite_differences_catch_a_product_at_theta_star(resnet, monkeypatch):
    stars: list[dict[str, Tensor]] = []

    def recorded_step(*arguments):
        stars.append(virtual_step(*arguments))
        return stars[-1]

    def product_at_theta_star(losses, _, direction):
        return directional_derivatives(losses, stars[-1], direction)

    monkeypatch.setattr("rafce_train.learner.ConvolutionReplay", lambda record: nullcontext())
    monkeypatch.setattr("rafce_train.learner.virtual_step", recorded_step)
    monkeypatch.setattr("rafce_train.learner.directional_derivatives", product_at_theta_star)
    assert not agrees_with_finite_differences(Case("mml", PLAIN, resnet))


@pytest.mark.parametrize("update_meta", [True, False])
def test_running_statistics_see_one_plain_forward_pass(resnet, update_meta):
    case = Case("mml", PLAIN, resnet)
    plain = copy.deepcopy(case.learner.net)
    plain(case.train.images_B3HW)
    case.learner.step(case.train, case.validation, update_meta, SEED)
    for (name, found), expected in zip(case.learner.net.named_buffers(), plain.buffers(), strict=True):
        assert found.equal(expected), name


@pytest.mark.parametrize("backbone", ["mobilenet_v3_small", "densenet121"])
def test_other_backbones_equal_double_backward_with_the_same_random_masks(backbone):
    torch.manual_seed(0)
    case = Case("mml", MOMENTUM, build_net(backbone, N_EMOTIONS, N_AUS, image_size=64).double())
    slope = flat(Reference(case).meta_gradient(case.psi()))
    # the normalization of nearly constant 2×2 maps costs a few digits on either way
    assert_close(case.learned_gradient(), slope, 1e-7)


def test_base_learning_draws_the_random_masks_of_the_first_pass():
    torch.manual_seed(0)
    case = Case("mml", PLAIN, build_net("mobilenet_v3_small", N_EMOTIONS, N_AUS, image_size=64).double())
    before = flat(case.theta().values())
    _, theta, _ = Reference(case).iteration(case.psi())
    case.step()
    assert_close(flat(case.theta().values()) - before, flat(theta.values()) - before, 1e-7)


def test_another_random_mask_gives_another_meta_gradient(monkeypatch):
    """What the shared mask is for: without it the brackets are those of another function."""
    torch.manual_seed(0)
    net = build_net("mobilenet_v3_small", N_EMOTIONS, N_AUS, image_size=64).double()
    right = Case("mml", PLAIN, net).learned_gradient()
    losses_at = Learner.losses_at
    monkeypatch.setattr(
        Learner, "losses_at", lambda self, theta, batch, seed: losses_at(self, theta, batch, seed + 1)
    )
    wrong = Case("mml", PLAIN, net).learned_gradient()
    assert (wrong - right).norm() > 0.01 * right.norm()


def test_attention_has_a_forward_mode():
    def losses(parameters):
        query, key, value = parameters["q"], parameters["k"], parameters["v"]
        return F.scaled_dot_product_attention(query, key, value).square().sum((2, 3))

    parameters = {name: random(2, 3, 4, 8, seed=seed) for seed, name in enumerate("qkv")}
    direction = {name: random(2, 3, 4, 8, seed=seed + 9) for seed, name in enumerate("qk")}
    found = directional_derivatives(losses, parameters, direction)
    h = 1e-6
    ahead, behind = (
        losses({name: value + sign * h * direction.get(name, 0) for name, value in parameters.items()})
        for sign in (1, -1)
    )
    torch.testing.assert_close(found, (ahead - behind) / (2 * h), rtol=1e-6, atol=1e-8)
