"""Paired tests against SciPy, enumeration of all flips and swaps in fractions, and simulation."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from rafce.bootstrap import group_sums
from rafce.paired import (
    Calls,
    flip_test,
    holm,
    macro_f1_swap_tests,
    mcnemar,
    net_difference,
    smallest_p,
    uar_differences,
)

SIZES = np.array([126, 54, 36, 44, 25, 178, 43, 113, 6, 44, 194, 37, 1, 8])
"""Test images of each emotion in the official partition of RAF-CE."""


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


# --- UAR ---


def share_of_flips(values):
    """How often the sum is as large when each value has either sign: all of them, in fractions."""
    observed = abs(sum(values))
    reached = [
        abs(sum(sign * value for sign, value in zip(signs, values, strict=True))) >= observed
        for signs in product([-1, 1], repeat=len(values))
    ]
    return sum(reached) / len(reached)


@pytest.mark.parametrize("seed", range(6))
def test_p_of_uar_is_the_share_of_all_sign_flips_that_reach_the_difference(seed):
    rng = np.random.default_rng(seed)
    class_N = np.array([0, 0, 0, 0, 1, 1, 1, 2, 3, 3])
    difference_N = rng.integers(-3, 4, 10)
    n_K = np.bincount(class_N)
    shares = [Fraction(int(d), int(n_K[k])) for d, k in zip(difference_N, class_N, strict=True)]
    p = flip_test(uar_differences(difference_N, class_N), draws=40_000, seed=seed)
    assert p == pytest.approx(share_of_flips(shares), abs=0.01)


def test_p_of_uar_over_groups_flips_whole_groups():
    rng = np.random.default_rng(1)
    class_N, group_N, difference_N = rng.integers(0, 3, 30), np.arange(30) % 8, rng.integers(-1, 2, 30)
    n_K = np.bincount(class_N)
    sums = [
        sum(
            (
                Fraction(int(d), int(n_K[k]))
                for d, k, of in zip(difference_N, class_N, group_N, strict=True)
                if of == g
            ),
            Fraction(0),
        )
        for g in range(8)
    ]
    p = flip_test(uar_differences(difference_N, class_N, group_N), draws=40_000)
    assert p == pytest.approx(share_of_flips(sums), abs=0.01)


def test_what_images_add_to_uar_is_exact_in_a_common_unit():
    class_N = np.repeat(np.arange(14), SIZES)
    difference_N = np.random.default_rng(2).integers(-1, 2, len(class_N))
    value_N = uar_differences(difference_N, class_N)
    scale = int(np.lcm.reduce(SIZES))
    assert value_N.dtype == np.int64
    for value, d, k in zip(value_N.tolist(), difference_N.tolist(), class_N, strict=True):
        assert Fraction(value, scale) == Fraction(d, int(SIZES[k]))


def test_class_sizes_without_a_common_divisor_need_whole_numbers_of_any_length():
    sizes = [1009, 1013, 1019, 1021, 1031, 1033, 1039]  # primes: their product has 70 bits
    class_N = np.repeat(np.arange(7), sizes)
    rng = np.random.default_rng(3)
    difference_N = rng.integers(-1, 2, len(class_N)) * (rng.random(len(class_N)) < 0.01)
    value_N = uar_differences(difference_N, class_N)
    assert value_N.dtype == object
    total = sum(Fraction(int(d), sizes[k]) for d, k in zip(difference_N, class_N, strict=True))
    assert Fraction(sum(value_N.tolist()), int(np.prod(np.array(sizes, object)))) == total
    group_N = np.arange(len(class_N)) % 6
    grouped = uar_differences(difference_N, class_N, group_N)
    assert flip_test(grouped, draws=20_000) == pytest.approx(share_of_flips(grouped.tolist()), abs=0.015)
    assert 0 < flip_test(value_N, draws=99) <= 1


@pytest.mark.parametrize("size", SIZES)
def test_one_discordant_image_gives_p_1_whatever_its_class(size):
    """It was 0 in a class of one: the bootstrap never left that image out."""
    class_N = np.repeat(np.arange(14), SIZES)
    difference_N = np.zeros(len(class_N), np.int64)
    difference_N[np.flatnonzero(SIZES[class_N] == size)[0]] = 1
    assert flip_test(uar_differences(difference_N, class_N)) == 1


def test_equal_systems_give_p_1():
    assert flip_test(np.zeros(5, np.int64)) == 1


def test_ties_are_hits_though_thirds_and_sixths_add_up_to_other_floats():
    class_N = np.repeat([0, 1, 2], [3, 6, 10])  # 1/3 = 1/6 + 1/6, 1/10 + 1/10 + 1/10 = 3/10
    difference_N = np.zeros(19, np.int64)
    difference_N[[0, 3, 4]] = [
        1,
        -1,
        -1,
    ]  # thirds less sixths: the sum is 0, as is no float sum of them for sure
    assert flip_test(uar_differences(difference_N, class_N)) == 1
    difference_N[[0, 3, 4]] = [1, 1, -1]  # 1/3: of the 8 flips two give 2/3, four 1/3, two 0
    p = flip_test(uar_differences(difference_N, class_N), draws=40_000)
    assert p == pytest.approx(6 / 8, abs=0.01)


def test_p_counts_the_observation_among_the_draws_and_knows_its_least():
    value_U = np.arange(1, 41)
    assert flip_test(value_U, draws=199) == 1 / 200
    for n in (1, 2, 5):
        assert flip_test(np.ones(n, np.int64), draws=50_000) >= smallest_p(n) == 2.0 ** (1 - n)


def test_many_draws_come_in_blocks(monkeypatch):
    value_U = np.random.default_rng(5).integers(-4, 5, 60)
    whole = flip_test(value_U, draws=4000)
    monkeypatch.setattr("rafce.paired.BLOCK", 100)
    assert flip_test(value_U, draws=4000) == pytest.approx(whole, abs=0.03)


@pytest.mark.parametrize("recall", [0.15, 0.5])
def test_the_test_of_uar_finds_a_difference_between_equal_systems_in_5_of_100_cases(recall):
    """The bootstrap with the normal curve found one in 12 to 29."""
    class_N, rng, found = np.repeat(np.arange(14), SIZES), np.random.default_rng(6), 0
    for trial in range(800):
        a, b = rng.random((2, len(class_N), 1)) < recall
        found += flip_test(uar_differences(net_difference(a, b), class_N), draws=199, seed=trial) <= 0.05
    assert found <= 0.065 * 800


# --- macro-F1 ---


def macro_f1_in_fractions(hits, calls, positives, judged):
    """Mean over nets of the mean F1 over judged labels that any image has."""
    nets = []
    for hits_X, calls_X, judged_X in zip(hits, calls, judged, strict=True):
        labels = [x for x in range(len(positives)) if judged_X[x] and positives[x]]
        f1s = [Fraction(2 * int(hits_X[x]), int(positives[x] + calls_X[x])) for x in labels]
        nets.append(sum(f1s, Fraction(0)) / max(len(f1s), 1))
    return sum(nets, Fraction(0)) / len(nets)


def share_of_swaps(a, b, positives):
    """How often macro-F1 differs as much when each unit's predictions are swapped or not: all swaps, in fractions."""
    judged = (a.judged_SX, b.judged_SX)

    def distance(swapped):
        swapped = np.array(swapped, bool)[:, None, None]
        hits = np.where(swapped, b.hits_USX, a.hits_USX), np.where(swapped, a.hits_USX, b.hits_USX)
        calls = np.where(swapped, b.calls_USX, a.calls_USX), np.where(swapped, a.calls_USX, b.calls_USX)
        one, other = (
            macro_f1_in_fractions(h.sum(0), c.sum(0), positives, j)
            for h, c, j in zip(hits, calls, judged, strict=True)
        )
        return abs(one - other)

    n_units = len(a.hits_USX)
    observed = distance([False] * n_units)
    reached = [distance(swapped) >= observed for swapped in product([False, True], repeat=n_units)]
    return sum(reached) / len(reached)


