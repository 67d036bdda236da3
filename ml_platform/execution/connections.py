"""One SQLite file, opened once per process instead of once per statement.

Belongs here: how a database file is opened, shared by threads, and left alone by forked children. Does not: what is
in it.
"""

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path

import dagster
import sqlalchemy as db
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

BUSY_TIMEOUT_SECONDS = 60
READY_MARK = zlib.crc32(dagster.__version__.encode()) & 0x7FFFFFFF
"""Value of `PRAGMA user_version` in a file whose schema this version of Dagster has created or checked."""

_LEFT_TO_PARENT: list[Engine] = []


class SqliteFile:
    """A pool of connections to one database file, private to this process.

    A write transaction costs about 0.1 ms: WAL with `synchronous=NORMAL` leaves the fsync to checkpoints. A killed
    process loses nothing that it committed; a power cut may lose the last moments, and never corrupts the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._pid = os.getpid()
        self._engine = _open(path)

    @property
    def engine(self) -> Engine:
        """The pool of this process; a forked child gets its own, and never closes a connection of its parent."""
        if os.getpid() != self._pid:
            _LEFT_TO_PARENT.append(self._engine)
            self._engine, self._pid = _open(self.path), os.getpid()
        return self._engine

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection in a transaction that commits at the end of the block."""
        with self.engine.begin() as connection:
            yield connection

    def is_ready(self) -> bool:
        """Whether this version of Dagster has already created or checked the schema."""
        if not self.path.exists():
            return False
        with self.transaction() as connection:
            return bool(connection.execute(db.text("PRAGMA user_version")).scalar() == READY_MARK)

    def mark_ready(self) -> None:
        """Spare later processes the schema check, which costs 0.1 to 0.3 s each."""
        with self.transaction() as connection:
            connection.execute(db.text(f"PRAGMA user_version={READY_MARK}"))

    def dispose(self) -> None:
        """Close what this process has open; the file can be used again."""
        self.engine.dispose()


@contextmanager
def only_one_process(folder: Path) -> Iterator[None]:
    """Hold the folder's lock file, so that one process at a time creates databases in it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as lock:
        flock(lock, LOCK_EX)
        yield


def _open(path: Path) -> Engine:
    url = db.URL.create("sqlite", database=str(path))
    engine = db.create_engine(url, max_overflow=-1, connect_args={"timeout": BUSY_TIMEOUT_SECONDS})
    db.event.listen(engine, "connect", _tune)
    return engine


def _tune(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA wal_autocheckpoint=4000")
    cursor.execute("PRAGMA temp_store=MEMORY")
    cursor.close()
