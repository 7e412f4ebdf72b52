"""The one place where reports touch the disk: figures, tables, text, and the folder that holds them."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from rafce.parquet import parquet_bytes
from rafce.schema import Vocabulary, metadata
from rafce_reports.style import drawing_style

CANVASES: dict[str, Any] = {"png": FigureCanvasAgg, "svg": FigureCanvasSVG, "pdf": FigureCanvasPdf}
UNDATED = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
"""Metadata left out of each kind of file, so that the same figure gives the same bytes."""


def save_figure(figure: Figure, folder: Path, name: str, kinds: tuple[str, ...] = ("png", "svg")) -> None:
    """Write `name.png`, `name.svg` … of a figure into a folder.

    The layout is computed once and the canvases are called directly: `savefig` would lay out and draw the figure
    twice for every kind.
    """
    with drawing_style():
        engine = figure.get_layout_engine()
        if engine is not None:
            engine.execute(figure)
            figure.set_layout_engine("none")
        for kind in kinds:
            print_kind = getattr(CANVASES[kind](figure), f"print_{kind}")
            print_kind(folder / f"{name}.{kind}", metadata=UNDATED[kind])


def save_frame(frame: pd.DataFrame, folder: Path, name: str, words: Vocabulary) -> None:
    """Write `name.csv` and `name.parquet`, the latter with the three metadata entries of the dataset's files."""
    frame.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    table = pa.Table.from_pandas(frame, preserve_index=False)
    content = parquet_bytes(table.replace_schema_metadata(metadata(name, words)))
    (folder / f"{name}.parquet").write_bytes(content)


def save_text(text: str, folder: Path, name: str) -> None:
    """Write a text file in UTF-8 with line feeds, whatever the machine."""
    (folder / name).write_text(text, encoding="utf-8", newline="\n")