def calls_of(rng, true_NX, n_nets, group_N=None, judged=None):
    called_NSX = rng.random((len(true_NX), n_nets, true_NX.shape[1])) < 0.4
    hits_NSX = called_NSX & true_NX[:, None]
    if group_N is not None:
        hits_NSX, called_NSX = group_sums(hits_NSX, group_N), group_sums(called_NSX, group_N)
    judged_SX = np.ones((n_nets, true_NX.shape[1]), np.bool_) if judged is None else judged
    return Calls(hits_NSX.astype(np.int64), called_NSX.astype(np.int64), judged_SX)


@pytest.mark.parametrize("seed", range(4))
def test_p_of_au_macro_f1_is_the_share_of_all_swaps_that_reach_the_difference(seed):
    rng = np.random.default_rng(seed)
    true_NX = rng.random((8, 3)) < [0.5, 0.4, 0.0]  # the third is active in no image: in no mean
    a, b = (calls_of(rng, true_NX, 2) for _ in "ab")
    (p,) = macro_f1_swap_tests([a, b], true_NX.sum(0), [(0, 1)], draws=20_000)
    assert p == pytest.approx(share_of_swaps(a, b, true_NX.sum(0)), abs=0.015)


@pytest.mark.parametrize("seed", range(3))
def test_p_of_emotion_macro_f1_is_the_share_of_all_swaps_that_reach_the_difference(seed):
    rng = np.random.default_rng(seed)
    true_NX = np.eye(3, dtype=bool)[rng.integers(0, 3, 9)]
    systems = []
    for _ in "ab":
        called_N1X = np.eye(3, dtype=bool)[rng.integers(0, 3, (9, 1))]
        systems.append(
            Calls(
                (called_N1X & true_NX[:, None]).astype(np.int64),
                called_N1X.astype(np.int64),
                np.ones((1, 3), np.bool_),
            )
        )
    (p,) = macro_f1_swap_tests(systems, true_NX.sum(0), [(0, 1)], draws=20_000)
    assert p == pytest.approx(share_of_swaps(systems[0], systems[1], true_NX.sum(0)), abs=0.015)


