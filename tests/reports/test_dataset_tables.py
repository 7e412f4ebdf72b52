"""Every table of a dataset's page shows its frame: cell for cell, under the right heading, in the right order."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from rafce.schema import au_column
from rafce_reports import dataset_report
from rafce_reports.analysis import Analysis, AnalyzeOptions, analyze
from rafce_reports.dataset_page import dataset_page, key_figures, lede
from rafce_reports.dataset_report import write_frames
from rafce_reports.grids import N_LARGEST, classes_grid
from rafce_reports.numbers import au_label

FIGURES = (
    *("figure1", "figure2", "frequencies", "lab_vs_wild", "au_information", "telling_aus", "cooccurrence"),
    "sides",
)


@pytest.fixture(scope="module")
def analysis(dataset) -> Analysis:
    return analyze(dataset, AnalyzeOptions())


@pytest.fixture(scope="module")
def page(analysis, page_tables, tmp_path_factory) -> Any:
    pictures = tmp_path_factory.mktemp("pictures")
    for name in FIGURES:
        (pictures / f"{name}.svg").write_text(f"<svg>{name}</svg>")
    return page_tables(dataset_page(analysis, pictures))


@pytest.fixture(scope="module")
def reports_text(page) -> str:
    return " ".join(page.text.split())


@pytest.fixture(scope="module")
def tables(page) -> dict[str, list[list[str]]]:
    tables: dict[str, list[list[str]]] = page.tables
    return tables


@pytest.fixture(scope="module")
def frame(analysis, tmp_path_factory) -> Callable[[str], pd.DataFrame]:
    """A table of the reports as the file beside the page holds it."""
    folder = tmp_path_factory.mktemp("frames")
    write_frames(analysis, folder)
    return lambda name: pd.read_parquet(folder / f"{name}.parquet")


@pytest.fixture(scope="module")
def samples(dataset) -> pd.DataFrame:
    return pq.read_table(dataset.folder / "samples.parquet").to_pandas()


def percent(value: float, digits: int = 0) -> str:
    return f"{100 * value:.{digits}f}"


def between(low: float, high: float, digits: int = 0) -> str:
    return f"{percent(low, digits)} to {percent(high, digits)}"


def points(value: float) -> str:
    text = f"{100 * value:+.0f}".replace("-", "−")
    return "0" if text in ("+0", "−0") else text


def q_words(q: float) -> str:
    return "< 0.0001" if q < 0.0001 else f"{q:.2g}"


def test_the_funnel_counts_lines_reasons_and_images_kept(tables, dataset):
    assert tables["From label files to images"] == [
        ["step", "images"],
        ["lines in RAF-ML", "903"],
        ["lines in RAF-AU", "901"],
        ["images joined by name", "901"],
        ["− no AU label: the image is not in RAF-AU", "2"],
        ["− the pair of emotions has no class (happily angry)", "1"],
        ["images kept", "900"],
    ]
    given = dataset.manifest["inputs"]
    assert tables["Input files"][1:] == [
        [name, entry["file"], f"{entry['lines']}", entry["sha256"]]
        for name, entry in zip(("RAF-ML", "RAF-AU"), given.values(), strict=True)
    ]


def test_images_per_emotion_and_partition_are_those_of_the_samples(tables, samples, frame):
    heads, *rows, foot = tables["Images per emotion and partition"]
    assert heads == ["emotion", "train", "validation", "test", "all", "share, %", "95 % interval"]
    classes = frame("figure1").set_index("emotion")
    counts = pd.crosstab(samples["emotion"], samples["partition"])
    for emotion, *cells in rows:
        row, n = classes.loc[emotion], counts.loc[emotion]
        shares = [percent(n.sum() / len(samples), 1), between(row["ci_low"], row["ci_high"], 1)]
        assert cells == [str(n["train"]), str(n["validation"]), str(n["test"]), str(n.sum()), *shares]
    sums = [str((samples["partition"] == name).sum()) for name in ("train", "validation", "test")]
    assert foot == ["all", *sums, str(len(samples)), "100", ""]
    assert len({*sums}) == 3


def test_images_in_groups_are_counted_beside_the_images(analysis):
    classes = analysis.classes.assign(n_groups=range(10, 10 + len(analysis.classes)))
    grid = classes_grid(classes)
    assert [column.head for column in grid.columns][4:6] == ["all", "in groups"]
    assert [row[5] for row in grid.rows] == [str(n) for n in classes["n_groups"]]
    assert grid.foot[5] == ""


def test_each_rows_sureness_is_counted_over_its_cells(tables, analysis):
    heads, *rows = tables["How sure each emotion's row is"]
    assert heads[2:] == ["observed AUs", "of them unsure", "blanks unsure", "widest interval"]
    statistics = pd.DataFrame(analysis.dataset.au_statistics.to_pylist()).query("scope == 'all'")
    for emotion, n, observed, unsure, blank_unsure, widest in rows:
        cells = statistics[statistics["emotion"] == emotion]
        mass = np.array([row[f"p_{row['category']}"] for row in cells.to_dict("records")])
        is_observed = (cells["frequency"] >= 0.2).to_numpy()
        assert int(n) == cells["n"].max()
        assert (int(observed), int(unsure), int(blank_unsure)) == (
            is_observed.sum(),
            (is_observed & (mass < 0.95)).sum(),
            (~is_observed & (mass < 0.95)).sum(),
        )
        width = (cells["ci_high"] - cells["ci_low"])[is_observed]
        if widest != "–":
            (row,) = cells[is_observed & (cells["au"] == int(widest.split(":")[0].split()[1]))].to_dict(
                "records"
            )
            assert widest == f"AU {row['au']}: {between(row['ci_low'], row['ci_high'])}"
            assert row["ci_high"] - row["ci_low"] == pytest.approx(width.max())
        else:
            assert not is_observed.any()


def test_the_largest_differences_are_wild_minus_laboratory(tables, frame):
    heads, *rows = tables["Largest differences between wild and laboratory"]
    assert heads[2:] == [
        "wild, %",
        "95 % interval",
        "lab, %",
        "95 % interval",
        "difference",
        "95 % interval",
        "q",
    ]
    known = frame("lab_vs_wild").dropna(subset=["difference"])
    by_cell = {(row["emotion"], au_label(row["au"])): row for row in known.to_dict("records")}
    shown = []
    for emotion, au, *cells in rows:
        row = by_cell[emotion, au]
        shown.append(abs(row["wild"] - row["lab"]))
        assert cells == [
            percent(row["wild"]),
            between(row["wild_ci_low"], row["wild_ci_high"]),
            percent(row["lab"]),
            between(row["lab_ci_low"], row["lab_ci_high"]),
            points(row["wild"] - row["lab"]),
            f"{points(row['ci_low'])} to {points(row['ci_high'])}",
            q_words(row["q"]),
        ]
    assert shown == sorted(known["difference"].abs(), reverse=True)[:N_LARGEST]


def test_blanks_that_the_wild_surpasses_are_significant_and_the_highest_come_first(tables, frame):
    heads, *rows = tables["Laboratory blanks that the wild surpasses"]
    assert heads == ["emotion", "AU", "wild, %", "95 % interval", "q"]
    comparison = frame("lab_vs_wild")
    sure = comparison[comparison["lab"].isna() & (comparison["q"] < 0.05)].sort_values(
        "wild", ascending=False
    )
    assert len(rows) == min(len(sure), N_LARGEST) > 0
    by_cell = {(row["emotion"], au_label(row["au"])): row for row in sure.to_dict("records")}
    for (emotion, au, *cells), wild in zip(rows, sure["wild"], strict=False):
        row = by_cell[emotion, au]
        assert row["wild"] == wild
        assert cells == [percent(wild), between(row["wild_ci_low"], row["wild_ci_high"]), q_words(row["q"])]


def test_each_classifier_has_its_own_accuracy_and_uar(tables, frame):
    heads, *rows = tables["AUs alone as a classifier"]
    assert heads == [
        "classifier",
        "correct",
        "accuracy, %",
        "95 % interval",
        "UAR, %",
        "95 % interval",
        "ties",
    ]
    summary, recall = frame("classifiers").set_index("classifier"), frame("classifier_recall")
    for name, correct, accuracy, interval, uar, uar_interval, ties in rows:
        row, of_name = summary.loc[name], recall[recall["classifier"] == name]
        assert correct == f"{of_name['correct'].sum()} of {of_name['n'].sum()}"
        assert accuracy == percent(of_name["correct"].sum() / of_name["n"].sum(), 1)
        assert uar == percent((of_name["correct"] / of_name["n"]).mean(), 1)
        assert interval == between(row["accuracy_low"], row["accuracy_high"], 1)
        assert uar_interval == between(row["uar_low"], row["uar_high"], 1)
        assert ties == str(int(row["ties"]))
    assert [row[0] for row in rows] == list(summary.index)


def test_pairs_that_go_together_are_counted_in_the_samples(tables, samples, frame, analysis):
    heads, *rows = tables["Pairs of AUs that go together"]
    assert heads == ["emotion", "AU", "and AU", "images with both", "%", "95 % interval", "by chance, %", "φ"]
    pairs = frame("cooccurrence")
    observed = {(emotion, au) for emotion, row in analysis.table1.of("wild").items() for au in row.observed()}
    assert len(rows) > 1
    for emotion, one, other, both, rate, interval, chance, phi in rows:
        aus = int(one.split()[0]), int(other.split()[0])
        assert (one, other) == tuple(map(au_label, aus))
        first, second = (
            samples.loc[samples["emotion"] == emotion, au_column(au)].to_numpy(bool) for au in aus
        )
        n, n_both = len(first), int((first & second).sum())
        assert (both, rate) == (f"{n_both} of {n}", percent(n_both / n))
        assert chance == percent(first.mean() * second.mean())
        assert phi == f"{np.corrcoef(first, second)[0, 1]:.2f}"
        of_emotion = pairs[pairs["emotion"] == emotion]
        row = of_emotion[(of_emotion["au_1"] == aus[0]) & (of_emotion["au_2"] == aus[1])].iloc[0]
        assert interval == between(row["ci_low"], row["ci_high"])
        rivals = [
            low
            for a, b, low in zip(
                of_emotion["au_1"], of_emotion["au_2"], of_emotion["log_odds_low"], strict=True
            )
            if {(emotion, a), (emotion, b)} <= observed
        ]
        assert row["log_odds_low"] == max(rivals) > 0


def test_lips_are_named_as_the_labels_say(tables, samples, frame):
    heads, *rows = tables["AUs on one lip only"]
    assert heads == ["AU", "where", "images", "%", "95 % interval"]
    sides = frame("sides")
    for au, place, images, rate, interval in rows:
        number = int(au.split()[0])
        letter = {"top lip": "T", "bottom lip": "B"}[place]
        has = samples["au_raw"].str.contains(rf"(?:^|\+)[LRTB]?{number}(?:\+|$)", regex=True)
        there = samples["au_raw"].str.contains(rf"(?:^|\+){letter}{number}(?:\+|$)", regex=True)
        assert images == f"{there.sum()} of {has.sum()}"
        assert rate == percent(there.sum() / has.sum(), 1)
        row = sides[(sides["au"] == number) & (sides["place"] == place)].iloc[0]
        assert interval == between(row["ci_low"], row["ci_high"], 1)
    assert rows


def test_each_sentence_stands_beside_its_own_answers(tables, page, frame):
    sentences, rows = frame("sentences"), tables["The paper's sentences"]
    heads = rows[0]
    shown = [
        (cells, classes)
        for cells, classes in zip(rows[1:], page.classes["The paper's sentences"][1:], strict=True)
        if len(cells) == len(heads)
    ]
    places = [cells[0] for cells in rows[1:] if len(cells) == 1]
    assert places == list(dict.fromkeys(sentences["place"]))
    given = {"it says": "paper", "its printed table gives": "printed", "this dataset gives": "dataset"}
    for (cells, classes), row in zip(shown, sentences.to_dict("records"), strict=True):
        assert cells[0] == f"“{row['sentence']}”"
        for head, column in given.items():
            if head not in heads:
                continue
            position = heads.index(head)
            interval = "" if pd.isna(row["ci_low"]) else f" [{row['ci_low']:.2f}, {row['ci_high']:.2f}]"
            assert cells[position] == " ".join(
                f"{row[column]}{interval if column == 'dataset' else ''}".split()
            )
            holds = row.get(f"{column}_holds")
            if f"{column}_holds" in row:
                expected = "" if holds is None or pd.isna(holds) else "holds" if holds else "fails"
                assert classes[position] == expected


def test_table_1_of_the_page_prints_the_counts_of_the_samples(page, samples, analysis):
    heads, *rows = page.tables["Table 1"]
    aus = [int(head) for head in heads[2:]]
    assert aus == list(analysis.table1.aus)
    lab = {(row["emotion"], row["au"]): row["percent"] for row in analysis.dataset.lab_statistics.to_pylist()}
    emotion = ""
    for (name, n, *cells), classes in zip(rows, page.classes["Table 1"][1:], strict=True):
        is_wild = name != "in the laboratory"
        emotion = name if is_wild else emotion
        of_emotion = samples[samples["emotion"] == emotion]
        assert n == (str(len(of_emotion)) if is_wild else "")
        for au, cell, kind in zip(aus, cells, classes[2:], strict=True):
            if is_wild:
                column = au_column(au)
                count = int(of_emotion[column].sum()) if column in of_emotion else 0
                known, share = len(of_emotion), count / len(of_emotion)
                observed = 5 * count >= known
                printed = str(int(100 * share + 0.5)) if observed else ""
                assert re.fullmatch(rf"{printed} ?(†.*|AU .*)?", cell), cell
                if observed:
                    assert f"{count} of {known} images, {100 * share:.1f} %" in cell
                    assert f"{emotion}, in the wild:" in cell
            elif (emotion, au) in lab:
                assert cell.startswith(str(int(lab[emotion, au] + 0.5)))
                assert f"{lab[emotion, au]:g} % of the subjects" in cell
                assert f"{emotion}, in the laboratory:" in cell
            else:
                assert cell == ""
            place = analysis.table1.exclusive.get(au)
            has_figure = bool(cell) and cell[0].isdigit()
            assert kind == (f"only-{place}" if place and has_figure else "")


def test_the_figures_at_the_head_of_the_page_are_counted_from_the_samples(samples, analysis):
    rates = samples.groupby("emotion")[[au_column(au) for au in analysis.dataset.aus]].mean()
    wild = rates.ge(0.2 - 1e-12)
    lab = {row["au"] for row in analysis.dataset.lab_statistics.to_pylist() if row["percent"] >= 20}
    seen = {au for au in analysis.dataset.aus if wild[au_column(au)].any()}
    found = dict(key_figures(analysis))
    assert found["images kept"] == str(len(samples))
    assert found["AUs observed in the wild"] == str(len(seen))
    assert found["observed cells in the wild"] == str(wild.to_numpy().sum())
    assert found["AUs observed in the wild only"] == (" ".join(map(str, sorted(seen - lab))) or "none")
    assert found["AUs observed in the laboratory only"] == (" ".join(map(str, sorted(lab - seen))) or "none")
    assert lede(analysis).startswith("900 images of 14 emotions with 32 action units (AUs)")


def test_each_picture_stands_beside_the_words_about_it(page):
    words = {
        "figure1": "Bars: images of each emotion",
        "figure2": "Pairs of schematic faces",
        "frequencies": "Heat maps of the percentages of each AU in each emotion",
        "lab_vs_wild": "Heat map of wild minus laboratory",
        "au_information": "Dots with intervals: bits",
        "telling_aus": "For each emotion, the odds ratios",
        "cooccurrence": "For each emotion a square map",
        "sides": "Bars: percentage of the images with an AU that show it on the left",
    }
    assert list(page.pictures) == list(words)
    for name, beginning in words.items():
        assert page.pictures[name].startswith(beginning)


def test_each_figure_is_saved_under_its_own_name(analysis, monkeypatch, tmp_path):
    saved: dict[str, Any] = {}
    monkeypatch.setattr(
        dataset_report, "save_figure", lambda figure, folder, name, *kinds: saved.update({name: figure})
    )
    monkeypatch.setattr(dataset_report, "draw_figure2", lambda wild, lab: (wild, lab))
    dataset_report.write_figures(analysis, tmp_path)
    assert set(saved) == {*FIGURES}
    wild, lab = saved["figure2"]
    for shown, place in ((wild, "wild"), (lab, "lab")):
        rows = analysis.table1.of(place)
        assert shown == {emotion: [*row.observed()] for emotion, row in rows.items()}

    def said(name: str) -> str:
        axes = saved[name].axes
        titles = (one.get_title(loc=where) for one in axes for where in ("left", "center"))
        return " ".join(
            [*titles, *(one.get_xlabel() for one in axes), *(t.get_text() for t in saved[name].texts)]
        )

    for name, words in {
        "frequencies": "In the wild",
        "lab_vs_wild": "Wild minus laboratory",
        "au_information": "bits about the emotion beyond chance",
        "telling_aus": "odds ratio against all other emotions",
        "cooccurrence": "percent of images that show both AUs",
        "sides": "the subject's left and right",
    }.items():
        assert words in said(name)
    assert [text.get_text() for text in saved["figure1"].legends[0].texts] == ["train", "validation", "test"]


def test_the_page_says_what_is_counted_and_how_many_cells_training_images_give(
    analysis, samples, reports_text
):
    train = samples[samples["partition"] == "train"]
    columns = [au_column(au) for au in analysis.dataset.aus]
    of_train, of_all = (
        {(emotion, au) for emotion, seen in rates.iterrows() for au in seen[seen >= 0.2 - 1e-12].index}
        for rates in (rows.groupby("emotion")[columns].mean() for rows in (train, samples))
    )
    assert (
        f"Counted on the training images alone, {len(of_train)} cells are observed, {len(of_train & of_all)} of them "
        f"among the {len(of_all)} that all images give." in reports_text
    )
