"""How `rafce analyze` counts: on this machine or on a cluster, in sight of whoever watches, timed."""

import time

from rafce.cluster import count_on_cluster
from rafce.errors import ConfigError
from rafce.parts import Samples
from rafce.streaming import Kernel, Progress, Sums, count_here
from rafce_cli.progress import progress_bar


class Counting:
    """Counts samples by `jobs` threads, or by the Dask scheduler at an address; `seconds` says how long each took.

    ConfigError when both are given.
    """

    def __init__(self, jobs: int | None, scheduler: str | None):
        if jobs and scheduler:
            raise ConfigError("--jobs: counts on this machine, so expected no --scheduler beside it")
        self._jobs, self._scheduler = jobs, scheduler
        self.seconds: dict[str, float] = {}

    def __call__(self, what: str, kernel: Kernel[Sums], samples: Samples) -> Sums:
        """What `kernel` counts; a bar shows the rows that are done."""
        start, done = time.perf_counter(), 0
        with progress_bar(f"{what}: rows counted") as show:
            show(0, samples.n_rows)

            def add_rows(n_rows: int) -> None:
                nonlocal done
                done += n_rows
                show(done, samples.n_rows)

            sums = self._count(kernel, samples, add_rows)
        self.seconds[what] = time.perf_counter() - start
        return sums

    def _count(self, kernel: Kernel[Sums], samples: Samples, progress: Progress) -> Sums:
        if self._scheduler:
            return count_on_cluster(kernel, samples, self._scheduler, progress)
        return count_here(kernel, samples, self._jobs, progress)
