"""Each program's tables to the dataset folder, against states and counts read by hand with the csv module."""

import csv
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from rafce.errors import LabelError
from rafce.imports.importing import import_dataset
from rafce.imports.options import ImportOptions
from rafce.taxonomy import FACS_NAMES
from rafce_fixtures.tables import (
    emotions_csv,
    fex_csv,
    libreface_csv,
    make_frames,
    openface_csv,
    plain_csv,
    write_videos,
)

FRAMES = make_frames()
EMOTION_OF = {frame.image: frame.emotion for frame in FRAMES}
States = dict[int, bool | None]


def bring_in(source: str, *inputs: Path, out: Path, **options):
    return import_dataset(ImportOptions(source, inputs, out, **options))


def samples(folder: Path) -> dict[str, dict]:
    return {row["image"]: row for row in pq.read_table(folder / "samples.parquet").to_pylist()}


def states_of(row: dict) -> States:
    return {int(name[2:]): value for name, value in row.items() if name.startswith("AU")}


def lines(path: Path) -> Iterator[dict[str, str]]:
    with path.open() as file:
        yield from csv.DictReader(file, skipinitialspace=True)


def assert_counts_by_hand(folder: Path, states: dict[str, States], emotion_of: dict[str, str]) -> None:
    """Every cell of the statistics, in every scope, counts the images that know the AU and no other."""
    partition = {image: row["partition"] for image, row in samples(folder).items()}
    known: Counter[tuple] = Counter()
    active: Counter[tuple] = Counter()
    for image, of_au in states.items():
        for au, state in of_au.items():
            for scope in ("all", partition[image]):
                known[scope, emotion_of[image], au] += state is not None
                active[scope, emotion_of[image], au] += state is True
    table = pq.read_table(folder / "au_statistics.parquet").to_pylist()
    assert len(table) == 4 * len(set(emotion_of.values())) * len(next(iter(states.values())))
    for row in table:
        cell = row["scope"], row["emotion"], row["au"]
        assert (row["n"], row["count"]) == (known[cell], active[cell]), cell


def check(folder: Path, states: dict[str, States]) -> None:
    found = samples(folder)
    assert {image: states_of(row) for image, row in found.items()} == states
    assert {image: row["emotion"] for image, row in found.items()} == {
        image: EMOTION_OF[image] for image in states
    }
    for row in found.values():
        of_au = sorted(states_of(row).items())
        assert row["au_mask"] == sum(1 << i for i, (_, state) in enumerate(of_au) if state)
        if "au_known" in row:
            assert row["au_known"] == sum(1 << i for i, (_, state) in enumerate(of_au) if state is not None)
    assert_counts_by_hand(folder, states, {image: EMOTION_OF[image] for image in states})


# --- OpenFace ---


@pytest.fixture
def openface(tmp_path: Path) -> Path:
    write_videos(FRAMES, openface_csv, tmp_path / "videos")
    (tmp_path / "emotions.csv").write_text(emotions_csv(FRAMES))
    return tmp_path


def openface_states(folder: Path, state: Callable[[dict[str, str], int], bool | None]) -> dict[str, States]:
    states: dict[str, States] = {}
    for path in sorted(folder.glob("*.csv")):
        for row in lines(path):
            aus = [int(name[2:4]) for name in row if name.endswith("_c")]
            failed = row["success"] == "0"
            image = f"{path.stem}_{int(row['frame']):06d}.jpg"
            states[image] = {au: None if failed else state(row, au) for au in aus}
    return states


def test_openface_presence_counts_and_failed_frames_do_not(openface):
    out = openface / "data"
    manifest = bring_in("openface", openface / "videos", out=out, emotions=openface / "emotions.csv")
    states = openface_states(openface / "videos", lambda row, au: float(row[f"AU{au:02d}_c"]) == 1)
    check(out, states)
    failed = sum(not frame.is_tracked for frame in FRAMES)
    assert manifest["counts"]["failed_frames"] == manifest["counts"]["without_aus"] == failed > 0
    assert set(manifest["counts"]["unknown"].values()) == {failed}


def test_a_threshold_takes_openface_intensity_where_there_is_one(openface):
    options = {"emotions": openface / "emotions.csv", "au_threshold": 2.5}
    bring_in("openface", openface / "videos", out=openface / "data", **options)

    def state(row: dict[str, str], au: int) -> bool:
        if au == 28:  # has no intensity
            return float(row["AU28_c"]) == 1
        return float(row[f"AU{au:02d}_r"]) >= 2.5

    check(openface / "data", openface_states(openface / "videos", state))


