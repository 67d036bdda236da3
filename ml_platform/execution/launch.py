"""Runs started from our own command line: recorded in the instance like any other, executed in this process or queued.

Belongs here: creating such a run so that the UI knows its location, executing it, and telling what failed. Does not:
what is run, or how progress is shown.
"""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import dagster as dg
from dagster._core.definitions.assets.job.asset_job import IMPLICIT_ASSET_JOB_NAME
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.definitions.reconstruct import ReconstructableJob, ReconstructableRepository
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.errors import (
    DagsterInvalidConfigError,
    DagsterInvalidSubsetError,
    DagsterUnknownPartitionError,
)
from dagster._core.execution.api import execute_run_iterator
from dagster._core.execution.plan.objects import ErrorSource
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.storage.dagster_run import DagsterRun, DagsterRunStatus
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.utils import make_new_run_id
from dagster._utils.interrupts import capture_interrupts

from ml_platform.errors import PlatformError, RunCanceledError, RunFailedError, RunRequestError
from ml_platform.execution.launcher import worker_tag
from ml_platform.execution.pools import free_slots_of_the_dead
from ml_platform.settings import PROJECT_ROOT

UI_URL = "http://localhost:3000"
ALL_ASSETS_JOB = IMPLICIT_ASSET_JOB_NAME
"""Dagster's implicit job of a location, from which any selection of assets can be materialized."""

OnEvent = Callable[[dg.DagsterEvent], None]


class CodeLocation(NamedTuple):
    """One entry of workspace.yaml."""

    name: str
    module: str
    attribute: str = "defs"


class PartitionRange(NamedTuple):
    """Partition keys from `first` to `last`, both included, done in a single run."""

    first: str
    last: str


QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Configuration of a run whose events are in the instance, and not printed as well."""


class RunRequest(NamedTuple):
    """One run: which job or assets of a location, over which partitions."""

    location: CodeLocation
    job_name: str = ALL_ASSETS_JOB
    assets: Sequence[dg.AssetKey] = ()
    partitions: str | PartitionRange | None = None
    config: Mapping[str, object] = {}
    tags: Mapping[str, str] = {}


def platform_location(name: str) -> CodeLocation:
    """One of the platform's own locations: data, training, serving or operations."""
    return CodeLocation(name, f"ml_platform.{name}.definitions")


def run_job(instance: dg.DagsterInstance, request: RunRequest, on_event: OnEvent = lambda _: None) -> DagsterRun:
    """The finished run, having been executed in this process; `on_event` sees each event as it is logged.

    Ctrl-C cancels the run and its steps, and records it as canceled.

    Raises:
        RunRequestError: no such job, asset, partition or config field. Nothing was recorded.
        RunFailedError: a step failed. The run is in the UI.
        RunCanceledError: the run was canceled.
    """
    job = _reconstructable(request)
    free_slots_of_the_dead(instance)
    run = _create_run(instance, request, job, works_here=True)
    failures = _execute(instance, run, job, on_event)
    finished = instance.get_run_by_id(run.run_id) or run
    if finished.status is DagsterRunStatus.CANCELED:
        raise _canceled(run)
    if finished.status is not DagsterRunStatus.SUCCESS:
        raise _failed(finished, failures)
    return finished


def queue_job(instance: dg.DagsterInstance, request: RunRequest) -> DagsterRun:
    """The run, queued: the daemon launches it, and goes on with it if its worker is lost.

    Raises:
        RunRequestError: no such job, asset, partition or config field. Nothing was recorded.
    """
    run = _create_run(instance, request, _reconstructable(request))
    instance.report_dagster_event(dg.DagsterEvent.job_enqueue(run), run.run_id)
    return run


def _execute(
    instance: dg.DagsterInstance, run: DagsterRun, job: ReconstructableJob, on_event: OnEvent
) -> list[dg.DagsterEvent]:
    """Execute the run to its end; the events that tell of a failure.

    Dagster takes an interruption for a failure, and alerts, unless the run was told before that it is being canceled.
    """
    failures: list[dg.DagsterEvent] = []
    is_interrupted = False
    with capture_interrupts():
        for event in execute_run_iterator(job, run, instance):
            if not is_interrupted and _tells_of_an_interruption(event):
                is_interrupted = True
                instance.report_run_canceling(run, "Interrupted on the command line.")
            if event.is_step_failure or event.is_failure or event.is_step_up_for_retry or _tells_of_a_crash(event):
                failures.append(event)
            on_event(event)
    return failures


def _tells_of_an_interruption(event: dg.DagsterEvent) -> bool:
    if event.is_step_failure:
        return event.step_failure_data.error_source is ErrorSource.INTERRUPT
    return event.is_engine_event and "steps_interrupted" in event.engine_event_data.metadata


def _tells_of_a_crash(event: dg.DagsterEvent) -> bool:
    """Whether the process of a step ended without an answer; the step's failure, which follows, does not say how."""
    return event.is_engine_event and event.step_key is not None and event.engine_event_data.error is not None


