import json
import shutil

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score

from rafce.errors import DatasetError, TrainingError
from rafce_train.checkpoint import load_weights, save_weights
from rafce_train.data import find_images, read_data
from rafce_train.evaluate import differences, evaluate
from rafce_train.predict import predict
from rafce_train.run_folder.checksums import read_sums, write_sums
from rafce_train.saved import open_model

NEEDED = ("config.toml", "weights.safetensors", "metrics.json", "SHA256SUMS")


@pytest.fixture
def copied(tiny, whole, tmp_path):
    """A function from a method to a copy of its run with nothing but weights, options and metrics."""

    def copy(method="mtl"):
        source, _ = whole(tiny(method=method, epochs=1))
        folder = tmp_path / method
        folder.mkdir()
        for name in NEEDED:
            shutil.copy(source / name, folder / name)
        return folder

    return copy


def look(run, partition="test", **places):
    return evaluate(run, partition, lambda text: None, lambda done, total: None, **places)


def reseal(run):
    """Put the files of a run on record as they are now."""
    write_sums(run, [name for name in read_sums(run).digests or () if (run / name).exists()])


def metrics_of(run):
    return json.loads((run / "metrics.json").read_text())


def rewrite(run, change):
    metrics = metrics_of(run)
    change(metrics)
    (run / "metrics.json").write_text(json.dumps(metrics))
    reseal(run)


@pytest.mark.parametrize("method", ["stl", "mtl"])
def test_the_weights_alone_give_every_test_figure_again(copied, method):
    run = copied(method)
    evaluation, metrics = look(run), metrics_of(run)
    assert evaluation.differences == ()
    for name in ("dataset", "dropped", "majority", "test"):
        assert json.loads(json.dumps(evaluation.figures[name])) == metrics[name]


def test_the_validation_figure_that_picked_the_epoch_comes_again(copied):
    run = copied()
    evaluation = look(run, "validation")
    assert evaluation.differences == ()
    assert evaluation.figures["validation"]["uar"]["value"] == metrics_of(run)["selected"]["validation"]
    rewrite(run, lambda metrics: metrics["selected"].update(validation=0.5))
    assert [text.partition(", found")[0] for text in look(run, "validation").differences or ()] == [
        "validation.uar.value: recorded 0.5"
    ]


def test_training_figures_are_those_of_the_predictions(copied, tiny_dataset):
    run, data = copied(), read_data(tiny_dataset)
    rows_N, paths = data.rows("train"), find_images(data)
    table, _ = predict(open_model(run, "cpu"), [paths[row] for row in rows_N], 8, lambda done, total: None)
    emotions = [data.emotions[data.emotion_N[row]] for row in rows_N]
    figures = look(run, "train").figures["train"]
    assert figures["n"] == len(rows_N)
    assert figures["accuracy"]["value"] == pytest.approx(
        accuracy_score(emotions, table["predicted"].to_pylist())
    )


def test_other_figures_on_record_are_named_one_by_one(copied):
    run = copied()

    def change(metrics):
        metrics["dataset"]["fingerprint"] = "another"
        metrics["dropped"] = ["one.jpg"]
        metrics["test"]["uar"]["ci_low"] = 0.001
        metrics["test"]["action_units"]["aus"][2]["threshold"] = 0.99

    rewrite(run, change)
    places = [text.partition(":")[0] for text in look(run).differences or ()]
    assert places == [
        "dataset.fingerprint",
        "dropped",
        "test.uar.ci_low",
        "test.action_units.aus.2.threshold",
    ]


def test_other_weights_give_other_figures(copied):
    run = copied()
    tensors, facts = load_weights(run / "weights.safetensors")
    tensors["emotion_head.bias"][3] += 100
    save_weights(run / "weights.safetensors", tensors, facts)
    reseal(run)
    texts = look(run).differences or ()
    assert any(text.startswith("test.confusion.") for text in texts)


def test_an_unfinished_run_keeps_its_test_images_for_later(copied):
    run = copied()
    (run / "metrics.json").unlink()
    with pytest.raises(TrainingError, match=r"expected a finished run, found no metrics\.json"):
        look(run)
    evaluation = look(run, "validation")
    assert evaluation.differences is None
    assert evaluation.figures["validation"]["n"] == 16


def test_a_dataset_and_images_that_were_moved_give_the_same(copied, tiny_dataset, tmp_path):
    shutil.copytree(tiny_dataset, tmp_path / "data")
    shutil.copytree(tiny_dataset.parent / "RAF-AU" / "aligned", tmp_path / "faces")
    evaluation = look(copied(), dataset=str(tmp_path / "data"), images=str(tmp_path / "faces"))
    assert evaluation.differences == ()


def test_bad_images_that_the_run_left_out_are_left_out_again(tiny, whole, tiny_dataset, tmp_path):
    shutil.copytree(tiny_dataset.parent / "RAF-AU" / "aligned", tmp_path / "faces")
    image = pq.read_table(tiny_dataset / "samples.parquet")["image"][0].as_py()
    (tmp_path / "faces" / image.replace(".jpg", "_aligned.jpg")).write_bytes(b"broken")
    run, metrics = whole(tiny(method="stl", epochs=1, images=str(tmp_path / "faces"), on_bad_image="drop"))
    assert len(metrics["dropped"]) == 1
    assert look(run).differences == ()


def test_a_dataset_of_other_emotions_is_refused(copied):
    run = copied()
    tensors, facts = load_weights(run / "weights.safetensors")
    save_weights(run / "weights.safetensors", tensors, {**facts, "emotions": facts["emotions"][::-1]})
    reseal(run)
    with pytest.raises(DatasetError, match=r"expected the emotions and AUs of .*, found others"):
        look(run)


def test_a_folder_without_options_is_no_run(tmp_path):
    with pytest.raises(TrainingError, match=r"expected a run folder with config\.toml in it, found none"):
        look(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "metrics.json: expected the metrics of a run: "),
        ("[]", "metrics.json: expected schema metrics/2, found None"),
        ('{"schema": "metrics/0"}', "metrics.json: expected schema metrics/2, found metrics/0"),
    ],
)
def test_metrics_that_cannot_be_compared_are_refused(copied, text, message):
    run = copied()
    (run / "metrics.json").write_text(text)
    reseal(run)
    with pytest.raises(TrainingError) as caught:
        look(run)
    assert message in str(caught.value)


def test_an_interval_that_was_not_recorded_is_no_difference():
    found = {"uar": {"value": 0.5, "ci_low": 0.4, "ci_high": 0.6}}
    assert differences({"uar": 0.5}, found) == []
    assert differences({"uar": 0.4}, found) == ["uar: recorded 0.4, found 0.5"]
    assert differences({"dropped": ["a"]}, {"dropped": []}) == ["dropped: recorded ['a'], found []"]


leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3)
trees = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)


@settings(max_examples=50)
@given(trees, trees)
def test_what_is_found_beyond_the_record_is_no_difference(recorded, found):
    assert differences(recorded, recorded) == []
    assert differences({"here": recorded}, {"here": recorded, "more": found}) == []
