"""OpenFace 2 (Baltrusaitis et al. 2018): a row a frame, `AU01_c` presence 0 or 1, `AU01_r` intensity 0 to 5.

FeatureExtraction writes `frame, face_id, timestamp, confidence, success, …` with a space after each comma, one file a
video; FaceLandmarkImg writes `face, confidence, …`, one file an image. AU 28 has a presence only.
"""

import re
from collections.abc import Sequence

from rafce.imports.options import ImportOptions
from rafce.imports.source import AuColumn, Source, presence_else_intensity

AU_COLUMN = re.compile(r"AU([0-9]+)_([cr])", re.IGNORECASE)


def find_au_columns(columns: Sequence[str], options: ImportOptions) -> list[AuColumn]:
    """Presence from `_c`; from `_r` where an AU has no `_c`, or a threshold is asked for."""
    matches = [match for name in columns if (match := AU_COLUMN.fullmatch(name))]
    presence, intensity = ([(int(m[1]), m[0]) for m in matches if m[2].lower() == kind] for kind in "cr")
    return presence_else_intensity(presence, intensity, options.au_threshold)


SOURCE = Source(find_au_columns, au_example="AU01_c or AU01_r")
