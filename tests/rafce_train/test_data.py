"""A dataset folder written by hand, in a vocabulary that is neither fourteen nor thirty-two."""

import contextlib
import json
import re
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rafce.errors import DatasetError, ImageError, TrainingError
from rafce.parquet import write_parquet
from rafce.schema import (
    SCOPES,
    Vocabulary,
    au_statistics_schema,
    discarded_schema,
    lab_statistics_schema,
    samples_schema,
)
from rafce.statistics import Counts, category_index, category_names, sureness
from rafce.tables import discarded_table
from rafce_train.data import COUNTED_ANEW, TrainingData, find_images, read_data, training_warnings

WORDS = Vocabulary(("glad", "cross", "calm"), (1, 12, 45))
T, F, U = True, False, None
ROWS = [  # image, partition, emotion_id, AU01, AU12, AU45
    ("a.jpg", "train", 0, T, T, F),
    ("b.jpg", "train", 0, F, T, U),
    ("c.jpg", "train", 1, F, F, F),
    ("d.jpg", "validation", 1, T, U, T),
    ("e.jpg", "test", 0, F, T, U),
    ("f.jpg", "test", 2, F, F, T),
]


def samples(rows=ROWS):
    names = ("image", "partition", "emotion_id", "AU01", "AU12", "AU45")
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    columns["emotion"] = [WORDS.emotions[i % 3] for i in columns["emotion_id"]]
    columns |= {"emotion_source": ["mapped"] * len(rows), "tied": [None] * len(rows)}
    active = [[au for au, state in zip(WORDS.aus, row[3:], strict=True) if state] for row in rows]
    columns["au_mask"] = [sum(1 << WORDS.aus.index(au) for au in aus) for aus in active]
    columns["au_raw"] = ["+".join(map(str, aus)) or "null" for aus in active]
    schema = samples_schema(WORDS, ())
    return pa.table({field.name: pa.array(columns[field.name], field.type) for field in schema})


def au_statistics(rows=ROWS):
    """Counted with loops, of which the rest follows; an AU is observed from 20 % on."""
    found = []
    for scope in SCOPES:
        for emotion_id, emotion in enumerate(WORDS.emotions):
            for position, au in enumerate(WORDS.aus):
                states = [
                    row[3 + position] for row in rows if row[2] == emotion_id and scope in ("all", row[1])
                ]
                n, count = sum(state is not None for state in states), states.count(True)
                share = count / n if n else None
                counts = Counts(np.array(n), np.array(count))
                category = category_names(category_index(counts))
                sure = sureness(counts)
                rest = [float(rate) if n else None for rate in (sure.low_EA, sure.high_EA, *sure.mass_EAC)]
                found.append(
                    (scope, emotion, emotion_id, au, n, count, share, *rest[:2], category, *rest[2:])
                )
    schema = au_statistics_schema(WORDS)
    columns = zip(*found, strict=True)
    return pa.table({f.name: pa.array(column, f.type) for f, column in zip(schema, columns, strict=True)})


def lab_statistics():
    return pa.table(
        {
            "emotion": ["glad", "cross", "glad"],
            "au": [12, 1, 11],
            "percent": [90.0, 19.0, 50.0],
            "note": [""] * 3,
        }
    )


def write_dataset(
    folder: Path, rows=ROWS, images: object = None, tables: dict[str, pa.Table] | None = None
) -> Path:
    folder.mkdir(exist_ok=True)
    schemas = {
        "samples": samples_schema(WORDS, ()),
        "au_statistics": au_statistics_schema(WORDS),
        "lab_statistics": lab_statistics_schema(WORDS),
        "discarded": discarded_schema(WORDS, ()),
    }
    whole = {
        "samples": samples(rows),
        "au_statistics": au_statistics(rows),
        "lab_statistics": lab_statistics(),
        "discarded": discarded_table([]),
    }
    for kind, table in (whole | (tables or {})).items():
        write_parquet(table, schemas[kind], folder / f"{kind}.parquet")
    manifest = {"schema": "manifest/1", "images": {"root": images and str(images), "suffix": ""}}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def replaced(table: pa.Table, column: str, values: list[object]) -> pa.Table:
    position = table.column_names.index(column)
    return table.set_column(position, column, pa.array(values, table.schema.field(column).type))