def run_url(run_id: str) -> str:
    """Where the UI of `make dev` shows the run."""
    return f"{UI_URL}/runs/{run_id}"


def _reconstructable(request: RunRequest) -> ReconstructableJob:
    """The job by its module and name, which step processes load again by themselves."""
    location = request.location
    repository = ReconstructableRepository.for_module(location.module, location.attribute, str(PROJECT_ROOT))
    definition = repository.get_definition()
    if not definition.has_job(request.job_name):
        raise RunRequestError(
            f"Location '{location.name}' has no job '{request.job_name}'.",
            expected=f"one of {', '.join(sorted(name for name in definition.job_names if not name.startswith('__')))}",
        )
    return repository.get_reconstructable_job(request.job_name)


def _create_run(
    instance: dg.DagsterInstance, request: RunRequest, job: ReconstructableJob, *, works_here: bool = False
) -> DagsterRun:
    definition, run_id = job.get_definition(), make_new_run_id()
    try:
        tags = {**definition.run_tags, **_partition_tags(instance, request, definition), **request.tags}
        if works_here:
            tags |= worker_tag(run_id, os.getpid())
        return instance.create_run_for_job(
            definition,
            run_id=run_id,
            run_config=dict(request.config),
            tags=tags,
            asset_selection=set(request.assets) or None,
            remote_job_origin=_origin(request),
            job_code_origin=job.get_python_origin(),
        )
    except (DagsterInvalidSubsetError, DagsterInvalidConfigError, DagsterUnknownPartitionError) as error:
        raise RunRequestError(
            f"Location '{request.location.name}' cannot run {_wanted(request)}: {error}", kept="No run was recorded."
        ) from error


def _partition_tags(
    instance: dg.DagsterInstance, request: RunRequest, definition: dg.JobDefinition
) -> Mapping[str, str]:
    """The tags with which Dagster's own backfills say what a run covers."""
    assets = list(request.assets) or None
    if request.partitions is None:
        return {}
    keys = [request.partitions] if isinstance(request.partitions, str) else list(request.partitions)
    with partition_loading_context(dynamic_partitions_store=instance) as context:
        for key in keys:
            definition.validate_partition_key(key, assets, context)
    if isinstance(request.partitions, str):
        return definition.get_tags_for_partition_key(request.partitions, assets)
    return {
        ASSET_PARTITION_RANGE_START_TAG: request.partitions.first,
        ASSET_PARTITION_RANGE_END_TAG: request.partitions.last,
    }


def _origin(request: RunRequest) -> RemoteJobOrigin:
    """Which location of the workspace the run belongs to; the UI and run retries go by the names in it."""
    target = LoadableTargetOrigin(module_name=request.location.module, attribute=request.location.attribute)
    location = ManagedGrpcPythonEnvCodeLocationOrigin(target, location_name=request.location.name)
    return RemoteJobOrigin(RemoteRepositoryOrigin(location, SINGLETON_REPOSITORY_NAME), request.job_name)


def _wanted(request: RunRequest) -> str:
    what = ", ".join(key.to_user_string() for key in request.assets) or request.job_name
    match request.partitions:
        case None:
            return what
        case PartitionRange(first, last):
            return f"{what} from {first} to {last}"
        case key:
            return f"{what} for {key}"


def _failed(run: DagsterRun, failures: Sequence[dg.DagsterEvent]) -> RunFailedError:
    crashes = {event.step_key: event.message for event in failures if _tells_of_a_crash(event)}
    steps = [event for event in failures if event.is_step_failure]
    retries = Counter(event.step_key for event in failures if event.is_step_up_for_retry)
    reasons = [
        f"{event.step_key}: {_tried(crashes.get(event.step_key) or _reason(event), 1 + retries[event.step_key])}"
        for event in steps
    ]
    reasons = reasons or [event.message or "" for event in failures if not event.is_step_up_for_retry]
    return RunFailedError(
        f"Run {run.run_id} of {run.job_name} failed: {'; '.join(reasons)}",
        kept="What its other steps published stands.",
        remedy=f"See {run_url(run.run_id)}, where it can be run again from the failure.",
    )


def _tried(reason: str, attempts: int) -> str:
    """The reason, and how often the step was tried if that was more than once."""
    if attempts == 1:
        return reason
    return f"{reason}{'' if reason.endswith('.') else '.'} Tried {attempts} times"


def _reason(event: dg.DagsterEvent) -> str:
    """The message of the error that the step's own code raised, without Dagster's wrapping around it.

    The platform's own errors are told without their class, which says nothing that their message does not.
    """
    error = event.step_failure_data.error
    while error and error.cause and (error.cls_name or "").startswith("Dagster"):
        error = error.cause
    if error is None:
        return event.message or ""
    return error.message.strip().removeprefix(f"{PlatformError.__module__}.{error.cls_name}: ")


def _canceled(run: DagsterRun) -> RunCanceledError:
    return RunCanceledError(
        f"Run {run.run_id} of {run.job_name} was canceled.",
        kept="What its finished steps published stands.",
        remedy=f"See {run_url(run.run_id)}, or start it again.",
    )
