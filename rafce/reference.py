"""The published tables that everything here is compared with, each with its source (rafce/data/*.csv).

Paper: X. Li, W. Deng, S. Li, Y. Li, "Compound Expression Recognition In-the-wild with AU-assisted Meta
Multi-task Learning", CVPR Workshops 2023.
    table1_wild.csv  Table 1, the plain rows: p(AU | emotion) in RAF-CE, percent, observed AUs (>= 20 %) only.
    table2.csv       Table 2: recall per emotion, overall accuracy, mean diagonal, in percent.
    table3.csv       Table 3: accuracy and mean diagonal by statistics and method. MAL uses no statistics; the
                     paper prints it among the lab's.
Lab: S. Du, Y. Tao, A. M. Martinez, "Compound facial expressions of emotion", PNAS 111(15), E1454-E1462, 2014.
    table1_lab.csv   The paper's reprint of it, Table 1, the starred rows, corrected: percent of 230 posing
                     subjects, AUs >= 20 % only; a blank is unknown, not zero. The column `note` flags two kinds
                     of cell. The paper's text prints six under another AU, which the note names; they stand
                     here where du2014.csv has them (`rafce.paper.lab_source` puts them back). The row of happily
                     sad is printed identical to happily surprised and kept so.
    du2014.csv       Table 1 of the source itself: 21 emotions with their prototypical AUs (70 % of the subjects
                     and more; no percent is given) and their variant ones with a percent. It has neither happily
                     fearful nor happily sad.
"""

import csv
import re
from collections.abc import Callable, Sequence
from importlib.resources import files
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rafce.errors import LabelError, raise_all
from rafce.formats.lines import BLANKS, ReadBytes, decoded_lines
from rafce.reading import read_file
from rafce.taxonomy import COMPOUND_EMOTIONS, FACS_NAMES

if TYPE_CHECKING:
    import pandas as pd

PAPER = "Li, Deng, Li & Li 2023, CVPR Workshops"
LAB = "Du, Tao & Martinez 2014, PNAS 111(15), E1454"

LAB_SUBJECTS = 230
"""How many people posed each emotion in the laboratory (Du et al. 2014)."""

REQUIRED = ("emotion", "au", "percent")
OPTIONAL = ("note",)
FACS_CODE = re.compile(r"[0-9]{1,3}")
PERCENT = re.compile(r"[0-9]+(\.[0-9]+)?")
NO_AU = -1
FRACTIONS = "expected percents from 0 to 100, found none above 1: write a fraction such as 0.97 as 97"


class LabCell(NamedTuple):
    """A cell of a table of p(AU | emotion): percent in [0, 100], and what is odd about it, if so."""

    emotion: str
    au: int
    percent: float
    note: str


class SourceCell(NamedTuple):
    """A cell of Table 1 of Du et al. 2014; a prototypical AU has no percent there."""

    emotion: str
    au: int
    category: str
    percent: float | None


def lab_cells() -> tuple[LabCell, ...]:
    """The laboratory's cells of Table 1, corrected by Du et al. 2014, in the order of the paper."""
    return parse_cells(_shipped_text("table1_lab.csv").splitlines(), "table1_lab.csv", COMPOUND_EMOTIONS)


def paper_wild_cells() -> tuple[LabCell, ...]:
    """The paper's own cells of Table 1, in its order and in the shape of the laboratory's."""
    return parse_cells(_shipped_text("table1_wild.csv").splitlines(), "table1_wild.csv", COMPOUND_EMOTIONS)


def du2014_cells() -> tuple[SourceCell, ...]:
    """The laboratory source itself: Table 1 of Du et al. 2014, in its order."""
    rows = csv.DictReader(StringIO(_shipped_text("du2014.csv")))
    return tuple(_source_cell(row) for row in rows)


def read_lab_table(
    path: Path, emotions: Sequence[str] = COMPOUND_EMOTIONS, read: ReadBytes = read_file
) -> tuple[LabCell, ...]:
    """The cells of a user's own laboratory table: a CSV file with the columns emotion, au, percent[, note].

    LabelError lists up to twenty faults with their lines: a missing, unknown or repeated column, an emotion
    not in `emotions`, an AU that is no FACS code, a percent outside [0, 100], a repeated emotion and AU, and a table
    of fractions, in which no percent is above 1.
    """
    return parse_cells(decoded_lines(path, read), str(path), emotions)


def parse_cells(lines: Sequence[str], where: str, emotions: Sequence[str]) -> tuple[LabCell, ...]:
    """The cells in the lines of such a table, header first; LabelError as in `read_lab_table`."""
    rows = _csv_rows(lines, where)
    header_line, header = rows.pop(0)
    _check_columns(header, f"{where}:{header_line}")
    if not rows:
        raise LabelError(f"{where}:{header_line}: expected a row for each cell below the header, found none")
    faults = [
        (number, f"expected {len(header)} fields, found {len(fields)}")
        for number, fields in rows
        if len(fields) != len(header)
    ]
    whole = [(n, dict(zip(header, fields, strict=True))) for n, fields in rows if len(fields) == len(header)]
    cells = tuple(_cell(values) for _, values in whole)
    shown = [tuple(repr(values[name]) for name in REQUIRED) for _, values in whole]
    found = lab_faults(cells, emotions, lambda i: f"line {whole[i][0]}", shown)
    faults += [(whole[i][0], fault) for i, fault in found]
    raise_all([f"{where}:{number}: {fault}" for number, fault in sorted(faults)])
    return cells


