"""The sentences of the paper's section 3.2, each held against its own tables, printed and corrected, and a dataset."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rafce import findings
from rafce.evidence import OBSERVED, PROTOTYPICAL, VARIANT, Evidence, paper_evidence
from rafce.findings import Estimate, Finding
from rafce.paper.lab_source import equal_rows, lab_source_table, moves, printed_lab_cells, unsourced_emotions
from rafce.reference import lab_cells


class Sentence(NamedTuple):
    """A sentence of the paper, where it stands, what it claims in short, and how a source answers."""

    place: str
    quote: str
    claim: str
    find: Callable[[Evidence], Finding]


class Paper(NamedTuple):
    """The paper's own tables: as their text prints the laboratory, each move further, and without a source's rows.

    The first of `steps` is the table as its text prints it; every other one has one move more done; the last is the
    corrected table. `without` lacks one row that the laboratory source does not have, by its emotion.
    """

    steps: tuple[Evidence, ...]
    without: dict[str, Evidence]


def paper_tables() -> Paper:
    """Every table of the paper that its sentences are asked of."""
    lab = lab_cells()
    return Paper(
        tuple(paper_evidence(printed_lab_cells(n_moved)) for n_moved in range(len(moves()) + 1)),
        {
            emotion: paper_evidence([cell for cell in lab if cell.emotion != emotion])
            for emotion in unsourced_emotions()
        },
    )


def check_sentences(dataset: Evidence) -> pd.DataFrame:
    """A row per sentence: what the paper says, what three sources answer, and a verdict of each.

    `printed` is the paper's Table 1 as its text prints it, `corrected` the same with the laboratory's cells where
    Du et al. 2014 have them, `dataset` this dataset beside its own laboratory table. `…_holds` is missing where a
    source cannot tell; `…_verdict` says it in words. `moves` numbers the moved cells that change the paper's
    answer when they are moved one after the other, `evidence` says what the source has there, and `unsourced` names
    the laboratory rows on which the corrected answer rests although Du et al. 2014 do not have them.

    A figure holds when it equals the paper's to the paper's decimals. `ci_low` and `ci_high` are a 95 % interval of
    this dataset's figure over samples of its images, in each of which every AU has the category that its frequency
    there gives; NaN where the figure is a laboratory's, a number of classes, or no figure. Rates in the text carry
    Wilson's interval, in percent.
    """
    paper, evidence = paper_tables(), move_evidence()
    return pd.DataFrame([_row(sentence, paper, evidence, dataset) for sentence in SENTENCES]).astype(
        {f"{source}_holds": "boolean" for source in SOURCES}
    )


def move_evidence() -> tuple[str, ...]:
    """Each move in words, with what Du et al. 2014 have at both places."""
    moved = lab_source_table().dropna(subset="move")
    return tuple(
        f"{row['emotion']} {row['percent']:g} %: printed under AU {row['printed_au']}, moved to AU {row['au']} "
        f"(Du et al. 2014: AU {row['au']} {in_source(row)}, "
        f"AU {row['printed_au']} {in_source(row, '_as_printed')})"
        for row in moved.to_dict("records")
    )


def in_source(row: Mapping[Hashable, Any], where: str = "") -> str:
    """What Du et al. 2014 have for a row of `lab_source_table`, in words; `_as_printed` for the printed AU."""
    category, percent = row[f"du2014_category{where}"], row[f"du2014_percent{where}"]
    return str(category) if np.isnan(percent) else f"{category} {percent:g} %"


def _row(sentence: Sentence, paper: Paper, evidence: Sequence[str], dataset: Evidence) -> dict[str, object]:
    steps, here = [sentence.find(step) for step in paper.steps], sentence.find(dataset)
    found = dict(zip(SOURCES, (steps[0], steps[-1], here), strict=True))
    changing = [number for number, (before, after) in enumerate(pairwise(steps)) if before[:2] != after[:2]]
    unsourced = [name for name, table in paper.without.items() if sentence.find(table)[:2] != steps[-1][:2]]
    row: dict[str, object] = {"place": sentence.place, "sentence": sentence.quote, "paper": sentence.claim}
    for source, answer in found.items():
        verdict = VERDICTS[answer.holds] + _within(sentence.claim, answer)
        row |= {source: answer.text, f"{source}_holds": answer.holds, f"{source}_verdict": verdict}
    return row | {
        "ci_low": here.low,
        "ci_high": here.high,
        "moves": ", ".join(str(number + 1) for number in changing),
        "evidence": "; ".join(evidence[number] for number in changing),
        "unsourced": ", ".join(map(unsourced_in_words, unsourced)),
    }


def unsourced_in_words(emotion: str) -> str:
    """A laboratory row without a source, and the row that it repeats if it does."""
    equal = equal_rows().get(emotion)
    return emotion if equal is None else f"{emotion} (equal to {equal})"


def _within(claim: str, answer: Finding) -> str:
    """A remark for a figure that a source does not give, though it cannot exclude it either."""
    if answer.holds or np.isnan(answer.low) or not answer.low <= float(claim) <= answer.high:
        return ""
    return " (but within its interval)"


SOURCES = ("printed", "corrected", "dataset")
"""The columns of answers."""

VERDICTS = {True: "holds", False: "fails", None: "cannot tell"}


def _figure(place: str, quote: str, figure: str, measure: Callable[[Evidence], Estimate]) -> Sentence:
    return Sentence(place, quote, figure, partial(findings.equals, figure, measure))


OPENING = "3.2, opening"
PATTERNS = "3.2, Observation 1"
HABITS = "3.2, Observation 2"
REDUCTIONS = "3.2, Observation 3"

SENTENCES = (
    Sentence(
        OPENING,
        "fearfully disgusted, happily sad, and happily fearful, only have 36, 29 and 11 images",
        "36, 29, 11",
        partial(findings.few_images, ("fearfully disgusted", "happily sad", "happily fearful"), (36, 29, 11)),
    ),
    Sentence(
        OPENING,
        "most AUs observed in each emotion are similar to the examination in [7]",
        "most wild AUs are observed in the lab",
        findings.mostly_shared,
    ),
    Sentence(
        PATTERNS,
        "AU 7 … is variant in all compound emotions that have anger as a subordinate class",
        "lab: variant in every emotion with anger",
        partial(findings.variant_in_all, 7, "anger"),
    ),
    Sentence(
        PATTERNS,
        "AU 7 … is rarely activated in our database",
        "AU 7 rare in the wild",
        partial(findings.rarely_seen, 7, ()),
    ),
    Sentence(
        PATTERNS,
        "few people use AU 15 (lip corner depressor) to express their sadness",
        "AU 15 rare in the wild with sadness",
        partial(findings.rarely_seen, 15, ("sadness",)),
    ),
    Sentence(
        PATTERNS,
        "AU 20 (lip stretcher) is less activated when humans express feelings related to surprise and fear",
        "AU 20 lower in the wild with surprise or fear",
        partial(findings.less_active, 20, ("surprise", "fear")),
    ),
    *(
        Sentence(
            PATTERNS,
            "AU 17 (chin raiser) and AU 24 (lip pressor) are also less activated in the open environment",
            f"AU {au} lower in the wild",
            partial(findings.less_active, au, ()),
        )
        for au in (17, 24)
    ),
    Sentence(
        PATTERNS,
        "none of the expressions could have these three AUs as their observed AUs",
        "AU 17, 20 and 24 observed in no wild emotion",
        partial(findings.none_observed, (17, 20, 24)),
    ),
    _figure(
        PATTERNS,
        "AU 11 (nasolabial deepener), as a variant AU in four lab-controlled compound emotions",
        "4",
        partial(findings.emotions_with, 11, "lab", (VARIANT,)),
    ),
    Sentence(
        PATTERNS,
        "AU 11 … is never detected in one face",
        "AU 11 never in the wild",
        partial(findings.never_seen, 11),
    ),
    *(
        Sentence(
            PATTERNS,
            "Both AUs [16 and 27] are not listed as observed AUs in the lab experiment",
            f"AU {au} new in the wild",
            partial(findings.new_in_wild, au),
        )
        for au in (16, 27)
    ),
    Sentence(
        PATTERNS,
        "most of the changes in activation patterns happen in variant AUs",
        "most changes are of variant AUs",
        findings.mostly_variants,
    ),
    Sentence(
        PATTERNS,
        "most prototypical AUs can still indicate emotions",
        "most lab prototypes are observed in the wild",
        findings.prototypes_stay,
    ),
    Sentence(
        PATTERNS,
        "In some expressions like sadly fearful, AU 2 tends to be observed in lab-controlled environments",
        "AU 2 in sadly fearful: lab only",
        partial(findings.only_in, "lab", 2, "sadly fearful"),
    ),
    Sentence(
        PATTERNS,
        "in other expressions like fearfully angry, it tends to be more activated in the wild",
        "AU 2 in fearfully angry: wild only",
        partial(findings.only_in, "wild", 2, "fearfully angry"),
    ),
    *(
        Sentence(
            PATTERNS,
            "AU6 (cheek raiser), AU9 (nose wrinkler), and AU26 (jaw drop) have similar situations",
            f"AU {au} lab only here, wild only there",
            partial(findings.differs_both_ways, au),
        )
        for au in (6, 9, 26)
    ),
    Sentence(
        PATTERNS,
        "spontaneous emotions do not involve more AU classes",
        "no more AU classes in the wild",
        findings.no_more_classes,
    ),
    _figure(
        PATTERNS,
        "Real-world emotions only have 13 observed AU classes",
        "13",
        partial(findings.au_classes, "wild"),
    ),
    Sentence(PATTERNS, "while posed ones have 15 AU classes", "15", partial(findings.lab_classes, "15")),
    _figure(
        HABITS,
        "AU 12 is observed in 10 compound emotions",
        "10",
        partial(findings.emotions_with, 12, "wild", OBSERVED),
    ),
    Sentence(
        HABITS,
        "AU 12 can be observed in the lab only if the compound emotion has a happiness component",
        "lab: AU 12 with happiness only",
        partial(findings.only_with, 12, "happiness"),
    ),
    _figure(
        HABITS,
        "AU 25 is observed frequently in the lab, with 11 times over 14 emotions",
        "11",
        partial(findings.emotions_with, 25, "lab", OBSERVED),
    ),
    _figure(
        HABITS,
        "This proportion strikingly increases to 100% in the wild",
        "14",
        partial(findings.emotions_with, 25, "wild", OBSERVED),
    ),
    Sentence(
        REDUCTIONS,
        "the frequencies of AUs activated by people in the wild are less than that in the lab",
        "most frequencies are lower in the wild",
        findings.mostly_lower,
    ),
    Sentence(
        REDUCTIONS,
        "many prototypical AUs are reclassified as variant AUs, especially for AU 1 … and AU 4",
        "AU 1 and AU 4 most often turn variant",
        partial(findings.most_reclassified, (1, 4)),
    ),
    Sentence(
        REDUCTIONS,
        "some variant AUs like AU 2 and AU17 in the lab exist with a proportion less than 20%",
        "AU 2 and AU 17 variant in the lab, below 20 % in the wild",
        partial(findings.some_drop_out, (2, 17)),
    ),
    Sentence(
        REDUCTIONS,
        "there are also some newly-classified variant AUs, causing the rise of variant AU numbers",
        "more variant AUs in the wild",
        findings.more_variants,
    ),
    _figure(
        REDUCTIONS,
        "the mean number of prototypical AUs activated among 14 lab-controlled emotions is 3.30",
        "3.30",
        partial(findings.mean_summed, "lab", (PROTOTYPICAL,)),
    ),
    _figure(
        REDUCTIONS,
        "while that of in-the-wild expressions is only 0.73",
        "0.73",
        partial(findings.mean_summed, "wild", (PROTOTYPICAL,)),
    ),
    _figure(
        REDUCTIONS,
        "The average numbers of variant AUs are 1.35 [lab]",
        "1.35",
        partial(findings.mean_summed, "lab", (VARIANT,)),
    ),
    _figure(REDUCTIONS, "and 2.12 [wild]", "2.12", partial(findings.mean_summed, "wild", (VARIANT,))),
    _figure(
        REDUCTIONS,
        "2.85 AUs are averagely activated in each spontaneous emotion",
        "2.85",
        partial(findings.mean_summed, "wild", OBSERVED),
    ),
    _figure(
        REDUCTIONS,
        "compared with 4.65 AUs in each lab-controlled emotion",
        "4.65",
        partial(findings.mean_summed, "lab", OBSERVED),
    ),
    Sentence(
        REDUCTIONS,
        "One exception is fearfully angry",
        "more in the wild in fearfully angry only",
        partial(findings.only_exception, "fearfully angry"),
    ),
    _figure(
        REDUCTIONS,
        "5.54 AUs are averagely activated to express fearfully angry",
        "5.54",
        partial(findings.summed_in, "fearfully angry", "wild"),
    ),
    _figure(
        REDUCTIONS,
        "compared with 3.9 AUs in the lab",
        "3.9",
        partial(findings.summed_in, "fearfully angry", "lab"),
    ),
)
