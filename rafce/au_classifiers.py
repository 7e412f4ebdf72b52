"""How far the true AUs alone tell the emotion: classifiers counted on one part of a dataset, tested on another."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from rafce.intervals import wilson
from rafce.parts import Chunk, Grid, au_tables
from rafce.schema import CATEGORIES
from rafce.statistics import Counts, category_index, frequency
from rafce.streaming import Kernel, add

# N images, E emotions, A action units, G classifiers
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


class Images(NamedTuple):
    """Images with their emotion ids and AUs: shapes N, (N, A) and (N, A)."""

    emotion_N: IntArray
    active_NA: BoolArray
    known_NA: BoolArray


class Fitted(NamedTuple):
    """What the classifiers know: counts per emotion and AU, and images per emotion."""

    counts: Counts
    n_E: IntArray


class Outcome(NamedTuple):
    """Test images per emotion; of these, by classifier, how many it names right, and all that it finds a tie in."""

    n_E: IntArray
    correct_GE: IntArray
    ties_G: IntArray


class Trial(NamedTuple):
    """The outcome on the test images: a row a classifier, and a row per classifier and emotion."""

    summary: pd.DataFrame
    recall: pd.DataFrame


def outcome_on(known: Fitted, test: Images) -> Outcome:
    """What all of CLASSIFIERS make of test images: each names the most probable emotion, the lowest id on ties."""
    n_emotions = len(known.n_E)
    scores = [score(known, test) for score in CLASSIFIERS.values()]
    right = [test.emotion_N[scores_NE.argmax(1) == test.emotion_N] for scores_NE in scores]
    return Outcome(
        np.bincount(test.emotion_N, minlength=n_emotions),
        np.stack([np.bincount(emotion_N, minlength=n_emotions) for emotion_N in right]),
        np.array([_n_ties(scores_NE) for scores_NE in scores]),
    )


def outcome_kernel(known: Fitted, partition: str) -> Kernel[Outcome]:
    """A kernel for `rafce.streaming` that gives the outcome on the images of a partition."""
    return partial(_count_outcomes, known, partition)


def _count_outcomes(known: Fitted, partition: str, chunks: Iterable[Chunk], grid: Grid) -> Outcome:
    _, n_emotions, n_aus = grid.shape
    nothing = np.zeros((0, n_aus), np.bool_)
    total = outcome_on(known, Images(np.zeros(0, np.int64), nothing, nothing))
    for chunk in chunks:
        inside_N = chunk.class_N // n_emotions == grid.partitions.index(partition)
        tables = (table_NA[inside_N] for table_NA in au_tables(chunk, n_aus))
        total = add(total, outcome_on(known, Images(chunk.class_N[inside_N] % n_emotions, *tables)))
    return total


def trial_of(known: Fitted, outcome: Outcome, emotions: Sequence[str]) -> Trial:
    """An outcome as tables.

    `summary`: classifier, n_fit, n (test images), correct, accuracy with Wilson's 95 % interval, uar with interval,
    n_emotions (those that have test images), ties (test images whose best emotion is not the only best: their
    answer is the order of the ids). UAR is the mean recall over the emotions that have test images, the paper's
    "Diag."; its interval combines the recalls' Wilson intervals (Zou & Donner 2008), which stays honest where a
    recall of a few images is 0 or 1. `recall`: classifier, emotion, n, correct, recall with Wilson's interval.
    NaN where n is 0.
    """
    recall = [
        _recall(name, correct_E, outcome.n_E, emotions)
        for name, correct_E in zip(CLASSIFIERS, outcome.correct_GE, strict=True)
    ]
    rows = [
        {**_summary(name, table), "ties": ties}
        for name, table, ties in zip(CLASSIFIERS, recall, outcome.ties_G.tolist(), strict=True)
    ]
    summary = pd.DataFrame(rows).assign(n_fit=known.n_E.sum())
    return Trial(summary[SUMMARY_COLUMNS], pd.concat(recall, ignore_index=True))


def equation_7(known: Fitted, test: Images) -> FloatArray:
    """Eq. 7 on true AUs, shape (N, E): sum_j y_j P_ej / sum_j P_ej, P = p(AU_j | e), 0 where the AU is not observed.

    Both sums run over the AUs known in the image; the score is 0 where the emotion has no observed AU.
    """
    observed_EA = category_index(known.counts) < CATEGORIES.index("unobserved")
    p_EA = np.where(observed_EA, np.nan_to_num(frequency(known.counts)), 0)
    matched_NE = _weighed(test.active_NA & test.known_NA, p_EA)
    possible_NE = _weighed(test.known_NA, p_EA)
    scores_NE: FloatArray = np.divide(
        matched_NE, possible_NE, out=np.zeros_like(matched_NE), where=possible_NE > 0
    )
    return scores_NE


def naive_bayes_uniform(known: Fitted, test: Images) -> FloatArray:
    """Bernoulli naive Bayes, every emotion as probable as another beforehand; log scores, shape (N, E).

    sum_j y_j log P_ej + (1 - y_j) log(1 - P_ej) over the AUs known in the image, P_ej = (count + 1) / (n + 2).
    """
    p_EA = (known.counts.active_EA + 1) / (known.counts.known_EA + 2)
    active_NA, inactive_NA = test.active_NA & test.known_NA, ~test.active_NA & test.known_NA
    return _weighed(active_NA, np.log(p_EA)) + _weighed(inactive_NA, np.log(1 - p_EA))


def naive_bayes_class(known: Fitted, test: Images) -> FloatArray:
    """Bernoulli naive Bayes with the prior pi_e = (n_e + 1) / (sum n + E); log scores, shape (N, E)."""
    prior_E = (known.n_E + 1) / (known.n_E.sum() + len(known.n_E))
    scores_NE: FloatArray = naive_bayes_uniform(known, test) + np.log(prior_E)
    return scores_NE


def largest_class(known: Fitted, test: Images) -> FloatArray:
    """Always the emotion with the most images, shape (N, E)."""
    return np.tile(known.n_E.astype(float), (len(test.emotion_N), 1))


CLASSIFIERS: dict[str, Callable[[Fitted, Images], FloatArray]] = {
    "Eq. 7": equation_7,
    "naive Bayes, uniform prior": naive_bayes_uniform,
    "naive Bayes, class prior": naive_bayes_class,
    "largest class": largest_class,
}

SUMMARY_COLUMNS = [
    *("classifier", "n_fit", "n", "correct", "accuracy", "accuracy_low", "accuracy_high"),
    *("uar", "uar_low", "uar_high", "n_emotions", "ties"),
]


def _weighed(table_NA: BoolArray, weight_EA: FloatArray) -> FloatArray:
    """The sum of the weights of each image's AUs, shape (N, E)."""
    # not by BLAS: there the last digit of an image's sum, and so a tie, depends on what images stand beside it
    weighed_NE: FloatArray = np.einsum("na,ea->ne", table_NA.astype(np.float64), weight_EA)
    return weighed_NE


