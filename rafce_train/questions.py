"""What Grad-CAM is asked: an output of the net for each image, and the regions that its map is held against.

N test images, n of them that a question is about, K emotions, A action units.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rafce.errors import ConfigError
from rafce.geometry import has_place
from rafce.schema import au_column
from rafce_train.attention import Aus
from rafce_train.data import BoolArray, IntArray, TrainingData
from rafce_train.facts import Thresholds
from rafce_train.inference import Probabilities

OF_IMAGE, OF_EMOTION = "AUs of the image", "AUs of the emotion"


class Verdict(NamedTuple):
    """What a run predicts for each image: in words, how probable it holds what was asked for, whether it is right."""

    words_n: list[str]
    probability_n: npt.NDArray[np.float32]
    right_n: BoolArray


@dataclass(frozen=True, eq=False)  # arrays have no single truth value to compare by
class Question(ABC):
    """Where does a net see this? One column of an output for each image, true for it whatever the net predicts."""

    target: str
    """What the maps are called: "emotion", or the AU as "AU12"."""
    column_n: IntArray
    place_n: IntArray
    """Which of the test images, by position."""
    regions: dict[str, list[Aus]]
    """By whose AUs they are: the AUs whose regions each map is held against."""
    emotions: tuple[str, ...]

    output = ""
    """The field of `Outputs` that has the column."""

    @abstractmethod
    def verdict(self, found: Probabilities, thresholds: Thresholds) -> Verdict:
        """What a run predicts; `found` is of all test images."""


class EmotionQuestion(Question):
    """Where is the true emotion?"""

    output = "emotion_logits_BK"

    def verdict(self, found: Probabilities, thresholds: Thresholds) -> Verdict:  # noqa: ARG002
        """The most probable emotion, beside the probability of the true one."""
        predicted_n = found.predicted_N[self.place_n]
        words_n = [self.emotions[emotion] for emotion in predicted_n]
        return Verdict(words_n, found.emotion_NK[self.place_n, self.column_n], predicted_n == self.column_n)


class AuQuestion(Question):
    """Where is this AU, which is active in all these images?"""

    output = "au_logits_BA"

    def verdict(self, found: Probabilities, thresholds: Thresholds) -> Verdict:
        """Whether the AU is called at its threshold, beside its probability; ConfigError for a run that lacks it."""
        if thresholds is None or thresholds[self.column_n[0]] is None:
            raise ConfigError(f"--au {self.target}: expected runs that learned it, found one that did not")
        probability_n = found.au_NA[self.place_n, self.column_n]
        called_n = probability_n >= np.float32(thresholds[self.column_n[0]])
        words_n = [self.target if called else f"no {self.target}" for called in called_n]
        return Verdict(words_n, probability_n, called_n)


def emotion_question(data: TrainingData, scope: str) -> Question:
    """The true emotion of every test image, against the AUs known to be active in it and those observed in its emotion.

    Asked for the true emotion, two runs are held against the same regions even where one of them errs. What is
    observed is counted in `scope`: train or all.
    """
    rows_N = data.rows("test")
    emotion_N = data.emotion_N[rows_N]
    observed_NA = data.statistics[scope].observed_KA[emotion_N]
    regions = {OF_IMAGE: _aus_of(data, data.au_NA[rows_N] == 1), OF_EMOTION: _aus_of(data, observed_NA)}
    return EmotionQuestion("emotion", emotion_N, np.arange(len(rows_N)), regions, data.emotions)


def au_question(data: TrainingData, au: int) -> Question:
    """An AU in the test images that show it, against its own regions; ConfigError when none does."""
    placed = [other for other in data.aus if has_place(other)]
    if au not in placed:
        why = ", which have a place on the schematic face" if au in data.aus else ""
        raise ConfigError(f"--au {au}: expected one of {', '.join(map(str, placed))}{why}")
    column = data.aus.index(au)
    place_n = np.flatnonzero(data.au_NA[data.rows("test"), column] == 1)
    if not len(place_n):
        raise ConfigError(f"--au {au}: expected a test image that shows it, found none in {data.folder}")
    name, n = au_column(au), len(place_n)
    return AuQuestion(name, np.full(n, column), place_n, {name: [frozenset([au])] * n}, data.emotions)


def _aus_of(data: TrainingData, active_NA: BoolArray) -> list[Aus]:
    """The AUs of each row by number, without those that have no place on the schematic face."""
    placed_A = np.array([has_place(au) for au in data.aus])
    return [frozenset(np.array(data.aus)[active_A & placed_A].tolist()) for active_A in active_NA]


def region_notes(data: TrainingData) -> list[str]:
    """What the regions of the test images leave out, a sentence each."""
    notes = []
    if placeless := [au_column(au) for au in data.aus if not has_place(au)]:
        notes.append(f"{', '.join(placeless)}: no place on the schematic face, so in no region")
    if n_partly := int(np.isnan(data.au_NA[data.rows("test")]).any(1).sum()):
        notes.append(
            f"{n_partly:,} test images have AUs that are unknown: in no region, whether active or not"
        )
    return notes
