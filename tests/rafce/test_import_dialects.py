"""Tables with semicolons, tabs, decimal commas, capitals in their columns, quotes: read alike or refused by name."""

import itertools
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rafce.errors import RafceError
from rafce.imports import files
from rafce.imports.dialect import count_fields, find_separator
from rafce.imports.importing import import_dataset
from rafce.imports.options import ImportOptions

CELLS = [
    ["frame", "success", "confidence", "AU01_r", "AU12_c", "emotion"],
    ["1", "1", "0.98", "0.10", "1", "happy"],
    ["2", "1", "0.5", "2.5", "0", "sad"],
    ["3", "0", "0.25", "0", "1", "happy"],
]
# by hand: AU 1 from an intensity of 1 on, row 3 has no face, row 2 is unsure
EXPECTED = [
    ("v_000001.jpg", "happy", False, True),
    ("v_000002.jpg", "sad", None, None),
    ("v_000003.jpg", "happy", None, None),
]
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}


def bring_in(path: Path, source: str = "openface", **options):
    return import_dataset(ImportOptions(source, (path,), path.parent / "data", **options))


def rows(folder: Path, *columns: str) -> list[tuple]:
    table = pq.read_table(folder / "data/samples.parquet")
    return list(zip(*(table[name].to_pylist() for name in columns), strict=True))


def error(path: Path, source: str = "table", **options) -> str:
    with pytest.raises(RafceError) as caught:
        bring_in(path, source, **options)
    assert not (path.parent / "data").exists()
    said = str(caught.value).replace(f"{path.parent}/", "")
    return said.split("\n(--un")[0]  # the hints at --unknown and --unlabelled are tested elsewhere


def written(separator: str, decimal: str = ".", end: str = "\n", quote: str = "", blank: str = "") -> str:
    lines = [
        [quote + blank + cell.replace(".", decimal) + blank + quote if i else cell for cell in line]
        for i, line in enumerate(CELLS)
    ]
    return "".join(separator.join(line) + end for line in lines)


@pytest.mark.parametrize(
    ("separator", "decimal"), [(",", "."), (";", "."), (";", ","), ("\t", "."), ("\t", ",")]
)
@pytest.mark.parametrize(
    ("start", "suffix"),
    [("", ".csv"), ("\ufeff", ".tsv"), ("sep={}\r\n", ".txt"), ('\ufeff"sep={}"\n', ".TXT")],
)
def test_every_dialect_gives_the_rows_of_the_plain_table(tmp_path, suffix, separator, decimal, start):
    for end, quote, blank in [("\n", "", ""), ("\r\n", '"', ""), ("\n", "", " ")]:
        path = tmp_path / f"v{suffix}"
        text = start.format(separator) + written(separator, decimal, end, quote, blank)
        path.write_bytes(text.encode())
        manifest = bring_in(path, min_confidence=0.6)
        assert rows(tmp_path, "image", "emotion", "AU01", "AU12") == EXPECTED
        said = {
            (",", "."): None,
            (";", "."): "semicolons between columns",
            (";", ","): "semicolons between columns, decimal commas",
            ("\t", "."): "tabs between columns",
            ("\t", ","): "tabs between columns, decimal commas",
        }
        assert manifest["inputs"]["openface"].get("dialect") == said[separator, decimal]


@pytest.mark.parametrize(
    ("separator", "suffix"), list(itertools.product(SEPARATORS, [".csv", ".tsv", ".txt"]))
)
def test_the_emotions_file_has_a_dialect_of_its_own(tmp_path, separator, suffix):
    (tmp_path / "v.csv").write_text("frame;AU12_c\n1;1\n2;0\n")
    emotions = tmp_path / f"e{suffix}"
    emotions.write_text(f"Frame{separator}Emotion\n1{separator}happy\n2.0{separator}sad\n")
    manifest = bring_in(tmp_path / "v.csv", emotions=emotions)
    assert rows(tmp_path, "emotion", "AU12") == [("happy", True), ("sad", False)]
    assert (manifest["inputs"]["emotions"].get("dialect") is None) == (separator == ",")


