"""Training on what other programs coded: frames of videos, AUs that are unknown, no laboratory table, other words."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from rafce.bootstrap import Resampling, resampling_of
from rafce.errors import ConfigError, DatasetError, ImageError
from rafce_train.compare import possible
from rafce_train.config import Config
from rafce_train.data import find_images, read_data, training_warnings
from rafce_train.evaluate import evaluate
from rafce_train.explain import Options, explain
from rafce_train.losses import au_loss
from rafce_train.metrics import au_metrics, emotion_metrics, tune_thresholds
from rafce_train.plan import make_plan
from rafce_train.predict import predict
from rafce_train.run import start
from rafce_train.saved import open_model
from rafce_train.setup import make_priors


def config_of(folder, **changes):
    options = {"dataset": str(folder), "method": "mml", "backbone": "squeezenet1_1", "image_size": 32}
    return Config(
        **{**options, "batch_size": 8, "epochs": 1, "device": "cpu", "deterministic": True, **changes}
    )


@pytest.fixture(scope="session")
def rows(video_dataset):
    return [
        row
        for part in (0, 1)
        for row in pq.read_table(video_dataset / f"samples/part-{part}.parquet").to_pylist()
    ]


@pytest.fixture(scope="session")
def data(video_dataset):
    return read_data(video_dataset)


@pytest.fixture(scope="session")
def finished(video_dataset, whole):
    """The folder and the metrics of a run of mml."""
    return whole(config_of(video_dataset))


@pytest.fixture
def changed(video_dataset, tmp_path):
    """A copy of which a test may spoil something."""
    return shutil.copytree(video_dataset, tmp_path / "data")


def rewrite(path, change):
    pq.write_table(change(pq.read_table(path)), path)


def silent(done, total):
    pass


def test_parts_are_read_as_one_table_in_the_order_of_their_names(data, rows):
    assert (data.emotions, data.aus) == (("glad", "cross", "calm & cool"), (1, 12, 25, 45, 61))
    assert data.names == tuple(row["image"] for row in rows)
    assert data.emotion_N.tolist() == [row["emotion_id"] for row in rows]
    assert data.group_N is not None
    assert data.group_N.tolist() == [row["group"] for row in rows]
    assert {name: len(data.rows(name)) for name in ("train", "validation", "test")} == {
        name: sum(row["partition"] == name for row in rows) for name in ("train", "validation", "test")
    }


def test_unknown_aus_count_nowhere_by_hand(data, rows):
    for partition in ("train", "validation", "test"):
        inside = [row for row in rows if row["partition"] == partition]
        states = [[row[f"AU{au:02d}"] for row in inside] for au in data.aus]
        assert data.au_positives(partition).tolist() == [column.count(True) for column in states]
        assert data.au_known(partition).tolist() == [len(column) - column.count(None) for column in states]
        for k, emotion in enumerate(data.emotions):
            of = [row for row in inside if row["emotion"] == emotion]
            known = [[row[f"AU{au:02d}"] for row in of if row[f"AU{au:02d}"] is not None] for au in data.aus]
            assert data.statistics[partition].n_KA[k].tolist() == [len(column) for column in known]
            assert data.statistics[partition].count_KA[k].tolist() == [sum(column) for column in known]
            assert data.statistics[partition].n_K[k] == len(of)


def test_unknown_aus_add_nothing_to_the_loss_by_hand(data):
    states_BA = data.au_NA[:6]
    logits_BA = torch.randn(states_BA.shape, dtype=torch.float64, requires_grad=True)
    loss_B = au_loss(logits_BA, torch.from_numpy(states_BA).double())
    for loss, p_A, state_A in zip(loss_B.tolist(), logits_BA.sigmoid().tolist(), states_BA, strict=True):
        parts = [
            -np.log(p if state == 1 else 1 - p)
            for p, state in zip(p_A, state_A, strict=True)
            if state == state
        ]
        assert loss == pytest.approx(sum(parts))
    loss_B.sum().backward()
    assert logits_BA.grad is not None
    assert (logits_BA.grad != 0).tolist() == (~np.isnan(states_BA)).tolist()


def test_an_au_that_no_training_image_knows_is_named(data):
    assert training_warnings(data, learns_aus=True)[-1].startswith(
        "no label of AU61 in the training images: not"
    )


def test_parts_of_other_programs_may_lack_metadata_and_ids_and_have_other_types(changed, data):
    def plain(table):
        table = table.drop_columns(["emotion_id", "au_mask", "au_known"]).replace_schema_metadata(None)
        emotion = table["emotion"].dictionary_encode()
        return table.set_column(table.column_names.index("emotion"), "emotion", emotion)

    rewrite(changed / "samples" / "part-1.parquet", plain)
    found = read_data(changed)
    np.testing.assert_array_equal(found.au_NA, data.au_NA)
    np.testing.assert_array_equal(found.emotion_N, data.emotion_N)
    assert found.fingerprint != data.fingerprint


def test_the_fingerprint_follows_every_part(changed, data):
    assert read_data(changed).fingerprint == data.fingerprint
    (changed / "samples" / "part-1.parquet").rename(changed / "samples" / "part-2.parquet")
    assert read_data(changed).fingerprint != data.fingerprint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda table: table.drop_columns(["AU12"]),
            "part-1.parquet: expected a column AU12 (bool), found none",
        ),
        (
            lambda table: table.drop_columns(["group"]),
            "part-1.parquet: expected a column group (text), found none",
        ),
        (
            lambda table: table.replace_schema_metadata(
                {**table.schema.metadata, b"rafce.emotions": b'["glad", "sad"]'}
            ),
            "part-1.parquet: expected the emotions and AUs of the rest of the dataset, found others",
        ),
        (
            lambda table: table.set_column(2, "partition", [["test"] * len(table)]),
            "samples: group video06: expected one partition, found validation and test",
        ),
    ],
)
def test_a_part_that_does_not_fit_is_refused(changed, change, message):
    rewrite(changed / "samples" / "part-1.parquet", change)
    with pytest.raises(DatasetError) as caught:
        read_data(changed)
    assert message in str(caught.value)


def test_up_to_twenty_groups_that_straddle_partitions_are_named(changed):
    def apart(table):
        return table.set_column(1, "group", [[f"clip{i % 24}" for i in range(len(table))]])

    rewrite(changed / "samples" / "part-0.parquet", apart)
    rewrite(changed / "samples" / "part-1.parquet", apart)
    with pytest.raises(DatasetError) as caught:
        read_data(changed)
    lines = str(caught.value).splitlines()
    assert len(lines) <= 21
    assert all("expected one partition, found train and" in line for line in lines[:15])


def test_an_empty_folder_of_parts_is_refused(changed):
    for part in (changed / "samples").iterdir():
        part.unlink()
    with pytest.raises(
        DatasetError, match=r"samples: expected a folder of \*\.parquet files, found none in it"
    ):
        read_data(changed)


def test_a_dataset_without_images_trains_once_told_where_they_are(changed, video_dataset):
    manifest = json.loads((changed / "manifest.json").read_text())
    manifest["images"]["root"] = None
    (changed / "manifest.json").write_text(json.dumps(manifest))
    bare = read_data(changed)
    with pytest.raises(
        ImageError,
        match=r"made without images; expected --images DIR, the folder of video00_000000\.jpg and the others",
    ):
        find_images(bare)
    frames = video_dataset.parent / "frames"
    assert find_images(bare, frames) == [frames / name for name in bare.names]


@pytest.mark.parametrize(("method", "option"), [("am", "--statistics lab"), ("dm", "--method dm")])
def test_lab_statistics_are_refused_where_there_are_none(data, video_dataset, method, option):
    with pytest.raises(
        ConfigError, match=f"{option}: expected a laboratory table of the dataset's emotions and AUs"
    ):
        make_priors(config_of(video_dataset, method=method, statistics="lab"), data)


def test_a_comparison_leaves_out_what_needs_the_laboratory(video_dataset):
    options = {"dataset": str(video_dataset)}
    plan = possible(make_plan(options, ("stl", "am"), ("wild", "lab"), ("paper",), 1))
    assert [run.name for run in plan.runs] == ["stl-none-none-0", "am-wild-paper-0"]
    assert plan.left_out == ("am-lab-paper: the dataset has no laboratory table",)


# --- what a run writes ---


@pytest.fixture(scope="session")
def predictions(finished):
    return pq.read_table(finished[0] / "predictions.parquet").to_pylist()


@pytest.fixture(scope="session")
def test_rows(rows):
    return [row for row in rows if row["partition"] == "test"]


def test_predictions_carry_the_groups(predictions, test_rows):
    assert [(row["image"], row["group"]) for row in predictions] == [
        (row["image"], row["group"]) for row in test_rows
    ]


def test_metrics_say_images_groups_and_the_kind_of_interval(finished, test_rows):
    metrics = finished[1]
    assert metrics["dataset"]["groups"] == {"train": 6, "validation": 3, "test": 3}
    assert (metrics["test"]["n"], metrics["test"]["groups"]) == (9, 3)
    assert set(metrics["test"]["intervals"].values()) == {"bootstrap over groups"}
    for row in metrics["test"]["emotions"]:
        of = [sample["group"] for sample in test_rows if sample["emotion"] == row["emotion"]]
        assert (row["support"], row["groups"]) == (len(of), len(set(of)))


def test_au_figures_are_those_of_the_known_images_by_hand(finished, predictions, test_rows, rows):
    found = finished[1]["test"]["action_units"]["aus"]
    for row in found:
        name = f"AU{row['au']:02d}"
        pairs = [
            (sample[name], p[f"p_{name}"] >= row["threshold"])
            for sample, p in zip(test_rows, predictions, strict=True)
            if sample[name] is not None
        ]
        hits, false_alarms, misses = (
            pairs.count(cell) for cell in ((True, True), (False, True), (True, False))
        )
        assert (row["n"], row["positives"]) == (len(pairs), hits + misses)
        f1 = 2 * hits / (2 * hits + false_alarms + misses) if hits + misses else None
        assert row["f1"]["value"] == (None if f1 is None else pytest.approx(f1))
        trained = [sample[name] for sample in rows if sample["partition"] == "train"]
        assert row["train_positives"] == trained.count(True)
    assert found[-1]["n"] == found[-1]["train_positives"] == 0
    assert found[-1]["f1"] == {"value": None, "ci_low": None, "ci_high": None}


def test_thresholds_are_tuned_on_known_images_by_hand():
    states_NA = np.array([[1, np.nan], [0, np.nan], [np.nan, np.nan], [1, np.nan]])
    p_NA = np.array([[0.6, 0.9], [0.3, 0.8], [0.1, 0.7], [0.5, 0.6]])
    # calls from 0.5 on have two hits and no false alarm; from 0.1 on the unknown one would be called as well
    assert tune_thresholds(states_NA, p_NA).tolist() == [0.5, 0.5]


def test_accuracy_and_recall_intervals_equal_a_hand_written_bootstrap_over_groups(finished, predictions):
    test = finished[1]["test"]
    groups = sorted({row["group"] for row in predictions})

    def interval(of):
        random, shares = np.random.default_rng(0), []
        for _ in range(2000):
            drawn = [
                row
                for i in random.integers(len(groups), size=len(groups))
                for row in of
                if row["group"] == groups[i]
            ]
            if drawn:
                shares.append(sum(row["emotion"] == row["predicted"] for row in drawn) / len(drawn))
        return tuple(np.quantile(shares, [0.025, 0.975]))

    named = {"": predictions, **{row["emotion"]: [] for row in test["emotions"]}}
    for row in predictions:
        named[row["emotion"]].append(row)
    found = {"": test["accuracy"], **{row["emotion"]: row["recall"] for row in test["emotions"]}}
    assert any(0 < figure["value"] < 1 for figure in found.values())
    for name, figure in found.items():
        if 0 < figure["value"] < 1:  # else all draws are alike, and the interval is Wilson's over groups
            assert (figure["ci_low"], figure["ci_high"]) == pytest.approx(interval(named[name]))


def test_evaluate_makes_the_grouped_figures_again(finished):
    evaluation = evaluate(finished[0], "test", lambda text: None, silent)
    assert evaluation.differences == ()
    assert evaluation.figures["test"]["groups"] == 3


def test_predict_and_predictions_agree(finished, data):
    paths = find_images(data)
    table, bad = predict(open_model(finished[0], "cpu"), [paths[row] for row in data.rows("test")], 8, silent)
    written = pq.read_table(finished[0] / "predictions.parquet")
    assert not bad
    for name in ("p_glad", "p_calm_&_cool", "p_AU12"):
        np.testing.assert_allclose(table[name].to_numpy(), written[name].to_numpy(), atol=1e-5)


def test_the_card_says_that_intervals_are_over_groups(finished):
    card = (finished[0] / "model_card.md").read_text()
    assert "9 images in 3 groups, looked at once, after training. Intervals: bootstrap over groups." in card
    assert "Images: 22 train in 6 groups, 9 validation in 3 groups, 9 test in 3 groups." in card
    assert "Intervals over so few groups, 3, are too narrow." in card
    assert "Known in no training image, so not learned, and empty in every prediction: AU61." in card


def test_explain_says_which_aus_have_no_place_and_that_unknown_ones_have_no_region(finished):
    notes: list[str] = []
    _, (outcome,) = explain([finished[0]], Options(), notes.append, silent)
    assert "AU45, AU61: no place on the schematic face, so in no region" in notes
    assert any("test images have AUs that are unknown: in no region" in text for text in notes)
    assert {row["groups"] for row in outcome.summary if row["n"] == 9} == {3}
    with pytest.raises(
        ConfigError, match="--au 45: expected one of 1, 12, 25, which have a place on the schematic"
    ):
        explain([finished[0]], Options(au=45), notes.append, silent)


def test_forty_aus_train(write_videos, tmp_path, screen):
    folder = write_videos(tmp_path, tuple(range(1, 41)))
    assert "au_mask" not in pq.read_schema(folder / "samples" / "part-0.parquet").names
    metrics = start(config_of(folder, method="mtl"), tmp_path / "run", screen)
    assert len(metrics["test"]["action_units"]["aus"]) == 40


# --- resampling ---


def test_a_group_of_one_image_each_is_an_image():
    """As many groups as images: the draws are those of the bootstrap over images, whose spread is that of a mean."""
    values_N = np.random.default_rng(0).normal(size=50)
    resampling = resampling_of(np.arange(50))
    means = [times_N @ values_N / times_N.sum() for times_N in resampling.weights(50)]
    assert np.std(means) == pytest.approx(values_N.std() / np.sqrt(50), rel=0.1)


def test_copies_of_an_image_tell_no_more_than_one():
    """Ten copies of each image in a group: intervals are as wide as without the copies."""
    hit_N = np.random.default_rng(1).random(30) < 0.6
    everyone_N = np.ones(30, np.bool_)
    once = Resampling(np.arange(30)).rate(hit_N, everyone_N)
    copied = Resampling(np.repeat(np.arange(30), 10)).rate(np.repeat(hit_N, 10), np.repeat(everyone_N, 10))
    assert [float(of) for of in copied] == pytest.approx([float(of) for of in once])


def test_uar_and_macro_f1_intervals_over_groups_equal_loops_that_draw_groups():
    random = np.random.default_rng(2)
    group_N, emotion_N = np.repeat(np.arange(8), 5), random.integers(0, 3, 40)
    emotion_N[group_N > 1] %= 2  # the third emotion is in two groups alone: some draws miss it
    probability_NK = random.dirichlet(np.ones(3), 40) + 0.4 * np.eye(3)[emotion_N]
    right_N = probability_NK.argmax(1) == emotion_N
    recalls = [right_N[emotion_N == k].mean() for k in range(3)]
    au_NA = random.choice([0, 1, np.nan], (40, 2), p=[0.5, 0.4, 0.1])
    au_p_NA = random.random((40, 2))
    uars, f1s, draws = [], [], np.random.default_rng(0)
    for _ in range(1000):
        rows = np.concatenate([np.flatnonzero(group_N == group) for group in draws.integers(8, size=8)])
        of = [rows[emotion_N[rows] == k] for k in range(3)]
        uars.append(np.mean([right_N[of[k]].mean() if len(of[k]) else recalls[k] for k in range(3)]))
        active_NA, called_NA = au_NA[rows] == 1, (au_p_NA[rows] >= 0.5) & ~np.isnan(au_NA[rows])
        f1s.append(np.mean(2 * (active_NA & called_NA).sum(0) / (active_NA.sum(0) + called_NA.sum(0))))
    resampling = resampling_of(group_N)
    uar = emotion_metrics(("a", "b", "c"), emotion_N, probability_NK, resampling)["uar"]
    assert (uar["ci_low"], uar["ci_high"]) == pytest.approx(tuple(np.percentile(uars, [2.5, 97.5])))
    f1 = au_metrics((1, 2), au_NA, au_p_NA, np.full(2, 0.5), np.array([9, 9]), resampling)["macro_f1"]
    assert f1["ci_high"] - f1["value"] == pytest.approx(1.96 * np.std(f1s))


def test_images_of_a_single_group_have_no_interval(data):
    alone = replace(data, group_N=np.full(len(data.names), "one"))
    resampling = resampling_of(alone.groups("test"))
    assert not resampling.can_vary(np.ones(9, np.bool_))
    found = resampling.rate(np.ones(9, np.bool_), np.ones(9, np.bool_))
    assert np.isnan([found.low, found.high]).all()
