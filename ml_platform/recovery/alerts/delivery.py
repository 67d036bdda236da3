"""The outbox: messages on disk until their receiver has taken them, in order.

Belongs here: what is sent when, what is tried again and what is set aside. Does not: how a message looks to a receiver.
"""

import fcntl
import os
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple

from ml_platform.recovery.alerts.message import Message
from ml_platform.recovery.alerts.receivers.answer import Answer
from ml_platform.recovery.alerts.receivers.sending import send
from ml_platform.recovery.alerts.routes import AlertRoutes, Receiver, not_set
from ml_platform.recovery.alerts.state import AlertState
from ml_platform.settings import Settings

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5.0, 600.0


class Refused(NamedTuple):
    """A message that its receiver will not take as it is."""

    receiver: str
    title: str
    reason: str


class Delivered(NamedTuple):
    """What one delivery did: messages taken, messages that wait, those refused, and receivers that took one."""

    sent: int
    waiting: int
    parked: tuple[Refused, ...]
    reached: tuple[str, ...]


class Standing(NamedTuple):
    """How things stand with one receiver; `missing` are the environment variables that it lacks."""

    receiver: str
    type: str
    missing: tuple[str, ...]
    waiting: int
    waiting_since: datetime | None
    parked: int
    failures: int
    not_before: datetime | None
    last_error: str


