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
        self.settings = alert_settings(folder, routes_to(Hub(port=9)), dagster_url="http://ui")
        self.center = AlertCenter(self.settings)
        self.cursor = newest_event(instance)

    def look(self) -> list[str]:
        """The titles of what is open, after one more look."""
        looked = RunAlerts(self.instance, self.center, self.settings).look(self.cursor)
        self.cursor = looked.event
        return [f"{each.alert.subject} x{each.times}" for each in self.center.open()]


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """One history for all tests of a module, since making one takes a second; each looks at what comes after."""
    with platform_instance(tmp_path_factory.mktemp("dagster")) as instance:
        yield instance


@pytest.fixture
def watched(history: dg.DagsterInstance, tmp_path: Path) -> Watched:
    return Watched(history, tmp_path)
