"""Every option of a training run, each with its default, its limits and its help in one place.

The command line is made from these fields, and a run folder's `config.toml` holds all of them.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import Field, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

from rafce.errors import ConfigError, raise_all
from rafce.reading import read_file

OPTION = "option"
ABSURD = 1e6
"""No rate or weight of a loss is as large: 32-bit numbers would overflow, and the first step would give NaN."""
METHOD, NETWORK, DATA, LOOP = "Method", "Network", "Data", "Loop"


class Option(NamedTuple):
    """What the command line needs to know of a field beside its name, type and default."""

    group: str
    help: str
    choices: tuple[str, ...] = ()
    least: float | None = None
    below: float | None = None
    metavar: str | None = None


def option(default: Any, group: str, help: str, **limits: Any) -> Any:
    """A dataclass field with its default and its `Option`."""
    return field(default=default, metadata={OPTION: Option(group, help, **limits)})


@dataclass(frozen=True, kw_only=True)
class Config:
    """The options of one run; ConfigError names every value that is not allowed."""

    method: str = option(
        "mml",
        METHOD,
        "What is learned and how losses are weighed: emotions only (stl), with AUs (mtl), aligned with the "
        "statistics (am), AU weight learned (mal), both weights learned (mal2), everything (mml). Methods that the "
        "paper cites, with AUs: weighed by uncertainty, by gradient norms (gradnorm), by success so far (dtp), or "
        "matched to laboratory statistics (dm).",
        choices=("stl", "mtl", "am", "mal", "mal2", "mml", "uncertainty", "gradnorm", "dtp", "dm"),
    )
    statistics: str = option(
        "wild",
        METHOD,
        "AU frequencies that the alignment uses: the dataset's or the laboratory's.",
        choices=("wild", "lab"),
    )
    prior_scope: str = option(
        "train",
        METHOD,
        "Images that the frequencies are counted on; the paper counts all, test images included.",
        choices=("train", "all"),
    )
    alignment: str = option(
        "paper",
        METHOD,
        "Alignment loss: Eq. 4-9 of the paper, or posterior and expectation by Bayes' rule.",
        choices=("paper", "bayes"),
    )
    with_alignment: bool = option(
        False, METHOD, "Add the alignment loss to uncertainty, gradnorm, dtp or dm, which can do without it."
    )
    reduction: str = option(
        "mean", METHOD, "How the losses of a batch are put together; the paper sums.", choices=("mean", "sum")
    )
    rho_au: tuple[float, ...] = option(
        (0.1,),
        METHOD,
        "Fixed weight of the AU loss (mtl, am, dm); of a list, the best on validation is kept.",
        least=0,
        below=ABSURD,
    )
    rho_align: tuple[float, ...] = option(
        (0.1,),
        METHOD,
        "Fixed weight of the alignment or matching loss (am, dm, dtp); a list likewise.",
        least=0,
        below=ABSURD,
    )
    gradnorm_alpha: float = option(
        1.5,
        METHOD,
        "α of gradnorm: how much more gradient a loss gets that falls slowly.",
        least=0,
        below=100,
    )
    dtp_gamma: float = option(
        2.0, METHOD, "γ of dtp: how much less weight a task gets that goes well.", least=0, below=100
    )
    dtp_alpha: float = option(
        0.1, METHOD, "α of dtp: how much of a task's running success the newest batch is.", least=0, below=1
    )
    meta_every: int = option(
        1,
        METHOD,
        "Update the meta net, or other learned weights, on every N-th iteration only: faster, less adaptive.",
        least=1,
    )

    backbone: str = option(
        "resnet34", NETWORK, "Any torchvision classifier that returns one tensor.", metavar="NAME"
    )
    weights: str = option(
        "none",
        NETWORK,
        "Backbone weights to start from: a safetensors or torch file, torchvision's imagenet, or none.",
        metavar="FILE|imagenet|none",
    )
    image_size: int = option(112, NETWORK, "Side of the square input, in pixels.", least=32, below=1025)
    normalize: str = option(
        "imagenet",
        NETWORK,
        "Range that the weights expect: imagenet (its mean and spread), symmetric (-1 to 1), unit (0 to 1).",
        choices=("imagenet", "symmetric", "unit"),
    )
    channel_order: str = option(
        "rgb", NETWORK, "Channel order that the weights expect.", choices=("rgb", "bgr")
    )
    sync_batchnorm: bool = option(
        False,
        NETWORK,
        "With several ranks, BatchNorm over all their images of a batch, not over each one's own.",
    )

    dataset: str = option("rafce-data", DATA, "Dataset folder, of `rafce build` or `rafce import`.")
    images: str = option(
        "", DATA, "Folder of the images, if not the one that the dataset names.", metavar="DIR"
    )
    batch_size: int = option(
        16, DATA, "Images in a training batch, and in a validation batch of the meta net.", least=2
    )
    augment: str = option(
        "none",
        DATA,
        "standard: flip, small shift, colour jitter, drawn anew for each image.",
        choices=("none", "standard"),
    )
    sampler: str = option(
        "shuffle", DATA, "balanced: every emotion equally often.", choices=("shuffle", "balanced")
    )
    class_weights: str = option(
        "none",
        DATA,
        "balanced: the emotion loss weighted against the class sizes.",
        choices=("none", "balanced"),
    )
    on_bad_image: str = option(
        "error",
        DATA,
        "Stop at missing or corrupt images, or record them and go on without.",
        choices=("error", "drop"),
    )

    lr_backbone: float = option(0.001, LOOP, "Learning rate of the backbone.", least=0, below=ABSURD)
    lr_heads: float = option(0.01, LOOP, "Learning rate of the emotion and AU layers.", least=0, below=ABSURD)
    lr_meta: float = option(
        0.01,
        LOOP,
        "Learning rate of the meta net, or of the weights themselves (uncertainty, gradnorm).",
        least=0,
        below=ABSURD,
    )
    momentum: float = option(0.0, LOOP, "Momentum of SGD.", least=0, below=1)
    nesterov: bool = option(False, LOOP, "Nesterov's momentum.")
    weight_decay: float = option(0.0, LOOP, "Weight decay of SGD.", least=0, below=ABSURD)
    schedule: str = option(
        "none",
        LOOP,
        "Learning rates over the run: constant, down to zero along a cosine, or divided by ten after half "
        "and again after three quarters.",
        choices=("none", "cosine", "step"),
    )
    epochs: int = option(60, LOOP, "Passes over the training images.", least=1)
    select: str = option(
        "uar",
        LOOP,
        "Validation figure that picks the epoch; the first of equals.",
        choices=("uar", "accuracy"),
    )
    patience: int = option(0, LOOP, "Stop after N epochs without a better one; 0: never.", least=0)
    device: str = option(
        "auto",
        LOOP,
        "Where to compute; auto takes the fastest there is.",
        choices=("auto", "cpu", "cuda", "mps"),
    )
    precision: str = option(
        "fp32", LOOP, "bf16: mixed precision, for hardware that has it.", choices=("fp32", "bf16")
    )
    seed: int = option(0, LOOP, "Seed of every random draw.", least=0, below=2**64)
    deterministic: bool = option(False, LOOP, "Only algorithms that repeat bit for bit.")
    checkpoint_every: float = option(60.0, LOOP, "Seconds between checkpoints within an epoch.", least=0)

    def __post_init__(self) -> None:
        raise_all([*_value_faults(self), *_combination_faults(self)], ConfigError)


def options() -> dict[str, tuple[Field[Any], Option]]:
    """Every field of `Config` by name, with its `Option`, in order."""
    return {item.name: (item, item.metadata[OPTION]) for item in fields(Config)}


def flag(name: str) -> str:
    """The command-line flag of a field: rho_au is --rho-au."""
    return "--" + name.replace("_", "-")


def config_from(values: Mapping[str, Any], where: object = "options") -> Config:
    """A `Config` from plain values, as TOML has them; ConfigError names what is not allowed."""
    return Config(**_typed_values(values, where))


def read_config(path: Path) -> dict[str, Any]:
    """The options that a TOML file sets; ConfigError for a wrong name or type, or no TOML."""
    try:
        content = read_file(path)
    except OSError as error:
        raise ConfigError(f"{path}: expected a TOML file of options: {error.strerror}") from None
    return parse_config(content, path)


def parse_config(content: bytes, path: Path) -> dict[str, Any]:
    """The options in a TOML file's content; ConfigError as in `read_config`."""
    try:
        values = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: expected TOML: {error}") from None
    return _typed_values(values, path)


