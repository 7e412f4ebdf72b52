"""Rates, differences and q-values in words: figures and pages print them alike."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from rafce.taxonomy import FACS_NAMES

SIGNIFICANT = 0.05
OVER_IMAGES = {"rates": "Wilson", "scores": "bootstrap over images"}
"""The kinds of interval in a metrics.json that names none."""


def au_name(au: int) -> str:
    """What FACS calls an AU, "" for one that it does not know."""
    return FACS_NAMES.get(au, "")


def au_label(au: int) -> str:
    """An AU as its number and name: "12 lip corner puller"."""
    return f"{au} {au_name(au)}".strip()


def percent(rate: float, digits: int = 0) -> str:
    """A fraction as a percentage, without the sign; a dash where it is unknown."""
    return "–" if pd.isna(rate) else f"{100 * rate:.{digits}f}"


def between(low: float, high: float, digits: int = 0) -> str:
    """An interval of fractions as percentages; a dash where it is unknown."""
    return "–" if pd.isna(low) else f"{100 * low:.{digits}f} to {100 * high:.{digits}f}"


def in_groups(counted: Mapping[str, Any]) -> str:
    """Of how many groups the images of a part of metrics.json are, to follow their number; "" without groups."""
    n_groups = counted.get("groups")
    return "" if n_groups is None else f" in {n_groups:,} group{'' if n_groups == 1 else 's'}"


def interval_kinds(figures: Mapping[str, Any]) -> dict[str, str]:
    """How the intervals of a partition in metrics.json were made: those of rates, and those of all other scores."""
    return dict(figures.get("intervals", OVER_IMAGES))


def points(difference: float) -> str:
    """A difference of fractions in percentage points, with its sign."""
    text = f"{100 * difference:+.0f}".replace("-", "−")
    return "0" if text in ("+0", "−0") else text


def q_value(q: float) -> str:
    """A q-value to two digits, as a bound where it is tiny."""
    return "< 0.0001" if q < 0.0001 else f"{q:.2g}"
