"""Milliseconds of event cost per partition and asset: Dagster's own storages, and the platform's, in one run.

A trivial asset over 365 daily partitions is materialized in one run, once with the framework's events alone and once
with a second materialization event per partition.
"""

import json
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import dagster as dg
from dagster._core.events import DagsterEvent, DagsterEventBatchMetadata
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from benchmarks.homes import QUIET
from benchmarks.readings import Reading
from ml_platform.local_servers.postgres import Postgres, postgres

BY_DAY = dg.DailyPartitionsDefinition("2013-01-01", end_date="2014-01-01")
MS_PER_PARTITION = 10.0
STORAGE = {"module": "ml_platform.execution.local_storage", "class": "LocalStorage"}
ON_SERVER = {"module": "ml_platform.execution.server_storage", "class": "ServerStorage"}
INSTANCE = {"module": "ml_platform.execution.instance", "class": "PlatformInstance"}


class Nowhere(dg.IOManager):
    """Keeps nothing, so that only events cost anything."""

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Drop the output."""

    def load_input(self, context: dg.InputContext) -> None:
        """Give nothing."""


def over_the_year(function: Callable[..., object]) -> dg.AssetsDefinition:
    """An asset of 365 partitions in a single run."""
    single_run = dg.BackfillPolicy.single_run()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # of the two parameters; Dagster is pinned
        return dg.asset(partitions_def=BY_DAY, backfill_policy=single_run, io_manager_def=Nowhere())(function)


@over_the_year
def once() -> None:
    """One event per partition."""


@over_the_year
def twice(context: dg.AssetExecutionContext) -> Iterator[dg.Output[None]]:
    """Two events per partition; the second has the data version."""
    yield dg.Output(None)
    step, last = context.get_step_execution_context(), context.partition_keys[-1]
    for key in context.partition_keys:
        event = dg.AssetMaterialization(context.asset_key, partition=key)
        DagsterEvent.asset_materialization(step, event, DagsterEventBatchMetadata("second", is_end=key == last))


def seconds_to_materialize(asset: dg.AssetsDefinition, instance: dg.DagsterInstance) -> float:
    """Wall seconds of one run of `asset` over the year, planned events included."""
    tags = {ASSET_PARTITION_RANGE_START_TAG: "2013-01-01", ASSET_PARTITION_RANGE_END_TAG: "2013-12-31"}
    started = time.perf_counter()
    assert dg.materialize([asset], instance=instance, tags=tags, run_config=QUIET).success
    return time.perf_counter() - started


def measure_events(work: Path, *, stock: bool) -> list[Reading]:
    """Milliseconds per partition and asset on the platform's storages, and with `stock` on Dagster's own."""
    with postgres(work / "postgres", ["platform", "stock"]) as server:
        os.environ["ML_PLATFORM_DATABASE_URL"] = server.url("platform")
        found = _measured(work / "events", storages(server), stock=stock)
        del os.environ["ML_PLATFORM_DATABASE_URL"]
    return found


def storages(server: Postgres) -> dict[str, dict[str, object]]:
    """Where events are kept, as overrides of an instance in the folder `{folder}`; the platform's first."""
    sqlite, database = {**STORAGE, "config": {"base_dir": "{folder}"}}, {**ON_SERVER, "config": {}}
    return {
        "platform": {"storage": {"custom": sqlite}, "instance_class": INSTANCE},
        "platform on PostgreSQL": {"storage": {"custom": database}, "instance_class": INSTANCE},
        "stock SQLite": {},
        "stock PostgreSQL": {"storage": {"postgres": {"postgres_url": server.url("stock")}}},
    }


def _measured(work: Path, storages: Mapping[str, Mapping[str, object]], *, stock: bool) -> list[Reading]:
    readings = list[Reading]()
    for number, (name, overrides) in enumerate(storages.items()):
        if name.startswith("stock") and not stock:
            continue
        folder = work / str(number)
        folder.mkdir(parents=True)
        told = {"telemetry": {"enabled": False}, **in_folder(overrides, folder)}
        with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder), overrides=told)) as instance:
            seconds_to_materialize(once, instance)  # creates tables and imports what is lazy
            readings += [_reading(name, asset, seconds_to_materialize(asset, instance)) for asset in (once, twice)]
    return readings


def in_folder(overrides: Mapping[str, object], folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(json.dumps(overrides).replace("{folder}", str(folder)))
    return found


def _reading(storage: str, asset: dg.AssetsDefinition, seconds: float) -> Reading:
    days = len(BY_DAY.get_partition_keys())
    what = f"{storage}: one partition of one asset, {asset.key.to_user_string()} materialized"
    return Reading(
        what=what, value=1000 * seconds / days, unit="ms", at_most=MS_PER_PARTITION if storage == "platform" else None
    )
