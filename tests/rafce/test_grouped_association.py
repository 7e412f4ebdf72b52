"""What AUs tell over groups: against loops over draws, and by simulation of videos whose frames resemble each other."""

import numpy as np
import pytest

from rafce.association import information_bits as bits_of_table
from rafce.association import log_odds_ratio, telling_aus
from rafce.grouped import GroupTally, grouped_sureness
from rafce.grouped_association import information_bits, log_odds_bounds, mutual_information_over_groups
from rafce.lab_vs_wild import compare_lab_and_wild
from rafce.reference import LabCell
from rafce.statistics import sureness

AUS = (1, 2, 12)


def tally_of(known_GEA, active_GEA) -> GroupTally:
    names = tuple(f"g{i}" for i in range(len(known_GEA)))
    return GroupTally(
        names, np.array(["train"] * len(names), object), known_GEA.max(-1), known_GEA, active_GEA
    )


def random_tally(n_groups: int, seed: int, n_images: int = 6, n_emotions: int = 4) -> GroupTally:
    rng = np.random.default_rng(seed)
    known_GEA = rng.integers(0, n_images, (n_groups, n_emotions, len(AUS)))
    return tally_of(known_GEA, rng.binomial(known_GEA, rng.beta(1, 1, known_GEA.shape)))


def draws(tally: GroupTally, n: int = 2000):
    """Active and known images of each draw, shape (E, A), drawn one group after the other."""
    rng, n_groups = np.random.default_rng(0), len(tally.names)
    for _ in range(n):
        drawn = rng.integers(n_groups, size=n_groups)
        yield sum(tally.active_GEA[g] for g in drawn), sum(tally.known_GEA[g] for g in drawn)


def test_bits_of_many_tables_are_those_of_each():
    tally = random_tally(5, seed=1)
    found_GA = information_bits(tally.known_GEA.astype(float), tally.active_GEA.astype(float))
    for g, a in np.ndindex(found_GA.shape):
        active_E, known_E = tally.active_GEA[g, :, a], tally.known_GEA[g, :, a]
        expected, _ = bits_of_table(np.stack([known_E - active_E, active_E], axis=1))
        assert found_GA[g, a] == pytest.approx(expected, abs=1e-12)
    assert information_bits(np.zeros((2, 3)), np.zeros((2, 3))).tolist() == [0, 0, 0]


def test_information_takes_off_what_draws_add_and_turns_their_percentiles_round():
    tally = random_tally(8, seed=2)
    found = mutual_information_over_groups(tally, AUS)
    bits_RA = np.array([information_bits(known, active) for active, known in draws(tally)])
    for a, row in enumerate(found.to_dict("records")):
        low, high = 2 * row["bits"] - np.percentile(bits_RA[:, a], [97.5, 2.5])
        assert row["chance"] == pytest.approx(bits_RA[:, a].mean() - row["bits"])
        assert row["excess"] == pytest.approx(row["bits"] - row["chance"])
        assert [row["ci_low"], row["ci_high"]] == pytest.approx([max(0, low), max(0, high)])


def test_draws_without_an_image_that_knows_the_au_tell_nothing():
    known_GEA, active_GEA = np.zeros((2, 10, 2, 2), int)
    known_GEA[:, :, 0] = 5
    active_GEA[:, 0, 0] = np.arange(10) % 6
    known_GEA[:2, :, 1], active_GEA[0, 0, 1], active_GEA[1, 1, 1] = 5, 4, 1
    tally = tally_of(known_GEA, active_GEA)
    found = mutual_information_over_groups(tally, (1, 2)).set_index("au").astype(float).loc[2].to_dict()
    bits = [information_bits(k.astype(float), a.astype(float))[1] for a, k in draws(tally) if k[:, 1].any()]
    assert found["chance"] == pytest.approx(np.mean(bits) - found["bits"])
    low, high = 2 * found["bits"] - np.quantile(bits, (0.975, 0.025))
    assert [found["ci_low"], found["ci_high"]] == pytest.approx([max(low, 0), max(high, 0)])


