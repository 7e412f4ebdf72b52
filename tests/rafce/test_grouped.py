"""Counts of each group against counts by hand; the bootstrap over groups against one by hand, draw for draw."""

import pickle
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import rafce.parts
from rafce.errors import DatasetError
from rafce.grouped import (
    GroupTally,
    by_groups,
    count_by_group,
    count_groups,
    grouped_sureness,
    sureness_of,
    tally_groups,
)
from rafce.parts import find_samples
from rafce.schema import CATEGORIES, PARTITIONS, Vocabulary, au_column, au_statistics_schema, metadata
from rafce.statistics import Counts, sureness
from rafce.streaming import add, count_here
from rafce.tables import au_statistics_table

WORDS = Vocabulary(("glad", "sad", "mad"), (1, 2, 4, 6, 9, 12, 15, 25, 26, 43))


class Row(NamedTuple):
    group: str | None  # None is a fault
    partition: str
    emotion: str
    aus: tuple[bool | None, ...]


def make_rows(n: int, n_groups: int = 9, seed: int = 0) -> list[Row]:
    """Rows of groups in any order, each group in one partition, a fifth of the AUs unknown."""
    rng = np.random.default_rng(seed)
    states = rng.choice(np.array([True, False, None], object), (n, len(WORDS.aus)), p=[0.3, 0.5, 0.2])
    return [
        Row(f"video {group}", PARTITIONS[group % 3], WORDS.emotions[emotion], tuple(aus))
        for group, emotion, aus in zip(
            rng.integers(n_groups, size=n), rng.integers(3, size=n), states.tolist(), strict=True
        )
    ]


def write(path: Path, rows: list[Row], group_rows: int = 37, masks: bool = False) -> Path:
    columns: dict[str, object] = {
        "group": pa.array([row.group for row in rows], pa.string()),
        "partition": [row.partition for row in rows],
        "emotion": [row.emotion for row in rows],
    }
    if masks:
        for name, states in (("au_mask", (True,)), ("au_known", (True, False))):
            bits = [sum(1 << i for i, state in enumerate(row.aus) if state in states) for row in rows]
            columns[name] = pa.array(bits, pa.uint32())
    else:
        columns |= {au_column(au): [row.aus[i] for row in rows] for i, au in enumerate(WORDS.aus)}
    table = pa.table(columns).replace_schema_metadata(metadata("samples", WORDS))
    path.parent.mkdir(exist_ok=True)
    pq.write_table(table, path, row_group_size=group_rows)
    return path


def tally_of(n_groups: int, seed: int = 0, n_emotions: int = 3, n_aus: int = 4) -> GroupTally:
    """Groups of a few images of each emotion, each with rates of its own."""
    rng = np.random.default_rng(seed)
    images_GE = rng.integers(1, 8, (n_groups, n_emotions))
    known_GEA = rng.binomial(images_GE[..., None], 0.9, (n_groups, n_emotions, n_aus))
    active_GEA = rng.binomial(known_GEA, rng.beta(1, 1.5, known_GEA.shape))
    partitions = np.array([PARTITIONS[group % 3] for group in range(n_groups)], object)
    return GroupTally(tuple(f"g{i}" for i in range(n_groups)), partitions, images_GE, known_GEA, active_GEA)


# --- counting ---


@pytest.mark.parametrize("masks", [False, True])
def test_counts_of_each_group_equal_a_count_by_hand_over_chunks_parts_and_files(tmp_path, monkeypatch, masks):
    monkeypatch.setattr(rafce.parts, "CHUNK_ROWS", 13)
    monkeypatch.setattr(rafce.parts, "PART_ROWS", 40)
    rows = make_rows(300)
    for i in range(2):
        write(tmp_path / "samples" / f"{i}.parquet", rows[150 * i : 150 * (i + 1)], masks=masks)
    samples = find_samples(tmp_path / "samples")
    told: list[int] = []
    tally = count_groups(samples, jobs=2, progress=told.append)
    assert sum(told) == 300
    assert tally.names == tuple(sorted({str(row.group) for row in rows}))
    images = Counter((row.group, row.emotion) for row in rows)
    partition = {row.group: row.partition for row in rows}
    for g, name in enumerate(tally.names):
        assert tally.partition_G[g] == partition[name]
        for e, emotion in enumerate(WORDS.emotions):
            members = [row.aus for row in rows if (row.group, row.emotion) == (name, emotion)]
            assert tally.images_GE[g, e] == images[name, emotion]
            for a in range(len(WORDS.aus)):
                assert tally.known_GEA[g, e, a] == sum(aus[a] is not None for aus in members)
                assert tally.active_GEA[g, e, a] == sum(aus[a] is True for aus in members)


