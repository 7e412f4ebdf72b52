"""What AUs tell: scikit-learn's mutual information, odds by hand, pairs counted one image at a time."""

from itertools import combinations, permutations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from scipy.stats.contingency import odds_ratio
from sklearn.metrics import mutual_info_score
from sklearn.metrics.cluster import expected_mutual_information

from rafce.association import (
    chance_bits,
    cooccurrence,
    information_interval,
    log_odds_ratio,
    mutual_information,
    telling_aus,
)
from rafce.statistics import Counts, PairCounts, count

EMOTIONS = ("calm", "torn", "glad")
AUS = (1, 4, 12, 25)


def images(seed: int, n: int = 200, known_share: float = 1.0):
    rng = np.random.default_rng(seed)
    emotion_N = rng.choice(3, n, p=[0.6, 0.3, 0.1])
    rates_EA = rng.uniform(0.2, 0.8, (3, 4))
    return emotion_N, rng.random((n, 4)) < rates_EA[emotion_N], rng.random((n, 4)) < known_share


def cooccurrence_of(emotion_N, active_NA, known_NA, emotions=EMOTIONS, aus=AUS) -> pd.DataFrame:
    """Of rows, by products of each emotion's tables."""
    products: list[list[np.ndarray]] = []
    for emotion in range(len(emotions)):
        known = known_NA[emotion_N == emotion].astype(int)
        active = known * active_NA[emotion_N == emotion]
        products.append([known.T @ known, active.T @ known, active.T @ active])
    return cooccurrence(PairCounts(*map(np.array, zip(*products, strict=True))), emotions, aus)


@pytest.mark.parametrize("seed", range(4))
def test_mutual_information_and_its_chance_level_equal_scikit_learns(seed):
    emotion_N, active_NA, known_NA = images(seed, known_share=0.8)
    table = mutual_information(count(emotion_N, active_NA, known_NA, 3), AUS)
    for column, row in enumerate(table.to_dict("records")):
        emotion, active = emotion_N[known_NA[:, column]], active_NA[known_NA[:, column], column]
        contingency = np.array([[((emotion == e) & (active == s)).sum() for s in (0, 1)] for e in range(3)])
        assert row["n"] == known_NA[:, column].sum()
        assert row["bits"] == pytest.approx(mutual_info_score(emotion, active) / np.log(2))
        chance = expected_mutual_information(contingency.astype(np.int64), int(row["n"])) / np.log(2)
        assert row["chance"] == pytest.approx(chance)
        assert row["excess"] == pytest.approx(row["bits"] - chance)


def test_the_chance_level_is_the_mean_over_all_shuffles():
    active = (1, 1, 0, 0, 0, 1)
    emotion = (0, 0, 0, 1, 1, 2)
    scores = [mutual_info_score(shuffled, active) / np.log(2) for shuffled in set(permutations(emotion))]
    assert chance_bits(np.array([3, 2, 1]), 3) == pytest.approx(np.mean(scores))


def test_the_chance_level_of_many_images_needs_the_likely_counts_only(monkeypatch):
    known_E, n_active = np.array([30_000, 2_000, 9, 60_000]), 40_000
    every = chance_bits(known_E, n_active)
    monkeypatch.setattr("rafce.association.ALL_COUNTS", 0)
    assert chance_bits(known_E, n_active) == pytest.approx(every, rel=1e-12)
    many = 1000 * known_E  # then 2 n ln 2 bits are chi-square with E - 1 degrees of freedom
    assert chance_bits(many, 1000 * n_active) == pytest.approx(3 / (2 * np.log(2) * many.sum()), rel=1e-3)


def test_an_au_that_names_the_emotion_tells_its_whole_entropy():
    table = mutual_information(Counts(np.array([[100], [100]]), np.array([[100], [0]])), [1])
    assert table["bits"].item() == pytest.approx(1.0)


