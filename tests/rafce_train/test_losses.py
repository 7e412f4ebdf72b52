"""The losses against hand-written NumPy, worked examples and the sentences of the paper."""

import csv
import math
from importlib.resources import files

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rafce.taxonomy import AUS, COMPOUND_EMOTIONS
from rafce_train import losses

# B batch, K emotions, A action units
FREQUENCY_KA = torch.tensor([[0.5, 0.0], [0.2, 0.8]], dtype=torch.float64)
P_EMOTION_BK = torch.tensor([[0.7, 0.3]], dtype=torch.float64)
P_AU_BA = torch.tensor([[0.9, 0.1]], dtype=torch.float64)


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x)))


def softmax(x_BK):
    return np.exp(x_BK) / np.exp(x_BK).sum(1, keepdims=True)


def random_case(seed: int, n_emotions: int = 14, n_aus: int = 32) -> tuple[Tensor, Tensor, Tensor]:
    """Emotion logits, AU logits, and frequencies with blanks of which one emotion has nothing else."""
    rng = np.random.default_rng(seed)
    frequency_KA = rng.random((n_emotions, n_aus)) * (rng.random((n_emotions, n_aus)) < 0.3)
    frequency_KA[-1] = 0
    emotion_logits_BK, au_logits_BA = rng.normal(size=(5, n_emotions)), rng.normal(size=(5, n_aus))
    return torch.from_numpy(emotion_logits_BK), torch.from_numpy(au_logits_BA), torch.from_numpy(frequency_KA)


def test_worked_example_with_wild_statistics(monkeypatch):
    monkeypatch.setattr(losses, "FLOOR", 0.0)
    q_au_BA = losses.wild_aus(P_EMOTION_BK, FREQUENCY_KA)
    assert q_au_BA[0].tolist() == pytest.approx([0.600672, 0.556992], abs=5e-7)
    assert losses.first_matching_loss(P_AU_BA, q_au_BA).item() == pytest.approx(0.517256, abs=5e-7)
    q_emotion_BK = losses.emotions_from_aus(P_AU_BA, FREQUENCY_KA)
    assert losses.second_matching_loss(P_EMOTION_BK, q_emotion_BK).item() == pytest.approx(0.477874, abs=5e-7)
    total_B = losses.wild_alignment_loss(P_EMOTION_BK.log(), P_AU_BA.logit(), FREQUENCY_KA)
    assert total_B.item() == pytest.approx(0.517256 + 0.477874, abs=1e-6)


def test_worked_example_with_lab_statistics(monkeypatch):
    monkeypatch.setattr(losses, "FLOOR", 0.0)
    observed_KA = (FREQUENCY_KA > 0).double()
    q_au_BA = losses.lab_aus(P_EMOTION_BK, observed_KA)
    assert q_au_BA[0].tolist() == pytest.approx([0.731059, 0.574443], abs=5e-7)
    assert losses.first_matching_loss(P_AU_BA, q_au_BA).item() == pytest.approx(0.337371, abs=5e-7)
    q_emotion_BK = losses.emotions_from_aus(P_AU_BA, observed_KA)
    assert losses.second_matching_loss(P_EMOTION_BK, q_emotion_BK).item() == pytest.approx(0.281697, abs=5e-7)
    total_B = losses.lab_alignment_loss(P_EMOTION_BK.log(), P_AU_BA.logit(), observed_KA)
    assert total_B.item() == pytest.approx(0.337371 + 0.281697, abs=1e-6)