def test_a_folder_has_tables_of_several_dialects_and_its_texts_are_counted(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "a.csv").write_text("frame,AU12_c,emotion\n1,1,happy\n")
    (folder / "b.TSV").write_text("frame\tAU12_c\temotion\n1\t0\tsad\n")
    (folder / "a_of_details.txt").write_text("Input:a.mp4\n")
    counts = import_dataset(ImportOptions("openface", (folder,), tmp_path / "data"))["counts"]
    assert rows(tmp_path, "image", "AU12") == [("a_000001.jpg", True), ("b_000001.jpg", False)]
    assert counts["texts_not_read"] == 1


def test_texts_alone_in_a_folder_are_mentioned_and_packed_tables_named(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "a.txt").write_text("frame,AU12_c,emotion\n1,1,happy\n")
    assert error(folder, "openface") == (
        "videos: expected *.csv, *.tsv or *.parquet files in this folder, found none; "
        "its 1 *.txt files are tables only where each is named"
    )
    (folder / "b.TSV.GZ").write_text("")
    assert error(folder, "openface").startswith("videos/b.TSV.GZ: expected all tables as *.csv, *.tsv")


# --- what separates columns ---


@pytest.mark.parametrize(
    ("header", "lines", "expected"),
    [
        ("a,b", [], ","),
        ("a;b", ["1,5;2"], ";"),
        ("a\tb", ["1,5\t2"], "\t"),
        ("a", ["1;2"], ","),
        ('a,"b;c;d"', ["1,2"], ","),
        ('"a,b";c', ["1;2"], ";"),
        ("a,b;c", ["1,2", "3,4"], ","),
        ("a,b;c", ["1;2", "3;4"], ";"),
        ("a;b,c\td", ["1\t2"], "\t"),
        ("a,b;c", ["1,2", "3,4;5"], ","),
        ("a,b;c", ["1;2", "odd"], ";"),
    ],
)
def test_the_header_says_what_separates_columns_or_else_the_rows(header, lines, expected):
    assert find_separator(header, lines) == expected


@pytest.mark.parametrize("lines", [[], ["1"], ["1,2;3"]])
def test_where_neither_tells_the_separator_it_is_not_guessed(tmp_path, lines):
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["image,x;AU01", *lines]) + "\n")
    assert error(path) == (
        "t.csv:1: expected one separator between columns (quote names that hold one), found commas and semicolons"
    )


@given(st.sampled_from(list(SEPARATORS)), st.lists(st.text("ab,;\t ", max_size=6), min_size=2, max_size=6))
@settings(deadline=None)
def test_separators_inside_quotes_never_count(separator, fields):
    line = separator.join(f'"{field}"' for field in fields)
    assert count_fields(line, separator) == len(fields)
    assert find_separator(line, []) == separator


@pytest.mark.parametrize("separator", ["|", ":", " "])
def test_a_table_with_another_separator_has_one_column_and_the_message_says_so(tmp_path, separator):
    header = separator.join(["image", "emotion", "AU01"])
    (tmp_path / "t.csv").write_text(f"{header}\na.jpg{separator}x{separator}1\n")
    found = f"found one column named {header!r} (columns are separated by commas, semicolons or tabs)"
    assert found in error(tmp_path / "t.csv")
    (tmp_path / "v.csv").write_text("frame,AU01_c\n1,1\n")
    (tmp_path / "e.csv").write_text(f"frame{separator}emotion\n1{separator}x\n")
    found = f"found one column named 'frame{separator}emotion' (columns are separated by"
    assert found in error(tmp_path / "v.csv", "openface", emotions=tmp_path / "e.csv")
    assert f"e.csv: expected one of the columns {', '.join(KEYS)}" in error(
        tmp_path / "v.csv", "openface", emotions=tmp_path / "e.csv"
    )


KEYS = ("image", "input", "frame", "video", "subject")


@pytest.mark.parametrize(
    ("header", "other", "names"),
    [(",", ";", "commas|semicolons"), (";", ",", "semicolons|commas"), (",", "\t", "commas|tabs")],
)
def test_rows_with_another_separator_than_the_header_are_explained_once(tmp_path, header, other, names):
    lines = [header.join(["image", "emotion", "AU01"]), *(other.join([f"{i}.jpg", "x", "1"]) for i in (1, 2))]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    of_header, of_rows = names.split("|")
    assert error(tmp_path / "t.csv").splitlines() == [
        "t.csv:2: expected 3 fields as in line 1, found 1",
        "t.csv:3: expected 3 fields as in line 1, found 1",
        f"({of_header} separate the names of the columns, {of_rows} those lines)",
    ]


