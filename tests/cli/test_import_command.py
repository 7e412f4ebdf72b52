"""`rafce import` from the command line: what it prints, how it fails, and that what it writes analyzes and trains."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from rafce.dataset import read_dataset
from rafce.imports import importing
from rafce_cli.main import rafce
from rafce_cli.main_train import rafce_train
from rafce_fixtures.tables import (
    emotions_csv,
    fex_csv,
    libreface_csv,
    make_frames,
    openface_csv,
    plain_csv,
    write_videos,
)
from rafce_reports.analysis import AnalyzeOptions, analyze

FRAMES = make_frames(n_videos=9, n_frames=12)
RENDER = {"openface": openface_csv, "fex": fex_csv, "libreface": libreface_csv, "table": plain_csv}
KEYS = {"openface": ("video", "frame"), "fex": ("input", "frame"), "libreface": ("video", "frame")}


def run(*arguments: object, program=rafce) -> Result:
    return CliRunner().invoke(program, [str(argument) for argument in arguments])


def bring_in(root: Path, source: str, *arguments: object) -> Result:
    write_videos(FRAMES, RENDER[source], root / source)
    emotions: list[object] = []
    if source in KEYS:
        (root / f"{source}.csv").write_text(emotions_csv(FRAMES, KEYS[source]))
        emotions = ["--emotions", root / f"{source}.csv"]
    return run("import", source, root / source, *emotions, "--out", root / "data", *arguments)


@pytest.mark.parametrize("source", RENDER)
def test_what_each_program_wrote_analyzes_after_one_command(tmp_path, source):
    group = "input" if source == "fex" else "video"
    result = bring_in(tmp_path, source, "--group-column", group)
    assert result.exit_code == 0, result.output
    dataset = read_dataset(tmp_path / "data")
    kept = sum(frame.is_tracked for frame in FRAMES) if source == "libreface" else len(FRAMES)
    assert dataset.n_images == kept
    analysis = analyze(dataset, AnalyzeOptions())
    assert analysis.groups is not None
    assert len(analysis.groups.names) == 9
    assert analysis.left_out["lab"] == "this dataset carries no laboratory table"


def test_rows_emotions_aus_groups_and_the_next_step_are_printed(tmp_path):
    result = bring_in(tmp_path, "openface", "--group-column", "video", "--min-confidence", 0.8)
    words = " ".join(result.output.split())
    failed = sum(not frame.is_tracked for frame in FRAMES)
    for expected in (
        "lines in 9 files │ 117",
        f"images │ {len(FRAMES)}",
        f"without a face (success 0): AUs unknown │ {failed}",
        "below --min-confidence: AUs unknown",
        "18 AUs",
        "AU45",
        "none is in two partitions",
        "labels only",
        f"{tmp_path}/data: {len(FRAMES)} images of 9 groups",
        f"Next: rafce analyze {tmp_path}/data",
    ):
        assert expected in words, words
    assert "Images count as independent" not in words


def test_without_groups_the_risk_is_said_aloud(tmp_path):
    assert "Images count as independent" in bring_in(tmp_path, "table").output


def test_how_tables_were_read_and_what_was_left_out_is_said(tmp_path):
    folder = tmp_path / "fli"
    folder.mkdir()
    for i in range(7):
        (folder / f"{i}.csv").write_text("confidence;AU01_r;AU12_c\n0,98;2,5;1\n")
    (folder / "7.tsv").write_text("confidence\tAU01_r\tAU12_c\n")
    (folder / "0_of_details.txt").write_text("Input:0.png\n")
    (tmp_path / "e.csv").write_text("image;emotion\n" + "".join(f"{i}.png;x\n" for i in range(8)))
    result = run("import", "openface", folder, "--emotions", tmp_path / "e.csv", "--out", tmp_path / "data")
    assert result.exit_code == 0, result.output
    words = " ".join(result.output.split())
    for expected in (
        "without a face (success 0): AUs unknown │ 1",
        "of these, tables without a row │ 1",
        "Read with semicolons between columns, decimal commas: 0.csv; 1.csv; 2.csv; 3.csv; 4.csv; … (7 in all).",
        "Read with tabs between columns: 7.tsv.",
        "Read with semicolons between columns: e.csv.",
        "Not read: 1 .txt files in folders; a .txt table must be named itself.",
    ):
        assert expected in words, words
    assert "Read with" not in bring_in(tmp_path / "plain", "table").output


def test_a_video_without_a_row_is_said(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "a.csv").write_text("frame_idx,au_12,emotion\n1,1,x\n")
    (folder / "b.csv").write_text("frame_idx,au_12,emotion\n")
    result = run("import", "libreface", folder, "--out", tmp_path / "data")
    assert "Tables of videos without a row, so without an image: 1." in result.output


def test_what_was_decided_and_left_out_is_printed(tmp_path):
    labels = ("Happy", "happy", "-1", "sad", "neutral", "sad", "None", "[red]")
    parts = ("Training", "Training", "PrivateTest")
    rows = [f"{i}.jpg,{labels[i % 8]},1,{parts[i % 3]}" for i in range(48)]
    (tmp_path / "t.csv").write_text("\n".join(["image,emotion,AU01,Usage", *rows]))
    command = ["import", "table", tmp_path / "t.csv", "--out", tmp_path / "data", "--unlabelled", "drop"]
    result = run(*command)
    assert result.exit_code == 2
    assert "expected --partition-column Usage to use it, or --split 60/20/20" in result.stderr
    result = run(*command, "--partition-column", "Usage", "--drop-emotions", "neutral")
    assert result.exit_code == 0, result.output
    words = " ".join(result.output.split())
    for expected in (
        "lines in t.csv │ 49 │ │ – without an emotion: left out │ 12 │ │ – --drop-emotions: left out │ 6 │",
        "images │ 30",
        "Partitions are those of column Usage: Training is train (20 rows); PrivateTest is test (10 rows).",
        "No row was in validation: 5 of 20 rows of train were taken for it (25% of each emotion, --seed 0).",
        "Left out: 12 rows without an emotion: -1 (6); None (6).",
        "Left out: 6 rows of dropped emotions: neutral (6).",
        "Spellings of one emotion are read as the first: 'happy' as 'Happy'.",
    ):
        assert expected in words, words
    assert json.loads((tmp_path / "data/manifest.json").read_text())["options"] == {
        **{
            "emotion_column": None,
            "emotion_names": None,
            "unknown_emotion": None,
            "drop_emotions": "neutral",
        },
        **{"unlabelled": "drop", "image_column": None, "au_columns": None, "au_threshold": None},
        **{"au_range": None, "unknown": None, "min_confidence": None, "group_column": None},
        **{"partition_column": "Usage", "partition_values": None, "split": None, "seed": 0},
        **{"keep_folders": False, "allow_missing_images": False},
    }


def test_json_is_the_manifest(tmp_path):
    result = bring_in(tmp_path, "table", "--json")
    assert json.loads(result.output) == json.loads((tmp_path / "data/manifest.json").read_text())


def test_a_fault_is_one_message_with_exit_code_2_and_nothing_is_written(tmp_path):
    (tmp_path / "t.csv").write_text("image,emotion,AU01\na.jpg,glad,2\n")
    result = run("import", "table", tmp_path / "t.csv", "--out", tmp_path / "data")
    assert result.exit_code == 2
    assert result.stderr == (
        f"error: {tmp_path}/t.csv:2: expected 0 or 1 in column AU01, found '2'\n"
        "(--unknown 9,… names codes that mean unknown; --au-threshold X takes intensities from 0 to 5 or A to E)\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


@pytest.mark.parametrize("source", RENDER)
def test_help_has_examples_that_parse(source):
    result = run("import", source, "--help")
    examples = [
        line.strip() for line in result.output.splitlines() if line.startswith(f"    rafce import {source}")
    ]
    assert len(examples) == 3
    for example in examples:
        parsed = run(*example.split()[1:], "--out", "/dev/null/nowhere")
        assert "No such option" not in parsed.output
        assert "Usage:" not in parsed.output


def test_the_help_of_the_group_imports_no_library():
    code = "import sys; from rafce_cli.main import rafce; rafce(['import', 'table', '--help'], standalone_mode=False);"
    code += "assert not {'numpy', 'pyarrow', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


# --- training ---

TINY = {
    "--method": "mml",
    "--backbone": "squeezenet1_1",
    "--image-size": 32,
    "--batch-size": 8,
    "--epochs": 1,
    "--device": "cpu",
}


def test_an_imported_dataset_trains_on_its_images_and_says_what_is_missing_without(tmp_path):
    torch.set_num_threads(1)
    draw_frames(tmp_path / "frames")
    words = [word for pair in TINY.items() for word in pair]
    bring_in(tmp_path / "labels", "openface", "--group-column", "video")
    result = run("run", tmp_path / "labels/data", *words, "--out", tmp_path / "run", program=rafce_train)
    assert result.exit_code == 2
    assert "expected --images DIR" in result.stderr
    bring_in(tmp_path / "seen", "openface", "--group-column", "video", "--images", tmp_path / "frames")
    result = run("run", tmp_path / "seen/data", *words, "--out", tmp_path / "run", program=rafce_train)
    assert result.exit_code == 0, result.output
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert len(metrics["test"]["confusion"]) == 3


def draw_frames(folder: Path) -> None:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for frame in FRAMES:
        Image.fromarray(rng.integers(256, size=(32, 32, 3), dtype=np.uint8)).save(folder / frame.image)


def test_names_in_brackets_are_printed_as_they_are(tmp_path):
    (tmp_path / "[red].csv").write_text(
        "image,emotion,AU01\n" + "".join(f"{n}.jpg,[blue],1\n" for n in range(9))
    )
    result = run("import", "table", tmp_path / "[red].csv", "--out", tmp_path / "data")
    assert result.exit_code == 0, result.output
    assert "lines in [red].csv" in result.output
    assert "[blue]" in result.output
    assert "[blue]" in run("analyze", tmp_path / "data").output


def test_a_termination_leaves_nothing_behind(tmp_path, monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(importing, "check_repeats", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    try:
        result = bring_in(tmp_path, "table")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert result.exit_code == 143
    assert sorted(path.name for path in tmp_path.iterdir()) == ["table"]
