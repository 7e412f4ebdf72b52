"""The results of an analysis as grids of strings, ready for a page."""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import pandas as pd

from rafce.dataset import Dataset
from rafce.grouped import GroupTally
from rafce.schema import PARTITIONS
from rafce.sentences import SOURCES, in_source
from rafce_reports.numbers import SIGNIFICANT, au_label, between, percent, points, q_value
from rafce_reports.page import Column, Grid
from rafce_reports.table1 import SURE, Row, Table1, sure_by

REASON_WORDS = {
    "no-au-label": "no AU label: the image is not in RAF-AU",
    "null-au": "AU label null, dropped as asked",
    "no-emotion-label": "no emotion label: the image is not in RAF-ML",
    "officially-discarded": "not in the official RAF-CE",
    "no-second-label": "no second emotion: its probability is 0",
    "tie": "a tie decides the second emotion, dropped as asked",
    "unmappable-pair": "the pair of emotions has no class (happily angry)",
}
INPUT_WORDS = {
    "raf_ml": "RAF-ML",
    "raf_au": "RAF-AU",
    "rafce_emotions": "RAF-CE, emotions",
    "rafce_aus": "RAF-CE, AUs",
    "rafce_partition": "RAF-CE, partition",
    "lab": "laboratory table",
    "openface": "OpenFace",
    "fex": "py-feat",
    "libreface": "LibreFace",
    "table": "table",
    "emotions": "emotions",
}
WITHOUT_AUS_WORDS = {
    "failed_frames": "the program failed on the frame",
    "low_confidence": "the program is less confident than --min-confidence asks for",
    "without_aus": "the row is blank",
}
RAF_INPUTS = ("raf_ml", "raf_au", "rafce_emotions", "rafce_aus", "rafce_partition")
N_LARGEST = 15


def records(frame: pd.DataFrame) -> Iterable[Any]:
    """The rows of a frame as named tuples; the stubs know too little of their types."""
    return frame.itertuples()


def funnel_grid(dataset: Dataset, groups: GroupTally | None) -> Grid:
    """How many images came in, were left out for which reason, and stayed; and of how many no AU is known."""
    counts = dataset.manifest["counts"]
    rows = [
        (f"lines in {INPUT_WORDS.get(role, role)}", f"{n:,}")
        for role, n in counts["input_lines"].items()
        if role not in ("rafce_aus", "rafce_partition", "lab")
    ]
    if "joined" in counts:
        rows.append(("images joined by name", f"{counts['joined']:,}"))
    rows += [(f"− {REASON_WORDS[reason]}", f"{n:,}") for reason, n in counts["discarded"].items()]
    rows += [
        (f"kept without AUs: {words}", f"{counts[name]:,}")
        for name, words in WITHOUT_AUS_WORDS.items()
        if counts.get(name)
    ]
    return Grid(
        "From label files to images",
        "From label files to images. Every image left out is listed with its reason in discarded.parquet.",
        (Column("step"), Column("images", "number")),
        rows,
        ("images kept", f"{counts['kept']:,}{'' if groups is None else f' in {len(groups.names):,} groups'}"),
    )


def classes_grid(classes: pd.DataFrame) -> Grid:
    """Images per emotion and partition, of how many groups if they come in any, and the share of each emotion."""
    is_grouped = "n_groups" in classes
    rows = [
        (
            row.emotion,
            *(f"{getattr(row, partition):,}" for partition in PARTITIONS),
            f"{row.n:,}",
            *([f"{row.n_groups:,}"] if is_grouped else []),
            percent(row.share, 1),
            between(row.ci_low, row.ci_high, 1),
        )
        for row in records(classes)
    ]
    sums = [f"{int(classes[column].sum()):,}" for column in (*PARTITIONS, "n")]
    heads = (*PARTITIONS, "all", *(["in groups"] if is_grouped else []), "share, %", "95 % interval")
    return Grid(
        "Images per emotion and partition",
        "Images per emotion and partition, and the share of each emotion among all of them.",
        (
            Column("emotion"),
            *(Column(name, "number") for name in heads),
        ),
        rows,
        ("all", *sums, *([""] if is_grouped else []), "100", ""),
    )


