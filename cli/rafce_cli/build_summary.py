"""What `rafce build` says when it is done: the funnel, classes by partition, agreement with the official labels."""

from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from rafce_cli.console import Console

MAX_DIFFERENCES = 20


def print_summary(manifest: dict[str, Any], out: Path) -> None:
    """Print what a manifest counts; the whole list of differences stands in the manifest."""
    console = Console(highlight=False)
    console.print(funnel_table(manifest["counts"]))
    console.print(partition_table(manifest["counts"]["partitions"]))
    if manifest["official"]:
        console.print(agreement_text(manifest["official"]), soft_wrap=True, markup=False)
    console.print(images_text(manifest["images"], manifest["counts"]["kept"]), soft_wrap=True, markup=False)
    console.print(f"{out}: {manifest['counts']['kept']:,} images", soft_wrap=True, markup=False)


def funnel_table(counts: dict[str, Any]) -> Table:
    """From the lines read to the images kept, with every reason for leaving one out."""
    table = Table(title="From label files to the dataset", title_justify="left")
    table.add_column("step")
    table.add_column("images", justify="right")
    names = {"raf_ml": "RAF-ML", "raf_au": "RAF-AU", "rafce_emotions": "RAF-CE"}
    for role, name in names.items():
        if role in counts["input_lines"]:
            table.add_row(name, f"{counts['input_lines'][role]:,}")
    table.add_row("joined by image name", f"{counts['joined']:,}", end_section=True)
    for reason, n in counts["discarded"].items():
        table.add_row(f"– {reason}", f"{n:,}")
    table.add_section()
    table.add_row("kept", f"{counts['kept']:,}", style="bold")
    if counts["tied"] is not None:  # RAF-CE alone has no probabilities
        table.add_row("of them tied for the second label", f"{counts['tied']:,}")
    return table


def partition_table(partitions: dict[str, dict[str, int]]) -> Table:
    """Images per emotion and partition, with sums."""
    table = Table(title="Images per emotion and partition", title_justify="left")
    table.add_column("emotion")
    names = list(next(iter(partitions.values())))
    for name in (*names, "all"):
        table.add_column(name, justify="right")
    for emotion, sizes in partitions.items():
        table.add_row(escape(emotion), *(f"{sizes[name]:,}" for name in names), f"{sum(sizes.values()):,}")
    table.add_section()
    sums = [sum(sizes[name] for sizes in partitions.values()) for name in names]
    table.add_row("all", *(f"{n:,}" for n in sums), f"{sum(sums):,}", style="bold")
    return table


def agreement_text(official: dict[str, Any]) -> str:
    """How many official classes the mapping reproduces, and the first images where it does not."""
    n = official["agree"] + official["differ"]
    lines = [
        f"The two most probable emotions give the official class of {official['agree']:,} of {n:,} images."
    ]
    if official["differ"]:
        lines.append(f"The other {official['differ']:,} are tied (all of them in the manifest):")
        lines += [f"  {line}" for line in official["differences"][:MAX_DIFFERENCES]]
    if official["differ"] > MAX_DIFFERENCES:
        lines.append(f"  … and {official['differ'] - MAX_DIFFERENCES:,} more")
    return "\n".join(lines)


def images_text(images: dict[str, Any], n_kept: int) -> str:
    """Where the images lie, or that there are none."""
    if images["root"] is None:
        return "No image folder found: labels only. They can be analyzed; training needs --images."
    n_missing = len(images["missing"])
    found = f"Images: {images['root']}, {n_kept - n_missing:,} of {n_kept:,} found"
    return f"{found}; {n_missing:,} are missing and listed in the manifest." if n_missing else f"{found}."