def test_openface_aus_below_the_confidence_are_unknown(openface):
    options = {"emotions": openface / "emotions.csv", "min_confidence": 0.9}
    manifest = bring_in("openface", openface / "videos", out=openface / "data", **options)

    def state(row: dict[str, str], au: int) -> bool | None:
        return None if float(row["confidence"]) < 0.9 else float(row[f"AU{au:02d}_c"]) == 1

    check(openface / "data", openface_states(openface / "videos", state))
    unsure = [row for path in (openface / "videos").glob("*.csv") for row in lines(path)]
    assert manifest["counts"]["low_confidence"] == sum(float(row["confidence"]) < 0.9 for row in unsure)


def test_a_file_of_one_image_without_a_frame_is_that_image(tmp_path):
    """OpenFace's FaceLandmarkImg writes neither frame nor success."""
    (tmp_path / "faces").mkdir()
    for name, active in (("anna", 1), ("bert", 0)):
        (tmp_path / f"faces/{name}.csv").write_text(f"face, confidence, AU12_c\n0, 0.98, {active}.00\n")
    (tmp_path / "emotions.csv").write_text("video,emotion\nanna,glad\nbert,sad\n")
    bring_in("openface", tmp_path / "faces", out=tmp_path / "data", emotions=tmp_path / "emotions.csv")
    found = {image: (row["emotion"], row["AU12"]) for image, row in samples(tmp_path / "data").items()}
    assert found == {"anna.jpg": ("glad", True), "bert.jpg": ("sad", False)}


# --- py-feat ---


@pytest.mark.parametrize("threshold", [None, 0.7])
def test_fex_probabilities_from_the_threshold_on_are_active_and_faces_not_found_unknown(tmp_path, threshold):
    write_videos(FRAMES, fex_csv, tmp_path / "videos")
    emotions = tmp_path / "emotions.parquet"
    pq.write_table(
        pa.table(
            {
                "input": [f"/data/{frame.video}.mp4" for frame in FRAMES],
                "frame": [float(frame.number) for frame in FRAMES],
                "emotion": pa.array([frame.emotion for frame in FRAMES]).dictionary_encode(),
            }
        ),
        emotions,
    )
    bring_in("fex", tmp_path / "videos", out=tmp_path / "data", emotions=emotions, au_threshold=threshold)
    states: dict[str, States] = {}
    for path in sorted((tmp_path / "videos").glob("*.csv")):
        for row in lines(path):
            cells = {int(name[2:]): value for name, value in row.items() if name.startswith("AU")}
            states[f"{path.stem}_{int(row['frame']):06d}.jpg"] = {
                au: None if value == "" else float(value) >= (threshold or 0.5) for au, value in cells.items()
            }
    assert any(None in of_au.values() for of_au in states.values())
    check(tmp_path / "data", states)


def test_fex_images_are_called_as_the_files_of_input(tmp_path):
    (tmp_path / "fex.csv").write_text(fex_csv(FRAMES, is_video=False))
    (tmp_path / "emotions.csv").write_text(emotions_csv(FRAMES, ["image"]))
    bring_in("fex", tmp_path / "fex.csv", out=tmp_path / "data", emotions=tmp_path / "emotions.csv")
    assert {image: row["emotion"] for image, row in samples(tmp_path / "data").items()} == EMOTION_OF


@pytest.mark.parametrize("source", ["fex", "libreface"])
def test_what_a_program_predicts_is_never_taken_for_a_label(tmp_path, source):
    (tmp_path / "table.csv").write_text({"fex": fex_csv, "libreface": libreface_csv}[source](FRAMES))
    with pytest.raises(
        LabelError, match="expected a column emotion, --emotion-column NAME or --emotions FILE"
    ):
        bring_in(source, tmp_path / "table.csv", out=tmp_path / "data")
    assert not (tmp_path / "data").exists()


# --- LibreFace ---


def test_libreface_presence_counts_and_intensity_where_an_au_has_no_presence(tmp_path):
    write_videos(FRAMES, libreface_csv, tmp_path / "videos")
    (tmp_path / "emotions.csv").write_text(emotions_csv(FRAMES))
    manifest = bring_in(
        "libreface", tmp_path / "videos", out=tmp_path / "data", emotions=tmp_path / "emotions.csv"
    )
    states: dict[str, States] = {}
    for path in sorted((tmp_path / "videos").glob("*.csv")):
        for row in lines(path):
            image = f"{path.stem}_{int(row['frame_idx']):06d}.jpg"
            graded = {int(n.split("_")[1]): float(v) >= 1 for n, v in row.items() if n.endswith("_intensity")}
            present = {
                int(n[3:]): v == "1" for n, v in row.items() if n.startswith("au_") and n[3:].isdigit()
            }
            states[image] = {**graded, **present}
    check(tmp_path / "data", states)
    assert manifest["counts"]["emotions_unused"] == len(FRAMES) - len(states) > 0


