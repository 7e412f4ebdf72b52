"""Metrics against scikit-learn, SciPy, the standard formulae counted by hand, and simulation."""

import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from rafce.bootstrap import N_RESAMPLES, OVER_IMAGES, resampling_of
from rafce.intervals import clopper_pearson, mean_recall, wilson
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


def test_uar_has_the_interval_of_a_mean_recall():
    emotion_N, probability_NK, _, _ = predictions(0)
    found = metrics.emotion_metrics(EMOTIONS, emotion_N, probability_NK)["uar"]
    right_N = probability_NK.argmax(1) == emotion_N
    expected = mean_recall(np.bincount(emotion_N[right_N], minlength=K), np.bincount(emotion_N, minlength=K))
    assert list(found.values()) == pytest.approx([float(of) for of in expected])


def test_a_class_of_one_image_has_the_exact_interval_and_gives_uar_a_width():
    emotion_N = np.array([0] * 9 + [1, 2])
    found = metrics.emotion_metrics(EMOTIONS, emotion_N, np.eye(K)[emotion_N])  # all right
    for row, limits in zip(found["emotions"], [wilson(9, 9), *[clopper_pearson(1, 1)] * 2], strict=False):
        assert (row["recall"]["ci_low"], row["recall"]["ci_high"]) == pytest.approx(tuple(map(float, limits)))
    for name in ("accuracy", "uar", "macro_f1"):
        assert found[name]["ci_low"] < found[name]["value"] == found[name]["ci_high"] == 1


def widths(found):
    """Where an interval is, and how wide, in everything that has one."""
    if isinstance(found, dict) and "ci_low" in found:
        return [] if found["ci_low"] is None else [found["ci_high"] - found["ci_low"]]
    inner = found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
    return [width for each in inner for width in widths(each)]


@pytest.mark.parametrize("n_groups", [None, 2, 5])
@pytest.mark.parametrize("says", ["the truth", "the first", "never the truth"])
def test_no_figure_has_an_interval_without_a_width(says, n_groups):
    """A class of 1, 2 and many images, all right or all wrong; AUs ranked perfectly, or the wrong way round."""
    emotion_N = np.array([0] * 20 + [1] * 2 + [2])
    predicted_N = {"the truth": emotion_N, "the first": 0 * emotion_N}.get(says, 1 - (emotion_N > 0))
    resampling = OVER_IMAGES if n_groups is None else resampling_of(np.arange(23) % n_groups)
    au_NA = np.stack([emotion_N == k for k in (1, 2, 9)], axis=1).astype(np.float32)
    au_p_NA = au_NA if says == "the truth" else 1 - au_NA
    found = [
        metrics.emotion_metrics(EMOTIONS, emotion_N, np.eye(K)[predicted_N], resampling),
        metrics.au_metrics(AUS, au_NA, au_p_NA, np.full(A, 0.5), np.full(A, 3), resampling),
        metrics.majority_baseline(EMOTIONS, np.array([5, 1, 1, 0]), emotion_N, resampling),
    ]
    assert min(widths(found)) > 0.001
    there = [*found[1]["aus"][:1], *found[0]["emotions"][:1]]  # in several groups
    assert all(
        None not in row[name].values() for row in there for name in row.keys() & {"f1", "average_precision"}
    )
    for name in ("uar", "macro_f1", "accuracy"):
        assert found[0][name]["ci_low"] <= found[0][name]["value"] <= found[0][name]["ci_high"]
        assert found[0][name]["ci_low"] >= 0
        assert found[0][name]["ci_high"] <= 1


def test_f1_has_wilsons_limits_of_the_jaccard_index_even_where_it_is_0():
    emotion_N, probability_NK, au_NA, au_probability_NA = predictions(1)
    probability_NK[:, 2] = 0  # never said
    found = metrics.emotion_metrics(EMOTIONS, emotion_N, probability_NK)["emotions"]
    predicted_N = probability_NK.argmax(1)
    aus = metrics.au_metrics(AUS, au_NA, au_probability_NA, np.full(A, 0.5), np.full(A, 3))["aus"]
    cells = [(emotion_N == k, predicted_N == k, row["f1"]) for k, row in enumerate(found[:3])]
    cells += [(au_NA[:, i] == 1, (au_probability_NA[:, i] >= 0.5) & ~np.isnan(au_NA[:, i]), row["f1"])
              for i, row in enumerate(aus)]  # fmt: skip
    for true_N, called_N, f1 in cells:
        low, high = (float(of) for of in wilson((true_N & called_N).sum(), (true_N | called_N).sum()))
        assert (f1["ci_low"], f1["ci_high"]) == pytest.approx((2 * low / (1 + low), 2 * high / (1 + high)))
    assert found[2]["f1"]["value"] == 0 < found[2]["f1"]["ci_high"]


def test_emotion_macro_f1_interval_equals_a_bootstrap_written_out():
    emotion_N, probability_NK, _, _ = predictions(2, n=120)
    predicted_N = probability_NK.argmax(1)
    found = metrics.emotion_metrics(EMOTIONS, emotion_N, probability_NK)["macro_f1"]
    random, drawn = np.random.default_rng(0), []
    for _ in range(N_RESAMPLES):
        rows = random.integers(120, size=120)
        drawn.append(
            sk.f1_score(emotion_N[rows], predicted_N[rows], labels=range(3), average="macro", zero_division=0)
        )
    half = 1.96 * np.std(drawn)
    assert (found["ci_low"], found["ci_high"]) == pytest.approx(
        (found["value"] - half, found["value"] + half)
    )


def test_the_kinds_of_interval_are_named():
    emotion_N, probability_NK, _, _ = predictions(0)
    found = metrics.emotion_metrics(EMOTIONS, emotion_N, probability_NK)["intervals"]
    assert found == {
        "rates": "Wilson",
        "recalls": "Wilson (below 3 images Clopper–Pearson)",
        "uar": "MOVER",
        "f1": "Wilson of TP / (TP + FP + FN)",
        "scores": "bootstrap over images",
    }
    grouped = metrics.emotion_metrics(EMOTIONS, emotion_N, probability_NK, resampling_of(np.arange(60) % 9))
    assert set(grouped["intervals"].values()) == {"bootstrap over groups"}


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
    expected = mean_recall([0, 3, 0], [1, 3, 1])
    assert list(found["uar"].values()) == pytest.approx([float(of) for of in expected])
    assert found["uar"]["value"] == pytest.approx(1 / 3)


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
