"""Everything that `rafce analyze` computes from a dataset, before a line is drawn or a file written."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from rafce.association import cooccurrence, mutual_information, telling_aus
from rafce.au_classifiers import Images, Trial, try_classifiers
from rafce.dataset import Dataset
from rafce.errors import ConfigError, LabelError
from rafce.evidence import NotApplicableError, dataset_evidence
from rafce.formats.raf_au import parse_label
from rafce.lab_vs_wild import compare_lab_and_wild
from rafce.reference import LAB_SUBJECTS, LabCell
from rafce.schema import SCOPES
from rafce.sentences import check_sentences
from rafce.sides import au_sides
from rafce.statistics import count
from rafce_reports.figure1 import class_counts
from rafce_reports.table1 import Table1, table1

Result = TypeVar("Result")


@dataclass(frozen=True)
class AnalyzeOptions:
    """What `rafce analyze` was asked for."""

    scope: str = "all"
    lab_n: int = LAB_SUBJECTS
    with_images: bool = False

    def __post_init__(self) -> None:
        """ConfigError for an unknown scope or an empty laboratory."""
        if self.scope not in SCOPES:
            raise ConfigError(f"--scope: expected one of {', '.join(SCOPES)}, found {self.scope!r}")
        if self.lab_n < 1:
            raise ConfigError(f"--lab-n: expected at least 1 subject, found {self.lab_n}")


@dataclass(frozen=True)
class Analysis:
    """The results, a frame or table each; a part that the dataset cannot support is None, its reason in `left_out`."""

    dataset: Dataset
    options: AnalyzeOptions
    table1: Table1
    train_table1: Table1
    all_table1: Table1
    classes: pd.DataFrame
    comparison: pd.DataFrame
    sentences: pd.DataFrame | None
    information: pd.DataFrame
    telling: pd.DataFrame
    pairs: pd.DataFrame
    trial: Trial | None
    sides: pd.DataFrame | None
    left_out: dict[str, str]


def analyze(dataset: Dataset, options: AnalyzeOptions) -> Analysis:
    """Count in the scope, compare with the laboratory, check the paper's sentences, ask what AUs tell.

    ConfigError when the scope has no image.
    """
    chosen = images_of(dataset, options.scope)
    if not len(chosen.emotion_N):
        raise ConfigError(f"--scope {options.scope}: expected images of it in {dataset.folder}, found none")
    lab = [LabCell(**record) for record in dataset.lab_statistics.to_pylist()]
    counts = count(*chosen, len(dataset.emotions))
    left_out: dict[str, str] = {} if lab else {"lab": "this dataset carries no laboratory table"}
    return Analysis(
        dataset=dataset,
        options=options,
        table1=table1(dataset, options.scope),
        train_table1=table1(dataset, "train"),
        all_table1=table1(dataset, "all"),
        classes=class_counts(dataset),
        comparison=compare_lab_and_wild(counts, *dataset.words, lab, options.lab_n),
        sentences=_or_left_out("sentences", lambda: _sentences(dataset, chosen, lab), left_out),
        information=mutual_information(counts, dataset.aus),
        telling=telling_aus(counts, *dataset.words),
        pairs=cooccurrence(*chosen, *dataset.words),
        trial=_or_left_out("trial", lambda: _trial(dataset), left_out),
        sides=_or_left_out("sides", lambda: _sides(dataset, options.scope), left_out),
        left_out=left_out,
    )


def in_scope(dataset: Dataset, *scopes: str) -> npt.NDArray[np.bool_]:
    """Which samples lie in one of the scopes, shape (N,); every one does in "all"."""
    return np.isin(dataset.partitions().astype(str), scopes) | ("all" in scopes)


def images_of(dataset: Dataset, *scopes: str) -> Images:
    """The images in one of the scopes."""
    inside_N = in_scope(dataset, *scopes)
    return Images(dataset.emotion_ids()[inside_N], *(table_NA[inside_N] for table_NA in dataset.au_matrix()))


def _or_left_out(part: str, work: Callable[[], Result], left_out: dict[str, str]) -> Result | None:
    """The result of `work`, or None with the reason noted, where the dataset does not have what it needs."""
    try:
        return work()
    except (NotApplicableError, LabelError) as error:
        left_out[part] = str(error)
        return None


def _sentences(dataset: Dataset, images: Images, lab: list[LabCell]) -> pd.DataFrame:
    return check_sentences(dataset_evidence(*images, *dataset.words, lab))


def _trial(dataset: Dataset) -> Trial:
    fit, test = images_of(dataset, "train", "validation"), images_of(dataset, "test")
    if not len(fit.emotion_N) or not len(test.emotion_N):
        raise NotApplicableError("the classifiers need images to count on and test images")
    return try_classifiers(fit, test, dataset.emotions)


def _sides(dataset: Dataset, scope: str) -> pd.DataFrame:
    labels = dataset.samples["au_raw"].to_pylist()
    inside = in_scope(dataset, scope)
    return au_sides(
        [parse_label(label) for label, chosen in zip(labels, inside, strict=True) if chosen], dataset.aus
    )
