"""Runs that ended, and what they say: read from Dagster's history.

Belongs here: reading events. Does not: what follows from them.
"""

import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import dagster as dg
from dagster._core.event_api import RunStatusChangeEventType, RunStatusChangeRecordsFilter
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from ml_platform.execution.run_log import events_of

ENDS: tuple[RunStatusChangeEventType, ...] = (dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_SUCCESS)


class Ended(NamedTuple):
    """One run that succeeded or failed; `event` is its number in the history."""

    event: int
    run: dg.DagsterRun
    is_failure: bool
    message: str
    at: datetime


def ended_since(instance: dg.DagsterInstance, event: int, limit: int) -> tuple[list[Ended], int]:
    """Ends of runs after `event`, in order, and the number of the last one that was looked at.

    At most `limit` of each sort are read; of what is past the last of a full page, the next look tells.
    """
    pages = [_page(instance, sort, event, limit) for sort in ENDS]
    horizon = min((page[-1].storage_id for page in pages if len(page) == limit), default=sys.maxsize)
    found = sorted((each for page in pages for each in page if each.storage_id <= horizon), key=lambda e: e.storage_id)
    if not found:
        return [], event
    wanted = dg.RunsFilter(run_ids=sorted({each.run_id for each in found}))
    runs = {record.dagster_run.run_id: record.dagster_run for record in instance.get_run_records(wanted)}
    ended = [
        Ended(
            each.storage_id,
            runs[each.run_id],
            each.event_type is dg.DagsterEventType.RUN_FAILURE,
            each.event_log_entry.message,
            datetime.fromtimestamp(each.timestamp, UTC),
        )
        for each in found
        if each.run_id in runs
    ]
    return ended, found[-1].storage_id


def _page(
    instance: dg.DagsterInstance, sort: RunStatusChangeEventType, event: int, limit: int
) -> Sequence[dg.EventLogRecord]:
    after = RunStatusChangeRecordsFilter(event_type=sort, after_storage_id=event)
    return instance.fetch_run_status_changes(after, limit=limit, ascending=True).records


def newest_event(instance: dg.DagsterInstance) -> int:
    """The number of the newest event in the history; 0 if it is empty."""
    return instance.event_log_storage.get_maximum_record_id() or 0


def asset_events(
    instance: dg.DagsterInstance, run_id: str, of_type: dg.DagsterEventType
) -> Iterator[tuple[str, dg.AssetKey, str]]:
    """Step, asset and partition of each such event of the run; the partition is empty where there is none."""
    for record in events_of(instance, run_id, of_type):
        event = record.event_log_entry.dagster_event
        if event is None or event.asset_key is None:
            continue
        subset = event.partitions_subset
        for partition in subset.get_partition_keys() if subset else (event.partition or "",):
            yield event.step_key or "", event.asset_key, partition


def run_partition(run: dg.DagsterRun) -> str:
    """The partition of a run, or the two ends of its range; empty if it has none."""
    first, last = run.tags.get(ASSET_PARTITION_RANGE_START_TAG), run.tags.get(ASSET_PARTITION_RANGE_END_TAG)
    if first and last:
        return first if first == last else f"{first} to {last}"
    return run.tags.get(PARTITION_NAME_TAG, "")


def pipeline_of(run: dg.DagsterRun) -> str:
    """The code location that the run belongs to."""
    origin = run.remote_job_origin
    return origin.repository_origin.code_location_origin.location_name if origin else ""
