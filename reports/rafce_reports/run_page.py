"""`report.html` of a run: which sections it has and what they show."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

import rafce
from rafce.intervals import FEW_GROUPS, FEW_IMAGES
from rafce_reports import run_tables as tables
from rafce_reports.comparison_page import PRIOR_WORDS, shown
from rafce_reports.comparison_runs import System
from rafce_reports.figure5 import WEIGHT_NAMES, learned_weights
from rafce_reports.numbers import between, in_groups, interval_kinds, percent
from rafce_reports.page import KeyFigure, Page, Section, render_page
from rafce_reports.runs import Run

FOOTER = "Made by rafce. The page needs nothing but itself; the tables and figures lie beside it as files."
SECTIONS = (
    Section("figures", "How good it is", "run/figures.html"),
    Section("curves", "How it learned", "run/curves.html"),
    Section("confusion", "What is taken for what", "run/confusion.html"),
    Section("emotions", "Emotions", "run/emotions.html"),
    Section("aus", "Action units", "run/aus.html"),
    Section("mistakes", "The surest mistakes", "run/mistakes.html"),
    Section("calibration", "How far to trust its probabilities", "run/calibration.html"),
    Section("limits", "What the figures cannot say", "run/limits.html"),
    Section("about", "Options, data, licence", "run/about.html"),
)


def run_page(run: Run, wrong: pd.DataFrame, faces: Mapping[str, str] | None, pictures: Path) -> str:
    """The whole page as HTML; `pictures` holds the figures as SVG, `faces` data URIs by image, if faces are shown."""
    page = Page(
        title=f"{run.config['method']}: one training run",
        short_title=f"Run {run.folder.resolve().name}",
        lede=lede(run),
        sections=SECTIONS,
        key_figures=key_figures(run),
        footer=FOOTER,
    )
    return render_page(page, pictures, **context(run), **mistake_context(run, wrong, faces))


def lede(run: Run) -> str:
    """What was trained on what, in two sentences."""
    sizes, selected = run.metrics["dataset"], run.metrics["selected"]
    picked = {"uar": "UAR", "accuracy": "accuracy"}[selected["by"]]
    return (
        f"A {run.config['backbone']} trained by {run.config['method']} on {sizes['train']:,} images, tested once on "
        f"{sizes['test']:,}{in_groups(run.test)}. {sizes['validation']:,} validation images picked epoch "
        f"{selected['epoch']} of {len(run.history)} ({picked} {percent(selected['validation'], 1)} %)."
    )


def key_figures(run: Run) -> list[KeyFigure]:
    """The numbers at the head of the page, each with its interval."""
    test, majority = run.test, run.metrics["majority"]
    named = {"accuracy": test["accuracy"], "UAR": test["uar"]}
    if aus := run.au_metrics:
        named[f"macro-F1 of {aus['n_aus']} AUs"] = aus["macro_f1"]
    figures = [
        KeyFigure(f"{name} ({between(of['ci_low'], of['ci_high'], 1)})", f"{percent(of['value'], 1)} %")
        for name, of in named.items()
    ]
    always = percent(majority["accuracy"]["value"], 1)
    error = percent(test["calibration"]["expected_error"], 1)
    return [
        *figures,
        KeyFigure(f"accuracy of always “{majority['emotion']}”", f"{always} %"),
        KeyFigure("expected calibration error, points", error),
    ]


def context(run: Run) -> dict[str, Any]:
    """Every value that the section templates name, but those on mistakes."""
    test, aus = run.test, run.au_metrics
    few = [row for row in test["emotions"] if row["support"] < FEW_IMAGES]
    return {
        "figures_grid": tables.figures_grid(run),
        "against_majority": against_majority(run),
        "emotions_grid": tables.emotions_grid(run),
        "aus_grid": tables.aus_grid(aus) if aus else None,
        "trials_grid": tables.trials_grid(run),
        "learned": [WEIGHT_NAMES.get(term, term) for term in learned_weights(System("", (run,)))],
        "few": [f"{row['emotion']} ({row['support']})" for row in few],
        "few_n": FEW_IMAGES,
        "rates": interval_kinds(test)["rates"],
        "n_groups": test.get("groups"),
        "few_groups": FEW_GROUPS,
        "prior": PRIOR_WORDS[run.config["prior_scope"]] if run.uses_statistics else None,
        "config": {name: shown(value) for name, value in run.config.items() if value != ""},
        "metrics": run.metrics,
        "method": run.config["method"],
        "calibration_error": percent(test["calibration"]["expected_error"], 1),
        "too_sure": too_sure(test["calibration"]),
        "rafce_version": rafce.__version__,
    }


def mistake_context(run: Run, wrong: pd.DataFrame, faces: Mapping[str, str] | None) -> dict[str, Any]:
    """The table of mistakes, and whether it shows faces."""
    return {
        "mistakes_grid": tables.mistakes_grid(wrong, len(run.words.emotions), faces),
        "n_wrong": len(wrong),
        "n_close": int((wrong["rank_true"] == 2).sum()),
        "with_images": bool(faces),
    }


def against_majority(run: Run) -> str:
    """Whether the interval of accuracy lies above, around or below the accuracy of the majority class; or "unknown"."""
    accuracy, always = run.test["accuracy"], run.metrics["majority"]["accuracy"]["value"]
    if accuracy["ci_low"] is None:
        return "unknown"
    if accuracy["ci_low"] > always:
        return "above"
    return "below" if accuracy["ci_high"] < always else "around"


def too_sure(calibration: dict[str, Any]) -> float:
    """Mean confidence less accuracy over all images: above 0 the run is surer than it is right."""
    n = sum(row["n"] for row in calibration["bins"])
    return float(
        sum(row["n"] * (row["confidence"] - row["accuracy"]["value"]) for row in calibration["bins"]) / n
    )
