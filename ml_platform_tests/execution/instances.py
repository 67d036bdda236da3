"""Instances to test with: the platform's own, in a folder of the test."""

from pathlib import Path

import dagster as dg
from dagster._core.instance.ref import InstanceRef

from ml_platform.settings import PROJECT_ROOT


def platform_instance(folder: Path) -> dg.DagsterInstance:
    """What the repository's dagster.yaml describes, with its history in `folder`."""
    storage = {"module": "ml_platform.execution.local_storage", "class": "LocalStorage"}
    overrides: dict[str, object] = {"storage": {"custom": {**storage, "config": {"base_dir": str(folder)}}}}
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
