"""Metrics against scikit-learn, SciPy, the standard formulae counted by hand, and simulation."""

import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rafce_train.resampling import image_resamples
from scipy import stats
from sklearn import metrics as sk

from rafce_train import metrics

K, A = 4, 3
EMOTIONS = ("glad", "cross", "calm", "sad")
AUS = (1, 12, 45)


def predictions(seed: int, n: int = 60):
    """Emotions of which the last has no image, softmax outputs, AU states with unknowns, probabilities with ties."""
    random = np.random.default_rng(seed)
    emotion_N = random.integers(0, K - 1, n)
    probability_NK = random.dirichlet(np.ones(K), n).astype(np.float32)
    au_NA = random.choice([0, 1, np.nan], (n, A), p=[0.6, 0.3, 0.1]).astype(np.float32)
    au_probability_NA = np.round(random.random((n, A)), 1).astype(np.float32)
    return emotion_N, probability_NK, au_NA, au_probability_NA


@pytest.mark.parametrize("seed", range(5))
def test_emotion_metrics_equal_scikit_learns(seed):
    emotion_N, probability_NK, _, _ = predictions(seed)
    predicted_N = probability_NK.argmax(1)
    found = metrics.emotion_metrics(EMOTIONS, emotion_N, probability_NK)
    there = np.unique(emotion_N)
    recalls = sk.recall_score(emotion_N, predicted_N, labels=there, average=None)
    f1s = sk.f1_score(emotion_N, predicted_N, labels=there, average=None)
    assert found["accuracy"]["value"] == pytest.approx(sk.accuracy_score(emotion_N, predicted_N))
    assert found["uar"]["value"] == pytest.approx(recalls.mean())
    assert found["macro_f1"]["value"] == pytest.approx(f1s.mean())
    rows = [row for row in found["emotions"] if row["support"]]
    assert [row["recall"]["value"] for row in rows] == pytest.approx(recalls)
    assert [row["f1"]["value"] for row in rows] == pytest.approx(f1s)
    expected_KK = sk.confusion_matrix(emotion_N, predicted_N, labels=range(K))
    np.testing.assert_array_equal(found["confusion"], expected_KK)


def test_uar_is_the_balanced_accuracy_when_every_prediction_is_an_emotion_that_has_images():
    emotion_N, predicted_N = np.array([0, 0, 1, 1, 1, 2]), np.array([0, 1, 1, 1, 2, 0])
    expected = sk.balanced_accuracy_score(emotion_N, predicted_N)
    assert metrics.uar(metrics.confusion(emotion_N, predicted_N, K)) == pytest.approx(expected)


def test_accuracy_and_recalls_have_wilson_intervals():
    emotion_N, probability_NK, _, _ = predictions(0)
    found = metrics.emotion_metrics(EMOTIONS, emotion_N, probability_NK)
    correct_N = probability_NK.argmax(1) == emotion_N
    for row, member_N in [(found["accuracy"], np.ones(60, bool))] + [
        (found["emotions"][k]["recall"], emotion_N == k) for k in range(K - 1)
    ]:
        test = stats.binomtest(int(correct_N[member_N].sum()), int(member_N.sum()))
        interval = test.proportion_ci(method="wilson")
        assert (row["ci_low"], row["ci_high"]) == pytest.approx((interval.low, interval.high))


def test_an_emotion_without_images_has_no_figures():
    emotion_N, probability_NK, _, _ = predictions(0)
    absent = metrics.emotion_metrics(EMOTIONS, emotion_N, probability_NK)["emotions"][-1]
    nothing = {"value": None, "ci_low": None, "ci_high": None}
    assert absent == {"emotion": "sad", "support": 0, "groups": None, "recall": nothing, "f1": nothing}


def test_uar_interval_equals_the_binomial_bootstrap():
    """Resampling within an emotion redraws its hits from a binomial distribution: here they are drawn directly."""
    emotion_N = np.repeat([0, 1, 2], [40, 25, 8])
    predicted_N = np.concatenate(
        [np.repeat([0, 1], [30, 10]), np.repeat([1, 2], [10, 15]), np.repeat([2, 0], 4)]
    )
    found = metrics.emotion_metrics(EMOTIONS, emotion_N, np.eye(K)[predicted_N])["uar"]
    hits = np.random.default_rng(1).binomial([40, 25, 8], [30 / 40, 10 / 25, 4 / 8], (100_000, 3))
    low, high = np.percentile((hits / [40, 25, 8]).mean(1), [2.5, 97.5])
    assert (found["ci_low"], found["ci_high"]) == pytest.approx((low, high), abs=0.015)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40).map(np.array))
@settings(max_examples=30, deadline=None)
def test_resamples_keep_the_size_of_every_stratum(stratum_N):
    for times_N in image_resamples(stratum_N, 5):
        np.testing.assert_array_equal(np.bincount(stratum_N, weights=times_N), np.bincount(stratum_N))


def test_resamples_draw_every_image_equally_often():
    times = sum(image_resamples(np.array([0, 1, 0, 0, 1]), 20_000))
    assert np.abs(times / 20_000 - 1).max() < 0.03


