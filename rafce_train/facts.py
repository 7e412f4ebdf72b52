"""What one must know to use trained weights: written into every file of them, and read back from it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rafce.errors import WeightsError
from rafce_train.augment import CHANNEL_ORDERS, NORMALIZATIONS
from rafce_train.config import Config
from rafce_train.data import TrainingData
from rafce_train.inference import learned_aus

Thresholds = tuple[float | None, ...] | None
"""The probability from which each AU is called, None for an AU that was not learned; None where none was."""


@dataclass(frozen=True)
class Preprocessing:
    """From an image file to the network's input."""

    image_size: int
    normalize: str
    channel_order: str

    def described(self) -> dict[str, Any]:
        """The same for readers without this program: mean and deviation in numbers, every step in words."""
        mean, deviation = NORMALIZATIONS[self.normalize]
        steps = (
            "turn upright by its EXIF tag; RGB; resize to image_size × image_size, bilinear, whatever its proportions; "
            "divide by 255; subtract mean and divide by deviation, red, green, blue; "
            "put the channels in channel_order; float32 of shape batch × 3 × image_size × image_size"
        )
        return {**asdict(self), "mean": mean, "deviation": deviation, "steps": steps}


@dataclass(frozen=True)
class Facts:
    """Which network, what it says and what it wants to see."""

    backbone: str
    method: str
    epoch: int
    emotions: tuple[str, ...]
    aus: tuple[int, ...]
    thresholds: Thresholds
    precision: str
    preprocessing: Preprocessing
    licence: str

    @property
    def learned_A(self) -> npt.NDArray[np.bool_]:
        """Which AUs were learned, shape (A,)."""
        return learned_aus(self.thresholds, len(self.aus))

    def described(self) -> dict[str, Any]:
        """Plain values for JSON; `facts_from` reads them back."""
        return {**vars(self), "preprocessing": self.preprocessing.described()}


def facts_of(config: Config, data: TrainingData, best: Mapping[str, Any]) -> Facts:
    """The facts of a run's weights; `best` is the epoch that validation picked."""
    return Facts(
        backbone=config.backbone,
        method=config.method,
        epoch=best["epoch"],
        emotions=data.emotions,
        aus=data.aus,
        thresholds=None if best["thresholds"] is None else tuple(best["thresholds"]),
        precision=config.precision,
        preprocessing=Preprocessing(config.image_size, config.normalize, config.channel_order),
        licence=data.licence,
    )


def facts_from(values: Mapping[str, Any], where: object) -> Facts:
    """The facts that `Facts.described` wrote; WeightsError when something is missing or cannot be."""
    try:
        preprocessing = Preprocessing(
            **{name: values["preprocessing"][name] for name in Preprocessing.__dataclass_fields__}
        )
        facts = Facts(
            **{name: values[name] for name in ("backbone", "method", "epoch", "precision", "licence")},
            emotions=tuple(values["emotions"]),
            aus=tuple(values["aus"]),
            thresholds=None if values["thresholds"] is None else tuple(values["thresholds"]),
            preprocessing=preprocessing,
        )
    except KeyError as error:
        raise WeightsError(
            f"{where}: expected {error} among the facts beside the weights, found none"
        ) from None
    except TypeError as error:
        raise WeightsError(f"{where}: expected facts beside the weights that can be used: {error}") from None
    if faults := _faults(facts):
        raise WeightsError(f"{where}: {', '.join(faults)}")
    return facts


def _faults(facts: Facts) -> list[str]:
    seen = facts.preprocessing
    faults = []
    if seen.normalize not in NORMALIZATIONS:
        faults.append(f"normalize: expected one of {', '.join(NORMALIZATIONS)}, found {seen.normalize}")
    if seen.channel_order not in CHANNEL_ORDERS:
        faults.append(
            f"channel_order: expected one of {', '.join(CHANNEL_ORDERS)}, found {seen.channel_order}"
        )
    if facts.thresholds is not None and len(facts.thresholds) != len(facts.aus):
        faults.append(f"expected a threshold for each of {len(facts.aus)} AUs, found {len(facts.thresholds)}")
    return faults
