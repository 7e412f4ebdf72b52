"""What a learner promises besides the meta-gradient: plain steps, random draws, state, and no waiting for the device.

B batch, T losses, K emotions, A action units (AUs).
"""

import copy
import io
from functools import partial

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from rafce_train.config import Config
from rafce_train.learner import Batch, Learner, meta_step, meta_test
from rafce_train.losses import distribution_matching_loss, wild_alignment_loss
from rafce_train.meta import Rule, gradients
from rafce_train.methods import METHODS, find_method
from rafce_train.model import Net, build_net
from rafce_train.prior import Prior

N_EMOTIONS, N_AUS = 5, 7
FREQUENCY_KA = torch.rand(N_EMOTIONS, N_AUS, generator=torch.Generator().manual_seed(3)).double()
CLASS_WEIGHT_K = torch.arange(1.0, N_EMOTIONS + 1)
PRIORS = {
    "align": Prior((FREQUENCY_KA,), wild_alignment_loss, (False,) * N_EMOTIONS),
    "dm": Prior((FREQUENCY_KA,), distribution_matching_loss, (False,) * N_EMOTIONS),
}
OF_THE_PAPER = ("stl", "mtl", "am", "mal", "mal2", "mml")


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def net() -> Net:
    torch.manual_seed(0)
    return build_net("mobilenet_v3_small", N_EMOTIONS, N_AUS, image_size=32)


def batch(seed: int, size: int = 32) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    return Batch(
        torch.randn(4, 3, size, size, generator=generator),
        torch.randint(0, N_EMOTIONS, (4,), generator=generator),
        (torch.rand(4, N_AUS, generator=generator) < 0.3).float(),
    )


def learner(net: Net, method: str, with_alignment: bool = False, **options) -> Learner:
    return Learner(copy.deepcopy(net), find_method(method, with_alignment), Config(**options), PRIORS)


@torch.no_grad()
def way(start: Net, end: Net) -> Tensor:
    pairs = zip(start.parameters(), end.parameters(), strict=True)
    return torch.cat([(b - a).flatten() for a, b in pairs])


def values(learner: Learner) -> dict[str, Tensor]:
    """All that an iteration changes, as one flat mapping."""
    state = {**learner.net.state_dict(), **learner.weighting.state_dict()}
    for number, moments in learner.optimizer.state_dict()["state"].items():
        state[f"momentum {number}"] = moments["momentum_buffer"]
    return {name: value.clone() for name, value in state.items() if value is not None}


def assert_same(left: dict[str, Tensor], right: dict[str, Tensor]) -> None:
    assert left.keys() == right.keys()
    assert [name for name, value in left.items() if not value.equal(right[name])] == []


@pytest.mark.parametrize(
    ("method", "rho_au", "rho_align", "matching_loss"),
    [
        ("stl", 0, 0, None),
        ("mtl", 0.3, 0, None),
        ("am", 0.3, 0.7, wild_alignment_loss),
        ("dm", 0.3, 0.7, distribution_matching_loss),
    ],
)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_fixed_weights_are_plain_sgd_on_the_weighted_sum(
    net, method, rho_au, rho_align, matching_loss, reduction
):
    options = {"momentum": 0.9, "weight_decay": 1e-3, "reduction": reduction}
    ours = learner(net, method, rho_au=(rho_au,), rho_align=(rho_align,), **options)
    plain = copy.deepcopy(net).train()
    heads = [*plain.emotion_head.parameters(), *plain.au_head.parameters()]
    groups = [{"params": list(plain.backbone.parameters()), "lr": 0.001}, {"params": heads, "lr": 0.01}]
    optimizer = torch.optim.SGD(groups, momentum=0.9, weight_decay=1e-3)
    for seed in range(3):
        train = batch(seed)
        torch.manual_seed(seed)
        _, emotion_BK, au_BA = plain(train.images_B3HW)
        total_B = F.cross_entropy(emotion_BK, train.emotion_B, reduction="none")
        if rho_au:
            bce_BA = F.binary_cross_entropy_with_logits(au_BA, train.au_BA, reduction="none")
            total_B = total_B + rho_au * bce_BA.sum(1)
        if matching_loss:
            total_B = total_B + rho_align * matching_loss(emotion_BK, au_BA, FREQUENCY_KA.float())
        optimizer.zero_grad()
        getattr(total_B, reduction)().backward()
        optimizer.step()
        ours.step(train, None, True, seed)
    for (name, value), expected in zip(ours.net.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-6, msg=name)


