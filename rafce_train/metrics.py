"""How good predictions are: functions of labels and probabilities alone, every figure with interval and support.

The results are plain dictionaries for JSON, in which a figure that does not exist (an emotion without images, an AU
that is never active) is None. Accuracy, recalls, UAR and F1 have intervals in closed form (`rafce.intervals`), macro-F1
and average precision those of a bootstrap. Where images come in groups, all are of the bootstrap over whole groups
(`rafce.bootstrap`), and none where there is a single group.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import precision_recall_curve

from rafce.bootstrap import (
    N_RESAMPLES,
    OVER_IMAGES,
    Resampling,
    drawn_sums,
    figure_of_draws,
    mean_of_draws,
)
from rafce.intervals import Estimate
from rafce.intervals import recall as recall_limits

# N images, K emotions, A action units, X either of these, R draws; 3: hits, false alarms, misses
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
Reals = npt.NDArray[Any]
Json = dict[str, Any]

CALIBRATION_BINS = 15
DEFAULT_THRESHOLD = 0.5


def confusion(emotion_N: IntArray, predicted_N: IntArray, n_emotions: int) -> IntArray:
    """Images by true (row) and predicted (column) emotion, shape (K, K)."""
    return _counted(emotion_N * n_emotions + predicted_N, np.ones_like(emotion_N), n_emotions)


def accuracy(confusion_KK: IntArray) -> float:
    """Share of the images whose emotion is predicted."""
    return float(np.trace(confusion_KK) / confusion_KK.sum())


def recall(confusion_KK: IntArray) -> Reals:
    """Share of each emotion's images that are predicted as it, shape (K,); NaN for an emotion without images."""
    return _ratio(np.diagonal(confusion_KK), confusion_KK.sum(1))


def uar(confusion_KK: IntArray) -> float:
    """Unweighted average recall over the emotions that have images: the paper's "Diag."."""
    return _mean(recall(confusion_KK))


def au_cells(au_NA: Reals, call_NA: BoolArray) -> Reals:
    """Which images are hits, false alarms and misses of each AU, 0 or 1, shape (3, N, A); an unknown AU is none."""
    active_NA, inactive_NA = au_NA == 1, au_NA == 0
    return np.stack([active_NA & call_NA, inactive_NA & call_NA, active_NA & ~call_NA]).astype(np.float64)


def label_f1(counts_3X: Reals) -> Reals:
    """2 TP / (2 TP + FP + FN) of each label, shape (..., X); NaN for a label that no image has."""
    hits_X, false_alarms_X, misses_X = counts_3X
    f1_X = _ratio(2 * hits_X, 2 * hits_X + false_alarms_X + misses_X)
    return np.where(hits_X + misses_X > 0, f1_X, np.nan)


def average_precision(au_NA: Reals, probability_NA: Reals) -> Callable[[IntArray], Reals]:
    """Average precision of each AU, shape (A,), as a function of how often each image counts, shape (N,).

    AP = Σ (R_n - R_{n-1}) P_n over falling thresholds, equal probabilities together, as scikit-learn has it; here for
    all AUs at once and sorted beforehand, for the bootstrap. NaN for an AU that is active in no image.
    """
    order_NA = np.argsort(-probability_NA, axis=0, kind="stable")
    sorted_NA, state_NA = (np.take_along_axis(values, order_NA, axis=0) for values in (probability_NA, au_NA))
    last_of_equals_NA = np.stack([np.searchsorted(-p, -p, side="right") - 1 for p in sorted_NA.T], axis=1)

    def weighted(times_N: IntArray) -> Reals:
        times_NA = times_N[order_NA]
        active_NA, known_NA = times_NA * (state_NA == 1), times_NA * ~np.isnan(state_NA)
        precision_NA = active_NA.cumsum(0) / np.maximum(known_NA.cumsum(0), 1)
        at_threshold_NA = np.take_along_axis(precision_NA, last_of_equals_NA, axis=0)
        return _ratio((active_NA * at_threshold_NA).sum(0), active_NA.sum(0))

    return weighted


def tune_thresholds(au_NA: Reals, probability_NA: Reals) -> Reals:
    """The probability from which each AU is called, shape (A,): the lowest of those with the highest F1.

    0.5 for an AU that is active in no image.
    """
    threshold_A = np.full(au_NA.shape[1], DEFAULT_THRESHOLD)
    for position in np.flatnonzero((au_NA == 1).any(0)):
        known_N = ~np.isnan(au_NA[:, position])
        active_N = au_NA[known_N, position] == 1
        precision, recalled, thresholds = precision_recall_curve(active_N, probability_NA[known_N, position])
        n_right = np.rint(recalled[:-1] * active_N.sum())  # the curve ends with a point of no threshold
        n_called = np.rint(n_right / np.maximum(precision[:-1], np.finfo(float).tiny))
        # one division of whole numbers: equal F1s are equal in floats too, which they are not by way of precision
        threshold_A[position] = thresholds[np.argmax(2 * n_right / (n_called + active_N.sum()))]
    return threshold_A