# --- any table ---


def test_a_table_of_presence_has_999_and_empty_cells_unknown(tmp_path):
    text = plain_csv(FRAMES).replace(",1,", ",,", 3)
    (tmp_path / "table.csv").write_text(text)
    bring_in("table", tmp_path / "table.csv", out=tmp_path / "data", group_column="video")
    meaning = {"1": True, "0": False, "999": None, "": None}
    states = {
        row["image"]: {int(name[2:]): meaning[value] for name, value in row.items() if name.startswith("AU")}
        for row in lines(tmp_path / "table.csv")
    }
    check(tmp_path / "data", states)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_columns_of_any_name_are_taken_by_the_au_that_they_are_given(tmp_path, suffix):
    columns = {
        "file": ["faces/b.png", "faces/a.png", "c.png"],
        "class": ["glad", "sad", "glad"],
        "smile": [0.9, 0.4, None],
        "AU4 score": [0.5, -1.0, 0.7],
        "who": [1, 2, 3],
    }
    path = tmp_path / f"scores{suffix}"
    table = pa.table(columns)
    if suffix == ".csv":
        pyarrow.csv.write_csv(table, path)
    else:
        pq.write_table(table, path)
    bring_in(
        "table",
        path,
        out=tmp_path / "data",
        image_column="file",
        emotion_column="class",
        au_columns="smile=12, AU4 score",
        au_threshold=0.5,
        group_column="who",
    )
    found = {
        image: (row["emotion"], row["group"], row["AU12"], row["AU04"])
        for image, row in samples(tmp_path / "data").items()
    }
    assert found == {
        "a.png": ("sad", "2", False, None),
        "b.png": ("glad", "1", True, True),
        "c.png": ("glad", "3", None, True),
    }


@pytest.mark.parametrize("cells", ["true,false", "True,False", "1.0,0", " 1 ,0.0"])
def test_presence_may_be_written_in_several_ways(tmp_path, cells):
    yes, no = cells.split(",")
    (tmp_path / "t.csv").write_text(f"image,emotion,AU12\na.jpg,glad,{yes}\nb.jpg,sad,{no}\nc.jpg,sad,NA\n")
    bring_in("table", tmp_path / "t.csv", out=tmp_path / "data")
    assert [row["AU12"] for row in samples(tmp_path / "data").values()] == [True, False, None]


def test_bool_columns_of_parquet_are_presence_and_null_unknown(tmp_path):
    columns = {"image": ["a.jpg", "b.jpg", "c.jpg"], "emotion": ["x", "y", "x"], "au_1": [True, None, False]}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    bring_in("table", tmp_path / "t.parquet", out=tmp_path / "data")
    assert [row["AU01"] for row in samples(tmp_path / "data").values()] == [True, None, False]


def test_an_au_that_one_table_lacks_is_unknown_there(tmp_path):
    (tmp_path / "1.csv").write_text("image,emotion,AU01,AU02\na.jpg,glad,1,0\n")
    (tmp_path / "2.csv").write_text("image,emotion,AU02,AU04\nb.jpg,sad,1,1\nc.jpg,sad,0,0\n")
    bring_in("table", tmp_path / "1.csv", tmp_path / "2.csv", out=tmp_path / "data")
    assert [states_of(row) for row in samples(tmp_path / "data").values()] == [
        {1: True, 2: False, 4: None},
        {1: None, 2: True, 4: True},
        {1: None, 2: False, 4: False},
    ]


def test_more_than_32_aus_have_columns_and_no_masks(tmp_path):
    aus = list(FACS_NAMES)[:40]
    header = ",".join(["image", "emotion", *(f"AU{au:02d}" for au in aus)])
    rows = [",".join([f"{i}.jpg", "glad", *(str((i + au) % 2) for au in aus)]) for i in range(4)]
    (tmp_path / "t.csv").write_text("\n".join([header, *rows]) + "\n")
    bring_in("table", tmp_path / "t.csv", out=tmp_path / "data")
    found = samples(tmp_path / "data")
    assert "au_mask" not in found["0.jpg"]
    assert states_of(found["1.jpg"]) == {au: au % 2 == 0 for au in aus}
