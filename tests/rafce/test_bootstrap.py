"""The bootstrap over groups or images against loops that draw them, closed forms and simulation."""

import numpy as np
import pytest
from scipy.stats import binomtest

from rafce.bootstrap import (
    OVER_IMAGES,
    Ratios,
    Resampling,
    drawn_sums,
    figure_of_draws,
    group_sums,
    grouped_ratio_interval,
    mean_of_draws,
    mean_recall_difference_over_groups,
    mean_recall_over_groups,
    rate_difference_over_groups,
    resampling_of,
)
from rafce.intervals import Estimate, mean_recall, paired_difference, wilson


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
    monkeypatch.setattr("rafce.bootstrap.BLOCK_SIZE", block_size)
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


@pytest.mark.parametrize("n_groups", [2, 7])
def test_groups_that_all_have_the_same_share_have_an_interval_with_a_width(n_groups):
    known_G = 4 * np.arange(1, n_groups + 1)
    found = grouped_ratio_interval(known_G // 2, known_G)
    np.testing.assert_allclose(found, wilson(n_groups / 2, n_groups))


# --- drawing ---


def test_sums_equal_a_loop_that_draws_units_and_adds_their_values():
    value_UX = np.random.default_rng(0).integers(0, 9, (6, 2, 3))
    rng, found = np.random.default_rng(4), drawn_sums(value_UX, draws=50, seed=4)
    for sums_X in found:
        expected = np.zeros((2, 3))
        for unit in rng.integers(6, size=6):
            expected += value_UX[unit]
        np.testing.assert_array_equal(sums_X, expected)


def test_images_are_groups_of_one():
    value_NX = np.random.default_rng(1).integers(0, 5, (9, 2))
    alone, grouped = OVER_IMAGES, resampling_of(np.arange(9))
    np.testing.assert_array_equal(grouped.sums(value_NX), alone.sums(value_NX))
    for one, other in zip(alone.weights(9, 20), grouped.weights(9, 20), strict=True):
        np.testing.assert_array_equal(one, other)


def test_every_image_of_a_group_counts_as_often_as_its_group_is_drawn():
    group_N = np.array([1, 0, 1, 2, 2, 2])
    rng = np.random.default_rng(0)
    for times_N, drawn_G in zip(
        Resampling(group_N).weights(6, 30), rng.integers(3, size=(30, 3)), strict=True
    ):
        assert times_N.tolist() == [int((drawn_G == group).sum()) for group in group_N]


def test_group_sums_of_whole_numbers_beyond_64_bits_are_exact():
    value_N = np.array([10**30, 1, -(10**30), 5], object)
    assert group_sums(value_N, np.array([0, 1, 1, 0])).tolist() == [10**30 + 5, 1 - 10**30]


# --- a mean recall over groups ---


def counts_of_groups(seed, n_groups=12, n_classes=4):
    rng = np.random.default_rng(seed)
    n_UK = rng.integers(0, 6, (n_groups, n_classes))
    return Ratios(rng.binomial(n_UK, 0.5), n_UK)


def test_uar_over_groups_equals_a_loop_that_draws_groups():
    ratios = counts_of_groups(3)
    whole_K = ratios.numerator.sum(0) / ratios.denominator.sum(0)
    rng, uars = np.random.default_rng(0), []
    for _ in range(300):
        drawn = rng.integers(12, size=12)
        right_K, n_K = ratios.numerator[drawn].sum(0), ratios.denominator[drawn].sum(0)
        uars.append(np.mean([r / n if n else w for r, n, w in zip(right_K, n_K, whole_K, strict=True)]))
    found = mean_recall_over_groups(ratios, draws=300)
    assert found.value == pytest.approx(whole_K.mean())
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(uars, [2.5, 97.5])))


def test_the_difference_in_uar_over_groups_equals_a_loop_that_draws_groups():
    a = counts_of_groups(4)
    b = Ratios(np.random.default_rng(5).binomial(a.denominator, 0.4), a.denominator)
    rng, differences = np.random.default_rng(0), []
    for _ in range(300):
        drawn = rng.integers(12, size=12)
        n_K = a.denominator[drawn].sum(0)
        differences.append(np.mean((a.numerator - b.numerator)[drawn].sum(0) / n_K))
    found = mean_recall_difference_over_groups(a, b, draws=300)
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(differences, [2.5, 97.5])))


def test_the_largest_class_has_a_mean_recall_with_a_width_over_groups_too():
    """All its images are right, all others wrong, in every draw: 25.0 (25.0 to 25.0)."""
    n_UK = np.random.default_rng(6).integers(0, 6, (12, 4))
    right_UK = n_UK * (np.arange(4) == 2)
    found = mean_recall_over_groups(Ratios(right_UK, n_UK))
    as_images_K = (n_UK > 0).sum(0)
    expected = mean_recall(as_images_K * (np.arange(4) == 2), as_images_K)
    assert [float(of) for of in found] == pytest.approx([float(of) for of in expected])
    assert found.low < 0.25 < found.high