def config_toml(config: Config) -> str:
    """All options as flat TOML, in the order of the fields; `read_config` reads it back."""
    return "".join(f"{name} = {_toml_value(value)}\n" for name, value in asdict(config).items())


def rho_grid(config: Config) -> list[Config]:
    """One configuration for each pair of fixed weights, AU weight outermost."""
    return [
        replace(config, rho_au=(rho_au,), rho_align=(rho_align,))
        for rho_au in config.rho_au
        for rho_align in config.rho_align
    ]


_KINDS: dict[Any, str] = {
    str: "a string",
    bool: "true or false",
    int: "an integer",
    float: "a number",
    tuple[float, ...]: "a number or a list of numbers",
}


def _typed_values(values: Mapping[str, Any], where: object) -> dict[str, Any]:
    kinds = get_type_hints(Config)
    typed = {name: _typed(value, kinds[name]) for name, value in values.items() if name in kinds}
    faults = [f"{where}: unknown option {name}" for name in values if name not in kinds]
    for name, value in typed.items():
        if value is None:
            faults.append(f"{where}: {name}: expected {_KINDS[kinds[name]]}, found {values[name]!r}")
    raise_all(faults, ConfigError)
    return typed


def _typed(value: Any, kind: Any) -> Any:
    """The value as its field has it, or None where the type is wrong; true is not 1."""
    if kind == tuple[float, ...]:
        numbers = [_typed(item, float) for item in (value if isinstance(value, list | tuple) else [value])]
        return None if None in numbers or not numbers else tuple(numbers)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value if type(value) is kind else None


