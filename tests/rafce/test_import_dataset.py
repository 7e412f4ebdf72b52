"""What `rafce import` writes: joins, groups, partitions, parts, images, and the same bytes again."""

import json
import tempfile
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rafce.imports.importing
import rafce.imports.repeats
import rafce.imports.samples
from rafce.dataset import read_dataset
from rafce.errors import ImageError, LabelError, OutputError
from rafce.imports import files
from rafce.imports.importing import import_dataset
from rafce.imports.options import ImportOptions
from rafce.imports.samples import emotion_order
from rafce.schema import PARTITIONS
from rafce.taxonomy import COMPOUND_EMOTIONS
from rafce_fixtures.tables import emotions_csv, make_frames, openface_csv, plain_csv, write_videos
from rafce_train.data import find_images, read_data

FRAMES = make_frames(n_videos=8, n_frames=12, failures=0.2)
TABLES = ("samples", "discarded", "au_statistics", "lab_statistics")


@pytest.fixture
def openface(tmp_path: Path) -> Path:
    """A folder with videos/ and emotions.csv."""
    write_videos(FRAMES, openface_csv, tmp_path / "videos")
    (tmp_path / "emotions.csv").write_text(emotions_csv(FRAMES))
    return tmp_path


def bring_in(root: Path, out: str = "data", **options):
    options = {"emotions": root / "emotions.csv", **options}
    return import_dataset(ImportOptions("openface", (root / "videos",), root / out, **options))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def rows(folder: Path) -> list[dict]:
    path = folder / "samples.parquet"
    return pq.read_table(path if path.exists() else folder / "samples").to_pylist()


def test_the_same_tables_give_the_same_bytes_and_a_dataset_that_reads(openface):
    manifest = bring_in(openface, "1", group_column="video")
    bring_in(openface, "2", group_column="video")
    assert contents(openface / "1") == contents(openface / "2")
    dataset = read_dataset(openface / "1")
    assert dataset.manifest == manifest
    assert dataset.n_images == manifest["counts"]["kept"] == len(FRAMES)
    assert dataset.emotions == ("surprise", "happiness", "anger")
    names = [row["image"] for row in rows(openface / "1")]
    assert names == sorted(names)
    for kind in TABLES:
        metadata = pq.read_schema(openface / f"1/{kind}.parquet").metadata
        assert metadata[b"rafce.schema"] == f"{kind}/1".encode()
        assert json.loads(metadata[b"rafce.aus"]) == list(dataset.aus)


def test_the_manifest_names_inputs_options_and_counts(openface):
    counts = bring_in(openface, group_column="video")["counts"]
    manifest = json.loads((openface / "data/manifest.json").read_text())
    assert manifest["inputs"]["openface"]["file"] == "8 files"
    assert [entry["file"] for entry in manifest["inputs"]["openface"]["files"]][:2] == [
        "video1.csv",
        "video2.csv",
    ]
    assert manifest["inputs"]["emotions"]["lines"] == len(FRAMES) + 1
    assert manifest["options"]["group_column"] == "video"
    assert "out" not in manifest["options"]
    assert counts["input_lines"] == {"openface": len(FRAMES) + 8, "emotions": len(FRAMES) + 1}
    assert sum(counts["groups"].values()) == 8
    found = Counter((row["emotion"], row["partition"]) for row in rows(openface / "data"))
    for emotion, sizes in counts["partitions"].items():
        assert sizes == {partition: found[emotion, partition] for partition in PARTITIONS}


def test_an_older_dataset_is_replaced_and_any_other_folder_left_alone(openface):
    bring_in(openface)
    bring_in(openface, seed=3)
    assert json.loads((openface / "data/manifest.json").read_text())["options"]["seed"] == 3
    (openface / "thesis").mkdir()
    (openface / "thesis/chapter1.tex").write_text("precious")
    with pytest.raises(OutputError, match="found other files"):
        bring_in(openface, "thesis")
    assert sorted(path.name for path in openface.iterdir()) == ["data", "emotions.csv", "thesis", "videos"]


def test_an_older_dataset_in_which_somebody_keeps_files_is_left_alone(openface):
    bring_in(openface)
    (openface / "data/frames").mkdir()
    with pytest.raises(OutputError, match="found other files; nothing was touched"):
        bring_in(openface, seed=3)
    (openface / "data/frames").rmdir()
    (openface / "data/reports").mkdir()
    bring_in(openface, seed=3)


@pytest.mark.parametrize("renames", [1, 2])
def test_an_interruption_between_two_renames_leaves_the_older_or_the_newer_dataset(
    openface, monkeypatch, renames
):
    bring_in(openface)
    done = []
    rename = Path.rename

    def interrupted(path, target):
        found = rename(path, target)
        done.append(path)
        if len(done) == renames:
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bring_in(openface, seed=3)
    seed = json.loads((openface / "data/manifest.json").read_text())["options"]["seed"]
    assert seed == (0 if renames == 1 else 3)
    assert not list(openface.glob(".*"))


