"""The folder that `rafce-train explain` writes: Figure 4, how much of each map lies where AUs act, a summary."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pandas as pd

from rafce.folder import check_replaceable, replacing_folder
from rafce.schema import Vocabulary
from rafce_reports.figure4 import Example, draw_figure4
from rafce_reports.folders import holds_only, write_summary
from rafce_reports.save import save_figure, save_frame
from rafce_reports.style import drawing_style

SCHEMA = "explanation/1"
WHAT = "explanation"
EMOTION = "emotion"
is_explanation = partial(holds_only, schema=SCHEMA)


class Look(NamedTuple):
    """A run and the layer that its maps are of, with their side."""

    run: str
    layer: str
    side: int


class Outcome(Protocol):
    """What came of one question."""

    @property
    def target(self) -> str:
        """ "emotion" or an AU as "AU12"."""

    @property
    def examples(self) -> Sequence[Example]:
        """What Figure 4 shows."""

    @property
    def n_candidates(self) -> int:
        """How many images it could have shown."""

    @property
    def images(self) -> list[dict[str, Any]]:
        """A row an image, run and kind of region."""

    @property
    def summary(self) -> list[dict[str, Any]]:
        """A row a run, kind of region and measure."""


def check_explanation(out: Path) -> None:
    """OutputError unless `out` is absent, empty, or holds an older explanation alone."""
    check_replaceable(out, is_explanation, WHAT)


def write_explanation(
    outcomes: Sequence[Outcome], looks: Sequence[Look], words: Vocabulary, out: Path
) -> dict[str, Any]:
    """Write the folder and return its summary; OutputError leaves what was there as it was."""
    with replacing_folder(out, is_explanation, WHAT) as folder:
        for outcome in outcomes:
            if outcome.examples:
                with drawing_style():
                    figure = draw_figure4(
                        outcome.examples, heading(outcome, looks), explanation(outcome, looks)
                    )
                save_figure(figure, folder, figure_name(outcome.target))
        save_frame(pd.DataFrame([row for of in outcomes for row in of.images]), folder, "attention", words)
        means = [row for of in outcomes for row in of.summary]
        save_frame(pd.DataFrame(means), folder, "attention_means", words)
        facts = {
            "runs": [look._asdict() for look in looks],
            "figures": {of.target: {"shown": len(of.examples), "of": of.n_candidates} for of in outcomes},
            "means": means,
        }
        return write_summary(folder, SCHEMA, facts)


def figure_name(target: str) -> str:
    """figure4 for the emotion, figure4_AU12 for an AU."""
    return "figure4" if target == EMOTION else f"figure4_{target}"


def heading(outcome: Outcome, looks: Sequence[Look]) -> str:
    """What the maps are for, and of which layers."""
    what = "the true emotion" if outcome.target == EMOTION else outcome.target
    runs = ", ".join(
        f"{letter}: {look.run} ({look.layer}, {look.side} × {look.side})"
        for letter, look in zip("AB", looks, strict=False)
    )
    return f"Grad-CAM for {what}. {runs}"


def explanation(outcome: Outcome, looks: Sequence[Look]) -> str:
    """Which images are shown, and how to read them."""
    which = (
        "A is right, B is wrong and neither map is empty"
        if len(looks) > 1
        else "A is right and its map is not empty"
    )
    return (
        f"{len(outcome.examples)} of the {outcome.n_candidates} test images where {which}: the surest of each emotion "
        "first, then the next surest.\n"
        "Each map is scaled to its own maximum. Boxes: where the AUs of the image act on an aligned face; "
        "dashed: an AU that is not observed in its emotion."
    )
