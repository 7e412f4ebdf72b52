"""One bad table for each fault: file and line, what was expected, what stood there; nothing is written."""

import re
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rafce.errors import ConfigError, LabelError, RafceError
from rafce.imports.emotions import UNLABELLED
from rafce.imports.files import open_table
from rafce.imports.importing import import_dataset
from rafce.imports.options import ImportOptions

HEADER = "image,emotion,AU01,AU12\n"
UNKNOWN_CODES = "--unknown 9,… names codes that mean unknown"
NAMES = "--au-columns: expected names with one number, such as AU01, or smile=12"
GOOD = HEADER + "a.jpg,glad,1,0\nb.jpg,sad,0,1\nc.jpg,glad,0,0\n"


def message(
    folder: Path, source: str = "table", tables: Mapping[str, str | bytes] | None = None, **options
) -> str:
    """What is said of tables written to a folder, with the folder's name left out."""
    for name, content in (tables or {}).items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    inputs = tuple(folder / name for name in tables or {})
    options = {
        name: folder / value if name in ("emotions", "lab") else value for name, value in options.items()
    }
    with pytest.raises(RafceError) as caught:
        import_dataset(ImportOptions(source, inputs or (folder,), folder / "data", **options))
    assert not (folder / "data").exists()
    assert not list(folder.glob(".*"))
    return str(caught.value).replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "t.csv:1: expected the names of the columns, found an empty file"),
        (b"\n" + GOOD.encode(), "t.csv:1: expected the names of the columns, found an empty line"),
        (HEADER, "t.csv: expected rows below the names of the columns, found none"),
        (b"image,emoti\xe9n\n", "t.csv:1: expected UTF-8 text, found the byte 0xe9"),
        (GOOD.encode() + b"d\xe9.jpg,glad,1,1\n", "t.csv:5: expected UTF-8 text, found the byte 0xe9"),
        (GOOD.encode() + b"d.jpg,glad,1,\xc3", "t.csv:5: expected UTF-8 text, found the byte 0xc3"),
        (GOOD.encode() + b"d\0.jpg,glad,1,1\n", "t.csv:5: expected text, found a NUL byte"),
        ("image,emotion,AU01,AU01\n", "t.csv:1: expected each column once, found AU01 twice"),
        (
            "image,emotion,AU01,AU1\na.jpg,glad,1,1\n",
            "t.csv: expected one column for AU 1, found 'AU01' and 'AU1'",
        ),
        ("image,emotion,AU03\na.jpg,glad,1\n", "t.csv: expected a FACS code in the name of a column, found 'AU03'"),
        ("image,emotion\na.jpg,glad\n", "t.csv: expected columns of AUs such as AU01, found image, emotion"),
        (GOOD + "d.jpg,glad,1\n", "t.csv:5: expected 4 fields as in line 1, found 3"),
        (GOOD + "d.jpg,glad,1,0,0\n", "t.csv:5: expected 4 fields as in line 1, found 5"),
        (GOOD + "d.jpg,glad,2,1\n", "t.csv:5: expected 0 or 1 in column AU01, found '2'"),
        (GOOD + "d.jpg,glad,0.5,1\n", "t.csv:5: expected 0 or 1 in column AU01, found '0.5'"),
        (GOOD + "d.jpg,glad,-2,1\n", "t.csv:5: expected 0 or 1 in column AU01, found '-2'"),
        (GOOD + "d.jpg,glad,inf,1\n", "t.csv:5: expected 0 or 1 in column AU01, found 'inf'"),
        (GOOD + "d.jpg,glad,yes,1\n", "t.csv:5: expected 0 or 1 in column AU01, found 'yes'"),
        (GOOD + "d.jpg,glad,1_0,1\n", "t.csv:5: expected 0 or 1 in column AU01, found '1_0'"),
        (GOOD + "d.jpg,glad,١,1\n", "t.csv:5: expected 0 or 1 in column AU01, found '١'"),
        (GOOD + "d.jpg, ,0,1\n", "t.csv:5: expected a value for the emotion, found an empty cell"),
        (GOOD + "d.jpg,NA,0,1\n", "t.csv:5: expected a value for the emotion, found 'NA'"),
        (GOOD + "d.jpg,nan,0,1\n", "t.csv:5: expected a value for the emotion, found 'nan'"),
        (GOOD + ",glad,0,1\n", "t.csv:5: expected a value for the image, found an empty cell"),
        (GOOD + "faces/..,glad,0,1\n", "t.csv:5: expected the name of an image, found 'faces/..'"),
        (GOOD + "a.jpg,sad,0,1\n", "t.csv:5: expected each image once, found a.jpg again (t.csv:2)"),
        (GOOD + "x/a.jpg,sad,0,1\n", "t.csv:5: expected each image once, found a.jpg again (t.csv:2)"),
        (GOOD + "\n", "t.csv:5: expected a value for the image, found an empty cell"),
        ("AU01,AU12\n1,0\n", "t.csv: expected a column emotion, --emotion-column NAME or --emotions FILE, found none: "
         "what a program predicts is never taken for a label"),
    ],
)  # fmt: skip
def test_a_bad_table_gets_one_exact_error(tmp_path, content, expected):
    found = message(tmp_path, tables={"t.csv": content})
    assert found.splitlines()[0] == expected


