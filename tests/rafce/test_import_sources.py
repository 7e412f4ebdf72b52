"""Each program's tables to the dataset folder, against states and counts read by hand with the csv module."""

import csv
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from rafce.imports.importing import import_dataset
from rafce.imports.options import ImportOptions
from rafce_fixtures.tables import (
    emotions_csv,
    make_frames,
    openface_csv,
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
