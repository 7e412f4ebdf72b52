"""Laboratory against wild: published intervals, SciPy's tests, the step-up procedure by hand."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, fisher_exact

from rafce.errors import ConfigError
from rafce.lab_vs_wild import compare_lab_and_wild, newcombe
from rafce.reference import LabCell
from rafce.statistics import Counts

EMOTIONS = ("calm", "torn")
AUS = (1, 2, 4)
LAB = (
    LabCell("calm", 1, 95, ""),
    LabCell("calm", 2, 40, ""),
    LabCell("torn", 4, 20, ""),
    LabCell("torn", 11, 30, ""),
)
KNOWN = np.array([[200, 200, 11], [200, 200, 200]])
ACTIVE = np.array([[80, 100, 11], [45, 20, 60]])


def compare(lab=LAB, known=KNOWN, active=ACTIVE, **options) -> pd.DataFrame:
    return compare_lab_and_wild(Counts(known, active), EMOTIONS, AUS, lab, **options)


def cell(emotion: str, au: int, **options) -> Any:
    table = compare(**options)
    return table[(table["emotion"] == emotion) & (table["au"] == au)].iloc[0]


# Newcombe 1998, Statistics in Medicine 17, 873-890, table II, method 10
@pytest.mark.parametrize(
    ("counts", "published"),
    [
        ((56, 70, 48, 80), (0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.1705, 0.8090)),
        ((6, 7, 2, 7), (0.0582, 0.8062)),
        ((5, 56, 0, 29), (-0.0381, 0.1926)),
        ((0, 10, 0, 20), (-0.1611, 0.2775)),
        ((0, 10, 0, 10), (-0.2775, 0.2775)),
        ((10, 10, 0, 20), (0.6791, 1.0)),
        ((10, 10, 0, 10), (0.6075, 1.0)),
    ],
)
def test_the_interval_of_a_difference_is_the_published_one(counts, published):
    assert newcombe(*counts) == pytest.approx(published, abs=5e-5)


@given(st.integers(1, 400), st.integers(1, 400), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_the_interval_holds_the_difference_and_turns_with_it(n_1, n_2, rate_1, rate_2):
    count_1, count_2 = round(rate_1 * n_1), round(rate_2 * n_2)
    low, high = newcombe(count_1, n_1, count_2, n_2)
    assert -1 - 1e-12 <= low <= count_1 / n_1 - count_2 / n_2 <= high <= 1 + 1e-12
    turned = newcombe(count_2, n_2, count_1, n_1)
    assert (-turned[1], -turned[0]) == pytest.approx((low, high), abs=1e-12)


def test_a_printed_cell_is_compared_by_fishers_test():
    found = cell("calm", 1)
    assert found["test"] == "fisher"
    assert found["difference"] == pytest.approx(0.40 - 0.95)
    assert (found["ci_low"], found["ci_high"]) == pytest.approx(newcombe(80, 200, 0.95 * 230, 230))
    assert found["p"] == pytest.approx(
        fisher_exact(np.array([[80, 120], [218, 12]])).pvalue
    )  # 95 % of 230 is 218.5


def test_the_number_of_subjects_is_an_argument():
    found = cell("calm", 2, lab_n=100)
    assert found["lab_n"] == 100
    assert found["p"] == pytest.approx(fisher_exact(np.array([[100, 100], [40, 60]])).pvalue)


def test_both_frequencies_carry_scipys_wilson_interval():
    found = cell("torn", 4)
    for name, count, n in (("wild", 60, 200), ("lab", 46, 230)):
        interval = binomtest(count, n).proportion_ci(method="wilson")
        assert (found[f"{name}_ci_low"], found[f"{name}_ci_high"]) == pytest.approx(
            (interval.low, interval.high)
        )


@pytest.mark.parametrize(("emotion", "au", "n", "count"), [("torn", 1, 200, 45), ("calm", 4, 11, 11)])
def test_a_blank_cell_is_tested_against_20_percent_only(emotion, au, n, count):
    found = cell(emotion, au)
    assert found["test"] == "binomial"
    assert found["p"] == pytest.approx(binomtest(count, n, 0.20, alternative="greater").pvalue)
    assert found[["lab", "difference", "ci_low", "ci_high"]].isna().all()


def test_q_values_are_benjamini_hochbergs_within_each_family():
    for _, family in compare().groupby("test"):
        ordered = family.sort_values("p")
        raw = ordered["p"].to_numpy() * len(ordered) / np.arange(1, len(ordered) + 1)
        assert ordered["q"].to_numpy() == pytest.approx(np.minimum.accumulate(raw[::-1])[::-1])


def test_a_cell_of_the_lab_that_the_dataset_does_not_code_stays_untested():
    found = cell("torn", 11)
    assert (found["n"], found["lab"]) == (0, 0.30)
    assert found[["wild", "difference", "ci_low", "test", "p", "q"]].isna().all()


def test_where_no_image_knows_an_au_nothing_is_tested():
    table = compare(known=np.zeros((2, 3), int), active=np.zeros((2, 3), int))
    assert table[["wild", "p", "q", "test"]].isna().all(axis=None)


def test_a_blank_means_nothing_for_an_emotion_that_the_lab_never_posed():
    table = compare(lab=[posed for posed in LAB if posed.emotion == "calm"])
    assert table["test"].isna().tolist() == (table["emotion"] == "torn").tolist()


def test_every_pair_that_one_side_knows_has_one_row():
    table = compare()
    assert list(zip(table["emotion"], table["au"], strict=True)) == [
        *(("calm", au) for au in (1, 2, 4)),
        *(("torn", au) for au in (1, 2, 4, 11)),
    ]


def test_permuting_aus_permutes_the_rows():
    order = [2, 0, 1]
    permuted = compare_lab_and_wild(
        Counts(KNOWN[:, order], ACTIVE[:, order]), EMOTIONS, [AUS[i] for i in order], LAB
    )
    pd.testing.assert_frame_equal(permuted, compare())


def test_an_empty_laboratory_is_refused():
    with pytest.raises(ConfigError, match="expected at least one subject in the laboratory, found 0"):
        compare(lab_n=0)
