"""Counting in one pass: against counts by hand, files of other programs, bad files, interruption."""

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rafce.parts
from rafce.build import BuildOptions, build_dataset
from rafce.dataset import read_dataset
from rafce.errors import DatasetError
from rafce.parts import Samples, find_samples
from rafce.schema import PARTITIONS, Vocabulary, au_column, metadata
from rafce.statistics import count
from rafce.streaming import PairTally, Tally, count_au_pairs, count_aus, count_here, counts_by_scope
from rafce.tables import counts_by_scope as counts_of_rows_by_scope

WORDS = Vocabulary(("glad", "sad", "mad"), (1, 2, 4, 6, 9, 12, 15, 25, 26, 43))


class Row(NamedTuple):
    partition: str
    emotion: str
    aus: tuple[bool | None, ...]  # None is unknown


def make_rows(n: int, words: Vocabulary = WORDS, unknown: float = 0.2, seed: int = 0) -> list[Row]:
    rng = np.random.default_rng(seed)
    states = rng.choice(
        np.array([True, False, None], dtype=object), (n, len(words.aus)), p=[0.3, 0.7 - unknown, unknown]
    )
    partitions, emotions = rng.choice(PARTITIONS, n), rng.choice(words.emotions, n)
    return [
        Row(str(partition), str(emotion), tuple(aus))
        for partition, emotion, aus in zip(partitions, emotions, states.tolist(), strict=True)
    ]


def bool_columns(rows: Sequence[Row], words: Vocabulary = WORDS) -> dict[str, pa.Array]:
    return {au_column(au): pa.array([r.aus[i] for r in rows], pa.bool_()) for i, au in enumerate(words.aus)}


def mask_of(rows: Sequence[Row], states: tuple[bool | None, ...]) -> pa.Array:
    masks = [sum(1 << i for i, state in enumerate(row.aus) if state in states) for row in rows]
    return pa.array(masks, pa.uint32())


def mask_columns(rows: Sequence[Row]) -> dict[str, pa.Array]:
    return {"au_mask": mask_of(rows, (True,)), "au_known": mask_of(rows, (True, False))}


def text_columns(rows: Sequence[Row]) -> dict[str, list[str]]:
    return {"partition": [r.partition for r in rows], "emotion": [r.emotion for r in rows]}


def id_columns(rows: Sequence[Row], words: Vocabulary = WORDS) -> dict[str, object]:
    ids = pa.array([words.emotions.index(r.emotion) for r in rows], pa.int8())
    return {"partition": [r.partition for r in rows], "emotion_id": ids}


def write(path: Path, *columns: dict, words: Vocabulary | None = WORDS, group_rows: int = 1000) -> Path:
    table = pa.table({name: column for group in columns for name, column in group.items()})
    path.parent.mkdir(parents=True, exist_ok=True)
    table = table.replace_schema_metadata(metadata("samples", words) if words else None)
    pq.write_table(table, path, row_group_size=group_rows)
    return path


def assert_counts_by_hand(tally: Tally, rows: Sequence[Row], words: Vocabulary = WORDS) -> None:
    images: Counter[tuple] = Counter()
    known: Counter[tuple] = Counter()
    active: Counter[tuple] = Counter()
    for row in rows:
        images[row.partition, row.emotion] += 1
        for au, state in zip(words.aus, row.aus, strict=True):
            known[row.partition, row.emotion, au] += state is not None
            active[row.partition, row.emotion, au] += state is True
    for (p, partition), (e, emotion) in product(enumerate(PARTITIONS), enumerate(words.emotions)):
        assert tally.images_PE[p, e] == images[partition, emotion]
        for a, au in enumerate(words.aus):
            assert tally.known_PEA[p, e, a] == known[partition, emotion, au]
            assert tally.active_PEA[p, e, a] == active[partition, emotion, au]


def tally(path: Path, words: Vocabulary | None = None, jobs: int = 2) -> Tally:
    return count_here(count_aus, find_samples(path, words), jobs)


# --- the counts ---


@pytest.fixture
def small_pieces(monkeypatch):
    """Chunks and parts of a few rows, no multiple of a byte."""
    monkeypatch.setattr(rafce.parts, "CHUNK_ROWS", 13)
    monkeypatch.setattr(rafce.parts, "PART_ROWS", 40)


