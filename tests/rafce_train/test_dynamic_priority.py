"""Dynamic task prioritization against NumPy and scikit-learn. B batch, P tasks."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from rafce_train.dynamic_priority import average_precision, priority


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0])
def test_priority_is_the_focal_loss_of_the_indicator(gamma):
    kpi_P = torch.tensor([0.05, 0.5, 0.9, 1.0], dtype=torch.float64)
    expected = [-((1 - kpi) ** gamma) * math.log(kpi) for kpi in kpi_P.tolist()]
    assert priority(kpi_P, gamma).tolist() == pytest.approx(expected, rel=1e-14)
    assert priority(kpi_P, gamma).diff().max() < 0


def test_priority_of_a_task_that_never_succeeds_is_finite():
    assert priority(torch.zeros(1, dtype=torch.float64), 2.0).item() == pytest.approx(-math.log(1e-8))


@pytest.mark.parametrize("seed", range(4))
def test_average_precision_is_scikit_learns_over_all_known_aus(seed):
    rng = np.random.default_rng(seed)
    logits_BA, active_BA = rng.normal(size=(8, 6)), (rng.random((8, 6)) < 0.3).astype(float)
    is_known_BA = rng.random((8, 6)) < 0.8
    active_BA[~is_known_BA] = np.nan
    expected = average_precision_score(active_BA[is_known_BA], logits_BA[is_known_BA])
    found = average_precision(torch.from_numpy(logits_BA), torch.from_numpy(active_BA))
    assert found.item() == pytest.approx(expected, rel=1e-6)


def success(log, batch):
    """Accuracy of emotions and average precision of AUs, by NumPy and scikit-learn."""
    active_BA = batch.au_BA.numpy()
    is_known_BA = ~np.isnan(active_BA)
    right_B = log.emotion_logits_BK.numpy().argmax(1) == batch.emotion_B.numpy()
    precision = average_precision_score(active_BA[is_known_BA], log.au_logits_BA.numpy()[is_known_BA])
    return np.array([right_B.mean(), precision])


@pytest.mark.parametrize("with_alignment", [False, True])
@pytest.mark.parametrize(("alpha", "gamma"), [(0.1, 2.0), (0.6, 1.0)])
def test_weights_follow_the_running_indicators(
    make_small_learner, make_small_batch, with_alignment, alpha, gamma
):
    options = {"dtp_alpha": alpha, "dtp_gamma": gamma, "rho_align": (0.3,), "lr_heads": 0.1}
    ours = make_small_learner("dtp", with_alignment, **options)
    au_BA = make_small_batch(0).au_BA.numpy()
    running_P = np.array([1 / 4, (np.nansum(au_BA) + 1) / (np.isfinite(au_BA).sum() + 2)])
    for seed in range(4):
        train = make_small_batch(seed)
        log = ours.step(train, None, True, seed)
        running_P = alpha * success(log, train) + (1 - alpha) * running_P
        expected = [*(-((1 - running_P) ** gamma) * np.log(running_P)), *([0.3] if with_alignment else [])]
        np.testing.assert_allclose(log.weight_BT.numpy(), [expected] * 8, rtol=1e-6)
        np.testing.assert_allclose(ours.weighting.kpi_P.numpy(), running_P, rtol=1e-6)


@pytest.mark.parametrize("nothing", [0.0, math.nan])
def test_batch_without_an_active_au_leaves_their_indicator(make_small_learner, make_small_batch, nothing):
    ours = make_small_learner("dtp")
    empty = make_small_batch(1)
    empty.au_BA.fill_(nothing)
    log = ours.step(empty, None, True, 0)
    at_first = (0 + 1) / ((0 if math.isnan(nothing) else 48) + 2)
    assert ours.weighting.kpi_P[1].item() == pytest.approx(at_first)
    assert log.weight_BT.isfinite().all()
    ours.step(make_small_batch(0), None, True, 1)
    before = ours.weighting.kpi_P[1].item()
    assert before != pytest.approx(at_first)
    ours.step(empty, None, True, 2)
    assert ours.weighting.kpi_P[1].item() == before


def test_indicators_travel_in_the_state_and_options_do_not(make_small_learner, make_small_batch):
    ours = make_small_learner("dtp", True)
    ours.step(make_small_batch(0), None, True, 0)
    assert list(ours.state_dict()["weighting"]) == ["kpi_P"]