def certainty_grid(table: Table1) -> Grid:
    """How many observed cells of each emotion are unsure, and the widest interval among them."""
    return Grid(
        "How sure each emotion's row is",
        f"How sure each row of Table 1 is. Unsure: other categories have more than {100 - 100 * SURE:.0f} % "
        f"({sure_by(table.n_groups)}); blanks are counted over all AUs, also those without a column. Widest: the "
        "observed AU with the widest 95 % interval, in percent.",
        (
            Column("emotion"),
            Column("images" if table.n_groups is None else "images (groups)", "number"),
            Column("observed AUs", "number"),
            Column("of them unsure", "number"),
            Column("blanks unsure", "number"),
            Column("widest interval", "number"),
        ),
        [_certainty_row(row) for row in table.rows if row.environment == "wild"],
    )


def _certainty_row(row: Row) -> tuple[str, ...]:
    observed = row.observed()
    unsure = [cell for cell in row.cells.values() if cell.unsure]
    bounds = [(*cell.bounds, au) for au, cell in observed.items() if cell.bounds]
    widest = max(bounds, key=lambda found: found[1] - found[0], default=None)
    return (
        row.emotion,
        row.size,
        str(len(observed)),
        str(sum(cell.observed for cell in unsure)),
        str(sum(not cell.observed for cell in unsure)),
        f"AU {widest[2]}: {widest[0]:.0f} to {widest[1]:.0f}" if widest else "–",
    )


def differences_grid(comparison: pd.DataFrame) -> Grid:
    """The largest differences where the laboratory lists a figure."""
    known = comparison[comparison["difference"].notna()]
    order = known["difference"].abs().sort_values(ascending=False, kind="stable").index
    is_tested = bool(known["q"].notna().any())
    rows = [
        (
            row.emotion,
            au_label(row.au),
            percent(row.wild),
            between(row.wild_ci_low, row.wild_ci_high),
            percent(row.lab),
            between(row.lab_ci_low, row.lab_ci_high),
            points(row.difference),
            "–" if pd.isna(row.ci_low) else f"{points(row.ci_low)} to {points(row.ci_high)}",
            *([q_value(row.q)] if is_tested else []),
        )
        for row in records(known.loc[order].head(N_LARGEST))
    ]
    heads = ["wild, %", "95 % interval", "lab, %", "95 % interval", "difference", "95 % interval"]
    heads += ["q"] if is_tested else []
    tests = "Newcombe's interval, Fisher's exact test, Benjamini–Hochberg q"
    how = tests if is_tested else "both intervals combined as Newcombe does"
    return Grid(
        "Largest differences between wild and laboratory",
        f"The {len(rows)} largest of {len(known)} differences, wild minus laboratory, in percentage points ({how}).",
        (Column("emotion"), Column("AU"), *(Column(head, "number") for head in heads)),
        rows,
    )


def surpassed_grid(comparison: pd.DataFrame) -> Grid:
    """The blanks of the laboratory whose bound of 20 % the wild surpasses."""
    blank = comparison[(comparison["test"] == "binomial") & (comparison["q"] < SIGNIFICANT)]
    rows = [
        (
            row.emotion,
            au_label(row.au),
            percent(row.wild),
            between(row.wild_ci_low, row.wild_ci_high),
            q_value(row.q),
        )
        for row in records(blank.sort_values("wild", ascending=False, kind="stable").head(N_LARGEST))
    ]
    return Grid(
        "Laboratory blanks that the wild surpasses",
        f"Where the laboratory lists nothing, the wild is above 20 % in {len(blank)} cells (one-sided exact test, "
        f"q < {SIGNIFICANT}); the {len(rows)} highest.",
        (
            Column("emotion"),
            Column("AU"),
            *(Column(head, "number") for head in ("wild, %", "95 % interval", "q")),
        ),
        rows,
    )


def classifiers_grid(summary: pd.DataFrame) -> Grid:
    """How well each classifier tells the emotion from the true AUs."""
    in_groups = f" in {summary['n_groups'].max():,} groups" if "n_groups" in summary else ""
    rows = [
        (
            row.classifier,
            f"{row.correct:,} of {row.n:,}{in_groups}",
            percent(row.accuracy, 1),
            between(row.accuracy_low, row.accuracy_high, 1),
            percent(row.uar, 1),
            between(row.uar_low, row.uar_high, 1),
            f"{row.ties:,}",
        )
        for row in records(summary)
    ]
    heads = ("correct", "accuracy, %", "95 % interval", "UAR, %", "95 % interval", "ties")
    return Grid(
        "AUs alone as a classifier",
        f"What the true AUs tell of the emotion, over {summary['n_emotions'].max()} emotions with test images. Ties: "
        "images whose best emotion is not the only best; they get the first. Images that know no AU are left out.",
        (Column("classifier"), *(Column(head, "number") for head in heads)),
        rows,
    )