def test_log_odds_have_the_percentiles_of_their_draws():
    tally = random_tally(7, seed=3, n_images=4)
    low_EA, high_EA = log_odds_bounds(tally)
    drawn: dict[tuple[int, int], list[float]] = {}
    for active, known in draws(tally):
        for e, a in np.ndindex(active.shape):
            rest_active, rest_known = active[:, a].sum() - active[e, a], known[:, a].sum() - known[e, a]
            cells = (active[e, a], known[e, a] - active[e, a], rest_active, rest_known - rest_active)
            value = float(log_odds_ratio(*cells)[0])
            if not np.isnan(value):
                drawn.setdefault((e, a), []).append(value)
    for position, values in drawn.items():
        found = (low_EA[position], high_EA[position])
        assert found == pytest.approx(tuple(np.percentile(values, [2.5, 97.5])))


def test_an_au_that_an_emotion_never_shows_or_one_group_knows_has_no_interval_and_no_strength():
    tally = random_tally(6, seed=4)
    tally.active_GEA[:, 0, 0] = 0  # never
    tally.active_GEA[:, 1, 1] = tally.known_GEA[:, 1, 1]  # always
    tally.active_GEA[1:, 2, 2] = tally.known_GEA[1:, 2, 2] = 0  # one group
    bounds = log_odds_bounds(tally)
    table = telling_aus(tally.counts(), ("a", "b", "c", "d"), AUS, bounds).set_index(["emotion", "au"])
    for position, key in {(0, 0): ("a", 1), (1, 1): ("b", 2), (2, 2): ("c", 12)}.items():
        assert np.isnan([bound[position] for bound in bounds]).all()
        assert table.loc[key, "strength"] == 0
    assert table["ci_low"].notna().sum() == 12 - 3


def test_an_au_that_is_never_active_or_that_one_group_knows_tells_nothing_sure():
    tally = random_tally(6, seed=5)
    tally.active_GEA[:, :, 0] = 0
    tally.known_GEA[1:, :, 1] = tally.active_GEA[1:, :, 1] = 0
    found = mutual_information_over_groups(tally, AUS)
    assert found[["excess", "ci_low", "ci_high"]].isna().all(axis=1).tolist() == [True, True, False]


def test_videos_of_one_emotion_each_tell_nothing_where_aus_go_by_video():
    rng, trials = np.random.default_rng(6), 40
    sure, excess = 0, []
    for _ in range(trials):
        known_GEA = np.zeros((60, 4, 1), np.int64)
        known_GEA[np.arange(60), rng.integers(4, size=60)] = 30
        rate_G11 = rng.beta(0.5, 0.5, (60, 1, 1))  # of the video, whatever its emotion
        row = mutual_information_over_groups(
            tally_of(known_GEA, rng.binomial(known_GEA, rate_G11)), (1,)
        ).iloc[0]
        sure += row["ci_low"] > 0
        excess.append(row["excess"])
    assert sure <= 0.1 * trials
    assert abs(np.mean(excess)) < 2 * np.std(excess) / np.sqrt(trials) + 0.005


def test_wild_and_difference_have_the_groups_intervals_and_no_test():
    tally = random_tally(9, seed=7)
    lab = [LabCell("a", 1, 60.0, ""), LabCell("b", 99, 30.0, "")]
    sure = grouped_sureness(tally)
    found = compare_lab_and_wild(tally.counts(), ("a", "b", "c", "d"), AUS, lab, 100, sure)
    rows = {(row["emotion"], row["au"]): row for row in found.to_dict("records")}
    for e, emotion in enumerate("abcd"):
        for a, au in enumerate(AUS):
            row = rows[emotion, au]
            assert (row["wild_ci_low"], row["wild_ci_high"]) == (sure.low_EA[e, a], sure.high_EA[e, a])
    row = rows["a", 1]
    below = np.hypot(row["wild"] - row["wild_ci_low"], row["lab_ci_high"] - row["lab"])
    assert row["ci_low"] == pytest.approx(row["difference"] - below)
    assert np.isnan(rows["b", 99]["wild_ci_low"])
    assert found[["test", "p", "q"]].isna().all(axis=None)


def test_wilsons_intervals_are_what_a_comparison_has_without_groups():
    tally = random_tally(9, seed=8)
    lab = [LabCell("a", 1, 60.0, "")]
    arguments = (tally.counts(), ("a", "b", "c", "d"), AUS, lab, 100)
    given = compare_lab_and_wild(*arguments, sureness(tally.counts())).drop(columns=["test", "p", "q"])
    assert given.equals(compare_lab_and_wild(*arguments).drop(columns=["test", "p", "q"]))
