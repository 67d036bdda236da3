"""Open alerts of one kind made to fit what is so now: what is new is raised, what has gone is ended.

Belongs here: the comparison. Does not: what is so (`state_alerts`), and ends of runs (`run_alerts`).
"""

from collections.abc import Sequence
from typing import NamedTuple

from ml_platform.recovery.alerts.alert import Alert, Kind
from ml_platform.recovery.alerts.center import Affected, AlertCenter


class Found(NamedTuple):
    """One alert that should be open, and what it is about."""

    alert: Alert
    affected: frozenset[Affected]


def settle(center: AlertCenter, kind: Kind, found: Sequence[Found], mended: str) -> int:
    """Have open of `kind` what was `found`, and nothing else; how many alerts are new or over. `mended` says why."""
    open_alerts = {each.fingerprint: each for each in center.open() if each.alert.kind == kind}
    changed = 0
    for alert, now in found:
        known = open_alerts.pop(alert.fingerprint, None)
        before = set(known.affected) if known else set()
        if now - before or known is None:
            changed += center.raise_alert(alert, affected=now)
        if before - now:
            center.mend(alert.fingerprint, before - now, mended)
    return changed + sum(center.resolve(fingerprint, mended) for fingerprint in open_alerts)
