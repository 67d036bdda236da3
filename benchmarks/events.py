"""Milliseconds of event cost per partition and asset: Dagster's own SQLite storage, and the platform's, in one run.

A trivial asset over 365 daily partitions is materialized in one run, once with the framework's events alone and once
with a second materialization event per partition.
"""

import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
from dagster._core.events import DagsterEvent, DagsterEventBatchMetadata
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from benchmarks.homes import QUIET
from benchmarks.readings import Reading

BY_DAY = dg.DailyPartitionsDefinition("2013-01-01", end_date="2014-01-01")
MS_PER_PARTITION = 10.0
STORAGE = {"module": "ml_platform.execution.local_storage", "class": "LocalStorage"}
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


def instance_in(folder: Path, *, tuned: bool) -> dg.DagsterInstance:
    """A persistent instance in `folder`, on Dagster's storage or on the platform's."""
    overrides: dict[str, object] = {"telemetry": {"enabled": False}}
    if tuned:
        storage = {"custom": {**STORAGE, "config": {"base_dir": str(folder)}}}
        overrides |= {"storage": storage, "instance_class": INSTANCE}
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder), overrides=overrides))


def measure_events(work: Path, *, stock: bool) -> list[Reading]:
    """Milliseconds per partition and asset on the platform's storage, and with `stock` on Dagster's own."""
    readings = list[Reading]()
    for name, tuned in (("platform", True), ("stock SQLite", False)):
        if not tuned and not stock:
            continue
        folder = work / "events" / name.split()[0]
        folder.mkdir(parents=True)
        with instance_in(folder, tuned=tuned) as instance:
            seconds_to_materialize(once, instance)  # creates tables and imports what is lazy
            readings += [
                _reading(name, asset, seconds_to_materialize(asset, instance), tuned) for asset in (once, twice)
            ]
    return readings


def _reading(storage: str, asset: dg.AssetsDefinition, seconds: float, tuned: bool) -> Reading:
    days = len(BY_DAY.get_partition_keys())
    what = f"{storage}: one partition of one asset, {asset.key.to_user_string()} materialized"
    return Reading(what=what, value=1000 * seconds / days, unit="ms", at_most=MS_PER_PARTITION if tuned else None)