def test_class_weights_multiply_the_emotion_loss_in_training(net):
    train = batch(0)
    plain_BT, weighted_BT = (
        Learner(copy.deepcopy(net), METHODS["mtl"], Config(), None, weight_K)
        .step(train, None, True, 0)
        .raw_BT
        for weight_K in (None, CLASS_WEIGHT_K)
    )
    torch.testing.assert_close(weighted_BT[:, 0], plain_BT[:, 0] * CLASS_WEIGHT_K[train.emotion_B])
    assert weighted_BT[:, 1].equal(plain_BT[:, 1])


def test_class_weights_do_not_reach_the_validation_loss(net):
    """In `mal` they could reach the meta net in no other way once θ* is given."""
    slopes = []
    for weight_K in (None, CLASS_WEIGHT_K):
        ours = Learner(copy.deepcopy(net).train(), METHODS["mal"], Config(), None, weight_K)
        outputs, _ = ours.first_pass(batch(0), 0)
        weight_BT = ours.weighting(outputs.features_BF.detach())
        losses = partial(ours.losses_at, batch=batch(0), seed=0)
        slopes.append(meta_test(ours, ours.theta(), weight_BT, losses, batch(1)))
    assert all(left.equal(right) and left.any() for left, right in zip(*slopes, strict=True))


