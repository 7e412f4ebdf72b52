"""GradNorm against its Algorithm 1, L_grad differentiated by autograd, and the state it settles in. T losses."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rafce_train.gradnorm import last_shared_weight, renormalized, slowness, weight_slope
from rafce_train.model import build_net


def algorithm_1(learner, batch, weight_T, initial_T, alpha, rate):
    """The next weights as the paper has them; a gradient is differentiated."""
    shared = learner.net.backbone[2].weight
    weight_T = weight_T.clone().requires_grad_()
    loss_T = learner.first_pass(batch, 0)[1].mean(0)
    norm_T = torch.stack(
        [
            torch.autograd.grad(w * loss, shared, create_graph=True)[0].norm()
            for w, loss in zip(weight_T, loss_T, strict=True)
        ]
    )
    left_T = (loss_T / initial_T).detach()
    target_T = (norm_T.mean() * (left_T / left_T.mean()) ** alpha).detach()
    l_grad = (norm_T - target_T).abs().sum()
    moved_T = weight_T.detach() - rate * torch.autograd.grad(l_grad, weight_T)[0]
    return moved_T * len(moved_T) / moved_T.sum()


@pytest.mark.parametrize("with_alignment", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 0.12, 1.5])
def test_weights_follow_algorithm_1(make_small_learner, make_small_batch, with_alignment, alpha):
    options = {"lr_meta": 0.02, "momentum": 0.9, "weight_decay": 0.1}
    ours = make_small_learner("gradnorm", with_alignment, gradnorm_alpha=alpha, **options)
    other = make_small_learner("gradnorm", with_alignment)
    weight_T = torch.ones(len(ours.method.terms), dtype=torch.float64)
    initial_T = ours.first_pass(make_small_batch(0), 0)[1].detach().mean(0)
    for seed in range(4):
        train = make_small_batch(seed)
        other.net.load_state_dict(ours.net.state_dict())
        log = ours.step(train, None, True, seed)
        torch.testing.assert_close(log.weight_BT, weight_T.expand(8, -1), rtol=1e-11, atol=0)
        weight_T = algorithm_1(other, train, weight_T, initial_T, alpha, 0.02)
        torch.testing.assert_close(ours.weighting.weight_T.detach(), weight_T, rtol=1e-11, atol=0)
        torch.testing.assert_close(ours.weighting.initial_T, initial_T, rtol=1e-14, atol=0)
    assert (weight_T - 1).abs().max() > 1e-3


def test_slope_by_hand():
    """G = (2, 1, 6), mean 3; r = (1.5, 1, 0.5): target (6.75, 3, 0.75) for α = 2."""
    slope_T = weight_slope(
        torch.tensor([1, 0.5, 2]), torch.tensor([2.0, 2, 3]), torch.tensor([1.5, 1, 0.5]), 2.0
    )
    assert slope_T.tolist() == [-2, -2, 3]
    assert slowness(torch.tensor([3.0, 1, 2]), torch.tensor([4.0, 2, 8])).tolist() == [1.5, 1, 0.5]


@pytest.mark.parametrize("norms", [(2.0, 1.0, 0.5), (0.3, 3.0, 1.0), (5.0, 1.0)])
def test_without_alpha_all_losses_come_to_pull_alike(norms):
    """Closed form: w_t ∝ 1 / ‖∇W L_t‖, up to the length of a step."""
    norm_T = torch.tensor(norms, dtype=torch.float64)
    weight_T = torch.ones_like(norm_T)
    for _ in range(1500):
        slope_T = weight_slope(weight_T, norm_T, torch.ones_like(norm_T), alpha=0.0)
        weight_T = renormalized(weight_T - 1e-3 * slope_T)
    expected_T = (1 / norm_T) * len(norms) / (1 / norm_T).sum()
    torch.testing.assert_close(weight_T, expected_T, rtol=0, atol=5e-3)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-5, 5), min_size=2, max_size=4))
def test_weights_stay_above_zero_and_sum_to_their_number(values):
    weight_T = renormalized(torch.tensor(values, dtype=torch.float64))
    assert weight_T.min() > 0
    assert weight_T.sum().item() == pytest.approx(len(values))
    positive = np.array(values) > 0.01
    if positive.all():
        np.testing.assert_allclose(weight_T.numpy(), np.array(values) * len(values) / sum(values))


def test_the_first_loss_that_is_not_zero_is_the_initial_one(make_small_learner):
    weighting = make_small_learner("gradnorm").weighting
    slopes = [
        weighting.slope(torch.tensor(loss_T).double(), torch.ones(2).double())
        for loss_T in ([2.0, 0.0], [1.0, 4.0])
    ]
    assert weighting.initial_T.tolist() == [2, 4]
    assert all(slope_T.isfinite().all() for slope_T in slopes)


@pytest.mark.parametrize(
    ("backbone", "name"),
    [
        ("resnet18", "layer4.1.conv2.weight"),
        ("shufflenet_v2_x0_5", "conv5.0.weight"),
        ("mobilenet_v3_small", "classifier.0.weight"),
    ],
)
def test_norms_are_taken_at_the_last_layer_with_weights(backbone, name):
    net = build_net(backbone, 4, 6, image_size=64)
    assert last_shared_weight(net) is dict(net.backbone.named_parameters())[name]


def test_weights_and_initial_losses_travel_in_the_state(make_small_learner, make_small_batch):
    ours = make_small_learner("gradnorm")
    ours.step(make_small_batch(0), None, True, 0)
    assert set(ours.state_dict()["weighting"]) == {"weight_T", "initial_T"}
