"""Rates, differences and q-values in words: figures and pages print them alike."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from rafce.taxonomy import FACS_NAMES

SIGNIFICANT = 0.05
OLDER_KINDS = {"recalls": "rates", "uar": "scores", "f1": "scores"}
"""Figures whose kind of interval a metrics.json of an older release does not name, and what they shared it with."""


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
    """How the intervals of a partition in metrics.json were made: of rates, recalls, uar, f1 and all other scores."""
    named = figures.get("intervals", {"rates": "Wilson", "scores": "bootstrap over images"})
    return {**named, **{kind: named[old] for kind, old in OLDER_KINDS.items() if kind not in named}}


def intervals_in_words(figures: Mapping[str, Any], of: Mapping[str, str]) -> str:
    """Which figures of a partition have which kind of interval, by name; the kind alone where all have the same."""
    kinds, named = interval_kinds(figures), dict[str, list[str]]()
    for kind, name in of.items():
        named.setdefault(kinds[kind], []).append(name)
    if len(named) == 1:
        return next(iter(named))
    return "; ".join(f"{kind} for {' and '.join(names)}" for kind, names in named.items())


def majority_uar(majority: Mapping[str, Any]) -> dict[str, float | None]:
    """The UAR of the majority class as an estimate; older releases have no interval of it."""
    found = majority["uar"]
    return dict(found) if isinstance(found, Mapping) else {"value": found, "ci_low": None, "ci_high": None}


def points(difference: float) -> str:
    """A difference of fractions in percentage points, with its sign."""
    text = f"{100 * difference:+.0f}".replace("-", "−")
    return "0" if text in ("+0", "−0") else text


def q_value(q: float) -> str:
    """A q-value to two digits, as a bound where it is tiny."""
    return "< 0.0001" if q < 0.0001 else f"{q:.2g}"
