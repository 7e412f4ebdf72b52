"""How a text table is written: what separates its columns, and whether its numbers have a decimal comma."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from rafce.errors import LabelError

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
SEPARATOR_LINE = re.compile(r'"?sep=([,;\t])"?', re.IGNORECASE)
"""A first line for Excel, which else takes the usual separator of its country."""
QUOTED = re.compile(r'"(?:[^"]|"")*"')
TWO_DECIMALS = re.compile(r"\b\d,\d{2,}\b")
COMMA_NUMBER = r"^\s*[-+]?\d*,\d+([eE][-+]?\d+)?\s*$"
POINT_NUMBER = r"^\s*[-+]?\d*\.\d+([eE][-+]?\d+)?\s*$"
THOUSANDS = r"^\s*[-+]?\d{1,3}(,\d{3})+\s*$"
DECIMAL_COMMA = "decimal commas"
NEEDS_ANOTHER = "(numbers with a decimal comma need semicolons or tabs between the columns)"

Columns = Mapping[str, Any]


class Dialect(NamedTuple):
    """The separator of a text table, and the line that names its columns: 2 below Excel's `sep=;`."""

    separator: str = ","
    header_line: int = 1

    def in_words(self, has_decimal_comma: bool = False) -> str:
        """What differs from a usual table, empty where nothing does."""
        words = [] if self.separator == "," else [f"{SEPARATORS[self.separator]} between columns"]
        return ", ".join([*words, *([DECIMAL_COMMA] if has_decimal_comma else [])])


USUAL = Dialect()


def find_separator(header: str, rows: Iterable[str]) -> str:
    """What separates the names of the columns; a comma where there is one name.

    Where the names hold several separators the rows decide. LabelError: they do not.
    """
    n_fields = {separator: count_fields(header, separator) for separator in SEPARATORS}
    several = [separator for separator, n in n_fields.items() if n > 1]
    if len(several) < 2:
        return several[0] if several else ","
    sample = list(rows)
    fits = {s: [count_fields(row, s) == n_fields[s] for row in sample] for s in several}
    for agree in (all, any):
        fitting = [s for s, found in fits.items() if found and agree(found)]
        if len(fitting) == 1:
            return fitting[0]
    found = " and ".join(SEPARATORS[separator] for separator in several)
    raise LabelError(f"expected one separator between columns (quote names that hold one), found {found}")


def count_fields(line: str, separator: str) -> int:
    """How many fields a line has, separators inside quotes left out."""
    return QUOTED.sub("", line).count(separator) + 1


def ragged_hint(line: str, separator: str, n_columns: int) -> str:
    """What may be wrong with a line that has not as many fields as the header: its separator, or decimal commas."""
    for other in SEPARATORS:
        if other != separator and count_fields(line, other) == n_columns > 1:
            return f"({SEPARATORS[separator]} separate the names of the columns, {SEPARATORS[other]} those lines)"
    has_more = count_fields(line, separator) > n_columns
    return NEEDS_ANOTHER if separator == "," and has_more and TWO_DECIMALS.search(line) else ""


class Converted(NamedTuple):
    """Columns whose numbers have points; `as_written` has those that had commas, by the id of what they became."""

    columns: Columns
    as_written: Mapping[int, Any]


class DecimalCommas:
    """Reads the decimal commas of one table whose columns are not separated by commas.

    In a column of whole numbers 1,000 is left as it is: it may be a thousand. LabelError: some numbers have a decimal
    comma and others a point, which could separate thousands.
    """

    def __init__(self, path: Path, numbers: Sequence[str], whole: Sequence[str]) -> None:
        self.path, self.numbers, self.whole = path, numbers, whole
        self._first: dict[str, str] = {}

    def convert(self, columns: Columns, place: Any) -> Converted:
        """The columns of a block; `place` says where its rows stand."""
        changed, as_written = dict(columns), dict[int, Any]()
        for name in self.numbers:
            column = columns[name]
            if _has(column, ".") and "decimal point" not in self._first:
                self._note("decimal point", pc.match_substring_regex(column, POINT_NUMBER), column, place)
            if not _has(column, ","):
                continue
            has_comma = pc.match_substring_regex(column, COMMA_NUMBER)
            if name in self.whole:
                has_comma = pc.and_not(has_comma, pc.match_substring_regex(column, THOUSANDS))
            self._note("decimal comma", has_comma, column, place)
            changed[name] = pc.if_else(has_comma, pc.replace_substring(column, ",", "."), column)
            as_written[id(changed[name])] = column
        if len(self._first) > 1:
            raise LabelError(f"{self.path}: expected one decimal mark in all numbers, found {self._both()}")
        return Converted(changed, as_written if "decimal comma" in self._first else {})

    def _note(self, kind: str, is_there: pa.Array, column: pa.Array, place: Any) -> None:
        if kind not in self._first:
            row = pc.index(is_there, True).as_py()
            if row >= 0:
                self._first[kind] = f"{column[row].as_py().strip()!r} ({place(row)})"

    def _both(self) -> str:
        return f"{self._first['decimal comma']} and {self._first['decimal point']}"


def has_decimal_commas(column: pa.Array) -> bool:
    """Whether any text of a column is a number with a decimal comma."""
    is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    return is_text and bool(pc.any(pc.match_substring_regex(column, COMMA_NUMBER)).as_py())


def _has(column: pa.Array, mark: str) -> bool:
    return bool(pc.any(pc.match_substring(column, mark)).as_py())
