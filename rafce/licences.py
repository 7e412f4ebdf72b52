"""What a dataset's sources allow: a note in its manifest, repeated wherever something made from it is shown."""

from collections.abc import Mapping
from typing import Any

RAF = (
    "RAF-ML, RAF-AU and RAF-CE are licensed for non-commercial research only, by their authors on request; so is what "
    "was learned from their images."
)
UNRECORDED = "The licence of the data is not on record: ask whoever made them before passing anything on."


def licence_note(described: Mapping[str, Any]) -> str:
    """The note of a dataset as its manifest, or a run on it, describes it; or that there is none."""
    return str(described.get("licence") or UNRECORDED)
