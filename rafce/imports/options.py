"""What `rafce import` was asked for."""

from dataclasses import dataclass
from pathlib import Path

from rafce.errors import ConfigError


@dataclass(frozen=True)
class ImportOptions:
    """The options of `rafce import`; `source` is the program that wrote the tables, `inputs` are files or folders."""

    source: str
    inputs: tuple[Path, ...]
    out: Path = Path("rafce-data")
    emotions: Path | None = None
    emotion_column: str | None = None
    image_column: str | None = None
    au_columns: str | None = None
    au_threshold: float | None = None
    min_confidence: float | None = None
    group_column: str | None = None
    images: Path | None = None
    keep_folders: bool = False
    allow_missing_images: bool = False
    split: str = "60/20/20"
    seed: int = 0
    lab: Path | None = None
    licence: str | None = None

    def __post_init__(self) -> None:
        """ConfigError for two places of the emotions, groups of no meaning, numbers that no row can have."""
        if self.emotions is not None and self.emotion_column is not None:
            raise ConfigError("expected --emotions or --emotion-column, found both")
        if self.group_column == "frame":
            raise ConfigError(
                "--group-column: expected what images share, such as video or subject, found frame"
            )
        if self.min_confidence is not None and not 0 <= self.min_confidence <= 1:
            raise ConfigError(
                f"--min-confidence: expected a number from 0 to 1, found {self.min_confidence:g}"
            )
        if self.au_threshold is not None and not 0 < self.au_threshold < float("inf"):
            raise ConfigError(f"--au-threshold: expected a positive number, found {self.au_threshold:g}")
