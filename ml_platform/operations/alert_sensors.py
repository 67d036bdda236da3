"""The sensors that raise and deliver alerts. They start no run, and run from the start.

Belongs here: when it is looked, and where a look ends. Does not: what is wrong (`run_alerts`, `degraded_alerts`).
"""

import dagster as dg

from ml_platform.operations.degraded_alerts import alert_of_degraded
from ml_platform.operations.run_alerts import ENDS_PER_TICK, RunAlerts
from ml_platform.operations.run_events import newest_event
from ml_platform.recovery.alerts.center import AlertCenter
from ml_platform.recovery.degradation import Degradations
from ml_platform.settings import Settings
from ml_platform.storage.objects import ObjectStore

STATES_EVERY = 4
"""States are looked at so many times less often than runs: nobody publishes a run's length in between."""


def alert_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """Three sensors: on ends of runs, on degraded results, and for delivery."""
    return [_on_runs(settings), _on_degraded(settings), _deliver(settings)]


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
        looked = RunAlerts(context.instance, center, settings.dagster_url).look(int(context.cursor))
        context.update_cursor(str(looked.event))
        more = ", and there are more" if looked.ended == ENDS_PER_TICK else ""
        said = f"{looked.ended} runs ended{more}: {looked.raised} failures told, {looked.mended} alerts over."
        return dg.SkipReason(said + _delivered(center, is_due=bool(looked.raised or looked.mended)))

    return look


def _on_degraded(settings: Settings) -> dg.SensorDefinition:
    @dg.sensor(
        name="alert_on_degraded_results",
        minimum_interval_seconds=STATES_EVERY * settings.alert_interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Raises a warning for each table that has degraded partitions, and ends it once it has none.",
    )
    def look(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        center, uri = AlertCenter(settings), settings.artifact_uri
        marks = Degradations(ObjectStore(uri, settings.fsspec_options(uri))).all()
        changed = alert_of_degraded(center, marks, settings.dagster_url)
        said = f"{len(marks)} partitions are degraded; {changed} alerts are new or over."
        return dg.SkipReason(said + _delivered(center, is_due=bool(changed)))

    return look


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
    return f" {done.sent} messages sent, {done.waiting} wait.{refused}"