def test_arrays_hold_what_the_parquet_files_say(tmp_path):
    data = read_data(write_dataset(tmp_path / "data"))
    assert data.emotions == WORDS.emotions
    assert data.aus == WORDS.aus
    assert data.names == tuple(row[0] for row in ROWS)
    assert data.partition_N.tolist() == [row[1] for row in ROWS]
    assert data.emotion_N.tolist() == [row[2] for row in ROWS]
    expected_NA = [[np.nan if state is None else float(state) for state in row[3:]] for row in ROWS]
    np.testing.assert_array_equal(data.au_NA, expected_NA)
    assert data.au_NA.dtype == np.float32
    assert data.rows("test").tolist() == [4, 5]
    assert data.emotion_counts("train").tolist() == [2, 1, 0]
    assert data.au_positives("train").tolist() == [1, 2, 0]


def test_statistics_are_counted_in_the_scope_asked_for_and_unknown_aus_do_not_count(tmp_path):
    data = read_data(write_dataset(tmp_path / "data"))
    train, everything = data.statistics["train"], data.statistics["all"]
    assert train.n_KA.tolist() == [[2, 2, 1], [1, 1, 1], [0, 0, 0]]
    assert train.count_KA.tolist() == [[1, 2, 0], [0, 0, 0], [0, 0, 0]]
    assert train.observed_KA.tolist() == [[T, T, F], [F, F, F], [F, F, F]]
    assert train.n_K.tolist() == [2, 1, 0]
    assert everything.n_KA.tolist() == [[3, 3, 1], [2, 1, 2], [1, 1, 1]]
    assert everything.count_KA.tolist() == [[1, 3, 0], [1, 0, 1], [0, 0, 1]]
    assert everything.n_K.tolist() == [3, 2, 1]


def test_rows_of_the_statistics_may_stand_in_any_order(tmp_path):
    table = au_statistics()
    shuffled = table.take(np.random.default_rng(0).permutation(len(table)))
    one = read_data(write_dataset(tmp_path / "one")).statistics["all"]
    other = read_data(write_dataset(tmp_path / "other", tables={"au_statistics": shuffled})).statistics["all"]
    for mine, its in zip(astuple(one), astuple(other), strict=True):
        np.testing.assert_array_equal(mine, its)


def test_lab_table_counts_from_20_percent_and_only_for_aus_of_the_dataset(tmp_path):
    data = read_data(write_dataset(tmp_path / "data"))
    assert data.lab_observed_KA.tolist() == [[F, T, F], [F, F, F], [F, F, F]]
    assert data.lab_percent_KA.tolist() == [[0, 90, 0], [19, 0, 0], [0, 0, 0]]


def test_fingerprint_follows_the_parquet_files_and_not_the_place(tmp_path):
    one = read_data(write_dataset(tmp_path / "one", images=tmp_path)).fingerprint
    assert read_data(write_dataset(tmp_path / "two")).fingerprint == one
    assert read_data(write_dataset(tmp_path / "two", ROWS[:5])).fingerprint != one


def test_keeping_rows_keeps_them_aligned_and_the_statistics_as_they_were(tmp_path):
    data = read_data(write_dataset(tmp_path / "data"))
    good_N = np.array([T, F, T, T, F, T])
    kept = data.keep(good_N)
    assert kept.names == ("a.jpg", "c.jpg", "d.jpg", "f.jpg")
    assert kept.emotion_N.tolist() == [0, 1, 1, 2]
    np.testing.assert_array_equal(kept.au_NA, data.au_NA[good_N])
    assert kept.rows("validation").tolist() == [2]
    assert kept.statistics is data.statistics


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"samples": samples().slice(0, 0)}, "samples.parquet: expected at least one image, found none"),
        ({"samples": samples([*ROWS, ROWS[0]])}, "samples.parquet: image a.jpg stands there twice"),
        (
            {"samples": replaced(samples(), "image", [*"abcde", "."])},
            "expected the name of an image, found '.'",
        ),
        (
            {"samples": replaced(samples(), "partition", ["dev"] * 6)},
            "samples.parquet: row 6 (f.jpg): expected one of train, validation, test, found dev",
        ),
        (
            {"samples": replaced(samples(), "emotion_id", [0, 0, 1, 1, 0, -1])},
            "samples.parquet: row 6 (f.jpg): expected emotion_id 2 as of emotion calm, found -1",
        ),
        (
            {"au_statistics": au_statistics().slice(1)},
            "expected one row for each scope, emotion and AU, 36 in all",
        ),
        ({"au_statistics": pa.concat_tables([au_statistics()] * 2)}, "AU once, found all, glad, 1 again"),
        (
            {"au_statistics": replaced(au_statistics(), "au", [2] * 36)},
            "au_statistics.parquet: row 1: expected a scope, an emotion and an AU of this dataset, found all, glad, 2",
        ),
        (
            {"lab_statistics": replaced(lab_statistics(), "emotion", ["sad"] * 3)},
            "lab_statistics.parquet: row 1: expected an emotion such as 'glad', found 'sad'",
        ),
    ],
)
def test_inconsistent_tables_are_refused(tmp_path, tables, message):
    folder = write_dataset(tmp_path / "data", tables=tables)
    with pytest.raises(DatasetError) as caught:
        read_data(folder)
    assert message in str(caught.value)


