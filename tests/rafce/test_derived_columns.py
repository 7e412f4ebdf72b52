"""`emotion` and the AU columns are what counts: what disagrees with them is named by row and image, on every road."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from rafce import reading
from rafce.build import BuildOptions, build_dataset
from rafce.dataset import read_dataset
from rafce.errors import DatasetError, LabelError
from rafce.imports.importing import import_dataset
from rafce.imports.options import ImportOptions
from rafce.streaming import count_aus, count_here
from rafce_cli.main import rafce
from rafce_cli.main_train import rafce_train
from tests.damage.kinds import make_built


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return make_built(tmp_path_factory.mktemp("built"))


@pytest.fixture
def folder(built, tmp_path):
    return shutil.copytree(built, tmp_path / "data")


def edit(folder, change):
    path = folder / "samples.parquet"
    frame = pd.read_parquet(path)
    change(frame)
    kept = pq.read_schema(path).metadata
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(kept), path)
    return frame


def refusal(folder):
    with pytest.raises(DatasetError) as caught:
        count_here(count_aus, read_dataset(folder).samples)
    return str(caught.value)


def relabel(frame, rows=1):
    frame.loc[: rows - 1, "emotion"] = "happily sad"


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("emotion_id", 12, "expected emotion_id {id} as of emotion {emotion}, found 12"),
        ("au_mask", 0, "expected au_mask {mask} as of its AU columns, found 0"),
        ("au_raw", "43+AD19", "expected au_raw of the AUs {aus} as of its AU columns, found 43+AD19"),
        ("au_raw", "smile", "expected au_raw of the AUs {aus} as of its AU columns, found smile"),
        ("partition", "dev", "expected one of train, validation, test, found dev"),
        ("emotion_source", "me", "expected one of mapped, official, given, found me"),
        ("image", "..", "expected the name of an image, found '..'"),
        ("p_fear", 1.5, "expected p_fear from 0 to 1 or null, found 1.5"),
        (
            "p_fear",
            float("nan"),
            "expected all of p_surprise, p_fear, p_disgust, p_happiness, p_sadness, p_anger or none",
        ),
        ("tied", True, "expected tied False as of its probabilities, found True"),
    ],
)
def test_a_value_that_contradicts_its_row_is_named_with_row_and_image(folder, column, value, message):
    frame = pd.read_parquet(folder / "samples.parquet")
    row = int(((frame["au_mask"] > 0) & ~frame["tied"].astype(bool)).to_numpy().argmax())
    before = frame.loc[row]
    aus = "+".join(name[2:].lstrip("0") for name in map(str, frame) if name[:2] == "AU" and before[name])
    words = {"id": before["emotion_id"], "emotion": before["emotion"], "mask": before["au_mask"], "aus": aus}

    def change(frame):
        frame.loc[row, column] = value

    edit(folder, change)
    name = value if column == "image" else before["image"]
    expected = f"{folder}/samples.parquet: row {row + 1} ({name}): {message.format(**words)}"
    assert refusal(folder).startswith(expected)


def test_up_to_twenty_rows_are_named(folder):
    edit(folder, lambda frame: relabel(frame, 30))
    lines = refusal(folder).splitlines()
    assert len(lines) == 21
    assert lines[0].startswith(f"{folder}/samples.parquet: row 1 (")
    assert lines[-1].startswith("… and ")


def test_a_relabelled_emotion_with_a_stale_id_stops_analysis_and_training(folder):
    edit(folder, relabel)
    for command in ((rafce, "analyze"), (rafce_train, "run")):
        result = CliRunner().invoke(command[0], [command[1], str(folder)])
        assert result.exit_code == 2
        assert "row 1 (" in result.output
        assert "as of emotion happily sad" in result.output.replace("\n", " ")


def test_a_relabelled_emotion_is_counted_once_its_id_is_dropped(folder):
    before = count_here(count_aus, read_dataset(folder).samples).images_PE.sum(0)
    edit(folder, lambda frame: (relabel(frame, 4), frame.pop("emotion_id")))
    dataset = read_dataset(folder)
    after = count_here(count_aus, dataset.samples).images_PE.sum(0)
    counted = pd.read_parquet(folder / "samples.parquet")["emotion"].value_counts()
    assert after.tolist() == [counted.get(emotion, 0) for emotion in dataset.emotions]
    assert after.tolist() != before.tolist()


def test_the_analysis_says_that_samples_were_edited(folder):
    edit(folder, lambda frame: (relabel(frame, 4), frame.pop("emotion_id")))
    result = CliRunner().invoke(rafce, ["analyze", str(folder), "--json"])
    assert result.exit_code == 0
    (note,) = json.loads(result.output)["notes"]
    assert note.startswith("au_statistics.parquet does not hold the counts of these samples")


def test_an_image_twice_is_named_although_it_stands_in_two_parts(folder):
    samples = pq.read_table(folder / "samples.parquet")
    (folder / "samples").mkdir()
    pq.write_table(samples, folder / "samples" / "0.parquet")
    pq.write_table(samples.slice(2, 1), folder / "samples" / "1.parquet")
    (folder / "samples.parquet").unlink()
    assert refusal(folder) == f"{folder}/samples: image {samples['image'][2]} stands there twice"


# --- the manifest ---


def test_a_manifest_that_was_changed_says_what_may_be_changed(folder):
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["counts"]["kept"] += 1
    path.write_text(json.dumps(manifest))
    assert refusal(folder) == (
        f"{path}: damaged, or changed by hand: its sha256 is not that of the rest (only the root and suffix of images "
        "may be changed); make the dataset again"
    )


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("kept", 7, "expected kept {n} as in the tables, found 7"),
        ("discarded", {"tie": 3}, "expected discarded {discarded} as in the tables, found tie 3"),
        ("joined", 1, "expected joined {joined} as of the images kept and left out, found 1"),
        ("kept", -1, "expected whole numbers from 0 on in counts, found kept -1"),
        ("kept", "7", "expected whole numbers from 0 on in counts, found kept '7'"),
        ("input_lines", {"raf_ml": 1}, "expected the lines of input raf_ml, {lines}, found 1"),
    ],
)
def test_counts_of_an_older_manifest_without_digest_are_compared_with_the_tables(
    folder, name, value, message
):
    path = folder / "manifest.json"
    manifest = {key: part for key, part in json.loads(path.read_text()).items() if key != "sha256"}
    counts = dict(manifest["counts"])
    words = {"n": counts["kept"], "joined": counts["joined"], "lines": counts["input_lines"]["raf_ml"]}
    reasons = pd.read_parquet(folder / "discarded.parquet")["reason"]
    words["discarded"] = ", ".join(
        f"{reason} {(reasons == reason).sum()}" for reason in dict.fromkeys(reasons)
    )
    manifest["counts"][name] = value
    path.write_text(json.dumps(manifest | {"schema": "manifest/1"}))
    assert refusal(folder).splitlines()[0] == f"{path}: {message.format(**words)}"


# --- what is hashed is what was read ---


def test_each_label_file_is_read_once(release, tmp_path, monkeypatch):
    root, seen = release(), list[str]()
    open_file = reading._opened

    def seeing_open(path, kinds):
        seen.append(path.name)
        return open_file(path, kinds)

    monkeypatch.setattr(reading, "_opened", seeing_open)
    lab = root / "lab.csv"
    lab.write_text("emotion,au,percent\nhappily surprised,12,90\n")
    build_dataset(
        BuildOptions(raf_ml=root / "RAF-ML", raf_au=root / "RAF-AU", lab=lab, out=tmp_path / "data")
    )
    assert sorted(name for name in seen if name.endswith((".txt", ".csv"))) == [
        "RAFAU_label.txt",
        "distribution.txt",
        "lab.csv",
    ]


def test_a_pipe_gives_the_fingerprint_of_what_came_through_it(release, tmp_path):
    root = release()
    options = BuildOptions(raf_ml=root / "RAF-ML", raf_au=root / "RAF-AU", out=tmp_path / "from files")
    expected = build_dataset(options)
    content = (root / "RAF-AU" / "RAFAU_label.txt").read_bytes()
    reading_end, writing_end = os.pipe()
    os.write(writing_end, content)
    os.close(writing_end)
    pipe = Path(f"/dev/fd/{reading_end}")
    found = build_dataset(BuildOptions(raf_ml=root / "RAF-ML", raf_au=pipe, out=tmp_path / "from a pipe"))
    os.close(reading_end)
    assert found["counts"] == expected["counts"]
    assert found["inputs"]["raf_au"]["sha256"] == expected["inputs"]["raf_au"]["sha256"]
    assert found["inputs"]["raf_au"]["sha256"] == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("which", ["table", "emotions"])
def test_a_table_that_is_written_to_while_it_is_read_is_refused(tmp_path, which):
    table, emotions = tmp_path / "table.csv", tmp_path / "emotions.csv"
    table.write_text("image,AU01\n" + "".join(f"{i}.jpg,1\n" for i in range(30)))
    emotions.write_text("image,emotion\n" + "".join(f"{i}.jpg,{'ab'[i % 2]}\n" for i in range(30)))
    changed = {"table": table, "emotions": emotions}[which]

    def write(done, total):
        changed.write_text(changed.read_text() + "99.jpg,0\n")

    options = ImportOptions(source="table", inputs=(table,), emotions=emotions, out=tmp_path / "data")
    with pytest.raises(LabelError, match=f"{which}.csv: was written to while it was read"):
        import_dataset(options, write)
    assert not (tmp_path / "data").exists()
