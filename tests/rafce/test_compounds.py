from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rafce.compounds import EMOTION_ID_OF_PAIR, allowed_pairs, is_tied, map_discarding, map_first, mapper
from rafce.taxonomy import BASIC_EMOTIONS, COMPOUND_EMOTIONS

votes = st.lists(st.integers(0, 12), min_size=6, max_size=6).filter(any)


def test_every_pair_of_basic_emotions_but_happily_angry_has_a_class():
    pairs = {frozenset(pair) for pair in combinations(BASIC_EMOTIONS, 2)}
    assert pairs - EMOTION_ID_OF_PAIR.keys() == {frozenset({"happiness", "anger"})}
    assert sorted(EMOTION_ID_OF_PAIR.values()) == list(range(14))


@pytest.mark.parametrize(
    ("name", "probabilities"),
    [("happily surprised", (0.4, 0, 0, 0.6, 0, 0)), ("sadly fearful", (0, 0.5, 0.1, 0, 0.4, 0))]
    + [("angrily disgusted", (0, 0.1, 0.4, 0, 0, 0.5)), ("disgustedly surprised", (0.5, 0, 0.5, 0, 0, 0))]
    + [("happily sad", (0, 0.1, 0, 0.2, 0.7, 0)), ("fearfully disgusted", (0.1, 0.45, 0.45, 0, 0, 0))],
)
def test_the_two_most_probable_emotions_name_the_class(name, probabilities):
    mapping = map_first(probabilities)
    assert mapping.emotion_id == COMPOUND_EMOTIONS.index(name)
    assert not mapping.tied


@given(votes, st.integers(-8, 8))
def test_the_mapping_is_invariant_to_scaling(counts, exponent):
    scaled = [count * 2.0**exponent for count in counts]
    for policy in ("first", "frequent", "discard"):
        assert mapper(policy, [counts])(counts) == mapper(policy, [scaled])(scaled)


@given(votes)
def test_a_tie_means_that_second_and_third_are_equal(counts):
    _, second, third = sorted(counts, reverse=True)[:3]
    assert is_tied(counts) == (second == third) == (len(allowed_pairs(counts)) > 1)


@given(votes)
def test_first_takes_the_earlier_column_of_what_the_tie_allows(counts):
    first, second = sorted(range(6), key=lambda column: (-counts[column], column))[:2]
    mapping = map_first(counts)
    if counts[second] == 0:
        assert mapping.reason == "no-second-label"
        return
    assert mapping.labels == (BASIC_EMOTIONS[first], BASIC_EMOTIONS[second])
    assert frozenset(mapping.labels) in allowed_pairs(counts)
    unmappable = set(mapping.labels) == {"happiness", "anger"}
    assert (mapping.reason == "unmappable-pair") == unmappable == (mapping.emotion_id is None)


@given(votes, st.lists(votes, max_size=12))
def test_frequent_takes_the_class_with_most_untied_images_then_the_lower_id(counts, others):
    chosen = mapper("frequent", others)(counts)
    if not is_tied(counts) or sorted(counts)[-2] == 0:
        assert chosen == map_first(counts)
        return
    untied = Counter(map_first(other).emotion_id for other in others if not is_tied(other))
    second = sorted(counts)[-2]
    allowed = [
        EMOTION_ID_OF_PAIR[frozenset({BASIC_EMOTIONS[a], BASIC_EMOTIONS[b]})]
        for a, b in combinations(range(6), 2)
        if counts[a] >= second and counts[b] >= second and {a, b} != {3, 5}
        if all(counts[c] <= second for c in range(6) if c not in (a, b))
    ]
    best = max(untied[emotion] for emotion in allowed)
    assert chosen.emotion_id == min(emotion for emotion in allowed if untied[emotion] == best)
    assert chosen.reason is None


# shares of surprise, fear, disgust, happiness, sadness, anger
HAPPILY_SURPRISED, SADLY_FEARFUL = (0.4, 0, 0, 0.6, 0, 0), (0, 0.6, 0, 0, 0.4, 0)
HAPPILY_DISGUSTED, HAPPILY_SAD = (0, 0, 0.4, 0.6, 0, 0), (0, 0, 0, 0.6, 0.4, 0)
TIED_FOR_SECOND = (0, 0, 0.2, 0.6, 0.2, 0)  # happily disgusted or happily sad
TIED_FOR_BOTH = (0.3, 0, 0.1, 0.3, 0.3, 0)  # any two of surprise, happiness, sadness
TIED_WITH_NO_CLASS = (0.2, 0, 0, 0.6, 0, 0.2)  # happily surprised, or happily angry, which is none


@pytest.mark.parametrize(
    ("others", "tied", "chosen"),
    [
        ([HAPPILY_DISGUSTED, HAPPILY_DISGUSTED, HAPPILY_SAD], TIED_FOR_SECOND, "happily disgusted"),
        ([HAPPILY_DISGUSTED, HAPPILY_SAD, HAPPILY_SAD], TIED_FOR_SECOND, "happily sad"),
        ([HAPPILY_SAD, *[TIED_FOR_SECOND] * 5], TIED_FOR_SECOND, "happily sad"),  # tied images do not count
        ([HAPPILY_SURPRISED, HAPPILY_SAD, HAPPILY_SAD], TIED_FOR_BOTH, "happily sad"),
        ([HAPPILY_SURPRISED], TIED_FOR_BOTH, "happily surprised"),
        ([*[SADLY_FEARFUL] * 9, HAPPILY_SAD], TIED_FOR_BOTH, "happily sad"),  # the tie does not allow it
        ([SADLY_FEARFUL], TIED_WITH_NO_CLASS, "happily surprised"),
    ],
)
def test_frequent_goes_by_the_untied_images_of_the_classes_that_the_tie_allows(others, tied, chosen):
    mapping = mapper("frequent", others)(tied)
    assert mapping.emotion_id == COMPOUND_EMOTIONS.index(chosen)
    assert frozenset(mapping.labels) in allowed_pairs(tied)
    assert mapping.tied


@pytest.mark.parametrize("tied", [TIED_FOR_SECOND, TIED_FOR_BOTH])
def test_frequent_takes_the_lower_id_where_classes_are_as_frequent(tied):
    ids = [EMOTION_ID_OF_PAIR[pair] for pair in allowed_pairs(tied)]
    assert mapper("frequent", [])(tied).emotion_id == min(ids)


@pytest.mark.parametrize(
    ("policy", "label", "reason"),
    [
        ("first", "happily disgusted", None),  # disgust stands before sadness
        ("frequent", "happily sad", None),
        ("discard", None, "tie"),
    ],
)
def test_each_policy_decides_a_tie_its_own_way(policy, label, reason):
    mapping = mapper(policy, [HAPPILY_SAD])(TIED_FOR_SECOND)
    assert mapping.emotion_id == (None if label is None else COMPOUND_EMOTIONS.index(label))
    assert mapping.reason == reason


@given(votes)
def test_discard_leaves_out_exactly_what_a_tie_leaves_open(counts):
    first, discarded = map_first(counts), map_discarding(counts)
    if is_tied(counts) and first.reason != "no-second-label":
        assert (discarded.reason, discarded.emotion_id) == ("tie", None)
    else:
        assert discarded == first


def test_two_equal_labels_alone_are_no_tie():
    assert not is_tied((0.5, 0.5, 0, 0, 0, 0))
    assert is_tied((0.290323, 0.290323, 0, 0.064516, 0.290323, 0.064516))
