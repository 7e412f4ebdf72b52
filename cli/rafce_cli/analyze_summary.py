"""What `rafce analyze` says when it is done: Table 1 in short, its key figures, where the page lies."""

from collections.abc import Mapping
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from rafce_cli.console import Console
from rafce_reports.analysis import Analysis
from rafce_reports.dataset_page import n_observed, n_unsure
from rafce_reports.dataset_report import PAGE
from rafce_reports.table1 import LAB_IS_CORRECTED, Row, Table1, over_groups


def print_summary(analysis: Analysis, seconds: Mapping[str, float], out: Path) -> None:
    """Print Table 1 in short, the key figures, how long counting took; the last line is the path of the page."""
    console = Console(highlight=False)
    console.print(short_table1(analysis.table1))
    console.print(key_lines(analysis), soft_wrap=True, markup=False)
    console.print(counting_line(seconds), soft_wrap=True, markup=False)
    console.print(str(out / PAGE), soft_wrap=True, markup=False)


def short_table1(table: Table1) -> Table:
    """The wild rows of Table 1: each emotion's observed AUs with their percentages, prototypical ones bold, starred."""
    scope = "all images" if table.scope == "all" else f"{table.scope} images"
    short = Table(
        title=f"Table 1, wild, {scope}: AU=percent",
        caption="bold, *: prototypical; †: category less than 95 % sure; intervals in table1.csv",
        title_justify="left",
        caption_justify="left",
    )
    short.add_column("emotion", no_wrap=True)
    short.add_column("n" if table.n_groups is None else "n (groups)", justify="right")
    short.add_column("observed AUs")
    for row in table.of("wild").values():
        short.add_row(escape(row.emotion), row.size, listed(row))
    return short


def listed(row: Row) -> str:
    """The observed AUs of a row as rich markup, in the order of their numbers."""
    parts = []
    for au, cell in row.observed().items():
        text = f"{au}={cell.rounded}{'*' if cell.prototypical else ''}{'†' if cell.unsure else ''}"
        parts.append(f"[bold]{text}[/bold]" if cell.prototypical else text)
    return " ".join(parts)


def key_lines(analysis: Analysis) -> str:
    """The key figures in words."""
    table = analysis.table1
    lines = [
        f"{n_observed(table)} observed cells, {n_unsure(table)} of them less than 95 % sure of their category"
    ]
    if table.n_groups is not None:
        lines.append(f"intervals: {over_groups(table.n_groups)}")
    if table.has_lab:
        for environment, words in (("wild", "the wild"), ("lab", "the laboratory")):
            aus = [str(au) for au in table.only(environment)]
            lines.append(
                f"observed in {words} only: AU {', '.join(aus)}" if aus else f"none observed in {words} only"
            )
    if table.lab_is_corrected:
        lines.append(LAB_IS_CORRECTED)
    if analysis.sentences is not None:
        holds = analysis.sentences["dataset_holds"]
        lines.append(
            f"{int(holds.sum())} of the paper's {len(holds)} claims hold in this dataset, {int((~holds).sum())} fail, "
            f"{int(holds.isna().sum())} cannot be told"
        )
    lines += [f"left out: {reason}" for reason in analysis.left_out.values()]
    lines += [f"note: {note}" for note in analysis.notes]
    return "\n".join(lines)


def counting_line(seconds: Mapping[str, float]) -> str:
    """How long each count of the samples took."""
    return "counted " + ", ".join(f"{what} in {time:.2f} s" for what, time in seconds.items())
