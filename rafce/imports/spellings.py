"""Names that are written in several ways: 1, 1.0 and 01 are one number, Happy and happy one emotion."""

import re
import unicodedata
from collections.abc import Callable
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

# N rows of a block
IntArray = npt.NDArray[np.int32]

NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.ASCII | re.IGNORECASE)
MOST_DIGITS = 40  # a longer exponent would be written out
DECIMAL_COMMA = re.compile(
    r"([-+]?\d+),0", re.ASCII
)  # a column of numbers with a gap, as pandas writes it with commas
MINUS = str.maketrans("\u2212\u2013", "--")  # minus sign and dash, as word processors write them
BETWEEN_WORDS = re.compile(r"[\s_-]+")


def as_number(text: str) -> Decimal | None:
    """The exact value of a number, None for any other text."""
    text = text.translate(MINUS)
    comma = DECIMAL_COMMA.fullmatch(text)
    text = comma[1] if comma else text
    if not NUMBER.fullmatch(text):
        return None
    try:
        value = Decimal(text)
    except ArithmeticError:  # an exponent that Decimal itself cannot hold
        return None
    return value if abs(value.adjusted()) <= MOST_DIGITS else None


def plain(text: str) -> str:
    """What a reader sees of a text: without invisible characters and outer blanks, wide letters and digits as usual."""
    seen = "".join(c for c in text if unicodedata.category(c) != "Cf") if not text.isascii() else text
    return unicodedata.normalize("NFKC", seen).strip()


def group_key(text: str) -> str:
    """What all spellings of a group have in common: the value of a number, else the letters without their case."""
    text = plain(text)
    number = as_number(text)
    if number is not None:
        return str(int(number)) if number == number.to_integral_value() else str(number.normalize())
    return text.casefold()


def word_key(text: str) -> str:
    """As `group_key`, but blanks, `_` and `-` between and around words do not count either."""
    key = group_key(text)
    return key if as_number(plain(text)) is not None else BETWEEN_WORDS.sub("", key)


def whole_numbers_alike(text: pa.Array) -> pa.Array:
    """Texts in which whole numbers are written without point and leading zeros, whatever stood there."""
    encoded = text.dictionary_encode()
    alike = [_plain(value) for value in encoded.dictionary.to_pylist()]
    return pa.array(alike, pa.string()).take(encoded.indices)


def _plain(text: str) -> str:
    number = as_number(text)
    return text if number is None or number != number.to_integral_value() else str(int(number))


class SpelledNames:
    """Numbers for names in the order in which they first come; spellings of one `key` share a number."""

    def __init__(self, key: Callable[[str], str]) -> None:
        self._key = key
        self._of_key: dict[str, int] = {}
        self._of_text: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._of_key)

    def names(self) -> list[str]:
        """The first spelling of each name, in the order of their numbers."""
        return [spellings[0] for spellings in self._spellings()]

    def merged(self) -> list[list[str]]:
        """The spellings of each name that has several, the first one first."""
        return [spellings for spellings in self._spellings() if len(spellings) > 1]

    def number(self, text: pa.Array) -> IntArray:
        """The number of each text, shape (N,); 0 for null."""
        encoded = text.dictionary_encode()
        number_U = [self._number(name) for name in encoded.dictionary.to_pylist()]
        number_N: IntArray = np.array(number_U or [0], np.int32)[encoded.indices.fill_null(0).to_numpy()]
        return number_N

    def _number(self, text: str) -> int:
        if text not in self._of_text:
            self._of_text[text] = self._of_key.setdefault(self._key(text), len(self._of_key))
        return self._of_text[text]

    def _spellings(self) -> list[list[str]]:
        found: list[list[str]] = [[] for _ in self._of_key]
        for text, number in self._of_text.items():
            found[number].append(text)
        return found
