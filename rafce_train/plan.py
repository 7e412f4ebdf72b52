"""Which runs a comparison needs: every method, with every prior where it has one, once a seed."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rafce.errors import ConfigError
from rafce_train.config import Config, config_from, flag, rho_grid
from rafce_train.learner import meta_step
from rafce_train.methods import METHODS
from rafce_train.prior import PRIORS
from rafce_train.weighting import fixed_weights

NOT_USED = "none"
"""Stands in a run's name where its method has no statistics, hence no alignment."""

PLAIN_PASSES, META_PASSES = 3, 14
"""Passes through the network of an iteration, a backward pass counted as two: their ratio is that of the times."""


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
        if (source, alignment) in PRIORS or not METHODS[method].uses_statistics
    ]
    if not planned:
        raise ConfigError("\n".join(("expected at least one method to compare, found none", *left_out)))
    return Plan(tuple({run.name: run for run in planned}.values()), left_out)


def relative_cost(config: Config) -> float:
    """How long an iteration takes, in passes through the network."""
    is_meta = METHODS[config.method].step is meta_step
    return PLAIN_PASSES + is_meta * (META_PASSES - PLAIN_PASSES) / config.meta_every


def n_epochs(config: Config) -> int:
    """Epochs of a run, over all the fixed weights it has to try."""
    return config.epochs * len(rho_grid(config))


def _planned(values: Mapping[str, Any]) -> Planned:
    config = config_from(
        {name: value for name, value in values.items() if name not in _unused(values["method"])}
    )
    prior = (config.statistics, config.alignment)
    parts = prior if METHODS[config.method].uses_statistics else (NOT_USED, NOT_USED)
    return Planned("-".join((config.method, *parts, str(config.seed))), config)


def _unused(method_name: str) -> set[str]:
    """Options that change nothing with a method: left at their defaults, whatever the other methods are given."""
    method = METHODS[method_name]
    fixed_terms = method.terms[1:] if method.weighting is fixed_weights else ()
    unused = {name for name, term in (("rho_au", "au"), ("rho_align", "align")) if term not in fixed_terms}
    return unused if method.uses_statistics else unused | {"statistics", "alignment", "prior_scope"}
