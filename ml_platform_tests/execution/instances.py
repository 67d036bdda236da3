"""Instances to test with: the platform's own, in a folder of the test."""

from pathlib import Path

import dagster as dg
from dagster._core.instance.ref import InstanceRef

from ml_platform.settings import PROJECT_ROOT


def platform_instance(folder: Path) -> dg.DagsterInstance:
    """What the repository's dagster.yaml describes, with its history in `folder`."""
    storage = {"module": "ml_platform.execution.local_storage", "class": "LocalStorage", "config": {"base_dir": str(folder)}}
    ref = InstanceRef.from_dir(str(folder), config_dir=str(PROJECT_ROOT), overrides={"storage": {"custom": storage}})
    return dg.DagsterInstance.from_ref(ref)


def materialization(partition: str, hash_: str = "a") -> dg.AssetMaterialization:
    """One day of flights with a data version."""
    return dg.AssetMaterialization("flights", partition=partition, tags={"dagster/data_version": hash_})