def test_a_million_lines_that_do_not_fit_are_not_all_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST_RAGGED", 30)
    (tmp_path / "t.csv").write_text("image,emotion,AU01\n" + "a.jpg;x;1\n" * 1000)
    found = error(tmp_path / "t.csv").splitlines()
    assert found[19] == "t.csv:21: expected 3 fields as in line 1, found 1"
    assert found[20] == "… and 10 more"
    assert found[-1] == "(t.csv was read no further than 30 such lines)"


# --- decimal commas ---


def test_decimal_commas_between_commas_are_refused_and_explained(tmp_path):
    (tmp_path / "t.csv").write_text("frame,AU01_r,emotion\n1,0,98,x\n2,1,50,y\n")
    assert error(tmp_path / "t.csv", "openface").splitlines() == [
        "t.csv:2: expected 3 fields as in line 1, found 4",
        "t.csv:3: expected 3 fields as in line 1, found 4",
        "(numbers with a decimal comma need semicolons or tabs between the columns)",
    ]


def test_a_decimal_comma_in_quotes_is_no_number_where_commas_separate(tmp_path):
    (tmp_path / "t.csv").write_text('frame,AU01_r,emotion\n1,"0,98",x\n')
    assert error(tmp_path / "t.csv", "openface").splitlines() == [
        "t.csv:2: expected a number from 0 to 5 in column AU01_r, found '0,98'",
        "(numbers with a decimal comma need semicolons or tabs between the columns)",
    ]


def test_a_table_whose_lines_end_in_cr_alone_is_refused_in_words(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"image,AU01,emotion\ra.jpg,1,x\rb.jpg,0,y\r")
    assert error(tmp_path / "t.csv") == (
        "t.csv:1: expected lines that end in LF or CRLF, found a CR inside a line"
    )


def test_commas_and_points_in_one_table_are_refused(tmp_path):
    (tmp_path / "t.csv").write_text("frame;confidence;AU01_r;emotion\n1;0,98;1;x\n2;0,97;2.5;y\n")
    assert error(tmp_path / "t.csv", "openface", min_confidence=0.5) == (
        "t.csv: expected one decimal mark in all numbers, found '0,98' (t.csv:2) and '2.5' (t.csv:3)"
    )


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("7,5", "a number from 0 to 5 in column AU01_r, found '7,5'"),
        ("1.234,5", "a number from 0 to 5 in column AU01_r, found '1.234,5'"),
        ("1,2,3", "a number from 0 to 5 in column AU01_r, found '1,2,3'"),
        ("-0,5", "a number from 0 to 5 in column AU01_r, found '-0,5'"),
    ],
)
def test_a_wrong_number_is_shown_as_it_is_written(tmp_path, cell, expected):
    (tmp_path / "t.csv").write_text(f"frame;AU01_r;emotion\n1;{cell};x\n")
    assert error(tmp_path / "t.csv", "openface").splitlines()[0] == f"t.csv:2: expected {expected}"


def test_a_frame_that_may_be_a_thousand_is_refused_and_one_with_zero_decimals_read(tmp_path):
    (tmp_path / "t.csv").write_text("frame;AU01_r;emotion\n1,0;0,5;x\n2,00;1,5;y\n")
    bring_in(tmp_path / "t.csv")
    assert rows(tmp_path, "image", "AU01") == [("t_000001.jpg", False), ("t_000002.jpg", True)]
    (tmp_path / "new").mkdir()
    (tmp_path / "new/t.csv").write_text("frame;AU01_r;emotion\n1,000;0,5;x\n")
    assert error(tmp_path / "new/t.csv", "openface") == (
        "t.csv:2: expected the number of a frame, found '1,000'"
    )


def test_texts_keep_their_commas(tmp_path):
    (tmp_path / "t.csv").write_text("image;emotion;who;AU01\na,1.jpg;1,5;2,5;1\nb.jpg;x;3;0\nc.jpg;x;4;0\n")
    bring_in(tmp_path / "t.csv", "table", group_column="who")
    assert rows(tmp_path, "image", "emotion", "group")[0] == ("a,1.jpg", "1,5", "2,5")


