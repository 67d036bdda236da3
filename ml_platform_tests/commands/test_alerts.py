import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ml_platform.cli import app
from ml_platform.errors import AlertNotFoundError
from ml_platform.recovery.alerts.center import AlertCenter
from ml_platform_tests.recovery.alerts.receivers import (
    Hub,
    Refusal,
    alert_settings,
    http_receiver,
    routes_to,
    secrets_of,
)
from ml_platform_tests.recovery.alerts.world import failed


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["alerts", *arguments])


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with http_receiver() as hub:
        settings = alert_settings(tmp_path, routes_to(hub))
        places = {"ML_PLATFORM_HOME": str(tmp_path), "ML_PLATFORM_ALERT_ROUTES": str(settings.alert_routes)}
        for name, value in {**secrets_of(hub), **places}.items():
            monkeypatch.setenv(name, value)
        yield hub


@pytest.fixture
def center(hub: Hub, tmp_path: Path) -> AlertCenter:
    return AlertCenter(alert_settings(tmp_path, routes_to(hub)))


def test_a_test_reaches_every_receiver_and_leaves_no_alert(hub: Hub) -> None:
    done = run("test")
    assert done.exit_code == 0
    assert done.output.count("took a test message, and its end") == 3
    assert [each["event"] for each in hub.documents] == ["raised", "resolved"]
    assert "No alert is open." in run("list").output


def test_a_test_says_what_is_not_set_up(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in secrets_of(hub):
        monkeypatch.delenv(name)
    done = run("test")
    assert done.exit_code == 1
    assert "hook (webhook): not set up: set TEST_HOOK_URL and TEST_HOOK_SECRET" in done.output
    assert "Nobody is told" in run("list").output


def test_a_test_says_why_a_receiver_did_not_take_it(hub: Hub) -> None:
    hub.answers.append(Refusal(403))
    done = run("test", "--receiver", "hook")
    assert (done.exit_code, done.output) == (1, "hook (webhook): not sent: HTTP 403, refused\n")


def test_the_list_shows_what_is_open_and_how_receivers_stand(center: AlertCenter, hub: Hub) -> None:
    for number in range(12):
        center.raise_alert(failed(), occurrence=str(number % 11))
    hub.stop()
    center.deliver()
    shown, told = run("list").output, json.loads(run("list", "--json").output)
    assert "toy/clean failed" in shown
    assert "channel, pager, hook" in shown
    assert "no answer: connection refused; failure 1" in shown
    assert [each["times"] for each in told["alerts"]] == [11]
    assert [each["waiting"] for each in told["receivers"]] == [1, 1, 1]


def test_delivering_goes_past_the_pause_after_a_failure(center: AlertCenter, hub: Hub) -> None:
    hub.stop()
    center.raise_alert(failed())
    assert run("deliver").exit_code == 1
    hub.start()
    assert run("deliver").output == "3 messages sent, 0 wait, 0 refused, 0 given up\n"


def test_what_was_refused_can_be_sent_again_or_given_up(center: AlertCenter, hub: Hub) -> None:
    hub.answers.extend([Refusal(400), Refusal(400), Refusal(400)])
    center.raise_alert(failed())
    assert "pager refused 'toy/clean failed': HTTP 400, refused" in run("deliver").output
    hub.answers.append(Refusal(400))
    run("deliver", "--parked")
    assert json.loads(run("deliver", "--drop-parked", "--json").output)["dropped"] == 1


def test_an_alert_is_ended_by_hand_with_a_reason(center: AlertCenter, hub: Hub) -> None:
    center.raise_alert(failed())
    done = run("resolve", failed().fingerprint[:6], "--reason", "known")
    assert done.output == "Ended: toy/clean failed\n"
    assert hub.documents[-1]["text"].endswith(": known")
    assert isinstance(run("resolve", "none", "--reason", "x").exception, AlertNotFoundError)
