"""Any table with a row an image and a column an AU: presence 0 or 1 (or true and false), or numbers and a threshold.

With a threshold the numbers are FACS intensities from 0 to 5 unless `--au-range` says otherwise.
"""

import re
from collections.abc import Sequence

from rafce.errors import ConfigError
from rafce.imports.options import ImportOptions
from rafce.imports.source import MOST_INTENSE, AuColumn, Source

AU_COLUMN = re.compile(r"AU[ _]?([0-9]+)", re.IGNORECASE)
LIKE_AN_AU = re.compile(r"AU[ _-]?[LRTB]?[ _-]?[0-9]", re.IGNORECASE)
NUMBER = re.compile(r"[0-9]+")


def find_au_columns(columns: Sequence[str], options: ImportOptions) -> list[AuColumn]:
    """The columns called AU01, au_1 or alike, or those of --au-columns; ConfigError: one of these is not there."""
    if options.au_columns is None:
        named = {name: int(match[1]) for name in columns if (match := AU_COLUMN.fullmatch(name))}
    else:
        named = dict(_named(text.strip()) for text in options.au_columns.split(","))
        folded: dict[str, list[str]] = {}
        for column in columns:
            folded.setdefault(column.casefold(), []).append(column)
        named = {column: au for name, au in named.items() for column in folded.get(name.casefold(), [name])}
    there = set(columns)
    absent = [name for name in named if name not in there]
    if absent:
        raise ConfigError(
            f"--au-columns: expected columns of the table, found none called {', '.join(absent)}"
        )
    if options.au_threshold is None:
        return [AuColumn(au, name) for name, au in named.items()]
    least, most = _range(options)
    return [AuColumn(au, name, most, options.au_threshold, least) for name, au in named.items()]


def unread_au_columns(columns: Sequence[str], options: ImportOptions) -> list[str]:
    """The columns that seem to code AUs, such as AU01_intensity or AUL1, and are not read without --au-columns."""
    if options.source != "table" or options.au_columns is not None:
        return []
    return [name for name in columns if LIKE_AN_AU.match(name) and not AU_COLUMN.fullmatch(name)]


def _range(options: ImportOptions) -> tuple[float, float]:
    """The least and the most that a column of AUs can have; ConfigError: the threshold tells no values apart."""
    least, most = (0, MOST_INTENSE) if options.au_range is None else parse_range(options.au_range)
    threshold = options.au_threshold
    if threshold is not None and not least < threshold <= most:
        raise ConfigError(
            f"--au-threshold: expected a number above {least:g}, up to {most:g}, or another --au-range LOW,HIGH, "
            f"found {threshold:g}"
        )
    return least, most


def parse_range(text: str) -> tuple[float, float]:
    """Two rising numbers such as 0,100; ConfigError: something else."""
    try:
        least, most = (float(part) for part in text.split(","))
    except ValueError:
        least = most = float("nan")
    if not float("-inf") < least < most < float("inf"):
        raise ConfigError(f"--au-range: expected two rising numbers such as 0,100 or -10,10, found {text!r}")
    return least, most


def _named(text: str) -> tuple[str, int]:
    """A column and its AU: the number after its last =, else the only number in its name."""
    name, equals, number = text.rpartition("=")
    numbers = NUMBER.findall(number)
    if len(numbers) != 1 or (equals and not NUMBER.fullmatch(number)):
        raise ConfigError(
            f"--au-columns: expected names with one number, such as AU01, or smile=12, found {text!r}"
        )
    return (name if equals else text), int(numbers[0])


SOURCE = Source(find_au_columns, au_example="AU01")
