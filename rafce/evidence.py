"""What the paper's Table 1 and a dataset each say of lab and wild, in one shape, for the sentences to ask."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from rafce.errors import RafceError
from rafce.reference import LabCell, lab_cells, paper_wild_cells
from rafce.schema import CATEGORIES
from rafce.statistics import Counts, PairCounts, category_index, frequency
from rafce.taxonomy import AUS, COMPOUND_EMOTIONS, COMPOUNDS

# E the fourteen emotions in the paper's order, A action units: the 32 and those that a table adds
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

Where = Literal["wild", "lab"]
PROTOTYPICAL, VARIANT, UNOBSERVED = range(len(CATEGORIES))
UNKNOWN = -1
OBSERVED = (PROTOTYPICAL, VARIANT)
MOST_NAMED = 3
"""Of what a dataset lacks, so many by name; more are counted."""


class NotApplicableError(RafceError):
    """A dataset that lacks emotions or AUs of which the paper speaks."""


class Environment(NamedTuple):
    """p(AU | emotion) and the position of its category in CATEGORIES, both (E, A).

    A blank of a table is unobserved with frequency NaN. Where nothing is known (no image, no row of the table, an AU
    that nobody coded), the category is -1 and the frequency NaN.
    """

    frequency_EA: FloatArray
    category_EA: IntArray

    def observed_EA(self, among: Sequence[int] = OBSERVED) -> BoolArray:
        """Where the category is one of `among`."""
        return np.isin(self.category_EA, among)

    def known_EA(self) -> BoolArray:
        """Where the category is known, blanks of a table included."""
        return np.not_equal(self.category_EA, UNKNOWN)

    def known_E(self) -> BoolArray:
        """Which emotions have anything known."""
        return np.asarray(self.known_EA().any(1), np.bool_)

    def summed_E(self, among: Sequence[int] = OBSERVED) -> FloatArray:
        """Summed frequency of the AUs whose category is one of `among`: how many an average face shows; shape E."""
        seen_EA = np.where(self.observed_EA(among), self.frequency_EA, 0)
        summed: FloatArray = seen_EA.sum(1)
        return summed


class Images(NamedTuple):
    """What a dataset knows beyond frequencies: images per emotion, counts, and how frequencies vary together.

    The covariance is None where pairs of AUs were not counted.
    """

    n_E: IntArray
    counts: Counts
    covariance_EAA: FloatArray | None


class Evidence(NamedTuple):
    """One source on both environments; `images` is None for a table."""

    aus: tuple[int, ...]
    wild: Environment
    lab: Environment
    images: Images | None

    def of(self, where: Where) -> Environment:
        """One of the two environments by its name."""
        return self.wild if where == "wild" else self.lab

    def column(self, au: int) -> int:
        """The position of an AU on the A axis."""
        return self.aus.index(au)


def with_component(*components: str) -> BoolArray:
    """Which of the fourteen blend at least one of these basic emotions, shape E; all of them when none is named."""
    return np.array(
        [not components or bool({*components} & {*compound.components}) for compound in COMPOUNDS]
    )


def paper_evidence(lab: Sequence[LabCell]) -> Evidence:
    """The wild as the paper's Table 1 has it, beside a laboratory: as its text prints that, or corrected.

    The table has a column for AU 11, which is not among the 32 AUs that its images were coded with; a blank there does
    not say that the AU was absent.
    """
    aus = _all_aus(AUS, lab)
    wild = _of_cells(paper_wild_cells(), aus)
    coded_A = np.isin(aus, AUS)
    return Evidence(
        aus,
        wild._replace(category_EA=np.where(coded_A, wild.category_EA, UNKNOWN)),
        _of_cells(lab, aus),
        None,
    )


def dataset_evidence(
    n_E: IntArray,
    counts: Counts,
    pairs: PairCounts | None,
    emotions: Sequence[str],
    aus: Sequence[int],
    lab: Sequence[LabCell],
) -> Evidence:
    """The wild as a dataset's images have it, the lab as the table in force has it.

    `emotions` and `aus` name the axes of the counts. Emotions beyond the fourteen are left aside. Of an AU of the lab
    that the dataset has no column for (AU 11) nothing is known in the wild: it was not coded. NotApplicableError when
    one of the fourteen emotions or of the 32 AUs is missing, when there is no image or no laboratory table.
    """
    _check_applicable(emotions, aus, int(n_E.sum()), lab)
    all_aus = _all_aus(aus, lab)
    order = [list(emotions).index(emotion) for emotion in COMPOUND_EMOTIONS]
    n_E, counts = n_E[order], Counts(*(table[order] for table in counts))
    covariance_EAA = None
    if pairs is not None:
        pairs = PairCounts(*(table[order] for table in pairs))
        covariance_EAA = _wide_covariance(_covariance(n_E, counts, pairs), aus, all_aus)
    counts = _wide_counts(counts, aus, all_aus)
    wild = Environment(frequency(counts), category_index(counts))
    return Evidence(all_aus, wild, _of_cells(lab, all_aus), Images(n_E, counts, covariance_EAA))


def _check_applicable(
    emotions: Sequence[str], aus: Sequence[int], n_images: int, lab: Sequence[LabCell]
) -> None:
    lacking = _few_or_many([name for name in COMPOUND_EMOTIONS if name not in emotions], "of the emotions")
    lacking += _few_or_many([f"AU {au}" for au in AUS if au not in aus], "of the AUs")
    lacking += [] if n_images else ["images"]
    lacking += (
        [] if any(cell.emotion in COMPOUND_EMOTIONS for cell in lab) else ["a laboratory table of them"]
    )
    if lacking:
        raise NotApplicableError(
            f"the paper's sentences speak of {len(COMPOUND_EMOTIONS)} compound emotions and {len(AUS)} AUs, "
            f"in the wild and in the laboratory; this dataset lacks {', '.join(lacking)}"
        )


def _few_or_many(names: list[str], of_what: str) -> list[str]:
    return names if len(names) <= MOST_NAMED else [f"{len(names)} {of_what}"]


def _all_aus(aus: Iterable[int], lab: Iterable[LabCell]) -> tuple[int, ...]:
    """The AUs of a source, of its laboratory, and of the paper's own tables, of which its sentences speak."""
    return tuple(sorted({*aus, *AUS, *(cell.au for cell in (*lab, *lab_cells()))}))


