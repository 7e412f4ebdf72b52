from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from rafce.errors import TrainingError
from rafce_train.history import Sums
from rafce_train.learner import StepLog
from rafce_train.loop import Standing, Unread, check_finite, read, standing_from, step_seed
from rafce_train.ranks import ALONE

TERMS = ("emo", "au")
NAMES = ("0001.jpg", "0002.jpg", "0003.jpg", "0004.jpg")
ORDER = np.array([[3, 1], [0, 2]])
FEED: Any = SimpleNamespace(epoch_rows=lambda epoch: ORDER, data=SimpleNamespace(names=NAMES))
LEARNER: Any = SimpleNamespace(method=SimpleNamespace(terms=TERMS), ranks=ALONE)


def log(seed: int) -> StepLog:
    draw = torch.Generator().manual_seed(seed)
    return StepLog(*(torch.rand(2, n, generator=draw) for n in (2, 2, 3, 4)))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize(("field", "what"), [("raw_BT", "loss"), ("weight_BT", "weight of the loss")])
def test_a_number_that_is_not_finite_is_traced_to_step_term_and_image(value, field, what):
    bad = log(0)
    getattr(bad, field)[1, 1] = value
    with pytest.raises(TrainingError) as caught:
        check_finite(bad, TERMS, FEED, epoch=4, step=1)
    assert f"epoch 5, step 2: the {what} au is not a finite number for 0003.jpg; " in str(caught.value)


def test_finite_numbers_pass():
    check_finite(log(0), TERMS, FEED, epoch=0, step=0)


def test_steps_read_together_add_up_to_the_bits_of_steps_read_one_by_one():
    steps = [Unread(step, torch.tensor([step, 2]), log(step)) for step in range(2)]
    together, one_by_one = Standing(Sums.zero(2, 3)), Standing(Sums.zero(2, 3))
    read(list(steps), LEARNER, FEED, together)
    for step in steps:
        read([step], LEARNER, FEED, one_by_one)
    assert together.step == one_by_one.step == 2
    assert str(vars(together.sums)) == str(vars(one_by_one.sums))
    assert torch.equal(together.sums.raw_T, one_by_one.sums.raw_T)


def test_a_standing_survives_its_checkpoint(tmp_path):
    standing = Standing(
        Sums.zero(2, 3), epoch=3, step=1, history=[{"epoch": 1}], best={"epoch": 2, "score": 0.5}
    )
    torch.save(standing.state(), tmp_path / "s.pt")
    found = standing_from(torch.load(tmp_path / "s.pt", weights_only=True))
    assert (found.epoch, found.step, found.history, found.best) == (
        3,
        1,
        [{"epoch": 1}],
        {"epoch": 2, "score": 0.5},
    )
    assert torch.equal(found.sums.confusion_KK, standing.sums.confusion_KK)


def test_every_step_of_every_seed_has_random_layers_of_its_own():
    seeds = {step_seed(seed, step, rank) for seed in range(20) for step in range(500) for rank in range(2)}
    assert len(seeds) == 20 * 500 * 2
