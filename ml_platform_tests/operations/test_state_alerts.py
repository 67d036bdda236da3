from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from ml_platform.components.drift_alarms import StandingAlarm
from ml_platform.operations.health import Finding
from ml_platform.operations.settling import settle
from ml_platform.operations.state_alerts import degraded_alerts, drift_alerts, late_alerts, tracking_alerts
from ml_platform.recovery.alerts.center import AlertCenter
from ml_platform.recovery.degradation import Degradation, Rung
from ml_platform.tracking.journal import Waiting
from ml_platform_tests.recovery.alerts.receivers import Hub, alert_settings, routes_to


@pytest.fixture
def center(tmp_path: Path) -> AlertCenter:
    return AlertCenter(alert_settings(tmp_path, routes_to(Hub(port=9))))


def alert_of_degraded(center: AlertCenter, marks: list[Degradation]) -> int:
    return settle(center, "degraded", degraded_alerts(marks, "http://ui"), "It was made again.")


def mark(partition: str, table: str = "toy/weather", rung: Rung = "empty", *causes: str) -> Degradation:
    return Degradation(
        table=table,
        partition=partition,
        rung=rung,
        reason="toys/weather/2013-07-04.csv is not in the landing zone.",
        since=datetime(2026, 3, 1, tzinfo=UTC),
        run_id="0af1",
        causes=causes,
    )


def test_each_table_and_rung_is_one_warning_that_names_what_follows(center: AlertCenter) -> None:
    causes = [mark("2013-07-04"), mark("2013-07-05")]
    follows = [mark("2013-07-04", "toy/features", "inherited", "toy/weather 2013-07-04")]
    further = [mark("2013-07-04", "toy/predictions", "inherited", "toy/features 2013-07-04")]
    assert alert_of_degraded(center, [*causes, *follows, *further]) == 1
    (found,) = center.open()
    assert (found.alert.severity, found.alert.subject, found.alert.partitions) == ("warning", "toy/weather", 2)
    assert found.alert.served_meanwhile.endswith("toy/features (1), toy/predictions (1).")


def test_looking_again_changes_nothing_and_new_partitions_are_counted(center: AlertCenter) -> None:
    alert_of_degraded(center, [mark("2013-07-04")])
    assert alert_of_degraded(center, [mark("2013-07-04")]) == 0
    assert [each.times for each in center.open()] == [1]
    alert_of_degraded(center, [mark("2013-07-04"), mark("2013-07-05")])
    assert [(each.times, each.alert.partitions) for each in center.open()] == [(2, 2)]


def test_it_ends_when_nothing_of_the_table_is_degraded(center: AlertCenter) -> None:
    alert_of_degraded(center, [mark("2013-07-04"), mark("2013-07-05")])
    alert_of_degraded(center, [mark("2013-07-05")])
    assert [len(each.affected) for each in center.open()] == [1]
    assert alert_of_degraded(center, []) == 1
    assert center.open() == []


def test_a_late_table_is_told_by_who_waits_for_it_until_it_is_there(center: AlertCenter) -> None:
    finding = Finding(
        state="late", asset="toy/predictions", partitions=("2013-07-04", "2013-07-05"), what="due at noon"
    )
    found = late_alerts([finding], {"toy/predictions": "serving"})
    assert settle(center, "not_fresh", found, "It is there.") == 1
    (told,) = center.open()
    assert (told.alert.severity, told.alert.partitions) == ("critical", 2)
    assert told.alert.what == "toy/predictions 2013-07-04 to 2013-07-05 is not there: due at noon."
    assert settle(center, "not_fresh", [], "It is there.") == 1


def test_mlflow_that_was_not_told_is_one_warning_until_it_was(center: AlertCenter) -> None:
    since = datetime(2026, 3, 1, tzinfo=UTC)
    waiting = [Waiting(f"run-{n}", "toy/model", "2013-07-01", 5, since, "no answer", ()) for n in range(3)]
    settle(center, "tracking_down", tracking_alerts(waiting), "told")
    (told,) = center.open()
    assert told.alert.what == "MLflow could not be told of 3 trainings: no answer"
    assert "15 entries are kept" in told.alert.served_meanwhile
    assert settle(center, "tracking_down", tracking_alerts([]), "told") == 1


def test_drift_is_one_warning_while_the_alarm_stands(center: AlertCenter) -> None:
    day = date(2026, 3, 1)
    alarm = StandingAlarm("toy/alarms", "2026-03-05", "drift", day, 3, day, "f00d", "wind")
    assert settle(center, "drift", drift_alerts([alarm]), "as in training") == 1
    assert settle(center, "drift", drift_alerts([alarm._replace(day="2026-03-06")]), "as in training") == 0
    (told,) = center.open()
    assert (told.alert.severity, told.alert.pipeline) == ("warning", "serving")
    assert "(wind is furthest from training)" in told.alert.what
    assert settle(center, "drift", drift_alerts([]), "as in training") == 1
    assert center.open() == []
