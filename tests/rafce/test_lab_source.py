"""The laboratory rows of the paper's Table 1: as its text prints them, corrected, and beside their source."""

from collections import Counter

import pytest

from rafce.paper.lab_source import (
    equal_rows,
    is_corrected_table,
    lab_source_table,
    moves,
    printed_lab_cells,
    unsourced_emotions,
)
from rafce.reference import LabCell, du2014_cells, lab_cells

PRINTED_COLUMNS = (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 15, 16, 17, 20, 24, 25, 26, 27)
"""The AUs above the columns of Table 1."""

PRINTED_ROWS = {
    "fearfully surprised": "93 80 47 74 - - - - 35 22 - - - 90 - 99 51 -",
    "angrily disgusted": "- - 98 - - 60 57 93 - - - 79 - 36 - - - -",
    "disgustedly surprised": "93 90 45 73 - - 37 91 - - - 66 - 33 - - - -",
    "sadly disgusted": "49 - 97 - 61 - 20 85 35 - 54 - 47 - - 43 - -",
}
"""The three rows of the text with cells under another AU, typed off the paper, and one without."""


def row_of(cells, emotion):
    return {cell.au: cell.percent for cell in cells if cell.emotion == emotion}


@pytest.mark.parametrize("emotion", PRINTED_ROWS)
def test_the_table_as_printed_is_that_of_the_papers_text(emotion):
    fields = zip(PRINTED_COLUMNS, PRINTED_ROWS[emotion].split(), strict=True)
    assert row_of(printed_lab_cells(), emotion) == {au: float(field) for au, field in fields if field != "-"}


def test_printed_and_corrected_table_differ_in_six_cells_of_three_rows():
    printed, corrected = ({cell[:3] for cell in cells} for cells in (printed_lab_cells(), lab_cells()))
    assert len(printed) == len(corrected) == 99
    assert Counter(emotion for emotion, _, _ in printed - corrected) == {
        "fearfully surprised": 2,
        "angrily disgusted": 2,
        "disgustedly surprised": 2,
    }


def test_the_moves_lead_from_the_printed_to_the_corrected_table_and_never_onto_a_taken_cell():
    for n_moved, move in enumerate(moves()):
        before, after = (
            {(cell.emotion, cell.au): cell.percent for cell in printed_lab_cells(n)}
            for n in (n_moved, n_moved + 1)
        )
        assert before.pop((move.emotion, move.printed_au)) == move.percent
        assert (move.emotion, move.au) not in before
        assert after == before | {(move.emotion, move.au): move.percent}
    assert {cell[:3] for cell in printed_lab_cells(6)} == {cell[:3] for cell in lab_cells()}


def test_all_87_cells_of_the_twelve_shared_emotions_agree_with_the_source_in_category_and_percent():
    source = {(cell.emotion, cell.au): cell for cell in du2014_cells()}
    shared = [cell for cell in lab_cells() if cell.emotion not in ("happily fearful", "happily sad")]
    emotions = {cell.emotion for cell in shared}
    assert len(shared) == 87
    assert len(emotions) == 12
    # the same places, so that neither has a cell which the other lacks
    places = {(cell.emotion, cell.au) for cell in shared}
    assert places == {place for place in source if place[0] in emotions}
    for cell in shared:
        found = source[cell.emotion, cell.au]
        assert found.category == ("prototypical" if cell.percent >= 70 else "variant")
        assert found.percent == (None if cell.percent >= 70 else cell.percent)


def test_the_source_has_21_emotions_and_a_percent_for_variant_aus_alone():
    cells = du2014_cells()
    assert len({cell.emotion for cell in cells}) == 21
    assert len({(cell.emotion, cell.au) for cell in cells}) == len(cells) == 138
    for cell in cells:
        assert cell.category in ("prototypical", "variant")
        assert (cell.percent is None) == (cell.category == "prototypical")
        assert cell.percent is None or 20 <= cell.percent < 70


def test_two_emotions_are_not_in_the_source_and_one_of_them_repeats_another_row():
    assert unsourced_emotions() == ("happily fearful", "happily sad")
    assert equal_rows() == {"happily sad": "happily surprised"}


def test_the_table_beside_its_source_says_where_they_agree_printed_and_corrected():
    table = lab_source_table()
    assert list(table["emotion"]) == [cell.emotion for cell in lab_cells()]
    assert list(table["au"]) == [cell.au for cell in lab_cells()]
    assert list(table["printed_au"]) == [cell.au for cell in printed_lab_cells()]
    assert (table["agrees"].sum(), table["agrees"].count()) == (87, 87)
    assert (table["agrees_as_printed"].sum(), table["agrees_as_printed"].count()) == (81, 87)
    assert set(table.loc[table["agrees"].isna(), "emotion"]) == {*unsourced_emotions()}
    assert table.loc[~table["agrees_as_printed"].fillna(True), "move"].tolist() == [1, 2, 3, 4, 5, 6]
    assert (table["move"].notna() == (table["au"] != table["printed_au"])).all()


def test_a_cell_that_the_source_contradicts_is_told_from_one_that_it_bears_out(monkeypatch):
    cells = [(4, 69.0), (6, 27.0), (7, 48.0), (15, 71.0), (27, 30.0)]
    lab = tuple(LabCell("sadly angry", au, percent, "") for au, percent in cells)
    monkeypatch.setattr("rafce.paper.lab_source.lab_cells", lambda: lab)
    table = lab_source_table()
    # the source: AU 4 and 15 prototypical, AU 6 variant with 26 %, AU 7 with 48 %, no AU 27
    assert table["agrees"].tolist() == [False, False, True, True, False]
    categories = ["prototypical", "variant", "variant", "prototypical", "unobserved"]
    assert table["du2014_category"].tolist() == categories


def test_a_table_is_the_corrected_one_by_its_cells_whatever_its_notes_and_order():
    cells = [cell._replace(note="") for cell in lab_cells()[::-1]]
    assert is_corrected_table(cells)
    assert not is_corrected_table(cells[1:])
    assert not is_corrected_table([*cells, LabCell("happily sad", 4, 50.0, "")])
    assert not is_corrected_table(printed_lab_cells())
    assert not is_corrected_table([])
