"""Table 2 and Table 3 as they are printed: on the page, as Markdown and as LaTeX."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

import pandas as pd

from rafce import foreign_text
from rafce_reports.comparison_tables import OURS, PAPER, RECALL, WITH_AUS
from rafce_reports.latex import document, escaped
from rafce_reports.numbers import in_groups
from rafce_reports.page import Column

MEASURES = {"accuracy": "accuracy", "uar": "UAR", "au_macro_f1": "AU macro-F1"}
BLOCK = 5
"""Columns of the first group that fit beside each other on a page of a paper in two columns."""

OVER_SEEDS = (
    "In percent: mean ± standard deviation over seeds; below it, or in brackets, its 95 % interval over {}, for "
    "these trained nets."
)


class Cell(NamedTuple):
    """A figure, and its interval where it has one."""

    figure: str
    interval: str = ""


class Group(NamedTuple):
    """Neighbouring columns under one heading."""

    title: str
    columns: tuple[str, ...]


class PrintedRow(NamedTuple):
    """A row: what it is about, its figures, and whether a rule parts it from the row above."""

    stubs: tuple[str, ...]
    cells: tuple[Cell, ...]
    is_apart: bool = False


@dataclass(frozen=True)
class Printed:
    """A table of strings with two levels of headings; `name` is that of its files."""

    name: str
    title: str
    caption: str
    stubs: tuple[Column, ...]
    groups: tuple[Group, ...]
    rows: tuple[PrintedRow, ...]


def printed_table2(table: pd.DataFrame) -> Printed:
    """Rows as in the paper, a column a system, the paper's own columns after them."""
    columns = list(dict.fromkeys(zip(table["source"], table["system"], strict=True)))
    rows = [
        PrintedRow(
            (str(emotion) if measure == RECALL else MEASURES[str(measure)], _counted(part)),
            tuple(_cells(part, columns)),
            is_apart=measure == "accuracy",
        )
        for (measure, emotion), part in table.groupby(["measure", "emotion"], sort=False, dropna=False)
    ]
    groups = [
        Group(source, tuple(system for _, system in members))
        for source, members in groupby(columns, key=lambda column: column[0])
    ]
    caption = (
        f"Recall per emotion, accuracy, and UAR, the mean recall over emotions (the paper's “Diag.”); n: test images. "
        f"{_over_seeds(table)}"
    )
    if len(groups) > 1:
        caption += (
            " The paper's columns are as Li et al. 2023 print them for RAF-CE, one figure each, no interval."
        )
    return Printed(
        "table2", "Table 2", caption, (Column("emotion"), Column("n", "number")), tuple(groups), tuple(rows)
    )


def printed_table3(table: pd.DataFrame) -> Printed:
    """Systems in blocks by statistics; for each measure this comparison's figure and, where it has one, the paper's."""
    parts = [part for _, part in table.groupby("system", sort=False)]
    statistics = [str(part["statistics"].fillna("none").iloc[0]) for part in parts]
    with_paper = set(table["measure"][table["paper"].notna()])
    rows = [
        PrintedRow(
            (source, _label(part), str(part["seeds"].iloc[0])),
            tuple(cell for row in part.to_dict("records") for cell in _beside(row, with_paper)),
            is_apart=position > 0 and source != statistics[position - 1],
        )
        for position, (source, part) in enumerate(zip(statistics, parts, strict=True))
    ]
    groups = tuple(
        Group(MEASURES[measure], (OURS, PAPER) if measure in with_paper else (OURS,)) for measure in WITH_AUS
    )
    caption = (
        f"Statistics and methods; “none”: the method uses none. {_over_seeds(table)} MAL is the better of mal and mal2 "
        "on validation."
    )
    if with_paper:
        caption += (
            " The paper's figures are as Li et al. 2023 print them for RAF-CE (MAL, AM and MML in their Table 3, STL "
            "and MTL in their Table 2)."
        )
    stubs = (Column("statistics"), Column("system"), Column("seeds", "number"))
    return Printed("table3", "Table 3", caption, stubs, groups, tuple(rows))


def markdown(table: Printed) -> str:
    """A pipe table under its caption."""
    heads = [
        foreign_text.markdown(column if group.title == OURS else f"{group.title}: {column}")
        for group in table.groups
        for column in group.columns
    ]
    stubs = [stub.head for stub in table.stubs]
    rules = ["---:" if stub.kind == "number" else ":---" for stub in table.stubs]
    lines = [[*stubs, *heads], [*rules, *["---:"] * len(heads)]]
    for row in table.rows:
        figures = [f"{cell.figure} [{cell.interval}]" if cell.interval else cell.figure for cell in row.cells]
        lines.append([*map(foreign_text.markdown, row.stubs), *figures])
    grid = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"**{table.title}.** {table.caption}\n\n{grid}\n"


