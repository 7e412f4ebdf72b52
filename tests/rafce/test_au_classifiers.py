"""Classifiers on true AUs: scikit-learn's naive Bayes, Eq. 7 by hand, scores counted one image at a time."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, recall_score
from sklearn.naive_bayes import BernoulliNB

import rafce.parts
from rafce.au_classifiers import (
    CLASSIFIERS,
    Fitted,
    Images,
    OutcomeByGroup,
    Trial,
    equation_7,
    naive_bayes_class,
    naive_bayes_uniform,
    outcome_by_group,
    outcome_by_group_kernel,
    outcome_kernel,
    outcome_on,
    trial_of,
)
from rafce.bootstrap import Ratios, grouped_ratio_interval, resample_groups
from rafce.grouped import by_groups
from rafce.intervals import mean_recall
from rafce.parts import find_samples
from rafce.schema import PARTITIONS, Vocabulary
from rafce.statistics import count
from rafce.streaming import count_here

EMOTIONS = ("calm", "torn", "glad", "wry")


def images(seed: int, n: int = 300, known_share: float = 1.0) -> Images:
    rng = np.random.default_rng(seed)
    rates_EA = np.random.default_rng(99).random((4, 6)) ** 2
    emotion_N = rng.choice(4, n, p=[0.5, 0.3, 0.15, 0.05])
    return Images(emotion_N, rng.random((n, 6)) < rates_EA[emotion_N], rng.random((n, 6)) < known_share)


def some(images: Images, rows: slice) -> Images:
    return Images(images.emotion_N[rows], images.active_NA[rows], images.known_NA[rows])


def fitted(images: Images, n_emotions: int) -> Fitted:
    n_E = np.bincount(images.emotion_N, minlength=n_emotions)
    return Fitted(count(*images, n_emotions), n_E)


def try_classifiers(fit: Images, test: Images, emotions: tuple[str, ...]) -> Trial:
    known = fitted(fit, len(emotions))
    return trial_of(known, outcome_on(known, test), emotions)


@pytest.mark.parametrize("classifier", [naive_bayes_uniform, naive_bayes_class])
def test_naive_bayes_gives_scikit_learns_probabilities(classifier):
    fit, test = images(0), images(1, n=80)
    known = fitted(fit, 4)
    n_E = known.n_E
    prior_E = np.full(4, 1 / 4) if classifier is naive_bayes_uniform else (n_E + 1) / (n_E.sum() + 4)
    theirs = BernoulliNB(alpha=1.0, class_prior=prior_E).fit(fit.active_NA, fit.emotion_N)
    scores_NE = classifier(known, test)
    ours = np.exp(scores_NE - scores_NE.max(1, keepdims=True))
    assert ours / ours.sum(1, keepdims=True) == pytest.approx(theirs.predict_proba(test.active_NA))


def test_naive_bayes_passes_over_an_unknown_au():
    known, test = fitted(images(0, known_share=0.8), 4), images(1, n=40, known_share=0.5)
    p_EA = (known.counts.active_EA + 1) / (known.counts.known_EA + 2)
    scores_NE = naive_bayes_uniform(known, test)
    for n in range(40):
        for e in range(4):
            terms = [
                np.log(p_EA[e, a] if test.active_NA[n, a] else 1 - p_EA[e, a])
                for a in np.flatnonzero(test.known_NA[n])
            ]
            assert scores_NE[n, e] == pytest.approx(sum(terms))


def test_equation_7_by_hand():
    # P of the first emotion (.5, 0 for an AU seen in 1 of 10 and so not observed), of the second (.2, .8)
    fit = Images(
        np.repeat([0, 1], 10),
        np.array([[n < 5, n < 1] for n in range(10)] + [[n < 2, n < 8] for n in range(10)]),
        np.ones((20, 2), np.bool_),
    )
    faces = np.array([[True, True], [True, False], [False, True], [False, False]])
    scores_NE = equation_7(fitted(fit, 2), Images(np.zeros(4, int), faces, np.ones((4, 2), np.bool_)))
    assert scores_NE == pytest.approx(np.array([[1, 1], [1, 0.2], [0, 0.8], [0, 0]]))


def test_equation_7_gives_nothing_to_an_emotion_without_observed_aus():
    fit = Images(
        np.repeat([0, 1], 10),
        np.array([[n < 9, n < 5] for n in range(10)] + [[n < 1, False] for n in range(10)]),
        np.ones((20, 2), np.bool_),
    )
    face = Images(np.zeros(1, int), np.array([[False, True]]), np.ones((1, 2), np.bool_))
    assert equation_7(fitted(fit, 2), face) == pytest.approx(np.array([[0.5 / 1.4, 0]]))


def test_the_largest_class_is_the_commonest_emotion_whatever_the_image_shows():
    fit = Images(np.array([0, 1, 1, 1, 2, 2]), np.zeros((6, 2), np.bool_), np.ones((6, 2), np.bool_))
    faces = Images(
        np.zeros(3, int), np.array([[True, False], [False, True], [True, True]]), np.ones((3, 2), np.bool_)
    )
    assert CLASSIFIERS["largest class"](fitted(fit, 3), faces).argmax(1).tolist() == [1, 1, 1]


def test_equation_7_sums_over_known_aus_only():
    fit = Images(
        np.repeat([0, 1], 10),
        np.repeat([[True, True], [False, True]], 10, axis=0),
        np.ones((20, 2), np.bool_),
    )
    first_unknown = Images(np.zeros(1, int), np.array([[True, True]]), np.array([[False, True]]))
    assert equation_7(fitted(fit, 2), first_unknown) == pytest.approx(np.array([[1.0, 1.0]]))


def test_the_kernel_gives_the_outcome_of_the_rows_of_its_partition(tmp_path, monkeypatch):
    fit, test = images(0, known_share=0.8), images(1, n=250, known_share=0.8)
    known = fitted(fit, 4)
    columns = {
        "partition": np.arange(250) % 3,
        "emotion_id": test.emotion_N,
        **{f"AU{a:02d}": pa.array(test.active_NA[:, a], mask=~test.known_NA[:, a]) for a in range(6)},
    }
    columns["partition"] = np.array(PARTITIONS)[columns["partition"]]
    pq.write_table(pa.table(columns), tmp_path / "s.parquet", row_group_size=60)
    monkeypatch.setattr(rafce.parts, "CHUNK_ROWS", 7)
    monkeypatch.setattr(rafce.parts, "PART_ROWS", 100)
    samples = find_samples(tmp_path / "s.parquet", Vocabulary(EMOTIONS, tuple(range(6))))
    found = count_here(outcome_kernel(known, "test"), samples)
    expected = outcome_on(known, some(test, slice(2, None, 3)))
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one, other)


def test_what_a_classifier_makes_of_an_image_does_not_depend_on_the_images_beside_it():
    known, test = fitted(images(0), 4), images(1, n=200, known_share=0.9)
    for score in CLASSIFIERS.values():
        together_NE = score(known, test)
        alone = [score(known, some(test, slice(n, n + 1))) for n in range(200)]
        assert np.array_equal(together_NE, np.concatenate(alone))


def test_accuracy_and_uar_equal_scikit_learns():
    fit, test = images(0), images(1, n=120)
    trial = try_classifiers(fit, test, EMOTIONS)
    for name, score in CLASSIFIERS.items():
        predicted_N = score(fitted(fit, 4), test).argmax(1)
        row = trial.summary[trial.summary["classifier"] == name].iloc[0]
        assert row["accuracy"] == pytest.approx(accuracy_score(test.emotion_N, predicted_N))
        labels = np.unique(test.emotion_N)
        uar = recall_score(test.emotion_N, predicted_N, average="macro", labels=labels, zero_division=0)
        assert row["uar"] == pytest.approx(uar)
        interval = binomtest(row["correct"], 120).proportion_ci(method="wilson")
        assert (row["accuracy_low"], row["accuracy_high"]) == pytest.approx((interval.low, interval.high))
        assert (row["n_fit"], row["n"], row["n_emotions"]) == (300, 120, len(labels))


def test_an_emotion_without_test_images_leaves_the_mean_recall():
    fit, test = images(0), images(1, n=120)
    kept = test.emotion_N != 3
    trial = try_classifiers(fit, Images(*(table[kept] for table in test)), EMOTIONS)
    largest = trial.summary[trial.summary["classifier"] == "largest class"].iloc[0]
    assert largest["uar"] == pytest.approx(1 / 3)
    assert largest["n_emotions"] == 3
    absent = trial.recall[trial.recall["emotion"] == "wry"]
    assert (absent["n"] == 0).all()
    assert absent["recall"].isna().all()


def test_recalls_carry_their_support_and_wilsons_interval():
    trial = try_classifiers(images(0), images(1, n=120), EMOTIONS)
    assert len(trial.recall) == len(CLASSIFIERS) * 4
    for row in trial.recall.to_dict("records"):
        interval = binomtest(row["correct"], row["n"]).proportion_ci(method="wilson")
        assert (row["recall"], row["ci_low"], row["ci_high"]) == pytest.approx(
            (row["correct"] / row["n"], interval.low, interval.high)
        )
        assert row["n"] == (images(1, n=120).emotion_N == EMOTIONS.index(row["emotion"])).sum()


def test_ties_are_counted_and_go_to_the_lowest_id():
    faces = Images(np.array([1, 1]), np.zeros((2, 6), np.bool_), np.ones((2, 6), np.bool_))
    trial = try_classifiers(images(0), faces, EMOTIONS).summary.set_index("classifier")
    assert trial["ties"].to_dict() == {
        "Eq. 7": 2,  # no AU is active: every score is 0
        "naive Bayes, uniform prior": 0,
        "naive Bayes, class prior": 0,
        "largest class": 0,
    }
    assert trial["correct"].to_dict()["Eq. 7"] == 0


def test_without_test_images_there_is_no_rate():
    nothing = Images(np.zeros(0, int), np.zeros((0, 6), np.bool_), np.zeros((0, 6), np.bool_))
    summary = try_classifiers(images(0), nothing, EMOTIONS).summary
    assert (summary["n"] == 0).all()
    assert summary[["accuracy", "accuracy_low", "uar", "uar_high"]].isna().all(axis=None)


def test_uar_has_the_interval_of_a_mean_recall_and_one_of_the_largest_class_has_a_width():
    test = images(1, n=120)
    trial = try_classifiers(images(0), test, EMOTIONS)
    for row in trial.summary.to_dict("records"):
        recalls = trial.recall[trial.recall["classifier"] == row["classifier"]]
        expected = mean_recall(recalls["correct"].to_numpy(), recalls["n"].to_numpy())
        assert [row["uar"], row["uar_low"], row["uar_high"]] == pytest.approx([float(of) for of in expected])
        assert row["uar_low"] < row["uar"] < row["uar_high"]


def test_a_recall_of_one_image_has_the_exact_interval():
    trial = try_classifiers(images(0), some(images(1), slice(0, 1)), EMOTIONS)
    there = trial.recall[trial.recall["n"] == 1]
    for row in there.to_dict("records"):
        expected = binomtest(row["correct"], 1).proportion_ci(method="exact")
        assert (row["ci_low"], row["ci_high"]) == pytest.approx((expected.low, expected.high))
    of_uar = there.set_index("classifier")[["ci_low", "ci_high"]]
    for row in trial.summary.to_dict("records"):
        assert [row["uar_low"], row["uar_high"]] == pytest.approx(of_uar.loc[row["classifier"]].tolist())


# --- groups ---


def test_groups_of_test_images_are_counted_apart_over_chunks_and_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(rafce.parts, "CHUNK_ROWS", 13)
    monkeypatch.setattr(rafce.parts, "PART_ROWS", 40)
    every, known = images(2, n=200, known_share=0.8), fitted(images(0), 4)
    group_N = np.random.default_rng(3).integers(0, 9, 200)
    partition_N = np.array(PARTITIONS)[group_N % 3]
    columns = {
        "group": [f"v{group}" for group in group_N],
        "partition": partition_N,
        "emotion_id": pa.array(every.emotion_N, pa.int8()),
        **{f"AU0{i}": pa.array(every.active_NA[:, i], mask=~every.known_NA[:, i]) for i in range(6)},
    }
    pq.write_table(pa.table(columns), tmp_path / "samples.parquet", row_group_size=23)
    samples = by_groups(find_samples(tmp_path / "samples.parquet", Vocabulary(EMOTIONS, tuple(range(6)))))
    found = outcome_by_group(count_here(outcome_by_group_kernel(known, "test"), samples, jobs=2))
    ties_G = np.zeros(len(CLASSIFIERS), np.int64)
    for u, group in enumerate((2, 5, 8)):
        rows = np.flatnonzero(group_N == group)
        alone = outcome_on(known, Images(every.emotion_N[rows], every.active_NA[rows], every.known_NA[rows]))
        assert found.n_UE[u].tolist() == alone.n_E.tolist()
        assert found.correct_UGE[u].tolist() == alone.correct_GE.tolist()
        ties_G += alone.ties_G
    assert found.ties_G.tolist() == ties_G.tolist()
    assert found.total().n_E.sum() == (partition_N == "test").sum()


def test_figures_over_groups_have_the_groups_intervals():
    rng, known = np.random.default_rng(4), fitted(images(0), 4)
    n_UE = rng.integers(0, 6, (7, 4))
    n_UE[:, 3] = 0  # no test image
    groups = OutcomeByGroup(
        n_UE, rng.binomial(n_UE[:, None], 0.6, (7, len(CLASSIFIERS), 4)), np.zeros(4, int)
    )
    trial = trial_of(known, groups.total(), EMOTIONS, groups)
    for i, row in enumerate(trial.summary.to_dict("records")):
        correct_UE = groups.correct_UGE[:, i]
        assert (row["n"], row["n_groups"]) == (n_UE.sum(), 7)
        found = [row["accuracy_low"], row["accuracy_high"]]
        assert found == pytest.approx(np.stack(grouped_ratio_interval(correct_UE.sum(1), n_UE.sum(1))))
        correct_RE, n_RE = (table[:, :3] for table in resample_groups(Ratios(correct_UE, n_UE)))
        whole_E = correct_UE.sum(0)[:3] / n_UE.sum(0)[:3]
        uars = [
            np.mean([c / n if n else whole for c, n, whole in zip(*drawn, whole_E, strict=True)])
            for drawn in zip(correct_RE, n_RE, strict=True)
        ]
        assert row["uar"] == pytest.approx(whole_E.mean())
        assert [row["uar_low"], row["uar_high"]] == pytest.approx(np.percentile(uars, [2.5, 97.5]))
        recall = trial.recall[trial.recall["classifier"] == row["classifier"]]
        low_E, high_E = grouped_ratio_interval(correct_UE, n_UE)
        np.testing.assert_allclose(recall[["ci_low", "ci_high"]], np.stack([low_E, high_E], axis=1))
        assert recall["n_groups"].tolist() == [*np.count_nonzero(n_UE[:, :3], axis=0), 0]


def test_one_group_of_test_images_gives_figures_without_intervals():
    known = fitted(images(0), 4)
    n_UE = np.array([[3, 4, 0, 2]])
    groups = OutcomeByGroup(n_UE, np.stack([n_UE // 2] * 4, axis=1), np.zeros(4, int))
    summary = trial_of(known, groups.total(), EMOTIONS, groups).summary
    assert summary[["accuracy_low", "accuracy_high", "uar_low", "uar_high"]].isna().all(axis=None)
    assert summary[["accuracy", "uar"]].notna().all(axis=None)