# --- capitals ---


def test_columns_are_matched_without_regard_to_capitals_and_blanks(tmp_path):
    """Success 0 in capitals is a frame without a face, not a frame with an active AU 12."""
    (tmp_path / "v.csv").write_text(
        "FRAME, Success ,CONFIDENCE,AU12_C,au01_R\n1,1,0.9,1,0.5\n2,0,0.9,1,2\n3,1,0.1,1,2\n"
    )
    (tmp_path / "e.csv").write_text("Frame, EMOTION ,Who\n1,happy,a\n2,sad,b\n3,sad,c\n")
    counts = bring_in(
        tmp_path / "v.csv", emotions=tmp_path / "e.csv", min_confidence=0.5, group_column="WHO"
    )["counts"]
    assert rows(tmp_path, "image", "emotion", "group", "AU01", "AU12") == [
        ("v_000001.jpg", "happy", "a", False, True),
        ("v_000002.jpg", "sad", "b", None, None),
        ("v_000003.jpg", "sad", "c", None, None),
    ]
    assert (counts["failed_frames"], counts["low_confidence"]) == (1, 1)


@pytest.mark.parametrize(
    ("source", "header", "line"),
    [
        ("fex", "INPUT,Frame,facescore,au12,Emotion", "/d/v.mp4,1,0.9,0.7,x"),
        ("libreface", "Frame_Idx,AU_12,Au_1_Intensity,confidence,Emotion", "1,1,2,0.9,x"),
        ("table", "IMAGE,au_12,Confidence,Emotion", "v_000001.jpg,1,0.9,x"),
    ],
)
def test_every_program_may_have_capitals(tmp_path, source, header, line):
    (tmp_path / "v.csv").write_text(f"{header}\n{line}\n")
    bring_in(tmp_path / "v.csv", source, min_confidence=0.5)
    assert rows(tmp_path, "image", "emotion", "AU12") == [("v_000001.jpg", "x", True)]


def test_names_in_options_and_parquet_columns_may_have_capitals(tmp_path):
    columns = {"File": ["a.jpg"], "Class": ["x"], "Smile": [1.0], "WHO": ["w"], "PARTITION": ["test"]}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    bring_in(
        tmp_path / "t.parquet",
        "table",
        image_column="file",
        emotion_column="class",
        au_columns="smile=12",
        group_column="who",
    )
    assert rows(tmp_path, "image", "emotion", "AU12", "group", "partition") == [
        ("a.jpg", "x", True, "w", "test")
    ]


@pytest.mark.parametrize(
    ("header", "options", "names"),
    [
        (
            "frame,success,Success,AU12_c,emotion",
            {},
            "called success, capital or small, found 'success' and 'Success'",
        ),
        ("frame,Frame,x,AU12_c,emotion", {}, "called frame, capital or small, found 'frame' and 'Frame'"),
        (
            "frame,Emotion,x,AU12_c,emotion",
            {},
            "called emotion, capital or small, found 'Emotion' and 'emotion'",
        ),
        (
            "f,Who,WHO,AU12_c,emotion",
            {"group_column": "who"},
            "called who, capital or small, found 'Who' and 'WHO'",
        ),
        ("frame,AU12_C,x,AU12_c,emotion", {}, "for AU 12, found 'AU12_C' and 'AU12_c'"),
        ("frame,AU12_R,AU12_r,x,emotion", {}, "for AU 12, found 'AU12_R' and 'AU12_r'"),
    ],
)
def test_columns_that_differ_in_capitals_alone_are_both_named(tmp_path, header, options, names):
    (tmp_path / "v.csv").write_text(f"{header}\n1,1,1,1,1\n")
    assert error(tmp_path / "v.csv", "openface", **options) == f"v.csv: expected one column {names}"


def test_columns_that_nothing_reads_may_differ_in_capitals_alone(tmp_path):
    """OpenFace writes its landmarks as x_0 (image) and X_0 (space)."""
    (tmp_path / "v.csv").write_text("frame, x_0, X_0, AU12_c, emotion\n1, 5.5, -7.5, 1, x\n")
    bring_in(tmp_path / "v.csv")
    assert rows(tmp_path, "image", "AU12") == [("v_000001.jpg", True)]


