"""Everything that `rafce analyze` computes from a dataset, before a line is drawn or a file written."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa

from rafce.association import cooccurrence, mutual_information, telling_aus
from rafce.au_classifiers import (
    Fitted,
    Trial,
    outcome_by_group,
    outcome_by_group_kernel,
    outcome_kernel,
    trial_of,
)
from rafce.dataset import Dataset, check_partitions
from rafce.errors import ConfigError, LabelError
from rafce.evidence import NotApplicableError, dataset_evidence
from rafce.formats.raf_au import Token, parse_label
from rafce.geometry import has_place
from rafce.grouped import GroupTally, by_groups, count_by_group, grouped_sureness, tally_groups
from rafce.grouped_association import log_odds_bounds, mutual_information_over_groups
from rafce.lab_vs_wild import compare_lab_and_wild
from rafce.paper.lab_source import is_corrected_table, lab_source_table
from rafce.parts import Samples
from rafce.reference import LAB_SUBJECTS, LabCell
from rafce.schema import PARTITIONS, SCOPES
from rafce.sentences import check_sentences
from rafce.sides import au_sides
from rafce.statistics import Counts, PairCounts
from rafce.streaming import (
    Kernel,
    Sums,
    Tally,
    count_au_pairs,
    count_aus,
    count_here,
    counts_by_scope,
    over_partitions,
)
from rafce.tables import au_statistics_table
from rafce_reports.figure1 import class_counts, images_in
from rafce_reports.table1 import Table1, table1

Result = TypeVar("Result")

MOST_FOR_PAIRS = 1_000_000
NOT_ASKED = "pairs of AUs were not counted (--co-occurrence counts them)"
NOT_BY_DEFAULT = (
    f"pairs of AUs are counted on up to {MOST_FOR_PAIRS:,} images by default (--co-occurrence counts them)"
)
DEPENDENT = "images of a group depend on each other"
NO_PAIR_BOUNDS = f"pairs of AUs have no intervals: {DEPENDENT}, and pairs are not counted by group"
NO_LAB_TESTS = (
    f"wild against laboratory is not tested: {DEPENDENT}, and the tests would take them for independent"
)
STALE = (
    "au_statistics.parquet does not hold the counts of these samples, so it was left aside: all figures here are "
    "counted from the samples (what came in and was left out, from the manifest of the samples as they were made)"
)


class Count(Protocol):
    """How samples are counted; `what` names it to whoever watches."""

    def __call__(self, what: str, kernel: Kernel[Sums], samples: Samples) -> Sums:
        """What `kernel` counts in the samples."""
        ...


def count_quietly(what: str, kernel: Kernel[Sums], samples: Samples) -> Sums:  # noqa: ARG001 (nobody watches)
    """By all cores of this machine."""
    return count_here(kernel, samples)


@dataclass(frozen=True)
class AnalyzeOptions:
    """What `rafce analyze` was asked for; `co_occurrence` None counts pairs on up to `MOST_FOR_PAIRS` images."""

    scope: str = "all"
    lab_n: int = LAB_SUBJECTS
    with_images: bool = False
    co_occurrence: bool | None = None

    def __post_init__(self) -> None:
        """ConfigError for an unknown scope or an empty laboratory."""
        if self.scope not in SCOPES:
            raise ConfigError(f"--scope: expected one of {', '.join(SCOPES)}, found {self.scope!r}")
        if self.lab_n < 1:
            raise ConfigError(f"--lab-n: expected at least 1 subject, found {self.lab_n}")

    @property
    def partitions(self) -> tuple[str, ...]:
        """The partitions in scope."""
        return PARTITIONS if self.scope == "all" else (self.scope,)


@dataclass(frozen=True)
class Analysis:
    """The results, a frame or table each; a part that the dataset cannot support is None, its reason in `left_out`.

    `lab_source` is the laboratory of the paper's Table 1 beside its source, where that table is used. `notes` are what
    a reader must know beyond that. `groups` are all that the images come in, None where they come in none; with groups
    no interval takes images for independent.
    """

    dataset: Dataset
    options: AnalyzeOptions
    groups: GroupTally | None
    table1: Table1
    train_table1: Table1
    all_table1: Table1
    classes: pd.DataFrame
    comparison: pd.DataFrame
    sentences: pd.DataFrame | None
    lab_source: pd.DataFrame | None
    information: pd.DataFrame
    telling: pd.DataFrame
    pairs: pd.DataFrame | None
    trial: Trial | None
    sides: pd.DataFrame | None
    left_out: dict[str, str]
    notes: tuple[str, ...]


def analyze(dataset: Dataset, options: AnalyzeOptions, count: Count = count_quietly) -> Analysis:
    """Count in the scope, compare with the laboratory, check the paper's sentences, ask what AUs tell.

    The samples are read at most four times: for AUs, for groups if they have any, for pairs of AUs, for the
    classifiers. ConfigError when the scope has no image.
    """
    tally = count("AUs", count_aus, dataset.samples)
    check_partitions(dataset, tally.images_PE, tally.known_PEA.sum((0, 1)))
    groups = _groups(dataset.samples, count)
    inside = None if groups is None else groups.in_scope(options.scope)
    dataset, notes = _with_true_statistics(dataset, tally, groups)
    known = fitted(dataset, tally, options.partitions)
    if not known.n_E.any():
        raise ConfigError(f"--scope {options.scope}: expected images of it in {dataset.folder}, found none")
    lab = [LabCell(**record) for record in dataset.lab_statistics.to_pylist()]
    left_out: dict[str, str] = {} if lab else {"lab": "this dataset carries no laboratory table"}
    pairs = _or_left_out("pairs", lambda: _pairs(dataset, options, count), left_out)
    sentences = _or_left_out("sentences", lambda: _sentences(dataset, known, pairs, lab), left_out)
    uses_papers_lab = sentences is not None or is_corrected_table(lab)
    classes = class_counts(tally.images_PE, dataset.emotions, groups)
    tables = {scope: _table1(dataset, classes, groups, scope) for scope in {options.scope, "train", "all"}}
    left_out |= _undrawn(tables[options.scope])
    if groups is not None:
        left_out |= {"pair_bounds": NO_PAIR_BOUNDS} if pairs else {}
        left_out |= {"lab_tests": NO_LAB_TESTS} if lab else {}
    return Analysis(
        dataset=dataset,
        options=options,
        groups=groups,
        table1=tables[options.scope],
        train_table1=tables["train"],
        all_table1=tables["all"],
        classes=classes,
        comparison=_comparison(dataset, known, lab, options, inside),
        sentences=sentences,
        lab_source=lab_source_table() if uses_papers_lab else None,
        information=_information(dataset, known, inside),
        telling=_telling(dataset, known, inside),
        pairs=None if pairs is None else cooccurrence(pairs, *dataset.words, independent=groups is None),
        trial=_or_left_out("trial", lambda: try_classifiers(dataset, tally, count), left_out),
        sides=_or_left_out("sides", lambda: _sides(dataset, options.partitions), left_out),
        left_out=left_out,
        notes=notes,
    )


def _or_left_out(part: str, work: Callable[[], Result], left_out: dict[str, str]) -> Result | None:
    """The result of `work`, or None with the reason noted, where the dataset does not have what it needs."""
    try:
        return work()
    except (NotApplicableError, LabelError) as error:
        left_out[part] = str(error)
        return None


def _groups(samples: Samples, count: Count) -> GroupTally | None:
    """The groups of all samples, whatever the scope."""
    if not samples.in_groups:
        return None
    return tally_groups(count("groups", count_by_group, by_groups(samples)), samples.grid)


def _with_true_statistics(
    dataset: Dataset, tally: Tally, groups: GroupTally | None
) -> tuple[Dataset, tuple[str, ...]]:
    """The dataset with the statistics of its samples, and a note where those that lay beside them were of others."""
    counted = au_statistics_table(counts_by_scope(tally, dataset.samples.grid), dataset.words, groups)
    notes = () if _same_counts(counted, dataset.au_statistics) else (STALE,)
    return replace(dataset, au_statistics=counted), notes


def _table1(dataset: Dataset, classes: pd.DataFrame, groups: GroupTally | None, scope: str) -> Table1:
    inside = None if groups is None else groups.in_scope(scope)
    return table1(dataset, scope, images_in(classes, scope), inside)


def _same_counts(one: pa.Table, other: pa.Table) -> bool:
    names = [
        name for name in ("scope", "emotion", "au", "n", "n_groups", "count") if name in one.column_names
    ]
    one, other = (table.sort_by([(name, "ascending") for name in names[:3]]) for table in (one, other))
    return all(name in other.column_names and one[name].equals(other[name]) for name in names)


def _undrawn(table: Table1) -> dict[str, str]:
    """Figure 2's reason for leaving out observed AUs, if there are any."""
    placeless = [f"AU {au}" for au in table.aus if not has_place(au)]
    return {"figure2": f"the schematic face has no place for {', '.join(placeless)}"} if placeless else {}


