"""The errors a user can meet: where it happened, what was expected, what stood there."""

from collections.abc import Sequence

MAX_FAULTS = 20


class RafceError(Exception):
    """Anything that is wrong with the input and that the user can put right."""


class LabelError(RafceError):
    """A label file, or a line of one, that does not follow its format."""


class DatasetError(RafceError):
    """A dataset folder, or a file of one, that does not follow its schema."""


class OutputError(RafceError):
    """A place that cannot be written to: occupied, read-only or full."""


class ImageError(RafceError):
    """Images that are missing, corrupt or absurdly large."""


class ConfigError(RafceError):
    """An option, or a combination of options, that cannot be carried out."""


class WeightsError(RafceError):
    """A file of weights that cannot be read or belongs to another network."""


class TrainingError(RafceError):
    """A training run that cannot start or cannot go on."""


def raise_all(faults: Sequence[str], kind: type[RafceError] = LabelError) -> None:
    """Raise one error that lists up to `MAX_FAULTS` faults, a line each; do nothing when there are none."""
    if faults:
        raise kind("\n".join(first_faults(faults)))


def first_faults(faults: Sequence[str]) -> list[str]:
    """Up to `MAX_FAULTS` of them, and a line on how many more there are."""
    more = [f"… and {len(faults) - MAX_FAULTS} more"] if len(faults) > MAX_FAULTS else []
    return [*faults[:MAX_FAULTS], *more]
