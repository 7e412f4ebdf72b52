"""What `rafce-train run` says when it is done: the test figures with intervals, each emotion, where the files lie."""

from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from rafce.intervals import FEW_GROUPS
from rafce_cli.console import Console
from rafce_reports.numbers import in_groups, intervals_in_words, majority_uar
from rafce_reports.run_report import PAGE, REPORT
from rafce_train.config import flag

Json = dict[str, Any]

KINDS = {"rates": "accuracy", "recalls": "recall", "uar": "UAR", "scores": "the others"}


def print_summary(metrics: Json, run: Path) -> None:
    """Print the test figures; the last lines are the page, the picture of the confusion matrix and the run folder."""
    console = Console(highlight=False)
    console.print(emotion_table(metrics["test"]["emotions"]))
    for line in (
        *headline(metrics),
        f"report: {run / REPORT / PAGE}",
        f"confusion matrix: {run / REPORT / 'confusion.png'}",
        f"run folder: {run}",
    ):
        console.print(line, soft_wrap=True, markup=False)


def emotion_table(emotions: list[Json], title: str = "Test images") -> Table:
    """Recall of each emotion with its support and 95 % interval."""
    table = Table(title=title, title_justify="left")
    table.add_column("emotion", no_wrap=True)
    for name in ("n", "recall %", "95 % interval"):
        table.add_column(name, justify="right")
    for row in emotions:
        table.add_row(
            escape(row["emotion"]),
            f"{row['support']:,}{in_groups(row)}",
            _percent(row["recall"]["value"]),
            _interval(row["recall"]),
        )
    return table


def headline(metrics: Json) -> list[str]:
    """What was trained and picked, and the figures over all test images."""
    test, selected = metrics["test"], metrics["selected"]
    picked = {"uar": "UAR", "accuracy": "accuracy"}[selected["by"]]
    what = (
        f"{metrics['method']}, epoch {selected['epoch']} (validation {picked} {_percent(selected['validation'])} %), "
        + counted(test, "test")
    )
    return [what, *_chosen_weights(metrics), *figure_lines(test, metrics["majority"])]


def _chosen_weights(metrics: Json) -> list[str]:
    """Of lists of fixed weights, those that did best on validation."""
    trials, chosen = metrics.get("trials", []), metrics.get("chosen", {})
    names = [name for name in ("rho_au", "rho_align") if len({trial[name] for trial in trials}) > 1]
    words = [f"{flag(name)} {chosen[name]:g}" for name in names]
    return [f"best on validation of {len(trials)}: {' '.join(words)}"] if words else []


def counted(figures: Json, partition: str) -> str:
    """How many images the figures of a partition are of, in how many groups, and what kinds of interval they have."""
    kinds = intervals_in_words(figures, KINDS)
    few = figures.get("groups") is not None and figures["groups"] < FEW_GROUPS
    narrow = f"; too narrow below {FEW_GROUPS} groups" if few else ""
    return f"{figures['n']:,} {partition} images{in_groups(figures)}, 95 % intervals ({kinds}{narrow})"


def figure_lines(figures: Json, majority: Json) -> list[str]:
    """The figures over all images of a partition, the majority class beside them."""
    always = f"always {majority['emotion']}:"
    lines = [
        f"accuracy     {_rate(figures['accuracy'])}   {always} {_percent(majority['accuracy']['value'])} %",
        f"UAR          {_rate(figures['uar'])}   {always} {_percent(majority_uar(majority)['value'])} %",
        f"macro-F1     {_rate(figures['macro_f1'])}",
    ]
    if aus := figures["action_units"]:
        lines.append(f"AU macro-F1  {_rate(aus['macro_f1'])}   over {aus['n_aus']} AUs")
    return lines


def _rate(figure: Json) -> str:
    return f"{_percent(figure['value'])} % ({_interval(figure)})"


def _interval(figure: Json) -> str:
    return (
        "–" if figure["ci_low"] is None else f"{_percent(figure['ci_low'])} to {_percent(figure['ci_high'])}"
    )


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"
