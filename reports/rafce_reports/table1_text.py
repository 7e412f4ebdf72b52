"""Table 1 as Markdown and as LaTeX."""

from collections.abc import Iterator

from rafce import foreign_text
from rafce_reports.latex import document, escaped
from rafce_reports.table1 import Cell, Row, Table1, caption

COLOURS = r"""\definecolor{rafcewild}{HTML}{B2182B}
\definecolor{rafcelab}{HTML}{2166AC}
"""


def markdown(table: Table1) -> str:
    """A pipe table under its caption; bold prototypical, underlined exclusive (Markdown has no colours)."""
    heads = ["emotion", "n", *(_marked(str(au), au in table.exclusive) for au in table.aus)]
    rules = [":---", *["---:"] * (len(heads) - 1)]
    rows = [
        [foreign_text.markdown(_label(row)), row.size, *_markdown_cells(table, row)] for row in table.rows
    ]
    grid = "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, rules, *rows))
    return f"**Table 1.** {' '.join(caption(table))}\n\n{grid}\n"


def _marked(text: str, exclusive: bool) -> str:
    return f"<ins>{text}</ins>" if exclusive else text


def _label(row: Row) -> str:
    return row.emotion if row.environment == "wild" else f"{row.emotion}, lab"


def _markdown_cells(table: Table1, row: Row) -> Iterator[str]:
    for au in table.aus:
        cell = row.cells.get(au)
        text = "?" if au in row.unknown else ""
        if cell and cell.observed:
            text = f"**{cell.rounded}**" if cell.prototypical else str(cell.rounded)
        yield _marked(text, bool(cell and text) and au in table.exclusive) + (
            "†" if cell and cell.unsure else ""
        )


def latex(table: Table1) -> str:
    """A `table*` in booktabs style that compiles alone as well as inside a paper."""
    columns = "@{}lr" + "r" * len(table.aus) + "@{}"
    heads = [r"\textbf{emotion}", "$n$", *(_latex_head(table, au) for au in table.aus)]
    lines = [
        r"\begin{table*}",
        r"\centering\footnotesize\setlength{\tabcolsep}{2.5pt}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(heads) + r" \\",
        *_latex_rows(table),
        r"\bottomrule",
        r"\end{tabular}",
        rf"\caption{{{escaped(' '.join(caption(table)))}}}",
        r"\label{tab:au-frequencies}",
        r"\end{table*}",
    ]
    return document("table1", lines, ("booktabs", "xcolor"), COLOURS)


def _latex_head(table: Table1, au: int) -> str:
    # the box gives all columns the same width, whatever stands below
    head = _coloured(rf"\textbf{{{au}}}", table.exclusive.get(au))
    return rf"\makebox[1.4em][r]{{{head}}}"


def _coloured(text: str, environment: str | None) -> str:
    if environment is None:
        return text
    return rf"\textcolor{{rafce{environment}}}{{\underline{{{text}}}}}"


def _latex_rows(table: Table1) -> Iterator[str]:
    for row in table.rows:
        if row.environment == "wild":
            yield r"\midrule[0.2pt]"
        name = escaped(row.emotion) if row.environment == "wild" else r"\quad in the lab"
        cells = (
            "?" if au in row.unknown else _latex_cell(row.cells.get(au), table.exclusive.get(au))
            for au in table.aus
        )
        yield " & ".join([name, row.size, *cells]) + r" \\"


def _latex_cell(cell: Cell | None, exclusive: str | None) -> str:
    if cell is None:
        return ""
    # \rlap takes no room, so that the figures of a column stay under each other
    mark = r"\rlap{$^\dagger$}" if cell.unsure else ""
    if not cell.observed:
        return mark and r"$^\dagger$"
    text = rf"\textbf{{{cell.rounded}}}" if cell.prototypical else str(cell.rounded)
    return _coloured(text, exclusive) + mark
