"""Partitions that tables have: no test row ever trains because its column is called otherwise."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rafce.errors import ConfigError, DatasetError, LabelError, RafceError
from rafce.imports import partitions
from rafce.imports.importing import import_dataset
from rafce.imports.options import DEFAULT_SPLIT, ImportOptions
from rafce.imports.partitions import SHARES, parse_partition_values, usual_partition, with_validation
from rafce.schema import PARTITIONS
from rafce.split import parse_split

FER = "".join(
    f"f{i}.png,{'happy' if i % 2 else 'sad'},1,{'Training' if i < 6 else 'PrivateTest'}\n" for i in range(10)
)


def bring_in(folder: Path, text: str, **options):
    (folder / "t.csv").write_text(text)
    if "emotions" in options:
        (folder / "e.csv").write_text(options.pop("emotions"))
        options["emotions"] = folder / "e.csv"
    return import_dataset(ImportOptions("table", (folder / "t.csv",), folder / "data", **options))


def refusal(folder: Path, text: str, **options) -> str:
    with pytest.raises(RafceError) as caught:
        bring_in(folder, text, **options)
    assert not (folder / "data").exists()
    return str(caught.value).replace(f"{folder}/", "")


def partition_of(folder: Path) -> dict[str, str]:
    rows = pq.read_table(folder / "data/samples.parquet").to_pylist()
    return {row["image"]: row["partition"] for row in rows}


# --- which column ---

NAMES = ["Usage", "usage", "USAGE", "split", "Split", "set", "SET", "fold", "Fold", "subset", "Subset", "data_split",
         "dataset_split", "train_test_split", "Train/Val/Test Split".replace("/", "_"), "cv_fold", "fold_id", "fold1",
         "split_name", "Partitions", "is_train", "isTest", "trainset", "sets", "official split", "kfold",
         "set_name",
         "is_validation", "isVal", "holdout", "held-out", "subject_fold", "Fold No", "random_split",
         "validation set"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", ["table", "emotions"])
def test_a_column_that_may_say_partitions_is_refused_until_it_is_named_or_a_split_asked_for(
    tmp_path, name, place
):
    rows = [f"{i}.jpg,{'glad' if i % 2 else 'sad'},{1 if i < 8 else 2}" for i in range(12)]
    if place == "table":
        text = "\n".join([f"image,emotion,{name},AU01", *(f"{row},1" for row in rows)])
        options = {}
    else:
        text = "\n".join(["image,AU01", *(f"{i}.jpg,1" for i in range(12))])
        options = {"emotions": "\n".join([f"image,emotion,{name}", *rows])}
    where = "t.csv" if place == "table" else "e.csv"
    assert refusal(tmp_path, text, **options) == (
        f"{where}: expected --partition-column {name} to use it, or --split 60/20/20 to draw partitions without it, "
        f"found a column {name} that may say the partition of each row"
    )
    found = bring_in(tmp_path, text, split="60/20/20", **options)
    assert found["notes"] == [f"Not used, since --split draws the partitions: column {name}."]
    assert found["options"]["split"] == "60/20/20"
    bring_in(tmp_path, text, partition_column=name, partition_values="train=1,test=2", **options)
    assert {image for image, part in partition_of(tmp_path).items() if part == "test"} == {
        f"{i}.jpg" for i in range(8, 12)
    }


@pytest.mark.parametrize("name", ["which", "phase", "role", "x"])
@pytest.mark.parametrize(
    "values",
    [
        *[("train", "test"), ("Training", "PublicTest"), ("train", "val"), ("Train_Set", "Train_Set")],
        *[("train", ""), ("Training", "NaN"), ("train", "holdout"), ("TRAIN", "eval")],
    ],
)
def test_a_column_of_any_name_whose_values_are_partitions_is_refused_too(tmp_path, name, values):
    rows = "".join(f"{i}.jpg,glad,1,{values[i % 2]}\n" for i in range(6))
    assert f"--partition-column {name}" in refusal(tmp_path, f"image,emotion,AU01,{name}\n{rows}")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("dataset", "RAF"),
        ("country", "tr"),
        ("valence", "0.5"),
        ("session", "test"),
        ("session", "training camp"),
        ("settings", "1"),
        ("is_valid", "1"),
        ("invalid", "0"),
        ("offset", "0"),
        ("group", "a"),
        ("dataset_type", "wild"),
        ("frame_set_x", "a"),
        ("val", "0.1"),
    ],
)
def test_columns_that_say_something_else_are_no_reason_to_refuse(tmp_path, name, values):
    rows = "".join(f"{i}.jpg,glad,1,{values}\n" for i in range(6))
    assert bring_in(tmp_path, f"image,emotion,AU01,{name}\n{rows}")["notes"] == []


def test_a_column_that_another_option_names_is_no_partition(tmp_path):
    rows = "".join(f"{i}.jpg,glad,1,{i}\n" for i in range(6))
    manifest = bring_in(tmp_path, f"image,emotion,AU01,set\n{rows}", group_column="set")
    assert sum(manifest["counts"]["groups"].values()) == 6


@pytest.mark.parametrize("place", ["table", "emotions"])
@pytest.mark.parametrize(
    ("name", "values"), [("split", "123"), ("Usage", "123"), ("phase", ("test", "val", "train"))]
)
def test_a_second_column_of_partitions_is_refused_until_one_of_them_is_named(tmp_path, place, name, values):
    rows = [(f"{i}.jpg", "glad", ("train", "val", "test")[i % 3], values[i % 3]) for i in range(9)]
    if place == "table":
        text = "".join(f"{image},{emotion},1,{own},{other}\n" for image, emotion, own, other in rows)
        text, options = f"image,emotion,AU01,partition,{name}\n{text}", {}
    else:
        text = "image,AU01,partition\n" + "".join(f"{image},1,{own}\n" for image, _, own, _ in rows)
        told = "".join(f"{image},{emotion},{other}\n" for image, emotion, _, other in rows)
        options = {"emotions": f"image,emotion,{name}\n{told}"}
    where = "t.csv" if place == "table" else "e.csv"
    assert refusal(tmp_path, text, **options) == (
        f"{where}: expected --partition-column to name the column to use, found {name} beside partition: "
        "both may say the partition of each row"
    )
    manifest = bring_in(tmp_path, text, partition_column="partition", **options)
    assert manifest["notes"][0] == f"Not used, since --partition-column names another: column {name}."
    assert partition_of(tmp_path) == {f"{i}.jpg": PARTITIONS[i % 3] for i in range(9)}
    meaning = None if name == "phase" else "test=1,validation=2,train=3"
    bring_in(tmp_path, text, partition_column=name, partition_values=meaning, **options)
    assert partition_of(tmp_path) == {f"{i}.jpg": PARTITIONS[2 - i % 3] for i in range(9)}


@pytest.mark.parametrize("name", ["partition", "Partition", "PARTITION"])
def test_partition_is_taken_as_it_is_capital_or_small(tmp_path, name):
    rows = "".join(f"{i}.jpg,glad,1,{('train', 'dev', 'Test')[i % 3]}\n" for i in range(9))
    manifest = bring_in(tmp_path, f"image,emotion,AU01,{name}\n{rows}")
    assert partition_of(tmp_path) == {f"{i}.jpg": PARTITIONS[i % 3] for i in range(9)}
    assert manifest["options"]["split"] is None
    assert manifest["notes"] == [
        "Partitions are those of column partition: train is train (3 rows); dev is validation (3 rows); "
        "Test is test (3 rows)."
    ]


def test_an_explicit_split_draws_the_partitions_whatever_the_column_says_and_says_so(tmp_path):
    rows = "".join(f"{i}.jpg,glad,1,test\n" for i in range(10))
    manifest = bring_in(tmp_path, f"image,emotion,AU01,partition\n{rows}", split="3/1/1")
    assert Counter(partition_of(tmp_path).values()) == {"train": 6, "validation": 2, "test": 2}
    assert manifest["notes"] == ["Not used, since --split draws the partitions: column partition."]


def test_a_partition_that_table_and_emotions_file_tell_differently_is_an_error(tmp_path):
    text = "image,AU01,partition\na.jpg,1,train\nb.jpg,0,test\n"
    emotions = "image,emotion,partition\na.jpg,glad,Training\nb.jpg,sad,validation\n"
    assert refusal(tmp_path, text, emotions=emotions) == (
        "t.csv:3: expected the partition validation as in e.csv, found test"
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"partition_column": "part"}, "t.csv: expected a column part (--partition-column), found image, emotion,"),
        ({"partition_column": "Usage", "split": "3/1/1"}, "expected --partition-column or --split, found both"),
        ({"partition_values": "train=1", "split": "3/1/1"}, "expected --partition-values or --split, found both"),
        ({"partition_column": "Usage", "partition_values": "train"}, "found 'train'"),
        ({"partition_column": "Usage", "partition_values": "training=1"}, "found 'training=1'"),
        ({"partition_column": "Usage", "partition_values": "train=1,"}, "found ''"),
        ({"partition_column": "Usage", "partition_values": "train=1,test=01"},
         "--partition-values: expected one partition for 01, found test too"),
    ],
)  # fmt: skip
def test_options_of_partitions_that_cannot_be_carried_out_are_named(tmp_path, options, expected):
    assert expected in refusal(tmp_path, f"image,emotion,AU01,Usage\n{FER}", **options)


def test_values_without_a_column_of_partitions_are_refused(tmp_path):
    found = refusal(tmp_path, "image,emotion,AU01\na.jpg,glad,1\n", partition_values="train=1")
    assert found == "--partition-values: expected --partition-column NAME too, found no column of partitions"


@pytest.mark.parametrize(
    "names",
    [
        ("train.csv", "test.csv"),
        ("Train_Set/a.csv", "Validation_Set/b.csv"),
        ("Training.csv", "PublicTest.csv"),
    ],
)
def test_tables_that_are_called_as_partitions_are_not_mixed(tmp_path, names):
    for i, name in enumerate(names):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(
            "image,emotion,AU01\n" + "".join(f"{i}{j}.jpg,glad,1\n" for j in range(5))
        )
    inputs = tuple(tmp_path / name for name in names)
    with pytest.raises(LabelError, match="found files that are called as partitions"):
        import_dataset(ImportOptions("table", inputs, tmp_path / "data"))
    import_dataset(ImportOptions("table", inputs, tmp_path / "data", split="60/20/20"))


def test_tables_of_videos_may_be_called_as_they_like(tmp_path):
    for name in ("train.csv", "s1.csv"):
        (tmp_path / name).write_text(f"image,emotion,AU01\n{name}.jpg,glad,1\n")
    import_dataset(ImportOptions("table", (tmp_path / "train.csv", tmp_path / "s1.csv"), tmp_path / "data"))


def test_images_that_are_called_as_partitions_are_drawn_over_only_with_a_note(tmp_path):
    text = "image,emotion,AU01\n" + "".join(
        f"x/{p}_{i}.jpg,glad,1\n" for i in range(4) for p in ("train", "test")
    )
    assert bring_in(tmp_path, text)["notes"] == [
        "Partitions are drawn, although names of images may say them (x/train_0.jpg and x/test_0.jpg): "
        "see --partition-column."
    ]
    assert bring_in(tmp_path, text, split="60/20/20")["notes"] == []
    assert bring_in(tmp_path, text.replace("/t", "/con-t"))["notes"] != []
    assert bring_in(tmp_path, text.replace("/t", "/con"))["notes"] == []


def test_what_is_said_never_has_control_characters_or_endless_names(tmp_path):
    rows = "".join(
        f"{i}.jpg,glad,1,{('Training', 'test')[i % 2]}{chr(31)},{'x' * 5000}{'aA'[i % 2]}\n" for i in range(8)
    )
    notes = bring_in(tmp_path, f"image,emotion,AU01,Usage,who\n{rows}", partition_column="Usage")["notes"]
    assert (
        notes[0]
        == r"Partitions are those of column Usage: Training\x1f is train (4 rows); test\x1f is test (4 rows)."
    )
    for split in (None, "60/20/20"):
        rows = "".join(f"{i}.jpg,glad,1,{'g' * 5000}{'aAbBcC'[i % 6]}\n" for i in range(12))
        notes = bring_in(tmp_path, f"image,emotion,AU01,who\n{rows}", split=split, group_column="who")[
            "notes"
        ]
        assert len(notes) == 1
        assert len(notes[0]) < 500


# --- what values mean ---

WORDS = {
    "train": ["train", "Train", "TRAINING", "tr", "Train_Set", "training set", "train-split", "Training Data"],
    "validation": ["val", "Val", "valid", "Validation", "dev", "Development", "Validation_Set", "PublicTest"],
    "test": ["test", "Testing", "TEST_SET", "PrivateTest", "private-test", "te"],
}  # fmt: skip


@pytest.mark.parametrize(("text", "name"), [(text, name) for name, texts in WORDS.items() for text in texts])
def test_usual_words_are_known(text, name):
    assert usual_partition(text) == name


@pytest.mark.parametrize(
    "text", ["0", "1", "eval", "trainval", "train+val", "none", "extra", "set", "", "3/1/1", "true"]
)
def test_other_words_are_not_guessed(text):
    assert usual_partition(text) is None


@pytest.mark.parametrize("value", ["0", "eval", "holdout", "trainval", "NA"])
def test_a_value_that_is_not_known_is_an_error_that_names_the_option(tmp_path, value):
    text = f"image,emotion,AU01,split\na.jpg,glad,1,train\nb.jpg,sad,0,{value}\n"
    assert refusal(tmp_path, text, partition_column="split").splitlines() == [
        f"t.csv:3: expected one of train, validation, test, found '{value}'",
        "(--partition-values train=NAME,… says what other values mean)",
    ]


def test_numbers_of_folds_become_partitions_however_they_are_written(tmp_path):
    rows = "".join(f"{i}.jpg,glad,1,{('1', '2.0', '03', '4')[i % 4]}\n" for i in range(8))
    bring_in(
        tmp_path,
        f"image,emotion,AU01,fold\n{rows}",
        partition_column="Fold",
        partition_values="train=1, train=2, validation=3, test=4.0",
    )
    expected = ("train", "train", "validation", "test")
    assert partition_of(tmp_path) == {f"{i}.jpg": expected[i % 4] for i in range(8)}


def test_given_values_come_before_usual_words(tmp_path):
    rows = "".join(f"{i}.jpg,glad,1,{('Train_Set', 'Validation_Set')[i % 2]}\n" for i in range(16))
    bring_in(
        tmp_path,
        f"image,emotion,AU01,s\n{rows}",
        partition_column="s",
        partition_values="test=Validation_Set",
    )
    assert Counter(partition_of(tmp_path).values()) == {"train": 6, "validation": 2, "test": 8}
    assert parse_partition_values("test=a=b") == {"a=b": "test"}
    with pytest.raises(ConfigError):
        parse_partition_values("test=")


def test_a_parquet_column_of_words_numbers_or_bool_says_partitions(tmp_path):
    for column, values in (
        (pa.array(["train", "dev", "test"]).dictionary_encode(), None),
        (pa.array([0.0, 2.0, 1.0]), "train=0,test=1,validation=2"),
        (pa.array([True, None, False]), "train=true,test=false"),
    ):
        table = pa.table(
            {"image": ["a.jpg", "b.jpg", "c.jpg"], "emotion": ["x"] * 3, "AU01": [1, 0, 1], "Usage": column}
        )
        pq.write_table(table, tmp_path / "t.parquet")
        options = ImportOptions(
            "table",
            (tmp_path / "t.parquet",),
            tmp_path / "data",
            partition_column="Usage",
            partition_values=values,
        )
        if column.null_count:
            with pytest.raises(
                LabelError, match="row 2: expected a value for the partition, found an empty cell"
            ):
                import_dataset(options)
        else:
            import_dataset(options)
            assert partition_of(tmp_path) == dict(zip(("a.jpg", "b.jpg", "c.jpg"), PARTITIONS, strict=True))


# --- a part that is not there ---


def test_validation_is_taken_from_train_where_no_row_has_it_and_said(tmp_path):
    manifest = bring_in(tmp_path, f"image,emotion,AU01,Usage\n{FER}", partition_column="Usage")
    found = partition_of(tmp_path)
    assert {found[f"f{i}.png"] for i in range(6, 10)} == {"test"}
    # 3 sad and 3 happy rows of training: of each emotion 0.75 of a row, and at least one where there are two
    assert Counter(found.values()) == {"train": 4, "validation": 2, "test": 4}
    assert manifest["counts"]["carved_validation"] == 2
    assert manifest["options"]["seed"] == 0
    assert manifest["notes"] == [
        "Partitions are those of column Usage: Training is train (6 rows); PrivateTest is test (4 rows).",
        "No row was in validation: 2 of 6 rows of train were taken for it (25% of each emotion, --seed 0).",
    ]
    bring_in(tmp_path, f"image,emotion,AU01,Usage\n{FER}", partition_column="Usage")
    assert partition_of(tmp_path) == found


def test_the_share_of_validation_is_that_of_the_usual_split():
    train, validation, _ = parse_split(DEFAULT_SPLIT)
    assert pytest.approx((train / (train + validation), validation / (train + validation))) == SHARES


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.booleans()), min_size=1, max_size=80),
    st.booleans(),
    st.integers(0, 3),
)
def test_validation_from_train_leaves_test_alone_cuts_no_group_and_takes_a_quarter(drawn, grouped, seed):
    emotion_N = np.array([emotion for emotion, _, _ in drawn])
    group_N = np.array([group for _, group, _ in drawn])
    is_test_N = group_N < 3 if grouped else np.array([test for _, _, test in drawn])
    partition_N = np.where(is_test_N, "test", "train").astype(object)
    carved = with_validation(partition_N, emotion_N, group_N if grouped else None, seed)
    assert (carved.partition_N[is_test_N] == "test").all()
    assert carved.n_carved == (carved.partition_N == "validation").sum()
    train_N = ~is_test_N
    if grouped:
        homes = {group: set(carved.partition_N[group_N == group]) for group in set(group_N.tolist())}
        assert all(len(home) == 1 for home in homes.values())
        assert (carved.n_carved > 0) == (len(set(group_N[train_N].tolist())) > 1)
    else:
        for emotion in set(emotion_N[train_N].tolist()):
            of_train_N = carved.partition_N[train_N & (emotion_N == emotion)]
            n = int((of_train_N == "validation").sum())
            assert n == (0 if len(of_train_N) == 1 else max(1, n))
            assert abs(n - len(of_train_N) / 4) < 1


@pytest.mark.parametrize("parts", [("train", "val", "test"), ("val", "test"), ("test",)])
def test_nothing_is_taken_where_there_is_validation_or_no_train(parts):
    names = np.array([usual_partition(part) for part in parts] * 4, dtype=object)
    carved = with_validation(names, np.zeros(len(names), np.int64), None, 0)
    assert carved.n_carved == 0
    assert (carved.partition_N == names).all()


@pytest.mark.parametrize(
    ("parts", "absent"),
    [(("train", "val"), ["test"]), (("val", "test"), ["train"]), (("test",), ["train", "validation"])],
)
def test_a_part_that_stays_empty_is_said_with_what_follows(tmp_path, parts, absent):
    rows = "".join(f"{i}.jpg,glad,1,{parts[i % len(parts)]}\n" for i in range(6))
    notes = bring_in(tmp_path, f"image,emotion,AU01,partition\n{rows}")["notes"]
    said = [note for note in notes if note.startswith("No image is in ")]
    assert [note.split(":")[0] for note in said] == [f"No image is in {name}" for name in absent]
    assert all("rafce-train run will refuse this dataset" in note for note in said)


def test_a_group_in_two_partitions_is_named_before_validation_is_taken_from_it(tmp_path):
    rows = "".join(f"{i}.jpg,x,1,{who},{part}\n" for i, (who, part) in enumerate(
        [("1", "train"), ("1.0", "test"), ("bert", "train"), ("carl", "train"), ("dora", "test")]))  # fmt: skip
    with pytest.raises(DatasetError) as caught:
        bring_in(tmp_path, f"image,emotion,AU01,who,partition\n{rows}", group_column="who")
    assert str(caught.value) == "samples: group 1: expected in one partition, found in train and test"


def test_validation_from_train_keeps_videos_whole(tmp_path):
    rows = "".join(
        f"{i}.jpg,{'glad' if i % 2 else 'sad'},1,v{i // 4},{'test' if i < 8 else 'train'}\n"
        for i in range(40)
    )
    manifest = bring_in(
        tmp_path, f"image,emotion,AU01,video,Usage\n{rows}", partition_column="Usage", group_column="video"
    )
    found = partition_of(tmp_path)
    parts = [{found[f"{i}.jpg"] for i in range(4 * video, 4 * video + 4)} for video in range(10)]
    assert parts[:2] == [{"test"}] * 2
    assert Counter(part for (part,) in parts) == {"test": 2, "train": 6, "validation": 2}
    assert manifest["counts"]["groups"] == {"train": 6, "validation": 2, "test": 2}
    assert manifest["notes"][-1] == (
        "No row was in validation: 8 of 32 rows of train were taken for it "
        "(25% of each emotion, no group cut, --seed 0)."
    )


def test_a_wide_table_is_not_searched_by_value(tmp_path, monkeypatch):
    monkeypatch.setattr(partitions, "MOST_COLUMNS", 1)
    rows = "".join(f"{i}.jpg,glad,1,train,0,0\n" for i in range(6))
    bring_in(tmp_path, f"image,emotion,AU01,x,y,z\n{rows}")
