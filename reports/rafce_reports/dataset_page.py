"""`report.html` of a dataset: which sections it has and what they show."""

from pathlib import Path
from typing import Any

import pandas as pd

import rafce
from rafce.dataset import Dataset
from rafce.licences import licence_note
from rafce.paper.lab_source import equal_rows
from rafce_reports import grids
from rafce_reports.analysis import Analysis
from rafce_reports.numbers import au_name
from rafce_reports.page import KeyFigure, Page, Section, render_page
from rafce_reports.table1 import SCOPE_WORDS, Table1, caption, over_groups

TIE_WORDS = {
    "first": "it goes to the earlier column of RAF-ML",
    "frequent": "it goes to the class with most untied images",
}
SOURCE_WORDS = {
    "printed": "by the table as its text prints it",
    "corrected": "by the table corrected by Du et al. 2014",
    "dataset": "by this dataset",
}
OFFICIAL_TIES = "the official class decides"
RAF_TITLES = "Compound expressions in the wild", "RAF-CE: labels and action units"
IMPORTED_TITLES = "Emotions and action units", "Emotions and action units"
FOOTER = "Made by rafce. The page needs nothing but itself; the tables and figures lie beside it as files."


def dataset_page(analysis: Analysis, pictures: Path) -> str:
    """The whole page as HTML; `pictures` is the folder that holds the figures as SVG."""
    title, short_title = IMPORTED_TITLES if is_imported(analysis.dataset) else RAF_TITLES
    page = Page(
        title=title,
        short_title=short_title,
        lede=lede(analysis),
        sections=sections(),
        key_figures=key_figures(analysis),
        footer=FOOTER,
    )
    return render_page(page, pictures, **context(analysis))


def sections() -> tuple[Section, ...]:
    """The sections in their order."""
    return (
        Section("funnel", "From the releases to the dataset", "dataset/funnel.html"),
        Section("figure1", "Figure 1: images per emotion", "dataset/classes.html"),
        Section("table1", "Table 1: action units per emotion", "dataset/table1.html"),
        Section("figure2", "Figure 2: where they act", "dataset/figure2.html"),
        Section("lab", "Laboratory against wild", "dataset/lab.html"),
        Section("sentences", "The paper's sentences", "dataset/sentences.html"),
        Section("telling", "What action units tell", "dataset/telling.html"),
        Section("sides", "One side of the face", "dataset/sides.html"),
        Section("certainty", "How sure the numbers are", "dataset/certainty.html"),
        Section("about", "Sources, licence, versions", "dataset/about.html"),
    )


def is_imported(dataset: Dataset) -> bool:
    """Whether a dataset was made from tables of other programs rather than from the RAF databases."""
    return not set(grids.RAF_INPUTS) & set(dataset.manifest["inputs"])


def lede(analysis: Analysis) -> str:
    """Two sentences on what the page is about."""
    dataset = analysis.dataset
    posed = "how posed faces differ, " if analysis.table1.has_lab else ""
    in_groups = "" if analysis.groups is None else f" in {len(analysis.groups.names):,} groups"
    return (
        f"{dataset.n_images:,} images{in_groups} of {len(dataset.emotions)} emotions with {len(dataset.aus)} action "
        f"units (AUs): how often each AU shows in each emotion, {posed}and how sure that is. "
        f"Counted on {SCOPE_WORDS[analysis.options.scope]}."
    )


def key_figures(analysis: Analysis) -> list[KeyFigure]:
    """The numbers at the head of the page."""
    table = analysis.table1
    figures = [
        KeyFigure("images kept", f"{analysis.dataset.n_images:,}"),
        *([] if analysis.groups is None else [KeyFigure("groups", f"{len(analysis.groups.names):,}")]),
        KeyFigure("AUs observed in the wild", str(len(table.seen("wild")))),
        KeyFigure("observed cells in the wild", str(n_observed(table))),
        KeyFigure("of them less than 95 % sure", str(n_unsure(table))),
    ]
    for environment, words in (("wild", "the wild"), ("lab", "the laboratory")) if table.has_lab else ():
        aus = [str(au) for au in table.only(environment)]
        figures.append(KeyFigure(f"AUs observed in {words} only", " ".join(aus) or "none"))
    return figures


def observed_cells(table: Table1) -> set[tuple[str, int]]:
    """The pairs of emotion and AU that are observed in the wild."""
    return {(emotion, au) for emotion, row in table.of("wild").items() for au in row.observed()}


def n_observed(table: Table1) -> int:
    """How many cells are observed in the wild."""
    return len(observed_cells(table))


def n_unsure(table: Table1) -> int:
    """How many of the observed cells are less than 95 % sure of their category."""
    return sum(cell.unsure for row in table.of("wild").values() for cell in row.observed().values())


