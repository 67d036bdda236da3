"""Run workers of the daemon, forked from a process that has already imported the libraries.

Belongs here: how a queued run gets its process, and how that process is found again. Does not: steps, which the
executor of a location starts.
"""

import multiprocessing
import os
import signal
from collections.abc import Mapping
from multiprocessing.forkserver import ensure_running
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Lock, Thread
from typing import Any, Self

import psutil
from dagster import DagsterInstance, DagsterRun
from dagster._core.definitions.reconstruct import ReconstructableJob
from dagster._core.errors import (
    DagsterCodeLocationLoadError,
    DagsterCodeLocationNotFoundError,
    DagsterUserCodeUnreachableError,
)
from dagster._core.events import JobFailureData, RunFailureReason
from dagster._core.instance.ref import InstanceRef
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, RunLauncher, WorkerStatus
from dagster._core.origin import JobPythonOrigin
from dagster._core.remote_representation.code_location import GrpcServerCodeLocation
from dagster._core.storage.dagster_run import DagsterRunStatus
from dagster._core.workspace.context import IWorkspaceProcessContext
from dagster._grpc.impl import core_execute_run
from dagster._serdes import ConfigurableClass, ConfigurableClassData
from dagster._utils.hosted_user_process import recon_job_from_origin
from dagster._utils.interrupts import capture_interrupts

from ml_platform.execution.preload import library_modules

WORKER_TAG = ".dagster/ml_platform_worker"  # hidden in the UI
"""A run, the process id of its worker, and what tells that process from a later one with the same id."""


class WarmRunLauncher(RunLauncher, ConfigurableClass):
    """A process per run on this machine, started in a fraction of a second.

    Only libraries are imported before the fork: each worker imports the location's code afresh, so an edit counts for
    the next run. Any process of the instance can cancel a run or see that its worker has died, whoever launched it.
    """

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        self._inst_data = inst_data
        self._workspace: IWorkspaceProcessContext[Any] | None = None
        self._watched: set[str] = set()
        self._one_at_a_time = Lock()
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
        """Start a worker, which says by itself that it is the run's, and watch it for as long as this process lives."""
        run, origin = context.dagster_run, context.job_code_origin
        assert origin is not None, "every run of a code location has a code origin"
        self.warm_up()
        arguments = (self._instance.get_ref(), run.run_id, origin)
        worker = multiprocessing.get_context("forkserver").Process(target=work, args=arguments, name=run.run_id)
        worker.start()
        self._workspace = context.workspace.process_context if context.workspace else None
        self._watched.add(run.run_id)
        Thread(target=self._watch, args=(run.run_id, worker), name=f"watch-{run.run_id}", daemon=True).start()

    def warm_up(self) -> None:
        """Have the process that workers are forked from; returns at once, and does nothing when it is there."""
        multiprocessing.get_context("forkserver").set_forkserver_preload(library_modules())
        ensure_running()

    def terminate(self, run_id: str) -> bool:
        """Interrupt the worker, which cancels its steps and then itself; False if it is gone."""
        run = self._instance.get_run_by_id(run_id)
        worker = None if run is None or run.is_finished else worker_process(run)
        if run is None or worker is None:
            return False
        self._instance.report_run_canceling(run)
        os.kill(worker, signal.SIGINT)
        return True

    def end_worker(self, run: DagsterRun) -> None:
        """Kill the worker of a run that is over for everyone else: one that hangs, or that started too late."""
        worker = worker_process(run)
        if worker is not None and worker != os.getpid():
            os.kill(worker, signal.SIGKILL)

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the worker lives; run monitoring asks, and fails or retries the run of a dead one.

        One that this process watches is told of by its watcher, who knows how it died.
        """
        if worker_process(run) is not None or run.run_id in self._watched:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        self._have_code_server(run)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "Its process is gone.", transient=False)

    def _watch(self, run_id: str, worker: BaseProcess) -> None:
        """Tell at once of a worker that leaves its run unfinished; run monitoring sees those that nobody watches."""
        try:
            worker.join()
            run = self._instance.get_run_by_id(run_id)
            if run and not run.is_finished and worker_process(run) is None:
                self._have_code_server(run)
                self._tell_end(run, worker)
        finally:
            self._watched.discard(run_id)

    def _tell_end(self, run: DagsterRun, worker: BaseProcess) -> None:
        what = f"The worker of the run, process {worker.pid}, {_ending(worker.exitcode)} before the run was over."
        if run.status is DagsterRunStatus.CANCELING:
            self._instance.report_run_canceled(run, what)
        else:
            reason = JobFailureData(error=None, failure_reason=RunFailureReason.UNEXPECTED_TERMINATION)
            self._instance.report_run_failed(run, what, reason)
        self._instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)

    def _have_code_server(self, run: DagsterRun) -> None:
        """Start the run's code server again if it died too, before the run fails: Dagster tries once to retry it."""
        workspace, origin = self._workspace, run.remote_job_origin
        if workspace is None or origin is None:
            return
        with self._one_at_a_time:
            try:
                location = workspace.create_request_context().get_code_location(origin.location_name)
                if isinstance(location, GrpcServerCodeLocation):
                    location.client.ping("")
            except DagsterCodeLocationNotFoundError:
                return
            except (DagsterCodeLocationLoadError, DagsterUserCodeUnreachableError):
                workspace.reload_code_location(origin.location_name)


def work(ref: InstanceRef, run_id: str, origin: JobPythonOrigin) -> None:
    """Execute the run to its end; every failure is in its log."""
    with capture_interrupts(), DagsterInstance.from_ref(ref) as instance:
        instance.add_run_tags(run_id, worker_tag(run_id, os.getpid()))
        run = instance.get_run_by_id(run_id)
        assert run is not None, "the run was stored before it was launched"
        job: ReconstructableJob = recon_job_from_origin(origin)
        for _ in core_execute_run(job, run, instance, inject_env_vars=True):
            pass


def worker_tag(run_id: str, process_id: int) -> dict[str, str]:
    """The tag that says which process works on a run; a retry that inherits it is not mistaken for having a worker."""
    return {WORKER_TAG: f"{run_id} {process_id} {_life(process_id)}"}


def worker_process(run: DagsterRun) -> int | None:
    """Id of the process that works on the run, as long as it lives."""
    run_id, _, rest = run.tags.get(WORKER_TAG, "").partition(" ")
    process_id, _, life = rest.partition(" ")
    return int(process_id) if run_id == run.run_id and life and life == _life(int(process_id)) else None


def _life(process_id: int) -> str:
    """What tells the process that has this id now from any other that had it or will; empty if none works by it.

    Clocks are set while processes run, so on Linux it is the boot and the ticks from it to the start of the process.
    """
    try:
        process = psutil.Process(process_id)
        if process.status() == psutil.STATUS_ZOMBIE:
            return ""
        boot, stat = Path("/proc/sys/kernel/random/boot_id"), Path(f"/proc/{process_id}/stat")
        if not boot.exists():
            return str(process.create_time())
        return f"{boot.read_text().strip()} {stat.read_text().rpartition(')')[2].split()[19]}"
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return ""


def _ending(exit_code: int | None) -> str:
    if exit_code is None or exit_code >= 0:
        return f"ended with exit code {exit_code}"
    return f"was killed by {signal.Signals(-exit_code).name}" + (
        ", perhaps because memory ran out," if -exit_code == signal.SIGKILL else ""
    )
