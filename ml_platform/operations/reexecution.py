"""Runs that failed for good for a cause that may pass: whether one is to be executed again, and how that is asked for.

It is asked of Dagster's own daemon, by the tag with which it marks what it retries by itself: it makes that retry once,
from the failure, wherever it is killed, and goes on with a failure that it passed by (`execution.overlooked_retries`).
A backfill that was over with failures is opened again before, so that what hangs on the failed partitions follows.

A run that a content sensor asked for over several partitions is left to that sensor, which asks for its halves. What
stands alone it never asks for again, so that is re-executed here.

Belongs here: one failed run. Does not: when it is looked (`recovery_sensor`).
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import dagster as dg
from dagster._core.events import RunFailureReason
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.storage.dagster_run import DagsterRunStatus
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    AUTO_RETRY_RUN_ID_TAG,
    BACKFILL_ID_TAG,
    PARENT_RUN_ID_TAG,
    RUN_FAILURE_REASON_TAG,
    WILL_RETRY_TAG,
)

from ml_platform.components.automation_sensor import REQUEST_TAG
from ml_platform.errors import ErrorClass
from ml_platform.operations.backfills.starting import newest_of
from ml_platform.operations.failures import not_made
from ml_platform.operations.unfinished import open_attempts
from ml_platform.recovery.attempts import failed_steps
from ml_platform.settings import Settings
from ml_platform.storage.batches import UNPARTITIONED

RECOVERY_TAG = "ml_platform/recovery"
"""How often a run, or what it re-executes, was executed again for a cause that may pass."""
MOST_RECOVERIES = 3
GROWTH = 4.0
PASSING: frozenset[ErrorClass] = frozenset({"transient", "throttled", "resource"})
_LOST = {RunFailureReason.UNEXPECTED_TERMINATION.value, RunFailureReason.START_TIMEOUT.value, ""}
_GIVEN_UP = {BulkActionStatus.CANCELED: "canceled", BulkActionStatus.CANCELING: "canceled"}
_GIVEN_UP |= {BulkActionStatus.FAILED: "given up by the daemon", BulkActionStatus.FAILING: "given up by the daemon"}


class Verdict(NamedTuple):
    """What follows for one failed run: it is left as it is, looked at again later, or executed again; and why."""

    then: Literal["left", "waits", "due"]
    why: str = ""


def wait_seconds(run: dg.DagsterRun, settings: Settings) -> float:
    """How long after its failure a run is executed again: longer each time, up to a limit."""
    return min(settings.recovery_longest_seconds, settings.recovery_first_seconds * GROWTH ** recoveries(run))


def recoveries(run: dg.DagsterRun) -> int:
    """How often the run, or what it re-executes, was executed again here."""
    return int(run.tags.get(RECOVERY_TAG, "0"))


def verdict(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Verdict:
    """What follows for a run that failed, as things stand now."""
    said = run.tags.get(WILL_RETRY_TAG)
    if again := run.tags.get(AUTO_RETRY_RUN_ID_TAG) or _child(instance, run):
        return Verdict("left", f"it was re-executed as {again[:8]}")
    if run.status is not DagsterRunStatus.FAILURE:
        return Verdict("left", f"it is {run.status.value.lower()}")
    if why := _why_backfill_forbids(instance, run):
        return Verdict("left", why)
    if said == "true" or (said is None and instance.run_retries_enabled):
        return Verdict("waits", "the daemon is to retry it")
    reasons: Mapping[str, bool] = {
        "its sensor asks for it again in halves": _is_halved_by_its_sensor(run),
        f"it was executed again {MOST_RECOVERIES} times": recoveries(run) >= MOST_RECOVERIES,
    }
    why = next((why for why, holds in reasons.items() if holds), "") or _why_not_passing(instance, run)
    if not why and not _is_still_to_make(instance, run.run_id):
        why = "its partitions were made since, or another run is to make them"
    return Verdict("left", why) if why else Verdict("due")


def execute_again(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Have the daemon execute the run again from its failure; once, however often this is done."""
    instance.add_run_tags(run.run_id, {WILL_RETRY_TAG: "true", RECOVERY_TAG: str(recoveries(run) + 1)})
    reopen(instance, run)


def reopen(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Open the backfill of the run again if it was over with failures: the daemon retries no run of one that is."""
    backfill = _backfill(instance, run)
    if backfill and backfill.status is BulkActionStatus.COMPLETED_FAILED:
        instance.update_backfill(backfill._replace(status=BulkActionStatus.REQUESTED, backfill_end_timestamp=None))


def _child(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """The run that somebody re-executed it as."""
    found = instance.get_runs(dg.RunsFilter(tags={PARENT_RUN_ID_TAG: run.run_id}), limit=1)
    return found[0].run_id if found else ""


def _backfill(instance: dg.DagsterInstance, run: dg.DagsterRun) -> PartitionBackfill | None:
    backfill_id = run.tags.get(BACKFILL_ID_TAG)
    return instance.get_backfill(backfill_id) if backfill_id else None


def _why_backfill_forbids(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Why the run's backfill has it left alone; nothing if it does not, or there is none."""
    if BACKFILL_ID_TAG not in run.tags:
        return ""
    backfill = _backfill(instance, run)
    if backfill is None:
        return "its backfill was deleted"
    if backfill.status in _GIVEN_UP:
        return f"its backfill was {_GIVEN_UP[backfill.status]}"
    newest = newest_of(instance, backfill)
    return "" if newest is backfill else f"its backfill was resumed as {newest.backfill_id}"


def _is_halved_by_its_sensor(run: dg.DagsterRun) -> bool:
    first, last = run.tags.get(ASSET_PARTITION_RANGE_START_TAG), run.tags.get(ASSET_PARTITION_RANGE_END_TAG)
    return REQUEST_TAG in run.tags and first != last


def _why_not_passing(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Why its failure does not pass by itself; nothing if it may. Without a failed step, only a lost process passes."""
    steps = failed_steps(instance, run.run_id)
    lasting = sorted({each.error_class for each in steps} - PASSING)
    if lasting:
        return f"its failure is of class {', '.join(lasting)}"
    reason = run.tags.get(RUN_FAILURE_REASON_TAG, "")
    return "" if steps or reason in _LOST else f"it could not begin ({reason})"


def _is_still_to_make(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether its try at some partition is the last one, and the partition is not there; so it is without any asset."""
    left = not_made(instance, run_id)
    if not left:
        return True
    return any(
        run_id == tried.get(partition or UNPARTITIONED)
        for key, (_, partitions) in left.items()
        for tried in [open_attempts(instance, "/".join(key.path))]
        for partition in partitions
    )