def test_a_scope_has_the_groups_of_its_partition():
    tally = tally_of(8)
    test = tally.in_scope("test")
    assert test.names == ("g2", "g5")
    np.testing.assert_array_equal(test.active_GEA, tally.active_GEA[[2, 5]])
    assert tally.in_scope("all").names == tally.names


def test_without_partitions_groups_are_counted_all_the_same(tmp_path):
    path = write(tmp_path / "samples.parquet", make_rows(50))
    tally = count_groups(find_samples(path, partitions=()))
    assert tally.images_GE.sum() == 50
    assert tally.in_scope("all").names == tally.names


def test_a_group_in_two_partitions_is_named(tmp_path):
    rows = [
        *make_rows(50),
        Row("video 3", "test", "sad", (True,) * 10),
        Row("a", "validation", "mad", (None,) * 10),
    ]
    rows += [Row("a", "train", "mad", (False,) * 10)]
    path = write(tmp_path / "samples.parquet", rows)
    with pytest.raises(DatasetError) as error:
        count_groups(find_samples(path))
    assert str(error.value).splitlines() == [
        "samples: group a: expected in one partition, found in train and validation",
        "samples: group video 3: expected in one partition, found in train and test",
    ]


def test_a_row_without_a_group_is_named(tmp_path):
    rows = make_rows(60)
    rows[41] = rows[41]._replace(group=None)
    path = write(tmp_path / "samples.parquet", rows)
    with pytest.raises(DatasetError, match=r"samples\.parquet: row 42: expected a group, found None$"):
        count_groups(find_samples(path))


def test_groups_that_are_no_texts_or_missing_are_named(tmp_path):
    table = pq.read_table(write(tmp_path / "samples.parquet", make_rows(5)))
    path = tmp_path / "other.parquet"
    pq.write_table(table.drop_columns("group"), path)
    with pytest.raises(DatasetError, match=r"^samples: expected a column group \(text\), found none$"):
        count_groups(find_samples(path))
    with pytest.raises(
        DatasetError, match=r"^\S+other\.parquet: expected a column group \(text\), found none$"
    ):
        find_samples(tmp_path)  # where other files have one
    pq.write_table(table.set_column(0, "group", pa.array(range(5))), path)
    with pytest.raises(DatasetError, match=r"other\.parquet: expected text in column group, found int64$"):
        find_samples(path)


def test_sums_of_parts_survive_the_way_from_another_machine(tmp_path):
    samples = by_groups(find_samples(write(tmp_path / "samples.parquet", make_rows(80))))
    sums = count_here(count_by_group, samples)
    again = tally_groups(
        add(pickle.loads(pickle.dumps(sums)), count_by_group((), samples.grid)), samples.grid
    )
    for one, other in zip(count_groups(samples), again, strict=True):
        np.testing.assert_array_equal(one, other)


# --- the bootstrap ---


def bootstrap_by_hand(tally: GroupTally, e: int, a: int, draws: int, seed: int) -> list[tuple[int, int]]:
    """Active and known images of each draw of as many groups as there are."""
    rng, n = np.random.default_rng(seed), len(tally.names)
    sums = []
    for _ in range(draws):
        drawn = rng.integers(n, size=n).tolist()
        active, known = (
            sum(int(table[g, e, a]) for g in drawn) for table in (tally.active_GEA, tally.known_GEA)
        )
        sums.append((active, known))
    return sums


def category(active: int, known: int) -> str:
    return "prototypical" if 10 * active >= 7 * known else "variant" if 5 * active >= known else "unobserved"


