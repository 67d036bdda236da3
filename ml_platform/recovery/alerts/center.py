"""The one place where alerts are raised and resolved: the same alert is told once, then counted.

Belongs here: what is open, what is told when, and what is summed up. Does not: sending (`delivery`), or what is wrong
(`operations`).
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from ml_platform.errors import AlertNotFoundError
from ml_platform.recovery.alerts import message as words
from ml_platform.recovery.alerts.alert import SEVERITIES, Alert
from ml_platform.recovery.alerts.delivery import Delivered, Outbox
from ml_platform.recovery.alerts.log import AlertLog
from ml_platform.recovery.alerts.message import Message
from ml_platform.recovery.alerts.receivers.sending import send
from ml_platform.recovery.alerts.routes import AlertRoutes, Receiver, Route, load_routes, not_set
from ml_platform.recovery.alerts.state import AlertState
from ml_platform.settings import Settings
from ml_platform.this_user import this_user

OCCURRENCES_KEPT = timedelta(days=30)
FOLDER = "alerts"


class Affected(NamedTuple):
    """What has to be made again before an alert ends: a partition of an asset, say; by an event after `after_event`."""

    thing: str
    partition: str = ""
    after_event: int = 0


class Tried(NamedTuple):
    """How a test message to a receiver went."""

    receiver: str
    type: str
    is_taken: bool
    outcome: str


class PutOff(NamedTuple):
    """A failed run that may be tried again: the event of its failure, and since when that is waited for."""

    run_id: str
    event: int
    since: datetime


class OpenAlert(NamedTuple):
    """An alert that is not resolved: as it came last, since when, how often, and what has to be made again."""

    fingerprint: str
    alert: Alert
    opened_at: datetime
    last_at: datetime
    times: int
    route: str
    is_held: bool
    affected: tuple[Affected, ...]


def _now() -> datetime:
    return datetime.now(UTC)


class AlertCenter:
    """Alerts of this machine, kept below `<home>/alerts`; safe for several processes, whole after any kill.

    Raises:
        DefinitionError: the file of routes is wrong.
    """

    def __init__(self, settings: Settings, now: Callable[[], datetime] = _now) -> None:
        self._settings, self._now = settings, now
        self.folder = settings.home.resolve() / FOLDER
        self.routes: AlertRoutes = load_routes(settings.alert_routes)
        self._state = AlertState(self.folder)
        self._log = AlertLog(self.folder)
        self.outbox = Outbox(self._state, self.routes, settings, now)

    def raise_alert(self, alert: Alert, *, occurrence: str = "", affected: Iterable[Affected] = ()) -> bool:
        """Say that something is wrong; whether that is new. The same alert again is counted, its count told later.

        `occurrence` (a run id, say) makes saying it twice harmless: the second time is no other time. `affected` is
        what has to be mended before the alert ends by itself.
        """
        at = self._now()
        with self._state.writing() as connection:
            if occurrence and not _is_first(connection, alert.fingerprint, occurrence, at):
                return False
            _affect(connection, alert.fingerprint, affected)
            alert = alert.model_copy(update={"partitions": _partitions(connection, alert) or alert.partitions})
            is_new = not _count(connection, alert, at)
            if is_new:
                self._open(connection, alert, at)
        self._log.write("raised" if is_new else "again", alert, at)
        return is_new

    def mend(self, fingerprint: str, mended: Iterable[Affected], what: str) -> bool:
        """Take what is mended off an alert; when nothing is left it is resolved. Whether it was.

        What has failed anew since `mended` was read stays.
        """
        with self._state.writing() as connection:
            connection.executemany(
                "DELETE FROM affected WHERE fingerprint = ? AND thing = ? AND partition = ? AND after_event = ?",
                [(fingerprint, *each) for each in mended],
            )
            query = "SELECT count(*) FROM affected WHERE fingerprint = ?"
            is_over = connection.execute(query, (fingerprint,)).fetchone()[0] == 0
            ended = self._close(connection, fingerprint, what) if is_over else None
        return self._told_end(ended, what)

    def resolve(self, fingerprint: str, what: str) -> bool:
        """Say that it is over, and what mended it; whether it was open."""
        with self._state.writing() as connection:
            ended = self._close(connection, fingerprint, what)
        return self._told_end(ended, what)

    def put_off(self, run_id: str, event: int) -> None:
        """Keep a failed run in mind of which it is not yet known whether it is the last try."""
        with self._state.writing() as connection:
            row = (run_id, event, self._now().timestamp())
            connection.execute("INSERT OR IGNORE INTO put_off VALUES (?, ?, ?)", row)

    def forget(self, run_id: str) -> None:
        """What became of a run that was put off is known."""
        with self._state.writing() as connection:
            connection.execute("DELETE FROM put_off WHERE run_id = ?", (run_id,))

    def put_off_runs(self) -> list[PutOff]:
        """The runs that were put off, the first one first."""
        with self._state.reading() as connection:
            rows = connection.execute("SELECT * FROM put_off ORDER BY event") if connection else ()
            return [PutOff(row["run_id"], row["event"], datetime.fromtimestamp(row["at"], UTC)) for row in rows]

    def open(self) -> list[OpenAlert]:
        """What is wrong now, the worst first, then the oldest."""
        with self._state.reading() as connection:
            if connection is None:
                return []
            found = [_opened(connection, row) for row in connection.execute("SELECT * FROM open_alerts")]
        return sorted(
            found, key=lambda each: (-SEVERITIES.index(each.alert.severity), each.opened_at, each.fingerprint)
        )

    def deliver(self, for_seconds: float = 20.0) -> Delivered:
        """Send what is waiting, in order for each receiver; what cannot be sent now stays."""
        self._queue_what_is_due()
        delivered = self.outbox.deliver(for_seconds)
        for parked in delivered.parked:
            self._log.note("parked", f"{parked.receiver} refused '{parked.title}': {parked.reason}", self._now())
            self._raise_undelivered(parked.receiver, parked.reason)
        for receiver in delivered.reached:
            self.resolve(_undelivered(receiver, "").fingerprint, f"{receiver} took a message.")
        return delivered

    def test(self, names: Sequence[str] | None = None) -> list[Tried]:
        """Send a test message to each receiver, or those of `names`, at once; how it went.

        Raises:
            AlertNotFoundError: no receiver has that name.
        """
        declared = {each.name: each for each in self.routes.receivers}
        unknown = [name for name in names or () if name not in declared]
        if unknown:
            raise AlertNotFoundError(
                f"No receiver of alerts is called '{unknown[0]}'.", expected=f"one of {', '.join(declared) or 'none'}"
            )
        return [self._try(each) for name, each in declared.items() if not names or name in names]

    def _try(self, receiver: Receiver) -> Tried:
        missing = not_set(receiver, self._settings)
        if missing:
            return Tried(receiver.name, receiver.type, False, f"not set up: set {' and '.join(missing)}")
        alert = Alert(
            kind="test",
            severity="info",
            pipeline="operations",
            subject=f"the receiver '{receiver.name}'",
            what="Nothing is wrong: somebody tries whether alerts arrive here.",
            owners=(this_user(),),
            remedy="Nothing.",
        )
        answer = send(receiver, words.raised(alert, self._now()), self._settings)
        if not answer.is_taken:
            return Tried(receiver.name, receiver.type, False, f"not sent: {answer.reason}")
        send(receiver, words.resolved(alert, "The test is over.", 1, self._now()), self._settings)
        return Tried(receiver.name, receiver.type, True, "took a test message, and its end")

    def _open(self, connection: sqlite3.Connection, alert: Alert, at: datetime, *, but: str = "") -> None:
        """Insert the alert, and queue the first word of it unless its route has had too many."""
        route = self.routes.route_of(alert)
        is_held = route is not None and self._is_stormy(connection, route, at)
        connection.execute(
            "INSERT INTO open_alerts VALUES (?, ?, ?, ?, 1, ?, ?, 1, ?)",
            (
                alert.fingerprint,
                alert.model_dump_json(),
                at.timestamp(),
                at.timestamp(),
                route.name if route else "",
                at.timestamp(),
                is_held,
            ),
        )
        if route is not None and not is_held:
            self._queue(connection, route, words.raised(alert, at), but=but)

    def _close(self, connection: sqlite3.Connection, fingerprint: str, what: str) -> Alert | None:
        row = connection.execute("SELECT * FROM open_alerts WHERE fingerprint = ?", (fingerprint,)).fetchone()
        if row is None:
            return None
        alert, route = Alert.model_validate_json(row["alert"]), self.routes.route(row["route"])
        if route is not None and not row["is_held"]:
            but = alert.subject if alert.kind == "undelivered" else ""
            self._queue(connection, route, words.resolved(alert, what, row["count"], self._now()), but=but)
        connection.execute("DELETE FROM open_alerts WHERE fingerprint = ?", (fingerprint,))
        connection.execute("DELETE FROM affected WHERE fingerprint = ?", (fingerprint,))
        return alert

    def _told_end(self, ended: Alert | None, what: str) -> bool:
        if ended is not None:
            self._log.write("resolved", ended, self._now(), what)
        return ended is not None

    def _queue(self, connection: sqlite3.Connection, route: Route, message: Message, *, but: str = "") -> None:
        """Put the message into the outbox of each of the route's receivers that is set up."""
        for name in route.receivers:
            receiver = self.routes.receiver(name)
            if receiver is not None and name != but and not not_set(receiver, self._settings):
                self.outbox.put(connection, name, message)

    def _is_stormy(self, connection: sqlite3.Connection, route: Route, at: datetime) -> bool:
        """Count one more opening on the route; whether it is one too many to be told by itself."""
        since = at.timestamp() - 60 * route.storm.minutes
        connection.execute("DELETE FROM openings WHERE route = ? AND at < ?", (route.name, since))
        connection.execute("INSERT INTO openings VALUES (?, ?)", (route.name, at.timestamp()))
        query = "SELECT count(*) FROM openings WHERE route = ?"
        if connection.execute(query, (route.name,)).fetchone()[0] <= route.storm.more_than:
            return False
        connection.execute(
            "INSERT INTO storms VALUES (?, ?, 0, 1, 0) ON CONFLICT (route) DO UPDATE SET count = count + 1",
            (route.name, at.timestamp()),
        )
        return True

    def _queue_what_is_due(self) -> None:
        """Counts of alerts that go on, and sums of those that were not told one by one."""
        with self._state.reading() as connection:
            if connection is None:
                return
        at = self._now()
        with self._state.writing() as connection:
            for route in self.routes.routes:
                self._queue_counts(connection, route, at)
                self._queue_storm(connection, route, at)
            kept_since = (at - OCCURRENCES_KEPT).timestamp()
            connection.execute("DELETE FROM occurrences WHERE at < ?", (kept_since,))

    def _queue_counts(self, connection: sqlite3.Connection, route: Route, at: datetime) -> None:
        due = connection.execute(
            "SELECT * FROM open_alerts WHERE route = ? AND NOT is_held AND count > told_count AND told_at <= ?",
            (route.name, at.timestamp() - 60 * route.repeat_minutes),
        ).fetchall()
        for row in due:
            self._queue(connection, route, words.again(Alert.model_validate_json(row["alert"]), row["count"], at))
            connection.execute(
                "UPDATE open_alerts SET told_at = ?, told_count = count WHERE fingerprint = ?",
                (at.timestamp(), row["fingerprint"]),
            )

    def _queue_storm(self, connection: sqlite3.Connection, route: Route, at: datetime) -> None:
        row = connection.execute("SELECT * FROM storms WHERE route = ?", (route.name,)).fetchone()
        if row is None:
            return
        window = 60 * route.storm.minutes
        held = connection.execute("SELECT alert FROM open_alerts WHERE route = ? AND is_held", (route.name,)).fetchall()
        alerts = [Alert.model_validate_json(each["alert"]) for each in held]
        severity = SEVERITIES[max((SEVERITIES.index(each.severity) for each in alerts), default=0)]
        if held and row["told_count"] < row["count"] and row["told_at"] <= at.timestamp() - window:
            subjects = Counter(each.subject for each in alerts).most_common()
            self._queue(connection, route, words.storm(route.name, subjects, row["count"], severity, at))
            connection.execute(
                "UPDATE storms SET told_at = ?, told_count = count WHERE route = ?", (at.timestamp(), route.name)
            )
        elif not held and row["began_at"] <= at.timestamp() - window:
            if row["told_count"]:
                self._queue(connection, route, words.calm(route.name, row["told_count"], severity, at))
            connection.execute("DELETE FROM storms WHERE route = ?", (route.name,))

    def _raise_undelivered(self, receiver: str, reason: str) -> None:
        """Tell the other receivers that this one does not take its messages."""
        alert, at = _undelivered(receiver, reason), self._now()
        with self._state.writing() as connection:
            is_new = not _count(connection, alert, at)
            if is_new:
                self._open(connection, alert, at, but=receiver)
        self._log.write("raised" if is_new else "again", alert, at)


