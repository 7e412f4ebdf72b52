"""`rafce synth` on the command line: what it writes, says and refuses."""

import pytest
from click.testing import CliRunner

from rafce_cli.main import rafce
from rafce_fixtures.labels import MINIMUM_IMAGES


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run `rafce synth …` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(rafce, ["synth", *arguments])


def test_synth_writes_three_releases_and_says_how_large_they_are(run, tmp_path):
    result = run("--out", "s", "--images", "92", "--seed", "4")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == ["s/RAF-ML: 98 images", "s/RAF-AU: 92 images", "s/RAF-CE: 91 images"]
    assert len((tmp_path / "s/RAF-AU/RAFAU_label.txt").read_text().splitlines()) == 92


def test_what_synth_writes_can_be_built_and_agrees_with_its_official_labels(run):
    assert run("--out", "s", "--images", "92").exit_code == 0
    build = ["build", "--raf-ml", "s/RAF-ML", "--raf-au", "s/RAF-AU"]
    assert CliRunner().invoke(rafce, build).exit_code == 0
    official = CliRunner().invoke(rafce, [*build, "--rafce", "s/RAF-CE", "--out", "official"])
    assert official.exit_code == 0, official.output
    assert "91" in official.output


def test_the_help_states_the_minimum_and_an_example(run):
    text = run("--help").output
    assert f"at least {MINIMUM_IMAGES}" in text
    assert "rafce synth --out" in text


def test_too_few_images_exit_with_2_and_write_nothing(run, tmp_path):
    result = run("--out", "s", "--images", "39")
    assert result.exit_code == 2
    assert "expected at least 40 images" in result.output
    assert list(tmp_path.iterdir()) == []


def test_an_occupied_folder_exits_with_2_untouched(run, tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "note.txt").write_text("mine")
    result = run("--out", "s", "--images", "40")
    assert result.exit_code == 2
    assert "s: expected a new or an empty folder, found files in it" in result.output
    assert [path.name for path in (tmp_path / "s").iterdir()] == ["note.txt"]
