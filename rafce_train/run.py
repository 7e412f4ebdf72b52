"""A run folder from start to finish, through signals and crashes: the edge where training meets files."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from filelock import FileLock, Timeout

from rafce.atomic import making_folder
from rafce.dataset import read_manifest
from rafce.errors import OutputError, TrainingError
from rafce_train import checkpoint, loop
from rafce_train.config import Config, config_from, config_toml, rho_grid
from rafce_train.data import TrainingData, read_data
from rafce_train.events import EVENTS, Events
from rafce_train.facts import facts_of
from rafce_train.history import Row, Sums, history_table
from rafce_train.inference import Probabilities, learned_aus
from rafce_train.learner import Learner
from rafce_train.loop import Standing
from rafce_train.model import load_tensors
from rafce_train.model_card import model_card
from rafce_train.outcome import predictions_table, run_metrics
from rafce_train.ranks import ALONE, RankLostError, Ranks
from rafce_train.run_folder.checksums import is_finished, read_sums, write_sums
from rafce_train.run_folder.schema import (
    CONFIG,
    HISTORY,
    METRICS,
    MODEL_CARD,
    PREDICTIONS,
    STATE,
    SUMMED,
    SUMS,
    WEIGHTS,
)
from rafce_train.saved import check_probabilities
from rafce_train.setup import (
    Material,
    explained,
    gather,
    make_feed,
    make_learner,
    make_net,
    random_start,
    repeatable,
)

TRIALS = "trials"
"""Below a run with lists of fixed weights, a run folder for each pair of them."""


class Stopped(Exception):  # noqa: N818 (not an error: the user asked for it)
    """A signal ended the run after a whole step; `folder` can be gone on with."""

    def __init__(self, folder: Path, number: int):
        super().__init__(folder, number)
        self.folder, self.number = folder, number


class Screen(Protocol):
    """Whoever tells the user how it goes."""

    def note(self, text: str) -> None:
        """Something that the user should know."""

    def decoding(self, done: int, total: int) -> None:
        """So many images are decoded for the cache."""

    def begin(self, config: Config, terms: tuple[str, ...], steps: int) -> None:
        """Training begins or goes on: these losses, so many steps an epoch."""

    def step(self, standing: Standing) -> None:
        """A step is done."""

    def epoch(self, row: Row) -> None:
        """An epoch is done."""


def start(config: Config, folder: Path, screen: Screen, ranks: Ranks = ALONE) -> dict[str, Any]:
    """Train in a new run folder and return its metrics.

    All of several ranks call this and get the same; rank 0 alone reads and writes the folder. RafceError for what is
    wrong with options, dataset, images or weights, before anything is written; OutputError when the folder exists or
    cannot be written; Stopped when a signal arrives at any rank.
    """
    if ranks.from_first(lambda: os.path.lexists(folder)):
        raise _is_there(folder)
    data = read_data(Path(config.dataset))
    make_net(config, data)  # a wrong backbone or weights file shows before minutes of decoding
    for text in random_start(config):
        screen.note(text)
    return _carry_on(config, folder, data, screen, ranks)


def resume(folder: Path, screen: Screen, ranks: Ranks = ALONE, **places: str) -> dict[str, Any]:
    """Go on with a run, whatever ended it, on any number of ranks.

    `places` says where `dataset` or `images` lie by now. TrainingError when there is no run, or its dataset has changed
    since.
    """
    config = config_from({**ranks.from_first(lambda: checkpoint.load_options(folder)), **places})
    if ranks.from_first(lambda: is_finished(folder)):
        screen.note(f"{folder} is finished: nothing is trained, its figures are made again")
    return _carry_on(config, folder, read_data(Path(config.dataset)), screen, ranks)


def _carry_on(
    config: Config, folder: Path, data: TrainingData, screen: Screen, ranks: Ranks
) -> dict[str, Any]:
    material = gather(config, data, screen.note, screen.decoding, ranks)
    trials = rho_grid(config)
    with explained(config), repeatable(config), _stop_signals(screen.note) as signals:
        try:
            if len(trials) == 1:
                _train(config, folder, material, screen, signals)
                return _finish(config, folder, material, {})
            ranks.from_first(lambda: _create(folder, config))
            for trial in trials:
                _train(trial, _trial_folder(folder, trial), material, screen, signals)
            chosen = ranks.from_first(lambda: _adopt_best(folder, trials))
            return _finish(config, folder, material, chosen)
        except loop.Interrupted:
            numbers = ranks.everyones(signals)
            raise Stopped(folder, next(number for number, *_ in filter(None, numbers))) from None
        except RankLostError as error:
            raise RankLostError(f"{error}{_way_on(folder)}") from None


def _train(config: Config, folder: Path, material: Material, screen: Screen, signals: list[int]) -> None:
    """Train to the end in one folder, from the beginning or from the checkpoint that is there."""
    make_feed(config, material)  # a batch that cannot be filled or divided shows before there is a folder
    ranks = material.ranks
    is_new = ranks.from_first(lambda: not folder.exists())
    source = config.weights if is_new else "none"  # a checkpoint has them already
    net, report = make_net(replace(config, weights=source), material.data)
    learner = make_learner(config, net.to(material.device), material)
    if report:
        screen.note(f"{config.weights}: {report}")
    if is_new:
        facts = {**_identity(material), "weights": str(report) if report else None}
        standing = Standing(Sums.zero(len(learner.method.terms), len(material.data.emotions)))
        state = {**facts, "learner": learner.state_dict(), "standing": standing.state()}
        ranks.from_first(lambda: _create(folder, config, state))
    with _alone(folder) if ranks.is_first else nullcontext():
        _go_on(config, folder, material, learner, screen, signals)


def _go_on(
    config: Config, folder: Path, material: Material, learner: Learner, screen: Screen, signals: list[int]
) -> None:
    """Train to the end from the checkpoint."""
    feed, ranks = make_feed(config, material), material.ranks
    state = ranks.from_first(lambda: _own_state(folder))
    _check_same(folder, state, material)
    learner.load_state_dict(state.pop("learner"))
    standing = loop.standing_from(state.pop("standing"))
    screen.begin(config, learner.method.terms, feed.steps)
    if not ranks.is_first:
        loop.train(learner, feed, config, standing, _SilentHooks(signals))
        return
    with closing(Events(folder, standing.history)) as events:
        hooks = _Hooks(signals, folder, config, material, learner, state, screen, events)
        loop.train(learner, feed, config, standing, hooks)


@dataclass
class _SilentHooks:
    """What the loop calls on a rank that writes and shows nothing: signals looked at."""

    signals: list[int]

    def stop(self) -> bool:
        return bool(self.signals)

    def step(self, standing: Standing) -> None:
        """Nothing to show."""

    def save(self, standing: Standing) -> None:
        """Rank 0 does."""

    def epoch(self, standing: Standing) -> None:
        """Rank 0 does."""


@dataclass
class _Hooks(_SilentHooks):
    """What the loop calls: files written, signals looked at, the screen told."""

    folder: Path
    config: Config
    material: Material
    learner: Learner
    facts: dict[str, Any]
    screen: Screen
    events: Events

    def step(self, standing: Standing) -> None:
        self.screen.step(standing)

    def save(self, standing: Standing) -> None:
        state = {**self.facts, "learner": self.learner.state_dict(), "standing": standing.state()}
        checkpoint.save_state(self.folder, state)

    def epoch(self, standing: Standing) -> None:
        row, best = standing.history[-1], standing.best
        checkpoint.write_table(self.folder / HISTORY, history_table(standing.history))
        if best and best["epoch"] == row["epoch"]:
            _write_weights(self.config, self.folder, self.material.data, best)
        self.events.add(row)
        self.screen.epoch(row)


def _finish(config: Config, folder: Path, material: Material, more: dict[str, Any]) -> dict[str, Any]:
    """Test once, with the net of the best validation epoch, and write what came out."""
    ranks = material.ranks
    state = ranks.from_first(lambda: checkpoint.load_state(folder))
    standing = loop.standing_from(state["standing"])
    best = standing.best
    assert best is not None
    net, _ = make_net(replace(config, weights="none"), material.data)
    load_tensors(net, best["net"])
    found = make_feed(config, material).probabilities(net.to(material.device), "test")
    check_probabilities(found, [material.data.names[row] for row in material.data.rows("test")], folder)
    found = found.of_learned(learned_aus(best["thresholds"], len(material.data.aus)))
    more = {"weights": state["weights"], "dropped": state["dropped"], **more}
    figures = run_metrics(config, material.data, found, best, more)
    ranks.from_first(lambda: _write_outcome(config, folder, material, standing, found, figures))
    return figures


def _write_outcome(
    config: Config,
    folder: Path,
    material: Material,
    standing: Standing,
    found: Probabilities,
    figures: dict[str, Any],
) -> None:
    best = standing.best
    assert best is not None
    write_sums(folder, [CONFIG])  # an end halfway leaves a run that is not finished
    predictions = predictions_table(material.data, material.data.rows("test"), found)
    checkpoint.write_table(folder / HISTORY, history_table(standing.history))
    _write_weights(config, folder, material.data, best)
    checkpoint.write_table(folder / PREDICTIONS, predictions)
    checkpoint.write_json(folder / METRICS, figures)
    card = model_card(config, figures, read_manifest(material.data.folder))
    checkpoint.write_atomic(folder / MODEL_CARD, card.encode())
    write_sums(folder, SUMMED)


def _adopt_best(folder: Path, trials: list[Config]) -> dict[str, Any]:
    """Take over checkpoint and events of the trial that did best on validation, the first of equals."""
    bests = [checkpoint.load_state(_trial_folder(folder, trial))["standing"]["best"] for trial in trials]
    scores = [best["score"] for best in bests]
    chosen = scores.index(max(scores))
    source = _trial_folder(folder, trials[chosen])
    checkpoint.write_atomic(folder / STATE, (source / STATE).read_bytes())
    shutil.copytree(source / EVENTS, folder / EVENTS, dirs_exist_ok=True)
    table = [
        {
            "rho_au": trial.rho_au[0],
            "rho_align": trial.rho_align[0],
            "epoch": best["epoch"],
            "validation": best["score"],
        }
        for trial, best in zip(trials, bests, strict=True)
    ]
    return {"trials": table, "chosen": table[chosen]}


def _trial_folder(folder: Path, trial: Config) -> Path:
    return folder / TRIALS / f"rho-au-{trial.rho_au[0]}-rho-align-{trial.rho_align[0]}"


def _create(folder: Path, config: Config, state: dict[str, Any] | None = None) -> None:
    """Make a run folder at once: it has all it needs to go on with, or is not there."""
    if folder.exists():
        return
    with making_folder(folder, _check_absent) as new:
        checkpoint.write_atomic(new / CONFIG, config_toml(config).encode())
        write_sums(new, [CONFIG])
        if state is not None:
            checkpoint.save_state(new, {"config": _config_digest(new), **state})


def _check_absent(folder: Path) -> None:
    if os.path.lexists(folder):
        raise _is_there(folder)


def _is_there(folder: Path) -> OutputError:
    return OutputError(f"{folder}: expected no such folder yet, found one; --resume goes on with a run")


def _way_on(folder: Path) -> str:
    """How to go on after what interrupted a run, as far as this rank sees its folder."""
    if not (folder / CONFIG).is_file():
        return ""
    return (
        f"\nthe run stands as last saved; go on, with any number of ranks: rafce-train run --resume {folder}"
    )


def _write_weights(config: Config, folder: Path, data: TrainingData, best: dict[str, Any]) -> None:
    path = folder / WEIGHTS
    checkpoint.save_weights(path, best["net"], facts_of(config, data, best).described())


def _identity(material: Material) -> dict[str, Any]:
    """What must not change between a run and its going on."""
    dropped = [Path(image.path).name for image in material.dropped]
    return {"fingerprint": material.data.fingerprint, "dropped": dropped}


def _config_digest(folder: Path) -> str:
    """The SHA-256 of its `config.toml`, which ties a state to its run."""
    digests = read_sums(folder).digests
    if digests is None or CONFIG not in digests:
        raise TrainingError(f"{folder}: cannot go on: expected {SUMS} with a line about {CONFIG}, found none")
    return digests[CONFIG]


def _own_state(folder: Path) -> dict[str, Any]:
    """The checkpoint of a run; TrainingError where it is that of a run with other options."""
    state = checkpoint.load_state(folder)
    if state["config"] != _config_digest(folder):
        raise TrainingError(f"{folder / STATE}: cannot go on: it was saved by a run with another {CONFIG}")
    return state


def _check_same(folder: Path, state: dict[str, Any], material: Material) -> None:
    for what, value in _identity(material).items():
        if state[what] != value:
            raise TrainingError(
                f"{folder}: cannot go on: the dataset's {what} was {state[what]} at its start and is {value} now"
            )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other process trains in this folder meanwhile; the lock goes with the process, however that ends."""
    try:
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout:
        raise TrainingError(f"{folder}: another process is training in it") from None


@contextmanager
def _stop_signals(note: Callable[[str], None]) -> Iterator[list[int]]:
    """The numbers of the signals that asked to stop so far; a second one ends the program at once."""
    received: list[int] = []

    def receive(number: int, _: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)
        note("finishing this step, then saving; again to stop at once")

    before = {number: signal.signal(number, receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