def latex(table: Printed) -> str:
    """A `table*` in booktabs style, intervals below their figures; as many of them as the width of a page needs."""
    first, *others = table.groups
    starts = range(0, len(first.columns), BLOCK)
    lines: list[str] = []
    for part, start in enumerate(starts, start=1):
        group = Group(first.title, first.columns[start : start + BLOCK])
        kept = [*range(start, start + len(group.columns)), *range(len(first.columns), _n_columns(table))]
        lines += _latex_block(table, (group, *others), kept, (part, len(starts)))
    return document(table.name, lines, ("booktabs",))


def _latex_block(
    table: Printed, groups: Sequence[Group], kept: Sequence[int], part: tuple[int, int]
) -> list[str]:
    number, n_parts = part
    stubs = "".join("r" if stub.kind == "number" else "l" for stub in table.stubs)
    note = f" (Part {number} of {n_parts}.)" if n_parts > 1 else ""
    return [
        r"\begin{table*}",
        r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
        rf"\begin{{tabular}}{{@{{}}{stubs}{'r' * len(kept)}@{{}}}}",
        r"\toprule",
        *_latex_heads(table.stubs, groups),
        *(line for row in table.rows for line in _latex_row(row, kept)),
        r"\bottomrule",
        r"\end{tabular}",
        rf"\caption{{{escaped(table.caption + note)}}}",
        rf"\label{{tab:{table.name}-{number}}}",
        r"\end{table*}",
    ]


def _latex_heads(stubs: Sequence[Column], groups: Sequence[Group]) -> Iterator[str]:
    spans = [rf"\multicolumn{{{len(group.columns)}}}{{c}}{{{escaped(group.title)}}}" for group in groups]
    yield " & ".join([*[""] * len(stubs), *spans]) + r" \\"
    first = len(stubs) + 1
    for group in groups:
        yield rf"\cmidrule(lr){{{first}-{first + len(group.columns) - 1}}}"
        first += len(group.columns)
    heads = [escaped(column) for group in groups for column in group.columns]
    yield " & ".join([*(escaped(stub.head) for stub in stubs), *heads]) + r" \\"
    yield r"\midrule"


def _latex_row(row: PrintedRow, kept: Sequence[int]) -> Iterator[str]:
    cells = [row.cells[position] for position in kept]
    if row.is_apart:
        yield r"\midrule"
    yield " & ".join([*map(escaped, row.stubs), *(escaped(cell.figure) for cell in cells)]) + r" \\[-0.5ex]"
    intervals = [rf"{{\tiny {escaped(cell.interval)}}}" if cell.interval else "" for cell in cells]
    yield " & ".join([*[""] * len(row.stubs), *intervals]) + r" \\"


def _n_columns(table: Printed) -> int:
    return sum(len(group.columns) for group in table.groups)


def _cells(part: pd.DataFrame, columns: Sequence[tuple[str, str]]) -> Iterator[Cell]:
    rows = {(row["source"], row["system"]): row for row in part.to_dict("records")}
    return (_cell(rows[column]) for column in columns)


def _beside(row: dict[Any, Any], with_paper: set[str]) -> Iterator[Cell]:
    yield _cell(row)
    if row["measure"] in with_paper:
        yield Cell(_decimal(row["paper"], 2))


def _counted(part: pd.DataFrame) -> str:
    """The test images of a figure, and of how many groups they are, if they come in groups."""
    counted = {"groups": int(part["groups"].max())} if "groups" in part else {}
    return f"{part['support'].max():,}{in_groups(counted)}"


def _over_seeds(table: pd.DataFrame) -> str:
    return OVER_SEEDS.format("groups of test images" if "groups" in table else "test images")


def _cell(row: dict[Any, Any]) -> Cell:
    if row.get("source") == PAPER:
        return Cell(_decimal(row["percent"], 2))
    spread = "" if pd.isna(row["sd"]) else f" ± {row['sd']:.1f}"
    interval = "" if pd.isna(row["ci_low"]) else f"{row['ci_low']:.1f} to {row['ci_high']:.1f}"
    return Cell(_decimal(row["percent"], 1) + spread, interval)


def _decimal(percent: float, digits: int) -> str:
    return "–" if pd.isna(percent) else f"{percent:.{digits}f}"


def _label(part: pd.DataFrame) -> str:
    label, system = part["label"].iloc[0], part["system"].iloc[0]
    return f"MAL: {system}" if label == "mal" else str(system)
