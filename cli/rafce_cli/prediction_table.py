"""Predictions in short, for a terminal: the two most probable emotions of each image and the AUs called."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from rich import box
from rich.table import Table

from rafce.schema import au_column, emotion_slug
from rafce_cli.console import Console
from rafce_train.facts import Facts


def print_predictions(table: pa.Table, facts: Facts) -> None:
    """A line an image, by its name alone where that says which."""
    paths = table["image"].to_pylist()
    names = [Path(path).name for path in paths]
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("image", "emotion", "%", "second", "%", "AUs"):
        is_share, may_fold = heading == "%", heading in ("image", "AUs")
        shown.add_column(
            heading, justify="right" if is_share else "left", no_wrap=not may_fold, overflow="fold"
        )
    for name, row in zip(names if len(set(names)) == len(names) else paths, table.to_pylist(), strict=True):
        shown.add_row(name, *cells(row, facts))
    Console(highlight=False, markup=False).print(shown)


def cells(row: Mapping[str, Any], facts: Facts) -> list[str]:
    """The two most probable emotions, the first of equals first, and the AUs called; a dash if none were learned."""
    probability = {name: row[f"p_{emotion_slug(name)}"] for name in facts.emotions}
    first, second = sorted(facts.emotions, key=lambda name: -probability[name])[:2]
    called = [str(au) for au in facts.aus if row[au_column(au)]]
    return [
        first,
        f"{100 * probability[first]:.1f}",
        second,
        f"{100 * probability[second]:.1f}",
        "–" if facts.thresholds is None else " ".join(called),
    ]
