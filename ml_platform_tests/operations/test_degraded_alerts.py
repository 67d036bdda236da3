from datetime import UTC, datetime
from pathlib import Path

import pytest

from ml_platform.operations.degraded_alerts import alert_of_degraded
from ml_platform.recovery.alerts.center import AlertCenter
from ml_platform.recovery.degradation import Degradation, Rung
from ml_platform_tests.recovery.alerts.receivers import Hub, alert_settings, routes_to


@pytest.fixture
def center(tmp_path: Path) -> AlertCenter:
    return AlertCenter(alert_settings(tmp_path, routes_to(Hub(port=9))))


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
    assert alert_of_degraded(center, [*causes, *follows, *further], "http://ui") == 1
    (found,) = center.open()
    assert (found.alert.severity, found.alert.subject, found.alert.partitions) == ("warning", "toy/weather", 2)
    assert found.alert.served_meanwhile.endswith("toy/features (1), toy/predictions (1).")


def test_looking_again_changes_nothing_and_new_partitions_are_counted(center: AlertCenter) -> None:
    alert_of_degraded(center, [mark("2013-07-04")], "http://ui")
    assert alert_of_degraded(center, [mark("2013-07-04")], "http://ui") == 0
    assert [each.times for each in center.open()] == [1]
    alert_of_degraded(center, [mark("2013-07-04"), mark("2013-07-05")], "http://ui")
    assert [(each.times, each.alert.partitions) for each in center.open()] == [(2, 2)]


def test_it_ends_when_nothing_of_the_table_is_degraded(center: AlertCenter) -> None:
    alert_of_degraded(center, [mark("2013-07-04"), mark("2013-07-05")], "http://ui")
    alert_of_degraded(center, [mark("2013-07-05")], "http://ui")
    assert [len(each.affected) for each in center.open()] == [1]
    assert alert_of_degraded(center, [], "http://ui") == 1
    assert center.open() == []
