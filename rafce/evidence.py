"""What the paper's printed tables and a dataset each say of lab and wild, in one shape, for the sentences to ask."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from rafce.errors import RafceError
from rafce.reference import LabCell, lab_cells, paper_wild_cells
from rafce.schema import CATEGORIES
from rafce.statistics import Counts, category_index, count, frequency
from rafce.taxonomy import AUS, COMPOUND_EMOTIONS, COMPOUNDS

# N images, E the fourteen emotions in the paper's order, A action units: the 32 and those that a table adds
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

Where = Literal["wild", "lab"]
PROTOTYPICAL, VARIANT, UNOBSERVED = range(len(CATEGORIES))
UNKNOWN = -1
OBSERVED = (PROTOTYPICAL, VARIANT)


class NotApplicableError(RafceError):
    """A dataset that lacks emotions or AUs of which the paper speaks."""


class Environment(NamedTuple):
    """p(AU | emotion) and the position of its category in CATEGORIES, both (E, A).

    A blank of a printed table is unobserved with frequency NaN. Where nothing is known (no image, no row of the
    table), the category is -1 and the frequency NaN.
    """

    frequency_EA: FloatArray
    category_EA: IntArray

    def observed_EA(self, among: Sequence[int] = OBSERVED) -> BoolArray:
        """Where the category is one of `among`."""
        return np.isin(self.category_EA, among)

    def known_EA(self) -> BoolArray:
        """Where the category is known, blanks of a printed table included."""
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
    """What a dataset knows beyond frequencies: images per emotion, counts, and how frequencies vary together."""

    n_E: IntArray
    counts: Counts
    covariance_EAA: FloatArray


class Evidence(NamedTuple):
    """One source on both environments; `images` is None for a printed table."""

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


def printed_evidence() -> Evidence:
    """Both environments as the paper's Table 1 prints them."""
    aus = _all_aus(AUS, lab_cells())
    return Evidence(aus, _printed(paper_wild_cells(), aus), _printed(lab_cells(), aus), None)


def dataset_evidence(
    emotion_N: IntArray,
    active_NA: BoolArray,
    known_NA: BoolArray,
    emotions: Sequence[str],
    aus: Sequence[int],
    lab: Sequence[LabCell],
) -> Evidence:
    """The wild as a dataset's images have it, the lab as the table in force has it.

    `emotions` and `aus` name the ids in `emotion_N` and the columns of the other two. Emotions beyond the fourteen
    are left aside. An AU of the lab that the dataset has no column for (AU 11) counts as never active, as the paper
    has it: RAF-AU's 32 are all that its coders ever saw. NotApplicableError when one of the fourteen emotions or
    of the 32 AUs is missing, when there is no image or no laboratory table.
    """
    _check_applicable(emotions, aus, len(emotion_N), lab)
    all_aus = _all_aus(aus, lab)
    order = [list(emotions).index(emotion) for emotion in COMPOUND_EMOTIONS]
    position_N = _positions(emotion_N, order, len(emotions))
    active_NA, known_NA = _spread(active_NA, aus, all_aus, False), _spread(known_NA, aus, all_aus, True)
    counts = count(position_N, active_NA, known_NA, len(order))
    n_E = np.bincount(position_N[position_N >= 0], minlength=len(order))
    wild = Environment(frequency(counts), category_index(counts))
    images = Images(n_E, counts, _covariance(position_N, active_NA, known_NA, counts))
    return Evidence(all_aus, wild, _printed(lab, all_aus), images)


def _check_applicable(
    emotions: Sequence[str], aus: Sequence[int], n_images: int, lab: Sequence[LabCell]
) -> None:
    lacking = [name for name in COMPOUND_EMOTIONS if name not in emotions]
    lacking += [f"AU {au}" for au in AUS if au not in aus]
    lacking += [] if n_images else ["images"]
    lacking += (
        [] if any(cell.emotion in COMPOUND_EMOTIONS for cell in lab) else ["a laboratory table of them"]
    )
    if lacking:
        raise NotApplicableError(
            f"the paper's sentences speak of {len(COMPOUND_EMOTIONS)} compound emotions and {len(AUS)} AUs, "
            f"in the wild and in the laboratory; this dataset lacks {', '.join(lacking)}"
        )


def _all_aus(aus: Iterable[int], lab: Iterable[LabCell]) -> tuple[int, ...]:
    """The AUs of a source, of its laboratory, and of the paper's own tables, of which its sentences speak."""
    return tuple(sorted({*aus, *AUS, *(cell.au for cell in (*lab, *lab_cells()))}))


def _printed(cells: Sequence[LabCell], aus: tuple[int, ...]) -> Environment:
    percent_EA = np.full((len(COMPOUND_EMOTIONS), len(aus)), np.nan)
    for cell in cells:
        if cell.emotion in COMPOUND_EMOTIONS:
            percent_EA[COMPOUND_EMOTIONS.index(cell.emotion), aus.index(cell.au)] = cell.percent
    blank_EA = np.isnan(percent_EA)
    of_hundred = Counts(np.full(percent_EA.shape, 100), np.where(blank_EA, 0, percent_EA))
    category_EA = np.where(blank_EA.all(1, keepdims=True), UNKNOWN, category_index(of_hundred))
    return Environment(percent_EA / 100, category_EA)


def _positions(emotion_N: IntArray, order: Sequence[int], n_emotions: int) -> IntArray:
    """Dataset ids turned into positions in the paper's order, -1 for emotions beyond the fourteen."""
    position = np.full(n_emotions, -1)
    position[list(order)] = np.arange(len(order))
    return position[emotion_N]


def _spread(table_NA: BoolArray, aus: Sequence[int], all_aus: Sequence[int], otherwise: bool) -> BoolArray:
    """The columns of `aus` put among `all_aus`, and `otherwise` in every other column."""
    wide = np.full((len(table_NA), len(all_aus)), otherwise)
    wide[:, [list(all_aus).index(au) for au in aus]] = table_NA
    return wide


def _covariance(
    position_N: IntArray, active_NA: BoolArray, known_NA: BoolArray, counts: Counts
) -> FloatArray:
    """Covariance of an emotion's frequencies over samples of its images, shape (E, A, A); NaN for a single image.

    With r the residuals, active - frequency over the number of images that know the AU and 0 where it is unknown,
    it is n / (n - 1) times the sum over images of r r^T: the usual estimate where every AU is known.
    """
    frequency_EA, known_EA = np.nan_to_num(frequency(counts)), np.maximum(counts.known_EA, 1)
    covariance = []
    for emotion in range(len(known_EA)):
        active, known = active_NA[position_N == emotion], known_NA[position_N == emotion]
        residual = known * (active - frequency_EA[emotion]) / known_EA[emotion]
        correction = np.nan if len(active) == 1 else len(active) / (len(active) - 1)
        covariance.append(correction * residual.T @ residual)
    return np.array(covariance)
