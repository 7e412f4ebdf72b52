"""Numbers too large, tables too wide, lines without end, and what is no file: one clear error at once."""

import os
import socket
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rafce.errors import RafceError
from rafce.imports import files
from rafce.imports.files import MOST_LINE_BYTES
from rafce.imports.importing import import_dataset
from rafce.imports.options import ImportOptions
from rafce.imports.values import numbers, whole_numbers

NO_NUMBERS = [
    "1e999",
    "-1e999",
    "1e400",
    "inf",
    "-inf",
    "+Infinity",
    "INF",
    "-nan",
    "+nan",
    "1.#QNAN",
    "nan(ind)",
    "-nan(ind)",
    "1.#INF",
]
NAN = ["", " ", "nan", "NaN", "NAN", "na", "NA", "null", "NULL"]


def error(path: Path, source: str = "table", **options) -> str:
    with pytest.raises(RafceError) as caught:
        import_dataset(ImportOptions(source, (path,), path.parent / "data", **options))
    assert not (path.parent / "data").exists()
    said = str(caught.value).replace(f"{path.parent}/", "")
    return said.split("\n(--un")[0]  # the hints at --unknown and --unlabelled are tested elsewhere


# --- numbers ---


@pytest.mark.parametrize("cell", NO_NUMBERS)
@pytest.mark.parametrize("beside", ["0.5", "word"])
def test_what_is_no_finite_number_is_wrong_whatever_stands_beside_it(cell, beside):
    value_N, wrong_N = numbers(pa.array(["1", cell, beside]))
    assert wrong_N.tolist() == [False, True, beside == "word"]
    assert np.isnan(value_N[1])
    frame_N, wrong_N = whole_numbers(pa.array(["1", cell]))
    assert (frame_N.tolist(), wrong_N.tolist()) == ([1, 0], [False, True])


@pytest.mark.parametrize("cell", NAN)
@pytest.mark.parametrize("beside", ["0.5", "word"])
def test_an_empty_cell_is_no_fault_whatever_stands_beside_it(cell, beside):
    value_N, wrong_N = numbers(pa.array(["1", cell, beside]))
    assert wrong_N.tolist() == [False, False, beside == "word"]
    assert np.isnan(value_N[1])


@pytest.mark.parametrize("cell", ["1e999", "-Inf", "-nan"])
@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        ("frame,AU01_r,emotion", "{},1,x", "the number of a frame"),
        ("frame,AU01_r,emotion", "1,{},x", "a number from 0 to 5 in column AU01_r"),
        ("frame,AU01_c,emotion", "1,{},x", "0 or 1 in column AU01_c"),
        ("frame,success,AU01_c,emotion", "1,{},1,x", "0 or 1 for a face that was tracked"),
        ("frame,confidence,AU01_c,emotion", "1,{},1,x", "a confidence from 0 to 1"),
    ],
)
def test_a_cell_of_no_finite_number_is_an_error_in_every_column(tmp_path, cell, header, row, expected):
    (tmp_path / "v.csv").write_text(f"{header}\n{row.format(cell)}\n")
    options = {"min_confidence": 0.5} if "confidence" in header else {}
    first = error(tmp_path / "v.csv", "openface", **options).splitlines()[0]
    assert first == f"v.csv:2: expected {expected}, found {cell!r}"


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e300])
def test_an_infinite_number_of_parquet_is_an_error(tmp_path, value):
    columns = {"frame": [1.0, value], "AU01": [0.0, 1.0], "emotion": ["x", "y"]}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    assert (
        error(tmp_path / "t.parquet") == f"t.parquet: row 2: expected the number of a frame, found {value!r}"
    )
    columns = {"frame": [1, 2], "AU01": [0.0, value], "emotion": ["x", "y"]}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    assert error(tmp_path / "t.parquet").startswith(
        f"t.parquet: row 2: expected 0 or 1 in column AU01, found {value!r}"
    )


# --- wide ---


def seconds(work) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def test_a_table_of_many_columns_takes_time_in_proportion_to_them(tmp_path):
    """It took 14 s for 40,000 columns when each name was counted among all: 16 times as long for 4 times as many."""

    def write(n_columns: int) -> Path:
        path = tmp_path / f"{n_columns}.csv"
        names, cells = ",".join(f"c{i}" for i in range(n_columns)), ",0" * n_columns
        path.write_text(f"image,emotion,AU01,{names}\na.jpg,x,1{cells}\n")
        return path

    def bring_in(path: Path):
        return lambda: import_dataset(ImportOptions("table", (path,), tmp_path / "data"))

    small, large = write(1_000), write(40_000)
    bring_in(small)()  # imports and caches
    assert seconds(bring_in(large)) < seconds(bring_in(small)) + 4