def fitted(dataset: Dataset, tally: Tally, partitions: Iterable[str]) -> Fitted:
    """The counts of some partitions, and their images per emotion."""
    images_E, known_EA, active_EA = (
        over_partitions(table_P, dataset.samples.grid, partitions) for table_P in tally
    )
    return Fitted(Counts(known_EA, active_EA), images_E)


def _pairs(dataset: Dataset, options: AnalyzeOptions, count: Count) -> PairCounts:
    if len(dataset.aus) < 2:
        raise NotApplicableError("this dataset has no two AUs to show together")
    if options.co_occurrence is False:
        raise NotApplicableError(NOT_ASKED)
    if options.co_occurrence is None and dataset.n_images > MOST_FOR_PAIRS:
        raise NotApplicableError(NOT_BY_DEFAULT)
    tally = count("pairs of AUs", count_au_pairs, dataset.samples)
    return PairCounts(
        *(over_partitions(table_P, dataset.samples.grid, options.partitions) for table_P in tally)
    )


def _comparison(
    dataset: Dataset,
    known: Fitted,
    lab: Sequence[LabCell],
    options: AnalyzeOptions,
    groups: GroupTally | None,
) -> pd.DataFrame:
    sure = None if groups is None else grouped_sureness(groups)
    table = compare_lab_and_wild(known.counts, *dataset.words, lab, options.lab_n, sure)
    return table if groups is None else _with_n_groups(table, dataset, groups)


