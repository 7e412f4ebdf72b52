import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binomtest

from rafce.intervals import posterior_masses, wilson


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
