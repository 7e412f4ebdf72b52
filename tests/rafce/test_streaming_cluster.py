"""Counting on a Dask cluster of two worker processes: the numbers of one process, also when a worker dies."""

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import rafce.cluster
from rafce.cluster import count_on_cluster
from rafce.errors import ConfigError, DatasetError
from rafce.grouped import by_groups, count_by_group, count_groups, tally_groups
from rafce.parts import Samples, find_samples
from rafce.schema import PARTITIONS, Vocabulary, metadata
from rafce.streaming import count_au_pairs, count_aus, count_here

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")

WORDS = Vocabulary(("glad", "sad", "mad"), tuple(range(1, 33)))
N_FILES = 24
ROWS = 1000


@pytest.fixture
def samples(tmp_path) -> Samples:
    for i in range(N_FILES):
        rng = np.random.default_rng(i)
        partition_N = rng.choice(PARTITIONS, ROWS)
        columns = {
            "group": [f"{partition} {i % 5}" for partition in partition_N],
            "partition": partition_N,
            "emotion_id": rng.integers(0, 3, ROWS, dtype=np.int8),
            "au_mask": rng.integers(0, 2**32, ROWS, dtype=np.uint32),
            "au_known": rng.integers(0, 2**32, ROWS, dtype=np.uint32),
        }
        table = pa.table(columns).replace_schema_metadata(metadata("samples", WORDS))
        pq.write_table(table, tmp_path / f"{i:02d}.parquet")
    return find_samples(tmp_path)


def local_cluster(n_workers: int) -> Any:
    return distributed.LocalCluster(
        n_workers=n_workers, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs="CRITICAL"
    )


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with local_cluster(2) as local:
        yield local


def slow_kernel() -> Any:
    """Slow on a worker, so that work is left when the first task is done; local, so that it travels by value."""

    def count_slowly(chunks, words):
        time.sleep(0.05 if chunks != () else 0)
        return count_aus(chunks, words)

    return count_slowly


def assert_same(one, other) -> None:
    for left, right in zip(one, other, strict=True):
        assert left.dtype == right.dtype == np.int64
        assert np.array_equal(left, right)


@pytest.mark.parametrize("kernel", [count_aus, count_au_pairs])
def test_a_cluster_counts_what_one_process_counts(cluster, samples, kernel):
    told: list[int] = []
    counts = count_on_cluster(kernel, samples, cluster.scheduler_address, told.append)
    assert_same(counts, count_here(kernel, samples))
    assert sum(told) == samples.n_rows
    assert len(told) == 2 * rafce.cluster.TASKS_PER_THREAD


def test_what_a_killed_worker_had_is_counted_by_another(cluster, samples):
    cluster.wait_for_workers(2)
    victim = next(iter(cluster.workers.values()))
    under_way: list[tuple] = []

    def kill_once(_):
        if under_way:
            return
        with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
            under_way.append(client.processing()[victim.worker_address])
        os.kill(victim.pid, signal.SIGKILL)

    counts = count_on_cluster(slow_kernel(), samples, cluster.scheduler_address, kill_once)
    assert under_way[0]
    assert_same(counts, count_here(count_aus, samples))


def test_groups_that_several_workers_see_are_counted_once(cluster, samples):
    sums = count_on_cluster(count_by_group, by_groups(samples), cluster.scheduler_address)
    tally = tally_groups(sums, samples.grid)
    assert len(tally.names) == 5 * len(PARTITIONS)
    for found, expected in zip(tally, count_groups(samples), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_bad_row_is_named_from_afar(cluster, tmp_path):
    columns = {"partition": ["dev"], "emotion_id": [0], "au_mask": pa.array([0], pa.uint32())}
    path = tmp_path / "s.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(DatasetError) as caught:
        count_on_cluster(count_aus, find_samples(path, WORDS), cluster.scheduler_address)
    assert str(caught.value) == f"{path}: row 1: expected one of train, validation, test, found dev"


def test_a_file_that_a_worker_does_not_see_is_named_with_the_machine(cluster, samples):
    samples.parts[0].path.unlink()
    with pytest.raises(DatasetError) as caught:
        count_on_cluster(count_aus, samples, cluster.scheduler_address)
    assert str(caught.value) == (
        f"{samples.parts[0].path}: expected on every machine of the cluster, not found on {socket.gethostname()}"
    )


def test_without_dask_the_extra_is_named(samples, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(
        ConfigError, match=r"^--scheduler: expected Dask, found none; pip install 'rafce\[cluster\]'$"
    ):
        count_on_cluster(count_aus, samples, "127.0.0.1:1")


def test_an_address_where_no_scheduler_answers_is_an_error(samples, monkeypatch):
    monkeypatch.setattr(rafce.cluster, "ANSWER_SECONDS", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        for address in (f"127.0.0.1:{port}", "127.0.0.1:1", "no port", "foo://x:1"):
            with pytest.raises(
                ConfigError, match=f"^--scheduler: expected a Dask scheduler at {address}: .+"
            ):
                count_on_cluster(count_aus, samples, address)


def test_a_scheduler_without_workers_is_an_error(samples, monkeypatch):
    monkeypatch.setattr(rafce.cluster, "ANSWER_SECONDS", 1)
    with (
        local_cluster(0) as empty,
        pytest.raises(
            ConfigError, match=f"^--scheduler: expected workers at {empty.scheduler_address}, found none$"
        ),
    ):
        count_on_cluster(count_aus, samples, empty.scheduler_address)


def test_workers_that_all_leave_end_the_count(samples, monkeypatch):
    monkeypatch.setattr(rafce.cluster, "WORKERLESS_SECONDS", 1)
    with local_cluster(1) as cluster:
        address = cluster.scheduler_address
        with pytest.raises(ConfigError, match=f"^--scheduler: expected workers at {address}, found none$"):
            count_on_cluster(slow_kernel(), samples, address, lambda _: cluster.scale(0))


def test_a_scheduler_that_ends_ends_the_count(samples):
    cluster = local_cluster(1)
    with pytest.raises(
        ConfigError, match=f"^--scheduler: lost the connection to {cluster.scheduler_address}$"
    ):
        count_on_cluster(slow_kernel(), samples, cluster.scheduler_address, lambda _: cluster.close())


def test_machines_with_another_rafce_are_refused(cluster, samples, monkeypatch):
    monkeypatch.setattr(rafce.cluster, "__version__", "9.9")
    address = cluster.scheduler_address
    expected = f"^--scheduler: expected rafce 9.9 on every machine of {address}, found {rafce.__version__}$"
    with pytest.raises(ConfigError, match=expected):
        count_on_cluster(count_aus, samples, address)


def test_machines_without_rafce_are_refused(cluster, samples, monkeypatch):
    monkeypatch.setattr(rafce.cluster, "version", lambda _: version("no-such-distribution"))
    with pytest.raises(ConfigError, match=f"on every machine of {cluster.scheduler_address}, found none$"):
        count_on_cluster(count_aus, samples, cluster.scheduler_address)


def test_work_that_kills_every_worker_is_an_error(samples):
    def deadly_kernel(chunks, words):
        if chunks != ():
            os._exit(1)
        return count_aus(chunks, words)

    with dask.config.set({"distributed.scheduler.allowed-failures": 0}), local_cluster(1) as cluster:
        address = cluster.scheduler_address
        with pytest.raises(ConfigError, match=f"^--scheduler: the workers of {address} failed: .* died"):
            count_on_cluster(deadly_kernel, samples, address)
