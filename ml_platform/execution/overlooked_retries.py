"""Failed runs that are to be retried, and that Dagster's daemon passed by.

The daemon retries a run when it comes by the event of its failure, once. The event is there a moment before the status
of the run and the tag that asks for a retry; a daemon that comes by in that moment sees a run that has not failed, and
never looks at it again. Here it is sent back to look.
"""

import datetime as dt

from dagster import DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, BACKFILL_ID_TAG, WILL_RETRY_TAG
from dagster._daemon.auto_run_reexecution.event_log_consumer import EventLogConsumerDaemon

CURSOR = f"EVENT_LOG_CONSUMER_CURSOR-{DagsterEventType.RUN_FAILURE.value}"
"""Where the daemon keeps the id of the last failure that it came by."""
READER = EventLogConsumerDaemon.daemon_type()
_LOOKS_BACK = dt.timedelta(days=1)


def reconsider_overlooked(instance: DagsterInstance) -> None:
    """Send the daemon back to the first failure that it passed by; looking twice at the others changes nothing."""
    since = dt.datetime.now(dt.UTC) - _LOOKS_BACK
    to_retry = RunsFilter(statuses=[DagsterRunStatus.FAILURE], tags={WILL_RETRY_TAG: "true"}, updated_after=since)
    failures = [_failure_id(instance, run) for run in instance.get_runs(to_retry) if _is_waiting(instance, run)]
    cursor = instance.daemon_cursor_storage.get_cursor_values({CURSOR}).get(CURSOR)
    if failures and cursor and int(cursor) >= min(failures):
        instance.daemon_cursor_storage.set_cursor_values({CURSOR: str(min(failures) - 1)})


def _is_waiting(instance: DagsterInstance, run: DagsterRun) -> bool:
    """Whether a retry is still to come: there is none yet, and no backfill that is over forbids it."""
    if AUTO_RETRY_RUN_ID_TAG in run.tags:
        return False
    if BACKFILL_ID_TAG not in run.tags:
        return True
    backfill = instance.get_backfill(run.tags[BACKFILL_ID_TAG])
    return backfill is not None and backfill.status not in BULK_ACTION_TERMINAL_STATUSES


def _failure_id(instance: DagsterInstance, run: DagsterRun) -> int:
    found = instance.get_records_for_run(run.run_id, of_type=DagsterEventType.RUN_FAILURE, limit=1, ascending=False)
    return found.records[0].storage_id
