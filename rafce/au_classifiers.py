"""How far the true AUs alone tell the emotion: classifiers counted on one part of a dataset, tested on another."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from rafce.bootstrap import Ratios, grouped_ratio_interval, mean_recall_over_groups
from rafce.grouped import GroupSums, Tables, sums_by_group
from rafce.intervals import Estimate, mean_of, recall, wilson
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


class OutcomeByGroup(NamedTuple):
    """`Outcome` of each group of test images (a video, a subject), U of them; ties of all."""

    n_UE: IntArray
    correct_UGE: IntArray
    ties_G: IntArray

    def total(self) -> Outcome:
        """Of all images."""
        return Outcome(self.n_UE.sum(0), self.correct_UGE.sum(0), self.ties_G)


class Figures(NamedTuple):
    """A classifier's recall per emotion, accuracy and UAR, with their 95 % limits."""

    recall_E: Estimate
    accuracy: Estimate
    uar: Estimate


class Trial(NamedTuple):
    """The outcome on the test images: a row a classifier, and a row per classifier and emotion."""

    summary: pd.DataFrame
    recall: pd.DataFrame


def outcome_on(known: Fitted, test: Images) -> Outcome:
    """What all of CLASSIFIERS make of test images: each names the most probable emotion, the lowest id on ties."""
    n_emotions = len(known.n_E)
    right_NG, tied_NG = _answers(known, test)
    return Outcome(
        np.bincount(test.emotion_N, minlength=n_emotions),
        np.stack([np.bincount(test.emotion_N[right_N], minlength=n_emotions) for right_N in right_NG.T]),
        tied_NG.sum(0),
    )


def _answers(known: Fitted, test: Images) -> tuple[BoolArray, BoolArray]:
    """Which images each classifier names right, and in which it finds a tie, both of shape (N, G)."""
    scores = [score(known, test) for score in CLASSIFIERS.values()]
    right = [scores_NE.argmax(1) == test.emotion_N for scores_NE in scores]
    tied = [(scores_NE == scores_NE.max(1, keepdims=True)).sum(1) > 1 for scores_NE in scores]
    return np.stack(right, axis=1), np.stack(tied, axis=1)


def outcome_kernel(known: Fitted, partition: str) -> Kernel[Outcome]:
    """A kernel for `rafce.streaming` that gives the outcome on the images of a partition."""
    return partial(_count_outcomes, known, partition)


def _count_outcomes(known: Fitted, partition: str, chunks: Iterable[Chunk], grid: Grid) -> Outcome:
    nothing = np.zeros((0, grid.shape[-1]), np.bool_)
    total = outcome_on(known, Images(np.zeros(0, np.int64), nothing, nothing))
    for chunk in chunks:
        total = add(total, outcome_on(known, _images(chunk, grid, partition)[1]))
    return total


