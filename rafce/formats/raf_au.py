"""RAF-AU's RAFAU_label.txt: `NNNN.jpg 1+4+L10+25`, the action units that a FACS coder saw (Yan et al. 2020)."""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from rafce.errors import LabelError
from rafce.formats.lines import ReadBytes, read_rows, split_fields
from rafce.reading import read_file
from rafce.taxonomy import AUS, FACS_NAMES

FILE_NAME = "RAFAU_label.txt"
EXPECTED = "an image name and a label such as 1+4+L10+25 or null"
NULL = "null"

# L R: side of the face, T B: lip; AD: action descriptor. A stray letter behind the number repeats the side (L12L).
TOKEN = re.compile(r"(AD|[LRTB]{0,2})([0-9]{1,3})([LRTB]?)", re.IGNORECASE)


class Token(NamedTuple):
    """One coded action unit: its FACS number, the side (L, R or None) and the lip (T, B or None)."""

    au: int
    side: str | None
    lip: str | None


class AuRow(NamedTuple):
    """An image, its label as it stood, and the parsed tokens (none where no AU is active)."""

    image: str
    label: str
    tokens: tuple[Token, ...]

    @property
    def aus(self) -> frozenset[int]:
        """The active AUs: active on either side or lip is active."""
        return frozenset(token.au for token in self.tokens)

    @property
    def is_null(self) -> bool:
        """Whether the label is `null`: no AU is active."""
        return not self.tokens


def find_raf_au(path: Path) -> Path:
    """RAFAU_label.txt in a release folder, or the file itself."""
    if not path.is_dir():
        return path
    candidate = path / FILE_NAME
    if not candidate.exists():
        raise LabelError(f"{path}: expected {FILE_NAME} of RAF-AU in this folder, found none")
    return candidate


def read_raf_au(path: Path, read: ReadBytes = read_file) -> list[AuRow]:
    """All rows of a RAFAU_label.txt, in file order; LabelError lists up to twenty bad lines."""
    return read_rows(path, parse_line, read)


def parse_line(line: str) -> AuRow:
    """One line; LabelError names the token that is no AU of the vocabulary."""
    image, label = split_fields(line, 2, EXPECTED)
    return AuRow(image, label, parse_label(label))


@cache
def parse_label(label: str) -> tuple[Token, ...]:
    """The tokens of a label, in its order and with its repeats; `null` has none."""
    if label.lower() == NULL:
        return ()
    return tuple(map(parse_token, label.split("+")))


@cache
def parse_token(token: str) -> Token:
    """One token, upper or lower case: `4`, `L10`, `T23`, `BL18`, `AD19`, `L12L`."""
    match = TOKEN.fullmatch(token)
    if match is None:
        raise LabelError(f"expected an AU such as 4, L10, T23 or AD19, found {token!r}")
    prefix, number, suffix = match.groups()
    letters = "" if prefix.upper() == "AD" else prefix.upper()
    side, lip = (_one_of(pair, letters + suffix.upper(), token) for pair in ("LR", "TB"))
    return Token(_vocabulary_au(int(number), token), side, lip)


def _one_of(pair: str, letters: str, token: str) -> str | None:
    found = set(letters) & set(pair)
    if len(found) > 1:
        raise LabelError(f"expected one of {pair[0]} and {pair[1]}, found both in {token!r}")
    return found.pop() if found else None


def _vocabulary_au(au: int, token: str) -> int:
    if au in AUS:
        return au
    if au in FACS_NAMES:
        raise LabelError(
            f"expected one of RAF-AU's {len(AUS)} AUs, found {token!r} (AU {au}, {FACS_NAMES[au]})"
        )
    raise LabelError(f"expected a FACS code, found {token!r}")