@pytest.mark.parametrize(
    ("source", "header", "row", "options", "expected"),
    [
        ("openface", "frame, success, AU01_c", "1, 2, 1", {}, "0 or 1 for a face that was tracked, found '2'"),
        ("openface", "frame, success, AU01_c", "1, , 1", {}, "0 or 1 for a face that was tracked, found an empty cell"),
        ("openface", "frame, AU01_c", "1.5, 1", {}, "the number of a frame, found '1.5'"),
        ("openface", "frame, AU01_c", "-1, 1", {}, "the number of a frame, found '-1'"),
        ("openface", "frame, AU01_c", "one, 1", {}, "the number of a frame, found 'one'"),
        ("openface", "frame, AU01_r", "1, 7", {}, "a number from 0 to 5 in column AU01_r, found '7'"),
        ("openface", "frame, AU01_r", "1, -0.5", {}, "a number from 0 to 5 in column AU01_r, found '-0.5'"),
        ("openface", "frame, confidence, AU01_c", "1, 1.5, 1", {"min_confidence": 0.5},
         "a confidence from 0 to 1, found '1.5'"),
        ("fex", "frame,AU01", "1,1.01", {}, "a number from 0 to 1 in column AU01, found '1.01'"),
        ("libreface", "frame_idx,au_1", "1,3", {}, "0 or 1 in column au_1, found '3'"),
        ("libreface", "frame_idx,au_1_intensity", "1,5.5", {},
         "a number from 0 to 5 in column au_1_intensity, found '5.5'"),
        ("table", "frame,AU01", "1,9", {"au_threshold": 2.0}, "a number from 0 to 5 in column AU01, found '9'"),
        ("table", "frame,AU01", "1,101", {"au_threshold": 50.0, "au_range": "0,100"},
         "a number from 0 to 100 in column AU01, found '101'"),
        ("table", "frame,AU01", "1,-10.5", {"au_threshold": 0.0, "au_range": "-10,10"},
         "a number from -10 to 10 in column AU01, found '-10.5'"),
        ("table", "frame,AU01,partition", "1,1,eval", {}, "one of train, validation, test, found 'eval'"),
        ("table", "frame,AU01,partition", "1,1,1", {}, "one of train, validation, test, found '1'"),
        ("table", "frame,AU01,partition", "1,1,", {}, "a value for the partition, found an empty cell"),
        ("table", "frame,AU01,who", "1,1,", {"group_column": "who"}, "a value for the group, found an empty cell"),
    ],
)  # fmt: skip
def test_a_value_that_its_program_does_not_write_is_named(tmp_path, source, header, row, options, expected):
    tables = {"t.csv": f"{header},emotion\n{row},glad\n"}
    assert message(tmp_path, source, tables, **options).splitlines()[0] == f"t.csv:2: expected {expected}"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"emotion_column": "class"}, "t.csv: expected a column class (--emotion-column)"),
        ({"image_column": "file"}, "t.csv: expected a column file (--image-column)"),
        ({"group_column": "who"}, "t.csv: expected a column who (--group-column)"),
        ({"min_confidence": 0.5}, "t.csv: expected a column confidence (--min-confidence)"),
        ({"au_columns": "AU01,AU13"}, "--au-columns: expected columns of the table, found none called AU13"),
        ({"au_columns": "smile"}, f"{NAMES}, found 'smile'"),
        ({"au_columns": "smile=x"}, f"{NAMES}, found 'smile=x'"),
        ({"split": "60/40"}, "--split: expected three positive shares such as 60/20/20, found '60/40'"),
        ({"emotions": "none.csv"}, "none.csv: expected a file to read: No such file or directory"),
    ],
)  # fmt: skip
def test_an_option_that_does_not_fit_the_table_is_named(tmp_path, options, expected):
    assert message(tmp_path, tables={"t.csv": GOOD}, **options).startswith(expected)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"min_confidence": 1.5}, "--min-confidence: expected a number from 0 to 1, found 1.5"),
        ({"group_column": "frame"}, "expected what images share, such as video or subject, found frame"),
        ({"au_threshold": 0.0}, "--au-threshold: expected a positive number, found 0"),
        ({"au_threshold": float("nan")}, "--au-threshold: expected a positive number, found nan"),
        (
            {"emotions": Path("e.csv"), "emotion_column": "class"},
            "expected --emotions or --emotion-column, found both",
        ),
    ],
)
def test_an_option_that_no_table_fits_is_named(options, expected):
    with pytest.raises(ConfigError, match=re.escape(expected)):
        ImportOptions("table", (Path("t.csv"),), **options)