def _n_ties(scores_NE: FloatArray) -> int:
    """How many images have a best emotion that is not the only best."""
    best_N = scores_NE.max(1, keepdims=True)
    return int(((scores_NE == best_N).sum(1) > 1).sum())


def _recall(name: str, correct_E: IntArray, n_E: IntArray, emotions: Sequence[str]) -> pd.DataFrame:
    low, high = wilson(correct_E, n_E)
    rate = np.divide(correct_E, n_E, out=np.full(len(emotions), np.nan), where=n_E > 0)
    table = {"classifier": name, "emotion": emotions, "n": n_E, "correct": correct_E, "recall": rate}
    return pd.DataFrame({**table, "ci_low": low, "ci_high": high})


def _summary(name: str, recall: pd.DataFrame) -> dict[str, object]:
    n, correct = int(recall["n"].sum()), int(recall["correct"].sum())
    low, high = wilson(correct, n)
    uar, uar_low, uar_high = mean_with_interval(
        recall[recall["n"] > 0][["recall", "ci_low", "ci_high"]].to_numpy()
    )
    return {
        "classifier": name,
        "n": n,
        "correct": correct,
        "accuracy": correct / n if n else np.nan,
        "accuracy_low": float(low),
        "accuracy_high": float(high),
        "uar": uar,
        "uar_low": uar_low,
        "uar_high": uar_high,
        "n_emotions": int((recall["n"] > 0).sum()),
    }


def mean_with_interval(rates_R3: FloatArray) -> tuple[float, float, float]:
    """Mean of independent rates and its interval from theirs (rows: rate, low, high); NaN without a rate.

    Zou & Donner (Statistics in Medicine 27, 2008): mean -+ sqrt(sum (rate - bound)^2) / R.
    """
    if not len(rates_R3):
        return np.nan, np.nan, np.nan
    rate_R, low_R, high_R = rates_R3.T
    mean = float(rate_R.mean())
    below, above = (float(np.linalg.norm(rate_R - bound_R)) / len(rate_R) for bound_R in (low_R, high_R))
    return mean, mean - below, mean + above
