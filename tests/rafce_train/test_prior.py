"""The tables behind the alignment losses, counted by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rafce.errors import ConfigError
from rafce_train.data import Statistics
from rafce_train.losses import (
    bayes_alignment_loss,
    distribution_matching_loss,
    lab_alignment_loss,
    wild_alignment_loss,
)
from rafce_train.prior import PRIORS, matching_prior

# three emotions, two AUs; the second emotion shows neither, the third has no image that knows the second AU
STATISTICS = Statistics(
    n_K=np.array([10, 20, 5]),
    n_KA=np.array([[10, 10], [20, 20], [5, 0]]),
    count_KA=np.array([[7, 1], [0, 1], [3, 0]]),
    observed_KA=np.array([[True, False], [False, False], [True, False]]),
)
LAB_OBSERVED_KA = np.array([[True, True], [True, False], [False, True]])
LOGITS = torch.zeros(1, 3, dtype=torch.float64), torch.zeros(1, 2, dtype=torch.float64)


def table(values):
    return torch.tensor(values, dtype=torch.float64)


def test_wild_prior_keeps_the_frequencies_of_observed_aus_only():
    prior = PRIORS["wild", "paper"](STATISTICS, LAB_OBSERVED_KA)
    frequency_KA = table([[0.7, 0], [0, 0], [0.6, 0]])
    torch.testing.assert_close(prior.tables, (frequency_KA,), rtol=1e-15, atol=0)
    assert prior.matching_loss(*LOGITS).equal(wild_alignment_loss(*LOGITS, frequency_KA))


def test_lab_prior_is_one_where_the_laboratory_table_has_a_figure():
    prior = PRIORS["lab", "paper"](STATISTICS, LAB_OBSERVED_KA)
    assert prior.tables[0].equal(table([[1, 1], [1, 0], [0, 1]]))
    assert prior.matching_loss(*LOGITS).equal(lab_alignment_loss(*LOGITS, prior.tables[0]))


def test_bayes_prior_smooths_counts_of_all_aus_and_class_sizes():
    prior = PRIORS["wild", "bayes"](STATISTICS, LAB_OBSERVED_KA)
    present_KA = table([[8 / 12, 2 / 12], [1 / 22, 2 / 22], [4 / 7, 1 / 2]])
    expected = (present_KA, 1 - present_KA, table([11 / 38, 21 / 38, 6 / 38]))
    torch.testing.assert_close(prior.tables, expected, rtol=1e-14, atol=0)
    assert prior.matching_loss(*LOGITS).equal(bayes_alignment_loss(*LOGITS, *prior.tables))


def test_matching_prior_is_the_share_that_the_laboratory_found():
    prior = matching_prior(np.array([[70.0, 0.0, 20.0], [0.0, 0.0, 0.0]]))
    frequency_KA = table([[0.7, 0, 0.2], [0, 0, 0]])
    assert prior.tables[0].equal(frequency_KA)
    logits = torch.zeros(1, 2, dtype=torch.float64), torch.zeros(1, 3, dtype=torch.float64)
    assert prior.matching_loss(*logits).equal(distribution_matching_loss(*logits, frequency_KA))
    assert prior.notes(["happily sad", "sadly angry"], [1, 2, 12]) == [
        "statistics: no AU observed in sadly angry: no AU tells of them",
        "statistics: no emotion has AU02: distribution matching teaches that none is active",
    ]


def test_there_is_nothing_to_tell_of_tables_that_have_something_for_everyone():
    assert PRIORS["lab", "paper"](STATISTICS, LAB_OBSERVED_KA).notes(["a", "b", "c"], [1, 2]) == []
    assert matching_prior(np.array([[70.0, 0.0], [0.0, 20.0]])).notes(["a", "b"], [1, 2]) == []


def test_emotions_with_no_observed_au_are_named():
    emotions = ["happily surprised", "sadly angry", "happily sad"]
    assert PRIORS["wild", "paper"](STATISTICS, LAB_OBSERVED_KA).silent(emotions) == ("sadly angry",)
    assert PRIORS["lab", "paper"](STATISTICS, LAB_OBSERVED_KA).silent(emotions) == ()
    assert PRIORS["wild", "bayes"](STATISTICS, LAB_OBSERVED_KA).silent(emotions) == ()


def test_statistics_that_observe_nothing_are_refused():
    nothing = np.zeros((3, 2), bool)
    with pytest.raises(ConfigError, match="expected at least one AU observed in some emotion, found none"):
        PRIORS["wild", "paper"](replace(STATISTICS, observed_KA=nothing), nothing)
    with pytest.raises(ConfigError, match="--statistics lab: expected a laboratory table of the dataset's"):
        PRIORS["lab", "paper"](STATISTICS, nothing)
    with pytest.raises(ConfigError, match="--method dm: expected a laboratory table of the dataset's"):
        matching_prior(np.zeros((3, 2)))


@pytest.mark.parametrize("alignment", ["paper", "bayes"])
def test_an_au_that_is_known_nowhere_gets_no_gradient_and_one_unknown_in_an_emotion_is_named(alignment):
    n_KA = np.array([[10, 0, 4], [10, 0, 0], [5, 0, 5]])
    count_KA = np.array([[9, 0, 2], [3, 0, 0], [0, 0, 5]])
    statistics = Statistics(np.array([10, 10, 5]), n_KA, count_KA, count_KA > 0)
    prior = PRIORS["wild", alignment](statistics, np.zeros((3, 3), bool)).to(torch.zeros(1))
    au_logits_BA = torch.randn(4, 3, requires_grad=True)
    prior.matching_loss(torch.randn(4, 3), au_logits_BA).sum().backward()
    assert au_logits_BA.grad is not None
    assert (au_logits_BA.grad.abs().sum(0) > 1e-6).tolist() == [True, False, True]
    named = ["statistics: AU45 known in no image of b: taken as not observed in it"]
    assert prior.notes(["a", "b", "c"], [1, 12, 45]) == (named if alignment == "paper" else [])


def test_laboratory_statistics_have_no_bayes_prior():
    assert ("lab", "bayes") not in PRIORS


def test_prior_follows_dtype():
    assert (
        PRIORS["wild", "bayes"](STATISTICS, LAB_OBSERVED_KA).to(torch.zeros(1)).tables[0].dtype
        == torch.float32
    )