# --- endless lines ---


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a" * (MOST_LINE_BYTES + 1), "t.csv:1: expected lines of at most 4 MB, found a longer one"),
        (
            b"image,emotion,AU01\n" + b"a" * (MOST_LINE_BYTES + 9),
            "t.csv:2: expected lines of at most 4 MB, found a longer one",
        ),
        (
            b'image,emotion,AU01\n"a.jpg,x,1\n' + b"a.jpg,x,1\n" * (MOST_LINE_BYTES // 5),
            "t.csv: expected lines of at most 4 MB, found a longer one (is a quote left open?)",
        ),
        (bytes(MOST_LINE_BYTES + 9), "t.csv:1: expected text, found a NUL byte"),
        (bytes(10), "t.csv:1: expected text, found a NUL byte"),
        (
            "image,emotion,AU01\na.jpg,x,1\n".encode("utf-16"),
            "t.csv:1: expected UTF-8 text, found UTF-16: save the table as UTF-8",
        ),
    ],
)
def test_a_line_without_end_and_a_file_that_is_no_text_are_refused(tmp_path, content, expected):
    (tmp_path / "t.csv").write_bytes(content)
    assert error(tmp_path / "t.csv").startswith(expected)


def test_a_header_without_end_is_not_read_to_its_end(tmp_path):
    """A hole of 20 GB that takes no room on disk."""
    with (tmp_path / "t.csv").open("wb") as file:
        file.truncate(20 << 30)
    assert error(tmp_path / "t.csv") == "t.csv:1: expected text, found a NUL byte"


def test_lines_may_be_long_where_they_end(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "READ_BYTES", 1000)
    monkeypatch.setattr(files, "MOST_LINE_BYTES", 5000)
    note = "n" * 4900
    (tmp_path / "t.csv").write_text(f"image,emotion,AU01,note\na.jpg,x,1,{note}\nb.jpg,x,1,{note}\n")
    import_dataset(ImportOptions("table", (tmp_path / "t.csv",), tmp_path / "data"))
    (tmp_path / "new").mkdir()
    (tmp_path / "new/t.csv").write_text(f"image,emotion,AU01,note\na.jpg,x,1,\nb.jpg,x,1,{note * 2}\n")
    assert error(tmp_path / "new/t.csv").startswith("t.csv:3: expected lines of at most")


# --- no files ---


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's path is at most 107 bytes long
    try:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(path.name)
    finally:
        os.chdir(here)


KINDS = [
    (make_pipe, "found a pipe, which can be read only once"),
    (make_socket, "found a socket"),
    (lambda path: path.symlink_to("/dev/zero"), "found a device"),
    (lambda path: path.symlink_to("nowhere.csv"), "No such file or directory"),
]


@pytest.mark.parametrize(("make", "found"), KINDS)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_what_is_no_file_is_refused_without_being_opened(tmp_path, make, found, suffix):
    bad, good = tmp_path / f"bad{suffix}", tmp_path / "v.csv"
    make(bad)
    good.write_text("frame,AU01_c\n1,1\n")
    expected = f"bad{suffix}: expected a file to read"
    for message in (
        error(bad),
        error(good, "openface", emotions=bad),
        error(good, "openface", emotions=good, lab=bad),
    ):
        assert message.startswith(expected)
        assert found in message


def test_a_folder_in_place_of_an_emotions_file_is_named(tmp_path):
    (tmp_path / "v.csv").write_text("frame,AU01_c\n1,1\n")
    (tmp_path / "e.csv").mkdir()
    found = error(tmp_path / "v.csv", "openface", emotions=tmp_path / "e.csv")
    assert found == "e.csv: expected a file to read, found a folder"


def test_a_pipe_among_the_tables_of_a_folder_is_not_passed_over(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "a.csv").write_text("frame,AU01_c,emotion\n1,1,x\n")
    os.mkfifo(folder / "b.csv")
    assert error(folder, "openface") == (
        "videos/b.csv: expected a file to read, found a pipe, which can be read only once"
    )
