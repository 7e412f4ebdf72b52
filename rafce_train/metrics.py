"""How good predictions are: functions of labels and probabilities alone, every figure with interval and support.

The results are plain dictionaries for JSON, in which a figure that does not exist (an emotion without images, an AU
that is never active) is None. Accuracy and recalls have Wilson intervals, all else bootstrap intervals: percentiles,
and for means over AUs the normal one. Where images come in groups, all are of the bootstrap over whole groups, and none
where there is a single group.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import precision_recall_curve

from rafce_train.resampling import OVER_IMAGES, Resampling

# N images, K emotions, A action units, R resamples, M statistics; 3: hits, false alarms, misses
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
Reals = npt.NDArray[np.floating[Any]]
Json = dict[str, Any]

CALIBRATION_BINS = 15
DEFAULT_THRESHOLD = 0.5
NORMAL_95 = 1.96


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


def emotion_f1(confusion_KK: IntArray) -> Reals:
    """2 TP / (2 TP + FP + FN) of each emotion, shape (K,); NaN for an emotion without images."""
    n_true_K, n_predicted_K = confusion_KK.sum(1), confusion_KK.sum(0)
    return np.where(n_true_K > 0, _ratio(2 * np.diagonal(confusion_KK), n_true_K + n_predicted_K), np.nan)


def au_cells(au_NA: Reals, call_NA: BoolArray) -> Reals:
    """Which images are hits, false alarms and misses of each AU, 0 or 1, shape (3, N, A); an unknown AU is none."""
    active_NA, inactive_NA = au_NA == 1, au_NA == 0
    return np.stack([active_NA & call_NA, inactive_NA & call_NA, active_NA & ~call_NA]).astype(np.float64)


def au_f1(counts_3A: Reals) -> Reals:
    """2 TP / (2 TP + FP + FN) of each AU, shape (A,); NaN for an AU that is active in no image."""
    hits_A, false_alarms_A, misses_A = counts_3A
    f1_A = _ratio(2 * hits_A, 2 * hits_A + false_alarms_A + misses_A)
    return np.where(hits_A + misses_A > 0, f1_A, np.nan)


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
        "au_macro_f1": _mean(au_f1(cells_3NA.sum(1))[trained_A]),
    }


def emotion_metrics(
    emotions: Sequence[str],
    emotion_N: IntArray,
    probability_NK: Reals,
    resampling: Resampling = OVER_IMAGES,
) -> Json:
    """Accuracy, UAR, macro-F1, recall and F1 per emotion, confusion matrix and calibration of the top prediction.

    UAR and macro-F1 are means over the emotions that have images; their intervals resample the images within each
    emotion, so that no emotion gets lost; of groups, an emotion that a resample misses keeps its figure. One of few
    images that are all right or all wrong adds no width to them: look at its own interval.
    """
    n_emotions, predicted_N = len(emotions), probability_NK.argmax(1)
    correct_N, member_KN = predicted_N == emotion_N, emotion_N == np.arange(n_emotions)[:, None]
    cell_N = emotion_N * n_emotions + predicted_N
    confusion_KK = confusion(emotion_N, predicted_N, n_emotions)
    whole_2K = np.stack([recall(confusion_KK), emotion_f1(confusion_KK)])

    def statistics(times_N: IntArray) -> Reals:
        matrix_KK = _counted(cell_N, times_N, n_emotions)
        drawn_2K = np.stack([recall(matrix_KK), emotion_f1(matrix_KK)])
        means = [_mean(figure_K) for figure_K in np.where(np.isnan(drawn_2K), whole_2K, drawn_2K)]
        return np.array([*means, *drawn_2K[1]])

    everyone_N = np.ones_like(correct_N)
    all_uar, all_macro_f1, *all_f1 = _with_interval(
        statistics, resampling, emotion_N, [everyone_N, everyone_N, *member_KN]
    )
    return {
        "n": len(emotion_N),
        "groups": resampling.n_groups(everyone_N),
        "intervals": {"rates": resampling.rates, "scores": resampling.scores},
        "accuracy": _rate(correct_N, everyone_N, resampling),
        "uar": all_uar,
        "macro_f1": all_macro_f1,
        "calibration": calibration(probability_NK.max(1), correct_N, resampling),
        "emotions": [
            {
                "emotion": name,
                "support": int(member_N.sum()),
                "groups": resampling.n_groups(member_N),
                "recall": _rate(correct_N, member_N, resampling),
                "f1": f1,
            }
            for name, member_N, f1 in zip(emotions, member_KN, all_f1, strict=True)
        ],
        "confusion": confusion_KK.tolist(),
    }


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
    precision_of = average_precision(au_NA, probability_NA)
    trained_A = train_positives_A > 0

    def statistics(times_N: IntArray) -> Reals:
        return np.array([*au_f1(times_N @ cells_3NA), *precision_of(times_N)])

    known_AN = ~np.isnan(au_NA.T)
    value_M, drawn_RM = _resampled(statistics, resampling, np.zeros(len(au_NA), dtype=np.int64))
    drawn_RM[:, ~np.tile([resampling.can_vary(known_N) for known_N in known_AN], 2)] = np.nan
    each = [_percentiles(value, drawn_R) for value, drawn_R in zip(value_M, drawn_RM.T, strict=True)]
    macro_f1, macro_precision = (
        _macro(value_M[part][trained_A], drawn_RM[:, part][:, trained_A])
        for part in (slice(len(aus)), slice(len(aus), None))
    )
    positives_A, n_A = (au_NA == 1).sum(0), known_AN.sum(1)
    rows = [
        {
            "au": au,
            "n": int(n_A[i]),
            "groups": resampling.n_groups(known_AN[i]),
            "positives": int(positives_A[i]),
            "train_positives": int(train_positives_A[i]),
            "in_macro": bool(trained_A[i] and positives_A[i]),
            "threshold": float(threshold_A[i]),
            "f1": each[i],
            "average_precision": each[len(aus) + i],
        }
        for i, au in enumerate(aus)
    ]
    n_aus = int(np.count_nonzero(trained_A & (positives_A > 0)))
    return {"macro_f1": macro_f1, "mean_average_precision": macro_precision, "n_aus": n_aus, "aus": rows}


def calibration(confidence_N: Reals, correct_N: BoolArray, resampling: Resampling = OVER_IMAGES) -> Json:
    """Expected calibration error over 15 bins of equal width (Guo et al. 2017, Eq. 3), and the bins with images."""
    bin_N = np.minimum((confidence_N * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    bins = []
    for position in np.unique(bin_N):
        member_N = bin_N == position
        n, right = int(member_N.sum()), _rate(correct_N, member_N, resampling)
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
    matrix_KK = confusion(emotion_N, np.full_like(emotion_N, largest), len(emotions))
    right = _rate(emotion_N == largest, np.ones(len(emotion_N), np.bool_), resampling)
    return {"emotion": emotions[largest], "accuracy": right, "uar": uar(matrix_KK)}


def _with_interval(
    statistics: Callable[[IntArray], Reals],
    resampling: Resampling,
    stratum_N: IntArray,
    member_MN: Sequence[BoolArray],
) -> list[Json]:
    """Each statistic of the images as they are, with the 95 % percentile interval of its resamples.

    None for one whose images are all of a single group.
    """
    value_M, drawn_RM = _resampled(statistics, resampling, stratum_N)
    drawn_RM[:, ~np.array([resampling.can_vary(member_N) for member_N in member_MN])] = np.nan
    return [_percentiles(value, drawn_R) for value, drawn_R in zip(value_M, drawn_RM.T, strict=True)]


def _resampled(
    statistics: Callable[[IntArray], Reals], resampling: Resampling, stratum_N: IntArray
) -> tuple[Reals, Reals]:
    drawn_RM = np.stack([statistics(times_N) for times_N in resampling.resamples(stratum_N)])
    return statistics(np.ones_like(stratum_N)), drawn_RM


def _percentiles(value: float, drawn_R: Reals) -> Json:
    there_R = drawn_R[~np.isnan(drawn_R)]  # a resample may miss every positive of a rare AU
    low, high = np.percentile(there_R, [2.5, 97.5]) if len(there_R) else (np.nan, np.nan)
    return _estimate(value, low, high)


def _macro(value_A: Reals, drawn_RA: Reals) -> Json:
    """The mean over the AUs that have a figure, with 1.96 standard deviations of its resamples on either side.

    Not percentiles: resamples draw the few positives of a rare AU twice or not at all, which lifts its figure, so that
    their mean lies above the mean itself. An AU whose positives a resample misses keeps its figure in it.
    """
    there_A = ~np.isnan(value_A)
    if not there_A.any():
        return _estimate(np.nan, np.nan, np.nan)
    value, drawn_RA = float(value_A[there_A].mean()), drawn_RA[:, there_A]
    if np.isnan(drawn_RA).all():
        return _estimate(value, np.nan, np.nan)
    half = NORMAL_95 * float(np.where(np.isnan(drawn_RA), value_A[there_A], drawn_RA).mean(1).std())
    return _estimate(value, max(0.0, value - half), min(1.0, value + half))


def _rate(hit_N: BoolArray, member_N: BoolArray, resampling: Resampling) -> Json:
    """The share of hits among the members."""
    n = int(member_N.sum())
    return _estimate(
        (hit_N & member_N).sum() / n if n else np.nan, *resampling.rate_interval(hit_N, member_N)
    )


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