def test_one_image_of_a_class_of_one_group_makes_no_difference_sure():
    n_UK = np.zeros((30, 2), np.int64)
    n_UK[:, 0], n_UK[7, 1] = 5, 1
    a_UK = np.random.default_rng(8).binomial(n_UK, [0.5, 1.0])
    b_UK = a_UK * [1, 0]  # else alike
    found = mean_recall_difference_over_groups(Ratios(a_UK, n_UK), Ratios(b_UK, n_UK))
    assert found.value == pytest.approx(0.5)
    assert found.low < 0


def test_equal_systems_differ_by_an_interval_with_a_width():
    ratios = counts_of_groups(9)
    found = mean_recall_difference_over_groups(ratios, ratios)
    assert found.low < found.value == 0 < found.high
    rate = rate_difference_over_groups(np.zeros(12), ratios.denominator.sum(1))
    assert [float(of) for of in rate] == pytest.approx([float(of) for of in paired_difference(0, 0, 12)])


def test_a_single_group_has_no_mean_recall_interval():
    one = Ratios(np.array([[2, 0]]), np.array([[3, 1]]))
    for found in (
        mean_recall_over_groups(one),
        mean_recall_difference_over_groups(one, one),
        rate_difference_over_groups(np.array([1]), np.array([4])),
    ):
        assert not np.isnan(found.value)
        assert np.isnan([found.low, found.high]).all()


# --- figures and means of draws ---


def test_a_mean_of_figures_that_vary_has_the_percentiles_of_its_draws():
    drawn_RK = np.random.default_rng(10).random((400, 3))
    drawn_RK[::7, 1] = np.nan  # draws that miss it keep its value
    value_K = np.array([0.4, 0.5, 0.6])
    filled_RK = np.where(np.isnan(drawn_RK), value_K, drawn_RK)
    one_K = Estimate(value_K, value_K - 0.1, value_K + 0.1)
    found = mean_of_draws(one_K, drawn_RK)
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(filled_RK.mean(1), [2.5, 97.5])))
    normal = mean_of_draws(one_K, drawn_RK, is_normal=True)
    assert normal.high - normal.value == pytest.approx(1.96 * filled_RK.mean(1).std())


def test_a_class_that_is_the_same_in_every_draw_of_images_adds_its_own_width():
    drawn_RK = np.random.default_rng(13).random((400, 3))
    drawn_RK[:, 2] = 0
    value_K = np.array([0.4, 0.5, 0.0])
    one_K = Estimate(value_K, np.array([0.3, 0.4, 0.0]), np.array([0.6, 0.7, 0.9]))
    low, high = np.percentile(drawn_RK.mean(1), [2.5, 97.5])
    of_groups, of_images = (mean_of_draws(one_K, drawn_RK, of_images=of) for of in (False, True))
    assert (of_groups.low, of_groups.high) == pytest.approx((low, high))
    assert of_images.low == pytest.approx(low)
    assert of_images.high == pytest.approx(0.3 + np.hypot(high - 0.3, 0.9 / 3))


def test_a_mean_that_is_the_same_in_every_draw_has_the_limits_of_independent_figures():
    value_K = np.array([1.0, 0.0])
    one_K = Estimate(value_K, np.array([0.8, 0.0]), np.array([1.0, 0.5]))
    found = mean_of_draws(one_K, np.tile(value_K, (50, 1)))
    assert [float(of) for of in found] == pytest.approx([0.5, 0.4, 0.75])


def test_a_figure_that_never_varies_has_its_own_limits():
    one_X = Estimate(np.array([1.0, 0.3]), np.array([0.4, 0.1]), np.array([1.0, 0.6]))
    drawn_RX = np.stack([np.ones(99), np.linspace(0, 0.5, 99)], axis=1)
    found = figure_of_draws(one_X, drawn_RX)
    assert (found.low[0], found.high[0]) == (0.4, 1.0)
    assert (found.low[1], found.high[1]) == pytest.approx(tuple(np.percentile(drawn_RX[:, 1], [2.5, 97.5])))


def test_f1_over_groups_is_the_bootstrap_of_the_jaccard_index():
    rng = np.random.default_rng(11)
    union_NX = rng.random((60, 1)) < 0.6
    hit_NX, group_N = union_NX & (rng.random((60, 1)) < 0.5), np.arange(60) % 9
    found = Resampling(group_N).f1(hit_NX, union_NX)
    of_groups = grouped_ratio_interval(group_sums(hit_NX, group_N), group_sums(union_NX, group_N))
    assert [float(of[0]) for of in found[1:]] == pytest.approx([2 * j[0] / (1 + j[0]) for j in of_groups])


def test_independent_images_have_the_intervals_in_closed_form():
    rng = np.random.default_rng(12)
    member_NK = rng.integers(0, 3, 50)[:, None] == np.arange(3)
    hit_NK = member_NK & (rng.random(50) < 0.4)[:, None]
    found = OVER_IMAGES.mean_recall(hit_NK, member_NK)
    assert found == mean_recall(hit_NK.sum(0), member_NK.sum(0))
    rate = OVER_IMAGES.rate(hit_NK.any(1), np.ones(50, np.bool_))
    expected = binomtest(int(hit_NK.sum()), 50).proportion_ci(method="wilson")
    assert (rate.low, rate.high) == pytest.approx((expected.low, expected.high))
