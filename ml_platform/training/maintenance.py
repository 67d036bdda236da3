"""Maintenance of tables and artifacts: retention, merging of small files, log checkpoints, leftovers.

One implementation behind the Dagster job and the command line. It is part of training because what a registered model
was made from has to stay, and the registry alone knows it.

Belongs here: what is done, in which order, and the report. Does not: when it runs (`maintenance_job`).
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field

from ml_platform.storage.history import objects_below, require_version, store_of, table_names
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.objects import ObjectInfo, ObjectStore
from ml_platform.storage.restoring import merge_files, several_files
from ml_platform.storage.retention import RetentionPolicy, TableRetention, delete, plan_retention
from ml_platform.storage.table_log import write_checkpoint
from ml_platform.storage.tables import TableStore
from ml_platform.tracking.registry import ModelRegistry
from ml_platform.training.leftovers import (
    Pinned,
    pinned_by_models,
    run_pins,
    runs_at_work,
    step_outputs,
    together,
    training_states,
    unfinished_writes,
)

_COMMITS_WITHOUT_CHECKPOINT = 10


class TableMaintenance(BaseModel):
    """What was done to one table, or would be."""

    model_config = ConfigDict(frozen=True)

    table: str = Field(description="Name of the table.")
    newest_version: int = Field(description="Newest version when retention looked.")
    pinned_versions: tuple[int, ...] = Field(description="Versions that a registered model or a recent run pins.")
    dropped_versions: tuple[int, ...] = Field(description="Versions that cannot be read any more.")
    superseded_files: int = Field(description="Data files deleted because no kept version has them.")
    abandoned_files: int = Field(description="Data files deleted because no version ever had them.")
    checkpoints: int = Field(description="Checkpoints of the log deleted because others say the same.")
    bytes: int = Field(description="Bytes of all these files.")
    merged_partitions: int = Field(description="Partitions whose several files became one.")
    commits_since_checkpoint: int = Field(description="Commits that a reader opening the table replayed one by one.")
    log_bytes: int = Field(description="Bytes of the log before.")


class Leftovers(BaseModel):
    """Objects of one kind that nothing can need any more."""

    model_config = ConfigDict(frozen=True)

    kind: str = Field(description="What they are.")
    objects: int = Field(description="How many.")
    bytes: int = Field(description="Their bytes.")


class MaintenanceReport(BaseModel):
    """What maintenance did, or would do."""

    model_config = ConfigDict(frozen=True)

    is_applied: bool = Field(description="Whether anything was done; if not, this is what would be.")
    policy: RetentionPolicy = Field(description="What had to be kept.")
    tables: tuple[TableMaintenance, ...] = Field(description="By name.")
    leftovers: tuple[Leftovers, ...] = Field(description="By kind.")

    @property
    def bytes(self) -> int:
        """Bytes of everything deleted."""
        return sum(each.bytes for each in self.tables) + sum(each.bytes for each in self.leftovers)


class Places(NamedTuple):
    """What maintenance needs to see: the stores, the registry and Dagster's runs."""

    location: StorageLocation
    registry: ModelRegistry
    instance: dg.DagsterInstance


def maintain(
    places: Places,
    policy: RetentionPolicy,
    *,
    apply: bool,
    use_case: str | None = None,
    commit: dict[str, str] | None = None,
    now: datetime | None = None,
) -> MaintenanceReport:
    """Maintain every table and the artifacts, or those tables of `use_case`; without `apply`, only say what would be.

    Raises:
        RetentionRefusedError: it is not known what registered models were made from. Nothing was deleted.
    """
    at = now or datetime.now(UTC)
    tables, artifacts = places.location.tables(), places.location.artifacts()
    at_work = runs_at_work(places.instance)
    runs = run_pins(artifacts, at_work, policy, at)
    pinned = together([pinned_by_models(places.registry, artifacts), runs.pinned])
    everything = ObjectStore(tables.uri, tables.object_options)
    objects = everything.list()
    names = [name for name in table_names(objects) if use_case is None or name.startswith(f"{use_case}/")]
    merged = {name: merge_files(tables, name, commit) if apply else _to_merge(tables, name) for name in names}
    plans = _plans(tables, names, objects, policy, pinned, at)
    told = [_told(plan, len(merged[plan.table]), objects_below(objects, plan.table)) for plan in plans]
    leftovers = {
        "states of finished trainings": (artifacts, training_states(artifacts, policy, at)),
        "pins of runs long over": (artifacts, runs.over),
        "what steps of runs long over handed on": (artifacts, step_outputs(artifacts, at_work, policy, at)),
        "unfinished writes of tables": (everything, unfinished_writes(everything, policy, at)),
        "unfinished writes of artifacts": (artifacts, unfinished_writes(artifacts, policy, at)),
    }
    if apply:
        for each in told:
            _tidy(tables, next(plan for plan in plans if plan.table == each.table), each)
        for store, found in leftovers.values():
            delete(store, found)
    counted = [_counted(kind, found) for kind, (_, found) in leftovers.items()]
    return MaintenanceReport(is_applied=apply, policy=policy, tables=tuple(told), leftovers=tuple(counted))


def _plans(
    tables: TableStore,
    names: Sequence[str],
    objects: Sequence[ObjectInfo],
    policy: RetentionPolicy,
    pinned: Pinned,
    at: datetime,
) -> list[TableRetention]:
    below = {name: objects_below(objects, name) for name in names}
    return [plan_retention(tables, name, below[name], policy, pinned.get(name, ()), at) for name in names]


def _to_merge(tables: TableStore, name: str) -> tuple[str, ...]:
    return several_files(require_version(tables, name))


def _tidy(tables: TableStore, plan: TableRetention, told: TableMaintenance) -> None:
    delete(store_of(tables, plan.table), plan.files)
    if told.commits_since_checkpoint >= _COMMITS_WITHOUT_CHECKPOINT:
        write_checkpoint(tables.uri_of(plan.table), tables.delta_options)


def _told(plan: TableRetention, merged: int, objects: Sequence[ObjectInfo]) -> TableMaintenance:
    log = [info for info in objects if info.path.startswith("_delta_log/")]
    checkpoints = [int(info.path[11:31]) for info in log if ".checkpoint" in info.path and info.path[11:31].isdigit()]
    return TableMaintenance(
        table=plan.table,
        newest_version=plan.newest,
        pinned_versions=plan.pinned,
        dropped_versions=plan.dropped,
        superseded_files=len(plan.superseded),
        abandoned_files=len(plan.abandoned),
        checkpoints=len(plan.checkpoints),
        bytes=sum(info.size for info in plan.files),
        merged_partitions=merged,
        commits_since_checkpoint=plan.newest - max(checkpoints, default=-1),
        log_bytes=sum(info.size for info in log),
    )


def _counted(kind: str, found: Sequence[ObjectInfo]) -> Leftovers:
    return Leftovers(kind=kind, objects=len(found), bytes=sum(info.size for info in found))
