"""A comparison's page and Figure 5 show the runs and the tests that they were made from, each at its place."""

from pathlib import Path
from typing import Any

import matplotlib.colors
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection

from rafce.reference import paper_table2, paper_table3
from rafce.schema import Vocabulary
from rafce.taxonomy import AUS, COMPOUND_EMOTIONS
from rafce_reports.comparison import Comparison
from rafce_reports.comparison_grids import in_words
from rafce_reports.comparison_page import comparison_page, key_figures
from rafce_reports.comparison_runs import System, group
from rafce_reports.comparison_tables import table2, table3
from rafce_reports.comparison_text import latex, markdown, printed_table2, printed_table3
from rafce_reports.figure5 import draw_figure5
from rafce_reports.runs import Run
from rafce_reports.style import AGAINST, FOR, WILD, drawing_style

WORDS = Vocabulary(COMPOUND_EMOTIONS, AUS)
SEEDS = (3, 8)
SKILL = {"stl": 0.5, "mtl": 0.45, "mal": 0.3, "mml": 0.9}
TERMS = {"stl": ("emo",), "mtl": ("emo", "au"), "mal": ("emo", "au"), "mml": ("emo", "au", "align")}
SYSTEMS = (("stl", "paper"), ("mtl", "paper"), ("mal", "paper"), ("mml", "paper"), ("mml", "bayes"))
NAMES = ["stl", "mtl", "mal", "mml (wild)", "mml (wild, bayes)"]
SIZES = np.arange(3, 3 + len(COMPOUND_EMOTIONS))
N = int(SIZES.sum())


def history_of(method: str, rng: np.random.Generator) -> pd.DataFrame:
    epochs = np.arange(1, 4)
    columns: dict[str, Any] = {"epoch": epochs, "iterations": 11 * epochs}
    for term in TERMS[method]:
        is_learned = method in ("mal", "mml") and term != "emo"
        columns[f"loss_{term}"] = 3.0 / epochs
        columns[f"omega_{term}"] = rng.random(3) if is_learned else np.ones(3)
        columns[f"omega_{term}_sd"] = 0.1 * rng.random(3) if is_learned else np.zeros(3)
    return pd.DataFrame({**columns, "accuracy": rng.random(3), "uar": rng.random(3)})


def estimate(value: float) -> dict[str, float]:
    return {"value": value, "ci_low": value / 2, "ci_high": (1 + value) / 2}


def figures_of(predictions: pd.DataFrame) -> dict[str, Any]:
    """The figures of metrics.json, with intervals that are made up."""
    right = predictions["emotion"] == predictions["predicted"]
    recalls = right.groupby(predictions["emotion"]).mean()
    return {
        "n": len(predictions),
        "intervals": {"rates": "Wilson", "scores": "bootstrap over images"},
        "accuracy": estimate(float(right.mean())),
        "uar": estimate(float(recalls.mean())),
        "emotions": [
            {
                "emotion": name,
                "support": int((predictions["emotion"] == name).sum()),
                "groups": None,
                "recall": estimate(float(recalls[name])),
                "f1": estimate(0.9 * float(recalls[name])),
            }
            for name in COMPOUND_EMOTIONS
        ],
    }


def run_of(method: str, alignment: str, seed: int, grouped: bool = False) -> Run:
    """A run in memory: right about an image as often as its method is skilled."""
    rng = np.random.default_rng([seed, *map(ord, method + alignment)])
    emotion_N = np.repeat(np.arange(len(COMPOUND_EMOTIONS)), SIZES)
    p_NK = rng.random((len(emotion_N), len(COMPOUND_EMOTIONS)))
    p_NK[np.arange(len(emotion_N)), emotion_N] += rng.random(len(emotion_N)) < SKILL[method]
    p_NK /= p_NK.sum(1, keepdims=True)
    names = np.array(COMPOUND_EMOTIONS, object)
    predictions = pd.DataFrame(
        {
            "image": [f"{i:04}.jpg" for i in range(len(emotion_N))],
            "emotion": names[emotion_N],
            "predicted": names[p_NK.argmax(1)],
        }
    )
    if grouped:
        predictions["group"] = [f"video {i % 7}" for i in range(len(emotion_N))]
    macro_f1 = {"value": 0.2 + 0.1 * rng.random(), "ci_low": 0.1, "ci_high": 0.4}
    aus = {"macro_f1": macro_f1, "n_aus": 20, "aus": []} if "au" in TERMS[method] else None
    config = {"method": method, "statistics": "wild", "alignment": alignment, "seed": seed}
    return Run(
        Path(f"{method}-{alignment}-{seed}"),
        {**config, "prior_scope": "train", "dataset": "data", "epochs": 3},
        {
            "dataset": {"fingerprint": "0123456789abcdef"},
            "selected": {"by": "uar", "epoch": 1 + seed % 3, "validation": rng.random()},
            "majority": {"emotion": "sadly angry", "accuracy": estimate(0.1), "uar": 1 / 14},
            "test": {**figures_of(predictions), "action_units": aus},
        },
        history_of(method, rng),
        predictions,
        WORDS,
    )


