"""From six probabilities to one of fourteen compound emotions: the two most probable emotions name it (section 3.1)."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from typing import NamedTuple

from rafce.taxonomy import BASIC_EMOTIONS, COMPOUNDS

Pair = frozenset[str]

EMOTION_ID_OF_PAIR: dict[Pair, int] = {
    frozenset(compound.components): emotion_id for emotion_id, compound in enumerate(COMPOUNDS)
}
"""All 15 pairs of six basic emotions but one: happily angry has no class."""

TIE_POLICIES = ("first", "frequent", "discard")

NO_SECOND_LABEL, TIE, UNMAPPABLE = "no-second-label", "tie", "unmappable-pair"


class Mapping(NamedTuple):
    """What a distribution says: its two labels, most probable first, and the class they name.

    `emotion_id` is None when they name none; `reason` says why (a reason of discarded.parquet).
    """

    labels: tuple[str | None, str | None]
    emotion_id: int | None
    reason: str | None
    tied: bool


def ranking(probabilities: Sequence[float]) -> list[int]:
    """Column indices from most to least probable, equal ones in column order."""
    return sorted(range(len(probabilities)), key=lambda column: -probabilities[column])


def is_tied(probabilities: Sequence[float]) -> bool:
    """Whether the second and third probabilities are equal, so that rank alone does not give the second label."""
    second, third = (probabilities[column] for column in ranking(probabilities)[1:3])
    return second == third


def allowed_pairs(probabilities: Sequence[float]) -> list[Pair]:
    """Every pair of labels that a tie leaves open, in column order; exactly one where nothing is tied."""
    order = ranking(probabilities)
    second = probabilities[order[1]]
    certain = [column for column in order if probabilities[column] > second]
    open_columns = [column for column in order if probabilities[column] == second]
    chosen = combinations(open_columns, 2 - len(certain))
    return [frozenset(BASIC_EMOTIONS[column] for column in (*certain, *rest)) for rest in chosen]


def map_first(probabilities: Sequence[float]) -> Mapping:
    """The mapping by rank alone: what `--ties first` says, and the plain truth where nothing is tied."""
    first, second = ranking(probabilities)[:2]
    if probabilities[second] == 0:
        return Mapping((BASIC_EMOTIONS[first], None), None, NO_SECOND_LABEL, tied=True)
    labels = (BASIC_EMOTIONS[first], BASIC_EMOTIONS[second])
    emotion_id = EMOTION_ID_OF_PAIR.get(frozenset(labels))
    return Mapping(labels, emotion_id, UNMAPPABLE if emotion_id is None else None, is_tied(probabilities))


def _is_open(mapping: Mapping) -> bool:
    """Whether a tie policy has a choice: two labels, the second of them tied."""
    return mapping.tied and mapping.reason != NO_SECOND_LABEL


def map_discarding(probabilities: Sequence[float]) -> Mapping:
    """`--ties discard`: an image that is tied has no class."""
    mapping = map_first(probabilities)
    if not _is_open(mapping):
        return mapping
    first, second = ranking(probabilities)[:2]
    certain = BASIC_EMOTIONS[first] if probabilities[first] > probabilities[second] else None
    return Mapping((certain, None), None, TIE, tied=True)


def map_to_frequent(probabilities: Sequence[float], n_untied: Counter[int]) -> Mapping:
    """`--ties frequent`: of the classes that the tie allows, the one with most untied images, then the lower id."""
    mapping = map_first(probabilities)
    if not _is_open(mapping):
        return mapping
    ids = {
        EMOTION_ID_OF_PAIR[pair]: pair for pair in allowed_pairs(probabilities) if pair in EMOTION_ID_OF_PAIR
    }
    emotion_id = min(ids, key=lambda candidate: (-n_untied[candidate], candidate))
    order = [BASIC_EMOTIONS[column] for column in ranking(probabilities)]
    first, second = sorted(ids[emotion_id], key=order.index)
    return Mapping((first, second), emotion_id, None, tied=True)


def mapper(policy: str, distributions: Iterable[Sequence[float]]) -> Callable[[Sequence[float]], Mapping]:
    """The mapping function of a tie policy; `frequent` counts the untied classes of these distributions first."""
    if policy == "frequent":
        plain = (map_first(probabilities) for probabilities in distributions)
        n_untied = Counter(m.emotion_id for m in plain if m.emotion_id is not None and not m.tied)
        return lambda probabilities: map_to_frequent(probabilities, n_untied)
    return {"first": map_first, "discard": map_discarding}[policy]
