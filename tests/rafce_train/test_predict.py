import codecs
import io
import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from rafce.errors import ConfigError, ImageError, OutputError, WeightsError
from rafce.schema import check_schema
from rafce_train.checkpoint import load_weights, save_weights
from rafce_train.data import find_images, read_data
from rafce_train.predict import check_table_output, csv_bytes, image_paths, predict, write_predictions
from rafce_train.saved import open_model


def silent(done, total):
    pass


def nothing():
    raise AssertionError("standard input was read")


@pytest.fixture(scope="session")
def run(tiny, whole):
    """A run that learned AUs, and the one of a method that does not."""
    return {method: whole(tiny(method=method, epochs=1))[0] for method in ("mtl", "stl")}


@pytest.fixture(scope="session")
def test_images(tiny_dataset):
    data = read_data(tiny_dataset)
    paths = find_images(data)
    return [paths[row] for row in data.rows("test")]


def predicted(run, paths, batch_size=4):
    return predict(open_model(run, "cpu"), paths, batch_size, silent)


def probabilities(table):
    return table.to_pandas().filter(regex="^p_").to_numpy(np.float64)


def recorded(run):
    return pq.read_table(run / "predictions.parquet").drop_columns(["emotion"])


def test_a_run_folder_predicts_what_the_run_wrote(run, test_images):
    table, bad = predicted(run["mtl"], test_images)
    wrote = recorded(run["mtl"])
    assert bad == ()
    assert table["image"].to_pylist() == list(map(str, test_images))
    assert table.column_names[: wrote.num_columns] == wrote.column_names
    assert table["predicted"].to_pylist() == wrote["predicted"].to_pylist()
    np.testing.assert_allclose(probabilities(table), probabilities(wrote), atol=1e-5)


