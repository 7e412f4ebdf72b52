"""`rafce synth` on the command line: what it writes, says and refuses."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from rafce.dataset import read_dataset
from rafce_cli.main import rafce
from rafce_fixtures.labels import MINIMUM_IMAGES, REAL_RAF_AU


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run `rafce synth …` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(rafce, ["synth", *arguments])


def test_synth_writes_three_releases_and_says_how_large_they_are(run, tmp_path):
    result = run("--out", "s", "--images", "92", "--seed", "4", "--no-faces")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == ["s/RAF-ML: 98 images", "s/RAF-AU: 92 images", "s/RAF-CE: 91 images"]
    assert len((tmp_path / "s/RAF-AU/RAFAU_label.txt").read_text().splitlines()) == 92
    assert not (tmp_path / "s/RAF-AU/aligned").exists()


def test_what_synth_writes_can_be_built_and_agrees_with_its_official_labels(run):
    assert run("--out", "s", "--images", "92", "--no-faces").exit_code == 0
    build = ["build", "--raf-ml", "s/RAF-ML", "--raf-au", "s/RAF-AU"]
    assert CliRunner().invoke(rafce, build).exit_code == 0
    official = CliRunner().invoke(rafce, [*build, "--rafce", "s/RAF-CE", "--out", "official", "--json"])
    assert official.exit_code == 0, official.output
    assert read_dataset(Path("official")).n_images == 91


def test_every_image_of_raf_au_has_an_aligned_face_that_build_finds_by_itself(run, tmp_path):
    result = run("--out", "s", "--images", "40")
    assert result.output.splitlines()[1] == "s/RAF-AU: 40 images, each with a face"
    names = [line.split()[0] for line in (tmp_path / "s/RAF-AU/RAFAU_label.txt").read_text().splitlines()]
    faces = sorted((tmp_path / "s/RAF-AU/aligned").iterdir())
    assert [face.name for face in faces] == [name.replace(".jpg", "_aligned.jpg") for name in names]
    with Image.open(faces[0]) as face:
        assert (face.format, face.size, face.mode) == ("JPEG", (100, 100), "RGB")
    build = CliRunner().invoke(rafce, ["build", "--raf-ml", "s/RAF-ML", "--raf-au", "s/RAF-AU"])
    assert build.exit_code == 0, build.output
    assert "labels only" not in build.output


def test_labels_draws_a_face_for_each_line_of_any_label_file(run, tmp_path):
    (tmp_path / "mine.txt").write_text("b.jpg 1+2+5+26\na.jpg null\n")
    result = run("--labels", "mine.txt", "--out", "faces")
    assert result.output == "faces: 2 faces\n"
    assert sorted(path.name for path in (tmp_path / "faces").iterdir()) == ["a_aligned.jpg", "b_aligned.jpg"]


def test_landmarks_writes_faces_and_where_their_landmarks_are(run, tmp_path):
    result = run("--landmarks", "3", "--out", "faces")
    assert result.output == "faces: 3 faces and landmarks.csv\n"
    assert len((tmp_path / "faces/landmarks.csv").read_text().splitlines()) == 4
    assert len(list((tmp_path / "faces/aligned").iterdir())) == 3


def test_the_contact_sheet_needs_no_folder_and_leaves_nothing_else(run, tmp_path):
    result = run("--contact-sheet", "aus.png")
    assert result.exit_code == 0, result.output
    assert [path.name for path in tmp_path.iterdir()] == ["aus.png"]
    with Image.open(tmp_path / "aus.png") as sheet:
        assert sheet.format == "PNG"


def test_the_help_states_the_minimum_the_default_and_an_example(run):
    text = run("--help").output
    assert f"at least {MINIMUM_IMAGES}" in text
    assert f"default: {REAL_RAF_AU}" in text
    assert "rafce synth --out" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected --out DIR or --contact-sheet FILE, found neither"),
        (["--contact-sheet", "aus.png", "--images", "50"], "expected --out DIR with --images, found none"),
        (
            ["--out", "s", "--labels", "l", "--landmarks", "3"],
            "expected --labels without --landmarks, found both",
        ),
        (["--out", "s", "--labels", "l", "--images", "50"], "expected --labels without --images, found both"),
        (
            ["--out", "s", "--landmarks", "3", "--no-faces"],
            "expected --landmarks without --no-faces, found both",
        ),
        (["--out", "s", "--images", "39"], "expected at least 40 images"),
        (["--out", "s", "--labels", "absent.txt"], "absent.txt: expected a label file, found none"),
        (
            ["--contact-sheet", "absent/aus.png"],
            "absent/aus.png: cannot be written: No such file or directory",
        ),
    ],
)
def test_what_cannot_be_carried_out_exits_with_2_and_writes_nothing(run, tmp_path, arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_bad_label_file_names_its_line_and_draws_nothing(run, tmp_path):
    (tmp_path / "mine.txt").write_text("a.jpg 1\nb.jpg 1+99\n")
    result = run("--labels", "mine.txt", "--out", "faces")
    assert result.exit_code == 2
    assert "mine.txt:2: expected a FACS code, found '99'" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_occupied_folder_exits_with_2_untouched(run, tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "note.txt").write_text("mine")
    result = run("--out", "s", "--images", "40")
    assert result.exit_code == 2
    assert "s: expected a new or an empty folder, found files in it" in result.output
    assert [path.name for path in (tmp_path / "s").iterdir()] == ["note.txt"]
