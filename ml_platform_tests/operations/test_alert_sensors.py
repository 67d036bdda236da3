from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ml_platform.errors import DefinitionError
from ml_platform.operations.alert_sensors import alert_sensors
from ml_platform.operations.definitions import build_definitions
from ml_platform.recovery.degradation import Degradation, Degradations
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform_tests.operations.test_state_alerts import mark
from ml_platform_tests.operations.toy import DAYS, World
from ml_platform_tests.recovery.alerts.receivers import (
    Hub,
    alert_settings,
    http_receiver,
    routes_to,
    secrets_of,
)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with http_receiver() as hub:
        for name, value in secrets_of(hub).items():
            monkeypatch.setenv(name, value)
        yield hub


@pytest.fixture
def settings(hub: Hub, tmp_path: Path) -> Settings:
    return alert_settings(tmp_path, routes_to(hub))


def tick(settings: Settings, name: str, instance: dg.DagsterInstance, cursor: str | None = None) -> tuple[str, str]:
    """What the sensor says, and where it goes on."""
    sensor = next(each for each in alert_sensors(settings) if each.name == name)
    done = sensor.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=cursor, sensor_name=name))
    return done.skip_message or "", done.cursor or ""


def test_a_failure_is_told_in_the_tick_that_sees_it_and_its_end_too(
    settings: Settings, hub: Hub, history: dg.DagsterInstance
) -> None:
    world = World()
    said, cursor = tick(settings, "alert_on_ended_runs", history)
    assert said.startswith("Begins now")
    world.error = ValueError("bad toys")
    world.run(history, DAYS[0])
    said, cursor = tick(settings, "alert_on_ended_runs", history, cursor)
    assert said == "1 runs ended; 1 failures told, 0 alerts over. 3 messages sent, 0 wait."
    world.error = None
    world.run(history, DAYS[0])
    said, cursor = tick(settings, "alert_on_ended_runs", history, cursor)
    assert [each["event"] for each in hub.documents] == ["raised", "resolved"]
    assert tick(settings, "alert_on_ended_runs", history, cursor)[0].startswith("No runs ended;")


def test_what_is_degraded_is_told_until_it_is_not(settings: Settings, hub: Hub, history: dg.DagsterInstance) -> None:
    ledger, degraded = Degradations(StorageLocation.of(settings).artifacts()), mark(DAYS[0])
    ledger.mark([degraded])
    assert tick(settings, "alert_on_states", history)[0].endswith("3 messages sent, 0 wait.")
    assert tick(settings, "alert_on_states", history)[0].startswith("1 partitions degraded")
    ledger.clear(degraded.table, [degraded.partition])
    tick(settings, "alert_on_states", history)
    assert [each["title"] for each in hub.documents] == ["toy/weather is degraded", "Resolved: toy/weather is degraded"]


def test_what_waits_is_delivered(settings: Settings, hub: Hub, history: dg.DagsterInstance) -> None:
    hub.stop()
    _degraded(settings, mark(DAYS[0]))
    assert "0 messages sent, 3 wait." in tick(settings, "alert_on_states", history)[0]
    assert tick(settings, "deliver_alerts", history)[0] == "0 messages sent, 3 wait."


def test_all_of_them_run_from_the_start(settings: Settings) -> None:
    found = alert_sensors(settings)
    assert {each.default_status for each in found} == {dg.DefaultSensorStatus.RUNNING}


def test_a_wrong_file_of_routes_is_told_when_the_location_loads(tmp_path: Path) -> None:
    wrong = tmp_path / "alerts.yaml"
    wrong.write_text("routes:\n  - {name: all}\n")
    with pytest.raises(DefinitionError, match=r"alerts.yaml:2, routes\[0\].receivers: this field is required"):
        build_definitions(Settings(home=tmp_path, alert_routes=wrong))


def _degraded(settings: Settings, degraded: Degradation) -> None:
    Degradations(StorageLocation.of(settings).artifacts()).mark([degraded])
