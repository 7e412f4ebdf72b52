"""A comparison's runs, carried out one after the other: what is done is reused, what was interrupted goes on.

Nothing but the run folders themselves says how far a comparison is, so that it can be gone on with after any end.
"""

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from rafce.errors import ConfigError, TrainingError, raise_all
from rafce_train.checkpoint import load_options
from rafce_train.config import Config, config_from
from rafce_train.data import TrainingData, read_data
from rafce_train.history import Row
from rafce_train.loop import Standing
from rafce_train.plan import Plan, Planned, check_two, n_epochs, relative_cost, without_lab
from rafce_train.ranks import check_alone
from rafce_train.run import Screen, resume, start
from rafce_train.run_folder.checksums import is_finished, read_sums
from rafce_train.run_folder.read import read_metrics
from rafce_train.setup import check_method, make_priors

Metrics = dict[str, Any]


class ComparisonScreen(Screen, Protocol):
    """Whoever tells the user how a comparison goes, beside how the run goes that is under way."""

    def comparison(self, plan: Plan, to_do: list[Planned]) -> None:
        """A comparison begins; the other runs are done already."""

    def run(self, name: str) -> None:
        """A run begins, or goes on."""

    def estimate(self, name: str, epoch_seconds: float, seconds: float) -> None:
        """The first epoch is done: how long it took, and how long all that was to do takes at most."""

    def done(self, name: str, metrics: Metrics, seconds_left: float) -> None:
        """A run is done; so long will the others take at most."""


def possible(plan: Plan) -> Plan:
    """What of a plan its dataset allows; RafceError for an unreadable dataset, or when no two systems are left."""
    data = read_data(Path(plan.runs[0].config.dataset))
    plan = plan if data.lab_observed_KA.any() else without_lab(plan)
    check_two(plan)
    return plan


def carry_out(plan: Plan, folder: Path, screen: ComparisonScreen) -> list[Path]:
    """Train what is missing of a plan below `folder` and return all its run folders.

    RafceError for what is wrong with options or dataset, and ConfigError for runs that were trained with others, before
    anything is trained. A run that fails does not stop those after it: one TrainingError names all that did. Stopped
    when a signal arrives.
    """
    check_alone("a comparison")
    data = read_data(Path(plan.runs[0].config.dataset))
    to_do = _to_do(plan, folder, data)
    screen.comparison(plan, to_do)
    pace, faults = Pace(), []
    for position, planned in enumerate(to_do):
        run, configs = folder / planned.name, [other.config for other in to_do[position:]]
        screen.run(planned.name)
        try:
            metrics = _train(planned, run, _Watch(screen, planned.name, pace, configs))
        except TrainingError as error:
            faults.append(str(error) if str(run) in str(error) else f"{run}: {error}")
        else:
            screen.done(planned.name, metrics, pace.seconds_left(configs[1:]))
    raise_all(faults, TrainingError)
    return [folder / planned.name for planned in plan.runs]


@dataclass
class Pace:
    """How long training takes, by the epochs that were seen."""

    seconds: dict[float, float] = field(default_factory=dict)
    """Of an epoch, by the relative cost of its iterations; the latest seen."""

    def see(self, config: Config, seconds: float) -> None:
        """Take note of how long an epoch took."""
        self.seconds[relative_cost(config)] = seconds

    def seconds_left(self, configs: Iterable[Config]) -> float:
        """For all the epochs of these runs, from the seen cost next to theirs; 0 before any was seen."""
        return sum(n_epochs(config) * self._epoch_seconds(relative_cost(config)) for config in configs)

    def _epoch_seconds(self, cost: float) -> float:
        if not self.seconds:
            return 0.0
        seen = min(self.seconds, key=lambda other: abs(other - cost))
        return self.seconds[seen] * cost / seen


class _Watch:
    """Passes on what a run tells the screen, and keeps the time of its epochs."""

    def __init__(self, screen: ComparisonScreen, name: str, pace: Pace, configs: list[Config]):
        self._screen, self._name, self._pace, self._configs = screen, name, pace, configs
        self.note, self.decoding = screen.note, screen.decoding
        self._steps_of_epoch, self._steps, self._since = 1, 0, 0.0

    def begin(self, config: Config, terms: tuple[str, ...], steps: int) -> None:
        self._screen.begin(config, terms, steps)
        self._steps_of_epoch, self._steps, self._since = steps, 0, time.perf_counter()

    def step(self, standing: Standing) -> None:
        self._steps += 1
        self._screen.step(standing)

    def epoch(self, row: Row) -> None:
        self._screen.epoch(row)
        if self._steps:  # none where a run goes on after the last step of an epoch
            self._see_epoch()
        self._steps, self._since = 0, time.perf_counter()

    def _see_epoch(self) -> None:
        is_first = not self._pace.seconds
        seconds = (time.perf_counter() - self._since) * self._steps_of_epoch / self._steps
        self._pace.see(self._configs[0], seconds)
        if is_first:
            self._screen.estimate(self._name, seconds, self._pace.seconds_left(self._configs))


def _train(planned: Planned, run: Path, screen: Screen) -> Metrics:
    if run.exists():
        return resume(run, screen, dataset=planned.config.dataset)
    return start(planned.config, run, screen)


def _to_do(plan: Plan, folder: Path, data: TrainingData) -> list[Planned]:
    """The runs that are not done; ConfigError names each whose folder is another's, or that cannot be trained."""
    to_do, faults = [], []
    for planned in plan.runs:
        run = folder / planned.name
        check_method(planned.config)
        make_priors(planned.config, data)
        faults += _differences(run, planned.config, data) if run.exists() else []
        if not is_finished(run):
            to_do.append(planned)
    raise_all([*faults, "choose another --out, or delete these runs"] if faults else [], ConfigError)
    return to_do


def _differences(run: Path, config: Config, data: TrainingData) -> list[str]:
    """What a run was trained with that is not as asked for; the dataset's fingerprint counts, not its place."""
    found, asked = asdict(config_from(load_options(run))), asdict(config)
    names = [name for name in asked if name != "dataset" and found[name] != asked[name]]
    faults = [f"{run}: expected a run with {name} = {asked[name]}, found {found[name]}" for name in names]
    metrics = read_metrics(read_sums(run))
    if metrics and metrics[1].dataset.fingerprint != data.fingerprint:
        faults.append(f"{run}: expected a run on {data.folder} as it is now, found one on other data")
    return faults
