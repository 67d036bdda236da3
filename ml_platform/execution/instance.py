"""The Dagster instance of this platform: everything it keeps is below `Settings().home`, whoever starts it.

Belongs here: where the instance's files are, how events are batched, and what lost processes mean for retries of runs.
Does not: its settings, which are in dagster.yaml.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import yaml
from dagster import DagsterEvent, DagsterInstance, DagsterRun, EventLogEntry, Field
from dagster._core.events import DagsterEventBatchMetadata, JobFailureData, RunFailureReason
from dagster._core.instance.ref import InstanceRef
from dagster._daemon.run_coordinator import QueuedRunCoordinatorDaemon
from dagster._daemon.types import DaemonHeartbeat
from dagster._serdes import ConfigurableClassData

from ml_platform.execution.launcher import WarmRunLauncher, worker_process
from ml_platform.execution.overlooked_retries import READER, reconsider_overlooked
from ml_platform.execution.pools import set_limits
from ml_platform.recovery.lost_processes import LOST_PROCESSES_TAG, lost_processes
from ml_platform.settings import PROJECT_ROOT, Settings

EVENT_BATCH_SIZE = 500
BACKFILLS_WAIT = "DAGSTER_BACKFILL_RETRY_DEFINITION_CHANGED_ERROR"
"""Dagster's switch of its daemon: a backfill whose code location cannot be loaded waits, and does not fail for good."""
WORKER_LOST = (RunFailureReason.UNEXPECTED_TERMINATION, RunFailureReason.UNKNOWN, None)


class PlatformInstance(DagsterInstance):
    """Keeps its history between starts of plain `dagster dev`; writes events of many partitions in one transaction.

    Dagster hands a temporary folder to an instance when DAGSTER_HOME is not set, and the configuration's folder when it
    is. Neither is used: both ways lead to the same history. A storage that dagster.yaml names (Postgres, say) wins.
    """

    @classmethod
    def config_schema(cls) -> Mapping[str, Field]:
        return {}

    @classmethod
    def config_defaults(cls, base_dir: str) -> Mapping[str, ConfigurableClassData | None]:
        """Dagster's defaults for the platform's folder instead of `base_dir`, with the tuned storage."""
        settings = Settings()
        home = str(instance_folder(settings))
        if settings.database_url:
            storage = _configured("ml_platform.execution.server_storage", "ServerStorage", {})
        else:
            storage = _configured("ml_platform.execution.local_storage", "LocalStorage", {"base_dir": home})
        return {**InstanceRef.config_defaults(home), "storage": storage, "run_launcher": _launcher(settings)}

    def add_daemon_heartbeat(self, daemon_heartbeat: DaemonHeartbeat) -> None:
        """Have what runs need ready in the daemon, which alone has a heartbeat, one for each of its threads."""
        super().add_daemon_heartbeat(daemon_heartbeat)
        os.environ.setdefault(BACKFILLS_WAIT, "1")
        if daemon_heartbeat.daemon_type == QueuedRunCoordinatorDaemon.daemon_type():
            set_limits(self, Settings())
        if daemon_heartbeat.daemon_type == READER:
            reconsider_overlooked(self)
        if isinstance(self.run_launcher, WarmRunLauncher):
            self.run_launcher.warm_up()

    def handle_new_event(
        self, event: EventLogEntry, *, batch_metadata: DagsterEventBatchMetadata | None = None
    ) -> None:
        """Store the event; a run that fails for want of its worker is tagged so before, for its retry to inherit."""
        told = event.dagster_event
        if told and told.is_run_failure and _is_lost_worker(told):
            self._tell_lost_process(event.run_id)
        super().handle_new_event(event, batch_metadata=batch_metadata)

    def report_run_canceled(self, dagster_run: DagsterRun, message: str | None = None) -> DagsterEvent:
        """Cancel the run from outside; a worker that hangs does not go on with it."""
        event = super().report_run_canceled(dagster_run, message)
        self._end_worker(dagster_run)
        return event

    def report_run_failed(
        self, dagster_run: DagsterRun, message: str | None = None, job_failure_data: JobFailureData | None = None
    ) -> DagsterEvent:
        """Fail the run from outside; a worker that hangs, or started too late, does not go on with it."""
        event = super().report_run_failed(dagster_run, message, job_failure_data)
        self._end_worker(dagster_run)
        return event

    def _end_worker(self, run: DagsterRun) -> None:
        if Settings().pods is None and isinstance(self.run_launcher, WarmRunLauncher):
            self.run_launcher.end_worker(self.get_run_by_id(run.run_id) or run)

    def _tell_lost_process(self, run_id: str) -> None:
        run = self.get_run_by_id(run_id)
        if run is None or worker_process(run):
            return  # what a living worker reports is no lost process
        parent = self.get_run_by_id(run.parent_run_id) if run.parent_run_id else None
        lost = 1 + (lost_processes(parent) if parent else 0)
        self.add_run_tags(run_id, {LOST_PROCESSES_TAG: str(lost)})

    def _get_event_batch_size(self) -> int:
        return EVENT_BATCH_SIZE


def _is_lost_worker(failure: DagsterEvent) -> bool:
    told = failure.event_specific_data
    return (told.failure_reason if isinstance(told, JobFailureData) else None) in WORKER_LOST


def instance_folder(settings: Settings) -> Path:
    """Folder of runs, events, schedules and compute logs."""
    return settings.home.resolve() / "dagster"


def open_instance() -> DagsterInstance:
    """The persistent instance that the repository's dagster.yaml describes; the same one as `dagster dev` shows."""
    instance = DagsterInstance.from_config(str(PROJECT_ROOT))
    set_limits(instance, Settings())
    return instance


def _launcher(settings: Settings) -> ConfigurableClassData:
    """Forked from a process that has the libraries, or a pod each; a pod itself cannot, and need not, start others."""
    if settings.pods is None:
        return _configured("ml_platform.execution.launcher", "WarmRunLauncher", {})
    return ConfigurableClassData("dagster_k8s", "K8sRunLauncher", settings.pods.read_text())


def _configured(module: str, name: str, config: Mapping[str, str]) -> ConfigurableClassData:
    return ConfigurableClassData(module, name, yaml.dump(dict(config), default_flow_style=False))
