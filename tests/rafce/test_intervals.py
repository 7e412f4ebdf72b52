"""Intervals in closed form against SciPy, formulas written out, and simulation."""

from math import hypot, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binomtest

from rafce.intervals import (
    Estimate,
    clopper_pearson,
    difference,
    f1,
    mean_recall,
    paired_difference,
    posterior_masses,
    recall,
    wilson,
)

SIZES = np.array([126, 54, 36, 44, 25, 178, 43, 113, 6, 44, 194, 37, 1, 8])
"""Test images of each emotion in the official partition of RAF-CE."""
COUNTS = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_equals_scipy(count_and_n):
    count, n = count_and_n
    expected = binomtest(count, n).proportion_ci(0.95, method="wilson")
    low, high = wilson(count, n)
    assert float(low) == pytest.approx(expected.low, abs=1e-12)
    assert float(high) == pytest.approx(expected.high, abs=1e-12)


def test_no_observation_has_no_interval_and_no_mass():
    low, high = wilson([0, 1], [0, 2])
    assert np.isnan([low[0], high[0]]).all()
    assert not np.isnan([low[1], high[1]]).any()
    assert np.isnan(posterior_masses([0], [0], (0.2, 0.7))).all()


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_posterior_masses_equal_the_beta_distribution_and_sum_to_one(count_and_n):
    count, n = count_and_n
    posterior = beta(count + 0.5, n - count + 0.5)
    masses = posterior_masses(count, n, (0.2, 0.7))
    assert masses.sum() == pytest.approx(1)
    expected = [posterior.cdf(0.2), posterior.cdf(0.7) - posterior.cdf(0.2), posterior.sf(0.7)]
    np.testing.assert_allclose(masses, expected, atol=1e-12)


@given(COUNTS)
def test_clopper_pearson_equals_scipy(count_and_n):
    count, n = count_and_n
    expected = binomtest(count, n).proportion_ci(0.95, method="exact")
    assert tuple(map(float, clopper_pearson(count, n))) == pytest.approx(
        (expected.low, expected.high), abs=1e-10
    )


def test_no_observation_has_no_exact_interval():
    low, high = clopper_pearson([0, 1], [0, 1])
    assert np.isnan([low[0], high[0]]).all()
    assert (low[1], high[1]) == pytest.approx((0.025, 1))


# --- a mean recall ---


@pytest.mark.parametrize("n", [1, 2, 3, 4, 50])
def test_a_recall_of_fewer_than_three_images_has_the_exact_interval_and_any_other_wilsons(n):
    for count in range(n + 1):
        test = binomtest(count, n)
        expected = test.proportion_ci(method="exact") if n < 3 else test.proportion_ci(method="wilson")
        assert tuple(map(float, recall(count, n))) == pytest.approx((count / n, expected.low, expected.high))


def mover_by_hand(counts, sizes):
    """Zou & Donner 2008 for a mean of rates: the distances to the limits, added in squares, over their number."""
    below, above, rates = 0.0, 0.0, []
    for count, n in zip(counts, sizes, strict=True):
        if n == 0:
            continue
        limits = binomtest(int(count), int(n)).proportion_ci(0.95, method="wilson" if n >= 3 else "exact")
        rates.append(count / n)
        below += (count / n - limits.low) ** 2
        above += (limits.high - count / n) ** 2
    mean = sum(rates) / len(rates)
    return mean, mean - sqrt(below) / len(rates), mean + sqrt(above) / len(rates)


@given(
    st.lists(COUNTS | st.just((0, 0)), min_size=1, max_size=14).filter(lambda pairs: any(n for _, n in pairs))
)
def test_the_interval_of_a_mean_recall_is_mover_written_out(pairs):
    count_K, n_K = np.array(pairs).T
    found = tuple(map(float, mean_recall(count_K, n_K)))
    assert found == pytest.approx(mover_by_hand(count_K, n_K), abs=1e-10)
    value, low, high = found
    assert low + 1e-12 >= 0
    assert high <= 1 + 1e-12
    assert low < high
    assert low <= value <= high


def test_a_mean_of_one_recall_is_that_recall():
    for count, n in ((0, 1), (1, 2), (7, 9)):
        assert tuple(map(float, mean_recall([count, 0], [n, 0]))) == pytest.approx(
            tuple(map(float, recall(count, n)))
        )


def test_the_mean_of_no_recall_is_nothing():
    assert np.isnan(mean_recall([0, 0], [0, 0])).all()


def test_the_largest_class_alone_has_a_mean_recall_with_a_width():
    """It was 7.1 (7.1 to 7.1): every recall is 0 or 1, and a bootstrap within classes knows no other."""
    found = mean_recall(np.where(SIZES == 194, 194, 0), SIZES)
    assert float(found.value) == pytest.approx(1 / 14)
    assert float(found.low) < 0.0714
    assert float(found.high) > 0.1


def test_data_sets_beside_each_other_have_the_intervals_that_each_has_alone():
    count_BK = np.random.default_rng(0).binomial(SIZES, 0.4, (5, len(SIZES)))
    together = mean_recall(count_BK, SIZES)
    for b, count_K in enumerate(count_BK):
        assert [float(of[b]) for of in together] == [float(of) for of in mean_recall(count_K, SIZES)]