def epoch_metrics(
    confusion_KK: IntArray, au_NA: Reals, au_probability_NA: Reals, trained_A: BoolArray
) -> dict[str, float]:
    """Accuracy, UAR and AU macro-F1 at 0.5 without intervals: cheap enough for every epoch.

    `trained_A`: the AUs that are active in a training image; NaN for the macro-F1 when there is none.
    """
    cells_3NA = au_cells(au_NA, au_probability_NA >= DEFAULT_THRESHOLD)
    return {
        "accuracy": accuracy(confusion_KK),
        "uar": uar(confusion_KK),
        "au_macro_f1": _mean(label_f1(cells_3NA.sum(1))[trained_A]),
    }


def emotion_metrics(
    emotions: Sequence[str],
    emotion_N: IntArray,
    probability_NK: Reals,
    resampling: Resampling = OVER_IMAGES,
) -> Json:
    """Accuracy, UAR, macro-F1, recall and F1 per emotion, confusion matrix and calibration of the top prediction.

    UAR and macro-F1 are means over the emotions that have images. `intervals` names the kinds of interval.
    """
    n_emotions, predicted_N = len(emotions), probability_NK.argmax(1)
    true_NK, called_NK = (ids_N[:, None] == np.arange(n_emotions) for ids_N in (emotion_N, predicted_N))
    right_NK = true_NK & called_NK
    recalls = resampling.recall(right_NK, true_NK)
    f1s = _there(resampling.f1(right_NK, true_NK | called_NK), true_NK.any(0))
    everyone_N = np.ones(len(emotion_N), np.bool_)
    return {
        "n": len(emotion_N),
        "groups": resampling.n_groups(everyone_N),
        "intervals": resampling.kinds,
        "accuracy": _estimate(*resampling.rate(right_NK.any(1), everyone_N)),
        "uar": _estimate(*resampling.mean_recall(right_NK, true_NK, N_RESAMPLES)),
        "macro_f1": _estimate(*_emotion_macro_f1(true_NK, called_NK, resampling)),
        "calibration": calibration(probability_NK.max(1), right_NK.any(1), resampling),
        "emotions": [
            {
                "emotion": name,
                "support": int(member_N.sum()),
                "groups": resampling.n_groups(member_N),
                "recall": _estimate(*recall_3),
                "f1": _estimate(*f1_3),
            }
            for name, member_N, recall_3, f1_3 in zip(
                emotions, true_NK.T, zip(*recalls, strict=True), zip(*f1s, strict=True), strict=True
            )
        ],
        "confusion": confusion(emotion_N, predicted_N, n_emotions).tolist(),
    }


def _emotion_macro_f1(true_NK: BoolArray, called_NK: BoolArray, resampling: Resampling) -> Estimate:
    cells_3NK = np.stack([true_NK & called_NK, called_NK & ~true_NK, true_NK & ~called_NK])
    return macro_f1(cells_3NK, resampling)


def macro_f1(cells_3NX: Reals | BoolArray, resampling: Resampling = OVER_IMAGES) -> Estimate:
    """The mean F1 of the labels that any image has, from hits, false alarms and misses; 1.96 standard deviations wide.

    Labels that no image has are left out of the mean.
    """
    hits_NX, wrong_NX = cells_3NX[0] > 0, (cells_3NX[1] > 0) | (cells_3NX[2] > 0)
    one_X = resampling.f1_of_units(hits_NX, hits_NX | wrong_NX)
    drawn_3RX = [drawn_sums(resampling.sums(cells_NX), N_RESAMPLES) for cells_NX in cells_3NX]
    there_X = (cells_3NX[0].sum(0) + cells_3NX[2].sum(0)) > 0
    found = mean_of_draws(_there(one_X, there_X), label_f1(np.stack(drawn_3RX)), True, resampling.of_images)
    return found if resampling.can_vary(np.ones(len(hits_NX), np.bool_)) else _without_limits(found)


def au_metrics(
    aus: Sequence[int],
    au_NA: Reals,
    probability_NA: Reals,
    threshold_A: Reals,
    train_positives_A: IntArray,
    resampling: Resampling = OVER_IMAGES,
) -> Json:
    """F1 at the thresholds and average precision per AU, and their means (macro) over the AUs that can be judged.

    Those are active in at least one training image (else nothing could be learned) and in at least one of these. An
    image in which an AU is unknown has no say in its figures; `n` counts the others, `groups` theirs.
    """
    cells_3NA = au_cells(au_NA, probability_NA >= threshold_A)
    trained_A, active_NA, known_NA = train_positives_A > 0, au_NA == 1, ~np.isnan(au_NA)
    f1s = _there(resampling.f1(cells_3NA[0] > 0, cells_3NA.sum(0) > 0), active_NA.any(0))
    precisions, macro_precision = _average_precisions(au_NA, probability_NA, trained_A, resampling)
    positives_A, n_A = active_NA.sum(0), known_NA.sum(0)
    rows = [
        {
            "au": au,
            "n": int(n_A[i]),
            "groups": resampling.n_groups(known_NA[:, i]),
            "positives": int(positives_A[i]),
            "train_positives": int(train_positives_A[i]),
            "in_macro": bool(trained_A[i] and positives_A[i]),
            "threshold": float(threshold_A[i]),
            "f1": _estimate(*(of_A[i] for of_A in f1s)),
            "average_precision": _estimate(*(of_A[i] for of_A in precisions)),
        }
        for i, au in enumerate(aus)
    ]
    return {
        "macro_f1": _estimate(*macro_f1(cells_3NA[..., trained_A], resampling)),
        "mean_average_precision": _estimate(*macro_precision),
        "n_aus": int(np.count_nonzero(trained_A & (positives_A > 0))),
        "aus": rows,
    }


