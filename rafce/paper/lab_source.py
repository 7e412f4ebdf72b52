"""The laboratory rows of the paper's Table 1 beside their source: Table 1 of Du, Tao & Martinez 2014."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from rafce.reference import LabCell, SourceCell, du2014_cells, lab_cells
from rafce.statistics import Counts, category_index, category_names

PRINTED_UNDER = re.compile(r"printed under AU ([0-9]+)")
UNOBSERVED = "unobserved"


class Move(NamedTuple):
    """A cell of the laboratory that the paper's text prints under another AU than its source."""

    emotion: str
    percent: float
    printed_au: int
    au: int


def moves() -> tuple[Move, ...]:
    """The cells that were moved to correct the table, in its order.

    Done one after the other, none lands on a cell that is taken.
    """
    found = ((cell, PRINTED_UNDER.fullmatch(cell.note)) for cell in lab_cells())
    return tuple(Move(cell.emotion, cell.percent, int(match[1]), cell.au) for cell, match in found if match)


def printed_lab_cells(n_moved: int = 0) -> tuple[LabCell, ...]:
    """The laboratory's cells where the paper's text prints them; the first `n_moved` of `moves` are done."""
    printed_au = {(move.emotion, move.au): move.printed_au for move in moves()[n_moved:]}
    return tuple(
        cell._replace(au=printed_au[cell.emotion, cell.au], note="")
        if (cell.emotion, cell.au) in printed_au
        else cell
        for cell in lab_cells()
    )


def is_corrected_table(cells: Sequence[LabCell]) -> bool:
    """Whether a laboratory table has the cells of the shipped one, whatever its notes say."""
    return {cell[:3] for cell in cells} == {cell[:3] for cell in lab_cells()}


def unsourced_emotions() -> tuple[str, ...]:
    """The laboratory rows of the paper's table that Du et al. 2014 do not have."""
    sourced = {cell.emotion for cell in du2014_cells()}
    return tuple(dict.fromkeys(cell.emotion for cell in lab_cells() if cell.emotion not in sourced))


def equal_rows() -> dict[str, str]:
    """The laboratory rows that repeat an earlier one, cell for cell, each with that one."""
    rows: dict[str, dict[int, float]] = {}
    for cell in lab_cells():
        rows.setdefault(cell.emotion, {})[cell.au] = cell.percent
    names = list(rows)
    return {
        later: earlier
        for position, later in enumerate(names)
        for earlier in names[:position]
        if rows[earlier] == rows[later]
    }


def lab_source_table() -> pd.DataFrame:
    """A row a laboratory cell of the paper's table: where the text prints it, and what Du et al. 2014 have there.

    `move` numbers the cells that the text prints under another AU, `printed_au`; it is missing elsewhere. The source's
    category and percent stand beside both AUs: "unobserved" where it has no such AU, missing where it has no such
    emotion, without a percent where prototypical. `agrees_as_printed` and `agrees` say whether they are the cell's.
    """
    corrected = lab_cells()
    numbers = {(move.emotion, move.au): number for number, move in enumerate(moves(), start=1)}
    columns: dict[str, object] = {
        "emotion": [cell.emotion for cell in corrected],
        "percent": [cell.percent for cell in corrected],
        "move": pd.array([numbers.get((cell.emotion, cell.au)) for cell in corrected], "Int64"),
        **_beside_source(printed_lab_cells(), "printed_au", "_as_printed"),
        **_beside_source(corrected, "au", ""),
        "note": [cell.note for cell in corrected],
    }
    return pd.DataFrame(columns)


def _beside_source(cells: Sequence[LabCell], au_column: str, suffix: str) -> dict[str, object]:
    """The AUs of cells, what the source has there, and whether that is what the cells have."""
    sources = _sources(cells)
    percents = [np.nan if found is None or found.percent is None else found.percent for found in sources]
    return {
        au_column: [cell.au for cell in cells],
        f"du2014_category{suffix}": [found and found.category for found in sources],
        f"du2014_percent{suffix}": percents,
        f"agrees{suffix}": pd.array(list(map(_agrees, cells, sources)), "boolean"),
    }


def _sources(cells: Sequence[LabCell]) -> list[SourceCell | None]:
    """What the source has at each cell's emotion and AU; None where it does not have the emotion."""
    at_place = {(found.emotion, found.au): found for found in du2014_cells()}
    sourced = {emotion for emotion, _ in at_place}
    return [
        at_place.get((cell.emotion, cell.au), SourceCell(cell.emotion, cell.au, UNOBSERVED, None))
        if cell.emotion in sourced
        else None
        for cell in cells
    ]


def _agrees(cell: LabCell, source: SourceCell | None) -> bool | None:
    """Whether category and, where the source has one, percent are the same; None without a source."""
    if source is None:
        return None
    category = category_names(category_index(Counts(np.array(100), np.array(cell.percent))))
    return bool(category == source.category) and source.percent in (None, cell.percent)
