import multiprocessing
import os
import re
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.recovery.alerts.center import AlertCenter
from ml_platform.recovery.alerts.delivery import LONGEST_PAUSE_SECONDS, pause_seconds
from ml_platform.settings import Settings
from ml_platform_tests.recovery.alerts.conftest import Clock
from ml_platform_tests.recovery.alerts.receivers import (
    CANARIES,
    SLACK_TOKEN,
    Hub,
    Refusal,
    alert_settings,
    routes_to,
)
from ml_platform_tests.recovery.alerts.world import failed

KILLS = 12
TABLES = [f"toy/table_{number}" for number in range(6)]


def only_the_hook(hub: Hub) -> dict[str, object]:
    routes = routes_to(hub)
    one_by_one = {"more_than": 1_000_000}
    return {**routes, "routes": [{"name": "everything", "receivers": ["hook"], "storm": one_by_one}]}


@pytest.fixture
def center(hub: Hub, tmp_path: Path, clock: Clock) -> AlertCenter:
    return AlertCenter(alert_settings(tmp_path, only_the_hook(hub), alert_timeout_seconds=1.0), now=clock)


def subjects(hub: Hub) -> list[str]:
    return [each["subject"] for each in hub.documents]


def test_what_is_raised_while_the_endpoint_is_down_comes_later_in_order(
    center: AlertCenter, hub: Hub, clock: Clock
) -> None:
    hub.stop()
    for table in TABLES:
        center.raise_alert(failed(table))
        assert center.deliver().sent == 0
    center.resolve(failed(TABLES[0]).fingerprint, "made again")
    hub.start()
    clock.pass_by(minutes=20)
    assert center.deliver().waiting == 0
    assert subjects(hub) == [*TABLES, TABLES[0]]


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408])
def test_what_a_server_cannot_take_now_is_sent_once_it_can(
    center: AlertCenter, hub: Hub, clock: Clock, status: int
) -> None:
    hub.answers.append(Refusal(status))
    center.raise_alert(failed())
    assert center.deliver()[:2] == (0, 1)
    assert f"HTTP {status}" in center.outbox.standing()[2].last_error
    clock.pass_by(minutes=20)
    assert center.deliver()[:2] == (1, 0)


def test_a_receiver_that_asks_for_patience_is_left_alone_as_long(center: AlertCenter, hub: Hub, clock: Clock) -> None:
    hub.answers.append(Refusal(429, {"Retry-After": "3600"}))
    center.raise_alert(failed())
    center.deliver()
    clock.pass_by(minutes=59)
    assert center.deliver().sent == 0
    assert hub.requests == 1
    clock.pass_by(minutes=2)
    assert center.deliver().sent == 1


def test_a_receiver_that_does_not_answer_in_time_gets_it_later(center: AlertCenter, hub: Hub, clock: Clock) -> None:
    hub.answers.append(Refusal(200, hang_seconds=3))
    center.raise_alert(failed())
    assert center.deliver()[:2] == (0, 1)
    assert "no answer in time" in center.outbox.standing()[2].last_error
    clock.pass_by(minutes=20)
    assert center.deliver().sent == 1


@pytest.mark.parametrize("status", [400, 403, 404, 410, 301])
def test_what_is_refused_for_good_is_set_aside_and_holds_up_nothing(center: AlertCenter, hub: Hub, status: int) -> None:
    hub.answers.append(Refusal(status))
    center.raise_alert(failed(TABLES[0]))
    center.raise_alert(failed(TABLES[1]))
    done = center.deliver()
    assert [each.reason for each in done.parked] == [f"HTTP {status}, refused"]
    assert subjects(hub) == [TABLES[1]]
    assert "refused 'toy/table_0 failed'" in (center.folder / "alerts.log").read_text()
    assert center.outbox.try_again(parked=True) == 1
    center.deliver()
    assert subjects(hub) == [TABLES[1], TABLES[0]]


def test_others_are_told_of_a_receiver_that_refuses(hub: Hub, tmp_path: Path) -> None:
    routes = routes_to(hub)
    routes["receivers"][1]["routing_key_from"] = "TEST_SMTP_USER"  # which is no routing key
    center = AlertCenter(alert_settings(tmp_path, routes))
    center.raise_alert(failed())
    center.deliver()
    center.deliver()
    assert [each["title"] for each in hub.documents] == ["toy/clean failed", "Alerts do not reach pager"]
    assert [each.alert.subject for each in center.open()] == ["toy/clean", "pager"]
    hub.wrong.clear()


def test_a_slow_receiver_does_not_hold_up_the_others(hub: Hub, tmp_path: Path, clock: Clock) -> None:
    center = AlertCenter(alert_settings(tmp_path, routes_to(hub), alert_timeout_seconds=1.0), now=clock)
    hub.answers.append(Refusal(200, hang_seconds=3))
    center.raise_alert(failed())
    center.deliver()
    assert len(hub.slack) + len(hub.pagerduty) + len(hub.documents) == 2


def test_two_processes_deliver_each_message_once(center: AlertCenter, hub: Hub) -> None:
    for table in TABLES:
        center.raise_alert(failed(table))
    threads = [threading.Thread(target=center.deliver) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert subjects(hub) == TABLES


def test_a_process_that_is_killed_at_any_moment_loses_nothing(hub: Hub, tmp_path: Path) -> None:
    settings = alert_settings(tmp_path, only_the_hook(hub))
    context = multiprocessing.get_context("fork")
    for kill in range(KILLS):
        process = context.Process(target=_raise_and_deliver, args=(settings, kill))
        process.start()
        time.sleep(0.02 + 0.015 * kill)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    center = AlertCenter(settings)
    center.deliver(for_seconds=60)
    sent = Counter(each["id"] for each in hub.documents)
    keys = {each["key"] for each in hub.documents}
    assert {each.fingerprint for each in center.open()} == keys
    assert sent.total() - len(sent) <= KILLS  # each kill may fall between the answer and its being kept
    assert center.deliver().waiting == 0


def _raise_and_deliver(settings: Settings, kill: int) -> None:
    center = AlertCenter(settings)
    for number in range(200):
        center.raise_alert(failed(f"toy/table_{kill}", error=f"Error{number}"))
        center.deliver()


def test_no_secret_is_on_disk_or_in_an_answer(hub: Hub, tmp_path: Path, clock: Clock) -> None:
    center = AlertCenter(alert_settings(tmp_path, routes_to(hub)), now=clock)
    center.raise_alert(failed())
    hub.answers.extend([Refusal(403), Refusal(503), Refusal(400)])
    told = [repr(center.deliver())]
    hub.stop()
    clock.pass_by(hours=1)
    told += [repr(center.deliver()), repr(center.outbox.standing()), repr(center.test()), repr(center.open())]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    found = b"".join(path.read_bytes() for path in files) + "".join(told).encode()
    assert len(files) > 2
    assert [canary for canary in (*CANARIES, SLACK_TOKEN.split("/")[-1]) if canary.encode() in found] == []


def test_the_folder_is_for_its_owner_alone(center: AlertCenter) -> None:
    center.raise_alert(failed())
    assert re.fullmatch(r"0o40700", oct(center.folder.stat().st_mode))


@given(failures=st.integers(1, 10_000), asked=st.none() | st.floats(0, 1e6))
def test_pauses_grow_to_a_limit_and_respect_what_was_asked(failures: int, asked: float | None) -> None:
    pause = pause_seconds(failures, asked)
    assert pause >= min(asked or 0.0, 24 * 3600.0)
    assert 2.5 <= pause <= max(LONGEST_PAUSE_SECONDS, asked or 0.0)
