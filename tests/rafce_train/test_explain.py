import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from rafce.errors import ConfigError, DatasetError, TrainingError, WeightsError
from rafce.geometry import regions_pixels
from rafce_train.attention import shares
from rafce_train.data import read_data
from rafce_train.explain import AGAINST, Answer, Options, candidates, explain, short_names
from rafce_train.gradcam import Target, choose_layer, grad_cam
from rafce_train.inference import Probabilities
from rafce_train.questions import OF_EMOTION, OF_IMAGE, Verdict, au_question, emotion_question
from rafce_train.run_folder.checksums import read_sums, write_sums

# N test images


def ask(*folders, notes=None, **options):
    places = {name: options.pop(name) for name in ("dataset", "images") if name in options}
    note = notes.append if notes is not None else lambda text: None
    return explain(
        [Path(folder) for folder in folders], Options(**options), note, lambda done, total: None, **places
    )


@pytest.fixture(scope="session")
def mtl(tiny, whole):
    return whole(tiny(method="mtl", epochs=1))[0]


@pytest.fixture(scope="session")
def stl(tiny, whole):
    return whole(tiny(method="stl", epochs=1))[0]


@pytest.fixture
def copied(mtl, tmp_path):
    """A run of which a test may spoil something."""
    shutil.copytree(mtl, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.fixture(scope="session")
def au_shown(tiny_dataset):
    """An AU that most test images show."""
    data = read_data(tiny_dataset)
    return data.aus[int((data.au_NA[data.rows("test")] == 1).sum(0).argmax())]


def of(rows, **wanted):
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def test_shares_are_those_of_the_maps_of_the_true_emotions(mtl, tiny_dataset):
    (subject,), (outcome,) = ask(mtl)
    data, rows = read_data(tiny_dataset), read_data(tiny_dataset).rows("test")
    target = Target("emotion_logits_BK", torch.from_numpy(data.emotion_N[rows]))
    maps = grad_cam(
        subject.net, choose_layer(subject.net, 32), [subject.feed.plain_batch(rows).images_B3HW], target
    )
    active = [frozenset(np.array(data.aus)[state == 1].tolist()) for state in data.au_NA[rows]]
    observed_KA = data.statistics["train"].observed_KA
    observed = [frozenset(np.array(data.aus)[observed_KA[k]].tolist()) for k in data.emotion_N[rows]]
    for regions, aus in ((OF_IMAGE, active), (OF_EMOTION, observed)):
        found, expected = of(outcome.images, regions=regions), shares(maps, aus, 32)
        assert [row["image"] for row in found] == [data.names[row] for row in rows]
        np.testing.assert_allclose([row["inside"] for row in found], expected.inside_N, rtol=1e-4)
        np.testing.assert_allclose([row["area"] for row in found], expected.area_N)


def test_means_are_those_of_the_rows_and_say_how_many_had_a_say(mtl):
    _, (outcome,) = ask(mtl)
    for regions in (OF_IMAGE, OF_EMOTION):
        rows = of(outcome.images, regions=regions)
        inside, area = (np.array([row[name] for row in rows]) for name in ("inside", "area"))
        (mean,) = of(outcome.summary, regions=regions, measure="inside - area")
        assert mean["value"] == pytest.approx(np.nanmean(inside - area))
        assert (mean["asked"], mean["n"]) == (len(rows), np.count_nonzero(~np.isnan(inside)))
        assert mean["ci_low"] <= mean["value"] <= mean["ci_high"]


def test_a_run_against_itself_differs_by_nothing_and_corrects_nothing(mtl, copied):
    subjects, (outcome,) = ask(mtl, copied)
    assert [subject.name for subject in subjects] == ["run", "copy"]
    assert outcome.examples == ()
    differences = of(outcome.summary, measure=AGAINST)
    assert [row["regions"] for row in differences] == [OF_IMAGE, OF_EMOTION]
    assert all((row["value"], row["ci_low"], row["ci_high"]) == (0, 0, 0) for row in differences)


def test_examples_are_predicted_as_the_run_did_and_boxed_where_their_aus_act(mtl, tiny_dataset):
    _, (outcome,) = ask(mtl, n_examples=3)
    predictions = pq.read_table(mtl / "predictions.parquet").to_pandas().set_index("image")
    data = read_data(tiny_dataset)
    right = predictions[predictions["emotion"] == predictions["predicted"]]
    assert 0 < outcome.n_candidates <= len(right)
    assert len(outcome.examples) == min(3, outcome.n_candidates)
    for example in outcome.examples:
        row = predictions.loc[example.image]
        active = data.au_NA[data.names.index(example.image)] == 1
        assert example.emotion == row["emotion"] == row["predicted"]
        (view,) = example.views
        assert (view.words, view.right) == (row["predicted"], True)
        assert view.probability == pytest.approx(row[f"p_{row['emotion'].replace(' ', '_')}"])
        assert example.boxes == {au: regions_pixels(au, 1) for au in np.array(data.aus)[active].tolist()}
        assert example.observed <= set(example.boxes)
        assert example.pixels_HH3.shape == (32, 32, 3)


def test_the_surest_of_each_emotion_come_first_and_images_without_a_map_never():
    emotion = np.array([0, 0, 0, 1, 1, 2, 2])
    p = np.array([0.9, 0.8, 0.7, 0.3, 0.6, 0.95, 0.99], np.float32)
    maps = np.ones((7, 2, 2), np.float32)
    maps[5] = 0
    right, other_right = np.array([1, 1, 1, 1, 1, 1, 0], bool), np.array([0, 1, 0, 0, 0, 0, 0], bool)
    first, second = (Answer(Verdict([""] * 7, p, found), maps) for found in (right, other_right))
    assert candidates([first], emotion) == [0, 4, 1, 3, 2]
    assert candidates([first, second], emotion) == [0, 4, 2, 3]


def test_an_au_is_asked_for_where_it_is_shown_against_its_own_region(mtl, au_shown, tiny_dataset):
    _, (_, outcome) = ask(mtl, au=au_shown)
    data = read_data(tiny_dataset)
    shown = data.au_NA[data.rows("test"), data.aus.index(au_shown)] == 1
    name = f"AU{au_shown:02d}"
    assert (outcome.target, {row["regions"] for row in outcome.images}) == (name, {name})
    assert [row["image"] for row in outcome.images] == [data.names[row] for row in data.rows("test")[shown]]
    assert all(set(example.boxes) == {au_shown} for example in outcome.examples)


def test_an_au_is_called_from_its_threshold_on(tiny_dataset, au_shown):
    data = read_data(tiny_dataset)
    question = au_question(data, au_shown)
    thresholds = tuple(np.linspace(0.1, 0.9, len(data.aus)))
    threshold = np.float32(thresholds[data.aus.index(au_shown)])
    au_NA = np.full((len(data.rows("test")), len(data.aus)), threshold)
    au_NA[question.place_n[0]] = np.nextafter(threshold, np.float32(0))
    verdict = question.verdict(Probabilities(np.empty((0, 0), np.float32), au_NA), thresholds)
    assert verdict.right_n.tolist() == [False] + [True] * (len(question.place_n) - 1)
    assert verdict.words_n[0] == f"no AU{au_shown:02d}"


def test_what_is_observed_is_counted_in_the_scope(tiny_dataset):
    data = read_data(tiny_dataset)
    for scope in ("train", "all"):
        found = emotion_question(data, scope).regions[OF_EMOTION]
        observed_NA = data.statistics[scope].observed_KA[data.emotion_N[data.rows("test")]]
        assert [len(aus) for aus in found] == observed_NA.sum(1).tolist()


def test_an_au_that_the_dataset_does_not_know_or_no_test_image_shows_is_refused(mtl, tiny_dataset):
    with pytest.raises(ConfigError, match="--au 3: expected one of 1, 2, 4"):
        ask(mtl, au=3)
    data = read_data(tiny_dataset)
    silent = np.array(data.aus)[(data.au_NA[data.rows("test")] == 1).sum(0) == 0]
    with pytest.raises(
        ConfigError, match=f"--au {silent[0]}: expected a test image that shows it, found none"
    ):
        ask(mtl, au=int(silent[0]))


def test_a_run_that_learned_no_aus_cannot_be_asked_for_one(mtl, stl, au_shown):
    with pytest.raises(
        ConfigError, match=f"--au {au_shown}: expected runs that learn AUs, found .* of method stl"
    ):
        ask(mtl, stl, au=au_shown)


def reseal(run):
    """Put the files of a run on record as they are now."""
    write_sums(run, read_sums(run).digests or ())


def test_two_runs_must_look_at_the_same_test_images(mtl, copied, tiny_dataset, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(tiny_dataset, other)
    samples = pq.read_table(other / "samples.parquet")
    names, data = samples["image"].to_pylist(), read_data(other)
    one, another = data.rows("train")[0], data.rows("test")[0]
    names[one], names[another] = names[another], names[one]
    swapped = samples.set_column(samples.column_names.index("image"), samples.schema.field("image"), [names])
    pq.write_table(swapped, other / "samples.parquet", compression="zstd")
    metrics = json.loads((copied / "metrics.json").read_text())
    metrics["dataset"]["fingerprint"] = read_data(other).fingerprint
    (copied / "metrics.json").write_text(json.dumps(metrics))
    config = (copied / "config.toml").read_text()
    (copied / "config.toml").write_text(config.replace(str(tiny_dataset), str(other)))
    reseal(copied)
    with pytest.raises(
        ConfigError, match="copy: expected the test images, emotions and AUs of run, found others"
    ):
        ask(mtl, copied)


def test_a_run_on_other_data_is_refused(copied):
    metrics = json.loads((copied / "metrics.json").read_text())
    metrics["dataset"]["fingerprint"] = "0" * 64
    (copied / "metrics.json").write_text(json.dumps(metrics))
    reseal(copied)
    with pytest.raises(
        DatasetError, match=r"expected the dataset that .*copy was trained on, found another; --dataset"
    ):
        ask(copied)


def test_an_unfinished_run_and_no_run_at_all_are_refused(copied, tmp_path):
    (copied / "metrics.json").unlink()
    with pytest.raises(
        TrainingError, match=r"copy: expected a finished run, found no metrics\.json; .* --resume"
    ):
        ask(copied)
    with pytest.raises(WeightsError, match="expected the weights of a run, found none"):
        ask(tmp_path / "nothing")


def test_runs_are_told_apart_by_their_names_or_their_paths(tmp_path):
    assert short_names([Path("runs/a"), Path("runs/b")]) == ["a", "b"]
    assert short_names([Path("first/a"), Path("second/a")]) == ["first/a", "second/a"]
