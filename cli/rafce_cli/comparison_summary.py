"""What `rafce-train compare` says when it is done: Table 3 in short, what differs beyond noise, where the page lies."""

from pathlib import Path

from rich.markup import escape
from rich.table import Table

from rafce_cli.console import Console
from rafce_reports.comparison import Comparison
from rafce_reports.comparison_grids import in_words, tally
from rafce_reports.comparison_report import PAGE
from rafce_reports.comparison_tables import OURS
from rafce_reports.comparison_text import MEASURES, Printed, printed_table3


def print_summary(comparison: Comparison, out: Path) -> None:
    """Print the figures of every system and the differences; the last line is the path of the page."""
    console = Console(highlight=False)
    console.print(short_table3(printed_table3(comparison.table3)))
    left_out = (f"left out: {text}" for text in comparison.left_out)
    differing = (f"not trained alike: {text}" for text in comparison.differing)
    for line in (*difference_lines(comparison), *left_out, *differing):
        console.print(line, soft_wrap=True, markup=False)
    console.print(str(out / PAGE), soft_wrap=True, markup=False)


def short_table3(table3: Printed) -> Table:
    """This comparison's figures and the paper's, without intervals; a system's name says its statistics."""
    table = Table(
        title="Table 3: mean ± standard deviation over seeds, %",
        caption="intervals in table3.csv, recall per emotion in table2.csv",
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("system")  # may wrap: names of many options must not squeeze the figures out
    for group in table3.groups:
        for column in group.columns:
            table.add_column(group.title if column == OURS else "paper", justify="right", no_wrap=True)
    for row in table3.rows:
        if row.is_apart:
            table.add_section()
        table.add_row(escape(row.stubs[1]), *(cell.figure for cell in row.cells))
    return table


def difference_lines(comparison: Comparison) -> list[str]:
    """For each measure how many pairs differ, and which differ most."""
    lines = []
    for measure in comparison.tests["measure"].unique():
        sure, pairs = tally(comparison.tests, measure)
        lines.append(f"{MEASURES[measure]}: {sure} of {pairs} pairs differ beyond noise")
        lines += [f"  {sentence}" for sentence in in_words(comparison.tests, measure)]
    return lines
