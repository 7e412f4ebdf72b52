"""What `rafce-train explain` says when it is done: how much of the maps lies where AUs act, where the pictures are."""

from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from rafce_cli.console import Console
from rafce_reports.explain_report import figure_name
from rafce_reports.numbers import between, percent

Json = dict[str, Any]
LESS = {"inside - area": "less uniform map", "inside - average": "less mean map"}
AGAINST = "inside - inside of the other run"
NOTE = (
    "n: test images with a map and a region{}. Uniform map: the regions' share of the area. Mean map: that of the run "
    "over the other images. Differences in points, with 95 % intervals over {}."
)
LICENCE = "the figures show faces: pass them on only if the licence of the images allows that"


def print_summary(summary: Json, out: Path) -> None:
    """Print the shares, how two runs differ, and the figures; the last line is the folder."""
    console = Console(highlight=False)
    console.print("Share of Grad-CAM inside the regions of AUs, %")
    for look in summary["runs"]:
        console.print(share_table(look, summary["means"]))
    is_grouped = any(row["groups"] is not None for row in summary["means"])
    said = (" (below: their groups)", "groups of images") if is_grouped else ("", "images")
    lines = [
        NOTE.format(*said),
        *difference_lines(summary["means"], [look["run"] for look in summary["runs"]]),
    ]
    lines += [figure_line(target, figure) for target, figure in summary["figures"].items()]
    for line in (*lines, LICENCE, str(out)):
        console.print(line, soft_wrap=True, markup=False)


def share_table(look: Json, means: list[Json]) -> Table:
    """A run's mean share for each kind of region, and by how much it is more than that of a map that knows less."""
    title = f"{escape(look['run'])}: maps of {look['layer']}, {look['side']} × {look['side']}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("regions", no_wrap=True)
    of_run = [row for row in means if row["run"] == look["run"]]
    for name in ("n", "inside", *LESS.values()):
        table.add_column(name, justify="right", no_wrap=True)
    for regions in dict.fromkeys(row["regions"] for row in of_run):
        found = {row["measure"]: row for row in of_run if row["regions"] == regions}
        inside, less = found["inside"], [signed(found[name]) for name in LESS]
        # below: there is no room beside
        groups = "" if inside["groups"] is None else f"\n({inside['groups']:,})"
        table.add_row(regions, f"{inside['n']:,}{groups}", percent(inside["value"], 1), *less)
    return table


def difference_lines(means: list[Json], runs: list[str]) -> list[str]:
    """The first run less the second, for each kind of region."""
    lines = []
    for row in means:
        if row["measure"] == AGAINST:
            inside_noise = row["ci_low"] is None or row["ci_low"] <= 0 <= row["ci_high"]
            verdict = ": inside noise" if inside_noise else ""
            lines.append(f"{runs[0]} less {runs[1]}, {row['regions']}: {signed(row)} points{verdict}")
    return lines


def figure_line(target: str, figure: Json) -> str:
    """What a figure shows, or that there is none."""
    if not figure["shown"]:
        return f"{figure_name(target)}: none, no test image to show"
    return f"{figure_name(target)}.png: {figure['shown']} of {figure['of']} test images"


def signed(row: Json) -> str:
    """A difference of shares in points, with its interval where it has one."""
    if row["value"] is None:
        return "–"
    interval = "" if row["ci_low"] is None else f" ({between(row['ci_low'], row['ci_high'], 1)})"
    return f"{100 * row['value']:+.1f}{interval}".replace("-", "−")
