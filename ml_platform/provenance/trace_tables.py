"""What the logs of the tables tell: when each partition got the content that it has in a version, and from which run.

Belongs here: questions that the Delta logs alone answer. Does not: what the run did besides (`trace_history`).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import takewhile
from typing import NamedTuple

from deltalake.exceptions import DeltaError

from ml_platform.errors import TableNotFoundError
from ml_platform.storage.commit_log import LOG_FOLDER, Entry, logged_versions, read_entries
from ml_platform.storage.content import root_hash
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.tables import PartitionState, TableStore


class Published(NamedTuple):
    """Partitions of a table that have had their content since one and the same commit."""

    keys: tuple[str, ...]
    commit: Entry
    content: str  # content hash of one partition, content root of several
    rows: int
    restored_by: tuple[int, ...] = ()  # later versions that only brought this content back, newest first

    @property
    def run_id(self) -> str | None:
        """The run that committed, if a run did."""
        return self.commit.metadata.get("run_id")


class TableLogs:
    """The logs of a store, each read once."""

    def __init__(self, tables: TableStore) -> None:
        """Read the logs of `tables`."""
        self.tables = tables
        self._read = cache(self._states)
        self._log = cache(self._commits)

    def newest(self, name: str) -> int | None:
        """The newest version; None if the table was never published."""
        return self.tables.version(name)

    def states(self, name: str, version: int | None = None) -> dict[str, PartitionState]:
        """What each partition held in `version`, the newest by default; nothing if the log does not tell any more."""
        return self._read(name, version)

    def published(self, name: str, keys: Sequence[str], version: int | None = None) -> list[Published]:
        """The partitions `keys` that `version` holds, grouped by the commit that gave them their content, by key."""
        held, log = self.states(name, version), self._log(name)
        groups: dict[tuple[int, ...], list[str]] = defaultdict(list)
        for key in sorted(held.keys() & set(keys)):
            groups[log.made_in(key, version)].append(key)
        found = [
            Published(tuple(each), log.entries[made], *_sum(held, each), restored_by=tuple(later))
            for (*later, made), each in groups.items()
        ]
        return sorted(found, key=lambda each: each.keys)

    def changed(self, name: str, keys: Sequence[str], version: int) -> tuple[str, ...]:
        """Those of `keys` whose newest content is not that of `version`, or that are gone."""
        then, now = self.states(name, version), self.states(name)
        return tuple(key for key in keys if _hash(then.get(key)) != _hash(now.get(key)))

    def _states(self, name: str, version: int | None) -> dict[str, PartitionState]:
        try:
            return self.tables.partitions(name, version)
        except (TableNotFoundError, DeltaError):  # never published, or the log was cut off before this version
            return {}

    def _commits(self, name: str) -> "_Log":
        below = ObjectStore(self.tables.uri, self.tables.object_options).below(name)
        entries = read_entries(below, logged_versions(below.list(LOG_FOLDER)))
        return _Log({entry.version: entry for entry in entries})


class _Log:
    """The commits of one table, and for each partition those that wrote it."""

    def __init__(self, entries: Mapping[int, Entry]) -> None:
        self.entries = entries
        self._written: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for version in sorted(entries, reverse=True):
            for key, file in entries[version].added.values():
                self._written[key].append((version, file.content_hash))

    def made_in(self, key: str, version: int | None) -> tuple[int, ...]:
        """The commit that published the partition's content, after the restores that brought it back, newest first.

        Where the log was cut off after that commit, it is the oldest that is left.
        """
        written = [each for each in self._written[key] if version is None or each[0] <= version]
        if not written:
            return (min(self.entries),)
        same = list(takewhile(lambda each: each[1] == written[0][1], written))  # files written again, not changed
        made = same[-1][0]
        restored = self.entries[made].metadata.get("restored_version")
        return (made,) if restored is None else (made, *self.made_in(key, int(restored)))


def _hash(state: PartitionState | None) -> str | None:
    return state.content_hash if state else None


def _sum(states: dict[str, PartitionState], keys: Sequence[str]) -> tuple[str, int]:
    hashes = {key: states[key].content_hash for key in keys}
    content = next(iter(hashes.values())) if len(hashes) == 1 else root_hash(hashes)
    return content, sum(states[key].rows for key in keys)
