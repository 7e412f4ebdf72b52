"""`comparison.html`: which sections it has and what they show."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rafce
from rafce.intervals import FEW_GROUPS
from rafce.paired import DRAWS
from rafce_reports import comparison_grids as grids
from rafce_reports.comparison import Comparison
from rafce_reports.comparison_runs import System, common_options
from rafce_reports.comparison_tables import is_of_the_paper
from rafce_reports.comparison_text import MEASURES, Printed
from rafce_reports.figure5 import learned_weights
from rafce_reports.numbers import majority_uar
from rafce_reports.page import Grid, KeyFigure, Page, Section, render_page

FOOTER = "Made by rafce. The page needs nothing but itself; the tables and figures lie beside it as files."
SECTIONS = (
    Section("systems", "What is compared", "comparison/systems.html"),
    Section("table2", "Table 2: recall per emotion", "comparison/table2.html"),
    Section("table3", "Table 3: statistics and methods", "comparison/table3.html"),
    Section("tests", "Real or noise", "comparison/tests.html"),
    Section("figure5", "Figure 5: accuracy and weights", "comparison/figure5.html"),
    Section("about", "How it was computed", "comparison/about.html"),
)
PRIOR_WORDS = {
    "train": "the training images alone: no test label touches training",
    "all": "all images, test images included, as the paper does",
}


def comparison_page(comparison: Comparison, table2: Printed, table3: Printed, pictures: Path) -> str:
    """The whole page as HTML; `pictures` is the folder that holds the figure as SVG."""
    page = Page(
        title="Methods compared",
        short_title="Methods compared",
        lede=lede(comparison),
        sections=SECTIONS,
        key_figures=key_figures(comparison),
        footer=FOOTER,
    )
    return render_page(page, pictures, table2=table2, table3=table3, **context(comparison))


def lede(comparison: Comparison) -> str:
    """What the page is about, in two sentences."""
    names = dict.fromkeys(system.method for system in comparison.systems)
    beside = ", with the paper's figures beside them" if is_of_the_paper(comparison.systems) else ""
    return (
        f"{len(comparison.systems)} systems ({', '.join(names)}) on the same {test_images(comparison)}{beside}. Every "
        "difference is tested, and called noise where it is no more."
    )


def key_figures(comparison: Comparison) -> list[KeyFigure]:
    """The numbers at the head of the page."""
    figures = [
        KeyFigure("systems", str(len(comparison.systems))),
        KeyFigure("runs", str(comparison.n_runs)),
        KeyFigure("test images", f"{n_images(comparison):,}"),
    ]
    for measure in measures(comparison):
        sure, pairs = grids.tally(comparison.tests, measure)
        figures.append(
            KeyFigure(f"pairs that differ in {MEASURES[measure]} beyond noise", f"{sure} of {pairs}")
        )
    return figures


def n_images(comparison: Comparison) -> int:
    """How many test images there are."""
    return len(comparison.systems[0].right_NS)


def test_images(comparison: Comparison) -> str:
    """How many test images, and of how many groups where they come in groups."""
    system = comparison.systems[0]
    n_groups = int(system.unit_N.max()) + 1
    of_groups = f" of {n_groups:,} group{'s' if n_groups > 1 else ''}" if system.is_grouped else ""
    return f"{n_images(comparison):,} test images{of_groups}"


def measures(comparison: Comparison) -> list[str]:
    """The measures that were tested."""
    return list(comparison.tests["measure"].unique())


def context(comparison: Comparison) -> dict[str, Any]:
    """Every value that the section templates name."""
    systems, tests = comparison.systems, comparison.tests
    return {
        "systems_grid": grids.systems_grid(systems),
        "options": {name: shown(value) for name, value in common_options(systems).items()},
        "left_out": comparison.left_out,
        "differing": comparison.differing,
        "priors": priors(systems),
        "transfer": transfer_grids(comparison),
        "measure_names": MEASURES,
        "words": {measure: grids.in_words(tests, measure) for measure in measures(comparison)},
        "matrices": {measure: grids.matrix(tests, measure) for measure in measures(comparison)},
        "pairs": {measure: grids.pairs_grid(tests, measure) for measure in measures(comparison)},
        "signed": grids.signed,
        "interval": grids.interval,
        "is_grouped": systems[0].is_grouped,
        "few_groups": FEW_GROUPS,
        "n_draws": DRAWS,
        "is_of_the_paper": is_of_the_paper(systems),
        "n_seeds": sorted({len(system.seeds) for system in systems}),
        "learning": [system.name for system in systems if learned_weights(system)],
        "majority": systems[0].runs[0].metrics["majority"],
        "majority_uar": majority_uar(systems[0].runs[0].metrics["majority"]),
        "rafce_version": rafce.__version__,
    }


def transfer_grids(comparison: Comparison) -> list[Grid]:
    """What AUs do for emotions and emotions for AUs, and what Bayes' rule changes; none that has no rows."""
    systems, tests = comparison.systems, comparison.tests
    found = [
        grids.against_grid(
            tests,
            first_of(systems, "stl"),
            ("accuracy", "uar"),
            "What AUs do for emotions: each system less stl, which learns them alone. “Worse” is negative transfer.",
        ),
        grids.against_grid(
            tests,
            first_of(systems, "mtl"),
            ("au_macro_f1",),
            "What weights and alignment do for AUs: each system less mtl. “Worse” is inhibited AU detection.",
        ),
        grids.bayes_grid(tests, systems, "Alignment by Bayes' rule less the paper's."),
    ]
    return [grid for grid in found if grid.rows]


def first_of(systems: Sequence[System], method: str) -> str:
    """The name of the first system of a method; "" where there is none."""
    return next((system.name for system in systems if system.method == method), "")


def priors(systems: Sequence[System]) -> list[str]:
    """In words, on which images the statistics were counted."""
    scopes = dict.fromkeys(
        str(system.runs[0].config["prior_scope"]) for system in systems if system.statistics == "wild"
    )
    return [PRIOR_WORDS[scope] for scope in scopes]


def shown(value: object) -> str:
    """An option as one would type it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
