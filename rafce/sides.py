"""How often each AU is coded on one side of the face or on one lip only, from RAF-AU's labels (Yan et al. 2020)."""

from collections import Counter
from collections.abc import Iterable, Sequence

import pandas as pd

from rafce.formats.raf_au import Token
from rafce.intervals import wilson

SIDES = {"L": "left", "R": "right"}
LIPS = {"T": "top lip", "B": "bottom lip"}
PLACES = (*SIDES.values(), "one side", *LIPS.values(), "one lip")


def au_sides(tokens_N: Iterable[Sequence[Token]], aus: Sequence[int]) -> pd.DataFrame:
    """How often an active AU is in one place only, a row per AU and place (PLACES), from each image's tokens.

    Left and right are the subject's; one side is either of them. An AU is on both sides where a token names it
    without a side, and where L and R stand side by side; lips likewise. `n` images have the AU, `count` of them in
    that place only; `frequency` = count / n in [0, 1] with Wilson's 95 % interval, NaN where n is 0.
    """
    n: Counter[int] = Counter()
    count: Counter[tuple[int, str]] = Counter()
    for tokens in tokens_N:
        for au in {token.au for token in tokens}:
            n[au] += 1
            count.update((au, place) for place in places([token for token in tokens if token.au == au]))
    rows = [(au, place, n[au], count[au, place]) for au in aus for place in PLACES]
    table = pd.DataFrame(rows, columns=["au", "place", "n", "count"])
    low, high = wilson(table["count"], table["n"])
    frequency = (table["count"] / table["n"]).where(table["n"] > 0)
    return table.assign(frequency=frequency, ci_low=low, ci_high=high)


def places(tokens: Sequence[Token]) -> list[str]:
    """The places to which one AU of an image is confined, given its tokens; none where it is on both sides and lips."""
    found = []
    for letters, names, either in (
        ({token.side for token in tokens}, SIDES, "one side"),
        ({token.lip for token in tokens}, LIPS, "one lip"),
    ):
        if len(letters) == 1 and (letter := letters.pop()) is not None:
            found += [names[letter], either]
    return found