def test_the_interval_covers_the_truth_whether_the_au_tells_much_little_or_nothing():
    rng = np.random.default_rng(0)
    n_E = np.array([300, 200, 60, 11])
    share_E = n_E / n_E.sum()
    for rate_E in ([0.3, 0.3, 0.3, 0.3], [0.3, 0.4, 0.3, 0.2], [0.1, 0.6, 0.9, 0.5]):
        p_ES = share_E[:, None] * np.stack([1 - np.array(rate_E), rate_E], axis=1)
        true = (p_ES * np.log2(p_ES / (p_ES.sum(1, keepdims=True) * p_ES.sum(0)))).sum()
        drawn = rng.multinomial(n_E.sum(), p_ES.ravel(), size=1500).reshape(1500, 4, 2)
        table = mutual_information(Counts(drawn.sum(2).T, drawn[:, :, 1].T), range(1500))
        covered = (table["ci_low"] <= true + 1e-9) & (true <= table["ci_high"])
        assert covered.mean() > 0.93


def test_the_interval_of_bits_solves_the_equation_of_its_score():
    bits, error, chance, n = 0.21, 0.03, 0.012, 400
    v0, v1 = chance / (n * np.log(2)), error**2 / bits
    for end in information_interval(bits, error, chance, n):
        assert abs(bits - chance - end) == pytest.approx(1.959964 * np.sqrt(v0 + v1 * end), rel=1e-6)


def test_an_au_as_frequent_everywhere_tells_nothing_and_its_interval_starts_at_0():
    row = mutual_information(Counts(np.array([[100], [50]]), np.array([[20], [10]])), [1]).iloc[0]
    assert row["bits"] == pytest.approx(0, abs=1e-12)
    assert row["ci_low"] == 0
    assert 0 < row["ci_high"] < 0.1


def test_an_au_never_seen_or_never_known_has_no_interval():
    table = mutual_information(Counts(np.array([[5, 0], [5, 0]]), np.zeros((2, 2), int)), [1, 2])
    assert table["bits"].tolist() == pytest.approx([0, np.nan], nan_ok=True)
    assert table[["ci_low", "ci_high"]].isna().all(axis=None)


def test_log_odds_are_the_textbook_ratio_of_the_cells_plus_a_half():
    value, low, high = log_odds_ratio(30, 10, 20, 40)
    assert value == pytest.approx(np.log(30.5 * 40.5 / (10.5 * 20.5)))
    error = np.sqrt(1 / 30.5 + 1 / 10.5 + 1 / 20.5 + 1 / 40.5)
    assert (low, high) == pytest.approx((value - 1.959964 * error, value + 1.959964 * error))


def test_with_many_images_log_odds_and_interval_are_scipys():
    cells = [[30000, 10000], [20000, 40000]]
    sample = odds_ratio(cells, kind="sample")
    interval = sample.confidence_interval()
    expected = np.log([sample.statistic, interval.low, interval.high])
    assert log_odds_ratio(30000, 10000, 20000, 40000) == pytest.approx(expected, abs=1e-4)


def test_each_emotion_is_held_against_all_the_others():
    emotion_N, active_NA, known_NA = images(3)
    table = telling_aus(count(emotion_N, active_NA, known_NA, 3), EMOTIONS, AUS)
    assert len(table) == 12
    for row in table.to_dict("records"):
        inside, active = (
            emotion_N == EMOTIONS.index(row["emotion"]),
            active_NA[:, AUS.index(row["au"])],
        )
        cells = [
            (active & inside).sum(),
            (~active & inside).sum(),
            (active & ~inside).sum(),
            (~active & ~inside).sum(),
        ]
        assert (row["log_odds"], row["ci_low"], row["ci_high"]) == pytest.approx(
            tuple(map(float, log_odds_ratio(*cells)))
        )
        assert (row["n"], row["active"], row["n_rest"], row["active_rest"]) == (
            sum(cells[:2]),
            cells[0],
            sum(cells[2:]),
            cells[2],
        )


def test_the_order_is_by_what_is_sure():
    table = telling_aus(
        Counts(np.array([[400, 400], [9, 400]]), np.array([[200, 320], [8, 80]])), ("a", "b"), (1, 2)
    )
    first = table[table["emotion"] == "a"]
    assert first["au"].tolist() == [2, 1]
    assert first["strength"].tolist() == pytest.approx([first["ci_low"].iloc[0], 0])
    against = table[(table["emotion"] == "b") & (table["au"] == 2)]
    assert against["strength"].item() == against["ci_high"].item() < 0