def rewrite(path: Path, change) -> None:
    table = pq.ParquetFile(path).read()
    pq.write_table(change(table), path)


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        (
            "samples",
            lambda t: t.drop_columns(["AU12"]),
            "samples.parquet: expected a column AU12 (bool), found none",
        ),
        (
            "samples",
            lambda t: t.set_column(0, "image", pa.array([1] * 6)),
            "samples.parquet: expected text in column image, found int64",
        ),
        (
            "samples",
            lambda t: t.set_column(1, "partition", pa.nulls(6, pa.string())),
            "samples.parquet: row 1 (a.jpg): expected one of train, validation, test, found None",
        ),
        (
            "samples",
            lambda t: t.replace_schema_metadata({**t.schema.metadata, b"rafce.schema": b"samples/0"}),
            "expected schema samples/1, found samples/0; build the dataset again",
        ),
        (
            "au_statistics",
            lambda t: t.replace_schema_metadata({**t.schema.metadata, b"rafce.aus": b"[1, 12]"}),
            "do not agree on emotions and AUs",
        ),
    ],
)
def test_files_that_break_the_contract_are_refused(tmp_path, kind, change, message):
    folder = write_dataset(tmp_path / "data")
    rewrite(folder / f"{kind}.parquet", change)
    with pytest.raises(DatasetError) as caught:
        read_data(folder)
    assert message in str(caught.value)


def test_statistics_of_other_samples_are_refused_where_nobody_edited_these(tmp_path):
    known: list[tuple[Any, ...]] = [tuple(False if cell is None else cell for cell in row) for row in ROWS]
    swapped = [
        (name, {"train": "test", "test": "train"}.get(part, part), *rest) for name, part, *rest in known
    ]
    folder = write_dataset(tmp_path / "data", swapped, tables={"au_statistics": au_statistics(known)})
    with pytest.raises(DatasetError, match="expected the counts of the samples beside it, found others"):
        read_data(folder)


def test_samples_that_a_user_relabelled_are_trained_on_as_they_say_with_statistics_of_their_own(tmp_path):
    """The second training image becomes the third emotion; an image joins test with every AU unknown."""
    relabelled: list[tuple[Any, ...]] = [
        (*row[:2], 2, *row[3:]) if i == 1 else row for i, row in enumerate(ROWS)
    ]
    relabelled.append(("new.jpg", "test", 0, *[None] * (len(ROWS[0]) - 3)))
    folder = write_dataset(tmp_path / "data")
    edited = samples(relabelled).drop_columns(["emotion_id", "au_mask"])
    metadata = pq.read_schema(folder / "samples.parquet").metadata
    pq.write_table(edited.replace_schema_metadata(metadata), folder / "samples.parquet")
    data, fresh = read_data(folder), read_data(write_dataset(tmp_path / "fresh", relabelled))
    assert data.counted_anew
    assert not fresh.counted_anew
    assert COUNTED_ANEW in training_warnings(data, learns_aus=True)
    assert COUNTED_ANEW not in training_warnings(fresh, learns_aus=True)
    for scope in data.statistics:
        for found, expected in zip(
            vars(data.statistics[scope]).values(), vars(fresh.statistics[scope]).values(), strict=True
        ):
            np.testing.assert_array_equal(found, expected)