@pytest.mark.parametrize("seed", range(5))
def test_au_metrics_equal_scikit_learns_on_the_known_images(seed):
    _, _, au_NA, probability_NA = predictions(seed)
    threshold_A = np.array([0.3, 0.5, 0.7], dtype=np.float32)
    found = metrics.au_metrics(AUS, au_NA, probability_NA, threshold_A, np.array([9, 9, 9]))
    for i, row in enumerate(found["aus"]):
        known_N = ~np.isnan(au_NA[:, i])
        true_N, probability_N = au_NA[known_N, i], probability_NA[known_N, i]
        f1 = sk.f1_score(true_N, probability_N >= threshold_A[i])
        precision = sk.average_precision_score(true_N, probability_N)
        assert (row["n"], row["positives"]) == (known_N.sum(), true_N.sum())
        assert row["f1"]["value"] == pytest.approx(f1)
        assert row["average_precision"]["value"] == pytest.approx(precision)
        assert row["f1"]["ci_low"] <= f1 <= row["f1"]["ci_high"]
        assert row["average_precision"]["ci_low"] <= precision <= row["average_precision"]["ci_high"]


def test_the_interval_of_a_mean_over_rare_aus_lies_about_the_mean():
    random = np.random.default_rng(0)
    au_NA = (random.random((200, A)) < 0.02).astype(np.float32)
    au_NA[0] = 1
    probability_NA = np.clip(0.3 * au_NA + random.random((200, A)) * 0.7, 0, 1)
    found = metrics.au_metrics(AUS, au_NA, probability_NA, np.full(A, 0.5), np.full(A, 9))
    for name in ("macro_f1", "mean_average_precision"):
        estimate = found[name]
        middle = (estimate["ci_low"] + estimate["ci_high"]) / 2
        assert estimate["ci_low"] < estimate["value"] < estimate["ci_high"]
        assert middle == pytest.approx(estimate["value"], abs=1e-9) or estimate["ci_low"] == 0


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_average_precision_equals_scikit_learns_with_sample_weights(seed):
    _, _, au_NA, probability_NA = predictions(seed)
    times_N = np.random.default_rng(seed).integers(0, 4, len(au_NA))
    found_A = metrics.average_precision(au_NA, probability_NA)(times_N)
    for i, found in enumerate(found_A):
        kept_N = ~np.isnan(au_NA[:, i]) & (times_N > 0)
        expected = sk.average_precision_score(
            au_NA[kept_N, i], probability_NA[kept_N, i], sample_weight=times_N[kept_N]
        )
        assert found == pytest.approx(expected)


def test_macro_means_leave_out_aus_that_cannot_be_judged():
    au_NA = np.array([[1, 0, 1], [0, 0, 1], [1, 0, 0], [0, 0, 0]], dtype=np.float32)
    probability_NA = np.array([[0.9, 0.9, 0.1], [0.8, 0.1, 0.9], [0.7, 0.2, 0.8], [0.1, 0.1, 0.1]])
    found = metrics.au_metrics(AUS, au_NA, probability_NA, np.full(3, 0.5), np.array([7, 7, 0]))
    assert [row["in_macro"] for row in found["aus"]] == [True, False, False]
    assert found["n_aus"] == 1
    assert found["macro_f1"]["value"] == pytest.approx(0.8)
    assert found["mean_average_precision"]["value"] == pytest.approx((1 + 2 / 3) / 2)
    assert found["aus"][1]["f1"]["value"] is None
    assert found["aus"][1]["average_precision"]["value"] is None


def test_au_macro_f1_interval_equals_a_bootstrap_written_out():
    _, _, au_NA, probability_NA = predictions(3, n=80)
    call_NA = probability_NA >= 0.5
    found = metrics.au_metrics(AUS, au_NA, probability_NA, np.full(A, 0.5), np.array([9, 9, 9]))["macro_f1"]
    random, drawn = np.random.default_rng(9), []
    for _ in range(2000):
        rows = random.integers(0, 80, 80)
        active_NA, called_NA = au_NA[rows] == 1, call_NA[rows] & ~np.isnan(au_NA[rows])
        agreement_A = 2 * (active_NA & called_NA).sum(0) / (active_NA.sum(0) + called_NA.sum(0))
        drawn.append(agreement_A.mean())  # Dice's coefficient is F1
    assert (found["ci_low"], found["ci_high"]) == pytest.approx(np.percentile(drawn, [2.5, 97.5]), abs=0.015)


