"""Table 1 of the paper: how often each action unit shows in each emotion, in the wild and in the laboratory."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from rafce.dataset import Dataset
from rafce.grouped import GroupTally
from rafce.paper.lab_source import is_corrected_table, moves
from rafce.reference import LabCell
from rafce.statistics import PROTOTYPICAL_FROM, VARIANT_FROM

Records = Iterable[Mapping[str, Any]]

SURE = 0.95
SCOPE_WORDS = {
    "all": "all images, test images included, as in the paper",
    "train": "training images only",
    "validation": "validation images only",
    "test": "test images only",
}


@dataclass(frozen=True)
class Cell:
    """A percentage and what is known about it; interval, mass and counts are None for a laboratory figure.

    So are interval and mass where the images that know the AU are of a single group.
    """

    percent: float
    category: str
    low: float | None = None
    high: float | None = None
    mass: float | None = None
    count: int | None = None
    n: int | None = None
    n_groups: int | None = None

    @property
    def prototypical(self) -> bool:
        """Whether it is printed bold."""
        return self.category == "prototypical"

    @property
    def observed(self) -> bool:
        """Whether the paper would print it: prototypical or variant."""
        return self.category != "unobserved"

    @property
    def unsure(self) -> bool:
        """Whether other categories are left more than 5 %, or nothing says how much they are left."""
        return self.n is not None and (self.mass is None or self.mass < SURE)

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Both ends of the interval, if there is one."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def rounded(self) -> int:
        """The percentage as printed; halves go up, from the counts where there are any."""
        if self.count is None or not self.n:
            return int(self.percent + 0.5)
        return (200 * self.count + self.n) // (2 * self.n)


class Row(NamedTuple):
    """One printed row: `n` images, None for the laboratory, the AUs that none of them knows, their groups if any."""

    emotion: str
    environment: str
    n: int | None
    cells: Mapping[int, Cell]
    unknown: frozenset[int] = frozenset()
    n_groups: int | None = None

    @property
    def size(self) -> str:
        """How many images, and in brackets of how many groups; nothing for the laboratory."""
        images = "" if self.n is None else f"{self.n:,}"
        return images if self.n_groups is None else f"{images} ({self.n_groups:,})"

    def observed(self) -> dict[int, Cell]:
        """The cells that the paper would print, in the order of the AUs."""
        return {au: cell for au, cell in sorted(self.cells.items()) if cell.observed}


@dataclass(frozen=True)
class Table1:
    """The whole table: its rows as printed, its columns, and the environment that each exclusive AU belongs to.

    `lab_is_corrected` says that its laboratory is the paper's, with the cells where Du et al. 2014 have them.
    """

    scope: str
    rows: tuple[Row, ...]
    aus: tuple[int, ...]
    exclusive: Mapping[int, str]
    n_groups: int | None = None
    lab_is_corrected: bool = False

    def of(self, environment: str) -> dict[str, Row]:
        """The rows of one environment by emotion."""
        return {row.emotion: row for row in self.rows if row.environment == environment}

    def seen(self, environment: str) -> tuple[int, ...]:
        """The AUs that are observed in at least one emotion of an environment."""
        rows = self.of(environment).values()
        return tuple(au for au in self.aus if any(au in row.observed() for row in rows))

    def only(self, environment: str) -> tuple[int, ...]:
        """The AUs that are observed in this environment and in no emotion of the other."""
        return tuple(au for au in self.aus if self.exclusive.get(au) == environment)

    @property
    def has_unknown(self) -> bool:
        """Whether a column's AU is unknown in some image."""
        rows = self.of("wild").values()
        partly = any(cell.n != row.n for row in rows for au, cell in row.cells.items() if au in self.aus)
        return partly or any(row.unknown & {*self.aus} for row in rows)

    @property
    def has_lab(self) -> bool:
        """Whether there is a laboratory table to compare with."""
        return any(row.environment == "lab" for row in self.rows)


LAB_IS_CORRECTED = (
    f"The laboratory is that of the paper's Table 1, corrected: {len(moves())} cells stand under the AUs that "
    "Du, Tao & Martinez 2014 have them under, not under those that the paper's text prints."
)


def category_of(percent: float) -> str:
    """The paper's rule for a printed percentage: prototypical from 70, variant from 20, else unobserved."""
    if percent >= 100 * PROTOTYPICAL_FROM:
        return "prototypical"
    return "variant" if percent >= 100 * VARIANT_FROM else "unobserved"