@pytest.mark.parametrize(
    ("emotions", "expected"),
    [
        ("frame,label\n1,glad\n", "e.csv: expected a column emotion, found frame, label"),
        (
            "clip,emotion\n1,glad\n",
            "e.csv: expected one of the columns image, input, frame, video, subject that v.csv has too, "
            "found clip, emotion here and frame, AU01_c there",
        ),
        ("frame,emotion\n1,glad\n1,sad\n", "e.csv:3: expected each key once, found frame 1 again (e.csv:2)"),
        ("frame,emotion\n1,glad\n", "v.csv:3: expected a row of e.csv with frame 2, found none"),
        (
            "video,frame,emotion\nv,1,glad\nw,2,sad\n",
            "v.csv:3: expected a row of e.csv with frame 2, video v, found none",
        ),
        ("frame,emotion\n1,glad\n2,\n", "e.csv:3: expected a value in column emotion, found an empty cell"),
        ("frame,emotion\n1,glad\ntwo,sad\n", "e.csv:3: expected the number of a frame, found 'two'"),
        ("frame,emotion\n1,glad\n2,sad,3\n", "e.csv:3: expected 2 fields as in line 1, found 3"),
        ("frame,emotion\n1,glad\n2,\0\n", "e.csv:3: expected text, found a NUL byte"),
        ("frame,emotion\n", "e.csv: expected rows below the names of the columns, found none"),
    ],
)
def test_a_bad_emotions_file_gets_one_exact_error(tmp_path, emotions, expected):
    (tmp_path / "e.csv").write_text(emotions)
    found = message(tmp_path, "openface", {"v.csv": "frame, AU01_c\n1, 1\n2, 0\n"}, emotions="e.csv")
    assert found.splitlines()[0] == expected
    assert set(found.splitlines()[1:]) <= {UNLABELLED}


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ({"t.xlsx": GOOD}, "t.xlsx: expected the name of a table (.csv, .tsv, .txt, .parquet), found .xlsx"),
        ({"t": GOOD}, "t: expected the name of a table (.csv, .tsv, .txt, .parquet), found no suffix"),
        ({"t.parquet": GOOD}, "t.parquet: expected a Parquet file: "),
        (
            {"1.csv": GOOD, "2.csv": "frame,emotion,AU01\n1,glad,1\n"},
            "1.csv: expected a column for the frame as in 2.csv, found none\n"
            "2.csv: expected a column for the image as in 1.csv, found none",
        ),
        (
            {"1.csv": GOOD, "2.csv": GOOD},
            "2.csv:2: expected each image once, found a.jpg again (1.csv:2)\n"
            "2.csv:3: expected each image once, found b.jpg again (1.csv:3)\n"
            "2.csv:4: expected each image once, found c.jpg again (1.csv:4)",
        ),
    ],
)
def test_files_that_do_not_fit_are_named(tmp_path, tables, expected):
    assert message(tmp_path, tables=tables).startswith(expected)