@pytest.mark.parametrize("columns", [mask_columns, bool_columns], ids=["masks", "bools"])
@pytest.mark.parametrize("labels", [id_columns, text_columns], ids=["ids", "texts"])
def test_counts_equal_a_count_by_hand_however_the_columns_are_written(
    tmp_path, small_pieces, columns, labels
):
    rows = make_rows(300)
    path = write(tmp_path / "s.parquet", labels(rows), columns(rows), group_rows=37)
    assert len(find_samples(path).parts) > 3
    assert_counts_by_hand(tally(path), rows)


@pytest.mark.parametrize("n_aus", [1, 7, 8, 9, 31, 32, 33, 70])
def test_any_number_of_aus_is_counted(tmp_path, n_aus):
    words = Vocabulary(("a", "b"), tuple(range(1, n_aus + 1)))
    rows = make_rows(60, words)
    masks = mask_columns(rows) if n_aus <= 32 else {"au_mask": pa.array([0] * 60, pa.uint32())}
    for columns in (bool_columns(rows, words), bool_columns(rows, words) | masks):
        path = write(tmp_path / "s.parquet", id_columns(rows, words), columns, words=words)
        assert_counts_by_hand(tally(path), rows, words)


@pytest.mark.parametrize("n_emotions", [1, 42, 43, 300])
def test_any_number_of_emotions_is_counted(tmp_path, n_emotions):
    words = Vocabulary(tuple(f"e{i}" for i in range(n_emotions)), (1, 2))
    rows = make_rows(500, words, seed=1)
    path = write(tmp_path / "s.parquet", text_columns(rows), mask_columns(rows), words=words)
    assert_counts_by_hand(tally(path), rows, words)


def test_the_mask_alone_says_that_every_au_is_known(tmp_path):
    rows = make_rows(100, unknown=0)
    path = write(tmp_path / "s.parquet", id_columns(rows), {"au_mask": mask_of(rows, (True,))})
    assert_counts_by_hand(tally(path), rows)


def test_an_active_au_that_is_not_known_does_not_count(tmp_path):
    columns = {"au_mask": pa.array([0b11], pa.uint32()), "au_known": pa.array([0b01], pa.uint32())}
    path = write(tmp_path / "s.parquet", {"partition": ["train"], "emotion_id": [0]}, columns)
    counts = tally(path)
    assert counts.active_PEA[0, 0, :2].tolist() == counts.known_PEA[0, 0, :2].tolist() == [1, 0]


def test_what_stands_where_a_bool_is_null_does_not_count(tmp_path, small_pieces):
    states = pa.Array.from_buffers(pa.bool_(), 2, [pa.py_buffer(b"\x01"), pa.py_buffer(b"\xff")])
    columns = {au_column(au): states for au in WORDS.aus}
    path = write(tmp_path / "s.parquet", {"partition": ["train"] * 2, "emotion_id": [0, 0]}, columns)
    assert tally(path).active_PEA.sum() == tally(path).known_PEA.sum() == len(WORDS.aus)


def test_without_partitions_all_rows_are_one_and_the_column_may_be_missing(tmp_path):
    rows = make_rows(100)
    labels = id_columns(rows)
    path = write(tmp_path / "s.parquet", labels, mask_columns(rows))
    apart = tally(path)
    del labels["partition"]
    for columns in (labels, labels | {"partition": [0.5] * 100}):
        samples = find_samples(write(path, columns, mask_columns(rows)), partitions=())
        together = count_here(count_aus, samples)
        for one, other in zip(together, apart, strict=True):
            assert np.array_equal(one, other.sum(0, keepdims=True))
        assert list(counts_by_scope(together, samples.grid)) == ["all"]


def test_partitions_may_have_any_names(tmp_path):
    rows = [row._replace(partition=f"fold {i % 7}") for i, row in enumerate(make_rows(100))]
    path, names = (
        write(tmp_path / "s.parquet", text_columns(rows), mask_columns(rows)),
        [f"fold {i}" for i in range(7)],
    )
    counts = count_here(count_aus, find_samples(path, partitions=tuple(names)))
    assert counts.images_PE.sum(1).tolist() == [sum(row.partition == name for row in rows) for name in names]


