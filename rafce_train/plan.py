"""Which runs a comparison needs: every method, with every prior where it has one, once a seed."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rafce.errors import ConfigError
from rafce_train.config import Config, config_from, flag, rho_grid
from rafce_train.learner import PLAIN_PASSES
from rafce_train.methods import METHODS, find_method, unused_options
from rafce_train.prior import PRIORS

NOT_USED = "none"
"""Stands in a run's name where its method has no statistics, hence no alignment."""


class Planned(NamedTuple):
    """A run of a comparison; its name is METHOD-STATISTICS-ALIGNMENT-SEED."""

    name: str
    config: Config


class Plan(NamedTuple):
    """The runs, all systems with one seed before any with the next, and a line for each thing left out."""

    runs: tuple[Planned, ...]
    left_out: tuple[str, ...]


def make_plan(
    options: Mapping[str, Any],
    methods: Sequence[str],
    statistics: Sequence[str],
    alignments: Sequence[str],
    n_seeds: int,
) -> Plan:
    """The product of methods, statistics, alignments and the seeds 0 … n_seeds - 1, with the other `options`.

    A method without statistics takes part once a seed. Statistics and alignment that do not go together are left out.
    ConfigError when nothing is left, or an option is not allowed.
    """
    priors = [(source, alignment) for source in statistics for alignment in alignments]
    left_out = tuple(
        f"{flag('statistics')} {source} with {flag('alignment')} {alignment}: its table has no counts, which "
        f"{alignment} needs"
        for source, alignment in priors
        if (source, alignment) not in PRIORS
    )
    planned = [
        _planned({**options, "method": method, "statistics": source, "alignment": alignment, "seed": seed})
        for seed in range(n_seeds)
        for method in methods
        for source, alignment in priors
        if (source, alignment) in PRIORS
        or not find_method(method, options.get("with_alignment", False)).uses_statistics
    ]
    if not planned:
        raise ConfigError("\n".join(("expected at least one method to compare, found none", *left_out)))
    return Plan(tuple({run.name: run for run in planned}.values()), left_out)


def without_lab(plan: Plan) -> Plan:
    """The plan for a dataset that has no laboratory table: every system that needs one is left out, and said to be."""
    needing = {run.name: needs_lab(run.config) for run in plan.runs}
    runs = tuple(run for run in plan.runs if not needing[run.name])
    systems = {_system(name): needs for name, needs in needing.items()}
    left_out = tuple(f"{name}: the dataset has no laboratory table" for name in systems if systems[name])
    return Plan(runs, plan.left_out + left_out)


def check_two(plan: Plan) -> None:
    """ConfigError when there are not two systems to compare, whatever their seeds."""
    systems = dict.fromkeys(_system(run.name) for run in plan.runs)
    if len(systems) < 2:
        found = f"{', '.join(systems)} alone" if systems else "none"
        raise ConfigError(
            "\n".join((f"expected at least two systems to compare, found {found}", *plan.left_out))
        )


def needs_lab(config: Config) -> bool:
    """Whether a run needs the laboratory table."""
    method = find_method(config.method, config.with_alignment)
    return "dm" in method.terms or (method.uses_statistics and config.statistics == "lab")


def relative_cost(config: Config) -> float:
    """How long an iteration takes, in passes through the network."""
    return PLAIN_PASSES + (METHODS[config.method].passes - PLAIN_PASSES) / config.meta_every


def n_epochs(config: Config) -> int:
    """Epochs of a run, over all the fixed weights it has to try."""
    return config.epochs * len(rho_grid(config))


def _system(name: str) -> str:
    """A run's name without its seed."""
    return name.rpartition("-")[0]


def _planned(values: Mapping[str, Any]) -> Planned:
    # left at their defaults, whatever the other methods are given
    unused = unused_options(find_method(values["method"], values.get("with_alignment", False)))
    config = config_from({name: value for name, value in values.items() if name not in unused})
    uses_statistics = find_method(config.method, config.with_alignment).uses_statistics
    parts = (config.statistics, config.alignment) if uses_statistics else (NOT_USED, NOT_USED)
    return Planned("-".join((config.method, *parts, str(config.seed))), config)