def _average_precisions(
    au_NA: Reals, probability_NA: Reals, trained_A: BoolArray, resampling: Resampling
) -> tuple[Estimate, Estimate]:
    """Average precision of each AU with percentiles, and the mean over the trained ones."""
    precision_of = average_precision(au_NA, probability_NA)
    value_A = precision_of(np.ones(len(au_NA), np.int64))
    drawn_RA = np.stack([precision_of(times_N) for times_N in resampling.weights(len(au_NA), N_RESAMPLES)])
    n_A = (resampling.sums(au_NA == 1) > 0).sum(0)
    one_A = Estimate(value_A, *recall_limits(np.nan_to_num(value_A) * n_A, n_A)[1:])
    can_vary_A = np.array([resampling.can_vary(known_N) for known_N in ~np.isnan(au_NA.T)], np.bool_)
    each = figure_of_draws(one_A, drawn_RA)
    limits = (np.where(can_vary_A, limit_A, np.nan) for limit_A in each[1:])
    mean = mean_of_draws(
        _there(one_A, trained_A), np.where(trained_A, drawn_RA, np.nan), True, resampling.of_images
    )
    varies = resampling.can_vary(np.ones(len(au_NA), np.bool_))
    return Estimate(value_A, *limits), mean if varies else _without_limits(mean)


def calibration(confidence_N: Reals, correct_N: BoolArray, resampling: Resampling = OVER_IMAGES) -> Json:
    """Expected calibration error over 15 bins of equal width (Guo et al. 2017, Eq. 3), and the bins with images."""
    bin_N = np.minimum((confidence_N * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    bins = []
    for position in np.unique(bin_N):
        member_N = bin_N == position
        n, right = int(member_N.sum()), _estimate(*resampling.rate(correct_N, member_N))
        low, high = position / CALIBRATION_BINS, (position + 1) / CALIBRATION_BINS
        confidence = float(confidence_N[member_N].mean(dtype=np.float64))
        bins.append({"from": low, "to": high, "n": n, "confidence": confidence, "accuracy": right})
    gaps = [row["n"] * abs(row["confidence"] - row["accuracy"]["value"]) for row in bins]
    return {"expected_error": float(sum(gaps) / len(confidence_N)), "bins": bins}


def majority_baseline(
    emotions: Sequence[str],
    train_count_K: IntArray,
    emotion_N: IntArray,
    resampling: Resampling = OVER_IMAGES,
) -> Json:
    """What always saying the most frequent training emotion (the first of equals) would score on these images."""
    largest = int(train_count_K.argmax())
    true_NK = emotion_N[:, None] == np.arange(len(emotions))
    right_NK = true_NK & (np.arange(len(emotions)) == largest)
    return {
        "emotion": emotions[largest],
        "accuracy": _estimate(*resampling.rate(right_NK.any(1), np.ones(len(emotion_N), np.bool_))),
        "uar": _estimate(*resampling.mean_recall(right_NK, true_NK, N_RESAMPLES)),
    }


def _there(figures: Estimate, there_X: BoolArray) -> Estimate:
    """NaN for the figures that are not there."""
    return Estimate(*(np.where(there_X, of_X, np.nan) for of_X in figures))


def _without_limits(figure: Estimate) -> Estimate:
    return figure._replace(low=np.full_like(figure.value, np.nan), high=np.full_like(figure.value, np.nan))


def _estimate(value: Any, low: Any, high: Any) -> Json:
    figures = {"value": float(value), "ci_low": float(low), "ci_high": float(high)}
    return {name: None if np.isnan(figure) else figure for name, figure in figures.items()}


def _counted(cell_N: IntArray, times_N: IntArray, n_emotions: int) -> IntArray:
    flat = np.bincount(cell_N, weights=times_N, minlength=n_emotions**2)
    return flat.astype(np.int64).reshape(n_emotions, n_emotions)


def _ratio(part: Reals | IntArray, whole: Reals | IntArray) -> Reals:
    """Part over whole, NaN where the whole is nothing."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0)


def _mean(values: Reals) -> float:
    """Mean of the figures that exist; NaN when none does."""
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else float("nan")
