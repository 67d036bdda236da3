"""Sensors that ask for runs where content has changed: Dagster's view of `automation`.

Belongs here: cursors, run requests and what became of the runs. Does not: which runs are due (`automation`).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.remote_origin import RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import InstigatorStatus, InstigatorTick
from dagster._core.storage.dagster_run import FINISHED_STATUSES, DagsterRunStatus, RunsFilter
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    SENSOR_NAME_TAG,
    WILL_RETRY_TAG,
)

from ml_platform.components.automation import Asked, Outcome, Paging, Progress, Wait, Wanted, decide
from ml_platform.settings import SensorKind, environment_settings
from ml_platform.storage.location import StorageLocation

REQUEST_TAG = "ml_platform/request"
"""Run tag that says which request of which sensor a run answers; a re-execution has it too."""

UNFINISHED = [status for status in DagsterRunStatus if status not in FINISHED_STATUSES]
_FAILED_LOOKED_AT = 20  # each tick looks whether a failed run was re-executed, for the first so many

Look = Callable[[dg.SensorEvaluationContext], Wanted | Wait]
Job = UnresolvedAssetJobDefinition | dg.JobDefinition


class Requests(NamedTuple):
    """How runs are requested.

    `order` gives the partitions of the calendar, or what stands for them where there are none; `is_partitioned` says
    which. `assets` gives the part of the job that a request is for, all of it if None. `after` gives the partitions
    whose run has to follow one over others that succeeded. `discovers` are partitions that what is wanted is added to
    where they lack it, behind those that are there.
    """

    order: Callable[[dg.DagsterInstance], Sequence[str]]
    is_partitioned: bool = True
    assets: Callable[[Asked], Sequence[dg.AssetKey] | None] = lambda _: None
    after: Callable[[dg.SensorEvaluationContext, Sequence[str]], Sequence[str]] = lambda *_: ()
    paging: Paging = Paging()
    discovers: dg.DynamicPartitionsDefinition | None = None


def over(partitions: dg.PartitionsDefinition) -> Requests:
    """Runs of the whole job over stretches of `partitions`."""
    return Requests(keys_in_order(partitions))


def keys_in_order(partitions: dg.PartitionsDefinition) -> Callable[[dg.DagsterInstance], Sequence[str]]:
    """What a range of `partitions` goes by: the calendar, or the order in which keys were added to the instance."""
    return lambda instance: partitions.get_partition_keys(dynamic_partitions_store=instance)


def content_sensor(
    name: str,
    look: Look,
    job: Job,
    kind: SensorKind,
    requests: Requests,
    *,
    description: str,
    needs: frozenset[str] = frozenset({"tables"}),
) -> dg.SensorDefinition:
    """A sensor that requests a run of `job` for each state that `look` finds; off unless settings name its `kind`."""

    @dg.sensor(
        name=name,
        job=job,
        description=description,
        minimum_interval_seconds=environment_settings().sensor_interval_seconds,
        default_status=default_status(kind),
        required_resource_keys=set(needs),
        tags={"ml_platform/kind": kind},
    )
    def evaluate(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        recover_cursor(context)
        wanted = look(context)
        if isinstance(wanted, Wait):
            return dg.SensorResult(skip_reason=wanted.why)
        progress = Progress.of_cursor(context.cursor)
        outcomes = outcomes_of(context.instance, name, progress)
        after = partial(requests.after, context)
        order = list(requests.order(context.instance))
        new = sorted(wanted.contents.keys() - set(order)) if requests.discovers else []
        added = [requests.discovers.build_add_request(new)] if requests.discovers and new else []
        decision = decide(progress, wanted, outcomes, [*order, *new], requests.paging, after)
        told = " ".join(decision.told)
        context.update_cursor(decision.progress.as_cursor())
        if not decision.requests:
            why = told or "Nothing has changed since the last request."
            return dg.SensorResult(skip_reason=why, dynamic_partitions_requests=added)
        if told:
            context.log.info(told)
        runs = [_run_request(name, asked, requests) for asked in decision.requests]
        return dg.SensorResult(runs, dynamic_partitions_requests=added)

    return evaluate


def recover_cursor(context: dg.SensorEvaluationContext) -> None:
    """Go on from the cursor that the tick before this had written down, if it was killed before Dagster kept it.

    It is the one that follows on the cursor that was kept; after a reset in the UI there is none such, except where the
    sensor had looked only once.
    """
    kept = Progress.of_cursor(context.cursor)
    for tick in _recent_ticks(context):
        if tick.cursor and Progress.of_cursor(tick.cursor).ticks == kept.ticks + 1:
            context.update_cursor(tick.cursor)
            return


def location_of(context: dg.SensorEvaluationContext | dg.ScheduleEvaluationContext) -> StorageLocation:
    """Where tables and objects are, for whoever looks."""
    location: StorageLocation = context.resources.tables.location
    return location


def seen_by(context: dg.SensorEvaluationContext) -> Mapping[str, str]:
    """The state of each partition that was asked for last, as `automation.short` tells it."""
    return Progress.of_cursor(context.cursor).seen


def default_status(kind: SensorKind) -> dg.DefaultSensorStatus:
    """Running if settings name the kind; who switches a sensor in the UI has the last word."""
    return dg.DefaultSensorStatus.RUNNING if kind in environment_settings().sensors else dg.DefaultSensorStatus.STOPPED


def is_on(instance: dg.DagsterInstance, sensor: str, kind: SensorKind) -> bool:
    """Whether a sensor of that kind is running."""
    states = instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
    switched = [state.status for state in states if state.instigator_name == sensor]
    if not switched or switched[0] is InstigatorStatus.DECLARED_IN_CODE:
        return default_status(kind) is dg.DefaultSensorStatus.RUNNING
    return switched[0] is InstigatorStatus.RUNNING


def outcomes_of(instance: dg.DagsterInstance, sensor: str, progress: Progress) -> dict[str, Outcome]:
    """What became of each open run, and of the first failed ones, by run key; the latest re-execution counts."""
    failed = [run for run in progress.runs if run.state == "failed"][:_FAILED_LOOKED_AT]
    asked = [*(run for run in progress.runs if run.state == "open"), *failed]
    return {run.key: _outcome(instance, _request_tags(sensor, run)) for run in asked}


def is_busy(instance: dg.DagsterInstance, job_name: str) -> bool:
    """Whether a run of the job is queued or running, whoever asked for it."""
    return bool(instance.get_runs(RunsFilter(job_name=job_name, statuses=UNFINISHED), limit=1))


def _recent_ticks(context: dg.SensorEvaluationContext) -> Sequence[InstigatorTick]:
    """The tick that is being made, and the one before it."""
    location, repository = context.code_location_origin, context.repository_name
    if location is None or repository is None:
        return ()  # evaluated by hand, not by a daemon
    origin = RemoteRepositoryOrigin(location, repository).get_instigator_origin(context.sensor_name)
    return context.instance.get_ticks(origin.get_id(), origin.get_selector().get_id(), limit=2)


def _outcome(instance: dg.DagsterInstance, tags: Mapping[str, str]) -> Outcome:
    run = next(iter(instance.get_runs(RunsFilter(tags=dict(tags)), limit=1)), None)
    if run is None or run.status is DagsterRunStatus.NOT_STARTED:
        return "lost"  # it was never made, or never launched; asking again with its key makes up for it
    if run.status is DagsterRunStatus.SUCCESS:
        return "succeeded"
    if run.status is DagsterRunStatus.CANCELED:
        return "canceled"
    if run.status is DagsterRunStatus.FAILURE and run.tags.get(WILL_RETRY_TAG) != "true":
        return "failed"
    return "running"


def _request_tags(sensor: str, asked: Asked) -> dict[str, str]:
    return {REQUEST_TAG: f"{sensor} {asked.key}"}


def _run_request(sensor: str, asked: Asked, requests: Requests) -> dg.RunRequest:
    tags = _request_tags(sensor, asked) | {SENSOR_NAME_TAG: sensor}
    partition: dict[str, Any] = {}
    if requests.is_partitioned and len(asked.partitions) == 1:
        partition["partition_key"] = asked.partitions[0]
    elif requests.is_partitioned:
        tags[ASSET_PARTITION_RANGE_START_TAG] = asked.partitions[0]
        tags[ASSET_PARTITION_RANGE_END_TAG] = asked.partitions[-1]
    assets = requests.assets(asked)
    return dg.RunRequest(run_key=asked.key, tags=tags, asset_selection=assets, **partition)
