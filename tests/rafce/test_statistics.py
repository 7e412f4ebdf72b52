from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rafce.schema import CATEGORIES
from rafce.statistics import Counts, category_index, category_names, count, frequency, sureness


@pytest.mark.parametrize("seed", range(5))
def test_counts_equal_counting_by_hand(seed):
    rng = np.random.default_rng(seed)
    emotion_N = rng.integers(0, 4, 60)
    active_NA, known_NA = rng.random((60, 5)) < 0.4, rng.random((60, 5)) < 0.9
    counts = count(emotion_N, active_NA, known_NA, 4)
    for emotion in range(4):
        for au in range(5):
            rows = [i for i in range(60) if emotion_N[i] == emotion and known_NA[i, au]]
            assert counts.known_EA[emotion, au] == len(rows)
            assert counts.active_EA[emotion, au] == sum(active_NA[i, au] for i in rows)


def category(active: int, known: int) -> str | None:
    counts = Counts(np.array([[known]]), np.array([[active]]))
    return category_names(category_index(counts))[0, 0]


@pytest.mark.parametrize(
    ("active", "known", "expected"),
    [(7, 10, "prototypical"), (70, 100, "prototypical"), (69, 100, "variant"), (1, 5, "variant")]
    + [
        (20, 100, "variant"),
        (19, 100, "unobserved"),
        (0, 1, "unobserved"),
        (1, 1, "prototypical"),
        (0, 0, None),
    ]
    + [(161, 230, "prototypical"), (160, 230, "variant"), (46, 230, "variant"), (45, 230, "unobserved")],
)
def test_the_category_obeys_the_papers_rule_at_exactly_its_limits(active, known, expected):
    assert category(active, known) == expected


@given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_category_equals_the_rule_in_exact_fractions(active_and_known):
    rate = Fraction(*active_and_known)
    prototypical, variant = rate >= Fraction(7, 10), rate >= Fraction(1, 5)
    expected = CATEGORIES[0] if prototypical else CATEGORIES[1] if variant else CATEGORIES[2]
    assert category(*active_and_known) == expected


def test_an_au_that_no_image_knows_has_no_frequency():
    counts = Counts(np.array([[0, 4]]), np.array([[0, 1]]))
    rate = frequency(counts)
    assert np.isnan(rate[0, 0])
    assert rate[0, 1] == 0.25


def test_where_the_frequency_lies_far_from_every_limit_its_category_is_sure():
    found = sureness(Counts(np.full((1, 3), 1000), np.array([[900, 450, 50]])))
    for position, category_of_au in enumerate(CATEGORIES):
        assert found.mass_EAC[0, position, CATEGORIES.index(category_of_au)] > 0.999
    np.testing.assert_allclose(found.mass_EAC.sum(-1), 1)
    assert (found.low_EA < [[0.9, 0.45, 0.05]]).all()
    assert (found.high_EA > [[0.9, 0.45, 0.05]]).all()
