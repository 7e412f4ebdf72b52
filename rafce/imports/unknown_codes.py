"""Codes that mean that an AU is unknown: those that a source has, and those that `--unknown` names for a run."""

from typing import NamedTuple

from rafce.errors import ConfigError
from rafce.imports.source import AuColumn
from rafce.imports.spellings import as_number


class UnknownCodes(NamedTuple):
    """Numbers of the source, which count only outside a column's range, and numbers and words of `--unknown`."""

    of_source: tuple[float, ...] = ()
    given: tuple[float, ...] = ()
    words: tuple[str, ...] = ()

    def numbers(self, meaning: AuColumn) -> list[float]:
        """The numbers that mean unknown in a column: -1 does not where evidence goes from -10 to 10."""
        outside = [code for code in self.of_source if not meaning.least <= code <= meaning.most]
        return [*outside, *self.given]


def unknown_codes(of_source: tuple[float, ...], text: str | None) -> UnknownCodes:
    """The codes of a source and those of --unknown, such as 9 or ?; ConfigError: nothing between two commas."""
    parts = [] if text is None else [part.strip() for part in text.split(",")]
    if not all(parts):
        raise ConfigError(f"--unknown: expected codes with commas between, such as 9 or 9,?, found {text!r}")
    values = {part: as_number(part) for part in parts}
    given = tuple(float(value) for value in values.values() if value is not None)
    words = tuple(part.lower() for part, value in values.items() if value is None)
    return UnknownCodes(of_source, given, words)
