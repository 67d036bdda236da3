"""Runs that ended, turned into alerts: those that failed for good, and checks that did not pass.

Belongs here: which end of a run is told, and when an alert about runs is over. Does not: what it says (`failures`).
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, WILL_RETRY_TAG

from ml_platform.execution.run_log import events_of
from ml_platform.operations.failures import JOB, Places, failures_of, owners_of
from ml_platform.operations.run_events import (
    Ended,
    asset_events,
    ended_since,
    pipeline_of,
    run_partition,
)
from ml_platform.recovery.alerts.alert import Alert
from ml_platform.recovery.alerts.center import Affected, AlertCenter, OpenAlert, PutOff
from ml_platform.settings import Settings
from ml_platform.storage.tables import TableStore

ENDS_PER_TICK = 200
UNDECIDED = timedelta(minutes=1)
"""How long Dagster may take to say of a failed run whether it is tried again."""
UNSTARTED = timedelta(minutes=10)
"""How long a retry that was promised may take to be there."""
CHECK = "check "


class Looked(NamedTuple):
    """One look at the history: the event to go on after, runs that ended, alerts raised, and alerts that are over."""

    event: int
    ended: int
    raised: int
    mended: int


class RunAlerts:
    """Raises and ends the alerts of one instance's runs."""

    def __init__(self, instance: dg.DagsterInstance, center: AlertCenter, settings: Settings) -> None:
        self._instance, self._center = instance, center
        self._places = Places(instance, TableStore.from_settings(settings), settings.dagster_url)

    def look(self, after_event: int) -> Looked:
        """Go through the runs that ended since, and those that were put off; saying a thing twice changes nothing."""
        raised = sum(self._decide_late(each) for each in self._center.put_off_runs())
        ended, newest = ended_since(self._instance, after_event, ENDS_PER_TICK)
        for end in ended:
            if end.is_failure:
                raised += self._decide(end)
            else:
                self._end_of_job(end.run)
            raised += self._checks(end)
        return Looked(newest, len(ended), raised, self._mend())

    def _decide(self, end: Ended) -> int:
        """Tell of a failure, unless it is tried again or that is not decided yet."""
        said = end.run.tags.get(WILL_RETRY_TAG)
        if said == "true" or (said is None and self._instance.run_retries_enabled):
            self._center.put_off(end.run.run_id, end.event)
            return 0
        return self._raise(end.run, end.event, end.message, end.at)

    def _decide_late(self, waiting: PutOff) -> int:
        """Tell of a failure that was put off if it is not tried again after all."""
        run = self._instance.get_run_by_id(waiting.run_id)
        said = run.tags.get(WILL_RETRY_TAG) if run else None
        waited = datetime.now(UTC) - waiting.since
        raised = 0
        if run is None or AUTO_RETRY_RUN_ID_TAG in run.tags:
            self._center.forget(waiting.run_id)
            return 0
        if said == "false" or waited > (UNSTARTED if said == "true" else UNDECIDED):
            late = "It was to be tried again, and no retry was started." if said == "true" else ""
            raised = self._raise(run, waiting.event, late, waiting.since)
            self._center.forget(waiting.run_id)
        return raised

    def _raise(self, run: dg.DagsterRun, event: int, message: str, at: datetime) -> int:
        failures = failures_of(self._places, run, event, message, at)
        for failure in failures:
            self._center.raise_alert(failure.alert, occurrence=run.run_id, affected=failure.affected)
        return len(failures)

    def _checks(self, end: Ended) -> int:
        """Tell of checks that say an error and did not pass; those of assets that failed anyway are told there."""
        last: dict[dg.AssetCheckKey, tuple[AssetCheckEvaluation, int, datetime]] = {}
        for record in events_of(self._instance, end.run.run_id, dg.DagsterEventType.ASSET_CHECK_EVALUATION):
            event = record.event_log_entry.dagster_event
            assert event is not None, "only events of Dagster were asked for"
            found, at = event.asset_check_evaluation_data, datetime.fromtimestamp(record.timestamp, UTC)
            last[found.asset_check_key] = (found, record.storage_id, at)
        raised = 0
        for key, (result, number, at) in last.items():
            partition = result.partition or run_partition(end.run)
            affected = Affected(f"{CHECK}{key.asset_key.to_user_string()}:{key.name}", partition, number)
            if result.passed:
                self._mend_where(affected, f"The check passed in run {end.run.run_id}.")
            elif result.severity is dg.AssetCheckSeverity.ERROR and self._is_published(end, key.asset_key):
                alert = self._check_alert(end.run, key, result.description or "", partition, at)
                self._center.raise_alert(alert, occurrence=end.run.run_id, affected=[affected])
                raised += 1
        return raised

    def _is_published(self, end: Ended, key: dg.AssetKey) -> bool:
        """Whether the run published the asset; what a failed run did not publish is told as its failure."""
        if not end.is_failure:
            return True
        return any(made == key for _, made, _ in asset_events(self._instance, end.run.run_id, _MATERIALIZED))

    def _check_alert(
        self, run: dg.DagsterRun, key: dg.AssetCheckKey, description: str, partition: str, at: datetime
    ) -> Alert:
        name, use_case = key.asset_key.to_user_string(), key.asset_key.path[0]
        about = f" for {partition}" if partition else ""
        return Alert(
            kind="check_failed",
            severity="error",
            use_case=use_case,
            pipeline=pipeline_of(run),
            subject=f"{name}: {key.name}",
            what=f"The check '{key.name}' of {name} did not pass{about}. {description}".strip(),
            since=at,
            served_meanwhile=f"What the check is about: {name} is published.",
            owners=owners_of(use_case),
            error_class="data",
            error=key.name,
            run_id=run.run_id,
            run_url=f"{self._places.dagster_url}/runs/{run.run_id}",
            remedy="Look at the check's metadata, correct what it tells of, and materialize it again; "
            "or end this alert with `ml-platform alerts resolve`.",
        )

    def _end_of_job(self, run: dg.DagsterRun) -> None:
        """A job without assets is mended by its next success, for the same partition if it has any."""
        self._mend_where(Affected(f"{JOB}{run.job_name}", run_partition(run)), f"Run {run.run_id} succeeded.")

    def _mend_where(self, affected: Affected, what: str) -> None:
        for each in self._open():
            same = [one for one in each.affected if one[:2] == affected[:2]]
            if same:
                self._center.mend(each.fingerprint, same, what)

    def _mend(self) -> int:
        """End the alerts about assets of which all that failed has been made since."""
        return sum(self._is_mended(each) for each in self._open())

    def _is_mended(self, open_alert: OpenAlert) -> bool:
        by_asset: dict[str, list[Affected]] = defaultdict(list)
        for each in open_alert.affected:
            if not each.thing.startswith((JOB, CHECK)):
                by_asset[each.thing].append(each)
        mended = [each for asset, affected in by_asset.items() for each in self._made_since(asset, affected)]
        if not mended:
            return False
        return self._center.mend(open_alert.fingerprint, mended, f"{_told(mended)} made again.")

    def _made_since(self, asset: str, affected: Sequence[Affected]) -> list[Affected]:
        key, partitions = dg.AssetKey.from_user_string(asset), {each.partition for each in affected}
        if partitions == {""}:
            found = self._instance.fetch_materializations(key, limit=1).records
            newest = {"": found[0].storage_id} if found else {}
        else:
            newest = dict(
                self._instance.event_log_storage.get_latest_storage_id_by_partition(key, _MATERIALIZED, partitions)
            )
        return [each for each in affected if newest.get(each.partition, -1) > each.after_event]

    def _open(self) -> list[OpenAlert]:
        return [each for each in self._center.open() if each.alert.kind in ("run_failed", "check_failed")]


_MATERIALIZED = dg.DagsterEventType.ASSET_MATERIALIZATION


def _told(mended: Sequence[Affected]) -> str:
    first = f"{mended[0].thing} {mended[0].partition}".strip()
    return f"{first} was" if len(mended) == 1 else f"{first} and {len(mended) - 1:,} more were"
