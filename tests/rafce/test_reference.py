"""The shipped tables say what the paper prints, and a user's own table is read strictly."""

import re
from pathlib import Path

import pytest

from rafce.errors import LabelError
from rafce.reference import (
    FRACTIONS,
    LabCell,
    lab_cells,
    lab_faults,
    lab_table,
    paper_table2,
    paper_table3,
    paper_wild_cells,
    paper_wild_table,
    read_lab_table,
)
from rafce.taxonomy import AUS, COMPOUND_EMOTIONS

HEADER = "emotion,au,percent,note\n"


@pytest.fixture
def lab_file(tmp_path: Path):
    def write(content: str | bytes) -> Path:
        path = tmp_path / "lab.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_the_tables_have_the_cells_that_the_paper_prints():
    assert len(lab_cells()) == 99
    assert len(paper_wild_cells()) == 94
    for cells in (lab_cells(), paper_wild_cells()):
        assert {cell.emotion for cell in cells} == set(COMPOUND_EMOTIONS)
        assert all(20 <= cell.percent <= 100 for cell in cells)
    assert {cell.au for cell in paper_wild_cells()} <= set(AUS)
    assert {cell.au for cell in lab_cells()} - set(AUS) == {11}


def test_the_example_of_equation_4_stands_in_the_wild_table():
    row = {cell.emotion: cell.percent for cell in paper_wild_cells() if cell.au == 9}
    assert row == {
        "happily disgusted": 24,
        "sadly angry": 29,
        "fearfully angry": 56,
        "angrily disgusted": 33,
    }


def test_the_moved_cells_and_the_doubtful_row_are_flagged():
    notes = [cell.note for cell in lab_cells() if cell.note]
    assert sum(note.startswith("printed under AU") for note in notes) == 6
    assert sum("identical to happily surprised" in note for note in notes) == 6
    assert len(notes) == 12
    twins = [
        {cell.au: cell.percent for cell in lab_cells() if cell.emotion == emotion}
        for emotion in ("happily surprised", "happily sad")
    ]
    assert twins[0] == twins[1]


def test_the_frames_hold_the_same_cells():
    for frame, cells in ((lab_table(), lab_cells()), (paper_wild_table(), paper_wild_cells())):
        assert [LabCell(*row) for row in frame.itertuples(index=False)] == list(cells)


def test_table_2_holds_each_figure_once():
    table = paper_table2()
    assert len(table) == 3 * (14 + 2)
    assert set(table.loc[table["measure"] == "recall", "emotion"]) == set(COMPOUND_EMOTIONS)
    overall = table[table["measure"] != "recall"].set_index(["method", "measure"])["percent"]
    assert overall["MML", "accuracy"] == 55.23
    assert overall["STL", "uar"] == 28.12


def test_the_diagonal_of_table_2_is_the_mean_of_its_recalls():
    table = paper_table2()
    recalls = table[table["measure"] == "recall"].groupby("method")["percent"].mean()
    diagonals = table[table["measure"] == "uar"].set_index("method")["percent"]
    assert (recalls - diagonals).abs().max() < 0.01


def test_table_3_holds_each_figure_once_and_mal_without_statistics():
    table = paper_table3()
    assert len(table) == 5 * 2
    assert set(table.loc[table["statistics"].isna(), "method"]) == {"MAL"}
    cell = table[(table["statistics"] == "wild") & (table["method"] == "MML") & (table["measure"] == "uar")]
    assert cell["percent"].tolist() == [31.68]


def test_a_users_table_is_read_with_and_without_notes(lab_file):
    cells = (LabCell("sadly angry", 4, 97.5, ""), LabCell("sadly angry", 11, 20.0, ""))
    assert read_lab_table(lab_file("emotion,au,percent\nsadly angry,4,97.5\nsadly angry,11,20\n")) == cells
    noted = read_lab_table(lab_file(HEADER + 'sadly angry,4,97.5,"moved, see p. 3"\n'))
    assert noted[0].note == "moved, see p. 3"


def test_column_order_byte_order_mark_and_line_ends_do_not_matter(lab_file):
    expected = (LabCell("sadly angry", 4, 97.0, ""),)
    for text in (
        "au,percent,emotion\r\n 04 , 97 ,sadly angry\r\n",
        "\ufeffemotion,au,percent\nsadly angry,4,97",
    ):
        assert read_lab_table(lab_file(text)) == expected