def test_the_size_of_the_batch_and_a_bad_image_within_change_no_row(run, test_images, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(test_images[0].read_bytes()[:300])
    whole_table, _ = predicted(run["mtl"], test_images, batch_size=64)
    paths = [*test_images[:5], broken, tmp_path / "absent.png", *test_images[5:]]
    table, bad = predicted(run["mtl"], paths, batch_size=3)
    assert table["image"].equals(whole_table["image"])
    np.testing.assert_allclose(probabilities(table), probabilities(whole_table), atol=1e-6)
    assert [(image.row, image.path) for image in bad] == [
        (5, str(broken)),
        (6, str(tmp_path / "absent.png")),
    ]
    assert "none that can be decoded" in bad[0].reason
    assert "No such file or directory" in bad[1].reason


def test_a_network_without_finite_probabilities_is_refused_with_the_images(run, test_images, tmp_path):
    """Finite weights, checked by their digest, whose products are too large for a float."""
    tensors, facts = load_weights(run["mtl"] / "weights.safetensors")
    tensors["emotion_head.weight"][:] = 3e38
    save_weights(tmp_path / "huge.safetensors", tensors, facts)
    with pytest.raises(WeightsError) as caught:
        predicted(tmp_path / "huge.safetensors", test_images[:2])
    assert f"its probabilities are not finite numbers for {test_images[0]}" in str(caught.value)


def test_an_au_is_called_from_its_threshold_on(run, test_images):
    table, _ = predicted(run["mtl"], test_images)
    _, facts = load_weights(run["mtl"] / "weights.safetensors")
    for au, threshold in zip(facts["aus"], facts["thresholds"], strict=True):
        expected = [int(p >= threshold) for p in table[f"p_AU{au:02d}"].to_pylist()]
        assert table[f"AU{au:02d}"].to_pylist() == expected


def test_a_method_that_learned_no_aus_says_nothing_about_them(run, test_images):
    table, _ = predicted(run["stl"], test_images)
    names = [name for name in table.column_names if "AU" in name]
    assert len(names) == 64
    assert all(table[name].null_count == len(table) for name in names)


def test_the_table_names_its_emotions_and_aus_in_its_metadata(run, test_images):
    table, _ = predicted(run["mtl"], test_images[:1])
    words = check_schema(table.schema.metadata, "image_predictions", "table")
    assert (len(words.emotions), words.aus[:3]) == (14, (1, 2, 4))


def test_without_a_good_image_the_table_is_empty_and_of_the_same_columns(run, test_images, tmp_path):
    table, bad = predicted(run["mtl"], [tmp_path / "a.jpg", tmp_path / "b.jpg"])
    assert (len(table), len(bad)) == (0, 2)
    assert table.schema == predicted(run["mtl"], test_images)[0].schema


def test_an_image_of_absurd_size_is_a_bad_image_and_not_a_warning(run, tmp_path):
    Image.new("1", (10_000, 10_000)).save(tmp_path / "vast.png")
    _, bad = predicted(run["mtl"], [tmp_path / "vast.png"])
    assert "100000000 pixels" in bad[0].reason


def test_progress_counts_every_image(run, test_images):
    seen = []
    predict(open_model(run["stl"], "cpu"), test_images, 5, lambda done, total: seen.append((done, total)))
    assert seen == [(5, 11), (10, 11), (11, 11)]


def test_a_folder_stands_for_the_images_in_it_and_below(tmp_path):
    for name in ("b.JPG", "a.png", "sub/c.webp", "notes.csv", "Thumbs.db"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    expected = [tmp_path / name for name in ("a.png", "b.JPG", "sub/c.webp")]
    assert image_paths([str(tmp_path)], nothing) == expected


def test_a_list_and_standard_input_name_an_image_a_line(tmp_path):
    lines = codecs.BOM_UTF8 + "a.jpg\r\n\r\n  faces/b c.png \nü.jpg".encode()
    (tmp_path / "list.txt").write_bytes(lines)
    expected = ["a.jpg", "faces/b c.png", "ü.jpg"]
    assert list(map(str, image_paths([str(tmp_path / "list.txt")], nothing))) == expected
    assert list(map(str, image_paths(["x.jpg", "-"], lambda: lines))) == ["x.jpg", *expected]


def test_no_image_at_all_is_an_error(tmp_path):
    with pytest.raises(ImageError, match="expected at least one image, found none"):
        image_paths([str(tmp_path), "-"], lambda: b"\n")


def test_an_absent_list_is_an_error(tmp_path):
    with pytest.raises(ImageError, match=r"a\.txt: expected a list of images: No such file"):
        image_paths([str(tmp_path / "a.txt")], nothing)


@pytest.mark.skipif(os.name != "posix", reason="names that are no text are bytes of POSIX")
def test_a_name_that_is_no_utf8_is_predicted_and_shown(run, test_images, tmp_path):
    path = tmp_path / os.fsdecode(b"\xff.png")
    with Image.open(test_images[0]) as image:
        image.save(path)
    table, bad = predicted(run["mtl"], [path])
    assert bad == ()
    assert table["image"].to_pylist() == [f"{tmp_path}/�.png"]


def test_csv_and_parquet_hold_the_same(run, test_images, tmp_path):
    table, _ = predicted(run["mtl"], test_images)
    write_predictions(table, tmp_path / "p.parquet")
    write_predictions(table, tmp_path / "p.csv")
    assert pq.read_table(tmp_path / "p.parquet").equals(table, check_metadata=True)
    from_csv = pd.read_csv(tmp_path / "p.csv", dtype=table.to_pandas().dtypes.to_dict())
    pd.testing.assert_frame_equal(from_csv, table.to_pandas(), check_exact=True)


def test_null_is_nothing_between_commas():
    table = pa.table({"image": ["a, b.jpg"], "p_AU01": pa.array([None], pa.float32())})
    assert pd.read_csv(io.BytesIO(csv_bytes(table))).to_dict("records") == [
        {"image": "a, b.jpg", "p_AU01": pytest.approx(np.nan, nan_ok=True)}
    ]


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("p.xlsx", ConfigError, "expected a name that ends in .parquet or .csv"),
        ("absent/p.csv", OutputError, "expected a folder to write to, found no"),
        ("run/predictions.parquet", OutputError, "expected another name: it is the run's own file"),
    ],
)
def test_a_table_that_cannot_be_written_is_refused_before_any_work(tmp_path, name, kind, message):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.toml").touch()
    with pytest.raises(kind) as caught:
        check_table_output(tmp_path / name)
    assert message in str(caught.value)