@pytest.fixture(scope="module")
def systems() -> tuple[System, ...]:
    found = group([run_of(*system, seed) for seed in SEEDS for system in SYSTEMS])
    assert [system.name for system in found] == NAMES
    return found


def made_up_tests() -> pd.DataFrame:
    """A row a measure and pair; no two rows have a number in common."""
    rows: list[dict[str, Any]] = []
    for measure in ("accuracy", "uar", "au_macro_f1"):
        known = NAMES if measure != "au_macro_f1" else NAMES[1:]
        pairs = [(a, b) for i, a in enumerate(known) for b in known[i + 1 :]]
        for a, b in pairs:
            k = len(rows)
            difference = (-1) ** k * (1.15 + 0.7 * k)
            is_sure = k % 3 == 0
            half = 0.5 + 0.01 * k if is_sure else 30.0 + k
            rows.append(
                {
                    **{"measure": measure, "a": a, "b": b, "images": N, "groups": pd.NA},
                    **{"seeds_a": 2, "seeds_b": 2, "sd_a": 0.3 + k, "sd_b": 0.6 + k},
                    "images_a_better": pd.NA if measure == "au_macro_f1" else 10 + k,
                    "images_b_better": pd.NA if measure == "au_macro_f1" else 50 + k,
                    **{
                        "difference": difference,
                        "ci_low": difference - half,
                        "ci_high": difference + half / 2,
                    },
                    **{"test": "McNemar, exact", "p": 0.001 * (1 + (k * 7) % 30), "p_holm": 0.002 * (1 + k)},
                    "verdict": "inside noise"
                    if not is_sure
                    else "a better"
                    if difference > 0
                    else "b better",
                }
            )
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def comparison(systems) -> Comparison:
    return Comparison(systems, table2(systems), table3(systems), made_up_tests(), ())


@pytest.fixture(scope="module")
def page(comparison, page_tables, tmp_path_factory) -> Any:
    pictures = tmp_path_factory.mktemp("pictures")
    (pictures / "figure5.svg").write_text("<svg/>")
    table_2, table_3 = printed_table2(comparison.table2), printed_table3(comparison.table3)
    return page_tables(comparison_page(comparison, table_2, table_3, pictures))


def untyped(figure):
    """A figure whose artists may be asked for what their base class does not promise."""
    return figure


def collections(axes, kind):
    """The collections of one kind in their order."""
    return [found for found in axes.collections if isinstance(found, kind)]


def signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−")


def seen_from(row: dict, system: str) -> tuple[float, float, float, str]:
    """Difference, interval and verdict of a pair, seen from one of the two."""
    words = {"inside noise": "inside noise", "a better": "better", "b better": "worse"}
    turned = {"better": "worse", "worse": "better", "inside noise": "inside noise"}
    verdict = words[row["verdict"]]
    if row["a"] == system:
        return row["difference"], row["ci_low"], row["ci_high"], verdict
    return -row["difference"], -row["ci_high"], -row["ci_low"], turned[verdict]


def pair_of(tests: pd.DataFrame, measure: str, one: str, other: str) -> dict:
    (row,) = (
        row
        for row in tests[tests["measure"] == measure].to_dict("records")
        if {row["a"], row["b"]} == {one, other}
    )
    return row


def texts_of(tests: pd.DataFrame, measure: str, one: str, other: str) -> list[str]:
    value, low, high, verdict = seen_from(pair_of(tests, measure, one, other), one)
    return [signed(value), f"{signed(low)} to {signed(high)}", verdict]


# --- figure 5


