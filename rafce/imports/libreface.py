"""LibreFace (Chang et al. 2024): a row a frame, `au_1` presence 0 or 1, `au_1_intensity` 0 to 5, `frame_idx`.

So its Python package writes them (version 0.2): presence for the 12 AUs of BP4D, intensity for the 12 of DISFA, which
are partly others. Frames without a face have no row; the file of a single image has one row and no `frame_idx`. The
column `facial_expression` is what its own network predicts and never taken for a label.
"""

import re
from collections.abc import Sequence

from rafce.imports.options import ImportOptions
from rafce.imports.source import AuColumn, Source, presence_else_intensity

AU_COLUMN = re.compile(r"au_([0-9]+)(_intensity)?", re.IGNORECASE)


def find_au_columns(columns: Sequence[str], options: ImportOptions) -> list[AuColumn]:
    """Presence where LibreFace detects the AU; from its intensity elsewhere, or where a threshold is asked for."""
    matches = [match for name in columns if (match := AU_COLUMN.fullmatch(name))]
    presence, intensity = (
        [(int(m[1]), m[0]) for m in matches if (m[2] and m[2].lower()) == kind]
        for kind in (None, "_intensity")
    )
    return presence_else_intensity(presence, intensity, options.au_threshold)


SOURCE = Source(find_au_columns, au_example="au_1 or au_1_intensity", frame="frame_idx")
