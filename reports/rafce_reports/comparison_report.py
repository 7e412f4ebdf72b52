"""The files of a comparison: tables, tests, Figure 5 and the page, each the old one or the new one at any time."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from rafce.atomic import check_folder_place, publishing
from rafce.errors import OutputError
from rafce.folder import names_in
from rafce_reports.comparison import Comparison
from rafce_reports.comparison_page import comparison_page, n_images
from rafce_reports.comparison_text import Printed, latex, markdown, printed_table2, printed_table3
from rafce_reports.figure5 import draw_figure5
from rafce_reports.save import save_figure, save_frame, save_text
from rafce_reports.style import drawing_style

PAGE, SUMMARY, RUNS = "comparison.html", "summary.json", "runs"
SUMMARY_SCHEMA = "comparison/1"


def write_comparison(comparison: Comparison, out: Path) -> dict[str, Any]:
    """Write the files into `out`, beside its runs, and return the summary; OutputError as in `check_place`."""
    check_place(out)
    table2, table3 = printed_table2(comparison.table2), printed_table3(comparison.table3)
    with publishing(out) as folder:
        _write_frames(comparison, folder)
        _write_printed(table2, folder)
        _write_printed(table3, folder)
        with drawing_style():
            save_figure(draw_figure5(comparison.systems), folder, "figure5")
        save_text(comparison_page(comparison, table2, table3, folder), folder, PAGE)
        summary = summarize(comparison, sorted([SUMMARY, *(path.name for path in folder.iterdir())]))
        save_text(json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n", folder, SUMMARY)
    return summary


def check_place(out: Path) -> None:
    """OutputError unless `out` is absent, holds an older comparison, or nothing but runs."""
    check_folder_place(out)
    if not out.exists():
        return
    others = names_in(out) - {RUNS}
    if others and not _is_ours(out):
        raise OutputError(f"{out}: expected an empty folder or an older comparison, found other files")


def summarize(comparison: Comparison, files: list[str]) -> dict[str, Any]:
    """What a machine wants to know: systems with their figures, every test, what was left out, the files."""
    table = comparison.table3
    return {
        "schema": SUMMARY_SCHEMA,
        "test_images": n_images(comparison),
        "runs": comparison.n_runs,
        "systems": [
            {
                "system": system.name,
                "method": system.method,
                "statistics": system.statistics,
                "alignment": system.alignment,
                "seeds": list(system.seeds),
                **{measure: system.mean(measure) for measure in ("accuracy", "uar")},
                "au_macro_f1": system.mean("au_macro_f1") if system.learns_aus else None,
            }
            for system in comparison.systems
        ],
        "mal": next(iter(table.loc[table["label"] == "mal", "system"]), None),
        "tests": [
            {name: None if pd.isna(value) else value for name, value in row.items()}
            for row in comparison.tests.to_dict("records")
        ],
        "not_alike": list(comparison.differing),
        "left_out": list(comparison.left_out),
        "files": files,
    }


def _write_frames(comparison: Comparison, folder: Path) -> None:
    words = comparison.systems[0].runs[0].words
    frames: dict[str, pd.DataFrame] = {
        "table2": comparison.table2,
        "table3": comparison.table3,
        "tests": comparison.tests,
    }
    for name, frame in frames.items():
        save_frame(frame, folder, name, words)


def _write_printed(table: Printed, folder: Path) -> None:
    save_text(markdown(table), folder, f"{table.name}.md")
    save_text(latex(table), folder, f"{table.name}.tex")


def _is_ours(out: Path) -> bool:
    try:
        schema = json.loads((out / SUMMARY).read_text(encoding="utf-8"))["schema"]
    except (OSError, ValueError, TypeError, KeyError):
        return False
    return str(schema).startswith("comparison/")
