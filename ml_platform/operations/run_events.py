"""Runs that ended, and what they say: read from Dagster's history, page by page.

Belongs here: reading events. Does not: what follows from them.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

ENDS = {dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_SUCCESS}
PAGE = 1000


class Ended(NamedTuple):
    """One run that succeeded or failed; `event` is its number in the history."""

    event: int
    run: dg.DagsterRun
    is_failure: bool
    message: str
    at: datetime


def ended_since(instance: dg.DagsterInstance, event: int, limit: int) -> tuple[list[Ended], int]:
    """At most `limit` ends of runs after `event`, in order, and the number of the last one that was looked at."""
    found = instance.event_log_storage.get_logs_for_all_runs_by_log_id(
        after_cursor=event, dagster_event_type=ENDS, limit=limit
    )
    if not found:
        return [], event
    wanted = dg.RunsFilter(run_ids=sorted({entry.run_id for entry in found.values()}))
    runs = {record.dagster_run.run_id: record.dagster_run for record in instance.get_run_records(wanted)}
    ended = [
        Ended(
            number,
            runs[entry.run_id],
            entry.dagster_event_type is dg.DagsterEventType.RUN_FAILURE,
            (entry.dagster_event.message if entry.dagster_event else "") or "",
            datetime.fromtimestamp(entry.timestamp, UTC),
        )
        for number, entry in sorted(found.items())
        if entry.run_id in runs
    ]
    return ended, max(found)


def newest_event(instance: dg.DagsterInstance) -> int:
    """The number of the newest event in the history; 0 if it is empty."""
    return instance.event_log_storage.get_maximum_record_id() or 0


def events_of(instance: dg.DagsterInstance, run_id: str, of_type: dg.DagsterEventType) -> Iterator[dg.EventLogRecord]:
    """All events of one type of one run, in order."""
    cursor = None
    while True:
        page = instance.get_records_for_run(run_id, cursor=cursor, of_type=of_type, limit=PAGE)
        yield from page.records
        if not page.has_more:
            return
        cursor = page.cursor


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
