"""The paper's sentences on the page and in files: every cell, verdict and count is that of the frame."""

from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal

from rafce.dataset import Dataset
from rafce.paper.lab_source import lab_source_table, printed_lab_cells
from rafce.tables import lab_statistics_table
from rafce_reports.analysis import Analysis, AnalyzeOptions, analyze
from rafce_reports.dataset_page import dataset_page, tally
from rafce_reports.dataset_report import write_frames
from rafce_reports.table1 import LAB_IS_CORRECTED
from rafce_reports.table1_text import latex, markdown

SOURCE_OF_HEAD = {
    "Table 1 as its text prints it": "printed",
    "corrected by Du et al. 2014": "corrected",
    "this dataset": "dataset",
}
CLASS_OF_VERDICT = {
    "holds": "holds",
    "fails": "fails",
    "cannot tell": "",
    "fails (but within its interval)": "fails",
}


class Shown(NamedTuple):
    """A cell of a table of the page: its text, the verdict in it, and that verdict's style classes."""

    text: str
    verdict: str
    classes: tuple[str, ...]


class Tables(HTMLParser):
    """The tables of a page by their labels, each a list of rows of cells; and all text outside of tables."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, list[list[Shown]]] = {}
        self.text = ""
        self._rows: list[list[Shown]] | None = None
        self._in_cell = self._in_verdict = False
        self.feed(page)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "table":
            self._rows = self.found.setdefault(given["aria-label"] or "", [])
        elif tag == "tr" and self._rows is not None:
            self._rows.append([])
        elif tag in ("td", "th") and self._rows is not None:
            self._rows[-1].append(Shown("", "", ()))
            self._in_cell = True
        elif tag == "span" and "verdict" in (given.get("class") or "").split():
            self._in_verdict = True
            classes = tuple((given["class"] or "").split())
            self._rows_last(lambda cell: cell._replace(classes=classes))

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self._rows = None
        elif tag in ("td", "th"):
            self._in_cell = False
        elif tag == "span":
            self._in_verdict = False

    def handle_data(self, data: str) -> None:
        if self._rows is None:
            self.text += data
        elif self._in_verdict:
            self._rows_last(lambda cell: cell._replace(verdict=cell.verdict + data))
        elif self._in_cell:
            self._rows_last(lambda cell: cell._replace(text=cell.text + data))

    def _rows_last(self, change: Callable[[Shown], Shown]) -> None:
        assert self._rows is not None
        self._rows[-1][-1] = change(self._rows[-1][-1])

    def rows(self, label: str) -> list[list[Shown]]:
        """The rows of a table, without blanks around their text."""
        return [[cell._replace(text=cell.text.strip()) for cell in row] for row in self.found[label]]


@pytest.fixture
def page_of(tmp_path, monkeypatch) -> Callable[[Analysis], Tables]:
    """The page of an analysis, without its figures, which take seconds to draw."""
    monkeypatch.setattr("rafce_reports.page.data_uri", lambda _: "data:,")
    return lambda analysis: Tables(dataset_page(analysis, tmp_path))


@pytest.fixture(scope="module")
def analysis(dataset: Dataset) -> Analysis:
    return analyze(dataset, AnalyzeOptions())


@pytest.fixture(scope="module")
def own_lab(dataset: Dataset) -> Analysis:
    """The same images beside a laboratory table of one's own."""
    table = lab_statistics_table(printed_lab_cells())
    return analyze(replace(dataset, lab_statistics=table), AnalyzeOptions())


def sentences(analysis: Analysis) -> pd.DataFrame:
    assert analysis.sentences is not None
    return analysis.sentences


@pytest.mark.parametrize("which", ["analysis", "own_lab"])
def test_each_sentence_shows_the_answer_and_the_verdict_of_each_source(which, request, page_of):
    analysis = request.getfixturevalue(which)
    head, *body = page_of(analysis).rows("The paper's sentences")
    rows = [row for row in body if len(row) > 1]
    assert len(rows) == len(sentences(analysis)) == 40
    for shown, record in zip(rows, sentences(analysis).to_dict("records"), strict=True):
        by_head = {cell.text: value for cell, value in zip(head, shown, strict=True)}
        assert by_head["the paper's sentence"].text == f"“{record['sentence']}”"
        assert by_head["it says"].text == record["paper"]
        for name, source in SOURCE_OF_HEAD.items():
            cell, verdict = by_head[name], record[f"{source}_verdict"]
            assert cell.text == record[source] + interval_of(record, source)
            assert cell.verdict == verdict
            assert set(cell.classes) - {"verdict"} == {CLASS_OF_VERDICT[verdict]} - {""}
        assert by_head["rests on"].text == rests_on(record)


def rests_on(record: dict) -> str:
    moves = record["moves"]
    numbers = f"moves {moves}" if "," in moves else f"move {moves}"
    return "; ".join(part for part in (numbers if moves else "", record["unsourced"]) if part)


def interval_of(record: dict, source: str) -> str:
    if source != "dataset" or np.isnan(record["ci_low"]):
        return ""
    return f" [{record['ci_low']:.2f}, {record['ci_high']:.2f}]"


