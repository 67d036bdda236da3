"""What Dagster's history tells: who made a partition, from which versions, and which checks it passed.

Belongs here: reading runs and events through the instance, each once. Does not: what tables hold (`trace_tables`).
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import dagster as dg
from dagster import DagsterInstance
from dagster._core.definitions.data_version import CODE_VERSION_TAG, DATA_VERSION_TAG
from dagster._core.events import DagsterEventType

from ml_platform.execution.run_log import events_of
from ml_platform.provenance.trace import Check, Run
from ml_platform.storage.batches import UNPARTITIONED
from ml_platform.storage.partition_events import DEGRADED_TAG

COMMIT_TAG = "ml_platform/git_commit"
_PAGE = 1000


class Made(NamedTuple):
    """One materialization of one partition."""

    run_id: str
    asset: str
    partition: str
    at: dt.datetime
    metadata: Mapping[str, Any]
    tags: Mapping[str, str]

    @property
    def read_versions(self) -> dict[str, int]:
        """Version by table, of the tables that the step read."""
        return {str(table): int(version) for table, version in (self.metadata.get("read_versions") or {}).items()}

    @property
    def code_version(self) -> str | None:
        """Version of the code; None where the asset declares none, and Dagster puts the run's id in its place."""
        version = self.tags.get(CODE_VERSION_TAG)
        return None if version == self.run_id else version

    @property
    def data_version(self) -> str | None:
        """Version of the content."""
        return self.tags.get(DATA_VERSION_TAG)

    @property
    def degraded(self) -> str | None:
        """Why the result is degraded, None if it is not; a tag is short, so metadata of the same name says more."""
        reason = self.metadata.get(DEGRADED_TAG) or self.tags.get(DEGRADED_TAG)
        return None if reason is None else str(reason)


class RunHistory:
    """Runs and events of an instance."""

    def __init__(self, instance: DagsterInstance) -> None:
        """Read from `instance`."""
        self._instance = instance
        self.run = cache(self._run)
        self._checks_of_run = cache(self._checks)

    def made(self, asset: str, keys: Sequence[str]) -> list[Made]:
        """Materializations of the partitions `keys` of `asset`, newest first; one query for all of them."""
        partitions = None if list(keys) == [UNPARTITIONED] else list(keys)
        wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset.split("/")), asset_partitions=partitions)
        found: list[Made] = []
        cursor = None
        while True:
            page = self._instance.fetch_materializations(wanted, limit=_PAGE, cursor=cursor)
            found.extend(made_of(record) for record in page.records)
            if not page.has_more:
                return found
            cursor = page.cursor

    def checks(self, run_id: str, asset: str) -> tuple[Check, ...]:
        """The checks of `asset` that the run executed."""
        return tuple(check for name, check in self._checks_of_run(run_id) if name == asset)

    def _run(self, run_id: str) -> Run | None:
        """The run; None if the history does not have it."""
        record = next(iter(self._instance.get_run_records(dg.RunsFilter(run_ids=[run_id]))), None)
        if record is None:
            return None
        run = record.dagster_run
        return Run(
            run_id=run_id,
            job=run.job_name,
            status=run.status.value,
            started_at=_instant(record.start_time),
            ended_at=_instant(record.end_time),
            commit=run.tags.get(COMMIT_TAG),
        )

    def _checks(self, run_id: str) -> list[tuple[str, Check]]:
        records = events_of(self._instance, run_id, DagsterEventType.ASSET_CHECK_EVALUATION)
        events = (record.event_log_entry.dagster_event for record in records)
        return [check_of(event.asset_check_evaluation_data) for event in events if event]


def made_of(record: dg.EventLogRecord) -> Made:
    """The materialization that a record of the event log tells of."""
    event = record.asset_materialization
    assert event is not None, "only materializations were asked for"
    metadata = {name: value.value for name, value in event.metadata.items()}
    partition = event.partition or UNPARTITIONED
    at = dt.datetime.fromtimestamp(record.timestamp, dt.UTC)
    return Made(record.run_id, "/".join(event.asset_key.path), partition, at, metadata, event.tags or {})


def check_of(evaluation: Any) -> tuple[str, Check]:
    """The asset that was checked, and the check."""
    values = {name: value.value for name, value in evaluation.metadata.items()}
    counts = {name: v for name, v in values.items() if isinstance(v, int) and not isinstance(v, bool)}
    check = Check(
        name=evaluation.check_name, passed=evaluation.passed, severity=evaluation.severity.value, counts=counts
    )
    return "/".join(evaluation.asset_key.path), check


def _instant(seconds: float | None) -> dt.datetime | None:
    return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC)