def _undelivered(receiver: str, reason: str) -> Alert:
    return Alert(
        kind="undelivered",
        severity="error",
        pipeline="operations",
        subject=receiver,
        what=f"A message was refused and will not be sent again by itself: {reason}.",
        remedy="Correct what it is set up with, then `ml-platform alerts deliver --parked`.",
    )


def _is_first(connection: sqlite3.Connection, fingerprint: str, occurrence: str, at: datetime) -> bool:
    row = (fingerprint, occurrence, at.timestamp())
    return connection.execute("INSERT OR IGNORE INTO occurrences VALUES (?, ?, ?)", row).rowcount == 1


def _affect(connection: sqlite3.Connection, fingerprint: str, affected: Iterable[Affected]) -> None:
    connection.executemany(
        "INSERT INTO affected VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET after_event = excluded.after_event",
        [(fingerprint, *each) for each in affected],
    )


def _partitions(connection: sqlite3.Connection, alert: Alert) -> int:
    query = "SELECT count(DISTINCT partition) FROM affected WHERE fingerprint = ? AND partition <> ''"
    return int(connection.execute(query, (alert.fingerprint,)).fetchone()[0])


def _count(connection: sqlite3.Connection, alert: Alert, at: datetime) -> bool:
    """Count the alert once more if it is open; whether it is. It stays wrong since it first was."""
    row = connection.execute("SELECT alert FROM open_alerts WHERE fingerprint = ?", (alert.fingerprint,)).fetchone()
    if row is None:
        return False
    since = Alert.model_validate_json(row["alert"]).since
    connection.execute(
        "UPDATE open_alerts SET alert = ?, last_at = ?, count = count + 1 WHERE fingerprint = ?",
        (alert.model_copy(update={"since": since}).model_dump_json(), at.timestamp(), alert.fingerprint),
    )
    return True


def _opened(connection: sqlite3.Connection, row: sqlite3.Row) -> OpenAlert:
    query = "SELECT thing, partition, after_event FROM affected WHERE fingerprint = ?"
    return OpenAlert(
        row["fingerprint"],
        Alert.model_validate_json(row["alert"]),
        datetime.fromtimestamp(row["opened_at"], UTC),
        datetime.fromtimestamp(row["last_at"], UTC),
        row["count"],
        row["route"],
        bool(row["is_held"]),
        tuple(Affected(*each) for each in connection.execute(query, (row["fingerprint"],))),
    )
