"""Table 1: the paper's own numbers give the paper's table, in every form that it is printed in."""

import re
import shutil
import subprocess
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from rafce.dataset import Dataset
from rafce.reference import lab_cells, paper_wild_cells
from rafce.schema import au_column
from rafce.statistics import Counts
from rafce.streaming import count_aus, count_here
from rafce.tables import au_statistics_table
from rafce_reports.figure1 import class_counts, images_in
from rafce_reports.page import render_part
from rafce_reports.table1 import Cell, Table1, caption, category_of, table1, tidy
from rafce_reports.table1_text import latex, markdown


def table1_of(dataset: Dataset, scope: str) -> Table1:
    """Table 1 as the dataset's statistics have it, with the images of its samples."""
    tally = count_here(count_aus, dataset.samples)
    return table1(dataset, scope, images_in(class_counts(tally.images_PE, dataset.emotions), scope))


@pytest.fixture
def printed(printed_dataset: Dataset) -> Table1:
    return table1_of(printed_dataset, "all")


def test_the_papers_numbers_give_its_94_wild_cells_and_its_lab_rows(printed):
    wild = {(e, au): c.rounded for e, row in printed.of("wild").items() for au, c in row.observed().items()}
    lab = {(e, au): c.percent for e, row in printed.of("lab").items() for au, c in row.observed().items()}
    assert wild == {(cell.emotion, cell.au): cell.percent for cell in paper_wild_cells()}
    assert len(wild) == 94
    assert lab == {(cell.emotion, cell.au): cell.percent for cell in lab_cells()}


def test_the_papers_numbers_give_its_columns_and_exclusive_aus(printed):
    assert printed.aus == (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 15, 16, 17, 20, 24, 25, 26, 27)
    assert printed.only("wild") == (16, 27)
    assert printed.only("lab") == (7, 11, 15, 20, 24)


def test_rows_stand_in_the_order_of_the_emotions_wild_before_lab(printed, dataset):
    expected = [(emotion, place) for emotion in dataset.emotions for place in ("wild", "lab")]
    assert [(row.emotion, row.environment) for row in printed.rows] == expected


@pytest.mark.parametrize("scope", ["all", "train", "validation", "test"])
def test_cells_equal_a_count_over_the_samples(dataset, scope):
    samples = [
        row
        for row in pq.read_table(dataset.folder / "samples.parquet").to_pylist()
        if scope in ("all", row["partition"])
    ]
    sizes = Counter(row["emotion"] for row in samples)
    active = Counter((row["emotion"], au) for row in samples for au in dataset.aus if row[au_column(au)])
    for emotion, row in table1_of(dataset, scope).of("wild").items():
        assert row.n == sizes[emotion]
        for au, cell in row.cells.items():
            assert cell.percent == pytest.approx(100 * active[emotion, au] / sizes[emotion])


@pytest.mark.parametrize(
    ("percent", "category"),
    [(100, "prototypical"), (70, "prototypical"), (69.9, "variant"), (20, "variant"), (19.9, "unobserved")],
)
def test_a_printed_percentage_falls_on_the_right_side(percent, category):
    assert category_of(percent) == category


@pytest.mark.parametrize(
    ("count", "n", "printed"), [(1, 8, 13), (1, 40, 3), (3, 8, 38), (1, 3, 33), (2, 3, 67)]
)
def test_halves_round_up(count, n, printed):
    assert Cell(100 * count / n, "variant", count=count, n=n).rounded == printed


def test_the_dagger_marks_what_is_less_than_95_percent_sure(dataset):
    table = table1_of(dataset, "all")
    for record in dataset.au_statistics.to_pylist():
        if record["scope"] == "all":
            cell = table.of("wild")[record["emotion"]].cells[record["au"]]
            assert cell.unsure == (record[f"p_{record['category']}"] < 0.95)
    assert any(cell.unsure for row in table.of("wild").values() for cell in row.observed().values())
    assert not any(cell.unsure for row in table.of("lab").values() for cell in row.cells.values())


def test_tidy_holds_the_observed_cells_unrounded_and_the_lab_without_intervals(dataset):
    frame = tidy(table1_of(dataset, "all"))
    assert frame.columns.tolist() == [
        "emotion",
        "environment",
        "au",
        "n",
        "percent",
        "ci_low",
        "ci_high",
        "category",
    ]
    assert (frame["percent"] >= 20).all()
    wild, lab = frame[frame["environment"] == "wild"], frame[frame["environment"] == "lab"]
    assert ((wild["ci_low"] < wild["percent"]) & (wild["percent"] <= wild["ci_high"])).all()
    assert lab[["n", "ci_low", "ci_high"]].isna().all(axis=None)
    images = pd.Series(
        pq.read_table(dataset.folder / "samples.parquet")["emotion"].to_pylist()
    ).value_counts()
    assert wild["n"].tolist() == [images[emotion] for emotion in wild["emotion"]]
    assert len(lab) == len(lab_cells())


def test_csv_and_parquet_hold_the_same_and_the_vocabulary(reports, dataset):
    table = pq.read_table(reports / "table1.parquet")
    pd.testing.assert_frame_equal(
        pd.read_csv(reports / "table1.csv"), table.to_pandas(), check_dtype=False, rtol=1e-12
    )
    samples = pq.read_schema(dataset.folder / "samples.parquet").metadata
    assert table.schema.metadata == {**samples, b"rafce.schema": b"table1/1"}