def test_missing_files_and_empty_folders_are_named(tmp_path):
    (tmp_path / "empty").mkdir()
    for name, expected in (
        ("empty", "empty: expected *.csv, *.tsv or *.parquet files in this folder, found none"),
        ("no.csv", "no.csv: expected a file to read: No such file or directory"),
    ):
        with pytest.raises(RafceError, match=re.escape(expected)):
            import_dataset(ImportOptions("table", (tmp_path / name,), tmp_path / "data"))
    (tmp_path / "t.csv").write_text(GOOD)
    with pytest.raises(RafceError, match="expected each file once, found it 2 times"):
        import_dataset(ImportOptions("table", (tmp_path / "t.csv", tmp_path), tmp_path / "data"))


def test_an_intensity_that_no_row_can_reach_is_no_threshold(tmp_path):
    found = message(tmp_path, "fex", {"t.csv": "frame,AU01,emotion\n1,0.5,glad\n"}, au_threshold=50.0)
    assert found == ("t.csv: expected --au-threshold up to 1, the most that column AU01 can have, found 50")


def test_an_au_means_the_same_in_every_table(tmp_path):
    tables = {
        "a.csv": "frame,AU01_r,AU01_c,emotion\n1,0.5,1,glad\n",
        "b.csv": "frame,AU01_r,emotion\n1,0.5,glad\n",
    }
    assert message(tmp_path, "openface", tables) == (
        "b.csv: expected AU 1 as AU01_c (0 or 1) like in a.csv, found AU01_r (a number from 0 to 5); "
        "--au-threshold takes intensities alone"
    )


def test_frames_alone_do_not_tell_several_tables_apart(tmp_path):
    (tmp_path / "e.csv").write_text("frame,emotion\n1,glad\n")
    tables = {"a.csv": "frame,AU01_c\n1,1\n", "b.csv": "frame,AU01_c\n1,0\n"}
    assert message(tmp_path, "openface", tables, emotions="e.csv") == (
        "e.csv: expected a column beside frame that tells the 2 tables apart, such as video, found frame, emotion"
    )


def test_tables_are_joined_on_the_same_columns(tmp_path):
    (tmp_path / "e.csv").write_text("image,frame,emotion\na.jpg,1,glad\n")
    tables = {"a.csv": "file,image,frame,AU01\nx,a.jpg,1,1\n", "b.csv": "file,frame,AU01\nx,1,1\n"}
    assert message(tmp_path, "table", tables, image_column="file", emotions="e.csv") == (
        "b.csv: expected the columns image, frame that e.csv has too, as in a.csv, found frame"
    )


def test_tables_of_a_folder_that_would_not_be_read_are_named(tmp_path):
    videos = tmp_path / "videos"
    (videos / "more").mkdir(parents=True)
    for name in ("a.csv", "more/b.csv", "c.csv.gz"):
        (videos / name).write_text(GOOD)
    with pytest.raises(RafceError) as caught:
        import_dataset(ImportOptions("table", (videos,), tmp_path / "data"))
    expected = (
        f"expected all tables as *.csv, *.tsv or *.parquet in {videos} itself, or each file or folder named"
    )
    assert str(caught.value).splitlines() == [
        f"{videos / 'more/b.csv'}: {expected}, found this one elsewhere",
        f"{videos / 'c.csv.gz'}: {expected}, found this one compressed",
    ]