def _toml_value(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(repr, value))}]"
    if isinstance(value, str | bool):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # DEL is bare in JSON only
    return repr(value)


def _value_faults(config: Config) -> list[str]:
    faults = []
    for name, (_, limits) in options().items():
        value = getattr(config, name)
        if isinstance(value, tuple) and len(set(value)) < len(value):
            faults.append(f"{flag(name)} {','.join(map(str, value))}: expected each value once")
        for item in value if isinstance(value, tuple) else (value,):
            if fault := _limit_fault(item, limits):
                faults.append(f"{flag(name)} {item}: expected {fault}")
    return faults


def _limit_fault(value: Any, limits: Option) -> str | None:
    """What was expected, when the value is outside its limits; NaN and infinity always are."""
    if limits.choices and value not in limits.choices:
        return "one of " + ", ".join(limits.choices)
    if isinstance(value, float) and not abs(value) < float("inf"):
        return "a finite number"
    if limits.least is not None and value < limits.least:
        return f"at least {limits.least}"
    if limits.below is not None and value >= limits.below:
        return f"less than {limits.below:,.0f}"
    return None


def _combination_faults(config: Config) -> list[str]:
    faults = []
    if config.statistics == "lab" and config.alignment == "bayes":
        faults.append(
            "--statistics lab with --alignment bayes: "
            "the laboratory table has no counts, which Bayes' rule needs"
        )
    if config.nesterov and config.momentum == 0:
        faults.append("--nesterov: expected --momentum above 0")
    if config.sampler == "balanced" and config.class_weights == "balanced":
        faults.append("--sampler balanced with --class-weights balanced: one remedy for imbalance at a time")
    return faults