def table1(
    dataset: Dataset, scope: str, images: Mapping[str, int], groups: GroupTally | None = None
) -> Table1:
    """Table 1 of a dataset, counted in one scope; rows in the order of the emotion ids, wild before lab.

    `images` says how many each emotion has in the scope, also those in which an AU is unknown; `groups` are those of
    the scope.
    """
    wild = wild_rows(dataset.au_statistics.to_pylist(), images, scope)
    if groups is not None:
        n_groups_E = groups.n_groups_E().tolist()
        rows_E = zip(wild.values(), n_groups_E, strict=True)
        wild = {row.emotion: row._replace(n_groups=n_groups) for row, n_groups in rows_E}
    lab = lab_rows(dataset.lab_statistics.to_pylist(), dataset.emotions)
    rows = [row for emotion in dataset.emotions for row in (wild[emotion], lab.get(emotion)) if row]
    wild_aus, lab_aus = ({au for row in side.values() for au in row.observed()} for side in (wild, lab))
    exclusive = dict.fromkeys(wild_aus - lab_aus, "wild") | dict.fromkeys(lab_aus - wild_aus, "lab")
    aus = tuple(sorted(wild_aus | lab_aus))
    n_groups = None if groups is None else len(groups.names)
    cells = [LabCell(**record) for record in dataset.lab_statistics.to_pylist()]
    return Table1(scope, tuple(rows), aus, exclusive if lab else {}, n_groups, is_corrected_table(cells))


def wild_rows(statistics: Records, images: Mapping[str, int], scope: str) -> dict[str, Row]:
    """The dataset's own rows; an AU that no image of the emotion knows has no cell."""
    cells: dict[str, dict[int, Cell]] = {emotion: {} for emotion in images}
    unknown: dict[str, set[int]] = {emotion: set() for emotion in images}
    for record in statistics:
        emotion, au = record["emotion"], record["au"]
        if record["scope"] == scope and record["n"] > 0:
            cells[emotion][au] = wild_cell(record)
        elif record["scope"] == scope and images[emotion]:
            unknown[emotion].add(au)
    return {
        emotion: Row(emotion, "wild", n, cells[emotion], frozenset(unknown[emotion]))
        for emotion, n in images.items()
    }


def wild_cell(record: Mapping[str, Any]) -> Cell:
    """The cell of one row of `au_statistics.parquet`."""
    return Cell(
        percent=100 * record["frequency"],
        category=record["category"],
        low=None if record["ci_low"] is None else 100 * record["ci_low"],
        high=None if record["ci_high"] is None else 100 * record["ci_high"],
        mass=record[f"p_{record['category']}"],
        count=record["count"],
        n=record["n"],
        n_groups=record.get("n_groups"),
    )


def lab_rows(lab: Records, emotions: Sequence[str]) -> dict[str, Row]:
    """The laboratory rows of the emotions that it knows."""
    cells: dict[str, dict[int, Cell]] = {}
    for record in lab:
        cell = Cell(record["percent"], category_of(record["percent"]))
        cells.setdefault(record["emotion"], {})[record["au"]] = cell
    return {emotion: Row(emotion, "lab", None, cells[emotion]) for emotion in emotions if emotion in cells}


def tidy(table: Table1) -> pd.DataFrame:
    """The observed cells, a row each, in the printed order: `n` images know the AU, percent is not rounded.

    A cell of the laboratory has neither n nor interval.
    """
    records = [
        (row.emotion, row.environment, au, cell.n, cell.percent, cell.low, cell.high, cell.category)
        for row in table.rows
        for au, cell in row.observed().items()
    ]
    columns = ["emotion", "environment", "au", "n", "percent", "ci_low", "ci_high", "category"]
    frame = pd.DataFrame(records, columns=columns)
    return frame.astype(
        {"au": "int16", "n": "Int64", "percent": "float64", "ci_low": "float64", "ci_high": "float64"}
    )


def caption(table: Table1) -> list[str]:
    """What the table shows and how to read it, a sentence an item; without marks, so that any format can print it."""
    in_groups = "" if table.n_groups is None else ", and in brackets that of the groups that they are of"
    where = "in the wild, and of subjects in the laboratory," if table.has_lab else "in the wild"
    lines = [
        f"Percent of images {where} that show an action unit (AU), for each emotion.",
        f"Counted on {SCOPE_WORDS[table.scope]}; n is the number of images{in_groups}.",
        "Only observed AUs (20 % and more) are printed; prototypical ones (70 % and more) are bold.",
    ]
    if table.has_unknown:
        lines.append(
            "Where an AU is unknown in an image it counts neither way: a percentage is of the images that know the AU, "
            "and a question mark says that none does."
        )
    if table.has_lab:
        lines.append(
            "Underlined: AUs observed in one environment only, red in the wild, blue in the laboratory. "
            "The laboratory's blanks are unknown, not zero."
        )
        lines += [LAB_IS_CORRECTED] if table.lab_is_corrected else []
    else:
        lines.append("There is no laboratory table to compare with.")
    lines.append(
        f"† marks a cell whose category (prototypical, variant, unobserved) is less than {100 * SURE:.0f} % sure "
        f"({sure_by(table.n_groups)}); alone, it marks an unprinted AU that may be observed after all."
    )
    if table.n_groups is not None:
        lines.append(f"Intervals are {over_groups(table.n_groups)}.")
    return lines


def sure_by(n_groups: int | None) -> str:
    """What says how sure a category is."""
    return "posterior under Jeffreys' prior" if n_groups is None else "share of the draws of groups"


def over_groups(n_groups: int) -> str:
    """The kind of an interval over groups, in words."""
    return f"cluster-robust, 95 %, bootstrap over {n_groups:,} groups"