def test_absent_and_broken_folders_are_refused(tmp_path):
    with pytest.raises(
        DatasetError,
        match=r"nowhere: expected a dataset folder \(make one with `rafce build` or `rafce import`\)",
    ):
        read_data(tmp_path / "nowhere")
    folder = write_dataset(tmp_path / "data")
    (folder / "samples.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(DatasetError, match=r"samples\.parquet: expected a Parquet file"):
        read_data(folder)
    (folder / "samples.parquet").unlink()
    with pytest.raises(DatasetError, match=r"samples\.parquet: expected a Parquet file, found none"):
        read_data(folder)


def test_damage_anywhere_in_a_file_is_a_dataset_error_or_leaves_the_labels_readable(tmp_path):
    folder = write_dataset(tmp_path / "data")
    path = folder / "samples.parquet"
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    for position in random.integers(len(whole), size=200):
        damaged = bytearray(whole)
        damaged[position] ^= int(random.integers(1, 256))
        path.write_bytes(damaged)
        with contextlib.suppress(DatasetError):
            assert len(read_data(folder).names) == len(ROWS)


def dataset_with_images(tmp_path, *file_names: str) -> TrainingData:
    root = tmp_path / "faces"
    root.mkdir()
    for name in file_names:
        (root / name).touch()
    return read_data(write_dataset(tmp_path / "data", images=root))


def test_images_are_found_as_the_manifest_says_or_aligned(tmp_path):
    aligned = [f"{letter}_aligned.jpg" for letter in "abcdef"]
    data = dataset_with_images(tmp_path, *aligned)
    assert [path.name for path in find_images(data)] == aligned


def test_one_form_is_taken_for_all_images(tmp_path):
    data = dataset_with_images(tmp_path, "a.jpg", "a_aligned.jpg", "b_aligned.jpg")
    assert [path.name for path in find_images(data)][:3] == [
        "a_aligned.jpg",
        "b_aligned.jpg",
        "c_aligned.jpg",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "../e.jpg",
        "/etc/e.jpg",
        "a/../../e.jpg",
        "C:\\e.jpg",
        "c:e.jpg",
        "..\\e.jpg",
        "\\\\host\\e.jpg",
        "e\0.jpg",
    ],
)
def test_a_name_that_leads_out_of_the_image_folder_is_refused(tmp_path, name):
    for place in ("faces/0001.jpg", "e.jpg"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).touch()
    rows = [(name, *ROWS[0][1:]), ("0001.jpg", *ROWS[1][1:])]
    data = read_data(write_dataset(tmp_path / "data", rows, images=tmp_path / "faces"))
    with pytest.raises(
        ImageError, match=f"^{re.escape(repr(name))}: expected the name of an image in .*, found one"
    ):
        find_images(data)


def test_a_name_without_a_last_part_is_refused_with_its_row(tmp_path):
    rows = [("..", *ROWS[0][1:]), ("0001.jpg", *ROWS[1][1:])]
    with pytest.raises(DatasetError, match=r"row 1 \(\.\.\): expected the name of an image, found '\.\.'"):
        read_data(write_dataset(tmp_path / "data", rows, images=tmp_path))


def link_a_file(faces):
    (faces / "s1").mkdir()
    (faces / "s1" / "a.jpg").symlink_to(faces.parent / "secret" / "a.jpg")


def link_a_folder(faces):
    (faces / "s1").symlink_to(faces.parent / "secret")


@pytest.mark.parametrize("plant", [link_a_file, link_a_folder])
def test_a_link_that_leads_out_of_the_image_folder_is_refused(tmp_path, plant):
    for place in ("faces/b.jpg", "secret/a.jpg"):
        (tmp_path / place).parent.mkdir()
        (tmp_path / place).touch()
    plant(tmp_path / "faces")
    rows = [("s1/a.jpg", *ROWS[0][1:]), ("b.jpg", *ROWS[1][1:])]
    data = read_data(write_dataset(tmp_path / "data", rows, images=tmp_path / "faces"))
    with pytest.raises(
        ImageError, match=r"^.*/s1/a\.jpg: expected an image in .*, found a link that leads out"
    ):
        find_images(data)