def test_worked_example_of_distribution_matching(monkeypatch):
    """t = (0.7 · 0.5 + 0.3 · 0.2, 0.3 · 0.8) = (0.41, 0.24)."""
    monkeypatch.setattr(losses, "FLOOR", 0.0)
    loss_B = losses.distribution_matching_loss(P_EMOTION_BK.log(), P_AU_BA.logit(), FREQUENCY_KA)
    assert loss_B.item() == pytest.approx(-(0.9 * math.log(0.41) + 0.1 * math.log(0.24)), rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_distribution_matching_equals_numpy_loops(seed):
    emotion_logits_BK, au_logits_BA, frequency_KA = random_case(seed)
    P, p_emotion_BK, p_au_BA = (
        frequency_KA.numpy(),
        softmax(emotion_logits_BK.numpy()),
        sigmoid(au_logits_BA.numpy()),
    )
    loss_B = losses.distribution_matching_loss(emotion_logits_BK, au_logits_BA, frequency_KA)
    for b, (p_emotion, p_au) in enumerate(zip(p_emotion_BK, p_au_BA, strict=True)):
        t = [sum(p_emotion[k] * P[k, j] for k in range(14)) for j in range(32)]
        expected = -sum(p_au[j] * math.log(t[j] + 1e-8) for j in range(32))
        assert loss_B[b].item() == pytest.approx(expected, rel=1e-12)


def test_distribution_matching_leads_an_au_to_zero_that_no_emotion_has():
    au_logits_BA = torch.tensor([[0.0, 2.0]], requires_grad=True)
    losses.distribution_matching_loss(
        torch.zeros(1, 2), au_logits_BA, torch.tensor([[1.0, 0], [1, 0]])
    ).sum().backward()
    assert au_logits_BA.grad is not None
    certain, unknown = au_logits_BA.grad[0].tolist()
    p = sigmoid(2.0)
    assert certain == pytest.approx(0, abs=1e-6)
    assert unknown == pytest.approx(-math.log(1e-8) * p * (1 - p), rel=1e-5)


def test_expected_au_9_is_the_sentence_of_section_4_1():
    frequency_KA = torch.zeros(len(COMPOUND_EMOTIONS), len(AUS), dtype=torch.float64)
    with files("rafce").joinpath("data/table1_wild.csv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            k, j = COMPOUND_EMOTIONS.index(row["emotion"]), AUS.index(int(row["au"]))
            frequency_KA[k, j] = float(row["percent"]) / 100
    p_BK = torch.from_numpy(np.random.default_rng(0).dirichlet(np.ones(14), size=6))
    p = dict(zip(COMPOUND_EMOTIONS, p_BK.T, strict=True))
    sentence_B = (
        0.24 * p["happily disgusted"]
        + 0.29 * p["sadly angry"]
        + 0.56 * p["fearfully angry"]
        + 0.33 * p["angrily disgusted"]
    )
    t_BA = losses.expected_aus(p_BK, frequency_KA)
    torch.testing.assert_close(t_BA[:, AUS.index(9)], sentence_B, rtol=1e-14, atol=0)


@pytest.mark.parametrize("seed", range(3))
def test_task_losses_equal_numpy(seed):
    emotion_logits_BK, au_logits_BA, _ = random_case(seed)
    rng = np.random.default_rng(seed)
    emotion_B, active_BA = rng.integers(0, 14, 5), (rng.random((5, 32)) < 0.2).astype(float)
    p_BA = sigmoid(au_logits_BA.numpy())
    au_B = -(active_BA * np.log(p_BA) + (1 - active_BA) * np.log(1 - p_BA)).sum(1)
    emotion_loss_B = -np.log(softmax(emotion_logits_BK.numpy())[np.arange(5), emotion_B])
    weight_K = rng.random(14)

    def emotion_loss(class_weight_K=None):
        return losses.emotion_loss(emotion_logits_BK, torch.from_numpy(emotion_B), class_weight_K).numpy()

    np.testing.assert_allclose(
        losses.au_loss(au_logits_BA, torch.from_numpy(active_BA)).numpy(), au_B, rtol=1e-12
    )
    np.testing.assert_allclose(emotion_loss(), emotion_loss_B, rtol=1e-12)
    weighted_B = weight_K[emotion_B] * emotion_loss_B
    np.testing.assert_allclose(emotion_loss(torch.from_numpy(weight_K)), weighted_B, rtol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_wild_and_lab_alignment_equal_numpy_loops(seed):
    emotion_logits_BK, au_logits_BA, frequency_KA = random_case(seed)
    P, observed = frequency_KA.numpy(), (frequency_KA > 0).double()
    p_emotion_BK, p_au_BA = softmax(emotion_logits_BK.numpy()), sigmoid(au_logits_BA.numpy())
    wild_B = losses.wild_alignment_loss(emotion_logits_BK, au_logits_BA, frequency_KA)
    lab_B = losses.lab_alignment_loss(emotion_logits_BK, au_logits_BA, observed)
    for b, (p_emotion, p_au) in enumerate(zip(p_emotion_BK, p_au_BA, strict=True)):
        wild = lab = 0.0
        for j in range(32):
            q = sum(p_emotion[k] * sigmoid(P[k, j]) for k in range(14))
            q_lab = sigmoid(sum(p_emotion[k] * (P[k, j] > 0) for k in range(14)))
            wild, lab = wild - p_au[j] * np.log(q + 1e-8), lab - p_au[j] * np.log(q_lab + 1e-8)
        for k in range(14):
            seen = np.flatnonzero(P[k])
            q = (p_au[seen] * P[k, seen]).sum() / P[k].sum() if len(seen) else 0.0
            q_lab = p_au[seen].mean() if len(seen) else 0.0
            wild, lab = (
                wild - p_emotion[k] * np.log(q + 1e-8),
                lab - p_emotion[k] * np.log(q_lab + 1e-8),
            )
        assert wild_B[b].item() == pytest.approx(wild, rel=1e-12)
        assert lab_B[b].item() == pytest.approx(lab, rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_bayes_alignment_equals_numpy_loops(seed):
    emotion_logits_BK, au_logits_BA, _ = random_case(seed)
    rng = np.random.default_rng(seed)
    present_KA, class_K = rng.uniform(0.02, 0.98, (14, 32)), rng.dirichlet(np.ones(14))
    p_emotion_BK, p_au_BA = softmax(emotion_logits_BK.numpy()), sigmoid(au_logits_BA.numpy())
    tables = [torch.from_numpy(table) for table in (present_KA, 1 - present_KA, class_K)]
    loss_B = losses.bayes_alignment_loss(emotion_logits_BK, au_logits_BA, *tables)
    for b, (p_emotion, p_au) in enumerate(zip(p_emotion_BK, p_au_BA, strict=True)):
        q_au = p_emotion @ present_KA
        score_K = [
            math.log(class_K[k])
            + sum(
                p_au[j] * math.log(present_KA[k, j]) + (1 - p_au[j]) * math.log(1 - present_KA[k, j])
                for j in range(32)
            )
            for k in range(14)
        ]
        q_emotion = softmax(np.array([score_K]))[0]
        expected = -(p_au * np.log(q_au) + (1 - p_au) * np.log(1 - q_au)).sum()
        expected -= (p_emotion * np.log(q_emotion)).sum()
        assert loss_B[b].item() == pytest.approx(expected, rel=1e-6)  # the 1e-8 inside the logarithm


def test_bayes_posterior_with_certain_aus_is_naive_bayes():
    rng = np.random.default_rng(1)
    present_KA, class_K = rng.uniform(0.05, 0.95, (3, 4)), np.array([0.5, 0.3, 0.2])
    active_BA = rng.integers(0, 2, (8, 4))
    joint_BK = class_K * np.where(active_BA[:, None], present_KA, 1 - present_KA).prod(2)
    tables = [torch.from_numpy(table) for table in (present_KA, 1 - present_KA, class_K)]
    log_q_BK = losses.bayes_log_emotions(torch.from_numpy(active_BA).double(), *tables)
    np.testing.assert_allclose(log_q_BK.exp().numpy(), joint_BK / joint_BK.sum(1, keepdims=True), rtol=1e-12)


def test_unknown_aus_add_neither_loss_nor_gradient():
    _, au_logits_BA, _ = random_case(0)
    active_BA = (torch.arange(5 * 32).reshape(5, 32) % 3 == 0).double()
    active_BA[:, ::4] = math.nan
    au_logits_BA.requires_grad_()
    loss_B = losses.au_loss(au_logits_BA, active_BA)
    (gradient_BA,) = torch.autograd.grad(loss_B.sum(), au_logits_BA)
    known_A = torch.arange(32) % 4 != 0
    torch.testing.assert_close(
        loss_B, losses.au_loss(au_logits_BA[:, known_A], active_BA[:, known_A]), rtol=1e-14, atol=0
    )
    assert gradient_BA[:, ~known_A].eq(0).all()
    assert gradient_BA[:, known_A].ne(0).all()


def test_emotion_without_observed_aus_has_nothing_from_aus():
    _, au_logits_BA, frequency_KA = random_case(0)
    assert losses.emotions_from_aus(au_logits_BA.sigmoid(), frequency_KA)[:, -1].eq(0).all()


@pytest.mark.parametrize("scale", [1.0, 200.0])
def test_both_predictions_receive_a_gradient_of_alignment(scale):
    emotion_logits_BK, au_logits_BA, frequency_KA = random_case(0)
    emotion_logits_BK.mul_(scale).requires_grad_()
    au_logits_BA.mul_(scale).requires_grad_()
    loss = losses.wild_alignment_loss(emotion_logits_BK, au_logits_BA, frequency_KA).sum()
    for gradient in torch.autograd.grad(loss, (emotion_logits_BK, au_logits_BA)):
        assert gradient.isfinite().all()
        assert gradient.abs().sum() > 0


@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0, 1e4))
@settings(max_examples=50, deadline=None)
def test_alignment_and_its_gradient_are_finite_however_sure_the_predictions(seed, scale):
    emotion_logits_BK, au_logits_BA, frequency_KA = (tensor.float() for tensor in random_case(seed))
    emotion_logits_BK, au_logits_BA = emotion_logits_BK * scale, au_logits_BA * scale
    emotion_logits_BK.requires_grad_()
    au_logits_BA.requires_grad_()
    present_KA = (frequency_KA * 1e9 + 1) / (1e9 + 2)
    tables = present_KA, (1e9 - frequency_KA * 1e9 + 1) / (1e9 + 2), torch.full((14,), 1 / 14)
    for loss_B in (
        losses.wild_alignment_loss(emotion_logits_BK, au_logits_BA, frequency_KA),
        losses.lab_alignment_loss(emotion_logits_BK, au_logits_BA, (frequency_KA > 0).float()),
        losses.distribution_matching_loss(emotion_logits_BK, au_logits_BA, frequency_KA),
        losses.bayes_alignment_loss(emotion_logits_BK, au_logits_BA, *tables),
    ):
        gradients = torch.autograd.grad(loss_B.sum(), (emotion_logits_BK, au_logits_BA))
        assert all(value.isfinite().all() for value in (loss_B, *gradients))


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_order_of_aus_and_emotions_does_not_matter(seed):
    emotion_logits_BK, au_logits_BA, frequency_KA = random_case(seed)
    generator = torch.Generator().manual_seed(seed)
    k, a = torch.randperm(14, generator=generator), torch.randperm(32, generator=generator)
    for loss in (losses.wild_alignment_loss, losses.lab_alignment_loss):
        torch.testing.assert_close(
            loss(emotion_logits_BK[:, k], au_logits_BA[:, a], frequency_KA[k][:, a]),
            loss(emotion_logits_BK, au_logits_BA, frequency_KA),
            rtol=1e-12,
            atol=1e-12,
        )
