"""What is known of alerts on this machine's disk: which are open, and what is still to be sent.

Belongs here: one SQLite file, each change of it a transaction that is whole or not there after a kill. Does not: when
something is sent, or how it looks.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

BUSY_TIMEOUT_SECONDS = 60.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS open_alerts (
    fingerprint TEXT PRIMARY KEY, alert TEXT NOT NULL, opened_at REAL NOT NULL, last_at REAL NOT NULL,
    count INTEGER NOT NULL, route TEXT NOT NULL, told_at REAL NOT NULL, told_count INTEGER NOT NULL,
    is_held INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS occurrences (
    fingerprint TEXT, occurrence TEXT, at REAL NOT NULL, PRIMARY KEY (fingerprint, occurrence)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS affected (
    fingerprint TEXT, thing TEXT, partition TEXT, after_event INTEGER NOT NULL,
    PRIMARY KEY (fingerprint, thing, partition)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS openings (route TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS storms (
    route TEXT PRIMARY KEY, began_at REAL NOT NULL, told_at REAL NOT NULL, count INTEGER NOT NULL,
    told_count INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS outbox (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, receiver TEXT NOT NULL, message TEXT NOT NULL, queued_at REAL NOT NULL,
    parked TEXT);
CREATE TABLE IF NOT EXISTS standing (
    receiver TEXT PRIMARY KEY, failures INTEGER NOT NULL, not_before REAL NOT NULL, last_error TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS put_off (run_id TEXT PRIMARY KEY, event INTEGER NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS outbox_by_receiver ON outbox (receiver, sequence);
CREATE INDEX IF NOT EXISTS openings_by_route ON openings (route, at);
"""


class AlertState:
    """The file `alerts.db` in `folder`, made when it is first written to; safe for several processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / "alerts.db"

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A connection whose changes are one transaction; on disk when the block is left."""
        if not self._path.exists():
            self._create()
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection | None]:
        """A connection for one reading; none where no alert was ever raised."""
        if not self._path.exists():
            yield None
            return
        with self._connection() as connection:
            connection.execute("BEGIN")
            yield connection

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None)
        try:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA synchronous=FULL")
            yield connection
        finally:
            connection.close()

    def _create(self) -> None:
        """Build the file aside and link it to its name, so that no process ever sees half a schema."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with TemporaryDirectory(dir=self.folder) as aside:
            made = Path(aside) / self._path.name
            connection = sqlite3.connect(made)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(_SCHEMA)
            connection.close()
            with suppress(FileExistsError):
                os.link(made, self._path)