def test_figure_5_draws_each_systems_own_accuracy_in_its_panel_and_the_others_behind(systems):
    with drawing_style():
        part = untyped(draw_figure5(systems)).subfigs[0]
    assert part.get_suptitle() == "(a) Validation accuracy, %"
    assert part.get_supxlabel() == "iterations"
    means = {
        system.name: 100 * np.mean([run.history["accuracy"] for run in system.runs], axis=0)
        for system in systems
    }
    for axes in part.axes:
        name = axes.get_title(loc="left") or axes.get_title(loc="center")
        *behind, own = axes.lines
        np.testing.assert_allclose(own.get_ydata(), means[name])
        np.testing.assert_array_equal(own.get_xdata(), [11, 22, 33])
        assert matplotlib.colors.to_hex(own.get_color()) == WILD
        grey = [tuple(line.get_ydata()) for line in behind]
        expected = [tuple(mean) for other, mean in means.items() if other != name]
        np.testing.assert_allclose(sorted(grey), sorted(expected))
        (area,) = collections(axes, PolyCollection)
        runs = next(system.runs for system in systems if system.name == name)
        spread = 100 * np.std([run.history["accuracy"] for run in runs], axis=0, ddof=1)
        points = area.get_paths()[0].vertices[:, 1]
        assert points.min() == pytest.approx((means[name] - spread).min())
        assert points.max() == pytest.approx((means[name] + spread).max())
    assert len(part.axes) == len(systems)


def test_figure_5_draws_the_learned_weights_in_the_colours_of_its_legend(systems):
    with drawing_style():
        part = untyped(draw_figure5(systems)).subfigs[1]
    assert part.get_suptitle() == "(b) Mean learned weight ω of each loss"
    (legend,) = part.legends
    colours = {
        text.get_text(): matplotlib.colors.to_hex(handle.get_color())
        for text, handle in zip(legend.texts, legend.legend_handles, strict=True)
    }
    assert colours == {"AU": AGAINST, "alignment": FOR}
    terms = {AGAINST: "au", FOR: "align"}
    shown = {}
    for axes in part.axes:
        name = axes.get_title(loc="left") or axes.get_title(loc="center")
        (system,) = (system for system in systems if system.name == name)
        shown[name] = [terms[matplotlib.colors.to_hex(line.get_color())] for line in axes.lines]
        for line, term in zip(axes.lines, shown[name], strict=True):
            mean = np.mean([run.history[f"omega_{term}"] for run in system.runs], axis=0)
            np.testing.assert_allclose(line.get_ydata(), mean)
    assert shown == {"mal": ["au"], "mml (wild)": ["au", "align"], "mml (wild, bayes)": ["au", "align"]}


# --- the page


def test_systems_stand_with_their_seeds_epochs_and_validation_figures(systems, page):
    heads, *rows = page.tables["Systems"]
    assert heads == ["system", "seeds", "epoch that validation picked", "its validation figure, %"]
    for cells, system in zip(rows, systems, strict=True):
        selected = [run.metrics["selected"] for run in system.runs]
        percents = [100 * one["validation"] for one in selected]
        assert cells == [
            system.name,
            "3, 8",
            ", ".join(str(one["epoch"]) for one in selected),
            f"{np.mean(percents):.1f} ± {np.std(percents, ddof=1):.1f}",
        ]


def test_each_system_less_the_reference_is_seen_from_the_system(comparison, page):
    tables = page.tables
    (label,) = (label for label in tables if label.startswith("What AUs do for emotions"))
    heads, *rows = tables[label]
    assert heads == [
        *("system", "accuracy, points", "95 % interval", "verdict", "UAR, points", "95 % interval", "verdict")
    ]
    assert [cells[0] for cells in rows] == NAMES[1:]
    for name, *cells in rows:
        assert cells == [
            *texts_of(comparison.tests, "accuracy", name, "stl"),
            *texts_of(comparison.tests, "uar", name, "stl"),
        ]
    (label,) = (label for label in tables if label.startswith("What weights and alignment do for AUs"))
    heads, *rows = tables[label]
    assert heads[1] == "AU macro-F1, points"
    assert {name: cells for name, *cells in rows} == {
        name: texts_of(comparison.tests, "au_macro_f1", name, "mtl") for name in NAMES[2:]
    }


def test_bayes_is_set_against_the_papers_alignment(comparison, page):
    (label,) = (label for label in page.tables if label.startswith("Alignment by Bayes"))
    pair = "mml (wild, bayes)", "mml (wild)"
    assert page.tables[label][1:] == [
        [" − ".join(pair), words, *texts_of(comparison.tests, measure, *pair)]
        for measure, words in (("accuracy", "accuracy"), ("uar", "UAR"), ("au_macro_f1", "AU macro-F1"))
    ]