# --- emotions ---


@pytest.mark.parametrize("keys", [["video", "frame"], ["frame", "video", "image"]])
def test_emotions_are_joined_on_all_shared_columns_in_any_order(openface, keys):
    (openface / "emotions.csv").write_text(emotions_csv(reversed(FRAMES), keys))
    bring_in(openface)
    found = {row["image"]: row["emotion"] for row in rows(openface / "data")}
    assert found == {frame.image: frame.emotion for frame in FRAMES}


def test_the_emotions_file_may_lie_among_the_tables_and_say_one_emotion_a_video(openface):
    names = sorted({frame.video for frame in FRAMES})
    text = "video,emotion,subject\n" + "".join(
        f"{name},{name[-1]},s{i // 2}\n" for i, name in enumerate(names)
    )
    (openface / "videos/emotions.csv").write_text(text)
    bring_in(openface, emotions=openface / "videos/emotions.csv", group_column="subject")
    for row in rows(openface / "data"):
        video = row["image"].split("_")[0]
        assert (row["emotion"], row["group"]) == (video[-1], f"s{names.index(video) // 2}")


def test_images_and_partitions_of_the_emotions_file_stand(openface):
    partitions = [PARTITIONS[i % 3] for i in range(len(FRAMES))]
    lines = [
        f"{frame.video},{frame.number},faces/{i}.png,{frame.emotion},{partition}"
        for i, (frame, partition) in enumerate(zip(FRAMES, partitions, strict=True))
    ]
    (openface / "emotions.csv").write_text("\n".join(["video,frame,image,emotion,partition", *lines]) + "\n")
    manifest = bring_in(openface)
    found = {row["image"]: row["partition"] for row in rows(openface / "data")}
    assert found == {f"{i}.png": partition for i, partition in enumerate(partitions)}
    assert manifest["options"]["split"] is None


def test_rows_of_the_emotions_file_without_a_row_of_aus_are_counted(openface):
    (openface / "emotions.csv").write_text(emotions_csv(FRAMES) + "video99,1,anger\n")
    assert bring_in(openface)["counts"]["emotions_unused"] == 1


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (reversed(COMPOUND_EMOTIONS), COMPOUND_EMOTIONS),
        (["happily sad", "sadly angry"], ("sadly angry", "happily sad")),
        (
            ["neutral", "anger", "happiness", "surprise"],
            ("surprise", "happiness", "anger", "neutral"),
        ),
        (["neutral", "boredom", "anger"], ("anger", "boredom", "neutral")),
        (["sadly angry", "anger"], ("anger", "sadly angry")),
    ],
)
def test_ids_follow_the_paper_or_raf_ml_where_they_name_all_emotions_and_the_alphabet_elsewhere(
    names, expected
):
    assert emotion_order(list(names)) == expected


# --- groups and partitions ---


def test_no_group_is_cut_and_a_group_column_of_either_file_will_do(openface):
    for out, options in (("file", {"group_column": "video"}), ("emotions", {"group_column": "who"})):
        who = [f"{frame.video},{frame.number},{frame.emotion},{frame.video[-1]}\n" for frame in FRAMES]
        (openface / "emotions.csv").write_text("video,frame,emotion,who\n" + "".join(who))
        bring_in(openface, out, **options)
        partitions: dict[str, set[str]] = {}
        for row in rows(openface / out):
            partitions.setdefault(row["group"], set()).add(row["partition"])
        assert len(partitions) == 8
        assert all(len(of_group) == 1 for of_group in partitions.values())
        statistics = pq.read_table(openface / out / "au_statistics.parquet").to_pylist()
        assert all(row["n_groups"] <= min(8, row["n"]) for row in statistics)


def test_without_groups_the_split_is_stratified(openface):
    counts = bring_in(openface)["counts"]
    for sizes in counts["partitions"].values():
        assert sizes["train"] / sum(sizes.values()) == pytest.approx(0.6, abs=0.05)


# --- size ---


@pytest.fixture
def tiny_pieces(monkeypatch):
    """Blocks, parts and buckets of a few rows."""
    monkeypatch.setattr(files, "BLOCK_BYTES", 600)
    monkeypatch.setattr(rafce.imports.samples, "ONE_FILE_ROWS", 10)
    monkeypatch.setattr(rafce.imports.importing, "ONE_FILE_ROWS", 10)
    monkeypatch.setattr(rafce.imports.samples, "PART_ROWS", 7)
    monkeypatch.setattr(rafce.imports.repeats, "BUCKET_ROWS", 5)