@pytest.mark.parametrize("with_alignment", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_log_holds_losses_before_the_step_and_the_weights_that_it_used(net, method, with_alignment):
    ours, train = learner(net, method, with_alignment), batch(0)
    outputs, raw_BT = learner(net, method, with_alignment).first_pass(train, 5)
    log = ours.step(train, batch(1), True, 5)
    assert log.raw_BT.shape == log.weight_BT.shape == (4, len(ours.method.terms))
    assert log.raw_BT.equal(raw_BT)
    assert log.emotion_logits_BK.equal(outputs.emotion_logits_BK)
    assert log.au_logits_BA.equal(outputs.au_logits_BA)
    assert not any(value.requires_grad for value in log)
    plain = learner(net, method, with_alignment)
    slope = gradients(plain.total(plain.first_pass(train, 5)[1], log.weight_BT), plain.theta())
    plain.descend(slope)
    if ours.method.step is not meta_step:
        assert_same(ours.net.state_dict(), plain.net.state_dict())
    if METHODS[method].needs_validation:
        assert log.weight_BT.equal(ours.weighting(outputs.features_BF))


def test_learned_weights_begin_at_one_half_beside_fixed_ones(net):
    features_BF = torch.randn(3, net.n_features)
    expected = {"mal": [1, 0.5], "mal2": [0.5, 0.5], "mml": [1, 0.5, 0.5]}
    for method, weights in expected.items():
        assert learner(net, method).weighting(features_BF).tolist() == [weights] * 3


def test_fixed_weights_are_one_and_the_options(net):
    am = learner(net, "am", rho_au=(0.3,), rho_align=(0.7,))
    assert am.weighting(torch.randn(2, net.n_features)).equal(torch.tensor([[1, 0.3, 0.7]] * 2))
    dm = learner(net, "dm", True, rho_au=(0.3,), rho_align=(0.7,))
    assert dm.weighting(torch.randn(2, net.n_features)).equal(torch.tensor([[1, 0.3, 0.7, 0.7]] * 2))


@pytest.mark.parametrize("method", ["uncertainty", "gradnorm", "dtp"])
def test_without_update_meta_cited_methods_keep_their_weights(net, method):
    ours = learner(net, method)
    ours.step(batch(0), None, True, 0)
    kept = {name: value.clone() for name, value in ours.weighting.state_dict().items()}
    log = ours.step(batch(1), None, False, 1)
    assert_same(kept, ours.weighting.state_dict())
    assert log.weight_BT.equal(ours.weighting(torch.zeros(4, net.n_features)))


@pytest.mark.parametrize("method", ["mal", "mal2", "mml"])
def test_without_update_meta_the_step_is_plain_and_the_meta_net_stays(net, method):
    ours, other = learner(net, method), learner(net, "am", rho_au=(0.5,), rho_align=(0.5,))
    log = ours.step(batch(0), None, False, 0)
    assert all(value.eq(0).all() for value in ours.weighting.parameters())
    assert log.weight_BT.unique().tolist() in ([0.5], [0.5, 1.0])
    if method == "mml":
        other.step(batch(0), None, False, 0)
        assert_same(ours.net.state_dict(), other.net.state_dict())


def test_meta_net_moves_without_momentum_and_weight_decay(net):
    """Twice the rate is twice the way, from anywhere, when only the meta net's rate differs."""
    ways = []
    for lr_meta in (0.5, 1.0):
        ours = learner(net, "mml", lr_meta=lr_meta, momentum=0.9, weight_decay=0.1)
        with torch.no_grad():
            for psi in ours.weighting.parameters():
                psi.fill_(0.25)
        ours.step(batch(0), batch(1), True, 0)
        ways.append(torch.cat([psi.detach().flatten() - 0.25 for psi in ours.weighting.parameters()]))
    torch.testing.assert_close(2 * ways[0], ways[1], rtol=1e-2, atol=1e-6)
    assert ways[0].abs().max() > 0


def test_meta_step_without_a_validation_batch_is_refused(net):
    with pytest.raises(ValueError, match="expected a validation batch, found none"):
        learner(net, "mml").step(batch(0), None, True, 0)


def test_step_is_a_function_of_state_batches_and_seed(net):
    outcomes = []
    for seed in (1, 1, 2):
        torch.rand(seed * 7)  # whatever the generator's state was
        ours = learner(net, "mml")
        ours.step(batch(0), batch(1), True, seed)
        outcomes.append(values(ours))
    assert_same(outcomes[0], outcomes[1])
    assert not outcomes[0]["backbone.features.0.0.weight"].equal(outcomes[2]["backbone.features.0.0.weight"])


def test_step_leaves_the_generator_of_the_caller_alone(net):
    ours = learner(net, "mml")
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    ours.step(batch(0), batch(1), True, 9)
    assert torch.rand(3).equal(expected)


@pytest.mark.parametrize("method", ["am", "mml", "uncertainty", "gradnorm", "dtp", "dm"])
def test_training_goes_on_bit_for_bit_from_a_saved_state(net, method):
    options = {"momentum": 0.9, "nesterov": True, "weight_decay": 1e-3}
    unbroken = learner(net, method, True, **options)
    for seed in range(2):
        unbroken.step(batch(seed), batch(9 + seed), True, seed)
    file = io.BytesIO()
    torch.save(unbroken.state_dict(), file)
    torch.manual_seed(123)
    other = build_net("mobilenet_v3_small", N_EMOTIONS, N_AUS, image_size=32)
    resumed = learner(other, method, True, **options)
    file.seek(0)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    for ours in (unbroken, resumed):
        for seed in range(2, 4):
            ours.step(batch(seed), batch(9 + seed), True, seed)
    assert_same(values(unbroken), values(resumed))


@pytest.mark.parametrize("method", METHODS)
def test_iteration_never_waits_for_the_device(method):
    """On the meta device there are no values: whatever reads one back, raises."""
    net = build_net("resnet18", N_EMOTIONS, N_AUS, image_size=32).to("meta")
    ours = Learner(net, METHODS[method], Config(momentum=0.9), PRIORS)
    train, validation = (Batch(*(value.to("meta") for value in batch(seed))) for seed in range(2))
    for seed in range(2):
        log = ours.step(train, validation, True, seed)
    assert log.raw_BT.is_meta


def test_groups_carry_names_and_rates(net):
    groups = learner(net, "mml", momentum=0.9, nesterov=True, weight_decay=0.1).optimizer.param_groups
    rates = {group["name"]: group["lr"] for group in groups}
    assert rates == {"backbone": 0.001, "heads": 0.01, "meta": 0.01}
    assert [group["name"] for group in learner(net, "stl").optimizer.param_groups] == ["backbone", "heads"]
    assert sum(len(group["params"]) for group in groups[:2]) == len(list(net.parameters()))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_virtual_step_is_the_step_that_sgd_would_take(momentum, nesterov, weight_decay):
    nesterov = nesterov and momentum > 0
    generator = torch.Generator().manual_seed(0)
    parameter = torch.nn.Parameter(torch.randn(50, generator=generator, dtype=torch.float64))
    optimizer = torch.optim.SGD(
        [parameter], lr=0.1, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay
    )
    for _ in range(3):
        gradient = torch.randn(50, generator=generator, dtype=torch.float64)
        rule = Rule.of(optimizer.param_groups[0], optimizer.state[parameter])
        before = None if rule.buffer is None else rule.buffer.clone()
        expected = rule.step(parameter.detach(), gradient)
        bent = rule.step(parameter.detach(), gradient + 1.0)
        torch.testing.assert_close(expected - bent, torch.full_like(bent, rule.scale), rtol=1e-12, atol=0)
        assert before is None or (rule.buffer is not None and rule.buffer.equal(before))
        parameter.grad = gradient
        optimizer.step()
        torch.testing.assert_close(parameter.detach(), expected, rtol=1e-14, atol=1e-15)


def test_parameter_that_no_loss_reaches_is_left_alone_by_weight_decay(net):
    ours = learner(net, "stl", weight_decay=0.1)
    ours.step(batch(0), None, True, 0)
    assert ours.net.au_head.weight.equal(net.au_head.weight)


@pytest.mark.parametrize("method", ["mtl", "mml"])
def test_mixed_precision_comes_close_to_full(method):
    torch.manual_seed(0)
    start = build_net("resnet18", N_EMOTIONS, N_AUS, image_size=64)
    full, mixed = learner(start, method), learner(start, method)
    mixed.net.bf16 = True
    for ours in (full, mixed):
        log = ours.step(batch(0, 64), batch(1, 64), True, 0)
        assert all(value.isfinite().all() and value.dtype == torch.float32 for value in log)
    assert F.cosine_similarity(way(start, full.net), way(start, mixed.net), dim=0) > 0.9


def test_table_of_methods_begins_with_the_papers():
    terms = {name: METHODS[name].terms for name in OF_THE_PAPER}
    assert tuple(METHODS)[: len(OF_THE_PAPER)] == OF_THE_PAPER
    assert terms == {
        "stl": ("emo",),
        "mtl": ("emo", "au"),
        "am": ("emo", "au", "align"),
        "mal": ("emo", "au"),
        "mal2": ("emo", "au"),
        "mml": ("emo", "au", "align"),
    }
    assert [name for name, method in METHODS.items() if method.uses_statistics] == ["am", "mml"]
    assert [name for name, method in METHODS.items() if method.needs_validation] == ["mal", "mal2", "mml"]


def test_alignment_can_be_added_to_the_methods_that_the_paper_cites():
    for name, method in METHODS.items():
        aligned = find_method(name, with_alignment=True)
        assert find_method(name, with_alignment=False) is method
        if name in OF_THE_PAPER:
            assert aligned is method
        else:
            assert method.terms[:2] == ("emo", "au")
            assert aligned.terms == (*method.terms, "align")
            assert aligned.uses_statistics
            assert not method.uses_statistics


def test_unknown_aus_change_nothing_about_the_step(net):
    train = batch(0)
    unknown = train._replace(au_BA=train.au_BA.clone())
    unknown.au_BA[:, 2] = torch.nan
    ours = learner(net, "mtl")
    log = ours.step(unknown, None, True, 0)
    assert log.raw_BT.isfinite().all()
    moved_A = ours.net.au_head.bias.ne(net.au_head.bias)
    assert moved_A.tolist() == [column != 2 for column in range(N_AUS)]