@pytest.mark.parametrize("measure", ["accuracy", "uar", "au_macro_f1"])
def test_the_matrix_has_the_row_less_the_column_coloured_by_its_verdict(comparison, page, measure):
    words = {"accuracy": "accuracy", "uar": "UAR", "au_macro_f1": "AU macro-F1"}[measure]
    heads, *rows = page.tables[f"Differences in {words}"]
    kinds = page.classes[f"Differences in {words}"][1:]
    assert heads[1:] == [cells[0] for cells in rows] == (NAMES if measure != "au_macro_f1" else NAMES[1:])
    for (name, *cells), classes in zip(rows, kinds, strict=True):
        for other, cell, kind in zip(heads[1:], cells, classes[1:], strict=True):
            if name == other:
                assert not any(letter.isdigit() for letter in cell)
                continue
            value, _, _, verdict = seen_from(pair_of(comparison.tests, measure, name, other), name)
            assert signed(value) in cell
            assert {"better": "holds", "worse": "fails", "inside noise": "soft"}[verdict] in kind.split()


@pytest.mark.parametrize("measure", ["accuracy", "uar", "au_macro_f1"])
def test_all_pairs_stand_by_rising_p_with_their_own_numbers(comparison, page, measure):
    words = {"accuracy": "accuracy", "uar": "UAR", "au_macro_f1": "AU macro-F1"}[measure]
    heads, *rows = page.tables[f"All pairs in {words}"]
    tests = comparison.tests[comparison.tests["measure"] == measure].sort_values("p", kind="stable")
    for head, cell in (("A − B, points", 2), ("95 % interval", 3)):
        assert heads[cell] == head
    for cells, row in zip(rows, tests.to_dict("records"), strict=True):
        shown = dict(zip(heads, cells, strict=True))
        assert (shown["A"], shown["B"]) == (row["a"], row["b"])
        assert shown["A − B, points"] == signed(row["difference"])
        assert shown["95 % interval"] == f"{signed(row['ci_low'])} to {signed(row['ci_high'])}"
        assert (shown["p"], shown["p, Holm"]) == (f"{row['p']:.2g}", f"{row['p_holm']:.2g}")
        assert shown["verdict"] == row["verdict"]
        counted = [cell for head, cell in shown.items() if "more often right" in head]
        both = f"{row['images_a_better']} / {row['images_b_better']}"
        assert counted == ([] if measure == "au_macro_f1" else [both])


def test_the_sentences_put_the_winner_first_and_the_largest_difference_on_top(comparison):
    tests = comparison.tests
    for measure, words in (("accuracy", "accuracy"), ("uar", "UAR")):
        of = tests[tests["measure"] == measure]
        sure = of[of["verdict"] != "inside noise"].to_dict("records")
        sure.sort(key=lambda row: -abs(row["difference"]))
        *found, rest = in_words(tests, measure)
        for sentence, row in zip(found, sure, strict=True):
            winner, loser = (row["a"], row["b"]) if row["verdict"] == "a better" else (row["b"], row["a"])
            value, low, high, _ = seen_from(row, winner)
            assert sentence == (
                f"{winner} is better than {loser} by {value:.1f} points of {words} "
                f"({signed(low)} to {signed(high)}; p by Holm {row['p_holm']:.2g})."
            )
        assert f"{len(of) - len(sure)} differences are inside noise" in rest


def test_the_head_of_the_page_counts_what_is_sure(comparison):
    found = dict(key_figures(comparison))
    tests = comparison.tests
    assert (found["systems"], found["runs"]) == ("5", "10")
    for measure, words in (("accuracy", "accuracy"), ("uar", "UAR"), ("au_macro_f1", "AU macro-F1")):
        verdicts = tests.loc[tests["measure"] == measure, "verdict"]
        sure = (verdicts != "inside noise").sum()
        assert found[f"pairs that differ in {words} beyond noise"] == f"{sure} of {len(verdicts)}"


# --- Tables 2 and 3


def shown_cell(row) -> tuple[str, str]:
    """A figure of this comparison as it is printed, and its interval."""
    if np.isnan(row["percent"]):
        return "–", ""
    spread = "" if pd.isna(row["sd"]) else f" ± {row['sd']:.1f}"
    interval = "" if pd.isna(row["ci_low"]) else f"{row['ci_low']:.1f} to {row['ci_high']:.1f}"
    return f"{row['percent']:.1f}{spread}", interval


