"""What `rafce import` says when it is done: rows, emotions by partition, how far AUs are known, what comes next."""

from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from rafce_cli.build_summary import images_text, partition_table
from rafce_cli.console import Console

NO_GROUPS = (
    "Images count as independent. If they are frames of videos, or several of a person, say so with --group-column: "
    "else the split cuts videos apart and intervals are too narrow."
)


def print_summary(manifest: dict[str, Any], out: Path) -> None:
    """Print what a manifest counts."""
    console = Console(highlight=False)
    counts = manifest["counts"]
    console.print(rows_table(manifest["inputs"], counts))
    console.print(partition_table(counts["partitions"]))
    console.print(unknown_table(counts["unknown"], counts["kept"]))
    for line in closing_lines(manifest, out):
        console.print(line, soft_wrap=True, markup=False)


def rows_table(inputs: dict[str, Any], counts: dict[str, Any]) -> Table:
    """From the lines read to the images kept, and those of which no AU is known."""
    table = Table(title="From tables to the dataset folder", title_justify="left")
    table.add_column("step")
    table.add_column("rows", justify="right")
    for role, n in counts["input_lines"].items():
        table.add_row(f"lines in {escape(inputs[role]['file'])}", f"{n:,}")
    left_out = {
        "without an emotion: left out": counts["left_out"]["unlabelled"],
        "--drop-emotions: left out": counts["left_out"]["dropped_emotions"],
    }
    for reason, n in left_out.items():
        if n:
            table.add_row(f"– {reason}", f"{n:,}")
    table.add_section()
    table.add_row("images", f"{counts['kept']:,}", style="bold")
    reasons = {
        "without a face (success 0): AUs unknown": counts["failed_frames"],
        "of these, tables without a row": counts["faceless_tables"],
        "below --min-confidence: AUs unknown": counts["low_confidence"],
        "no AU known, these and others": counts["without_aus"],
        "rows of the emotions file that no image uses": counts["emotions_unused"],
    }
    for reason, n in reasons.items():
        if n:
            table.add_row(f"– {reason}", f"{n:,}")
    return table


def unknown_table(unknown: dict[str, int], n_images: int) -> Table:
    """Of each AU, in how many images it is known, and in what share it is not."""
    table = Table(title=f"{len(unknown)} AUs", title_justify="left")
    for name in ("AU", "images that know it", "unknown, %"):
        table.add_column(name, justify="right")
    for au, n in unknown.items():
        table.add_row(au, f"{n_images - n:,}", f"{100 * n / n_images:.1f}")
    return table


def closing_lines(manifest: dict[str, Any], out: Path) -> list[str]:
    """What was decided, groups, images, and what to do next."""
    counts = manifest["counts"]
    lines = [
        *manifest["notes"],
        groups_text(counts["groups"]),
        images_text(manifest["images"], counts["kept"]),
    ]
    n_groups = "" if counts["groups"] is None else f" of {sum(counts['groups'].values()):,} groups"
    lines.append(f"{out}: {counts['kept']:,} images{n_groups}")
    training = "" if manifest["images"]["root"] is None else f"; rafce-train run {out}"
    return [*lines, f"Next: rafce analyze {out}{training}"]


def groups_text(groups: dict[str, int] | None) -> str:
    """How many groups each partition has, or that there are none."""
    if groups is None:
        return NO_GROUPS
    return f"Groups: {', '.join(f'{n:,} {name}' for name, n in groups.items())}; none is in two partitions."
