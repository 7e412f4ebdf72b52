"""Where labels stand in the margin of a picture, so that none covers another."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import isotonic_regression


def label_rows(targets: Sequence[float], pitch: float, top: float, bottom: float) -> list[float]:
    """Rows at least `pitch` apart, in the order of their targets, and as near to these as least squares allow.

    All between `top` and `bottom`, as long as that many labels find room there.
    """
    if not targets:
        return []
    order = np.argsort(targets, kind="stable")
    steps = pitch * np.arange(len(targets))
    spread = isotonic_regression(np.asarray(targets)[order] - steps).x
    rows = np.empty(len(targets))
    rows[order] = spread.clip(top, max(top, bottom - steps[-1])) + steps
    return [float(row) for row in rows]
