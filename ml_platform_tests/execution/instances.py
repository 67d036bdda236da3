"""Instances to test with: the platform's own, in a folder of the test."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
from dagster._core.events import DagsterEvent, StepMaterializationData
from dagster._core.events.log import EventLogEntry
from dagster._core.instance.ref import InstanceRef

from ml_platform.settings import PROJECT_ROOT

KEY = dg.AssetKey("flights")
DAYS = [f"2013-01-{day:02}" for day in range(1, 32)]
ON_SQLITE = {"module": "ml_platform.execution.local_storage", "class": "LocalStorage"}
ON_POSTGRES = {"module": "ml_platform.execution.server_storage", "class": "ServerStorage"}


def platform_instance(folder: Path) -> dg.DagsterInstance:
    """What the repository's dagster.yaml describes, with its history in `folder`."""
    return _instance(folder, {**ON_SQLITE, "config": {"base_dir": str(folder)}})


def server_instance(folder: Path) -> dg.DagsterInstance:
    """The same, with its history in the database of the settings."""
    return _instance(folder, {**ON_POSTGRES, "config": {}})


def _instance(folder: Path, storage: dict[str, object]) -> dg.DagsterInstance:
    overrides: dict[str, object] = {"storage": {"custom": storage}}
    for part in ("local_artifact_storage", "compute_logs"):
        overrides[part] = _stock(part, folder)
    ref = InstanceRef.from_dir(str(folder), config_dir=str(PROJECT_ROOT), overrides=overrides)
    return dg.DagsterInstance.from_ref(ref)


def queueing_instance(folder: Path) -> dg.DagsterInstance:
    """One whose runs wait in the queue until somebody launches them, and are then executed in his process."""
    launcher = {
        "module": "dagster._core.launcher.sync_in_memory_run_launcher",
        "class": "SyncInMemoryRunLauncher",
    }
    overrides: dict[str, object] = {"run_launcher": launcher, "telemetry": {"enabled": False}}
    folder.mkdir(parents=True, exist_ok=True)
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder), overrides=overrides))


def _stock(part: str, folder: Path) -> dict[str, object]:
    """Dagster's own class for a part of the instance, in `folder`."""
    default = InstanceRef.config_defaults(str(folder))[part]
    assert default is not None
    return {"module": default.module_name, "class": default.class_name, "config": dict(default.config_dict)}


def materialization(partition: str, hash_: str = "a") -> dg.AssetMaterialization:
    """One day of flights with a data version."""
    return dg.AssetMaterialization("flights", partition=partition, tags={"dagster/data_version": hash_})


def write_some(opened: Callable[[Path], dg.DagsterInstance], folder: Path, count: int) -> None:
    """`count` single events, by a process that opens the instance for itself."""
    with opened(folder) as instance:
        for number in range(count):
            instance.report_runless_asset_event(materialization(f"{os.getpid()}-{number}"))


def entry(event: dg.AssetMaterialization, run_id: str) -> EventLogEntry:
    """The log entry of one materialization in a run."""
    data = StepMaterializationData(event)
    dagster_event = DagsterEvent("ASSET_MATERIALIZATION", "a_job", event_specific_data=data)
    return EventLogEntry(  # type: ignore[no-untyped-call]
        error_info=None,
        level="DEBUG",
        user_message="",
        run_id=run_id,
        timestamp=time.time(),
        dagster_event=dagster_event,
    )


def materialized(instance: dg.DagsterInstance) -> list[str]:
    """Partitions of all materialization events, oldest first."""
    records = instance.fetch_materializations(KEY, limit=10_000, ascending=True).records
    return [record.partition_key or "" for record in records]
