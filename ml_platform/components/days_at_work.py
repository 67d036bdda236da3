"""The days of a use case that runs are at work on, for whoever waits until a day is as it should be.

Belongs here: runs of the data location, seen from the others, which do not import it. Does not: who asked for them.
"""

from typing import NamedTuple

import dagster as dg
from dagster._core.storage.dagster_run import RunsFilter
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from ml_platform.components.automation_sensor import UNFINISHED
from ml_platform.components.changes import following_runs, has_open_backfill
from ml_platform.components.use_case import UseCase

_ALL_DAYS = ("", "~")  # before and after every day, as text


class DaysAtWork(NamedTuple):
    """The first and last day of each run that is not finished."""

    ranges: tuple[tuple[str, str], ...]

    def covers(self, day: str) -> bool:
        """Whether a run is at work on the day."""
        return any(first <= day <= last for first, last in self.ranges)

    def begins_before(self, day: str) -> bool:
        """Whether a run is at work on any earlier day."""
        return any(first < day for first, _ in self.ranges)


def days_at_work(instance: dg.DagsterInstance, use_case: UseCase) -> DaysAtWork:
    """What runs over landed days, and over what follows from changed tables, are at work on."""
    by_job = instance.get_runs(RunsFilter(job_name=f"build_{use_case.name}_days", statuses=UNFINISHED))
    ranges = [_ends(run) for run in (*by_job, *following_runs(instance, use_case))]
    if has_open_backfill(instance, use_case):
        ranges.append(_ALL_DAYS)
    return DaysAtWork(tuple(ranges))


def _ends(run: dg.DagsterRun) -> tuple[str, str]:
    one = run.tags.get(PARTITION_NAME_TAG)
    if one:
        return one, one
    ends = run.tags.get(ASSET_PARTITION_RANGE_START_TAG), run.tags.get(ASSET_PARTITION_RANGE_END_TAG)
    return (ends[0], ends[1]) if ends[0] and ends[1] else _ALL_DAYS