def test_intervals_and_category_shares_equal_a_bootstrap_by_hand():
    tally = tally_of(6)
    found = grouped_sureness(tally, draws=100, seed=7)
    for e, a in np.ndindex(found.low_EA.shape):
        sums = [(active, known) for active, known in bootstrap_by_hand(tally, e, a, 100, 7) if known]
        rates = [active / known for active, known in sums]
        shares = Counter(category(*pair) for pair in sums)
        assert [found.low_EA[e, a], found.high_EA[e, a]] == pytest.approx(np.percentile(rates, [2.5, 97.5]))
        assert found.mass_EAC[e, a] == pytest.approx([shares[name] / len(sums) for name in CATEGORIES])


def test_an_au_that_one_group_knows_has_neither_interval_nor_masses():
    tally = tally_of(5)
    tally.known_GEA[1:, 0, 0] = tally.active_GEA[1:, 0, 0] = 0
    found = grouped_sureness(tally)
    assert tally.n_groups_EA()[0, 0] == 1
    assert np.isnan([found.low_EA[0, 0], found.high_EA[0, 0], *found.mass_EAC[0, 0]]).all()
    assert not np.isnan(found.low_EA[1:]).any()


def test_an_au_that_is_never_or_always_active_is_as_sure_as_so_many_images_would_make_it():
    tally = tally_of(5)
    tally.active_GEA[:, 0, 0], tally.active_GEA[:, 0, 1] = 0, tally.known_GEA[:, 0, 1]
    found = grouped_sureness(tally)
    n_groups = tally.n_groups_EA()[:1, :2]
    expected = sureness(Counts(n_groups, n_groups * np.array([0, 1])))
    for part, of_images in zip(found, expected, strict=True):
        np.testing.assert_allclose(part[:1, :2], of_images)


def test_groups_make_intervals_wider_than_as_many_independent_images():
    tally = tally_of(40, n_aus=6)
    counts = Counts(tally.known_GEA.sum(0), tally.active_GEA.sum(0))
    clustered, independent = sureness_of(counts, tally), sureness_of(counts, None)
    assert (clustered.high_EA - clustered.low_EA > independent.high_EA - independent.low_EA).mean() > 0.9


def test_the_statistics_table_says_how_many_groups_and_how_sure_they_make_it():
    tally = tally_of(9)
    tally.known_GEA[:, 1, 2] = tally.active_GEA[:, 1, 2] = 0  # known to none
    tally.known_GEA[3:, 2, 3] = tally.active_GEA[3:, 2, 3] = 0  # in the test partition to group 2 alone
    scopes = {scope: tally.in_scope(scope) for scope in ("all", "test")}
    counts = {name: Counts(of.known_GEA.sum(0), of.active_GEA.sum(0)) for name, of in scopes.items()}
    words = Vocabulary(("glad", "sad", "mad"), (1, 2, 4, 6))
    table = au_statistics_table(counts, words, tally)
    schema = au_statistics_schema(words, grouped=True)
    rows = table.select(schema.names).cast(schema).to_pylist()
    assert len(rows) == 2 * 3 * 4
    for row in rows:
        of, e, a = scopes[row["scope"]], row["emotion_id"], words.aus.index(row["au"])
        sure = grouped_sureness(of)
        assert row["n"] == of.known_GEA[:, e, a].sum()
        assert row["n_groups"] == np.count_nonzero(of.known_GEA[:, e, a])
        found = [row["ci_low"], row["ci_high"], *(row[f"p_{name}"] for name in CATEGORIES)]
        expected = [sure.low_EA[e, a], sure.high_EA[e, a], *sure.mass_EAC[e, a]]
        assert found == ([None] * 5 if row["n_groups"] < 2 else expected)
    few = {(row["scope"], row["emotion"], row["au"]): row for row in rows}
    assert few["all", "sad", 4]["frequency"] is None
    alone = few["test", "mad", 6]
    assert (alone["n_groups"], alone["ci_low"]) == (1, None)
    assert alone["frequency"] is not None
