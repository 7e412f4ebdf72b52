"""What a program's columns mean: how each row names its image, and which columns say that an AU is active."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from rafce.errors import LabelError, raise_all
from rafce.imports.options import ImportOptions
from rafce.taxonomy import FACS_NAMES

MOST_INTENSE = 5
TRACE = 1.0  # FACS intensity A


class AuColumn(NamedTuple):
    """A column that codes an AU with numbers from `least` to `most`: active at `threshold` or above.

    Without a threshold only 0, inactive, and 1, active, may stand there.
    """

    au: int
    column: str
    most: float = 1
    threshold: float | None = None
    least: float = 0

    @property
    def is_intensity(self) -> bool:
        """Whether the column has FACS intensities, for which letters may stand: A is 1, E is 5."""
        return self.threshold is not None and (self.least, self.most) == (0, MOST_INTENSE)

    @property
    def expected(self) -> str:
        """What may stand in the column, in words."""
        return "0 or 1" if self.threshold is None else f"a number from {self.least:g} to {self.most:g}"


class Source(NamedTuple):
    """A program: its columns for the image, the frame, whether a face was tracked, and how surely.

    `image` may also name a video, whose frames then have no image of their own (py-feat's `input`). Any of these
    columns may be absent from a table; only columns of AUs must be there, and `au_example` says how they look.
    `unknown` are the numbers that stand for an AU that was not coded: -1 in several data sets, 999 in EmotioNet.
    """

    find_au_columns: Callable[[Sequence[str], ImportOptions], list[AuColumn]]
    au_example: str
    image: str = "image"
    frame: str = "frame"
    success: str = "success"
    confidence: str = "confidence"
    unknown: tuple[float, ...] = (-1, 999)


def au_columns(
    source: Source, columns: Sequence[str], options: ImportOptions, where: object
) -> list[AuColumn]:
    """The columns that code AUs, rising; LabelError: there is none, no FACS code, two columns for one AU."""
    found = sorted(source.find_au_columns(columns, options))
    if not found:
        raise LabelError(
            f"{where}: expected columns of AUs such as {source.au_example}, found {listed(columns)}"
        )
    raise_all([f"{where}: {fault}" for fault in dict.fromkeys(_faults(found))])
    return found


def presence_else_intensity(
    presence: Iterable[tuple[int, str]], intensity: Iterable[tuple[int, str]], threshold: float | None
) -> list[AuColumn]:
    """Of AUs that have a column of each kind the presence; the intensity (0 to 5) where a threshold is asked for."""
    coded = [AuColumn(au, column) for au, column in presence]
    graded = [AuColumn(au, column, MOST_INTENSE, threshold or TRACE) for au, column in intensity]
    preferred, others = (coded, graded) if threshold is None else (graded, coded)
    aus = {meaning.au for meaning in preferred}
    return [*preferred, *(meaning for meaning in others if meaning.au not in aus)]


def listed(names: Sequence[str]) -> str:
    """Names for a message, at most twenty; of a single one, what would have separated several."""
    if len(names) == 1:
        return f"one column named {names[0]!r} (columns are separated by commas, semicolons or tabs)"
    return ", ".join(names[:20]) + (f", … ({len(names)} in all)" if len(names) > 20 else "")


def _faults(found: Sequence[AuColumn]) -> Iterator[str]:
    first: dict[int, str] = {}
    above = [
        meaning for meaning in found if meaning.threshold is not None and meaning.threshold > meaning.most
    ]
    if above:
        yield (
            f"expected --au-threshold up to {above[0].most:g}, the most that column {above[0].column} can have, "
            f"found {above[0].threshold:g}"
        )
    for meaning in found:
        if meaning.au not in FACS_NAMES:
            yield f"expected a FACS code in the name of a column, found {meaning.column!r}"
        earlier = first.setdefault(meaning.au, meaning.column)
        if earlier != meaning.column:
            yield f"expected one column for AU {meaning.au}, found {earlier!r} and {meaning.column!r}"
