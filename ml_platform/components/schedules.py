"""Schedules by the clock of a use case: one partition a tick, at a local hour that every day has, stopped by default.

Belongs here: which partition a tick is for. Does not: what is done with it.
"""

import datetime as dt
from collections.abc import Callable

import dagster as dg

from ml_platform.components.automation_sensor import Job
from ml_platform.components.use_case import UseCase
from ml_platform.settings import Settings

Ready = Callable[[dg.ScheduleEvaluationContext, str], str]
"""Why a partition cannot be run yet; empty if it can."""

_AT_FIVE_ON_THE_FIRST = "0 5 1 * *"
_AT_SIX = "0 6 * * *"


def monthly(use_case: UseCase, job: Job, description: str) -> dg.ScheduleDefinition:
    """`<job>_monthly`: on the first at five, the as-of month that begins with that day."""
    return _schedule(
        f"{job.name}_monthly",
        use_case,
        job,
        _AT_FIVE_ON_THE_FIRST,
        lambda day: day,
        use_case.by_as_of_month,
        description,
    )


def daily(
    use_case: UseCase, job: Job, days: dg.PartitionsDefinition, description: str, ready: Ready
) -> dg.ScheduleDefinition:
    """`<job>_daily`: at six, the day before, if it is ready."""
    return _schedule(f"{job.name}_daily", use_case, job, _AT_SIX, _day_before, days, description, ready)


def _schedule(
    name: str,
    use_case: UseCase,
    job: Job,
    cron: str,
    partition_of: Callable[[dt.date], dt.date],
    partitions: dg.PartitionsDefinition,
    description: str,
    ready: Ready = lambda *_: "",
) -> dg.ScheduleDefinition:
    is_on = "schedules" in Settings().sensors

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
    def evaluate(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        key = str(partition_of(context.scheduled_execution_time.date()))
        if not partitions.has_partition_key(key):
            return dg.SkipReason(f"{key} is not in the calendar of {use_case.name}, {_calendar(use_case)}.")
        if why := ready(context, key):
            return dg.SkipReason(why)
        return dg.RunRequest(run_key=key, partition_key=key)

    return evaluate


def _day_before(day: dt.date) -> dt.date:
    return day - dt.timedelta(days=1)


def _calendar(use_case: UseCase) -> str:
    return f"which ended on {use_case.last_day}" if use_case.last_day else f"which began on {use_case.first_day}"
