"""Homoscedastic uncertainty against its formula and its fixed point. T losses."""

import numpy as np
import pytest
import torch

STILL = {"lr_backbone": 0.0, "lr_heads": 0.0}


@pytest.mark.parametrize("with_alignment", [False, True])
def test_every_weight_begins_at_one_and_is_one_over_the_variance(make_small_learner, with_alignment):
    ours = make_small_learner("uncertainty", with_alignment)
    n_losses = len(ours.method.terms)
    assert ours.weighting(torch.zeros(3, 7)).tolist() == [[1.0] * n_losses] * 3
    sigma_T = torch.arange(1.0, 1 + n_losses).double()
    ours.weighting.log_variance_T.data.copy_((sigma_T**2).log())
    torch.testing.assert_close(ours.weighting(torch.zeros(1, 7))[0], sigma_T**-2)


@pytest.mark.parametrize(("reduction", "c"), [("mean", 1 / 8), ("sum", 1.0)])
def test_log_variances_follow_the_slope_of_the_formula(make_small_learner, make_small_batch, reduction, c):
    """d/ds Σ_i (L_i exp(-s) + s / 2) = Σ_i (1/2 - L_i exp(-s))."""
    ours = make_small_learner(
        "uncertainty", True, reduction=reduction, lr_meta=0.01, momentum=0.9, weight_decay=0.1
    )
    s_T = np.zeros(3)
    for seed in range(4):
        log = ours.step(make_small_batch(seed), None, True, seed)
        raw_BT = log.raw_BT.numpy()
        np.testing.assert_allclose(log.weight_BT.numpy(), np.broadcast_to(np.exp(-s_T), (8, 3)), rtol=1e-12)
        s_T = s_T - 0.01 * c * (0.5 - raw_BT * np.exp(-s_T)).sum(0)
        np.testing.assert_allclose(ours.weighting.log_variance_T.detach().numpy(), s_T, rtol=1e-12)


def test_network_and_variances_descend_the_same_objective(make_small_learner, make_small_batch):
    """Eq. 10 of Kendall et al., Σ_t (L_t / σ_t² + log σ_t) in terms of σ, differentiated by autograd."""
    ours, other = (make_small_learner("uncertainty", True, lr_meta=0.001) for _ in range(2))
    train = make_small_batch(0)
    sigma_T = torch.tensor([0.5, 2.0, 3.0], dtype=torch.float64)
    for learner in (ours, other):
        learner.weighting.log_variance_T.data.copy_(2 * sigma_T.log())
    sigma_T.requires_grad_()
    loss_T = other.first_pass(train, 0)[1].mean(0)
    objective = (loss_T / sigma_T**2 + sigma_T.log()).sum()
    slopes = torch.autograd.grad(objective, [sigma_T, *other.net.parameters()])
    ours.step(train, None, True, 0)
    for (name, value), before, slope in zip(
        ours.net.named_parameters(), other.net.parameters(), slopes[1:], strict=True
    ):
        rate = 0.001 if name.startswith("backbone") else 0.01
        torch.testing.assert_close(value.detach(), before.detach() - rate * slope, rtol=1e-10, atol=1e-14)
    slope_T = slopes[0] * sigma_T.detach() / 2  # dσ/ds = σ / 2
    expected_T = 2 * sigma_T.detach().log() - 0.001 * slope_T
    torch.testing.assert_close(ours.weighting.log_variance_T.detach(), expected_T, rtol=1e-12, atol=0)


def test_at_rest_every_weighted_loss_is_one_half(make_small_learner, make_small_batch):
    ours, train = make_small_learner("uncertainty", True, lr_meta=1.0, **STILL), make_small_batch(0)
    for _ in range(200):
        log = ours.step(train, None, True, 0)
    loss_T = log.raw_BT.mean(0)
    torch.testing.assert_close(log.weight_BT[0], 1 / (2 * loss_T), rtol=1e-9, atol=0)


def test_variances_travel_in_the_state(make_small_learner, make_small_batch):
    ours, other = make_small_learner("uncertainty"), make_small_learner("uncertainty")
    ours.step(make_small_batch(0), None, True, 0)
    assert list(ours.state_dict()["weighting"]) == ["log_variance_T"]
    other.load_state_dict(ours.state_dict())
    assert other.weighting.log_variance_T.equal(ours.weighting.log_variance_T)
