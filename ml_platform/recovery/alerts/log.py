"""The local log of alerts: one line for each that is raised, resolved or refused, also where nobody else is told.

Belongs here: `alerts.log`, its lines and its size. Does not: what is open, which the state knows.
"""

from datetime import datetime
from pathlib import Path

from ml_platform.recovery.alerts.alert import Alert
from ml_platform.recovery.alerts.message import instant, title

MOST_BYTES = 5_000_000


class AlertLog:
    """`alerts.log` in `folder`; when it is full it becomes `alerts.log.1`, and the one before is dropped."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "alerts.log"

    def write(self, event: str, alert: Alert, at: datetime, what: str = "") -> None:
        """One line about an alert."""
        self.note(event, f"{alert.severity} {alert.fingerprint} {title(alert)}: {what or alert.what}", at)

    def note(self, event: str, text: str, at: datetime) -> None:
        """One line."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._path.exists() and self._path.stat().st_size > MOST_BYTES:
            self._path.replace(self._path.with_suffix(".log.1"))
        with self._path.open("a") as file:
            file.write(f"{instant(at)} {event:<8} {' '.join(text.split())}\n")