def _of_cells(cells: Sequence[LabCell], aus: tuple[int, ...]) -> Environment:
    percent_EA = np.full((len(COMPOUND_EMOTIONS), len(aus)), np.nan)
    for cell in cells:
        if cell.emotion in COMPOUND_EMOTIONS:
            percent_EA[COMPOUND_EMOTIONS.index(cell.emotion), aus.index(cell.au)] = cell.percent
    blank_EA = np.isnan(percent_EA)
    of_hundred = Counts(np.full(percent_EA.shape, 100), np.where(blank_EA, 0, percent_EA))
    category_EA = np.where(blank_EA.all(1, keepdims=True), UNKNOWN, category_index(of_hundred))
    return Environment(percent_EA / 100, category_EA)


def _wide_counts(counts: Counts, aus: Sequence[int], all_aus: Sequence[int]) -> Counts:
    """The counts among all AUs: no image knows one that the dataset has no column for."""
    columns = [all_aus.index(au) for au in aus]
    known_EA, active_EA = np.zeros((2, len(counts.known_EA), len(all_aus)), np.int64)
    known_EA[:, columns], active_EA[:, columns] = counts
    return Counts(known_EA, active_EA)


def _wide_covariance(narrow_EAA: FloatArray, aus: Sequence[int], all_aus: Sequence[int]) -> FloatArray:
    """The covariance among all AUs: 0 for one that the dataset has no column for, as it is in no sum."""
    columns = np.array([all_aus.index(au) for au in aus])
    wide_EAA = np.zeros((len(narrow_EAA), len(all_aus), len(all_aus)))
    wide_EAA[:, columns[:, None], columns] = narrow_EAA
    return wide_EAA


def _covariance(n_E: IntArray, counts: Counts, pairs: PairCounts) -> FloatArray:
    """Covariance of an emotion's frequencies over samples of its images, shape (E, A, A); NaN for a single image.

    With r the residuals of an image, active - frequency over the number of images that know the AU and 0 where it is
    unknown, it is n / (n - 1) times the sum over images of r r^T: the usual estimate where every AU is known. The
    sum follows from how many images know both AUs of a pair, have one of them, and have both.
    """
    known_EA, f_EA = np.maximum(counts.known_EA, 1), np.nan_to_num(frequency(counts))
    f_EA1, f_E1A = f_EA[:, :, None], f_EA[:, None, :]
    one_EAA, other_EAA = pairs.first_EAA, pairs.first_EAA.swapaxes(1, 2)
    sum_EAA = pairs.active_EAA - one_EAA * f_E1A - other_EAA * f_EA1 + pairs.known_EAA * f_EA1 * f_E1A
    correction_E = np.divide(n_E, n_E - 1, out=np.full(len(n_E), np.nan), where=n_E != 1)
    covariance_EAA: FloatArray = (
        correction_E[:, None, None] * sum_EAA / (known_EA[:, :, None] * known_EA[:, None, :])
    )
    return covariance_EAA
