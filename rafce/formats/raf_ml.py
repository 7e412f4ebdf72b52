"""RAF-ML's EmoLabel/distribution.txt: `NNNN.jpg p1 … p6`, the votes for six basic emotions (Li & Deng 2019)."""

import math
from pathlib import Path
from typing import NamedTuple

from rafce.errors import LabelError
from rafce.formats.lines import ReadBytes, decimal, read_rows, split_fields
from rafce.reading import read_file
from rafce.taxonomy import BASIC_EMOTIONS

FILE_NAME = "distribution.txt"
SUM_TOLERANCE = 1e-4  # six decimals times six columns round to far less
EXPECTED = "an image name and 6 probabilities"


class EmotionRow(NamedTuple):
    """An image and its six probabilities, in the order of BASIC_EMOTIONS."""

    image: str
    probabilities: tuple[float, ...]


def find_raf_ml(path: Path) -> Path:
    """distribution.txt in a release folder, in its EmoLabel folder, or the file itself."""
    if not path.is_dir():
        return path
    candidates = [path / FILE_NAME, path / "EmoLabel" / FILE_NAME]
    for candidate in candidates:
        if candidate.exists():
            return candidate
    raise LabelError(f"{path}: expected EmoLabel/{FILE_NAME} of RAF-ML in this folder, found none")


def read_raf_ml(path: Path, read: ReadBytes = read_file) -> list[EmotionRow]:
    """All rows of a distribution.txt, in file order; LabelError lists up to twenty bad lines."""
    return read_rows(path, parse_line, read)


def parse_line(line: str) -> EmotionRow:
    """One line; LabelError when its columns, numbers or their sum are not as they should be."""
    image, *fields = split_fields(line, 1 + len(BASIC_EMOTIONS), EXPECTED)
    probabilities = tuple(_probability(field) for field in fields)
    total = math.fsum(probabilities)
    if abs(total - 1) > SUM_TOLERANCE:
        raise LabelError(f"expected probabilities that sum to 1, found a sum of {total:.6f}")
    return EmotionRow(image, probabilities)


def _probability(field: str) -> float:
    try:
        value = decimal(field)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise LabelError(f"expected a probability from 0 to 1, found {field!r}")
    return value
