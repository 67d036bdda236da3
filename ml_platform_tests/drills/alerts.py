"""Alerts while runs fail: the receiver down meanwhile, and many equal failures.

Belongs here: what receivers get. Does not: how runs recover (the other drills).
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ml_platform.recovery.alerts.center import AlertCenter
from ml_platform_tests.drills.alert_location import ALERTS
from ml_platform_tests.drills.drill import Drill, DrillResult
from ml_platform_tests.drills.platform import Platform, platform, until
from ml_platform_tests.drills.scenario import DAY, DAYS, lost, prepare
from ml_platform_tests.drills.toy_location import BUILD, TOY
from ml_platform_tests.recovery.alerts.receivers import Hub, alert_settings, http_receiver, routes_to, secrets_of

FAILING = "flights/clean:before"
FAILURES = 3


@contextmanager
def alerted(folder: Path) -> Iterator[tuple[Platform, Hub]]:
    """A platform whose alerts go to a hub of this process."""
    prepare(folder / "home")
    with http_receiver() as hub:
        settings = alert_settings(folder / "home", routes_to(hub))
        environment = {
            **secrets_of(hub),
            "ML_PLATFORM_ALERT_ROUTES": str(settings.alert_routes),
            "ML_PLATFORM_ALERT_INTERVAL_SECONDS": "1",
        }
        os.environ.update(secrets_of(hub))
        with platform(folder, locations=[TOY, ALERTS], environment=environment) as p:
            until("the sensor has begun", lambda: p.instance.all_instigator_state() and _cursor(p))
            yield p, hub


def receiver_down(folder: Path) -> DrillResult:
    """Nobody answers while a run fails again and again; then somebody does, and then the cause is mended."""
    with alerted(folder) as (p, hub):
        hub.stop()
        p.lay(FAILING, "value_error", times=FAILURES)
        for _ in range(FAILURES):
            p.until_over(p.queue(BUILD, str(DAY)))
        center = AlertCenter(p.settings)
        until("the failures are counted", lambda: [e.times for e in center.open()] == [FAILURES])
        until("delivery was tried", lambda: center.outbox.standing()[0].failures > 0)
        hub.start()
        since = time.monotonic()
        p.until_over(p.queue(BUILD, str(DAY)))
        until("it is resolved and told", lambda: len(hub.documents) >= 2 and not center.deliver().waiting)
        seconds = time.monotonic() - since
        events = [each["event"] for each in hub.documents]
        wrong = "" if events == ["raised", "resolved"] else f"messages {events}"
        return DrillResult(
            fault="nobody answers at the receiver of alerts while a run fails",
            what_happened=f"{FAILURES} equal failures are one message in the outbox, delivered when the receiver is "
            "back, then its end",
            attempts=FAILURES + 1,
            seconds_to_recovery=seconds,
            recomputed="the day, once the cause was mended",
            served="the old day",
            alerts=f"{', '.join(events)}, in order, each once to {len(center.routes.receivers)} receivers",
            lost="; ".join(filter(None, [wrong, *hub.wrong, lost(p.home)])),
        )


def user_code_fails(folder: Path) -> DrillResult:
    """A ValueError in the code of a use case, and then its correction."""
    with alerted(folder) as (p, hub):
        p.lay(FAILING, "value_error")
        since = time.monotonic()
        run_id = p.queue(BUILD, str(DAY))
        runs = p.until_over(run_id)
        until("it is told", lambda: hub.documents)
        seconds = time.monotonic() - since
        told = hub.documents[0]
        p.until_over(p.queue(BUILD, str(DAYS[1])))
        p.until_over(p.queue(BUILD, str(DAY)))
        until("its end is told", lambda: len(hub.documents) > 1)
        events = [each["event"] for each in hub.documents]
        wrong = "" if events == ["raised", "resolved"] else f"messages {events}"
        return DrillResult(
            fault="ValueError in the code of a use case",
            what_happened=f'it fails at once; told {seconds:.0f} s after the request of the run: "{told["title"]}"',
            attempts=len(runs),
            seconds_to_recovery=None,
            recomputed="the day, once the code was mended; a success for another day ended nothing",
            served=told_of(told, "Served meanwhile"),
            alerts=", ".join(events),
            lost="; ".join(filter(None, [wrong, *hub.wrong, lost(p.home)])),
        )


def told_of(document: dict[str, object], label: str) -> str:
    """What a message says under a label."""
    facts = document["facts"]
    assert isinstance(facts, list)
    return next((str(each["text"]) for each in facts if each["label"] == label), "")


def _cursor(p: Platform) -> bool:
    states = [each for each in p.instance.all_instigator_state() if each.instigator_name == "alert_on_ended_runs"]
    return any(getattr(each.instigator_data, "cursor", None) for each in states)


DRILLS = [Drill("alert-receiver-down", receiver_down), Drill("value-error", user_code_fails)]
