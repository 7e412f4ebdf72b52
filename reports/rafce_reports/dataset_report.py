"""The `reports/` folder of a dataset: every table, every figure and the page, whole or not at all."""

from pathlib import Path
from typing import Any

from rafce.folder import replacing_folder
from rafce.geometry import has_place
from rafce_reports.analysis import Analysis
from rafce_reports.dataset_page import dataset_page, n_observed, n_unsure
from rafce_reports.figure1 import draw_figure1, example_faces
from rafce_reports.figure2 import draw_figure2
from rafce_reports.folders import holds_only, write_summary
from rafce_reports.heatmaps import draw_difference, draw_frequencies
from rafce_reports.information import draw_cooccurrence, draw_information, draw_sides, draw_telling
from rafce_reports.numbers import au_name
from rafce_reports.page import render_part
from rafce_reports.save import save_figure, save_frame, save_text
from rafce_reports.style import drawing_style
from rafce_reports.table1 import caption, tidy
from rafce_reports.table1_text import latex, markdown

PAGE = "report.html"
SUMMARY_SCHEMA = "reports/1"
WHAT = "reports folder"


def write_reports(analysis: Analysis, out: Path) -> dict[str, Any]:
    """Write the reports folder and return its summary; OutputError leaves what was there as it was."""
    with replacing_folder(out, is_reports_folder, WHAT) as folder:
        with drawing_style():
            write_figures(analysis, folder)
        write_frames(analysis, folder)
        write_table1(analysis, folder)
        save_text(dataset_page(analysis, folder), folder, PAGE)
        return write_summary(folder, SUMMARY_SCHEMA, summarize(analysis))


def is_reports_folder(folder: Path) -> bool:
    """Whether a folder holds reports of any version and nothing else, and so may be replaced."""
    return holds_only(folder, SUMMARY_SCHEMA)


def write_figures(analysis: Analysis, folder: Path) -> None:
    """Every figure as PNG and SVG, Figure 2 as PDF too."""
    # where none is observed all are shown
    emotions, aus = analysis.dataset.emotions, analysis.table1.aus or analysis.dataset.aus
    faces = example_faces(analysis.dataset) if analysis.options.with_images else None
    save_figure(draw_figure1(analysis.classes, faces), folder, "figure1")
    drawn = {place: drawable_aus(analysis, place) for place in ("wild", "lab")}
    save_figure(draw_figure2(drawn["wild"], drawn["lab"]), folder, "figure2", ("png", "svg", "pdf"))
    save_figure(draw_frequencies(analysis.comparison, emotions, aus), folder, "frequencies")
    if "lab" not in analysis.left_out:
        save_figure(draw_difference(analysis.comparison, emotions, aus), folder, "lab_vs_wild")
    save_figure(draw_information(analysis.information), folder, "au_information")
    save_figure(draw_telling(analysis.telling, emotions), folder, "telling_aus")
    if analysis.pairs is not None and "pair_bounds" not in analysis.left_out:
        seen = analysis.table1.seen("wild") or analysis.dataset.aus
        save_figure(draw_cooccurrence(analysis.pairs, emotions, seen), folder, "cooccurrence")
    if analysis.sides is not None:
        save_figure(draw_sides(analysis.sides), folder, "sides")


def drawable_aus(analysis: Analysis, environment: str) -> dict[str, list[int]]:
    """The observed AUs of each emotion in one environment that act on the schematic face of Figure 2."""
    rows = analysis.table1.of(environment)
    return {emotion: [au for au in row.observed() if has_place(au)] for emotion, row in rows.items()}


def write_frames(analysis: Analysis, folder: Path) -> None:
    """Every table as CSV and Parquet."""
    frames = {
        "table1": tidy(analysis.table1),
        "figure1": analysis.classes,
        "lab_vs_wild": analysis.comparison,
        "sentences": analysis.sentences,
        "lab_source": analysis.lab_source,
        "au_information": analysis.information,
        "telling_aus": analysis.telling,
        "cooccurrence": analysis.pairs,
        "classifiers": analysis.trial and analysis.trial.summary,
        "classifier_recall": analysis.trial and analysis.trial.recall,
        "sides": analysis.sides,
    }
    for name, frame in frames.items():
        if frame is not None:
            save_frame(frame, folder, name, analysis.dataset.words)


def write_table1(analysis: Analysis, folder: Path) -> None:
    """Table 1 in the forms that are printed."""
    table = analysis.table1
    save_text(markdown(table), folder, "table1.md")
    save_text(latex(table), folder, "table1.tex")
    page = render_part("table1.html", table=table, caption=caption(table), facs=au_name)
    save_text(page, folder, "table1.html")


def summarize(analysis: Analysis) -> dict[str, Any]:
    """What a machine wants to know: options, key figures, what was left out."""
    table = analysis.table1
    return {
        "scope": analysis.options.scope,
        "lab_n": analysis.options.lab_n,
        "images": analysis.dataset.n_images,
        "groups": None if analysis.groups is None else len(analysis.groups.names),
        "observed_cells": n_observed(table),
        "unsure_cells": n_unsure(table),
        "exclusive_aus": {place: list(table.only(place)) for place in ("wild", "lab")},
        "left_out": analysis.left_out,
        "notes": list(analysis.notes),
    }
