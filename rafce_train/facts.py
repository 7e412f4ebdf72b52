"""What one must know to use trained weights: written into every file of them, and read back from it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rafce.errors import WeightsError
from rafce.schema import Vocabulary
from rafce_train.augment import CHANNEL_ORDERS, NORMALIZATIONS
from rafce_train.config import Config, options
from rafce_train.data import TrainingData
from rafce_train.inference import learned_aus
from rafce_train.run_folder.schema import words_faults

Thresholds = tuple[float | None, ...] | None
"""The probability from which each AU is called, None for an AU that was not learned; None where none was."""

PRECISIONS = options()["precision"][1].choices


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
    if faults := _type_faults(facts):
        return faults
    faults = words_faults(Vocabulary(facts.emotions, facts.aus))
    if seen.normalize not in NORMALIZATIONS:
        faults.append(f"normalize: expected one of {', '.join(NORMALIZATIONS)}, found {seen.normalize}")
    if seen.channel_order not in CHANNEL_ORDERS:
        faults.append(
            f"channel_order: expected one of {', '.join(CHANNEL_ORDERS)}, found {seen.channel_order}"
        )
    if facts.thresholds is not None and len(facts.thresholds) != len(facts.aus):
        faults.append(f"expected a threshold for each of {len(facts.aus)} AUs, found {len(facts.thresholds)}")
    faults += [
        f"threshold: expected 0 to 1, found {threshold}"
        for threshold in facts.thresholds or ()
        if threshold is not None and not 0 <= threshold <= 1
    ]
    limits = options()["image_size"][1]
    if not (limits.least or 0) <= seen.image_size < (limits.below or 0):
        faults.append(f"image_size: expected {limits.least} up to {limits.below}, found {seen.image_size}")
    if facts.precision not in PRECISIONS:
        faults.append(f"precision: expected one of {', '.join(PRECISIONS)}, found {facts.precision}")
    return faults


def _type_faults(facts: Facts) -> list[str]:
    seen = facts.preprocessing
    texts = {"backbone": facts.backbone, "method": facts.method, "precision": facts.precision}
    texts |= {"licence": facts.licence, "normalize": seen.normalize, "channel_order": seen.channel_order}
    found: list[tuple[str, type, Any]] = [(name, str, value) for name, value in texts.items()]
    found += [("epoch", int, facts.epoch), ("image_size", int, seen.image_size)]
    found += [("emotions", str, name) for name in facts.emotions] + [("aus", int, au) for au in facts.aus]
    found += [("thresholds", float, value) for value in facts.thresholds or () if value is not None]
    return [
        f"{name}: expected {kind.__name__}, found {str(value)[:100]}"
        for name, kind, value in found
        if type(value) is not kind
    ]
