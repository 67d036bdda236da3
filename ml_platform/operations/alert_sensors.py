"""The sensors that raise and deliver alerts. They start no run, and run from the start.

Belongs here: when it is looked, and where a look ends. Does not: what is wrong (`run_alerts`, `state_alerts`).
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from ml_platform.components.drift_alarms import StandingAlarm
from ml_platform.components.sound import UseCases
from ml_platform.operations.health import Finding
from ml_platform.operations.model_health import alarm_of
from ml_platform.operations.run_alerts import ENDS_PER_TICK, RunAlerts
from ml_platform.operations.run_events import newest_event
from ml_platform.operations.settling import settle
from ml_platform.operations.state_alerts import (
    broken_alerts,
    degraded_alerts,
    drift_alerts,
    late_alerts,
    tracking_alerts,
)
from ml_platform.operations.table_health import Published, late
from ml_platform.provenance.catalog import SERVED, Catalog
from ml_platform.recovery.alerts.center import AlertCenter
from ml_platform.recovery.degradation import Degradations
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform.tracking.journal import Journal

NONE: UseCases[Catalog] = UseCases(())
STATES_EVERY = 4
"""States are looked at so many times less often than runs: nobody publishes a run's length in between."""


def alert_sensors(settings: Settings, use_cases: UseCases[Catalog] = NONE) -> list[dg.SensorDefinition]:
    """Three sensors: on ends of runs, on states of the `use_cases`, and for delivery."""
    return [_on_runs(settings), _on_states(settings, use_cases), _deliver(settings)]


def _on_runs(settings: Settings) -> dg.SensorDefinition:
    @dg.sensor(
        name="alert_on_ended_runs",
        minimum_interval_seconds=settings.alert_interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Raises an alert for each run of any location that failed for good and each check that did not "
        "pass, and ends it once what failed has been made.",
    )
    def look(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        if context.cursor is None:
            context.update_cursor(str(newest_event(context.instance)))
            return dg.SkipReason("Begins now; runs that ended before are in `ml-platform status`.")
        center = AlertCenter(settings)
        looked = RunAlerts(context.instance, center, settings).look(int(context.cursor))
        context.update_cursor(str(looked.event))
        more = ", and there are more" if looked.ended >= ENDS_PER_TICK else ""
        said = f"{looked.ended or 'No'} runs ended{more}; {looked.raised} failures told, {looked.mended} alerts over."
        return dg.SkipReason(said + _delivered(center, is_due=bool(looked.raised or looked.mended)))

    return look


def _on_states(settings: Settings, use_cases: UseCases[Catalog]) -> dg.SensorDefinition:
    catalogs = use_cases.sound

    @dg.sensor(
        name="alert_on_states",
        minimum_interval_seconds=STATES_EVERY * settings.alert_interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Raises an alert for each table that has degraded partitions or is late, for each deployment of "
        "which an alarm of drift or decay stands, for each use case that is broken, and while MLflow has still to be "
        "told of something; ends it once that is no longer so.",
    )
    def look(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        center, location = AlertCenter(settings), StorageLocation.of(settings)
        marks = Degradations(location.artifacts()).all()
        findings, waiting = _late(location, context.instance, catalogs), Journal.below(location.artifacts()).pending()
        alarms = _alarms(location, catalogs)
        serving = {name: "serving" for each in catalogs for name, table in each.tables.items() if table.kind in SERVED}
        changed = (
            settle(
                center,
                "degraded",
                degraded_alerts(marks, settings.dagster_url),
                "It was made again from what is sound.",
            ),
            settle(center, "not_fresh", late_alerts(findings, serving), "It is there."),
            settle(center, "drift", drift_alerts(alarms), "Newer days, or another champion, are as in training."),
            settle(center, "broken", broken_alerts(use_cases.broken), "It is sound."),
            settle(center, "tracking_down", tracking_alerts(waiting), "MLflow was told of everything."),
        )
        said = f"{len(marks)} partitions degraded, {len(findings)} tables late, {len(waiting)} trainings not told, "
        said += f"{len(alarms)} alarms of drift or decay, {len(use_cases.broken)} use cases broken."
        return dg.SkipReason(said + _delivered(center, is_due=any(changed)))

    return look


def _late(location: StorageLocation, instance: dg.DagsterInstance, catalogs: Sequence[Catalog]) -> list[Finding]:
    """The tables of which something is not there by its deadline; the logs of those that have one are read."""
    now, tables = datetime.now(UTC), location.tables()
    return [
        finding
        for catalog in catalogs
        for table in catalog.tables.values()
        if table.fresh_within_hours is not None
        for each in [Published(table, tables.published(table.name))]
        for finding in late(catalog.use_case, each, instance, now)
    ]


def _alarms(location: StorageLocation, catalogs: Sequence[Catalog]) -> list[StandingAlarm]:
    """The alarm of each deployment of which one stands."""
    deployed = [(each, each.deployment.champion.registered_model) for each in catalogs if each.deployment]
    found = (alarm_of(location, catalog, model) for catalog, model in deployed)
    return [alarm for alarm in found if alarm]


def _deliver(settings: Settings) -> dg.SensorDefinition:
    @dg.sensor(
        name="deliver_alerts",
        minimum_interval_seconds=settings.alert_interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Sends what is waiting for receivers of alerts, and counts of alerts that go on.",
    )
    def deliver(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        return dg.SkipReason(_delivered(AlertCenter(settings), is_due=True).strip())

    return deliver


def _delivered(center: AlertCenter, *, is_due: bool) -> str:
    """What became of the outbox, for the log of the tick."""
    if not is_due:
        return ""
    done = center.deliver()
    refused = "".join(f" {each.receiver} refused '{each.title}': {each.reason}." for each in done.parked)
    if not done.sent and not done.waiting and not refused:
        return " Nothing to send."
    return f" {done.sent} messages sent, {done.waiting} wait.{refused}"
