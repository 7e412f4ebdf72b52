"""The same counts by the machines of a Dask cluster that see the same files (extra `cluster`)."""

import asyncio
import socket
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from functools import reduce
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from rafce import __version__
from rafce.errors import ConfigError, DatasetError
from rafce.parts import Grid, Part, Samples
from rafce.streaming import Kernel, Progress, Sums, add, count_part

ANSWER_SECONDS = 10
WORKERLESS_SECONDS = 60
TASKS_PER_THREAD = 4


def count_on_cluster(
    kernel: Kernel[Sums], samples: Samples, address: str, progress: Progress | None = None
) -> Sums:
    """What `count_here` counts, number for number, by the workers of the Dask scheduler at `address`.

    Each thread of a worker gets a few tasks of many parts; what a worker had when it died, another does again.
    ConfigError: Dask is not installed, no scheduler answers, it has no workers or loses them all, or another rafce
    than this one is installed there. DatasetError as `read_chunks`, or when a worker does not find a file.
    """
    total = kernel((), samples.grid)
    with _connected(address) as client:
        groups = _groups(samples.parts, TASKS_PER_THREAD * sum(client.nthreads().values()))
        futures = [client.submit(count_group, kernel, group, samples.grid, pure=False) for group in groups]
        rows = {
            future: sum(part.n_rows for part in group) for future, group in zip(futures, groups, strict=True)
        }
        for future, sums in _results(client, futures):
            total = add(total, sums)
            if progress is not None:
                progress(rows[future])
    return total


def count_group(kernel: Kernel[Sums], parts: Sequence[Part], grid: Grid) -> Sums:
    """One task of a worker: what `kernel` counts in some parts; DatasetError as `count_on_cluster`."""
    for path in {part.path for part in parts}:
        if not path.exists():
            raise DatasetError(
                f"{path}: expected on every machine of the cluster, not found on {socket.gethostname()}"
            )
    return reduce(add, (count_part(kernel, part, grid) for part in parts))


def _groups(parts: Sequence[Part], n_groups: int) -> list[Sequence[Part]]:
    size = max(1, -(-len(parts) // n_groups))
    return [parts[i : i + size] for i in range(0, len(parts), size)]


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """A client of the scheduler, which has workers; what fails in Dask itself inside the block is a ConfigError."""
    try:
        from distributed import Client, KilledWorker
    except ImportError:
        raise ConfigError("--scheduler: expected Dask, found none; pip install 'rafce[cluster]'") from None
    try:
        asyncio.run(_knock(address))
        # Dask leaves this and `wait` without annotations
        client = Client(address, timeout=ANSWER_SECONDS)  # type: ignore[no-untyped-call]
    except Exception as error:  # whatever goes wrong at an address that is no scheduler's
        found = str(error) or "nothing answers"
        raise ConfigError(f"--scheduler: expected a Dask scheduler at {address}: {found}") from None
    with client:
        try:
            client.wait_for_workers(1, timeout=ANSWER_SECONDS)
            _check_versions(client, address)
            yield client
        except TimeoutError:
            raise ConfigError(f"--scheduler: expected workers at {address}, found none") from None
        except CancelledError:
            raise ConfigError(f"--scheduler: lost the connection to {address}") from None
        except KilledWorker as error:
            raise ConfigError(f"--scheduler: the workers of {address} failed: {error}") from None


async def _knock(address: str) -> None:
    """TimeoutError where Dask's client would wait for ever: at another kind of server, such as Dask's dashboard."""
    from distributed.comm.core import connect

    connection = await asyncio.wait_for(connect(address), ANSWER_SECONDS)  # type: ignore[no-untyped-call]
    await connection.close()


def _check_versions(client: Any, address: str) -> None:
    """ConfigError unless scheduler and workers have this rafce: Dask itself would wait for ever, or mix versions."""
    try:
        found = {client.run_on_scheduler(version, "rafce"), *client.run(version, "rafce").values()}
    except PackageNotFoundError:
        found = {"none"}
    if others := sorted(found - {__version__}):
        raise ConfigError(
            f"--scheduler: expected rafce {__version__} on every machine of {address}, found {', '.join(others)}"
        )


def _results(client: Any, futures: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """The futures as they finish, with their results; TimeoutError when the cluster has no worker for a while."""
    from distributed import wait

    waiting = set(futures)
    while waiting:
        try:
            done = wait(waiting, WORKERLESS_SECONDS, "FIRST_COMPLETED").done  # type: ignore[no-untyped-call]
            for future in done:
                # the worker that held the result may be gone: then another has to do it again
                yield future, future.result(timeout=WORKERLESS_SECONDS)
                waiting.remove(future)
        except TimeoutError:
            if not client.nthreads():
                raise
