"""A real Dagster history and real alerts, in the folder of the test; nobody is told."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ml_platform.operations.run_alerts import RunAlerts
from ml_platform.operations.run_events import newest_event
from ml_platform.recovery.alerts.center import AlertCenter
from ml_platform_tests.execution.instances import platform_instance
from ml_platform_tests.recovery.alerts.receivers import Hub, alert_settings, routes_to


class Watched:
    """An instance and the alerts about its runs."""

    def __init__(self, instance: dg.DagsterInstance, folder: Path) -> None:
        self.instance = instance
        self.settings = alert_settings(folder, routes_to(Hub(port=9)))
        self.center = AlertCenter(self.settings)
        self.cursor = newest_event(instance)

    def look(self) -> list[str]:
        """The titles of what is open, after one more look."""
        looked = RunAlerts(self.instance, self.center, "http://ui").look(self.cursor)
        self.cursor = looked.event
        return [f"{each.alert.subject} x{each.times}" for each in self.center.open()]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with platform_instance(tmp_path / "dagster") as instance:
        yield Watched(instance, tmp_path / "home")
