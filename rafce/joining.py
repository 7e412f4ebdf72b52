"""The join of the three releases by image name: which images are kept, in which class, and why others are not (3.1)."""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from rafce.compounds import Mapping as ClassMapping
from rafce.compounds import mapper
from rafce.errors import LabelError, raise_all
from rafce.formats.raf_au import AuRow
from rafce.formats.raf_ce import AU_FILE, EMOTION_FILE, OfficialRow
from rafce.formats.raf_ml import EmotionRow
from rafce.taxonomy import BASIC_EMOTIONS, COMPOUND_EMOTIONS

REASONS = (
    "no-au-label",
    "null-au",
    "no-emotion-label",
    "officially-discarded",
    "no-second-label",
    "tie",
    "unmappable-pair",
)
"""Why an image is left out; of several reasons the first here applies."""

Labels = tuple[str | None, str | None]


class Sample(NamedTuple):
    """A kept image; partition is None until a split is drawn, tied and probabilities are None without RAF-ML."""

    image: str
    emotion_id: int
    source: str
    au: AuRow
    tied: bool | None = None
    probabilities: tuple[float, ...] | None = None
    partition: str | None = None


class Discard(NamedTuple):
    """An image left out, the reason, and the labels that decided (None where none did)."""

    image: str
    reason: str
    labels: Labels = (None, None)
    probabilities: tuple[float, ...] | None = None


class Difference(NamedTuple):
    """An image whose mapped class is not its official one; `mapped` is None where it maps to no class."""

    image: str
    probabilities: tuple[float, ...]
    mapped: int | None
    official: int
    tied: bool


class Joined(NamedTuple):
    """The outcome of a join, each list sorted by image name, and how many images both RAF-ML and RAF-AU have."""

    samples: list[Sample]
    discards: list[Discard]
    differences: list[Difference]
    n_joined: int


def join_official_alone(official: Sequence[OfficialRow], null_au: str) -> Joined:
    """RAF-CE without RAF-ML and RAF-AU: its class, AUs and partition, no probabilities."""
    kept = [row for row in official if not (row.au.is_null and null_au == "drop")]
    samples = [
        Sample(row.image, row.emotion_id, "official", row.au, partition=row.partition)
        for row in sorted(kept, key=lambda row: row.image)
    ]
    dropped = {row.image for row in official} - {sample.image for sample in samples}
    return Joined(samples, [Discard(image, "null-au") for image in sorted(dropped)], [], len(official))


def join(
    emotion_rows: Iterable[EmotionRow],
    au_rows: Iterable[AuRow],
    official_rows: Sequence[OfficialRow] | None,
    ties: str,
    null_au: str,
) -> Joined:
    """Join RAF-ML and RAF-AU, and RAF-CE where given: then its class and partition win.

    LabelError: no common image; RAF-CE names an image that is not in both; its AUs differ from RAF-AU's; its class
    differs from an untied mapping.
    """
    # as they are stored: whoever has the dataset alone must find the same ties
    distributions = {row.image: tuple(array("f", row.probabilities)) for row in emotion_rows}
    aus = {row.image: row for row in au_rows}
    official = None if official_rows is None else {row.image: row for row in official_rows}
    common = distributions.keys() & aus.keys()
    if not common:
        raise LabelError(
            f"RAF-ML and RAF-AU: expected common images, found none ({_example(distributions)} in RAF-ML, "
            f"{_example(aus)} in RAF-AU)"
        )
    map_class = mapper(ties, [distributions[image] for image in sorted(common)])
    mapped = {image: map_class(distributions[image]) for image in distributions}
    differences = []
    if official is not None:
        _check_official_images(official, distributions, aus)
        differences = _differences(official, mapped, distributions)
    samples: list[Sample] = []
    discards: list[Discard] = []
    for image in sorted(distributions.keys() | aus.keys()):
        row = _decide(image, distributions.get(image), aus.get(image), mapped.get(image), official, null_au)
        if isinstance(row, Sample):
            samples.append(row)
        else:
            discards.append(row)
    return Joined(samples, discards, differences, len(common))


def _example(names: Iterable[str]) -> str:
    return f"such as {min(names)}"


def _decide(
    image: str,
    probabilities: tuple[float, ...] | None,
    au: AuRow | None,
    mapping: ClassMapping | None,
    official: Mapping[str, OfficialRow] | None,
    null_au: str,
) -> Sample | Discard:
    """Whether an image is kept; the checks stand in the order of REASONS."""
    labels: Labels = mapping.labels if mapping else (None, None)
    if au is None:
        return Discard(image, "no-au-label", labels, probabilities)
    if au.is_null and null_au == "drop":
        return Discard(image, "null-au", labels, probabilities)
    if probabilities is None or mapping is None:
        return Discard(image, "no-emotion-label")
    if official is not None:
        if image not in official:
            return Discard(image, "officially-discarded", labels, probabilities)
        row = official[image]
        return Sample(image, row.emotion_id, "official", au, mapping.tied, probabilities, row.partition)
    if mapping.emotion_id is None:
        assert mapping.reason is not None
        return Discard(image, mapping.reason, labels, probabilities)
    return Sample(image, mapping.emotion_id, "mapped", au, mapping.tied, probabilities)


def _check_official_images(
    official: Mapping[str, OfficialRow],
    distributions: Mapping[str, tuple[float, ...]],
    aus: Mapping[str, AuRow],
) -> None:
    faults = []
    for image, row in sorted(official.items()):
        lacking = [name for name, rows in (("RAF-ML", distributions), ("RAF-AU", aus)) if image not in rows]
        if lacking:
            faults.append(f"{EMOTION_FILE}: expected {image} in {' and '.join(lacking)} too, found none")
        elif row.au.aus != aus[image].aus:
            faults.append(
                f"{AU_FILE}: expected the AUs of RAF-AU for {image} ({aus[image].label}), found {row.au.label}"
            )
    raise_all(faults)


def _differences(
    official: Mapping[str, OfficialRow],
    mapped: Mapping[str, ClassMapping],
    distributions: Mapping[str, tuple[float, ...]],
) -> list[Difference]:
    """Images whose mapped class is not the official one; LabelError when that is so without a tie."""
    found = [
        Difference(image, distributions[image], mapped[image].emotion_id, row.emotion_id, mapped[image].tied)
        for image, row in sorted(official.items())
        if mapped[image].emotion_id != row.emotion_id
    ]
    raise_all([f"{EMOTION_FILE}: {describe(difference)}" for difference in found if not difference.tied])
    return found


def describe(difference: Difference) -> str:
    """A difference as one line: the image, what its distribution maps to, what RAF-CE says."""
    votes = ", ".join(
        f"{name} {p:.3f}" for name, p in zip(BASIC_EMOTIONS, difference.probabilities, strict=True) if p
    )
    mapped = "no class" if difference.mapped is None else COMPOUND_EMOTIONS[difference.mapped]
    kind = "tied" if difference.tied else "not tied"
    official = COMPOUND_EMOTIONS[difference.official]
    return f"{difference.image}: expected {mapped} ({votes}; {kind}), found {official} in RAF-CE"
