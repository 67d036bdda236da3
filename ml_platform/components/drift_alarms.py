"""What serving's table of alarms says now, for those who act on it: training, alerts and the status.

Belongs here: reading the newest row. Does not: how an alarm comes about (`serving.alarms`), or what follows from it.
"""

import datetime as dt
from typing import NamedTuple

from ml_platform.storage.tables import TableStore


class StandingAlarm(NamedTuple):
    """An alarm that stands on the newest judged day."""

    table: str
    day: str
    kind: str
    since: dt.date
    model_version: int
    model_as_of: dt.date
    model_fingerprint: str
    most_drifted: str

    @property
    def identity(self) -> str:
        """The same for as long as the alarm stands, and for no other alarm."""
        return f"{self.model_fingerprint} {self.since}"

    def __str__(self) -> str:
        """As a reader is told."""
        which = (
            f" ({self.most_drifted} is furthest from training)" if "drift" in self.kind and self.most_drifted else ""
        )
        return f"{self.kind} since {self.since}, seen on {self.day} of version {self.model_version}{which}"


def standing_alarm(tables: TableStore, table: str) -> StandingAlarm | None:
    """The alarm of the newest day of the table `table`; None where none stands.

    Raises:
        TableNotFoundError: the table was never published.
    """
    newest = max((day for day, state in tables.partitions(table).items() if state.rows), default=None)
    if newest is None:
        return None
    row = tables.scan(table, partitions=[newest]).collect().row(0, named=True)
    if row["alarm"] == "none":
        return None
    return StandingAlarm(
        table=table,
        day=newest,
        kind=row["alarm"],
        since=min(since for since in (row["drift_since"], row["decay_since"]) if since),
        model_version=row["model_version"],
        model_as_of=row["model_as_of"],
        model_fingerprint=row["model_fingerprint"],
        most_drifted=row["most_drifted"] or "",
    )