def test_markdown_reads_back_as_the_table(printed):
    rows = [line.strip("| ").split(" | ") for line in markdown(printed).splitlines() if line.startswith("|")]
    heads = [re.sub("<.*?>", "", head) for head in rows[0]]
    assert heads == ["emotion", "n", *map(str, printed.aus)]
    for fields, row in zip(rows[2:], printed.rows, strict=True):
        figures = [re.sub("<.*?>|[*† ]", "", field) for field in fields[2:]]
        figures += [""] * (len(printed.aus) - len(figures))  # the strip above took empty last cells along
        expected = {au: cell.rounded for au, cell in row.observed().items()}
        assert {au: int(f) for au, f in zip(printed.aus, figures, strict=True) if f} == expected
        assert [au for au, f in zip(printed.aus, fields[2:], strict=False) if "**" in f] == [
            au for au, cell in row.observed().items() if cell.percent >= 70
        ]


def test_each_row_is_named_by_its_emotion_and_environment_in_markdown_and_latex(printed):
    rows = [line.strip("| ").split(" | ") for line in markdown(printed).splitlines() if line.startswith("|")][
        2:
    ]
    lines = [
        line.split(" & ") for line in latex(printed).splitlines() if line.endswith(r"\\") and " & " in line
    ][1:]
    for fields, cells, row in zip(rows, lines, printed.rows, strict=True):
        is_lab = row.environment == "lab"
        assert fields[0] == (f"{row.emotion}, lab" if is_lab else row.emotion)
        assert cells[0] == (r"\quad in the lab" if is_lab else row.emotion)
        assert fields[1].strip() == cells[1].strip() == row.size
        for au, cell in zip(printed.aus, cells[2:], strict=True):
            figure = re.sub(r"\\rlap\{.*|\\[a-z]+\{(rafce\w+\})?|[^0-9]", "", cell)
            assert figure == (str(row.cells[au].rounded) if au in row.observed() else "")


def test_exclusive_aus_are_underlined_and_coloured_in_latex_and_html(printed, reports):
    text = latex(printed)
    assert text.count(r"\textcolor{rafcewild}") == 2 + 12  # heads and cells of AU 16 and 27
    assert r"\textcolor{rafcelab}{\underline{\textbf{83}}}" in text  # sadly angry, AU 15
    assert 'class="only-lab"><span class="value"' in (reports / "table1.html").read_text(encoding="utf-8")


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no pdflatex here to compile table1.tex with")
@pytest.mark.parametrize("which", ["reports", "other_reports"])
def test_latex_compiles_alone_and_inside_a_paper(which, request, tmp_path):
    shutil.copy(request.getfixturevalue(which) / "table1.tex", tmp_path)
    (tmp_path / "paper.tex").write_text(
        "\\documentclass[twocolumn]{article}\\usepackage[width=17.5cm]{geometry}\n"
        "\\usepackage{booktabs}\\usepackage{xcolor}\n"
        "\\begin{document}Before.\\input{table1}After.\\end{document}\n"
    )
    for name in ("table1", "paper"):
        run = subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", name],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stdout
        assert "Overfull" not in run.stdout


@pytest.mark.parametrize("scope", ["all", "train"])
def test_the_caption_says_what_was_counted(dataset, scope):
    words = {"all": "all images, test images included", "train": "training images only"}
    assert words[scope] in " ".join(caption(table1_of(dataset, scope)))


def test_without_a_laboratory_nothing_is_exclusive_and_the_caption_says_so(other_dataset):
    table = table1_of(other_dataset, "all")
    assert table.exclusive == {}
    assert "no laboratory table" in " ".join(caption(table))


def test_an_emotion_without_images_keeps_its_row(dataset):
    images = dict.fromkeys(dataset.emotions, 1) | {"happily sad": 0}
    counts = Counts(*(np.zeros((len(dataset.emotions), len(dataset.aus)), np.int64) for _ in range(2)))
    statistics = au_statistics_table({"all": counts}, dataset.words)
    row = table1(replace(dataset, au_statistics=statistics), "all", images).of("wild")["happily sad"]
    assert (row.n, row.cells, row.unknown) == (0, {}, frozenset())


def test_a_question_mark_stands_where_no_image_knows_the_au(other_dataset):
    known_EA = np.array([[30, 30, 30, 30], [0, 30, 30, 30], [20, 30, 30, 30]])
    statistics = au_statistics_table({"all": Counts(known_EA, known_EA // 2)}, other_dataset.words)
    images = dict.fromkeys(other_dataset.emotions, 30)
    table = table1(replace(other_dataset, au_statistics=statistics), "all", images)
    assert [row.unknown for row in table.rows] == [frozenset(), {1}, frozenset()]
    assert "a question mark says that none does" in " ".join(caption(table))
    assert [line.split("|")[3].strip("* †") for line in markdown(table).splitlines()[4:]] == ["50", "?", "50"]
    figures = [line.split(" & ")[2] for line in latex(table).splitlines() if " & 30 & " in line]
    assert [figure.strip()[:2] for figure in figures] == ["50", "?", "50"]
    page = render_part("table1.html", table=table, caption=caption(table), facs=str)
    assert page.count("<td>?</td>") + page.count("<td\n>?</td>") == 1
