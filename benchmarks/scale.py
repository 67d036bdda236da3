"""What grows with a team, at a size that hurts: 1,000 runs in the queue, and 10,000 partitions of one asset.

Belongs here: histories of that size, and clocks. Does not: storing events (`events`), tables (`storage`), or many use
cases (`use_cases`).
"""

import os
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
from dagster._core.instance.ref import InstanceRef
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.storage.dagster_run import DagsterRun, DagsterRunStatus
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

from benchmarks.events import Nowhere, in_folder, storages
from benchmarks.homes import QUIET
from benchmarks.readings import Reading
from ml_platform.local_servers.postgres import postgres

QUEUED, RUNNING_AT_ONCE = 1_000, 4
NUMBERS = dg.StaticPartitionsDefinition([f"{number:05}" for number in range(10_000)])
ORIGIN = RemoteJobOrigin(
    RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("data"), repository_name="__repository__"), job_name="nightly"
)
QUEUE = {"run_coordinator": {"module": "dagster._core.run_coordinator", "class": "QueuedRunCoordinator"}}


@dg.asset(partitions_def=NUMBERS, backfill_policy=dg.BackfillPolicy.single_run(), io_manager_def=Nowhere())
def numbered() -> None:
    """An asset of ten thousand partitions."""


def measure_scale(work: Path) -> list[Reading]:
    """Both sizes on the platform's storages."""
    with postgres(work / "scale_postgres", ["platform"]) as server:
        os.environ["ML_PLATFORM_DATABASE_URL"] = server.url("platform")
        found = [reading for each in _readings(work / "scale", storages(server)) for reading in each]
        del os.environ["ML_PLATFORM_DATABASE_URL"]
    return found


def _readings(work: Path, kinds: dict[str, dict[str, object]]) -> Iterator[list[Reading]]:
    for name in ("platform", "platform on PostgreSQL"):
        folder = work / name.replace(" ", "_")
        folder.mkdir(parents=True)
        told = {"telemetry": {"enabled": False}, **QUEUE, **in_folder(kinds[name], folder)}
        concurrency = {"concurrency": {"runs": {"max_concurrent_runs": RUNNING_AT_ONCE}}}
        ref = InstanceRef.from_dir(str(folder), overrides={**told, **concurrency})
        with dg.DagsterInstance.from_ref(ref) as instance:
            yield [*_queue(name, instance), *_partitions(name, instance)]


def _queue(name: str, instance: dg.DagsterInstance) -> Iterator[Reading]:
    """Runs that wait, and what the daemon and the UI do with so many."""

    def queue() -> None:
        for _ in range(QUEUED):
            run_id = str(uuid.uuid4())
            instance.add_run(DagsterRun("nightly", run_id, status=DagsterRunStatus.QUEUED, remote_job_origin=ORIGIN))

    yield Reading(what=f"{name}: a run put into the queue", value=_seconds(queue) / QUEUED * 1000, unit="ms")
    daemon, limits = QueuedRunCoordinatorDaemon(interval_seconds=1), instance.get_concurrency_config()
    looked = _seconds(lambda: daemon._get_runs_to_dequeue(instance, limits, fixed_iteration_time=None))
    yield Reading(what=f"{name}: the daemon looks at {QUEUED:,} waiting runs", value=looked)
    page = _seconds(lambda: instance.get_run_records(limit=30))
    yield Reading(what=f"{name}: the newest 30 runs, as the UI lists them", value=page)


def _partitions(name: str, instance: dg.DagsterInstance) -> Iterator[Reading]:
    """Ten thousand partitions: materialized in one run, counted for the UI, and counted again after one more."""
    keys = NUMBERS.get_partition_keys()

    def materialize(first: str, last: str) -> None:
        tags = {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}
        assert dg.materialize([numbered], instance=instance, tags=tags, run_config=QUIET).success

    def count() -> None:
        get_and_update_asset_status_cache_value(instance, numbered.key, NUMBERS)

    whole = _seconds(lambda: materialize(keys[0], keys[-1]))
    yield Reading(what=f"{name}: {len(keys):,} partitions in one run, each", value=whole / len(keys) * 1000, unit="ms")
    yield Reading(what=f"{name}: which of {len(keys):,} are there, for the first time", value=_seconds(count))
    materialize(keys[0], keys[0])
    yield Reading(what=f"{name}: the same after one more", value=_seconds(count))


def _seconds(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began
