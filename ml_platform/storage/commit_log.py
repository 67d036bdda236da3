"""The commits of a table as its log has them: one JSON object for each version, in Delta Lake's published format.

Belongs here: what each commit added and took away, since opening every version of a long history would cost too much.
Does not: commits that are made (`table_log`), or what a change means (`history`).

Source: Delta Transaction Log Protocol, "Delta Log Entries" and "Actions".
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import unquote

from ml_platform.storage.columns import CONTENT_HASH, PARTITION_KEY
from ml_platform.storage.objects import ObjectInfo, ObjectStore
from ml_platform.storage.table_log import StoredFile

LOG_FOLDER = "_delta_log"
_METADATA_PREFIX = "ml_platform."
_PARALLEL_READS = 16

Files = dict[str, dict[str, StoredFile]]
"""The data files of one version: by partition key, then by path."""


class Entry(NamedTuple):
    """One commit: when (UTC), by which operation, what its writer recorded, and the data files that came and went."""

    version: int
    committed_at: datetime
    operation: str
    metadata: Mapping[str, str]
    added: Mapping[str, tuple[str, StoredFile]]
    removed: frozenset[str]


def logged_versions(objects: Iterable[ObjectInfo]) -> list[int]:
    """The versions whose commit is among `objects`, which lie below one table, oldest first."""
    names = (info.path.removeprefix(f"{LOG_FOLDER}/") for info in objects if info.path.startswith(f"{LOG_FOLDER}/"))
    return sorted(int(name.removesuffix(".json")) for name in names if name[:20].isdigit() and name[20:] == ".json")


def read_entries(table: ObjectStore, versions: Iterable[int]) -> Iterator[Entry]:
    """The commits of `versions`, in that order; `table` is the store of everything below the table.

    Raises:
        FileNotFoundError: there is no such commit.
    """
    with ThreadPoolExecutor(_PARALLEL_READS) as pool:
        yield from pool.map(lambda version: _entry(version, table.read(_path(version))), versions)


def roll(files: Files, entry: Entry) -> set[str]:
    """Turn the files of the version before `entry` into those of its own; the partitions that this touched."""
    touched = set()
    if entry.removed:
        for partition in [key for key, found in files.items() if entry.removed & found.keys()]:
            files[partition] = {path: file for path, file in files[partition].items() if path not in entry.removed}
            touched.add(partition)
    for path, (partition, file) in entry.added.items():
        files.setdefault(partition, {})[path] = file
        touched.add(partition)
    for partition in touched:
        if not files[partition]:
            del files[partition]
    return touched


def _path(version: int) -> str:
    return f"{LOG_FOLDER}/{version:020d}.json"


def _entry(version: int, data: bytes) -> Entry:
    info: dict[str, Any] = {}
    added: dict[str, tuple[str, StoredFile]] = {}
    removed: set[str] = set()
    for line in data.decode().splitlines():
        action = json.loads(line)
        if add := action.get("add"):
            path = unquote(add["path"])
            added[path] = (str(add["partitionValues"].get(PARTITION_KEY)), _file(path, add))
        elif remove := action.get("remove"):
            removed.add(unquote(remove["path"]))
        elif commit := action.get("commitInfo"):
            info = commit
    metadata = {
        name.removeprefix(_METADATA_PREFIX): str(info[name]) for name in info if name.startswith(_METADATA_PREFIX)
    }
    at = datetime.fromtimestamp(int(info.get("timestamp", 0)) / 1000, UTC)
    return Entry(version, at, str(info.get("operation", "unknown")), metadata, added, frozenset(removed - added.keys()))


def _file(path: str, add: Mapping[str, Any]) -> StoredFile:
    rows = json.loads(add.get("stats") or "{}").get("numRecords") or 0
    return StoredFile(path, int(rows), int(add["size"]), str(add["partitionValues"].get(CONTENT_HASH)))