def test_a_folder_of_parts_holds_the_rows_of_one_file_in_the_order_of_the_tables(openface, request):
    bring_in(openface, "one", group_column="video")
    request.getfixturevalue("tiny_pieces")
    bring_in(openface, "parts", group_column="video")
    parts = sorted(path.name for path in (openface / "parts/samples").iterdir())
    assert parts == [f"{i:06d}.parquet" for i in range(-(-len(FRAMES) // 7))]
    images = [row["image"] for row in rows(openface / "parts")]
    assert images == [frame.image for frame in FRAMES]
    assert sorted(rows(openface / "parts"), key=lambda row: row["image"]) == rows(openface / "one")
    for name in ("au_statistics", "discarded", "lab_statistics"):
        assert (
            contents(openface / "one")[f"{name}.parquet"] == contents(openface / "parts")[f"{name}.parquet"]
        )
    assert read_dataset(openface / "parts").n_images == len(FRAMES)


def test_images_twice_are_found_across_pieces(tmp_path, tiny_pieces):
    text = plain_csv(FRAMES)
    (tmp_path / "1.csv").write_text(text)
    again = text.splitlines()[31]
    (tmp_path / "2.csv").write_text(f"{text.splitlines()[0]}\nnew.jpg{again[again.index(',') :]}\n{again}\n")
    with pytest.raises(LabelError) as caught:
        import_dataset(ImportOptions("table", (tmp_path,), tmp_path / "data"))
    name = FRAMES[30].image
    assert str(caught.value) == (
        f"{tmp_path}/2.csv:3: expected each image once, found {name} again ({tmp_path}/1.csv:32)"
    )


def test_progress_counts_bytes_up_to_all_of_them(openface):
    told: list[tuple[int, int]] = []
    options = ImportOptions("openface", (openface / "videos",), openface / "d", openface / "emotions.csv")
    import_dataset(options, lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    n_bytes = sum(path.stat().st_size for path in (openface / "videos").iterdir())
    assert told[-1] == (n_bytes, n_bytes)


def test_an_interruption_leaves_nothing_behind(openface):
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    options = ImportOptions("openface", (openface / "videos",), openface / "d", openface / "emotions.csv")
    with pytest.raises(KeyboardInterrupt):
        import_dataset(options, interrupt)
    assert sorted(path.name for path in openface.iterdir()) == ["emotions.csv", "videos"]


# --- images and laboratory ---


def test_images_are_found_and_missing_ones_an_error_unless_allowed(openface):
    (openface / "frames").mkdir()
    for frame in FRAMES[:-2]:
        (openface / "frames" / frame.image).touch()
    (openface / "frames" / FRAMES[-1].image).mkdir()  # a folder is no image
    missing = [frame.image for frame in FRAMES[-2:]]
    with pytest.raises(ImageError, match=f"2 of them are missing: {', '.join(missing)}"):
        bring_in(openface, images=openface / "frames")
    assert not (openface / "data").exists()
    manifest = bring_in(openface, images=openface / "frames", allow_missing_images=True)
    root = str((openface / "frames").resolve())
    assert manifest["images"] == {"root": root, "suffix": "", "missing": missing}


SUBJECTS = """image,emotion,AU01,AU12
s1/1.jpg,glad,0,1
./s2//1.jpg,sad,1,0
s2\\2.jpg,sad,1,0
"""


def by_subject(root: Path, text: str = SUBJECTS, **options):
    (root / "t.csv").write_text(text)
    return import_dataset(ImportOptions("table", (root / "t.csv",), root / "data", **options))


def test_folders_in_names_tell_images_apart_where_they_are_kept(tmp_path):
    for name in ("s1/1.jpg", "s2/1.jpg", "s2/2_aligned.jpg"):
        (tmp_path / "faces" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "faces" / name).touch()
    with pytest.raises(ImageError, match=r"expected 3 images, 1 of them are missing: s2/2\.jpg"):
        by_subject(tmp_path, images=tmp_path / "faces", keep_folders=True)
    (tmp_path / "faces/s2/2_aligned.jpg").rename(tmp_path / "faces/s2/2.jpg")
    manifest = by_subject(tmp_path, images=tmp_path / "faces", keep_folders=True)
    assert [(row["image"], row["emotion"]) for row in rows(tmp_path / "data")] == [
        ("s1/1.jpg", "glad"),
        ("s2/1.jpg", "sad"),
        ("s2/2.jpg", "sad"),
    ]
    assert manifest["options"]["keep_folders"]
    found = find_images(read_data(tmp_path / "data"), None)
    assert found == [tmp_path / "faces" / name for name in ("s1/1.jpg", "s2/1.jpg", "s2/2.jpg")]


def test_folders_in_names_are_kept_in_joins(tmp_path):
    (tmp_path / "e.csv").write_text("image,emotion\ns1/1.jpg,glad\ns2/1.jpg,sad\n")
    table = "image,AU01,AU12\ns2/1.jpg,0,1\ns1/1.jpg,1,0\n"
    by_subject(tmp_path, table, emotions=tmp_path / "e.csv", keep_folders=True)
    found = {row["image"]: (row["emotion"], row["AU01"]) for row in rows(tmp_path / "data")}
    assert found == {"s1/1.jpg": ("glad", True), "s2/1.jpg": ("sad", False)}
    (tmp_path / "e.csv").write_text("frame,image,emotion\n1,s1/1.jpg,glad\n2,s2/1.jpg,sad\n")
    by_subject(tmp_path, "frame,AU01\n2,1\n1,0\n", emotions=tmp_path / "e.csv", keep_folders=True)
    assert [(row["image"], row["AU01"]) for row in rows(tmp_path / "data")] == [
        ("s1/1.jpg", False),
        ("s2/1.jpg", True),
    ]


def test_images_that_only_their_folders_tell_apart_are_refused_with_the_remedy(tmp_path):
    with pytest.raises(LabelError) as caught:
        by_subject(tmp_path)
    first, hint = str(caught.value).splitlines()
    assert first == f"{tmp_path}/t.csv:3: expected each image once, found 1.jpg again ({tmp_path}/t.csv:2)"
    assert "--keep-folders tells s1/1.jpg from s2/1.jpg" in hint


@pytest.mark.parametrize("name", ["/s1/1.jpg", "C:\\1.jpg", "../1.jpg", "s1/../1.jpg", "s1/", "s1/.."])
def test_kept_folders_lie_below_the_images(tmp_path, name):
    with pytest.raises(LabelError) as caught:
        by_subject(tmp_path, f"image,emotion,AU01\n{name},glad,1\n", keep_folders=True)
    expected = "expected the path of an image below a folder (--keep-folders)"
    assert str(caught.value) == f"{tmp_path}/t.csv:2: {expected}, found {name!r}"


def test_a_laboratory_table_of_ones_own_travels_along(openface):
    (openface / "lab.csv").write_text("emotion,au,percent\nanger,4,80\n")
    manifest = bring_in(openface, lab=openface / "lab.csv")
    lab = pq.read_table(openface / "data/lab_statistics.parquet").to_pylist()
    assert lab == [{"emotion": "anger", "au": 4, "percent": 80.0, "note": ""}]
    assert manifest["inputs"]["lab"]["file"] == "lab.csv"


# --- three states ---

CELLS = {
    True: ("1", "1.0", "true"),
    False: ("0", "0.00", "False"),
    None: ("", "-1", "999", "NaN", "NA", "-1.0"),
}


@st.composite
def tables(draw: st.DrawFn) -> list[tuple[str, str, list[tuple[bool | None, str]]]]:
    """Rows of a partition, an emotion and the states of three AUs, each with one of its spellings."""
    state = st.sampled_from([(state, text) for state, texts in CELLS.items() for text in texts])
    row = st.tuples(
        st.sampled_from(PARTITIONS), st.sampled_from(["glad", "sad"]), st.lists(state, min_size=3, max_size=3)
    )
    return draw(st.lists(row, min_size=1, max_size=30))


@settings(max_examples=25, deadline=None)
@given(tables())
def test_unknown_states_never_count(drawn):
    drawn = [*drawn, ("validation", "glad", [(None, "")] * 3)]  # else train would give some of its rows
    lines = [f"{i}.jpg,{p},{e},{','.join(text for _, text in s)}" for i, (p, e, s) in enumerate(drawn)]
    known: Counter[tuple] = Counter()
    active: Counter[tuple] = Counter()
    for partition, emotion, states in drawn:
        for au, (state, _) in zip((1, 2, 4), states, strict=True):
            for scope in ("all", partition):
                known[scope, emotion, au] += state is not None
                active[scope, emotion, au] += state is True
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_text("\n".join(["image,partition,emotion,AU01,AU02,AU04", *lines]) + "\n")
        manifest = import_dataset(ImportOptions("table", (path,), Path(folder) / "data"))
        statistics = pq.read_table(Path(folder) / "data/au_statistics.parquet").to_pylist()
    for row in statistics:
        cell = row["scope"], row["emotion"], row["au"]
        assert (row["n"], row["count"]) == (known[cell], active[cell])
        assert (row["frequency"] is None) == (known[cell] == 0)
    blank = sum(all(state is None for state, _ in states) for _, _, states in drawn)
    assert manifest["counts"]["without_aus"] == blank
