"""Parquet files with checksums and a seal: damage is refused, another program's copy is read as what it says."""

import os
import threading

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rafce.errors import DatasetError
from rafce.parquet import HEAD, NUMBER, TAIL, opened, parquet_bytes, read_parquet, read_table, write_parquet
from rafce.parts import find_samples
from rafce.schema import Vocabulary, au_column, check_schema, imported_samples_schema, lab_statistics_schema
from rafce.streaming import count_aus, count_here

WORDS = Vocabulary(("glad", "sad"), (1, 4, 12))
LAB = pa.table({"emotion": ["glad", "sad"], "au": [12, 4], "percent": [90.0, 55.0], "note": ["", ""]})


@pytest.fixture
def lab(tmp_path):
    path = tmp_path / "lab_statistics.parquet"
    write_parquet(LAB, lab_statistics_schema(WORDS), path)
    return path


def refusal(path):
    with pytest.raises(DatasetError) as caught:
        read_table(path)
    return str(caught.value)


def turned(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def test_what_is_written_is_read_and_sealed(lab):
    table, words, sealed = read_parquet(lab, "lab_statistics")
    assert table.to_pylist() == LAB.to_pylist()
    assert words == WORDS
    assert sealed
    assert (lab.parent / "again").write_bytes(parquet_bytes(table)) == lab.stat().st_size
    assert read_table(lab.parent / "again") == (table, True)


def test_the_same_table_gives_the_same_bytes(lab, tmp_path):
    write_parquet(LAB, lab_statistics_schema(WORDS), tmp_path / "again.parquet")
    assert lab.read_bytes() == (tmp_path / "again.parquet").read_bytes()


def test_other_programs_look_past_the_seal(lab):
    assert pd.read_parquet(lab)["percent"].tolist() == [90, 55]
    assert duckdb.execute(f"select au from '{lab}'").fetchall() == [(12,), (4,)]


def test_every_byte_is_guarded(lab):
    whole = lab.read_bytes()
    for place in range(4, len(whole)):  # the magic in front is read by nobody
        turned(lab, place)
        assert str(lab) in refusal(lab)
        lab.write_bytes(whole)


def test_the_message_says_which_bytes_are_damaged(lab):
    whole = lab.read_bytes()
    turned(lab, 30)
    assert refusal(lab) == (
        f"{lab}: damaged: the bytes of column emotion are not as they were written; make it again, or take it from a "
        "backup"
    )
    for place, what in ((whole.index(b"rafce.emotions"), "footer"), (whole.index(HEAD) + 20, "seal")):
        lab.write_bytes(whole)
        turned(lab, place)
        assert f"the bytes of its {what} are not as they were written" in refusal(lab)


def test_page_checksums_guard_a_file_that_has_no_seal(tmp_path):
    path = tmp_path / "plain.parquet"
    numbers = np.random.default_rng(0).random(1000)
    pq.write_table(pa.table({"x": numbers}), path, use_dictionary=False, write_page_checksum=True)
    assert read_table(path)[1] is False
    turned(path, 4000)
    assert "CRC checksum" in refusal(path)


def test_a_file_without_checksums_is_read(tmp_path):
    pq.write_table(LAB, tmp_path / "plain.parquet")
    assert read_table(tmp_path / "plain.parquet") == (LAB, False)


def test_a_copy_of_another_program_keeps_the_metadata_and_loses_the_seal(lab):
    pq.write_table(pq.read_table(lab), lab)
    table, words, sealed = read_parquet(lab, "lab_statistics")
    assert (table.num_rows, words, sealed) == (2, WORDS, False)


def test_a_seal_that_claims_more_chunks_than_the_file_has_bytes_is_damage_at_once(lab):
    content = lab.read_bytes()
    place = content.index(TAIL) - 2 * NUMBER
    lab.write_bytes(content[:place] + b"\xff" * NUMBER + content[place + NUMBER :])
    assert "the bytes of its seal" in refusal(lab)


@pytest.mark.parametrize(
    "content", [b"", b"PAR1", b"PAR1PAR1", b"\xff" * 40, b"PAR1" + b"\xff" * 20 + b"PAR1"]
)
def test_what_is_no_parquet_file_is_an_error(tmp_path, content):
    (tmp_path / "x.parquet").write_bytes(content)
    assert refusal(tmp_path / "x.parquet").startswith(f"{tmp_path}/x.parquet: expected a Parquet file")


def test_a_pipe_or_a_folder_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.parquet")
    (tmp_path / "folder.parquet").mkdir()
    for name, what in (("pipe", "it is a pipe, not a file"), ("folder", "Is a directory")):
        found: list[str] = []
        thread = threading.Thread(
            target=lambda name=name, found=found: found.append(refusal(tmp_path / f"{name}.parquet"))
        )
        thread.daemon = True
        thread.start()
        thread.join(10)
        assert found == [f"{tmp_path}/{name}.parquet: expected a Parquet file: {what}"]


@pytest.mark.parametrize(
    ("change", "is_sealed"),
    [
        ({}, True),
        ({"emotion_id": [0, 0]}, False),
        ({"au_mask": [5, 6]}, False),
        ({"AU04": [None, True], "au_mask": [5, 2]}, False),  # the mask alone would say that it is known
        ({"emotion": ["glad", "mad"]}, False),
    ],
)
def test_samples_are_sealed_only_where_ids_and_masks_may_be_counted_instead(tmp_path, change, is_sealed):
    columns = {
        **{"image": ["a.jpg", "b.jpg"], "partition": ["train", "test"], "emotion": ["glad", "sad"]},
        **{"emotion_id": [0, 1], "emotion_source": ["given"] * 2},
        **{au_column(1): [True, False], au_column(4): [False, True], au_column(12): [True, False]},
        "au_mask": [0b101, 0b010],
    }
    schema = imported_samples_schema(WORDS, grouped=False, some_unknown=False)
    table = pa.table({name: pa.array(value) for name, value in {**columns, **change}.items()})
    write_parquet(table, schema, tmp_path / "samples.parquet")
    with opened(tmp_path / "samples.parquet") as file:
        assert file.sealed == is_sealed


@pytest.mark.parametrize(
    ("emotions", "aus", "message"),
    [
        ('["glad", "glad"]', "[1]", "expected each emotion once in its metadata, found glad again"),
        ('["glad"]', "[4, 1]", "expected AU numbers that rise in its metadata, found 4, 1"),
        ('["glad"]', "[1, 1]", "expected AU numbers that rise in its metadata, found 1, 1"),
        ('["glad"]', "[0]", "expected ordered emotion names and AU numbers in its metadata"),
        ('["glad"]', "[1000000]", "expected ordered emotion names and AU numbers in its metadata"),
        ('["glad"]', "[true]", "expected ordered emotion names and AU numbers in its metadata"),
        ('["glad", " "]', "[1]", "expected ordered emotion names and AU numbers in its metadata"),
        ("[1]", "[1]", "expected ordered emotion names and AU numbers in its metadata"),
        ("[" * 100_000, "[1]", "expected ordered emotion names and AU numbers in its metadata"),
    ],
)
def test_a_vocabulary_is_of_different_names_and_rising_numbers(emotions, aus, message):
    entries = {
        b"rafce.schema": b"samples/1",
        b"rafce.emotions": emotions.encode(),
        b"rafce.aus": aus.encode(),
    }
    with pytest.raises(DatasetError) as caught:
        check_schema(entries, "samples", "file")
    assert str(caught.value) == f"file: {message}"


def test_every_byte_of_a_counted_column_is_guarded_its_page_headers_too(tmp_path):
    path, n = tmp_path / "samples.parquet", 40
    columns = {
        **{"image": [f"{i}.jpg" for i in range(n)], "partition": ["train", "test"] * (n // 2)},
        **{
            "emotion": ["glad", "sad"] * (n // 2),
            "emotion_id": [0, 1] * (n // 2),
            "emotion_source": ["given"] * n,
        },
        **{au_column(au): [i % au == 0 for i in range(n)] for au in WORDS.aus},
        "au_mask": [sum(1 << place for place, au in enumerate(WORDS.aus) if i % au == 0) for i in range(n)],
    }
    write_parquet(pa.table(columns), imported_samples_schema(WORDS, grouped=False, some_unknown=False), path)
    whole, metadata = path.read_bytes(), pq.read_metadata(path)
    count_here(count_aus, find_samples(path))
    for column in ("partition", "emotion_id", "au_mask"):
        chunk = metadata.row_group(0).column(metadata.schema.to_arrow_schema().names.index(column))
        start = chunk.dictionary_page_offset or chunk.data_page_offset
        for place in range(start, start + chunk.total_compressed_size):
            turned(path, place)
            with pytest.raises(
                DatasetError, match=f"the bytes of column {column} are not as they were written"
            ):
                count_here(count_aus, find_samples(path))
            path.write_bytes(whole)