class Outbox:
    """Messages that are still to be sent. One process at a time sends to a receiver; a dead one holds nobody up."""

    def __init__(self, state: AlertState, routes: AlertRoutes, settings: Settings, now: Callable[[], datetime]) -> None:
        self._state, self._routes, self._settings, self._now = state, routes, settings, now

    def put(self, connection: sqlite3.Connection, receiver: str, message: Message) -> None:
        """Queue a message in the caller's transaction."""
        row = (receiver, message.model_dump_json(), self._now().timestamp())
        connection.execute("INSERT INTO outbox (receiver, message, queued_at) VALUES (?, ?, ?)", row)

    def deliver(self, for_seconds: float) -> Delivered:
        """Send what is waiting for each receiver until one does not answer, or the time is over."""
        until = time.monotonic() + for_seconds
        taken, refused, reached = 0, list[Refused](), list[str]()
        for receiver in self._routes.receivers:
            if self._waiting(receiver.name) == 0 or not_set(receiver, self._settings):
                continue
            with self._alone(receiver.name) as is_alone:
                if is_alone:
                    sent, parked = self._send_in_order(receiver, until)
                    taken += sent
                    refused += parked
                    reached += [receiver.name] if sent else []
        return Delivered(taken, self._waiting(), tuple(refused), tuple(reached))

    def try_again(self, *, parked: bool) -> int:
        """Forget the pauses of all receivers, and with `parked` queue again what was refused; how much that was."""
        with self._state.reading() as connection:
            if connection is None:
                return 0
        with self._state.writing() as connection:
            connection.execute("UPDATE standing SET not_before = 0")
            query = "UPDATE outbox SET parked = NULL WHERE parked IS NOT NULL"
            return connection.execute(query).rowcount if parked else 0

    def drop_parked(self) -> int:
        """Give up what was refused; how much that was."""
        with self._state.reading() as connection:
            if connection is None:
                return 0
        with self._state.writing() as connection:
            return connection.execute("DELETE FROM outbox WHERE parked IS NOT NULL").rowcount

    def standing(self) -> list[Standing]:
        """How things stand with each receiver of the file, and with those that messages wait for in vain."""
        declared = {receiver.name: receiver for receiver in self._routes.receivers}
        with self._state.reading() as connection:
            queued = connection.execute("SELECT DISTINCT receiver FROM outbox").fetchall() if connection else []
            names = [*declared, *sorted({row["receiver"] for row in queued} - set(declared))]
            return [self._standing_of(connection, name, declared.get(name)) for name in names]

    def _standing_of(self, connection: sqlite3.Connection | None, name: str, receiver: Receiver | None) -> Standing:
        missing = not_set(receiver, self._settings) if receiver else ()
        kind = receiver.type if receiver else "no longer declared"
        if connection is None:
            return Standing(name, kind, missing, 0, None, 0, 0, None, "")
        counted = connection.execute(
            "SELECT count(*) - count(parked) AS waiting, count(parked) AS parked, "
            "min(CASE WHEN parked IS NULL THEN queued_at END) AS since FROM outbox WHERE receiver = ?",
            (name,),
        ).fetchone()
        row = connection.execute("SELECT * FROM standing WHERE receiver = ?", (name,)).fetchone()
        since = datetime.fromtimestamp(counted["since"], UTC) if counted["since"] else None
        not_before = datetime.fromtimestamp(row["not_before"], UTC) if row and row["failures"] else None
        failures, last = (row["failures"], row["last_error"]) if row else (0, "")
        return Standing(name, kind, missing, counted["waiting"], since, counted["parked"], failures, not_before, last)

    def _waiting(self, receiver: str | None = None) -> int:
        with self._state.reading() as connection:
            if connection is None:
                return 0
            query = "SELECT count(*) FROM outbox WHERE parked IS NULL AND coalesce(?, receiver) = receiver"
            return int(connection.execute(query, (receiver,)).fetchone()[0])

    def _send_in_order(self, receiver: Receiver, until: float) -> tuple[int, list[Refused]]:
        sent, refused = 0, list[Refused]()
        while time.monotonic() < until:
            head = self._head(receiver.name)
            if head is None:
                break
            message = Message.model_validate_json(head["message"])
            answer = send(receiver, message, self._settings)
            self._settle(receiver.name, head["sequence"], answer)
            if answer.is_taken:
                sent += 1
            elif answer.is_final:
                refused.append(Refused(receiver.name, message.title, answer.reason))
            else:
                break
        return sent, refused

    def _head(self, receiver: str) -> sqlite3.Row | None:
        """The message whose turn it is; none if there is none, or it is too early for the receiver."""
        with self._state.reading() as connection:
            if connection is None:
                return None
            query = "SELECT not_before FROM standing WHERE receiver = ?"
            row = connection.execute(query, (receiver,)).fetchone()
            if row is not None and row["not_before"] > self._now().timestamp():
                return None
            query = "SELECT * FROM outbox WHERE receiver = ? AND parked IS NULL ORDER BY sequence LIMIT 1"
            found: sqlite3.Row | None = connection.execute(query, (receiver,)).fetchone()
            return found

    def _settle(self, receiver: str, sequence: int, answer: Answer) -> None:
        """Keep what the receiver said, in one transaction: gone, refused, or to be sent again after a pause."""
        with self._state.writing() as connection:
            if answer.is_taken:
                connection.execute("DELETE FROM outbox WHERE sequence = ?", (sequence,))
                connection.execute("DELETE FROM standing WHERE receiver = ?", (receiver,))
            elif answer.is_final:
                connection.execute("UPDATE outbox SET parked = ? WHERE sequence = ?", (answer.reason, sequence))
            else:
                query = "SELECT failures FROM standing WHERE receiver = ?"
                row = connection.execute(query, (receiver,)).fetchone()
                failures = (row["failures"] if row else 0) + 1
                not_before = self._now().timestamp() + pause_seconds(failures, answer.retry_after_seconds)
                connection.execute(
                    "INSERT OR REPLACE INTO standing VALUES (?, ?, ?, ?)",
                    (receiver, failures, not_before, answer.reason),
                )

    @contextmanager
    def _alone(self, receiver: str) -> Iterator[bool]:
        """Whether no other process sends to the receiver while the block lasts; the lock ends with its process."""
        lock = os.open(self._state.folder / f"{receiver}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
        finally:
            os.close(lock)


def pause_seconds(failures: int, retry_after_seconds: float | None) -> float:
    """How long to leave a receiver alone after so many failures in a row: doubled each time, jittered, capped."""
    longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 16))
    pause = random.uniform(longest / 2, longest)  # noqa: S311 - jitter
    return max(pause, min(retry_after_seconds or 0.0, 24 * 3600.0))