def test_table_2_means_the_runs_and_the_page_prints_them_in_their_rows_and_columns(systems, comparison, page):
    table = comparison.table2
    (label,) = (label for label in page.tables if label == "Table 2")
    groups, heads, *rows = page.tables[label]
    assert groups[2:] == ["this comparison", "the paper"]
    assert heads == ["emotion", "n", *NAMES, "STL", "MTL", "MML"]
    assert [cells[0] for cells in rows] == [*COMPOUND_EMOTIONS, "accuracy", "UAR"]
    paper = paper_table2()
    for cells in rows:
        measure = {"accuracy": "accuracy", "UAR": "uar"}.get(cells[0], "recall")
        emotion = cells[0] if measure == "recall" else None
        predictions = systems[0].runs[0].predictions
        n = len(predictions) if emotion is None else (predictions["emotion"] == emotion).sum()
        assert cells[1] == str(n)
        of = table[(table["measure"] == measure) & (table["emotion"] == emotion if emotion else True)]
        for system, cell in zip(systems, cells[2:7], strict=True):
            row = of[of["system"] == system.name].iloc[0]
            figures = [
                run.test["emotions"][COMPOUND_EMOTIONS.index(emotion)]["recall"]["value"]
                if emotion
                else run.test[measure]["value"]
                for run in system.runs
            ]
            assert row["percent"] == pytest.approx(100 * np.mean(figures))
            assert row["sd"] == pytest.approx(100 * np.std(figures, ddof=1))
            assert cell == " ".join(" ".join(shown_cell(row)).split())
        printed = paper[(paper["measure"] == measure) & (paper["emotion"] == emotion if emotion else True)]
        for method, cell in zip(("STL", "MTL", "MML"), cells[7:], strict=True):
            assert cell == f"{printed.loc[printed['method'] == method, 'percent'].item():.2f}"


def test_table_3_has_each_measure_of_each_system_beside_the_papers(systems, comparison, page):
    table, (_, heads, *rows) = comparison.table3, page.tables["Table 3"]
    assert heads[:3] == ["statistics", "system", "seeds"]
    assert page.tables["Table 3"][0][3:] == ["accuracy", "UAR", "AU macro-F1"]
    paper = paper_table3().set_index(["method", "statistics", "measure"])["percent"]
    by_name = {system.name: system for system in systems}
    assert [cells[1] for cells in rows] == ["stl", "mtl", "MAL: mal", *NAMES[3:]]
    for statistics, label, seeds, *cells in rows:
        name = label.removeprefix("MAL: ")
        system = by_name[name]
        assert (statistics, seeds) == ("wild" if name.startswith("mml") else "none", "2")
        ours = dict(zip(("accuracy", "uar", "au_macro_f1"), (cells[0], cells[2], cells[4]), strict=True))
        for measure, cell in ours.items():
            row = table[(table["system"] == name) & (table["measure"] == measure)].iloc[0]
            figures = [run.estimate(measure)["value"] for run in system.runs]
            if figures[0] is not None:
                assert row["percent"] == pytest.approx(100 * np.mean(figures))
            assert cell == " ".join(" ".join(shown_cell(row)).split())
        if name == "mml (wild)":
            assert cells[1] == f"{paper['MML', 'wild', 'accuracy']:.2f}"
            assert cells[3] == f"{paper['MML', 'wild', 'uar']:.2f}"
        if name == "mml (wild, bayes)":
            assert (cells[1], cells[3]) == ("–", "–")


@pytest.mark.parametrize("number", [2, 3])
def test_markdown_and_latex_print_the_cells_of_the_page(comparison, page, number):
    table = printed_table2(comparison.table2) if number == 2 else printed_table3(comparison.table3)
    rows = page.tables[f"Table {number}"][2:]
    lines = [line.strip("| ").split(" | ") for line in markdown(table).splitlines() if line.startswith("| ")][
        2:
    ]
    for cells, line in zip(rows, lines, strict=True):
        assert [cell.replace("[", "").replace("]", "") for cell in line] == cells
    n_stubs = len(table.stubs)
    body = [line for line in latex(table).splitlines() if line.endswith(r"\\[-0.5ex]")]
    figures: dict[int, list[str]] = {i: [] for i in range(len(rows))}
    for i, row_text in enumerate(body):
        figures[i % len(rows)] += row_text.removesuffix(r" \\[-0.5ex]").split(" & ")[n_stubs:]
    for i, row in enumerate(table.rows):
        expected = {cell.figure.replace("±", r"$\pm$").replace("–", "--") for cell in row.cells}
        assert set(figures[i]) == expected


def test_tables_in_groups_say_how_many(page_tables):
    grouped = group([run_of(*system, 3, grouped=True) for system in SYSTEMS[:2]])
    rows = printed_table2(table2(grouped)).rows
    predictions = grouped[0].runs[0].predictions
    for row in rows:
        of = (
            predictions[predictions["emotion"] == row.stubs[0]]
            if row.stubs[0] in COMPOUND_EMOTIONS
            else predictions
        )
        assert row.stubs[1] == f"{len(of)} in {of['group'].nunique()} groups"