def test_groups_are_swapped_as_a_whole():
    rng = np.random.default_rng(7)
    true_NX, group_N = rng.random((40, 2)) < 0.4, np.arange(40) % 7
    a, b = (calls_of(rng, true_NX, 1, group_N) for _ in "ab")
    (p,) = macro_f1_swap_tests([a, b], true_NX.sum(0), [(0, 1)], draws=20_000)
    assert p == pytest.approx(share_of_swaps(a, b, true_NX.sum(0)), abs=0.015)


def test_copies_of_a_net_change_no_p_of_macro_f1():
    rng = np.random.default_rng(8)
    true_NX = rng.random((30, 3)) < 0.4
    a, b = (calls_of(rng, true_NX, 1) for _ in "ab")
    copied = Calls(a.hits_USX.repeat(2, 1), a.calls_USX.repeat(2, 1), a.judged_SX.repeat(2, 0))
    once, twice = (
        macro_f1_swap_tests([system, b], true_NX.sum(0), [(0, 1)], draws=999) for system in (a, copied)
    )
    assert once == twice


def test_systems_are_compared_with_several_pairs_as_alone():
    rng = np.random.default_rng(9)
    true_NX = rng.random((30, 3)) < 0.4
    systems = [calls_of(rng, true_NX, n) for n in (1, 2, 3)]
    together = macro_f1_swap_tests(systems, true_NX.sum(0), [(0, 1), (2, 0), (1, 2)], draws=999)
    alone = [
        macro_f1_swap_tests([systems[i], systems[j]], true_NX.sum(0), [(0, 1)], draws=999)[0]
        for i, j in ((0, 1), (2, 0), (1, 2))
    ]
    assert together.tolist() == alone


def test_one_image_on_which_systems_call_other_aus_gives_p_1_and_so_do_equal_systems():
    rng = np.random.default_rng(10)
    true_NX = rng.random((30, 3)) < 0.4
    a = calls_of(rng, true_NX, 1)
    hits, calls = a.hits_USX.copy(), a.calls_USX.copy()
    calls[3, 0, 1] = 1 - calls[3, 0, 1]
    hits[3, 0, 1] = calls[3, 0, 1] * true_NX[3, 1]
    other = a._replace(hits_USX=hits, calls_USX=calls)
    assert macro_f1_swap_tests([a, other, a], true_NX.sum(0), [(0, 1), (0, 2)]).tolist() == [1, 1]


def test_the_test_of_macro_f1_finds_a_difference_between_equal_systems_in_5_of_100_cases():
    rng, trials = np.random.default_rng(11), 300
    true_NX = rng.random((150, 4)) < [0.5, 0.2, 0.1, 0.02]
    systems = [calls_of(rng, true_NX, 1) for _ in range(2 * trials)]
    pairs = [(i, i + 1) for i in range(0, 2 * trials, 2)]
    p_P = macro_f1_swap_tests(systems, true_NX.sum(0), pairs, draws=199)
    assert 0.01 * trials <= np.sum(p_P <= 0.05) <= 0.085 * trials