def test_two_columns_of_one_au_are_an_error_whatever_their_kind(tmp_path):
    (tmp_path / "v.csv").write_text("frame,AU1_c,AU01_c,emotion\n1,1,0,x\n")
    assert (
        error(tmp_path / "v.csv", "openface")
        == "v.csv: expected one column for AU 1, found 'AU01_c' and 'AU1_c'"
    )


# --- quotes ---


def test_line_breaks_in_quotes_are_read_also_across_blocks_and_rows_numbered(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "BLOCK_BYTES", 400)
    lines = [f'{i}.jpg,x,"a note\nof ""two"" lines, {i}",{i % 2}\n' for i in range(100)]
    (tmp_path / "t.csv").write_text("image,emotion,note,AU12\n" + "".join(lines))
    bring_in(tmp_path / "t.csv", "table")
    assert dict(rows(tmp_path, "image", "AU12")) == {f"{i}.jpg": bool(i % 2) for i in range(100)}
    (tmp_path / "new").mkdir()
    lines[70], lines[80] = lines[70].replace(",0\n", ",7\n"), '80.jpg,x,"\n"\n'
    (tmp_path / "new/t.csv").write_text("image,emotion,note,AU12\n" + "".join(lines))
    assert error(tmp_path / "new/t.csv").splitlines()[:2] == [
        "t.csv: row 71: expected 0 or 1 in column AU12, found '7'",
        "t.csv: row 81: expected 4 fields as in line 1, found 3",
    ]


def test_quotes_that_hold_no_line_break_leave_lines_their_numbers(tmp_path):
    (tmp_path / "t.csv").write_text('image,emotion,AU12\n"a.jpg","x",1\n"b.jpg","say ""x""",5\n')
    first = error(tmp_path / "t.csv").splitlines()[0]
    assert first == "t.csv:3: expected 0 or 1 in column AU12, found '5'"


# --- one fault once ---


def test_a_wrong_frame_is_reported_once_though_it_names_the_image_and_joins_the_emotion(tmp_path):
    (tmp_path / "v.csv").write_text("frame,AU12_c\n1,1\ntwo,0\n")
    (tmp_path / "e.csv").write_text("frame,emotion\n1,x\n2,y\n")
    expected = "v.csv:3: expected the number of a frame, found 'two'"
    assert error(tmp_path / "v.csv", "openface", emotions=tmp_path / "e.csv") == expected


def test_an_empty_image_is_reported_once_though_it_joins_the_emotion(tmp_path):
    (tmp_path / "t.csv").write_text("image,AU12\na.jpg,1\n,0\n")
    (tmp_path / "e.csv").write_text("image,emotion\na.jpg,x\n")
    expected = "t.csv:3: expected a value in column image, found an empty cell"
    assert error(tmp_path / "t.csv", emotions=tmp_path / "e.csv") == expected


def test_a_column_of_two_roles_is_reported_once(tmp_path):
    (tmp_path / "t.csv").write_text("image,emotion,AU12\n,x,1\n")
    expected = "t.csv:2: expected a value for the image, found an empty cell"
    assert error(tmp_path / "t.csv", group_column="image") == expected


def test_a_threshold_beyond_all_columns_is_reported_once(tmp_path):
    (tmp_path / "v.csv").write_text("frame,AU01,AU02,AU04,emotion\n1,0,0,0,x\n")
    assert error(tmp_path / "v.csv", "fex", au_threshold=50.0) == (
        "v.csv: expected --au-threshold up to 1, the most that column AU01 can have, found 50"
    )


def test_aus_of_another_kind_are_reported_once_a_table(tmp_path):
    (tmp_path / "a.csv").write_text("frame,AU01_c,AU02_c,AU04_c,emotion\n1,1,1,1,x\n")
    (tmp_path / "b.csv").write_text("frame,AU01_r,AU02_r,AU04_r,emotion\n1,1,1,1,x\n")
    with pytest.raises(RafceError) as caught:
        import_dataset(ImportOptions("openface", (tmp_path / "a.csv", tmp_path / "b.csv"), tmp_path / "data"))
    (line,) = str(caught.value).splitlines()
    assert "found AU01_r (a number from 0 to 5), and so for 2 more AUs;" in line