def test_no_rows_count_to_zero(tmp_path):
    counts = tally(
        write(tmp_path / "s.parquet", id_columns([]), mask_columns([]), {"partition": pa.array([], "string")})
    )
    assert counts.images_PE.shape == (3, 3)
    assert counts.known_PEA.shape == (3, 3, 10)
    assert not any(array.any() for array in counts)


@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_partition_equals_the_statistics_of_its_rows(tmp_path, data):
    n = data.draw(st.integers(1, 50))
    rows = make_rows(n, unknown=data.draw(st.sampled_from([0, 0.1, 0.7])), seed=data.draw(st.integers(0, 99)))
    columns = data.draw(st.sampled_from([mask_columns, bool_columns]))
    path = write(
        tmp_path / "s.parquet", id_columns(rows), columns(rows), group_rows=data.draw(st.integers(1, n))
    )
    emotion_N = np.array([WORDS.emotions.index(row.emotion) for row in rows])
    active_NA = np.array([[state is True for state in row.aus] for row in rows])
    known_NA = np.array([[state is not None for state in row.aus] for row in rows])
    counts = counts_by_scope(tally(path), find_samples(path).grid)
    for scope in ("all", *PARTITIONS):
        of_scope = np.array([scope in ("all", row.partition) for row in rows])
        expected = count(emotion_N[of_scope], active_NA[of_scope], known_NA[of_scope], len(WORDS.emotions))
        assert np.array_equal(counts[scope].known_EA, expected.known_EA)
        assert np.array_equal(counts[scope].active_EA, expected.active_EA)


def test_a_built_dataset_is_counted_as_its_statistics_say(release, tmp_path):
    root = release()
    build_dataset(BuildOptions(raf_ml=root / "RAF-ML", raf_au=root / "RAF-AU", out=tmp_path / "data"))
    dataset = read_dataset(tmp_path / "data")
    rows = pq.read_table(tmp_path / "data/samples.parquet").to_pandas()
    active_NA = rows[[au_column(au) for au in dataset.aus]].to_numpy(bool)
    expected = counts_of_rows_by_scope(
        rows["emotion_id"].to_numpy(np.int64),
        rows["partition"].to_numpy(object),
        active_NA,
        np.ones_like(active_NA),
        len(dataset.emotions),
    )
    counts = counts_by_scope(count_here(count_aus, dataset.samples), dataset.samples.grid)
    assert list(counts) == list(expected)
    for scope, (known_EA, active_EA) in expected.items():
        assert np.array_equal(counts[scope].known_EA, known_EA)
        assert np.array_equal(counts[scope].active_EA, active_EA)


# --- co-occurrence ---


@pytest.mark.parametrize("columns", [mask_columns, bool_columns], ids=["masks", "bools"])
def test_co_occurrence_equals_counting_pairs_by_hand(tmp_path, small_pieces, columns):
    rows = make_rows(200)
    path = write(tmp_path / "s.parquet", id_columns(rows), columns(rows), group_rows=37)
    pairs = count_here(count_au_pairs, find_samples(path))
    known: Counter[tuple] = Counter()
    first: Counter[tuple] = Counter()
    active: Counter[tuple] = Counter()
    for row in rows:
        p, e = PARTITIONS.index(row.partition), WORDS.emotions.index(row.emotion)
        for (i, one), (j, other) in product(enumerate(row.aus), repeat=2):
            known[p, e, i, j] += one is not None and other is not None
            first[p, e, i, j] += one is True and other is not None
            active[p, e, i, j] += one is True and other is True
    for cell in np.ndindex(pairs.active_PEAA.shape):
        assert pairs.known_PEAA[cell] == known[cell]
        assert pairs.first_PEAA[cell] == first[cell]
        assert pairs.active_PEAA[cell] == active[cell]


def test_an_au_occurs_with_itself_as_often_as_it_is_active(tmp_path):
    rows = make_rows(500, unknown=0)
    samples = find_samples(
        write(tmp_path / "s.parquet", id_columns(rows), {"au_mask": mask_of(rows, (True,))})
    )
    single: Tally = count_here(count_aus, samples)
    pairs: PairTally = count_here(count_au_pairs, samples)
    assert np.array_equal(np.diagonal(pairs.active_PEAA, axis1=2, axis2=3), single.active_PEA)
    assert np.array_equal(np.diagonal(pairs.known_PEAA, axis1=2, axis2=3), single.known_PEA)
    assert np.array_equal(pairs.active_PEAA, pairs.active_PEAA.swapaxes(2, 3))
    assert (pairs.first_PEAA == single.active_PEA[..., None]).all()