def _information(dataset: Dataset, known: Fitted, groups: GroupTally | None) -> pd.DataFrame:
    if groups is None:
        return mutual_information(known.counts, dataset.aus)
    return mutual_information_over_groups(groups, dataset.aus)


def _telling(dataset: Dataset, known: Fitted, groups: GroupTally | None) -> pd.DataFrame:
    if groups is None:
        return telling_aus(known.counts, *dataset.words)
    table = telling_aus(known.counts, *dataset.words, log_odds_bounds(groups))
    return _with_n_groups(table, dataset, groups)


def _with_n_groups(table: pd.DataFrame, dataset: Dataset, groups: GroupTally) -> pd.DataFrame:
    """Beside `n` of a table by emotion and AU, of how many groups these images are."""
    n_groups_EA = groups.n_groups_EA()
    row_N = pd.Index(dataset.emotions).get_indexer(pd.Index(table["emotion"]))
    column_N = pd.Index(dataset.aus).get_indexer(pd.Index(table["au"]))
    n_groups_N = np.where(column_N < 0, 0, n_groups_EA[row_N, column_N])
    table.insert(list(table.columns).index("n") + 1, "n_groups", n_groups_N)
    return table


def _sentences(
    dataset: Dataset, known: Fitted, pairs: PairCounts | None, lab: Sequence[LabCell]
) -> pd.DataFrame:
    evidence = dataset_evidence(known.n_E, known.counts, pairs, *dataset.words, lab)
    if dataset.samples.in_groups:
        raise NotApplicableError(
            f"{DEPENDENT}, and intervals of the sentences' figures do not allow for that"
        )
    return check_sentences(evidence)


def try_classifiers(dataset: Dataset, tally: Tally, count: Count = count_quietly) -> Trial:
    """Classifiers that see the true AUs, counted on train and validation, tested on test.

    NotApplicableError where either has no image.
    """
    known = fitted(dataset, tally, ("train", "validation"))
    if not known.n_E.any() or not fitted(dataset, tally, ("test",)).n_E.any():
        raise NotApplicableError("the classifiers need images to count on and test images")
    if not dataset.samples.in_groups:
        outcome = count("classifiers", outcome_kernel(known, "test"), dataset.samples)
        return trial_of(known, outcome, dataset.emotions)
    kernel = outcome_by_group_kernel(known, "test")
    groups = outcome_by_group(count("classifiers", kernel, by_groups(dataset.samples)))
    return trial_of(known, groups.total(), dataset.emotions, groups)


def _sides(dataset: Dataset, partitions: Sequence[str]) -> pd.DataFrame:
    if "au_raw" not in dataset.samples.columns:
        raise NotApplicableError(
            "these samples do not say on which side of the face an AU is (column au_raw)"
        )
    if dataset.samples.in_groups:
        raise NotApplicableError(f"{DEPENDENT}, and sides are not counted by group")
    return au_sides(_tokens(dataset, partitions), dataset.aus)


def _tokens(dataset: Dataset, partitions: Sequence[str]) -> Iterator[Sequence[Token]]:
    """The labels of the images in some partitions."""
    inside_P = np.isin(dataset.samples.grid.partitions, partitions)
    for chunk, rows in dataset.rows("au_raw"):
        inside_N = inside_P[chunk.class_N // len(dataset.emotions)]
        for label in rows["au_raw"].filter(pa.array(inside_N)).to_pylist():
            if label is None:
                raise LabelError("some of these samples have no label in column au_raw")
            yield parse_label(label)
