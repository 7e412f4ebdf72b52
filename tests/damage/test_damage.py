"""A hundred damages to each kind of file, and the semantic edits: refused, or read as they say; nothing else."""

import subprocess
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from rafce.parquet import opened
from tests.damage.byte_damage import DAMAGES, damaged
from tests.damage.damage import outcomes
from tests.damage.kinds import Kind, dataset_kinds
from tests.damage.mutants import CONSISTENT, MUTANTS, outcome_of, write_fresh

TIMES = 100
SHARE = 3  # of the contradictions a third, whose names begin differently; `make damage` does all


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    return {kind.name: kind for kind in dataset_kinds(tmp_path_factory.mktemp("kinds"))}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    return write_fresh(tmp_path_factory.mktemp("fresh"))


NAMES = [
    *(f"{name}.parquet" for name in ("samples", "discarded", "au_statistics", "lab_statistics")),
    *("manifest.json", "part of samples/", "au_statistics.parquet, groups", "manifest.json, imported"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_file_is_refused_or_gives_the_same_numbers(kinds, name):
    counts = Counter(outcome.what for _, outcome in outcomes(kinds[name], range(TIMES)))
    assert counts.total() == TIMES
    assert set(counts) <= {"refused", "same numbers"}
    assert counts["refused"] > TIMES / 2


def test_every_kind_of_dataset_file_is_damaged(kinds):
    assert list(kinds) == NAMES


def test_every_damage_changes_the_file():
    content = bytes(range(256)) * 4
    made = [damaged(content, seed) for seed in range(3 * len(DAMAGES))]
    assert content not in made
    assert len(set(made)) == len(made)


def test_damage_that_is_read_in_silence_and_damage_that_crashes_are_seen(tmp_path):
    content = bytes(range(250)) * 4
    (tmp_path / "numbers").write_bytes(content)
    length = Kind("length", tmp_path, "numbers", lambda folder: len((folder / "numbers").read_bytes()))
    seeds = range(2 * len(DAMAGES))
    assert {outcome.what for _, outcome in outcomes(length, seeds)} == {"same numbers", "wrong"}
    picky = length._replace(read=lambda folder: {1000: 0}[length.read(folder)])
    assert {outcome.what for _, outcome in outcomes(picky, seeds)} == {"same numbers", "crashed"}
    assert (tmp_path / "numbers").read_bytes() == content


def test_there_are_two_hundred_contradictions_and_each_changes_something(fresh, tmp_path):
    assert len(MUTANTS) >= 200
    for edit in islice(MUTANTS.values(), 0, None, 40):
        outcome_of(edit, fresh, tmp_path / "mutant")
        before, after = (contents(folder) for folder in (fresh[edit.of], tmp_path / "mutant"))
        assert before != after


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("start", range(SHARE))
def test_contradictions_are_refused_by_analysis_and_training(fresh, tmp_path, start):
    chosen = list(MUTANTS)[start :: SHARE * SHARE]
    read = {name: outcome_of(MUTANTS[name], fresh, tmp_path / "mutant") for name in chosen}
    assert read == {name: ["refused", "refused"] for name in chosen}


@pytest.mark.parametrize("name", CONSISTENT)
def test_consistent_edits_are_read_as_what_they_say(fresh, tmp_path, name):
    assert outcome_of(CONSISTENT[name], fresh, tmp_path / "edit") == ["read", "read"]


def test_the_script_lists_every_edit():
    command = [sys.executable, "-m", "tests.damage.damage", "--list"]
    listed = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert listed.stdout.splitlines() == [*MUTANTS, *CONSISTENT]


def test_fresh_files_are_sealed_and_edited_ones_are_not(fresh, tmp_path):
    for name in ("samples", "discarded", "au_statistics", "lab_statistics"):
        with opened(fresh["built"] / f"{name}.parquet") as file:
            assert file.sealed
    outcome_of(CONSISTENT["samples written again"], fresh, tmp_path / "edit")
    with opened(tmp_path / "edit" / "samples.parquet") as file:
        assert not file.sealed