def lab_faults(
    cells: Sequence[LabCell],
    emotions: Sequence[str],
    place: Callable[[int], str] = lambda i: f"row {i + 1}",
    shown: Sequence[Sequence[str]] | None = None,
) -> list[tuple[int, str]]:
    """What is wrong with the cells of a laboratory table: each fault with the position of its cell, from 0.

    Expected are emotions among `emotions`, FACS numbers, percents from 0 to 100 of which one is above 1 (else all are
    fractions), and each emotion and AU once. `place` names a cell in words; `shown` is how its emotion, AU and percent
    stand in the file.
    """
    faults = [] if any(not 0 <= cell.percent <= 1 for cell in cells) or not cells else [(0, FRACTIONS)]
    first_seen: dict[tuple[str, int], int] = {}
    for i, cell in enumerate(cells):
        faults += [
            (i, fault) for fault in _cell_faults(cell, emotions, _shown(cell) if shown is None else shown[i])
        ]
        earlier = first_seen.setdefault((cell.emotion, cell.au), i)
        if earlier != i and cell.au != NO_AU:
            again = f"{cell.emotion}, AU {cell.au} again ({place(earlier)})"
            faults.append((i, f"expected each emotion and AU once, found {again}"))
    return faults


def lab_table() -> "pd.DataFrame":
    """`lab_cells` as a frame: emotion, au, percent, note."""
    return _frame(lab_cells())


def paper_wild_table() -> "pd.DataFrame":
    """`paper_wild_cells` as a frame: emotion, au, percent, note."""
    return _frame(paper_wild_cells())


def paper_table2() -> "pd.DataFrame":
    """Table 2, a row a figure: method, measure (recall, accuracy or uar), emotion (recall only), percent."""
    import pandas as pd

    wide = pd.read_csv(StringIO(_shipped_text("table2.csv")))
    table = wide.melt(id_vars="emotion", var_name="method", value_name="percent")
    table["measure"] = table["emotion"].map({"Acc.": "accuracy", "Diag.": "uar"}).fillna("recall")
    table["emotion"] = table["emotion"].where(table["measure"] == "recall")
    return table[["method", "measure", "emotion", "percent"]]


def paper_table3() -> "pd.DataFrame":
    """Table 3, a row a figure: statistics (none for MAL), method, measure (accuracy or uar), percent."""
    import pandas as pd

    wide = pd.read_csv(StringIO(_shipped_text("table3.csv")), na_values="-").rename(columns={"diag": "uar"})
    return wide.melt(id_vars=["statistics", "method"], var_name="measure", value_name="percent")


def _csv_rows(lines: Sequence[str], where: str) -> list[tuple[int, list[str]]]:
    """The fields of every row without the blanks around them, each row with the number of its (last) line."""
    reader = csv.reader(lines, strict=True)
    try:
        return [(reader.line_num, [field.strip(BLANKS) for field in fields]) for fields in reader]
    except csv.Error as error:
        raise LabelError(f"{where}:{reader.line_num}: expected comma-separated values: {error}") from None


def _check_columns(header: Sequence[str], where: str) -> None:
    expected = f"expected the columns {', '.join(REQUIRED)} and perhaps {', '.join(OPTIONAL)}"
    missing = [f"{where}: {expected}, found no {name}" for name in REQUIRED if name not in header]
    unknown = [f"{where}: {expected}, found {name!r}" for name in header if name not in REQUIRED + OPTIONAL]
    repeated = [
        f"{where}: {expected}, found {name} twice" for name in REQUIRED + OPTIONAL if header.count(name) > 1
    ]
    raise_all(missing + unknown + repeated)


def _cell_faults(cell: LabCell, emotions: Sequence[str], shown: Sequence[str]) -> list[str]:
    emotion, au, percent = shown
    checks = {
        f"expected an emotion such as {emotions[0]!r}, found {emotion}": cell.emotion in emotions,
        f"expected a FACS code, found {au}": cell.au in FACS_NAMES,
        f"expected a percent from 0 to 100, found {percent}": 0 <= cell.percent <= 100,
    }
    return [fault for fault, holds in checks.items() if not holds]


def _shown(cell: LabCell) -> tuple[str, str, str]:
    return repr(cell.emotion), str(cell.au), repr(cell.percent)


def _cell(values: dict[str, str]) -> LabCell:
    """A cell as it stands; an AU or a percent that is no number gets one that `lab_faults` refuses."""
    au = int(values["au"]) if FACS_CODE.fullmatch(values["au"]) else NO_AU
    percent = float(values["percent"]) if PERCENT.fullmatch(values["percent"]) else float("nan")
    return LabCell(values["emotion"], au, percent, values.get("note", ""))


def _source_cell(values: dict[str, str]) -> SourceCell:
    percent = float(values["percent"]) if values["percent"] else None
    return SourceCell(values["emotion"], int(values["au"]), values["category"], percent)


def _shipped_text(name: str) -> str:
    return (files("rafce") / "data" / name).read_text(encoding="utf-8")


def _frame(cells: Sequence[LabCell]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(cells, columns=list(LabCell._fields))
