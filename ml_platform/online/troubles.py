"""What the service cannot do, as alerts: each told once, and its end.

Belongs here: the alerts of the service. Does not: finding out (`following`), or sending (`recovery.alerts`).
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ml_platform.recovery.alerts.alert import Alert, Severity
from ml_platform.recovery.alerts.center import AlertCenter

Trouble = Literal["cannot be followed", "champion", "challenger"]
_SEVERITY: Mapping[Trouble, Severity] = {"cannot be followed": "warning", "champion": "error", "challenger": "warning"}
_MEANWHILE: Mapping[Trouble, str] = {
    "cannot be followed": "Answers of the models and the history that are in memory, or on this machine's disk.",
    "champion": "Answers of the last known good version, then of the baseline, each flagged as degraded.",
    "challenger": "Answers of the champion; the new version has answered nothing since.",
}
_REMEDY: Mapping[Trouble, str] = {
    "cannot be followed": "Bring back what does not answer; the service catches up by itself.",
    "challenger": "Look at `ml-platform trial`; train a better version, or overrule it with `ml-platform approve`.",
    "champion": "Restore the model's bytes, or go back with `ml-platform rollback`; the service takes it up by itself.",
}


@dataclass
class Troubles:
    """The troubles of the service of one model; used by one thread."""

    center: AlertCenter
    model: str
    use_case: str
    told: dict[Trouble, str] = field(default_factory=dict)

    def settle(self, trouble: Trouble, what: str) -> None:
        """Tell what is wrong if that is news, or that it is over where `what` is empty; if not now, later."""
        if what == self.told.get(trouble):  # nothing is told yet of what a process before this one left open
            return
        alert = self._alert(trouble, what)
        try:
            if what:
                self.center.raise_alert(alert)
            else:
                self.center.resolve(alert.fingerprint, "The service answers as it should again.")
            self.center.deliver(for_seconds=5.0)
        except (OSError, sqlite3.Error):
            return
        self.told[trouble] = what

    def _alert(self, trouble: Trouble, what: str) -> Alert:
        return Alert(
            kind="online",
            severity=_SEVERITY[trouble],
            use_case=self.use_case,
            pipeline="serving",
            subject=f"online {self.model}: {trouble}",
            what=what or "nothing",
            served_meanwhile=_MEANWHILE[trouble],
            remedy=_REMEDY[trouble],
        )
