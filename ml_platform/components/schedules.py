"""Schedules by the clock of a use case: one partition a tick, at a local hour that every day has, stopped by default.

Of several ticks that the daemon was not there for, Dagster makes up for the last one alone; it then asks for the
partitions of the others too. Likewise for those that were not ready at their own tick.

Belongs here: which partitions a tick is for. Does not: what is done with them.
"""

import datetime as dt
from collections.abc import Callable

import dagster as dg
from dagster._core.storage.dagster_run import RunsFilter
from dagster._core.storage.tags import PARTITION_NAME_TAG, SCHEDULE_NAME_TAG

from ml_platform.components.automation_sensor import Job
from ml_platform.components.use_case import UseCase
from ml_platform.settings import environment_settings

Ready = Callable[[dg.ScheduleEvaluationContext, str], str]
"""Why a partition cannot be run yet; empty if it can."""

Due = Callable[[dg.ScheduleEvaluationContext], list[dg.RunRequest] | dg.SkipReason]
"""What a tick asks for."""

SUNDAYS_AT_FOUR = "0 4 * * 0"  # before four, clocks are changed: at three in eastern Europe
_AT_FIVE_ON_THE_FIRST = "0 5 1 * *"
_AT_SIX = "0 6 * * *"
_MOST_MISSED = 7  # partitions that one tick makes up for; what is older is for a person to ask for


def monthly(use_case: UseCase, job: Job, description: str, ready: Ready = lambda *_: "") -> dg.ScheduleDefinition:
    """`<job>_monthly`: on the first at five, the as-of month that begins with that day, if there is something to do."""
    return _schedule(
        f"{job.name}_monthly",
        use_case,
        job,
        _AT_FIVE_ON_THE_FIRST,
        lambda day: day,
        use_case.by_as_of_month,
        description,
        ready,
    )


def daily(
    use_case: UseCase, job: Job, days: dg.PartitionsDefinition, description: str, ready: Ready
) -> dg.ScheduleDefinition:
    """`<job>_daily`: at six, the day before, if it is ready."""
    return _schedule(f"{job.name}_daily", use_case, job, _AT_SIX, _day_before, days, description, ready)


def daily_request(use_case: UseCase, job: Job, description: str, due: Due) -> dg.ScheduleDefinition:
    """`<job>_daily`: at six, what is `due` then, which is not the partition of a day."""
    return _at(f"{job.name}_daily", use_case, job, _AT_SIX, description, due)


def _schedule(
    name: str,
    use_case: UseCase,
    job: Job,
    cron: str,
    partition_of: Callable[[dt.date], dt.date],
    partitions: dg.PartitionsDefinition,
    description: str,
    ready: Ready,
) -> dg.ScheduleDefinition:
    def due(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        key = str(partition_of(context.scheduled_execution_time.date()))
        if not partitions.has_partition_key(key):
            return dg.SkipReason(f"{key} is not in the calendar of {use_case.name}, {_calendar(use_case)}.")
        whys = {each: ready(context, each) for each in [*_missed(context.instance, name, partitions, key), key]}
        ready_ones = [dg.RunRequest(run_key=each, partition_key=each) for each, why in whys.items() if not why]
        return ready_ones or dg.SkipReason(whys[key])

    return _at(name, use_case, job, cron, description, due)


def _at(name: str, use_case: UseCase, job: Job, cron: str, description: str, due: Due) -> dg.ScheduleDefinition:
    is_on = "schedules" in environment_settings().sensors

    @dg.schedule(
        name=name,
        job=job,
        cron_schedule=cron,
        execution_timezone=use_case.timezone,
        description=description,
        default_status=dg.DefaultScheduleStatus.RUNNING if is_on else dg.DefaultScheduleStatus.STOPPED,
        required_resource_keys={"tables"},
        tags={"ml_platform/kind": "schedules"},
    )
    def evaluate(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        return due(context)

    return evaluate


def _missed(instance: dg.DagsterInstance, name: str, partitions: dg.PartitionsDefinition, key: str) -> list[str]:
    """The last few partitions between the one that the schedule asked for last and `key`; none if it never did."""
    last = next(iter(instance.get_runs(RunsFilter(tags={SCHEDULE_NAME_TAG: name}), limit=1)), None)
    if last is None:
        return []
    keys = partitions.get_partition_keys()
    return [each for each in keys if last.tags.get(PARTITION_NAME_TAG, key) < each < key][-_MOST_MISSED:]


def _day_before(day: dt.date) -> dt.date:
    return day - dt.timedelta(days=1)


def _calendar(use_case: UseCase) -> str:
    return f"which ended on {use_case.last_day}" if use_case.last_day else f"which began on {use_case.first_day}"
