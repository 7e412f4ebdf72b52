"""Table 2 and Table 3 as tidy frames, the paper's figures in them; rates in percent."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from rafce.intervals import Estimate
from rafce.reference import paper_table2, paper_table3
from rafce_reports.comparison_runs import System

# S runs of one system, K emotions
FloatArray = npt.NDArray[np.float64]

OURS, PAPER = "this comparison", "the paper"
RECALL, OVERALL = "recall", ("accuracy", "uar")
WITH_AUS = (*OVERALL, "au_macro_f1")
MAL = ("mal", "mal2")


def table2(systems: Sequence[System]) -> pd.DataFrame:
    """Recall per emotion with support, accuracy and mean recall ("Diag.") of every system, then the paper's columns.

    A row a figure: source, system, method, statistics, alignment, measure, emotion (recall only), support (test
    images), seeds, percent (the mean over seeds), sd (over seeds; null for one), ci_low and ci_high (95 % over test
    images, of that mean, for these trained nets). The paper's have no support, seeds, sd or interval. Where images come
    in groups, intervals are over these, and `groups` says of how many the test images are.
    """
    emotions = systems[0].runs[0].words.emotions
    ours = [row for system in systems for row in _system_rows(system, emotions)]
    paper = _paper_rows(emotions) if is_of_the_paper(systems) else []
    table = pd.DataFrame([*ours, *paper]).astype({"support": "Int64", "groups": "Int64", "seeds": "Int64"})
    return table if systems[0].is_grouped else table.drop(columns="groups")


def table3(systems: Sequence[System]) -> pd.DataFrame:
    """Statistics × method, those without statistics first: accuracy, uar and AU macro-F1, the paper's beside.

    A row a figure, columns as in `table2` and `paper`, the paper's percentage, where the emotions are its own. "MAL" is
    the better of mal and mal2 on validation, mean over seeds. The paper's STL and MTL stand in its Table 2; it prints
    no AU macro-F1.
    """
    paper = _paper_percents() if is_of_the_paper(systems) else {}
    groups = {"groups": n_groups(systems[0])} if systems[0].is_grouped else {}
    rows = []
    for label, system in _table3_rows(systems):
        for measure in WITH_AUS:
            known = system.alignment in (None, "paper")
            percent = paper.get((label.upper(), system.statistics, measure)) if known else None
            figures = summary(system, measure)
            rows.append(
                {
                    **_identity(system),
                    "label": label,
                    "measure": measure,
                    **groups,
                    **figures,
                    "paper": percent,
                }
            )
    return pd.DataFrame(rows).astype({"seeds": "Int64", "paper": "float64"})


def n_groups(system: System, emotion: str | None = None) -> int:
    """Of how many groups the test images are, or those of an emotion; each image counts where there are no groups."""
    of_N = system.runs[0].predictions["emotion"].to_numpy()
    return len(np.unique(system.unit_N if emotion is None else system.unit_N[of_N == emotion]))


def is_of_the_paper(systems: Sequence[System]) -> bool:
    """Whether the emotions are the paper's fourteen, so that its figures can stand beside."""
    return set(systems[0].runs[0].words.emotions) == set(paper_table2()["emotion"].dropna())


def better_mal(systems: Sequence[System]) -> System | None:
    """Of the systems with learned weights and no alignment, the best on validation; the first of equals.

    By the figure that picked the epoch, in the first of them.
    """
    candidates = [system for system in systems if system.method in MAL and system.statistics is None]
    if not candidates:
        return None
    measure = candidates[0].runs[0].metrics["selected"]["by"]
    return max(
        candidates, key=lambda system: sum(run.validation(measure) for run in system.runs) / len(system.runs)
    )


def summary(system: System, measure: str) -> dict[str, object]:
    """Accuracy, uar or au_macro_f1 in percent: mean and standard deviation over seeds, and an interval.

    Of the mean over seeds; of AU macro-F1 the limits of single runs, averaged, which are wider if anything.
    """
    value_S = system.by_seed(measure)
    if measure != "au_macro_f1":
        return over_seeds(system.accuracy() if measure == "accuracy" else system.uar(), value_S)
    low, high = system.estimates(measure)[["ci_low", "ci_high"]].mean(skipna=False)
    return over_seeds(Estimate(value_S.mean(), low, high), value_S)


def over_seeds(mean: Estimate, value_S: FloatArray) -> dict[str, object]:
    """A figure in percent, with the spread over seeds."""
    value, low, high = (100 * float(of) for of in mean)
    sd = 100 * float(value_S.std(ddof=1)) if len(value_S) > 1 else np.nan
    return {"seeds": len(value_S), "percent": value, "sd": sd, "ci_low": low, "ci_high": high}


def _system_rows(system: System, emotions: Sequence[str]) -> list[dict[str, object]]:
    identity = {"source": OURS, **_identity(system)}
    rows, support_K = [], system.member_NK.sum(0).tolist()
    recalls, recall_SK = system.recalls(), system.recall_SK()
    for position, emotion in enumerate(emotions):
        place = {"measure": RECALL, "emotion": emotion, "support": support_K[position]}
        place["groups"] = n_groups(system, emotion)
        mean = Estimate(*(of_K[position] for of_K in recalls))
        rows.append({**identity, **place, **over_seeds(mean, recall_SK[:, position])})
    for measure in OVERALL:
        place = {"measure": measure, "emotion": None, "support": len(system.right_N)}
        place["groups"] = n_groups(system)
        rows.append({**identity, **place, **summary(system, measure)})
    return rows


def _paper_rows(emotions: Sequence[str]) -> list[dict[str, object]]:
    """The paper's rows in the order of the emotions."""
    table = paper_table2()
    order = {emotion: position for position, emotion in enumerate(emotions)}
    rows = table.sort_values("emotion", key=lambda column: column.map(order), kind="stable")  # null last
    by_method = [rows[rows["method"] == method] for method in table["method"].unique()]
    return [
        {"source": PAPER, "system": row["method"], **row}
        for part in by_method
        for row in part.astype({"emotion": object}).where(part.notna(), None).to_dict("records")
    ]


def _identity(system: System) -> dict[str, object]:
    return {
        "system": system.name,
        "method": system.method,
        "statistics": system.statistics,
        "alignment": system.alignment,
    }


def _table3_rows(systems: Sequence[System]) -> list[tuple[str, System]]:
    """The systems with their labels, in blocks by statistics: none, lab, wild; of mal and mal2 the better one."""
    mal = better_mal(systems)
    order = [None, "lab", "wild"]
    shown = [
        ("mal" if system is mal else system.method, system)
        for system in systems
        if system is mal or system.method not in MAL or system.statistics is not None
    ]
    return sorted(shown, key=lambda row: (order.index(row[1].statistics), row[1].alignment == "bayes"))


def _paper_percents() -> dict[tuple[str, str | None, str], float]:
    """The paper's accuracies and mean recalls by its name of the method, the statistics and the measure."""
    overall = paper_table2().query("measure != 'recall' and method != 'MML'")
    rows = [*overall.assign(statistics=None).to_dict("records"), *paper_table3().to_dict("records")]
    return {
        (
            str(row["method"]),
            None if pd.isna(row["statistics"]) else str(row["statistics"]),
            str(row["measure"]),
        ): float(row["percent"])
        for row in rows
    }