# --- files of other programs ---


def pandas_frame(rows: Sequence[Row]) -> pd.DataFrame:
    aus = {au_column(au): [r.aus[i] for r in rows] for i, au in enumerate(WORDS.aus)}
    return pd.DataFrame(text_columns(rows) | aus)


def test_a_file_of_pandas_is_counted_with_objects_categories_and_nullable_bools(tmp_path):
    rows = make_rows(200)
    frame, path = pandas_frame(rows), tmp_path / "p.parquet"
    frame.to_parquet(path)
    assert_counts_by_hand(tally(path, WORDS), rows)
    frame = frame.astype({"partition": "category", "emotion": "category", "AU01": "boolean"})
    frame["partition"] = frame["partition"].cat.add_categories(["never used"])
    frame.to_parquet(path)
    assert_counts_by_hand(tally(path, WORDS), rows)


def test_a_file_of_duckdb_is_counted(tmp_path):
    rows, path = make_rows(200), tmp_path / "d.parquet"
    frame = pandas_frame(rows).assign(emotion_id=[WORDS.emotions.index(r.emotion) for r in rows])
    duckdb.from_df(frame).write_parquet(str(path))
    assert_counts_by_hand(tally(path, WORDS), rows)


def test_an_au_that_pandas_wrote_without_any_value_is_unknown(tmp_path):
    rows = [row._replace(aus=(None, *row.aus[1:])) for row in make_rows(50)]
    pandas_frame(rows).to_parquet(tmp_path / "p.parquet")
    assert pa.types.is_null(pq.read_schema(tmp_path / "p.parquet").field("AU01").type)
    assert_counts_by_hand(tally(tmp_path / "p.parquet", WORDS), rows)


@pytest.mark.parametrize("kind", ["String", "Categorical", "Enum"])
def test_a_file_of_polars_is_counted(tmp_path, kind):
    polars = pytest.importorskip("polars")
    rows, path = make_rows(200), tmp_path / "p.parquet"
    frame = polars.DataFrame(pandas_frame(rows).to_dict("list"))
    kinds = {
        "partition": polars.Enum(PARTITIONS) if kind == "Enum" else getattr(polars, kind),
        "emotion": polars.Enum(WORDS.emotions) if kind == "Enum" else getattr(polars, kind),
    }
    masks = {
        name: polars.Series(column.to_pylist(), dtype=polars.UInt32)
        for name, column in mask_columns(rows).items()
    }
    frame.cast(kinds).with_columns(**masks).write_parquet(path, row_group_size=50)
    assert_counts_by_hand(tally(path, WORDS), rows)


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint8(), pa.int32(), pa.int64(), pa.uint64()])
def test_ids_may_be_any_integers(tmp_path, kind):
    rows = make_rows(50)
    labels = id_columns(rows)
    labels["emotion_id"] = labels["emotion_id"].cast(kind)  # type: ignore[attr-defined]
    assert_counts_by_hand(tally(write(tmp_path / "s.parquet", labels, mask_columns(rows))), rows)


def test_parts_in_a_folder_count_as_their_rows_together(tmp_path):
    rows = make_rows(300)
    write(tmp_path / "s/a.parquet", id_columns(rows[:100]), mask_columns(rows[:100]))
    write(tmp_path / "s/b.parquet", text_columns(rows[100:250]), bool_columns(rows[100:250]), words=None)
    write(tmp_path / "s/c.parquet", id_columns(rows[250:]), bool_columns(rows[250:]), words=None)
    (tmp_path / "s/_SUCCESS").touch()
    samples = find_samples(tmp_path / "s")
    assert samples.grid.words == WORDS
    assert samples.n_rows == 300
    assert_counts_by_hand(count_here(count_aus, samples), rows)