def test_an_au_that_a_small_class_never_shows_does_not_speak_for_it():
    table = telling_aus(Counts(np.array([[11], [4538]]), np.array([[0], [3]])), ("small", "rest"), (43,))
    small = table[table["emotion"] == "small"]
    assert small["ci_low"].item() > 0  # the halves alone make this
    assert small["strength"].item() == 0


def test_log_odds_need_images_on_both_sides():
    table = telling_aus(Counts(np.array([[0], [50]]), np.array([[0], [20]])), ("none", "all"), (1,))
    assert table["log_odds"].isna().all()
    assert (table["strength"] == 0).all()


@pytest.mark.parametrize("known_share", [1.0, 0.7])
def test_cooccurrence_equals_counting_pairs_image_by_image(known_share):
    emotion_N, active_NA, known_NA = images(5, known_share=known_share)
    table = cooccurrence_of(emotion_N, active_NA, known_NA)
    assert len(table) == 3 * 6
    rows = iter(table.to_dict("records"))
    for id_, emotion in enumerate(EMOTIONS):
        for i, j in combinations(range(4), 2):
            row = next(rows)
            both_known = [n for n in range(200) if emotion_N[n] == id_ and known_NA[n, i] and known_NA[n, j]]
            first, second = active_NA[both_known, i], active_NA[both_known, j]
            assert (row["emotion"], row["au_1"], row["au_2"], row["n"]) == (
                emotion,
                AUS[i],
                AUS[j],
                len(both_known),
            )
            assert (row["active_1"], row["active_2"], row["count"]) == (
                first.sum(),
                second.sum(),
                (first & second).sum(),
            )
            assert row["expected"] == pytest.approx(first.mean() * second.mean())
            assert row["phi"] == pytest.approx(np.corrcoef(first, second)[0, 1])
            interval = binomtest(int((first & second).sum()), len(both_known)).proportion_ci(method="wilson")
            assert (row["ci_low"], row["ci_high"]) == pytest.approx((interval.low, interval.high))


def test_odds_of_a_pair_are_those_of_its_four_cells():
    emotion_N, active_NA, known_NA = images(6)
    row = cooccurrence_of(emotion_N, active_NA, known_NA).iloc[0]
    first, second = active_NA[emotion_N == 0, 0], active_NA[emotion_N == 0, 1]
    cells = [
        (first & second).sum(),
        (first & ~second).sum(),
        (~first & second).sum(),
        (~first & ~second).sum(),
    ]
    assert row[["log_odds", "log_odds_low", "log_odds_high"]].to_numpy(float) == pytest.approx(
        np.array(log_odds_ratio(*cells))
    )


def test_a_pair_that_cannot_vary_has_a_rate_but_no_correlation():
    active_NA = np.array([[True, False], [True, True]])
    table = cooccurrence_of(np.array([0, 0]), active_NA, np.ones((2, 2), np.bool_), ("calm", "torn"), (1, 2))
    assert table["frequency"].tolist() == pytest.approx([0.5, np.nan], nan_ok=True)
    assert table[["phi", "log_odds", "log_odds_low"]].isna().all(axis=None)


def test_permuting_aus_permutes_the_results():
    emotion_N, active_NA, known_NA = images(7, known_share=0.9)
    order = [2, 0, 3, 1]
    counts = [count(emotion_N, active_NA[:, o], known_NA[:, o], 3) for o in (range(4), order)]
    aus = [AUS, [AUS[i] for i in order]]
    information = [
        mutual_information(c, a).set_index("au").sort_index() for c, a in zip(counts, aus, strict=True)
    ]
    pd.testing.assert_frame_equal(information[0], information[1])
    telling = [telling_aus(c, EMOTIONS, a) for c, a in zip(counts, aus, strict=True)]
    pd.testing.assert_frame_equal(telling[0], telling[1])
