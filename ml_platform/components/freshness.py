"""Freshness: until when a day's partition, a key's, or a table that is whole, is expected.

Belongs here: deadlines, in the use case's time zone. Does not: what is published (`storage`), or who is told when it is
late (`operations`).

Dagster's own policy shows in the UI that nothing at all was materialized for too long; it counts any partition. Which
day is late is told by `operations.health`, from the deadlines here.
"""

import datetime as dt
from typing import Annotated
from zoneinfo import ZoneInfo

import dagster as dg
from pydantic import Field

from ml_platform.components.use_case import UseCase

ONE_DAY = dt.timedelta(days=1)
LONGEST_DAY = dt.timedelta(hours=25)  # the one on which clocks are put back

FreshWithin = Annotated[
    float | None,
    Field(
        gt=0,
        description="Hours by the local clock after the end of a day until its partition has to be published; of a "
        "table by key, hours that each key may go without being ingested again; of one that is whole, without being "
        "looked at. Nothing is expected after the last day of a closed data set.",
    ),
]
"""Field of a table that says when it is late; None where nothing is expected of it."""


def due_at(use_case: UseCase, day: dt.date, fresh_within_hours: float) -> dt.datetime:
    """UTC instant of the deadline of a day: the same time of the local clock whether clocks were put on or back."""
    local = dt.datetime.combine(day + ONE_DAY, dt.time()) + dt.timedelta(hours=fresh_within_hours)
    return local.replace(tzinfo=ZoneInfo(use_case.timezone)).astimezone(dt.UTC)


def newest_due(use_case: UseCase, fresh_within_hours: float, now: dt.datetime) -> dt.date | None:
    """The last day whose deadline has passed; None before the first, and once a closed data set is complete."""
    if is_closed(use_case, fresh_within_hours, now):
        return None
    day = now.astimezone(ZoneInfo(use_case.timezone)).date()
    while due_at(use_case, day, fresh_within_hours) > now:
        day -= ONE_DAY
    return day if day >= use_case.first_day else None


def is_closed(use_case: UseCase, fresh_within_hours: float, now: dt.datetime) -> bool:
    """Whether the deadline of the last day of a closed data set has passed: nothing new is expected of it."""
    return use_case.last_day is not None and due_at(use_case, use_case.last_day, fresh_within_hours) <= now


def freshness_policy(
    use_case: UseCase, fresh_within_hours: float | None, *, is_daily: bool
) -> dg.FreshnessPolicy | None:
    """What Dagster shows: the longest that a table which is never late goes without a materialization."""
    if fresh_within_hours is None or use_case.last_day is not None:
        return None
    within = dt.timedelta(hours=fresh_within_hours)
    return dg.FreshnessPolicy.time_window(fail_window=within + LONGEST_DAY if is_daily else within)