def test_nets_that_say_the_same_are_one_net():
    right_NS = np.random.default_rng(1).random((40, 1)).repeat(3, 1) < 0.6
    assert mean_recall([right_NS.mean(1).sum()], [40]) == mean_recall([right_NS[:, 0].sum()], [40])


# --- differences ---


@given(COUNTS, COUNTS)
def test_the_difference_of_two_rates_is_newcombes_written_out(a, b):
    (low_a, high_a), (low_b, high_b) = (
        binomtest(count, n).proportion_ci(0.95, method="wilson") for count, n in (a, b)
    )
    p, q = a[0] / a[1], b[0] / b[1]
    found = difference(*(Estimate(np.array(count / n), *wilson(count, n)) for count, n in (a, b)))
    assert float(found.low) == pytest.approx(p - q - hypot(p - low_a, high_b - q))
    assert float(found.high) == pytest.approx(p - q + hypot(high_a - p, q - low_b))


def test_newcombes_published_example_of_a_difference():
    """Newcombe 1998, method 10, of 56/70 - 48/80: 0.0524 to 0.3339."""
    found = difference(*(Estimate(np.array(k / n), *wilson(k, n)) for k, n in ((56, 70), (48, 80))))
    assert [round(float(of), 4) for of in found] == [0.2, 0.0524, 0.3339]


def test_one_image_of_a_class_of_one_makes_no_difference_sure():
    """It was +7.1 (+7.1 to +7.1), p = 0."""
    count_a, count_b = np.where(SIZES == 1, 1, SIZES // 2), np.where(SIZES == 1, 0, SIZES // 2)
    found = difference(mean_recall(count_a, SIZES), mean_recall(count_b, SIZES))
    assert float(found.value) == pytest.approx(1 / 14)
    assert float(found.low) < 0 < float(found.high)


@pytest.mark.parametrize(
    ("better", "worse", "n"), [(0, 0, 394), (1, 0, 394), (1, 0, 1), (3, 3, 7), (5, 0, 5)]
)
def test_a_paired_difference_has_a_width_and_swaps_with_its_systems(better, worse, n):
    found, mirrored = paired_difference(better, worse, n), paired_difference(worse, better, n)
    assert float(found.value) == pytest.approx((better - worse) / n)
    assert -1 <= float(found.low) < float(found.high) <= 1
    assert [float(of) for of in mirrored] == pytest.approx(
        [-float(of) for of in (found[0], found[2], found[1])]
    )


def test_a_paired_difference_is_mover_of_correlated_shares_written_out():
    better, worse, n = 28, 12, 200
    p, q = better / n, worse / n
    (pl, pu), (ql, qu) = (binomtest(k, n).proportion_ci(0.95, method="wilson") for k in (better, worse))
    r = -sqrt(p * q / ((1 - p) * (1 - q)))  # of two cells of one multinomial
    low = p - q - sqrt((p - pl) ** 2 - 2 * r * (p - pl) * (qu - q) + (qu - q) ** 2)
    high = p - q + sqrt((pu - p) ** 2 - 2 * r * (pu - p) * (q - ql) + (q - ql) ** 2)
    assert [float(of) for of in paired_difference(better, worse, n)] == pytest.approx([p - q, low, high])


# --- F1 ---


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_f1_has_wilsons_limits_of_the_jaccard_index(hits, false_alarms, misses):
    n = hits + false_alarms + misses
    value, low, high = (float(of) for of in f1(hits, false_alarms, misses))
    if n == 0:
        assert np.isnan([value, low, high]).all()
        return
    limits = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    assert value == pytest.approx(2 * hits / (2 * hits + false_alarms + misses))
    assert (low, high) == pytest.approx(tuple(2 * j / (1 + j) for j in (limits.low, limits.high)))
    assert low < high


# --- simulation ---


RECALLS = {
    "all 0.15": np.full(14, 0.15),
    "all 0.5": np.full(14, 0.5),
    "uneven": np.array([0.78, 0.07, 0.28, 0.14, 0.2, 0.63, 0.42, 0.62, 0, 0.25, 0.85, 0.08, 0, 0.125]),
}


@pytest.mark.parametrize("name", RECALLS)
def test_uar_covers_the_truth_at_the_official_test_sizes(name):
    """The bootstrap within classes covered 71 to 88 % where 95 was said."""
    recall_K = RECALLS[name]
    found = mean_recall(np.random.default_rng(2).binomial(SIZES, recall_K, (4000, 14)), SIZES)
    covered = np.mean((found.low <= recall_K.mean()) & (recall_K.mean() <= found.high))
    assert 0.93 <= covered <= 0.985


@pytest.mark.parametrize("name", RECALLS)
@pytest.mark.parametrize("shared", [0, 0.5])
def test_uar_over_three_seeds_and_its_difference_cover_the_truth(name, shared):
    rng, recall_K = np.random.default_rng(3), RECALLS[name]

    def counts():
        same_BK = rng.binomial(SIZES, shared, (2000, 14))
        apart = sum(rng.binomial(SIZES - same_BK, recall_K) for _ in range(3))
        return rng.binomial(same_BK, recall_K) + apart / 3

    a, b = (mean_recall(counts(), SIZES) for _ in range(2))
    less = difference(a, b)
    assert np.mean((a.low <= recall_K.mean()) & (recall_K.mean() <= a.high)) >= 0.93
    assert np.mean((less.low <= 0) & (less.high >= 0)) >= 0.93
