"""A real receiver for each test, and a platform whose alerts go there."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ml_platform.recovery.alerts.center import AlertCenter
from ml_platform_tests.recovery.alerts.receivers import (
    Hub,
    alert_settings,
    http_receiver,
    routes_to,
    secrets_of,
)


class Clock:
    """A time that tests move."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **time: float) -> None:
        """Let some time pass."""
        self.now += timedelta(**time)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with http_receiver() as hub:
        for name, value in secrets_of(hub).items():
            monkeypatch.setenv(name, value)
        yield hub
        assert hub.wrong == []


@pytest.fixture
def center(hub: Hub, tmp_path: Path, clock: Clock) -> AlertCenter:
    return AlertCenter(alert_settings(tmp_path, routes_to(hub), alert_timeout_seconds=1.0), now=clock)
