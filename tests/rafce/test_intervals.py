import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binomtest

from rafce.intervals import grouped_ratio_interval, posterior_masses, wilson


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


# --- groups ---


def grouped_counts(n_groups, shape=(3, 4), seed=0):
    """Of each group the active images and all, some groups without any."""
    rng = np.random.default_rng(seed)
    known = rng.integers(0, 30, (n_groups, *shape)) * (rng.random((n_groups, *shape)) < 0.8)
    return rng.binomial(known, rng.beta(2, 3, known.shape)), known


def bootstrap_by_hand(numerator_G, denominator_G, draws, seed):
    rng = np.random.default_rng(seed)
    ratios = []
    for _ in range(draws):
        drawn = rng.integers(len(numerator_G), size=len(numerator_G)).tolist()
        n = sum(int(denominator_G[group]) for group in drawn)
        ratios.append(sum(int(numerator_G[group]) for group in drawn) / n if n else None)
    return ratios


@pytest.mark.parametrize(("n_groups", "block_size"), [(2, 1 << 22), (7, 20), (40, 130), (25, 1)])
def test_the_interval_over_groups_equals_a_bootstrap_by_hand(n_groups, block_size, monkeypatch):
    monkeypatch.setattr("rafce.intervals.BLOCK_SIZE", block_size)
    active, known = grouped_counts(n_groups, shape=(3,), seed=n_groups)
    active[0], known[0], known[1] = 1, 5, np.maximum(known[1], 2)  # none is 0 or 1 throughout
    low, high = grouped_ratio_interval(active, known, draws=200, seed=3)
    for i in range(3):
        ratios = [
            ratio for ratio in bootstrap_by_hand(active[:, i], known[:, i], 200, 3) if ratio is not None
        ]
        assert (low[i], high[i]) == pytest.approx(np.percentile(ratios, [2.5, 97.5]), rel=1e-12)


def test_each_element_is_drawn_as_it_is_alone():
    active, known = grouped_counts(12)
    low, high = grouped_ratio_interval(active, known)
    for position in np.ndindex(low.shape):
        alone = grouped_ratio_interval(active[:, *position], known[:, *position])
        assert alone == pytest.approx((low[position], high[position]), nan_ok=True)


def test_a_single_group_has_no_interval():
    low, high = grouped_ratio_interval([[3, 0], [0, 1], [0, 2]], [[9, 0], [0, 4], [0, 7]])
    assert np.isnan([low[0], high[0]]).all()
    assert not np.isnan([low[1], high[1]]).any()
    assert np.isnan(grouped_ratio_interval([[1]], [[2]])).all()
    assert np.isnan(grouped_ratio_interval(np.zeros((0, 3)), np.zeros((0, 3)))).all()


@pytest.mark.parametrize("n_groups", [2, 5, 30])
def test_groups_that_are_all_alike_count_as_one_image_each(n_groups):
    known_G = np.arange(1, n_groups + 1)
    for active_G, count in ((0 * known_G, 0), (known_G, n_groups)):
        np.testing.assert_allclose(grouped_ratio_interval(active_G, known_G), wilson(count, n_groups))


def test_groups_of_one_image_have_the_interval_of_independent_images():
    active_G = np.arange(400) < 100
    found = grouped_ratio_interval(active_G, np.ones(400))
    np.testing.assert_allclose(found, wilson(100, 400), atol=0.01)


def test_copies_of_an_image_add_nothing():
    active_G, known_G = np.arange(50) % 3 == 0, np.ones(50)
    once = grouped_ratio_interval(active_G, known_G)
    np.testing.assert_allclose(grouped_ratio_interval(30 * active_G, 30 * known_G), once)


def test_the_interval_over_groups_covers_the_true_rate_where_wilson_does_not():
    rng = np.random.default_rng(5)
    covered, covered_by_wilson, trials = 0, 0, 150
    for _ in range(trials):
        known_G = rng.integers(10, 60, 40)
        active_G = rng.binomial(known_G, rng.beta(1, 2, 40))  # frames of a video resemble each other
        low, high = grouped_ratio_interval(active_G, known_G, draws=400)
        covered += bool(low <= 1 / 3 <= high)
        narrow_low, narrow_high = wilson(active_G.sum(), known_G.sum())
        covered_by_wilson += bool(narrow_low <= 1 / 3 <= narrow_high)
    assert covered >= 0.88 * trials
    assert covered_by_wilson < 0.6 * trials