def test_links_inside_the_image_folder_and_a_link_to_it_are_followed(tmp_path):
    (tmp_path / "disk" / "s1").mkdir(parents=True)
    (tmp_path / "disk" / "s1" / "a.jpg").touch()
    (tmp_path / "disk" / "b.jpg").symlink_to("s1/a.jpg")
    (tmp_path / "disk" / "s2").symlink_to("s1")
    (tmp_path / "faces").symlink_to("disk")
    rows = [("s2/a.jpg", *ROWS[0][1:]), ("b.jpg", *ROWS[1][1:])]
    data = read_data(write_dataset(tmp_path / "data", rows, images=tmp_path / "faces"))
    assert len(find_images(data)) == 2


@pytest.mark.parametrize("suffix", ["", "_aligned"])
def test_folders_in_names_are_kept_and_names_may_have_no_ending(tmp_path, suffix):
    names = ["clip.1/a.jpg", "clip.1/b", "c.d.png", "e..f:g.jpg"]
    places = [f"clip.1/a{suffix}.jpg", f"clip.1/b{suffix}", f"c.d{suffix}.png", f"e..f:g{suffix}.jpg"]
    for place in places:
        file = tmp_path / "faces" / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    rows = [(name, *row[1:]) for name, row in zip(names, ROWS, strict=False)]
    data = read_data(write_dataset(tmp_path / "data", rows, images=tmp_path / "faces"))
    assert [path.resolve() for path in find_images(data)] == [
        (tmp_path / "faces" / place).resolve() for place in places
    ]


def test_a_folder_given_by_hand_wins(tmp_path):
    data = dataset_with_images(tmp_path, "a.jpg")
    other = tmp_path / "other"
    other.mkdir()
    (other / "b.jpg").touch()
    assert {path.parent for path in find_images(data, other)} == {other}


def test_images_that_are_nowhere_are_an_image_error(tmp_path):
    data = dataset_with_images(tmp_path)
    with pytest.raises(
        ImageError, match=r"faces: expected images such as a\.jpg or a_aligned\.jpg, found none of 6"
    ):
        find_images(data)
    with pytest.raises(ImageError, match="gone: expected a folder of images, found none; --images DIR"):
        find_images(data, tmp_path / "gone")
    with pytest.raises(
        ImageError, match=r"made without images; expected --images DIR, the folder of a\.jpg and"
    ):
        find_images(read_data(write_dataset(tmp_path / "labels")))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"schema": "manifest/1"}',
        '{"schema": "manifest/1", "images": 3}',
        '{"schema": "manifest/1", "images": {"root": 3, "suffix": ""}}',
    ],
)
def test_a_broken_manifest_is_a_dataset_error(tmp_path, text):
    data = dataset_with_images(tmp_path, "a.jpg")
    (data.folder / "manifest.json").write_text(text, encoding="utf-8")
    expected = (
        r"manifest\.json: expected (JSON|schema manifest/2, found None|JSON with images: root and suffix)"
    )
    with pytest.raises(DatasetError, match=expected):
        find_images(data)


def test_silent_aus_and_absent_emotions_are_named(tmp_path):
    data = read_data(write_dataset(tmp_path / "data"))
    absent = "no training image of calm: never predicted"
    assert training_warnings(data, learns_aus=False) == [absent]
    assert training_warnings(data, learns_aus=True) == [
        absent,
        "no training image with AU45: left out of the AU macro-F1",
    ]


def test_training_on_aus_that_are_never_active_is_refused_and_without_aus_is_not(tmp_path):
    rows = [(*row[:3], F, F, U) if row[1] == "train" else row for row in ROWS]
    data = read_data(write_dataset(tmp_path / "data", rows))
    with pytest.raises(TrainingError, match="no AU is active in any training image"):
        training_warnings(data, learns_aus=True)
    assert training_warnings(data, learns_aus=False)


def test_an_empty_partition_is_refused(tmp_path):
    data = read_data(write_dataset(tmp_path / "data", [row for row in ROWS if row[1] != "validation"]))
    with pytest.raises(TrainingError, match="no image in partition validation"):
        training_warnings(data, learns_aus=False)