def pairs_grid(pairs: pd.DataFrame, table: Table1) -> Grid:
    """For each emotion, the two of its observed AUs that surest show together more often than by chance."""
    observed = {(emotion, au) for emotion, row in table.of("wild").items() for au in row.observed()}
    sure = pairs[pairs["log_odds_low"] > 0].rename(columns={"count": "n_both"})
    sure = sure.sort_values("log_odds_low", ascending=False, kind="stable")
    best: dict[str, Any] = {}
    for row in records(sure):
        if {(row.emotion, row.au_1), (row.emotion, row.au_2)} <= observed:
            best.setdefault(row.emotion, row)
    rows = [_pair_row(best[emotion]) for emotion in table.of("wild") if emotion in best]
    heads = ("images with both", "%", "95 % interval", "by chance, %", "φ")
    return Grid(
        "Pairs of AUs that go together",
        "The two observed AUs of each emotion that surest go together (largest lower bound of the odds ratio); an "
        "emotion without such a pair has no row. By chance: what independent AUs would give.",
        (Column("emotion"), Column("AU"), Column("and AU"), *(Column(head, "number") for head in heads)),
        rows,
    )


def _pair_row(row: Any) -> tuple[str, ...]:
    return (
        row.emotion,
        au_label(row.au_1),
        au_label(row.au_2),
        f"{row.n_both:,} of {row.n:,}",
        percent(row.frequency),
        between(row.ci_low, row.ci_high),
        percent(row.expected),
        f"{row.phi:.2f}",
    )


def lips_grid(sides: pd.DataFrame) -> Grid:
    """How often an AU shows on one lip only, for those that ever do."""
    lips = sides[sides["place"].isin(["top lip", "bottom lip"]) & (sides["count"] > 0)]
    lips = lips.rename(columns={"count": "n_there"})  # count is a method of the rows' tuples
    rows = [
        (
            au_label(row.au),
            row.place,
            f"{row.n_there:,} of {row.n:,}",
            percent(row.frequency, 1),
            between(row.ci_low, row.ci_high, 1),
        )
        for row in records(lips)
    ]
    return Grid(
        "AUs on one lip only",
        "AUs that show on one lip only, among the images that show them.",
        (
            Column("AU"),
            Column("where"),
            *(Column(head, "number") for head in ("images", "%", "95 % interval")),
        ),
        rows,
    )


def inputs_grid(dataset: Dataset) -> Grid:
    """The files that the dataset was built from."""
    return Grid(
        "Input files",
        "The files that this dataset was built from.",
        (Column("input"), Column("file"), Column("lines", "number"), Column("SHA-256")),
        [
            (INPUT_WORDS.get(role, role), entry["file"], f"{entry['lines']:,}", entry["sha256"])
            for role, entry in dataset.manifest["inputs"].items()
        ],
    )


def moves_grid(lab_source: pd.DataFrame) -> Grid:
    """The laboratory cells that the paper's text prints under another AU than its source, with what that has."""
    rows = [
        (
            str(row["move"]),
            row["emotion"],
            f"{row['percent']:g}",
            str(row["printed_au"]),
            in_source(row, "_as_printed"),
            str(row["au"]),
            in_source(row),
        )
        for row in lab_source.dropna(subset="move").to_dict("records")
    ]
    return Grid(
        "Moved cells",
        f"The {len(rows)} laboratory cells that were moved, and what Du et al. 2014 have at both places.",
        (
            *(Column("move", "number"), Column("emotion"), Column("percent", "number")),
            *(Column("the text prints it under AU", "number"), Column("there in the source")),
            *(Column("corrected: AU", "number"), Column("here in the source")),
        ),
        rows,
    )


def sentence_row(record: Mapping[Hashable, Any]) -> dict[str, Any]:
    """A sentence with an answer and a verdict of each source, and what the answers rest on."""
    low, high = record["ci_low"], record["ci_high"]
    moves = f"{'moves' if ',' in record['moves'] else 'move'} {record['moves']}" if record["moves"] else ""
    return {
        **{name: str(record[name]) for name in ("place", "sentence", "paper")},
        "answers": [
            {
                "text": record[name],
                "verdict": record[f"{name}_verdict"],
                "class": verdict_class(record[f"{name}_holds"]),
            }
            for name in SOURCES
        ],
        "interval": "" if pd.isna(low) else f"{low:.2f}, {high:.2f}",
        "rests_on": "; ".join(filter(None, (moves, record["unsourced"]))),
    }


def verdict_class(holds: object) -> str:
    """The style class of an answer; none where a source cannot tell."""
    if holds is pd.NA or holds is None:
        return ""
    return "holds" if holds else "fails"
