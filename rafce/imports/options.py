"""What `rafce import` was asked for."""

from dataclasses import dataclass
from pathlib import Path

from rafce.errors import ConfigError

DEFAULT_SPLIT = "60/20/20"


@dataclass(frozen=True)
class ImportOptions:
    """The options of `rafce import`; `source` is the program that wrote the tables, `inputs` are files or folders.

    Without a `split` partitions are taken from the tables where they have some, else drawn by `DEFAULT_SPLIT`.
    """

    source: str
    inputs: tuple[Path, ...]
    out: Path = Path("rafce-data")
    emotions: Path | None = None
    emotion_column: str | None = None
    emotion_names: str | None = None
    unknown_emotion: str | None = None
    drop_emotions: str | None = None
    unlabelled: str = "error"
    image_column: str | None = None
    au_columns: str | None = None
    au_threshold: float | None = None
    au_range: str | None = None
    unknown: str | None = None
    min_confidence: float | None = None
    group_column: str | None = None
    images: Path | None = None
    keep_folders: bool = False
    allow_missing_images: bool = False
    partition_column: str | None = None
    partition_values: str | None = None
    split: str | None = None
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
        self._check_threshold()
        for name in ("partition_column", "partition_values"):
            if self.split is not None and getattr(self, name) is not None:
                raise ConfigError(f"expected --{name.replace('_', '-')} or --split, found both")

    @property
    def drops_unlabelled(self) -> bool:
        """Whether rows without an emotion are left out."""
        return self.unlabelled == "drop"

    def _check_threshold(self) -> None:
        if self.au_range is not None and self.au_threshold is None:
            raise ConfigError(
                "--au-range: expected --au-threshold too, from which on an AU is active, found none"
            )
        low = 0.0 if self.au_range is None else float("-inf")
        if self.au_threshold is not None and not low < self.au_threshold < float("inf"):
            below = " (evidence may go below 0: --au-range LOW,HIGH)" if self.source == "table" else ""
            raise ConfigError(
                f"--au-threshold: expected a positive number, found {self.au_threshold:g}{below}"
            )
