"""Run workers of the daemon, forked from a process that has already imported the libraries.

Belongs here: how a queued run gets its process, and how that process is found again. Does not: steps, which the
executor of a location starts.
"""

import multiprocessing
import os
import signal
from collections.abc import Mapping
from multiprocessing.forkserver import ensure_running
from typing import Any, Self

import psutil
from dagster import DagsterInstance, DagsterRun
from dagster._core.definitions.reconstruct import ReconstructableJob
from dagster._core.instance.ref import InstanceRef
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, RunLauncher, WorkerStatus
from dagster._core.origin import JobPythonOrigin
from dagster._grpc.impl import core_execute_run
from dagster._serdes import ConfigurableClass, ConfigurableClassData
from dagster._utils.hosted_user_process import recon_job_from_origin
from dagster._utils.interrupts import capture_interrupts

from ml_platform.execution.preload import library_modules

WORKER_TAG = ".dagster/ml_platform_worker"  # hidden in the UI
"""Process id and start time of a run's worker; the start time tells it from a later process with the same id."""


class WarmRunLauncher(RunLauncher, ConfigurableClass):
    """A process per run on this machine, started in a fraction of a second.

    Only libraries are imported before the fork: each worker imports the location's code afresh, so an edit counts for
    the next run. Any process of the instance can cancel a run or see that its worker has died, whoever launched it.
    """

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        self._inst_data = inst_data
        super().__init__()  # type: ignore[no-untyped-call]

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        return self._inst_data

    @classmethod
    def config_type(cls) -> Mapping[str, Any]:
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        return cls(inst_data=inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        run, origin = context.dagster_run, context.job_code_origin
        assert origin is not None, "every run of a code location has a code origin"
        self.warm_up()
        arguments = (self._instance.get_ref(), run.run_id, origin)
        worker = multiprocessing.get_context("forkserver").Process(target=work, args=arguments, name=run.run_id)
        worker.start()
        assert worker.pid is not None, "a started process has an id"
        self._instance.add_run_tags(run.run_id, worker_tag(worker.pid))

    def warm_up(self) -> None:
        """Have the process that workers are forked from; returns at once, and does nothing when it is there."""
        multiprocessing.get_context("forkserver").set_forkserver_preload(library_modules())
        ensure_running()

    def terminate(self, run_id: str) -> bool:
        """Interrupt the worker, which cancels its steps and then itself; False if it is gone."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished or not _is_alive(run):
            return False
        self._instance.report_run_canceling(run)
        os.kill(_process_id(run), signal.SIGINT)
        return True

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the worker lives; run monitoring asks, and fails or retries the run of a dead one."""
        if WORKER_TAG not in run.tags:
            return CheckRunHealthResult(WorkerStatus.UNKNOWN)
        if _is_alive(run):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "Its process is gone.", transient=False)


def work(ref: InstanceRef, run_id: str, origin: JobPythonOrigin) -> None:
    """Execute the run to its end; every failure is in its log."""
    with capture_interrupts(), DagsterInstance.from_ref(ref) as instance:
        run = instance.get_run_by_id(run_id)
        assert run is not None, "the run was stored before it was launched"
        job: ReconstructableJob = recon_job_from_origin(origin)
        for _ in core_execute_run(job, run, instance, inject_env_vars=True):
            pass


def worker_tag(process_id: int) -> dict[str, str]:
    """The tag that says which process works on a run."""
    return {WORKER_TAG: _identity(process_id)}


def _identity(process_id: int) -> str:
    try:
        return f"{process_id} {psutil.Process(process_id).create_time()}"
    except psutil.NoSuchProcess:
        return f"{process_id} gone"


def _process_id(run: DagsterRun) -> int:
    return int(run.tags[WORKER_TAG].partition(" ")[0])


def _is_alive(run: DagsterRun) -> bool:
    identity = run.tags.get(WORKER_TAG, "")
    return bool(identity) and not identity.endswith("gone") and _identity(_process_id(run)) == identity
