"""The results of a comparison as grids of strings, and in words."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rafce_reports.comparison_runs import System
from rafce_reports.comparison_tests import A_BETTER, INSIDE
from rafce_reports.comparison_text import MEASURES
from rafce_reports.numbers import q_value
from rafce_reports.page import Column, Grid

BETTER, WORSE = "better", "worse"
MAX_SENTENCES = 8


class Versus(NamedTuple):
    """A system against another, seen from the first."""

    system: str
    other: str
    difference: float
    low: float
    high: float
    p_holm: float
    verdict: str

    @property
    def is_sure(self) -> bool:
        """Whether the difference is more than noise."""
        return self.verdict != INSIDE


def versus(tests: pd.DataFrame, measure: str) -> dict[tuple[str, str], Versus]:
    """Every pair of a measure, from both sides."""
    rows = [_from_a(row) for row in _records(tests[tests["measure"] == measure])]
    return {(row.system, row.other): row for pair in rows for row in (pair, _mirrored(pair))}


def systems_grid(systems: Sequence[System]) -> Grid:
    """What each system is made of, and where validation stopped it."""
    rows = [
        (
            system.name,
            ", ".join(map(str, system.seeds)),
            ", ".join(str(run.metrics["selected"]["epoch"]) for run in system.runs),
            _percent_over(system, lambda run: run.metrics["selected"]["validation"]),
        )
        for system in systems
    ]
    heads = ("seeds", "epoch that validation picked", "its validation figure, %")
    caption = (
        "Systems, in the order of the command line. A system is all runs that differ in their seed alone."
    )
    return Grid("Systems", caption, (Column("system"), *(Column(head, "number") for head in heads)), rows)


def against_grid(tests: pd.DataFrame, reference: str, measures: Sequence[str], caption: str) -> Grid:
    """Every other system less the reference in some measures: points, 95 % interval, verdict."""
    found = {measure: versus(tests, measure) for measure in measures}
    others = dict.fromkeys(
        system for pairs in found.values() for system, other in pairs if other == reference
    )
    columns = [Column("system")]
    for measure in measures:
        columns += _versus_columns(f"{MEASURES[measure]}, points")
    rows = [
        (system, *(text for of in found.values() for text in _versus_texts(of[system, reference])))
        for system in others
    ]
    return Grid(caption, caption, columns, rows)


def bayes_grid(tests: pd.DataFrame, systems: Sequence[System], caption: str) -> Grid:
    """Alignment by Bayes' rule less the paper's, for each system that was run with both: a row a measure."""
    pairs = [
        (bayes.name, paper.name)
        for bayes in systems
        for paper in systems
        if bayes.alignment == "bayes"
        and {**bayes.runs[0].options, "alignment": "paper"} == paper.runs[0].options
    ]
    found = {measure: versus(tests, measure) for measure in MEASURES}
    rows = [
        (f"{bayes} − {paper}", MEASURES[measure], *_versus_texts(of[bayes, paper]))
        for bayes, paper in pairs
        for measure, of in found.items()
        if (bayes, paper) in of
    ]
    columns = (Column("systems"), Column("measure"), *_versus_columns("points"))
    return Grid(caption, caption, columns, rows)


def matrix(tests: pd.DataFrame, measure: str) -> list[tuple[str, list[Versus | None]]]:
    """For each system its row: against every system in the same order, None against itself."""
    pairs = versus(tests, measure)
    names = list(dict.fromkeys(system for system, _ in pairs))
    return [(name, [pairs.get((name, other)) for other in names]) for name in names]


def pairs_grid(tests: pd.DataFrame, measure: str) -> Grid:
    """All pairs of a measure, the surest first; on how many images either is better only where images can be right."""
    has_images = bool(tests.loc[tests["measure"] == measure, "images_a_better"].notna().all())
    rows = [
        (
            row["a"],
            row["b"],
            signed(row["difference"]),
            interval(row["ci_low"], row["ci_high"]),
            f"{_spread(row['sd_a'])} / {_spread(row['sd_b'])}",
            *([f"{row['images_a_better']:,} / {row['images_b_better']:,}"] if has_images else []),
            q_value(row["p"]),
            q_value(row["p_holm"]),
            row["verdict"],
        )
        for row in _records(tests[tests["measure"] == measure].sort_values("p", kind="stable"))
    ]
    counted = ("images A / B more often right",) if has_images else ()
    heads = ("A − B, points", "95 % interval", "A / B over seeds, ±", *counted, "p", "p, Holm")
    caption = f"All pairs in {MEASURES[measure]}, the smallest p first."
    columns = (Column("A"), Column("B"), *(Column(head, "number") for head in heads), Column("verdict"))
    return Grid(f"All pairs in {MEASURES[measure]}", caption, columns, rows)


def tally(tests: pd.DataFrame, measure: str) -> tuple[int, int]:
    """How many pairs differ beyond noise in a measure, of how many."""
    verdicts = tests.loc[tests["measure"] == measure, "verdict"]
    return int((verdicts != INSIDE).sum()), len(verdicts)


def in_words(tests: pd.DataFrame, measure: str) -> list[str]:
    """A sentence on each of the largest differences beyond noise, one on how many more there are, one on the rest."""
    pairs = [_with_winner_first(_from_a(row)) for row in _records(tests[tests["measure"] == measure])]
    pairs.sort(key=lambda row: -row.difference)
    sure, noise = [row for row in pairs if row.is_sure], [row for row in pairs if not row.is_sure]
    sentences = [_sentence(row, measure) for row in sure[:MAX_SENTENCES]]
    if len(sure) > MAX_SENTENCES:
        sentences.append(f"{len(sure) - MAX_SENTENCES} more differences are beyond noise: see below.")
    if noise:
        sentences.append(
            f"{_the_rest(len(noise), bool(sure))} inside noise; the largest, "
            f"{noise[0].system} less {noise[0].other}, is {signed(noise[0].difference)} points "
            f"({interval(noise[0].low, noise[0].high)})."
        )
    return sentences


def _the_rest(n: int, some_are_sure: bool) -> str:
    if not some_are_sure:
        return "Every difference is"
    return "The other difference is" if n == 1 else f"The other {n} differences are"


def signed(points: float) -> str:
    """Percentage points with their sign, to one decimal."""
    text = f"{points:+.1f}".replace("-", "−")
    return "0.0" if text in ("+0.0", "−0.0") else text


def interval(low: float, high: float) -> str:
    """An interval of points; a dash where there is none."""
    return "–" if np.isnan(low) else f"{signed(low)} to {signed(high)}"


def _spread(points: float) -> str:
    return "–" if np.isnan(points) else f"{points:.1f}"


def _versus_columns(head: str) -> tuple[Column, ...]:
    return Column(head, "number"), Column("95 % interval", "number"), Column("verdict")


def _versus_texts(row: Versus) -> tuple[str, str, str]:
    return signed(row.difference), interval(row.low, row.high), row.verdict


def _sentence(row: Versus, measure: str) -> str:
    return (
        f"{row.system} is better than {row.other} by {row.difference:.1f} points of {MEASURES[measure]} "
        f"({interval(row.low, row.high)}; p by Holm {q_value(row.p_holm)})."
    )


def _from_a(row: dict[Any, Any]) -> Versus:
    verdict = {INSIDE: INSIDE, A_BETTER: BETTER}.get(row["verdict"], WORSE)
    return Versus(
        row["a"], row["b"], row["difference"], row["ci_low"], row["ci_high"], row["p_holm"], verdict
    )


def _mirrored(row: Versus) -> Versus:
    verdict = {BETTER: WORSE, WORSE: BETTER}.get(row.verdict, row.verdict)
    return Versus(row.other, row.system, -row.difference, -row.high, -row.low, row.p_holm, verdict)


def _with_winner_first(row: Versus) -> Versus:
    return row if row.difference >= 0 else _mirrored(row)


def _percent_over(system: System, figure: Callable[[Any], float]) -> str:
    percents = 100 * np.array([figure(run) for run in system.runs])
    spread = f" ± {percents.std(ddof=1):.1f}" if len(percents) > 1 else ""
    return f"{percents.mean():.1f}{spread}"


def _records(frame: pd.DataFrame) -> Iterable[dict[Any, Any]]:
    return frame.to_dict("records")