def test_damage_anywhere_in_a_footer_is_an_error_or_leaves_names_readable(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"image": ["a.jpg"], "emotion": ["glad"], "AU01": [True]}), path)
    whole, said = path.read_bytes(), list[str]()
    for at in range(whole.index(b"schema") - 20, len(whole)):
        path.write_bytes(whole[:at] + b"\xff" + whole[at + 1 :])
        try:
            assert len(open_table(path).columns) <= 3
        except LabelError as error:
            said.append(str(error))
    assert len(said) > 20
    assert all(text.startswith(f"{path}") for text in said)


def test_faults_of_all_files_are_named_in_order_up_to_twenty(tmp_path):
    bad = HEADER + "".join(
        f"{{0}}{i}.jpg,glad,{'2' if i % 2 else '1'},{'7' if i % 3 == 0 else '0'}\n" for i in range(18)
    )
    found = message(
        tmp_path, tables={"1.csv": bad.format("a") + "short\n", "2.csv": bad.format("b")}
    ).splitlines()
    assert found[0] == "1.csv:2: expected 0 or 1 in column AU12, found '7'"
    numbered = [re.match(r"(\d)\.csv:(\d+)", line) for line in found[:20]]
    places = [(int(match[1]), int(match[2])) for match in numbered if match]
    assert places == sorted(places)
    assert (1, 20) in places
    # 9 odd rows and 6 multiples of three in each file, and the short line
    assert found[20] == f"… and {2 * 15 + 1 - 20} more"
    assert found[21:] == [f"({UNKNOWN_CODES}; --au-threshold X takes intensities from 0 to 5 or A to E)"]


def test_a_line_keeps_its_number_behind_lines_that_do_not_fit(tmp_path):
    content = HEADER + "short\na.jpg,glad,1,1\n1,2,3,4,5\nb.jpg,sad,2,1\n"
    found = message(tmp_path, tables={"t.csv": content}).splitlines()
    assert "t.csv:5: expected 0 or 1 in column AU01, found '2'" in found
    assert len(found) == 4
    assert UNKNOWN_CODES in found[-1]


def test_parquet_rows_are_numbered_and_their_types_checked(tmp_path):
    columns = {"image": ["a.jpg", "b.jpg"], "emotion": ["x", "y"], "AU01": [1, 2]}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    assert message(tmp_path).splitlines()[0] == "t.parquet: row 2: expected 0 or 1 in column AU01, found 2"
    pq.write_table(pa.table(columns | {"AU01": [[1], [0]]}), tmp_path / "t.parquet")
    assert (
        message(tmp_path)
        == "t.parquet: expected text, numbers or bool in column AU01, found list<element: int64>"
    )


def test_more_classes_than_an_id_holds_are_an_error(tmp_path):
    rows = "".join(f"{i}.jpg,{i / 1000},1,1\n" for i in range(128))
    found = message(tmp_path, tables={"t.csv": HEADER + rows})
    assert found.startswith(
        "t.csv: expected at most 127 emotions in column emotion, found more: 0.0, 0.001, "
    )


def test_fewer_groups_than_partitions_are_an_error(tmp_path):
    found = message(
        tmp_path, "openface", {"v.csv": "frame, emotion, AU01_c\n1, x, 1\n"}, group_column="video"
    )
    assert found == "--group-column: expected at least 3 groups, one for each partition, found 1: v"


def test_a_group_in_two_partitions_is_an_error(tmp_path):
    content = (
        "image,emotion,AU01,who,partition\na.jpg,x,1,anna,train\nb.jpg,x,1,anna,test\nc.jpg,x,0,bert,train\n"
    )
    found = message(tmp_path, tables={"t.csv": content}, group_column="who")
    assert "group anna: expected in one partition, found in train and test" in found
