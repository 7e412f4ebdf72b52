"""The processes that train one network together: how they meet, what they exchange, and what if one of them dies.

torchrun or Slurm starts them, each with its number, its rank, in the environment (torch.distributed's variables).
"""

import os
import re
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore, Store

from rafce.errors import ConfigError, RafceError, TrainingError, raise_all
from rafce_train.data import IntArray

T = TypeVar("T")

TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
SLURM = ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID")
MEETING_POINT = ("MASTER_ADDR", "MASTER_PORT")

MEETING_TIME = timedelta(minutes=5)
PATIENCE = timedelta(minutes=30)
"""How long a rank waits for what the others send; a process that dies is noticed at once."""
BEAT, LISTENING = 0.5, 3.0
"""Seconds between two signs of life of a rank, and how long without any makes it one that is gone."""
LOOK, GRACE = 0.1, 5.0
"""Seconds between looks at a wait after a signal, and how long it may still last: others come after their step."""


class SaidElsewhereError(Exception):
    """Something is wrong, and another rank tells the user."""


class RankLostError(TrainingError):
    """Another rank ended, or does not answer any more."""


@dataclass(frozen=True)
class Ranks:
    """The place of this process among `size`; alone, every method gives back what it is given.

    All ranks call the same methods in the same order, RankLostError when one does not.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    """The number among those on this machine."""
    store: Store | None = field(default=None, repr=False)
    """Where the ranks leave each other notes, beside the connections that can break."""

    @property
    def is_first(self) -> bool:
        """Whether this is the rank that writes files and speaks to the user."""
        return self.rank == 0

    def share(self, rows_N: IntArray) -> IntArray:
        """This rank's part of the rows, in order; equal to all others' where their number divides."""
        return np.array_split(rows_N, self.size)[self.rank]

    def sum(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Each tensor summed over the ranks, all in one message."""
        if self.size == 1 or not tensors:
            return list(tensors)
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        with self._connected():
            dist.all_reduce(flat)
        parts = flat.split_with_sizes([tensor.numel() for tensor in tensors])
        pairs = zip(tensors, parts, strict=True)
        return [torch.empty_like(tensor).copy_(part.view(tensor.shape)) for tensor, part in pairs]

    def mean(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The mean of each tensor over the ranks."""
        summed = self.sum(tensors)
        return summed if self.size == 1 else [tensor / self.size for tensor in summed]

    def gathered(self, tensor: Tensor) -> Tensor:
        """The tensors of all ranks, of one shape, one after the other along the first dimension."""
        if self.size == 1:
            return tensor
        parts = [torch.empty_like(tensor, memory_format=torch.contiguous_format) for _ in range(self.size)]
        with self._connected():
            dist.all_gather(parts, tensor.contiguous())
        return torch.cat(parts)

    def any(self, *flags: bool) -> list[bool]:
        """Whether each flag is set on any rank."""
        if self.size == 1:
            return list(flags)
        votes = torch.tensor(flags, dtype=torch.int32)
        with self._connected():
            dist.all_reduce(votes, dist.ReduceOp.MAX)
        return [bool(vote) for vote in votes.tolist()]

    def everyones(self, value: T) -> list[T]:
        """The values of all ranks, of any kind that can be pickled."""
        if self.size == 1:
            return [value]
        values = [value] * self.size
        with self._connected():
            dist.all_gather_object(values, value)
        return values

    def from_first(self, make: Callable[[], T]) -> T:
        """What `make` returns on rank 0, the only one that calls it; its error there ends the others too."""
        if self.size == 1:
            return make()
        values = [make() if self.is_first else None]
        with self._connected():
            dist.broadcast_object_list(values, src=0)
        value: T = values[0]  # type: ignore[assignment]  # rank 0's, by now
        return value

    @contextmanager
    def _connected(self) -> Iterator[None]:
        """RankLostError where torch finds that another rank is gone: it raises nothing better than a RuntimeError."""
        try:
            with _SIGNALS.waiting(GRACE):
                yield
        except RuntimeError as error:
            raise _lost(self, _brief(error)) from None


ALONE = Ranks()


def place(environment: Mapping[str, str]) -> Ranks:
    """The place that torchrun or srun gave this process; ConfigError when they did not say where to meet.

    In a Slurm job's own script, outside of srun, a process is alone, although Slurm counts the tasks that are to come.
    """
    for names in (TORCHRUN, SLURM):
        if not all(name in environment for name in names[:2]):
            continue
        rank, size = (_number(name, environment) for name in names[:2])
        if size == 1 and names == SLURM:
            return ALONE
        local_rank = 0 if size == 1 else _number(names[2], environment)
        _check_below(size, {names[0]: rank, names[2]: local_rank}, names[1])
        absent = [name for name in MEETING_POINT if name not in environment]
        if size == 1 or (absent and names == SLURM and "SLURM_STEP_ID" not in environment):
            return ALONE
        if absent:
            raise ConfigError(f"{size} ranks: expected {' and '.join(absent)} in the environment, found none")
        return Ranks(rank, size, local_rank)
    return ALONE


def _check_below(size: int, places: Mapping[str, int], name_of_size: str) -> None:
    raise_all(
        [
            f"{name} in the environment: expected a number below {name_of_size}, which is {size}, found {place}"
            for name, place in places.items()
            if place >= size
        ],
        ConfigError,
    )


def _number(name: str, environment: Mapping[str, str]) -> int:
    text = environment.get(name)
    if text is None:
        raise ConfigError(f"several ranks: expected {name} in the environment, found none")
    if not re.fullmatch("[0-9]{1,9}", text):
        raise ConfigError(f"{name} in the environment: expected a whole number, found {text!r}")
    return int(text)


def check_alone(task: str) -> None:
    """ConfigError where several processes were started for what one does."""
    if (size := place(os.environ).size) > 1:
        raise ConfigError(
            f"{task}: expected one process, found {size} ranks; only `rafce-train run` divides its work"
        )


@contextmanager
def joined() -> Iterator[Ranks]:
    """Meet the other ranks, if there are any, and part from them at the end.

    Of an error inside, one rank tells: it goes on there, and is a SaidElsewhereError on the others.
    """
    ranks = place(os.environ)
    if ranks.size == 1:
        yield ranks
        return
    with _SIGNALS.heard():
        with _SIGNALS.waiting(0):
            ranks = _meet(ranks)
        with _beating(ranks):
            try:
                yield ranks
            except RafceError:
                if _may_speak(ranks):
                    raise
                # torchrun ends all ranks as soon as one has ended: let the other speak first
                time.sleep(LISTENING)
                raise SaidElsewhereError from None
        if dist.is_initialized():
            dist.destroy_process_group()


def _meet(ranks: Ranks) -> Ranks:
    """The same ranks, connected; TrainingError when the others do not come."""
    address, port = (os.environ[name] for name in MEETING_POINT)
    is_host = ranks.is_first and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        tcp = dist.TCPStore(address, int(port), ranks.size, is_host, MEETING_TIME)  # type: ignore[attr-defined]
        store = PrefixStore(f"rafce {os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", tcp)
        dist.init_process_group(
            backend, store=store, rank=ranks.rank, world_size=ranks.size, timeout=PATIENCE
        )
    except (RuntimeError, ValueError) as error:
        raise TrainingError(
            f"rank {ranks.rank} of {ranks.size}: expected to meet the others at {address}:{port}: {_brief(error)}"
        ) from None
    return replace(ranks, store=store)


class _Signals:
    """Ends this process on SIGTERM and SIGINT while it waits inside torch, where Python's own handlers do not run.

    The operating system's handler writes the number of a signal into a pipe, at whose end a thread listens. Nothing is
    lost: a rank that waits writes nothing, and what the first one saved is whole.
    """

    def __init__(self) -> None:
        self._wait: tuple[float, float] | None = None
        """When the wait that goes on now began, and how long it may last after a signal."""

    @contextmanager
    def waiting(self, grace: float) -> Iterator[None]:
        """A wait for other ranks, which ends `grace` seconds after a signal at the latest."""
        self._wait = time.monotonic(), grace
        try:
            yield
        finally:
            self._wait = None

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Meanwhile, the thread listens; on the main thread alone, where signals arrive."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        ear, mouth = os.pipe()
        os.set_blocking(mouth, False)
        before = signal.set_wakeup_fd(mouth, warn_on_full_buffer=False)
        thread = threading.Thread(target=self._listen, args=(ear,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            os.close(mouth)
            thread.join()
            os.close(ear)

    def _listen(self, ear: int) -> None:
        heard, number = float("inf"), 0
        while True:
            if select.select([ear], [], [], None if not number else LOOK)[0]:
                numbers = os.read(ear, 1)
                if not numbers:
                    return
                if numbers[0] in (signal.SIGTERM, signal.SIGINT) and not number:
                    heard, number = time.monotonic(), numbers[0]
            if number and self._is_over(heard):
                os.write(2, b"stopped while waiting for the other ranks\n")
                os._exit(128 + number)

    def _is_over(self, heard: float) -> bool:
        """Whether the wait that goes on now has lasted for its grace after the signal."""
        wait = self._wait
        return wait is not None and time.monotonic() - max(wait[0], heard) >= wait[1]


_SIGNALS = _Signals()


@contextmanager
def _beating(ranks: Ranks) -> Iterator[None]:
    """Meanwhile, a thread leaves signs of life."""
    ended = threading.Event()

    def beat() -> None:
        with suppress(RuntimeError):  # whoever keeps the notes has ended
            while not ended.wait(BEAT):
                _beats(ranks, ranks.rank, 1)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _beats(ranks: Ranks, rank: int, more: int = 0) -> int:
    """Signs of life of a rank so far, after `more` of them."""
    assert ranks.store is not None
    return int(ranks.store.add(f"beats of {rank}", more))


def _lost(ranks: Ranks, reason: str) -> RankLostError:
    """The error that says which ranks show no sign of life any more; it takes a while to listen for them."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # torchrun sends it, and the user has yet to be told
    if dist.get_backend() == "gloo":
        dist.destroy_process_group()  # so that ranks which wait for this one notice too
    others = [rank for rank in range(ranks.size) if rank != ranks.rank]
    try:
        before = [_beats(ranks, rank) for rank in others]
        time.sleep(LISTENING)
        gone = [rank for rank, beats in zip(others, before, strict=True) if _beats(ranks, rank) == beats]
    except RuntimeError:
        gone = [0]  # it kept the notes
    who = f"rank {', '.join(map(str, gone))}" if gone else "another rank"
    return RankLostError(f"{who} (of 0 to {ranks.size - 1}) is gone: {reason}")


def _may_speak(ranks: Ranks) -> bool:
    """Whether this rank is the first that has something to tell the user."""
    assert ranks.store is not None
    try:
        return int(ranks.store.add("errors", 1)) == 1
    except RuntimeError:
        return ranks.rank == 1  # rank 0 kept the notes, and is gone


def _brief(error: Exception) -> str:
    """The first sentence of what torch says, without the place in its own code."""
    return re.sub(r"^\[[^ ]+\] ", "", str(error).partition("\n")[0]).partition(". ")[0]
