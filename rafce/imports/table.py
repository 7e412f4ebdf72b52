"""Any table with a row an image and a column an AU: presence 0 or 1 (or true and false), or numbers and a threshold."""

import re
from collections.abc import Sequence

from rafce.errors import ConfigError
from rafce.imports.options import ImportOptions
from rafce.imports.source import AuColumn, Source

AU_COLUMN = re.compile(r"AU[ _]?([0-9]+)", re.IGNORECASE)
NUMBER = re.compile(r"[0-9]+")
MOST = 100  # whether probabilities, intensities or percentages


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
    most = 1 if options.au_threshold is None else MOST
    return [AuColumn(au, name, most, options.au_threshold) for name, au in named.items()]


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