def test_the_emotions_allowed_are_an_argument(lab_file):
    assert (
        read_lab_table(lab_file("emotion,au,percent\nawed,4,30\n"), emotions=("awed",))[0].emotion == "awed"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "emotion,au\n",
            "lab.csv:1: expected the columns emotion, au, percent and perhaps note, found no percent",
        ),
        ("emotion,au,percent,n\nsadly angry,4,97,3\n", "lab.csv:1: .*found 'n'"),
        ("emotion,au,percent,au\nsadly angry,4,97,4\n", "lab.csv:1: .*found au twice"),
        (HEADER, "lab.csv:1: expected a row for each cell below the header, found none"),
        (HEADER + "sadly angry,4,97\n", "lab.csv:2: expected 4 fields, found 3"),
        (HEADER + "\n", "lab.csv:2: expected 4 fields, found 0"),
        (HEADER + "Sadly angry,4,97,\n", "lab.csv:2: expected an emotion such as .*, found 'Sadly angry'"),
        (HEADER + "sadly angry,3,97,\n", "lab.csv:2: expected a FACS code, found '3'"),
        (HEADER + "sadly angry,AU4,97,\n", "lab.csv:2: expected a FACS code, found 'AU4'"),
        (HEADER + "sadly angry,4,100.5,\n", "lab.csv:2: expected a percent from 0 to 100, found '100.5'"),
        (HEADER + "sadly angry,4,nan,\n", "lab.csv:2: expected a percent from 0 to 100, found 'nan'"),
        (HEADER + "sadly angry,4,-1,\n", "lab.csv:2: expected a percent from 0 to 100, found '-1'"),
        (HEADER + "sadly angry,4,1_0,\n", "lab.csv:2: expected a percent from 0 to 100, found '1_0'"),
        (
            HEADER + "sadly angry,4,97,\nsadly angry,04,98,\n",
            r"lab.csv:3: expected each emotion and AU once, found sadly angry, AU 4 again \(line 2\)",
        ),
        (
            HEADER + 'sadly angry,4,97,"open\n',
            "lab.csv:2: expected comma-separated values: unexpected end of data",
        ),
        (b"emotion,au,percent\nsadly angry\0,4,97\n", "lab.csv:2: expected text, found a NUL byte"),
        (b"emotion,au,percent\nsadly angr\xe9,4,97\n", "lab.csv:2: expected UTF-8 text, found the byte 0xe9"),
        (b"", "lab.csv: expected labels, found an empty file"),
    ],
)
def test_a_bad_table_is_refused_with_its_line(lab_file, text, message):
    with pytest.raises(LabelError, match=message):
        read_lab_table(lab_file(text))


@pytest.mark.parametrize("percents", [("0.97", "1.0", "0.6"), ("1", "0"), ("0.5",)])
def test_fractions_are_no_percents(lab_file, percents):
    rows = "".join(f"sadly angry,{au},{percent},\n" for au, percent in zip((1, 2, 4), percents, strict=False))
    path = lab_file(HEADER + rows)
    with pytest.raises(LabelError) as caught:
        read_lab_table(path)
    assert str(caught.value) == f"{path}:2: {FRACTIONS}"
    assert "write a fraction such as 0.97 as 97" in FRACTIONS


def test_small_percents_beside_a_larger_one_are_percents(lab_file):
    cells = read_lab_table(lab_file(HEADER + "sadly angry,4,0.5,\nsadly angry,1,1.5,\n"))
    assert [cell.percent for cell in cells] == [0.5, 1.5]


def test_the_cells_of_a_dataset_are_checked_as_those_of_a_file():
    cells = [
        LabCell("sad", 4, 97.0, ""),
        LabCell("sad", -7, -400.0, ""),
        LabCell("glad", 4, float("nan"), ""),
        LabCell("sad", 4, 97.0, ""),
    ]
    assert lab_faults(cells, ("sad", "angry")) == [
        (1, "expected a FACS code, found -7"),
        (1, "expected a percent from 0 to 100, found -400.0"),
        (2, "expected an emotion such as 'sad', found 'glad'"),
        (2, "expected a percent from 0 to 100, found nan"),
        (3, "expected each emotion and AU once, found sad, AU 4 again (row 1)"),
    ]
    assert lab_faults([LabCell("sad", 4, 0.97, "")], ("sad",)) == [(0, FRACTIONS)]
    assert lab_faults([], ("sad",)) == []


def test_a_missing_table_is_refused(tmp_path: Path):
    with pytest.raises(LabelError, match=re.escape(str(tmp_path / "none.csv"))):
        read_lab_table(tmp_path / "none.csv")


def test_every_fault_is_listed_up_to_twenty(lab_file):
    with pytest.raises(LabelError) as caught:
        read_lab_table(lab_file(HEADER + "happy,3,101,\n" * 10))
    lines = str(caught.value).splitlines()
    assert len(lines) == 21
    assert lines[-1] == "… and 19 more"  # 3 faults a row, and 9 repeats