def test_each_sentence_stands_below_the_place_where_it_stands_in_the_paper(analysis, page_of):
    places, place = [], ""
    for row in page_of(analysis).rows("The paper's sentences")[1:]:
        place = row[0].text if len(row) == 1 else place
        places += [place] if len(row) > 1 else []
    assert places == sentences(analysis)["place"].tolist()


def test_the_count_of_verdicts_is_that_of_the_frame(analysis, page_of):
    text = page_of(analysis).text
    assert tally(sentences(analysis)) in text
    words = {
        "printed": "by the table as its text prints it",
        "corrected": "by the table corrected by Du et al. 2014",
        "dataset": "by this dataset",
    }
    for source, name in words.items():
        verdicts = [word.split(" (")[0] for word in sentences(analysis)[f"{source}_verdict"]]
        holds, fails, unknown = (verdicts.count(word) for word in ("holds", "fails", "cannot tell"))
        assert f"{name} {holds} hold, {fails} fail, {unknown} cannot be told" in text
    assert "by the table as its text prints it 29 hold, 8 fail, 3 cannot be told" in text
    assert "by the table corrected by Du et al. 2014 32 hold, 6 fail, 2 cannot be told" in text


def test_the_six_moves_stand_on_the_page_with_what_the_source_has_at_both_places(analysis, page_of):
    head, *rows = page_of(analysis).rows("Moved cells")
    assert [cell.text for cell in head] == [
        *("move", "emotion", "percent", "the text prints it under AU", "there in the source"),
        *("corrected: AU", "here in the source"),
    ]
    assert [[cell.text for cell in row] for row in rows] == [
        ["1", "fearfully surprised", "35", "11", "variant 22 %", "10", "variant 35 %"],
        ["2", "fearfully surprised", "22", "12", "unobserved", "11", "variant 22 %"],
        ["3", "angrily disgusted", "79", "16", "unobserved", "17", "prototypical"],
        ["4", "angrily disgusted", "36", "20", "unobserved", "24", "variant 36 %"],
        ["5", "disgustedly surprised", "66", "16", "unobserved", "17", "variant 66 %"],
        ["6", "disgustedly surprised", "33", "20", "unobserved", "24", "variant 33 %"],
    ]


def test_the_page_says_how_far_the_laboratory_agrees_with_its_source_and_what_that_lacks(analysis, page_of):
    assert (
        "Of their 99 cells, 87 are of emotions that Du et al. 2014 have too: as the text prints them, 81 agree with "
        "the source in category and, where it gives one, percent; corrected, 87 do. Not in Du et al. 2014: happily "
        "fearful, happily sad (12 cells). The paper's row of happily sad equals its row of happily surprised."
    ) in page_of(analysis).text


def test_every_form_of_table_1_says_whether_its_laboratory_is_the_corrected_one(analysis, own_lab, page_of):
    assert LAB_IS_CORRECTED in page_of(analysis).text
    assert LAB_IS_CORRECTED in markdown(analysis.table1)
    assert LAB_IS_CORRECTED.replace("&", r"\&") in " ".join(latex(analysis.table1).split())
    assert "The laboratory of this dataset is the corrected table." in page_of(analysis).text
    assert LAB_IS_CORRECTED not in page_of(own_lab).text
    assert "The laboratory of this dataset is a table of its own, not the paper's." in page_of(own_lab).text


def test_beside_a_laboratory_of_ones_own_the_papers_columns_still_show_their_moves(
    own_lab, page_of, tmp_path
):
    assert len(page_of(own_lab).rows("Moved cells")) == 7
    write_frames(own_lab, tmp_path)
    assert (tmp_path / "lab_source.csv").exists()


def test_where_sentences_are_left_out_the_moves_of_the_paper_s_laboratory_are_still_shown(analysis, page_of):
    silent = replace(analysis, sentences=None, left_out={"sentences": "they come in groups"})
    page = page_of(silent)
    assert "Left out: they come in groups." in page.text
    assert "The paper's sentences" not in page.found
    assert len(page.rows("Moved cells")) == 7


def test_without_the_papers_laboratory_nothing_is_said_of_it(other_dataset, page_of, tmp_path):
    analysis = analyze(other_dataset, AnalyzeOptions())
    page = page_of(analysis)
    assert analysis.lab_source is None
    assert "Moved cells" not in page.found
    assert LAB_IS_CORRECTED not in page.text
    write_frames(analysis, tmp_path)
    assert not list(tmp_path.glob("lab_source.*"))


@pytest.mark.parametrize("name", ["sentences", "lab_source"])
def test_both_files_hold_the_frame(name, analysis, tmp_path):
    write_frames(analysis, tmp_path)
    frame = sentences(analysis) if name == "sentences" else lab_source_table()
    csv = pd.read_csv(tmp_path / f"{name}.csv", keep_default_na=False, na_values=[""], dtype=object)
    parquet = pq.read_table(tmp_path / f"{name}.parquet").to_pandas()
    assert list(csv) == list(parquet) == list(frame)
    for column in frame:
        filled = frame[column].astype(object).where(frame[column].notna() & (frame[column] != ""), None)
        assert [None if pd.isna(value) else value for value in csv[column]] == [
            None if value is None else str(value) for value in filled
        ]
    assert_frame_equal(parquet.astype(frame.dtypes), frame)
