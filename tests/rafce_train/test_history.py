import math

import numpy as np
import pytest
import torch

from rafce_train.history import Sums, history_table
from rafce_train.learner import StepLog

TERMS = ("emo", "au")


def logs(n_steps: int, batch: int = 5) -> list[tuple[StepLog, torch.Tensor]]:
    draw = torch.Generator().manual_seed(0)

    def random(n: int) -> torch.Tensor:
        return torch.rand(batch, n, generator=draw)

    return [
        (StepLog(random(2), random(2), random(3), random(4)), torch.randint(0, 3, (batch,), generator=draw))
        for _ in range(n_steps)
    ]


def summed(steps: list[tuple[StepLog, torch.Tensor]], sums: Sums) -> Sums:
    for log, emotion_B in steps:
        sums.add(log, emotion_B)
    return sums


def test_means_and_spreads_are_those_of_all_images():
    steps = logs(7)
    means = summed(steps, Sums.zero(2, 3)).means(TERMS)
    raw = np.concatenate([log.raw_BT.double().numpy() for log, _ in steps])
    weight = np.concatenate([log.weight_BT.double().numpy() for log, _ in steps])
    for t, term in enumerate(TERMS):
        assert means[f"loss_{term}"] == pytest.approx(raw[:, t].mean(), rel=1e-12)
        assert means[f"loss_{term}_weighted"] == pytest.approx((raw * weight)[:, t].mean(), rel=1e-12)
        assert means[f"omega_{term}"] == pytest.approx(weight[:, t].mean(), rel=1e-12)
        assert means[f"omega_{term}_sd"] == pytest.approx(weight[:, t].std(), rel=1e-9)


def test_equal_weights_have_no_spread_however_many_images():
    steps = [(log._replace(weight_BT=torch.full((5, 2), 0.1)), emotion_B) for log, emotion_B in logs(50)]
    means = summed(steps, Sums.zero(2, 3)).means(TERMS)
    assert means["omega_au_sd"] == pytest.approx(0, abs=1e-8)


def test_sums_that_were_saved_halfway_end_in_the_same_bits(tmp_path):
    steps = logs(6)
    whole = summed(steps, Sums.zero(2, 3))
    torch.save(vars(summed(steps[:3], Sums.zero(2, 3))), tmp_path / "half.pt")
    resumed = summed(steps[3:], Sums(**torch.load(tmp_path / "half.pt", weights_only=True)))
    for name, value in vars(whole).items():
        found = getattr(resumed, name)
        assert torch.equal(found, value) if isinstance(value, torch.Tensor) else found == value


def test_images_are_counted_by_true_and_predicted_emotion():
    sums = Sums.zero(2, 3)
    logits_BK = torch.tensor([[0.0, 1.0, 0.0], [3.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    sums.add(
        StepLog(torch.ones(3, 2), torch.ones(3, 2), logits_BK, torch.zeros(3, 4)), torch.tensor([1, 0, 2])
    )
    assert sums.confusion_KK.tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 0]]
    assert sums.p_au / sums.images == 0.5


def test_the_table_has_nulls_where_a_figure_is_undefined():
    table = history_table([{"epoch": 1, "loss_emo": math.pi, "p_au": None}])
    assert table.to_pylist() == [{"epoch": 1, "loss_emo": math.pi, "p_au": None}]
    assert [str(kind) for kind in table.schema.types] == ["int64", "double", "double"]
    assert table.schema.metadata == {b"rafce.schema": b"history/1"}
