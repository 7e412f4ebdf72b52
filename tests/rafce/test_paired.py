"""Paired tests against SciPy, enumeration and simulation."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from rafce.paired import (
    N_RESAMPLES,
    difference,
    group_sums,
    holm,
    mcnemar,
    mean_of_nets,
    net_difference,
    resample_weights,
    resampled_ratios,
    resampled_sums,
)


@pytest.mark.parametrize(
    ("only_a", "only_b", "both"), [(0, 0, 5), (1, 0, 0), (10, 3, 50), (7, 7, 2), (0, 40, 1)]
)
def test_one_net_each_gives_mcnemars_exact_test(only_a, only_b, both):
    difference_N = np.array([1] * only_a + [-1] * only_b + [0] * both)
    n = only_a + only_b
    expected = binomtest(only_a, n).pvalue if n else 1.0
    assert mcnemar(difference_N) == pytest.approx(expected, rel=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=9))
def test_several_nets_give_the_share_of_sign_flips_that_reach_the_sum(values):
    difference_N = np.array(values)
    sums = [abs(np.dot(signs, difference_N)) for signs in product([-1, 1], repeat=len(values))]
    expected = np.mean(np.array(sums) >= abs(difference_N.sum()))
    assert mcnemar(difference_N) == pytest.approx(expected, rel=1e-12)


def test_repeating_every_net_changes_no_p_value():
    rng = np.random.default_rng(0)
    a_N1, b_N1 = rng.random((60, 1)) < 0.6, rng.random((60, 1)) < 0.4
    once = mcnemar(net_difference(a_N1, b_N1))
    assert mcnemar(net_difference(a_N1.repeat(3, 1), b_N1.repeat(3, 1))) == pytest.approx(once, rel=1e-12)


def test_the_difference_weighs_systems_alike_however_many_nets_they_have():
    right_a_NS = np.array([[1, 1], [1, 0], [0, 0]])
    right_b_NS = np.array([[1, 1, 1], [0, 0, 0], [1, 0, 0]])
    assert net_difference(right_a_NS, right_b_NS).tolist() == [0, 3, -2]  # sixths
    assert net_difference(right_a_NS, right_a_NS[:, :1]).tolist() == [0, -1, 0]  # halves


def test_swapping_the_systems_changes_no_p_value():
    difference_N = np.array([2, 2, -1, 1, 0, 3, -2])
    assert mcnemar(-difference_N) == mcnemar(difference_N)


def test_holm_reproduces_a_worked_example():
    # Holm 1979's rule by hand: 4 × 0.005, 3 × 0.01, 2 × 0.03, then 0.04 lifted to its predecessor
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_rejects_what_stepping_down_rejects(p):
    for level in (0.01, 0.05, 0.3):
        rejected, order = set(), sorted(range(len(p)), key=p.__getitem__)
        for step, position in enumerate(order):
            if p[position] * (len(p) - step) > level:
                break
            rejected.add(position)
        assert {i for i, adjusted in enumerate(holm(p)) if adjusted <= level} == rejected


def test_every_resample_keeps_the_weight_of_every_stratum():
    stratum_N = np.array([3, 0, 0, 3, 0, 1, 3, 3])
    weight_RN = np.concatenate(list(resample_weights(stratum_N)))
    assert weight_RN.shape == (N_RESAMPLES, 8)
    for stratum, n in ((0, 3), (1, 1), (3, 4)):
        assert weight_RN[:, stratum_N == stratum].sum(1) == pytest.approx(n)


@pytest.mark.parametrize("n", [2, 3, 8, 100])
def test_resampled_means_spread_as_the_standard_error_says_even_for_few(n):
    value_N = np.random.default_rng(n).normal(size=n)
    mean_R = resampled_sums(value_N[:, None], np.zeros(n, np.int64))[:, 0] / n
    standard_error = value_N.std(ddof=1) / np.sqrt(n)
    assert mean_R.std() == pytest.approx(standard_error, rel=0.06)
    assert mean_R.mean() == pytest.approx(value_N.mean(), abs=4 * standard_error / np.sqrt(N_RESAMPLES))


def test_resamples_repeat_and_are_shared_by_all_columns():
    value_NP = np.random.default_rng(1).random((20, 3))
    stratum_N = np.arange(20) % 4
    sums_RP = resampled_sums(value_NP, stratum_N)
    np.testing.assert_array_equal(sums_RP, resampled_sums(value_NP, stratum_N))
    np.testing.assert_allclose(sums_RP[:, 1], resampled_sums(value_NP[:, 1:2], stratum_N)[:, 0])


def test_nets_of_the_same_seeds_are_drawn_together_and_one_alone_not_at_all():
    figure_RS = np.random.default_rng(2).normal(size=(1, 3)).repeat(N_RESAMPLES, 0)
    same = mean_of_nets(figure_RS, (0, 1, 2)) - mean_of_nets(figure_RS + 1, (0, 1, 2))
    assert same == pytest.approx(-1)
    other = mean_of_nets(figure_RS, (0, 1, 2)) - mean_of_nets(figure_RS, (3, 4, 5))
    assert other.std() > 0
    assert mean_of_nets(figure_RS[:, :1], (0,)) == pytest.approx(figure_RS[0, 0])


def test_a_difference_without_any_spread_is_certain_or_nothing():
    level_R = np.full(N_RESAMPLES, 0.4)
    assert difference(0.0, level_R, level_R) == (0.0, 0.0, 0.0, 1.0)
    assert difference(0.2, level_R + 0.2, level_R).p == 0.0


def test_p_of_a_difference_is_the_normal_curves():
    a_R = np.random.default_rng(3).normal(0.1, 0.05, N_RESAMPLES)
    found = difference(0.1, a_R, np.zeros(N_RESAMPLES))
    assert found.p == pytest.approx(0.0455, abs=0.01)  # two standard errors
    assert (found.ci_low, found.ci_high) == pytest.approx((0.002, 0.198), abs=0.01)


@pytest.mark.parametrize(("n_seeds", "seed_spread"), [(1, 0.0), (3, 0.0), (3, 0.2)])
def test_intervals_cover_the_true_difference_with_noise_from_images_and_training(
    n_seeds, seed_spread, monkeypatch
):
    monkeypatch.setattr("rafce.paired.N_RESAMPLES", 400)
    rng = np.random.default_rng(4)
    n, trials, covered = 200, 60, 0
    for _ in range(trials):
        difficulty_N = rng.normal(0, 2, n)
        means = []
        for _ in "ab":  # equal in truth
            luck_S = rng.normal(0, seed_spread, n_seeds)
            right_NS = difficulty_N[:, None] + luck_S > rng.logistic(size=(n, n_seeds))
            rate_RS = resampled_sums(right_NS, np.zeros(n, np.int64)) / n
            means.append((right_NS.mean(), mean_of_nets(rate_RS, range(n_seeds))))
        (a, a_R), (b, b_R) = means
        found = difference(a - b, a_R, b_R)
        covered += found.ci_low <= 0 <= found.ci_high
    assert covered >= 0.88 * trials


# --- groups ---


def test_signs_of_whole_groups_are_flipped_together():
    difference_N, group_N = np.array([1, 1, 1, 0, -1, 1, 1, -1, -1]), np.array([0, 0, 0, 1, 1, 2, 2, 3, 3])
    sums = [3, -1, 2, -2]
    flipped = [abs(np.dot(signs, sums)) for signs in product([-1, 1], repeat=4)]
    found = mcnemar(group_sums(difference_N, group_N))
    assert found == pytest.approx(np.mean(np.array(flipped) >= abs(sum(sums))), rel=1e-12)
    assert mcnemar(group_sums(difference_N, np.arange(9))) == mcnemar(difference_N)


def test_large_sums_over_many_groups_agree_with_random_flips():
    rng = np.random.default_rng(6)
    sum_G = rng.integers(-300, 350, 60)
    flipped_R = np.abs(rng.choice([-1, 1], (40_000, 60)) @ sum_G)
    assert mcnemar(sum_G) == pytest.approx(np.mean(flipped_R >= abs(sum_G.sum())), abs=0.01)


def test_copies_of_an_image_in_its_group_make_no_difference_surer():
    rng = np.random.default_rng(7)
    right_a_N1, right_b_N1 = rng.random((40, 1)) < 0.7, rng.random((40, 1)) < 0.5
    once_N = net_difference(right_a_N1, right_b_N1)
    copied_N = net_difference(right_a_N1.repeat(9, 0), right_b_N1.repeat(9, 0))
    group_N = np.arange(40).repeat(9)
    assert mcnemar(group_sums(copied_N, group_N)) == pytest.approx(mcnemar(once_N), rel=1e-9)
    assert mcnemar(copied_N) < mcnemar(once_N) / 100


def test_resampled_ratios_equal_a_loop_over_the_resamples():
    rng = np.random.default_rng(8)
    n_G3 = rng.integers(0, 4, (6, 3)) * (rng.random((6, 3)) < 0.4)
    n_G3[0, 2], n_G3[1:, 2] = 3, 0  # one group alone has the third: most resamples miss it
    right_G3 = rng.binomial(n_G3, 0.6)
    weight_RG = np.concatenate(list(resample_weights(np.zeros(6, np.int64))))
    found_R3 = resampled_ratios(right_G3, n_G3)
    assert found_R3.shape == (N_RESAMPLES, 3)
    for weight_G, found_3 in zip(weight_RG, found_R3, strict=True):
        for i in range(3):
            n = sum(weight_G * n_G3[:, i])
            value = right_G3[:, i].sum() / n_G3[:, i].sum()
            expected = sum(weight_G * right_G3[:, i]) / n if n else value
            assert found_3[i] == pytest.approx(expected)