def test_every_row_is_in_one_part_whatever_the_row_groups(tmp_path, small_pieces):
    rows = make_rows(200)
    for group_rows in (1, 39, 40, 41, 200):
        path = write(tmp_path / "s.parquet", id_columns(rows), mask_columns(rows), group_rows=group_rows)
        parts = find_samples(path).parts
        assert [part.first_row for part in parts] == np.cumsum([0, *(p.n_rows for p in parts[:-1])]).tolist()
        assert sum(part.n_rows for part in parts) == 200
        assert [group for part in parts for group in part.row_groups] == list(range(-(-200 // group_rows)))


# --- running ---


@pytest.fixture
def many_parts(tmp_path, small_pieces) -> Samples:
    rows = make_rows(400)
    return find_samples(write(tmp_path / "s.parquet", id_columns(rows), mask_columns(rows), group_rows=40))


def test_progress_is_told_every_row_once(many_parts):
    told: list[int] = []
    count_here(count_aus, many_parts, 2, told.append)
    assert told == [40] * 10


@pytest.mark.parametrize("jobs", [1, 3, None])
def test_the_number_of_threads_does_not_matter(many_parts, jobs):
    for one, other in zip(
        count_here(count_aus, many_parts, jobs), count_here(count_aus, many_parts, 2), strict=True
    ):
        assert np.array_equal(one, other)


def test_an_interruption_ends_every_thread_and_reads_no_further(many_parts):
    begun: list[int] = []

    def slow_kernel(chunks, words):
        begun.append(0)
        threading.Event().wait(0.02)
        return count_aus(chunks, words)

    def interrupt(_):
        raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        count_here(slow_kernel, many_parts, 1, interrupt)
    assert threading.active_count() == before
    assert len(begun) < len(many_parts.parts)


def test_counting_imports_numpy_and_pyarrow_only(tmp_path):
    rows = make_rows(100)
    write(tmp_path / "s/a.parquet", id_columns(rows), mask_columns(rows))
    write(tmp_path / "s/b.parquet", text_columns(rows), bool_columns(rows))
    counting = (
        "from pathlib import Path; from rafce.parts import find_samples; from rafce.streaming import *\n"
        f"for kernel in (count_aus, count_au_pairs): count_here(kernel, find_samples(Path({str(tmp_path / 's')!r})))"
    )
    assert modules_after(counting) - {"rafce"} <= modules_after(
        "import numpy, pyarrow.compute, pyarrow.parquet"
    )


def modules_after(program: str) -> set[str]:
    program += "\nimport sys; print(*{name.split('.')[0] for name in sys.modules})"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(run.stdout.split()) - sys.stdlib_module_names


# --- bad files ---


def refused(path: Path, words: Vocabulary | None = None) -> str:
    with pytest.raises(DatasetError) as caught:
        tally(path, words, jobs=1)
    return str(caught.value)


def test_a_place_without_a_parquet_file_is_an_error(tmp_path):
    assert refused(tmp_path / "x") == f"{tmp_path}/x: expected a Parquet file, found none"
    assert refused(tmp_path) == f"{tmp_path}: expected a folder of *.parquet files, found none in it"
    (tmp_path / "s.parquet").write_text("image,partition\n")
    assert refused(tmp_path).startswith(f"{tmp_path}/s.parquet: expected a Parquet file: ")


def test_a_file_cut_off_or_damaged_is_an_error(tmp_path):
    rows = make_rows(3000)
    path = write(tmp_path / "s.parquet", id_columns(rows), mask_columns(rows))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert refused(path).startswith(f"{path}: expected a Parquet file: ")
    path.write_bytes(b"PAR1" + bytes(len(whole) // 2) + whole[4 + len(whole) // 2 :])
    assert refused(path).startswith(f"{path}: expected a Parquet file: ")


def test_a_file_without_vocabulary_needs_one(tmp_path):
    rows = make_rows(5)
    path = write(tmp_path / "s.parquet", id_columns(rows), mask_columns(rows), words=None)
    assert refused(path) == f"{path}: expected emotion names and AU numbers in its metadata, found none"
    path = write(path, id_columns(rows), mask_columns(rows), words=Vocabulary(("a",), ()))
    assert refused(path) == f"{path}: expected emotion names and AU numbers in its metadata, found none"


def test_a_file_of_another_vocabulary_or_kind_is_an_error(tmp_path):
    rows = make_rows(5)
    write(tmp_path / "a.parquet", id_columns(rows), mask_columns(rows))
    other = write(
        tmp_path / "b.parquet",
        id_columns(rows),
        mask_columns(rows),
        words=WORDS._replace(emotions=("a", "b", "c")),
    )
    expected = f"{other}: expected the emotions and AUs of the rest of the dataset, found others"
    assert refused(tmp_path) == refused(other, WORDS) == expected
    pq.write_table(pa.table({"x": [1]}).replace_schema_metadata(metadata("discarded", WORDS)), other)
    assert refused(tmp_path) == (
        f"{other}: expected schema samples/1, found discarded/1; build the dataset again"
    )


def test_every_column_that_is_missing_or_of_another_type_is_named(tmp_path):
    rows = make_rows(3)
    bools = bool_columns(rows)
    del bools["AU02"]
    bools["AU04"] = pa.array([0.0, 1.0, 0.5])
    a = write(tmp_path / "s/a.parquet", {"partition": [1, 2, 3], "emotion": ["glad"] * 3}, bools)
    masks = {"au_mask": pa.array([1, 2, 3]), "au_known": pa.array([1, 2, 3], pa.uint32())}
    b = write(tmp_path / "s/b.parquet", {"emotion_id": ["glad"] * 3}, masks)
    c = write(
        tmp_path / "s/c.parquet", {"partition": ["train"] * 3, "emotion": [0, 1, 2]}, mask_columns(rows)
    )
    assert refused(tmp_path / "s").splitlines() == [
        f"{a}: expected text in column partition, found int64",
        f"{a}: expected a column AU02 (bool), found none",
        f"{a}: expected bool in column AU04, found double",
        f"{b}: expected a column partition (text), found none",
        f"{b}: expected integers in column emotion_id, found string",
        f"{b}: expected uint32 in column au_mask, found int64",
        f"{c}: expected text in column emotion, found int64",
    ]


GOOD = {
    "partition": pa.array(["train", "test"]),
    "emotion_id": pa.array([0, 2], pa.int8()),
    "au_mask": pa.array([0, 1023], pa.uint32()),
    "au_known": pa.array([1023, 1023], pa.uint32()),
}
TEXTS = {name: column for name, column in GOOD.items() if name != "emotion_id"}


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (GOOD | {"partition": ["train", "dev"]}, "one of train, validation, test, found dev"),
        (GOOD | {"partition": ["train", None]}, "one of train, validation, test, found None"),
        (GOOD | {"emotion_id": [0, 3]}, "an emotion_id from 0 to 2, found 3"),
        (GOOD | {"emotion_id": [0, -1]}, "an emotion_id from 0 to 2, found -1"),
        (GOOD | {"emotion_id": [0, None]}, "an emotion_id from 0 to 2, found None"),
        (TEXTS | {"emotion": ["sad", "Glad"]}, "one of glad, sad, mad, found Glad"),
        (TEXTS | {"emotion": ["sad", None]}, "one of glad, sad, mad, found None"),
        (GOOD | {"au_mask": pa.array([0, 1024], pa.uint32())}, "au_mask below 2^10, a bit an AU, found 1024"),
        (GOOD | {"au_mask": pa.array([0, None], pa.uint32())}, "au_mask below 2^10, a bit an AU, found None"),
        (
            GOOD | {"au_known": pa.array([0, 2**32 - 1], pa.uint32())},
            "au_known below 2^10, a bit an AU, found 4294967295",
        ),
    ],
)
def test_a_value_that_means_nothing_is_named_with_its_row(tmp_path, columns, expected):
    path = write(tmp_path / "s.parquet", columns)
    assert refused(path) == f"{path}: row 2: expected {expected}"


def test_rows_are_numbered_through_the_file_and_twenty_are_named(tmp_path, small_pieces):
    rows = make_rows(200)
    ids = np.array(id_columns(rows)["emotion_id"])
    ids[150] = 9
    path = write(
        tmp_path / "s.parquet", id_columns(rows) | {"emotion_id": ids}, mask_columns(rows), group_rows=37
    )
    assert refused(path) == f"{path}: row 151: expected an emotion_id from 0 to 2, found 9"


def test_twenty_bad_rows_are_named_and_the_rest_counted(tmp_path):
    n = 30
    columns = {"partition": ["?"] * n, "emotion_id": [0] * n, "au_mask": pa.array([0] * n, pa.uint32())}
    lines = refused(write(tmp_path / "s.parquet", columns)).splitlines()
    assert lines[19].endswith("row 20: expected one of train, validation, test, found ?")
    assert lines[20:] == ["… and 10 more"]
