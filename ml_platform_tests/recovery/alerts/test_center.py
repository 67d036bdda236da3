from pathlib import Path

import pytest

from ml_platform.recovery.alerts.center import Affected, AlertCenter
from ml_platform_tests.recovery.alerts.conftest import Clock
from ml_platform_tests.recovery.alerts.receivers import Hub, alert_settings, routes_to
from ml_platform_tests.recovery.alerts.world import failed


def told(hub: Hub) -> list[tuple[str, str]]:
    return [(each["event"], each["title"]) for each in hub.documents]


def test_a_thousand_equal_failures_are_one_message_and_a_count(center: AlertCenter, hub: Hub, clock: Clock) -> None:
    for number in range(1000):
        center.raise_alert(failed(run_id=f"run-{number}", what=f"Run {number} failed."), occurrence=f"run-{number}")
    center.deliver()
    assert told(hub) == [("raised", "toy/clean failed")]
    assert [each.times for each in center.open()] == [1000]
    clock.pass_by(minutes=61)
    center.deliver()
    assert told(hub)[1:] == [("again", "toy/clean failed, 1,000 times")]


def test_a_count_is_told_at_most_once_an_hour(center: AlertCenter, hub: Hub, clock: Clock) -> None:
    for minute in range(0, 180, 6):
        center.raise_alert(failed(run_id=str(minute)), occurrence=str(minute))
        center.deliver()
        clock.pass_by(minutes=6)
    assert [title for _, title in told(hub)] == [
        "toy/clean failed",
        "toy/clean failed, 11 times",
        "toy/clean failed, 21 times",
    ]


def test_recovery_is_told_once_and_by_the_same_key(center: AlertCenter, hub: Hub) -> None:
    center.raise_alert(failed())
    assert center.resolve(failed().fingerprint, "It was made again.")
    assert not center.resolve(failed().fingerprint, "It was made again.")
    center.deliver()
    assert told(hub) == [("raised", "toy/clean failed"), ("resolved", "Resolved: toy/clean failed")]
    assert [each["event_action"] for each in hub.pagerduty] == ["trigger", "resolve"]
    assert len({each["dedup_key"] for each in hub.pagerduty}) == 1
    assert center.open() == []


def test_saying_the_same_run_twice_counts_once(center: AlertCenter) -> None:
    for _ in range(3):
        center.raise_alert(failed(), occurrence="run-1")
    assert [each.times for each in center.open()] == [1]


def test_an_alert_ends_when_its_last_partition_is_mended(center: AlertCenter) -> None:
    days = [Affected("toy/clean", day) for day in ("2013-07-04", "2013-07-05")]
    center.raise_alert(failed(), occurrence="a", affected=days[:1])
    center.raise_alert(failed(), occurrence="b", affected=days[1:])
    assert [each.alert.partitions for each in center.open()] == [2]
    assert not center.mend(failed().fingerprint, days[1:], "made again")
    assert center.mend(failed().fingerprint, days[:1], "made again")
    assert center.open() == []


def test_what_differs_is_another_alert() -> None:
    same = [failed(run_id="1"), failed(run_id="2", what="Other numbers", partitions=7)]
    other = [failed("toy/labels"), failed(error="KeyError"), failed(error_class="data"), failed(use_case="other")]
    assert len({each.fingerprint for each in same}) == 1
    assert len({each.fingerprint for each in same + other}) == 5


def test_a_storm_is_summed_up(hub: Hub, tmp_path: Path, clock: Clock) -> None:
    storm = {"more_than": 3, "minutes": 10}
    center = AlertCenter(alert_settings(tmp_path, routes_to(hub, storm=storm)), now=clock)
    for number in range(50):
        center.raise_alert(failed(f"toy/table_{number % 25}", error=f"Error{number}"))
    center.deliver()
    assert [title for _, title in told(hub)][3:] == ["47 more alerts on the way 'everything'"]
    assert "toy/table_3 (2)" in hub.documents[-1]["text"]
    assert "20 more" in hub.documents[-1]["text"]
    assert len(center.open()) == 50


def test_a_storm_ends_when_nothing_of_it_is_open(hub: Hub, tmp_path: Path, clock: Clock) -> None:
    center = AlertCenter(alert_settings(tmp_path, routes_to(hub, storm={"more_than": 1, "minutes": 10})), now=clock)
    for number in range(3):
        center.raise_alert(failed(f"toy/table_{number}"))
    center.deliver()
    for each in center.open():
        center.resolve(each.fingerprint, "made again")
    clock.pass_by(minutes=11)
    center.deliver()
    assert told(hub)[1:] == [
        ("raised", "2 more alerts on the way 'everything'"),
        ("resolved", "Resolved: toy/table_0 failed"),
        ("resolved", "Resolved: 2 more alerts on the way 'everything'"),
    ]
    center.raise_alert(failed("toy/later"))
    center.deliver()
    assert told(hub)[-1] == ("raised", "toy/later failed")


def test_who_gets_a_message_twice_can_tell(center: AlertCenter, hub: Hub) -> None:
    center.raise_alert(failed())
    center.resolve(failed().fingerprint, "made again")
    center.raise_alert(failed())
    center.deliver()
    assert len({each["id"] for each in hub.documents}) == 3
    assert len({each["key"] for each in hub.documents}) == 1


def test_without_a_receiver_alerts_are_listed_and_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_SLACK_URL", raising=False)
    center = AlertCenter(alert_settings(tmp_path, routes_to(Hub(port=9))))
    center.raise_alert(failed())
    assert center.deliver() == (0, 0, (), ())
    assert [each.alert.subject for each in center.open()] == ["toy/clean"]
    assert "toy/clean failed" in (tmp_path / "alerts" / "alerts.log").read_text()


def test_what_fails_anew_is_not_mended_by_what_was_made_before(center: AlertCenter) -> None:
    before, anew = Affected("toy/clean", "2013-07-04", 10), Affected("toy/clean", "2013-07-04", 30)
    center.raise_alert(failed(), occurrence="a", affected=[before])
    center.raise_alert(failed(), occurrence="b", affected=[anew])
    assert not center.mend(failed().fingerprint, [before], "made by event 20")
    assert [each.affected for each in center.open()] == [(anew,)]