def _images(chunk: Chunk, grid: Grid, partition: str) -> tuple[BoolArray, Images]:
    """Which rows lie in a partition and know an AU (of no AU nothing follows), and their images."""
    _, n_emotions, n_aus = grid.shape
    active_NA, known_NA = au_tables(chunk, n_aus)
    inside_N = (chunk.class_N // n_emotions == grid.partitions.index(partition)) & known_NA.any(1)
    return inside_N, Images(chunk.class_N[inside_N] % n_emotions, active_NA[inside_N], known_NA[inside_N])


def outcome_by_group_kernel(known: Fitted, partition: str) -> Kernel[GroupSums]:
    """A kernel for `rafce.streaming` over a grouped grid: what `outcome_by_group` wants."""
    return partial(_count_outcomes_by_group, known, partition)


def _count_outcomes_by_group(known: Fitted, partition: str, chunks: Iterable[Chunk], grid: Grid) -> GroupSums:
    tables = Tables()
    for chunk in chunks:
        assert chunk.group_N is not None
        inside_N, images = _images(chunk, grid, partition)
        right_NG, tied_NG = _answers(known, images)
        image_N1 = np.ones((len(right_NG), 1), np.float32)
        counts_NX = np.concatenate([image_N1, right_NG, tied_NG], axis=1)
        tables.put_all(
            sums_by_group(chunk.group_N.filter(inside_N), chunk.class_N[inside_N], counts_NX, grid)
        )
    return GroupSums(tables)


def outcome_by_group(sums: GroupSums) -> OutcomeByGroup:
    """The sums of `outcome_by_group_kernel` as arrays, groups by name."""
    counts_UEX = np.stack([sums.tables[key] for key in sorted(sums.tables)])
    n_UE1, correct_UEG, ties_UEG = np.split(counts_UEX, [1, 1 + len(CLASSIFIERS)], axis=2)
    return OutcomeByGroup(n_UE1[..., 0], correct_UEG.swapaxes(1, 2), ties_UEG.sum((0, 1)))


def trial_of(
    known: Fitted, outcome: Outcome, emotions: Sequence[str], groups: OutcomeByGroup | None = None
) -> Trial:
    """An outcome as tables.

    `summary`: classifier, n_fit, n (test images), correct, accuracy with Wilson's 95 % interval, uar with interval,
    n_emotions (those that have test images), ties (test images whose best emotion is not the only best: their
    answer is the order of the ids). UAR is the mean recall over the emotions that have test images, the paper's
    "Diag."; its interval is `rafce.intervals.mean_recall`'s. `recall`: classifier, emotion, n, correct, recall with
    the interval of `rafce.intervals.recall`. NaN where n is 0. With `groups` all intervals are of the bootstrap over
    groups, and `n_groups` stands beside n.
    """
    recalls, rows = [], []
    for i, (name, correct_E) in enumerate(zip(CLASSIFIERS, outcome.correct_GE, strict=True)):
        if groups is None:
            figures = _over_images(correct_E, outcome.n_E)
        else:
            figures = _over_groups(Ratios(groups.correct_UGE[:, i], groups.n_UE))
        recalls.append(_recall(name, correct_E, outcome.n_E, emotions, figures))
        rows.append({**_summary(name, recalls[-1], figures), "ties": int(outcome.ties_G[i])})
    summary = pd.DataFrame(rows).assign(n_fit=known.n_E.sum())[SUMMARY_COLUMNS]
    trial = Trial(summary, pd.concat(recalls, ignore_index=True))
    if groups is not None:
        trial.summary.insert(3, "n_groups", len(groups.n_UE))
        trial.recall.insert(3, "n_groups", np.tile(np.count_nonzero(groups.n_UE, axis=0), len(CLASSIFIERS)))
    return trial


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


def _recall(
    name: str, correct_E: IntArray, n_E: IntArray, emotions: Sequence[str], figures: Figures
) -> pd.DataFrame:
    value_E, low_E, high_E = figures.recall_E
    counts = {"classifier": name, "emotion": emotions, "n": n_E, "correct": correct_E}
    return pd.DataFrame({**counts, "recall": value_E, "ci_low": low_E, "ci_high": high_E})


def _over_images(correct_E: IntArray, n_E: IntArray) -> Figures:
    recall_E, count, n = recall(correct_E, n_E), correct_E.sum(), n_E.sum()
    return Figures(recall_E, Estimate(_rate(count, n), *wilson(count, n)), mean_of(recall_E))


def _over_groups(correct_UE: Ratios) -> Figures:
    recall_E = Estimate(_rate(*(of.sum(0) for of in correct_UE)), *grouped_ratio_interval(*correct_UE))
    correct_U, n_U = (of.sum(1) for of in correct_UE)
    accuracy = Estimate(_rate(correct_U.sum(), n_U.sum()), *grouped_ratio_interval(correct_U, n_U))
    return Figures(recall_E, accuracy, mean_recall_over_groups(correct_UE))


def _rate(correct: IntArray, n: IntArray) -> FloatArray:
    rate: FloatArray = np.divide(correct, n, out=np.full(np.shape(n), np.nan), where=n > 0)
    return rate


def _summary(name: str, recalls: pd.DataFrame, figures: Figures) -> dict[str, object]:
    row: dict[str, object] = {
        "classifier": name,
        "n": int(recalls["n"].sum()),
        "correct": int(recalls["correct"].sum()),
        "n_emotions": int((recalls["n"] > 0).sum()),
    }
    for measure, found in (("accuracy", figures.accuracy), ("uar", figures.uar)):
        names = (measure, f"{measure}_low", f"{measure}_high")
        row |= dict(zip(names, map(float, found), strict=True))
    return row