@given(st.integers(0, 10_000))
@example(
    3893
)  # two thresholds of the same F1, of which one is higher by rounding where precision is computed first
@settings(max_examples=10, deadline=None)
def test_tuned_thresholds_are_the_lowest_of_the_best_found_by_trying_all(seed):
    _, _, au_NA, probability_NA = predictions(seed, n=25)
    threshold_A = metrics.tune_thresholds(au_NA, probability_NA)
    for i, threshold in enumerate(threshold_A):
        known_N = ~np.isnan(au_NA[:, i])
        true_N, probability_N = au_NA[known_N, i], probability_NA[known_N, i]
        if not true_N.any():
            assert threshold == 0.5
            continue
        candidates = np.unique(probability_N)
        f1s = [sk.f1_score(true_N, probability_N >= candidate) for candidate in candidates]
        best = candidates[np.isclose(f1s, max(f1s), rtol=1e-12)]
        assert threshold == pytest.approx(best[0])


def test_an_au_that_is_never_active_keeps_the_threshold_one_half():
    au_NA = np.array([[0, np.nan], [0, np.nan]])
    assert metrics.tune_thresholds(au_NA, np.array([[0.1, 0.9], [0.2, 0.8]])).tolist() == [0.5, 0.5]


def test_thresholds_survive_json():
    _, _, au_NA, probability_NA = predictions(1)
    threshold_A = metrics.tune_thresholds(au_NA, probability_NA)
    again_A = np.array(json.loads(json.dumps(threshold_A.tolist())))
    np.testing.assert_array_equal(probability_NA >= again_A, probability_NA >= threshold_A)


def test_calibration_error_equals_bins_filled_by_hand():
    confidence_N = np.array([0.05, 0.05, 0.62, 0.65, 0.99, 1.0])
    correct_N = np.array([False, True, True, False, True, True])
    found = metrics.calibration(confidence_N, correct_N)
    expected = (2 * abs(0.05 - 0.5) + 2 * abs(0.635 - 0.5) + 2 * abs(0.995 - 1.0)) / 6
    assert found["expected_error"] == pytest.approx(expected)
    assert [(row["n"], row["confidence"]) for row in found["bins"]] == [
        (2, pytest.approx(0.05)),
        (2, pytest.approx(0.635)),
        (2, pytest.approx(0.995)),
    ]


def test_a_calibrated_forecast_has_almost_no_calibration_error():
    random = np.random.default_rng(0)
    confidence_N = random.random(200_000)
    assert metrics.calibration(confidence_N, random.random(200_000) < confidence_N)["expected_error"] < 0.01


def test_the_majority_baseline_says_the_most_frequent_training_emotion():
    found = metrics.majority_baseline(EMOTIONS, np.array([3, 8, 8, 0]), np.array([1, 1, 0, 2, 1]))
    assert found["emotion"] == "cross"
    assert found["accuracy"]["value"] == pytest.approx(3 / 5)
    assert found["uar"] == pytest.approx(1 / 3)


def test_epoch_metrics_equal_the_full_ones_at_one_half():
    emotion_N, probability_NK, au_NA, au_probability_NA = predictions(2)
    train_positives_A = np.array([5, 0, 2])
    matrix_KK = metrics.confusion(emotion_N, probability_NK.argmax(1), K)
    found = metrics.epoch_metrics(matrix_KK, au_NA, au_probability_NA, train_positives_A > 0)
    emotions = metrics.emotion_metrics(EMOTIONS, emotion_N, probability_NK)
    aus = metrics.au_metrics(AUS, au_NA, au_probability_NA, np.full(A, 0.5), train_positives_A)
    expected = (emotions["accuracy"], emotions["uar"], aus["macro_f1"])
    assert tuple(found.values()) == pytest.approx(tuple(figure["value"] for figure in expected))


def test_epoch_metrics_without_trained_aus_have_no_macro_f1():
    emotion_N, probability_NK, au_NA, au_probability_NA = predictions(2)
    matrix_KK = metrics.confusion(emotion_N, probability_NK.argmax(1), K)
    assert np.isnan(
        metrics.epoch_metrics(matrix_KK, au_NA, au_probability_NA, np.zeros(A, bool))["au_macro_f1"]
    )


def test_results_are_plain_json_and_repeat():
    emotion_N, probability_NK, au_NA, au_probability_NA = predictions(4)

    def results() -> str:
        emotions = metrics.emotion_metrics(EMOTIONS, emotion_N, probability_NK)
        aus = metrics.au_metrics(AUS, au_NA, au_probability_NA, np.full(A, 0.5), np.array([1, 0, 3]))
        baseline = metrics.majority_baseline(EMOTIONS, np.array([1, 2, 3, 4]), emotion_N)
        return json.dumps([emotions, aus, baseline], allow_nan=False)

    assert results() == results()


def test_permuting_aus_permutes_their_figures():
    _, _, au_NA, probability_NA = predictions(6)
    order = [2, 0, 1]
    straight = metrics.au_metrics(AUS, au_NA, probability_NA, np.full(A, 0.5), np.array([1, 2, 3]))
    permuted = metrics.au_metrics(
        [AUS[i] for i in order],
        au_NA[:, order],
        probability_NA[:, order],
        np.full(A, 0.5),
        np.array([3, 1, 2]),
    )
    assert permuted["aus"] == [straight["aus"][i] for i in order]
    assert permuted["macro_f1"]["value"] == pytest.approx(straight["macro_f1"]["value"])
