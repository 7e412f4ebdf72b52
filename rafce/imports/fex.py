"""py-feat (Cheong et al. 2023): a row a face, `AU01` probability 0 to 1, `input` the image or video, `frame`.

`FaceScore` is how surely it found the face; where it found none, cells are empty. Its seven emotion columns (anger,
disgust, fear, happiness, sadness, surprise, neutral) are what its own network predicts, never taken for labels.
"""

import re
from collections.abc import Sequence

from rafce.imports.options import ImportOptions
from rafce.imports.source import AuColumn, Source

AU_COLUMN = re.compile(r"AU([0-9]+)", re.IGNORECASE)
DEFAULT_PROBABILITY = 0.5


def find_au_columns(columns: Sequence[str], options: ImportOptions) -> list[AuColumn]:
    """Active from a probability of one half on, or of the threshold."""
    threshold = options.au_threshold or DEFAULT_PROBABILITY
    matches = [match for name in columns if (match := AU_COLUMN.fullmatch(name))]
    return [AuColumn(int(match[1]), match[0], most=1, threshold=threshold) for match in matches]


SOURCE = Source(find_au_columns, au_example="AU01", image="input", confidence="FaceScore")
