"""The newest versions of tables that are looked at again and again, without reading their logs each time.

Belongs here: telling whether a log has moved. Does not: what a version holds (`tables`).
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.tables import TableStore


class _Seen(NamedTuple):
    """A version, and what tells its commit from that of a table that was made anew."""

    version: int
    stamp: str


@dataclass
class WatchedTables:
    """Tables as one thread last saw them.

    A log has not moved while the commit of the version that was seen is the same object and no next one is there.
    Asking for these two takes a tenth of the time in which the log is read.
    """

    tables: TableStore
    _seen: dict[str, _Seen] = field(default_factory=dict)

    def version(self, name: str) -> int | None:
        """The newest version; None if the table was never published, or is there no more."""
        log = ObjectStore(self.tables.uri, self.tables.object_options).below(f"{name}/_delta_log")
        seen = self._seen.pop(name, None)
        if seen is None or _has_moved(log, seen):
            version = self.tables.version(name)
            seen = None if version is None else _Seen(version, _stamp(log, version))
        if seen is None:
            return None
        self._seen[name] = seen
        return seen.version


def _has_moved(log: ObjectStore, seen: _Seen) -> bool:
    return not seen.stamp or _stamp(log, seen.version) != seen.stamp or log.exists(_commit(seen.version + 1))


def _stamp(log: ObjectStore, version: int) -> str:
    try:
        return log.info(_commit(version)).stamp
    except FileNotFoundError:  # one that is summed up in a checkpoint may be gone
        return ""


def _commit(version: int) -> str:
    return f"{version:020}.json"