def context(analysis: Analysis) -> dict[str, Any]:
    """Every value that the section templates name."""
    dataset, options, table = analysis.dataset, analysis.options, analysis.table1
    return {
        **build_context(analysis),
        **table_context(analysis),
        **comparison_context(analysis),
        **sentence_context(analysis),
        **information_context(analysis),
        "classes_grid": grids.classes_grid(analysis.classes),
        "left_out": analysis.left_out,
        "notes": analysis.notes,
        "with_images": options.with_images,
        "scope": options.scope,
        "lab_n": options.lab_n,
        "n_aus": len(dataset.aus),
        "over_groups": "" if table.n_groups is None else over_groups(table.n_groups),
        "over_all_groups": "" if analysis.groups is None else over_groups(len(analysis.groups.names)),
        "facs": au_name,
    }


def build_context(analysis: Analysis) -> dict[str, Any]:
    """What the manifest tells."""
    manifest = analysis.dataset.manifest
    official, options = manifest.get("official"), manifest["options"]
    return {
        "is_imported": is_imported(analysis.dataset),
        "funnel_grid": grids.funnel_grid(analysis.dataset, analysis.groups),
        "inputs_grid": grids.inputs_grid(analysis.dataset),
        "official": official,
        "has_votes": "raf_ml" in manifest["inputs"],
        "tied": manifest["counts"].get("tied", 0),
        "tie_words": OFFICIAL_TIES if official else TIE_WORDS.get(options.get("ties"), ""),
        "build_options": {name: value for name, value in options.items() if value is not None},
        "licence": licence_note(manifest),
        "versions": {**manifest["versions"], "rafce, this page": rafce.__version__},
    }


def table_context(analysis: Analysis) -> dict[str, Any]:
    """Table 1 and how sure it is."""
    table, train = analysis.table1, observed_cells(analysis.train_table1)
    everything = observed_cells(analysis.all_table1)
    return {
        "table": table,
        "caption": caption(table),
        "certainty_grid": grids.certainty_grid(table),
        "n_observed": n_observed(table),
        "n_unsure": n_unsure(table),
        "n_all_observed": len(everything),
        "n_train_observed": len(train),
        "n_train_shared": len(train & everything),
    }


def comparison_context(analysis: Analysis) -> dict[str, Any]:
    """The largest differences; nothing without a laboratory."""
    if "lab" in analysis.left_out:
        return {}
    return {
        "differences_grid": grids.differences_grid(analysis.comparison),
        "surpassed_grid": grids.surpassed_grid(analysis.comparison),
    }


def sentence_context(analysis: Analysis) -> dict[str, Any]:
    """The paper's laboratory beside its source, the sentences with their verdicts, and how many hold."""
    scope = analysis.options.scope
    words: dict[str, Any] = {"scope_note": "" if scope == "all" else f" (counted on {SCOPE_WORDS[scope]})"}
    if analysis.lab_source is not None:
        words["moves_grid"] = grids.moves_grid(analysis.lab_source)
        words["source_note"] = source_note(analysis.lab_source)
    if analysis.sentences is not None:
        words["sentences"] = [grids.sentence_row(row) for row in analysis.sentences.to_dict("records")]
        words["tally"] = tally(analysis.sentences)
    return words


def source_note(lab_source: pd.DataFrame) -> str:
    """How far the laboratory of the paper's Table 1 agrees with its source, and which rows that does not have."""
    sourced = lab_source[lab_source["agrees"].notna()]
    unsourced = lab_source.loc[lab_source["agrees"].isna(), "emotion"].unique()
    repeats = "".join(
        f" The paper's row of {later} equals its row of {earlier}." for later, earlier in equal_rows().items()
    )
    return (
        f"Of their {len(lab_source)} cells, {len(sourced)} are of emotions that Du et al. 2014 have too: as the text "
        f"prints them, {sourced['agrees_as_printed'].sum()} agree with the source in category and, where it gives "
        f"one, percent; corrected, {sourced['agrees'].sum()} do. Not in Du et al. 2014: {', '.join(unsourced)} "
        f"({len(lab_source) - len(sourced)} cells).{repeats}"
    )


def tally(sentences: pd.DataFrame) -> str:
    """How many claims hold, fail and cannot be told by each source."""
    counts = []
    for source, words in SOURCE_WORDS.items():
        holds = sentences[f"{source}_holds"]
        n_holds, n_fails, n_unknown = int(holds.sum()), int((~holds).sum()), int(holds.isna().sum())
        counts.append(f"{words} {n_holds} hold, {n_fails} fail, {n_unknown} cannot be told")
    return (
        f"Of {len(sentences)} claims, {'; '.join(counts)}. "
        "A figure holds when it equals the paper's to the paper's decimals."
    )


def information_context(analysis: Analysis) -> dict[str, Any]:
    """What AUs tell about the emotion, about each other and about sides."""
    words: dict[str, Any] = {}
    if analysis.pairs is not None:
        words["pairs_grid"] = grids.pairs_grid(analysis.pairs, analysis.table1)
    if analysis.trial is not None:
        words["classifiers_grid"] = grids.classifiers_grid(analysis.trial.summary)
    if analysis.sides is not None:
        one_side = analysis.sides[analysis.sides["place"] == "one side"]
        words["n_one_sided"] = int((one_side["count"] > 0).sum())
        words["lips_grid"] = grids.lips_grid(analysis.sides)
    return words
