"""Which old versions of a table are dropped, and which data files go with them.

A version is kept while it is the newest, one of the last few, one that was still the newest within the last days, or
pinned. A data file goes when no kept version has it; one that no version ever had goes when it is old enough that no
writer can be about to commit it. The commits in the log all stay: they are small, and they are the history. Of the
checkpoints, each of which lists every data file again, the last stay and one for every hundred versions.

Delta Lake's own vacuum keeps by age, cannot say why, and adds two versions to the history that it tidies.

Belongs here: tables. Does not: who pins versions, or other leftovers.
"""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from ml_platform.storage.commit_log import LOG_FOLDER, Entry, logged_versions, read_entries
from ml_platform.storage.history import require_version, store_of
from ml_platform.storage.objects import ObjectInfo, ObjectStore
from ml_platform.storage.table_log import TableVersion
from ml_platform.storage.tables import TableStore

_PARALLEL_DELETES = 16
_CHECKPOINT = re.compile(rf"{LOG_FOLDER}/(\d{{20}})\.checkpoint\.parquet")
_LAST_CHECKPOINTS = 2
_VERSIONS_BETWEEN_CHECKPOINTS = 100


class RetentionPolicy(BaseModel):
    """What is kept beside the newest version and what is pinned."""

    model_config = ConfigDict(frozen=True)

    keep_days: int = Field(
        30, ge=1, description="A version stays readable for this many days after a newer one replaced it."
    )
    keep_versions: int = Field(10, ge=1, description="The last so many versions of each table stay, however old.")
    unfinished_hours: int = Field(
        24, ge=1, description="Files that nothing refers to stay for so many hours: a writer may be about to commit."
    )


class TableRetention(NamedTuple):
    """What retention finds in one table: versions dropped, and files to delete, by why."""

    table: str
    newest: int
    pinned: tuple[int, ...]
    dropped: tuple[int, ...]
    superseded: tuple[ObjectInfo, ...]
    abandoned: tuple[ObjectInfo, ...]
    checkpoints: tuple[ObjectInfo, ...]

    @property
    def files(self) -> tuple[ObjectInfo, ...]:
        """All files to delete."""
        return (*self.superseded, *self.abandoned, *self.checkpoints)


def plan_retention(
    tables: TableStore,
    name: str,
    objects: Sequence[ObjectInfo],
    policy: RetentionPolicy,
    pinned: Collection[int],
    now: datetime,
) -> TableRetention:
    """What to delete of the `objects` below a table, which were listed before this call: the log is read after them.

    Raises:
        TableNotFoundError: there is no such table.
    """
    newest = require_version(tables, name).version
    first = require_version(tables, name, min(logged_versions(objects)))
    later = list(read_entries(store_of(tables, name), range(first.version + 1, newest + 1)))
    kept = _kept(first.version, later, policy, pinned, now)
    lives = _lives(first, later)
    data = [info for info in objects if info.path.endswith(".parquet") and not info.path.startswith("_")]
    superseded = [info for info in data if info.path in lives and not _is_needed(lives[info.path], kept)]
    untouched_since = now - timedelta(hours=policy.unfinished_hours)
    abandoned = [info for info in data if info.path not in lives and info.modified_at < untouched_since]
    return TableRetention(
        name,
        newest,
        pinned=tuple(sorted(version for version in pinned if first.version <= version <= newest)),
        dropped=tuple(sorted({version for info in superseded for life in lives[info.path] for version in life})),
        superseded=tuple(superseded),
        abandoned=tuple(abandoned),
        checkpoints=_spare_checkpoints(objects, untouched_since) if first.version == 0 else (),
    )


def delete(objects: ObjectStore, found: Sequence[ObjectInfo]) -> None:
    """Remove the objects; it is no error if some are gone already."""
    with ThreadPoolExecutor(_PARALLEL_DELETES) as pool:
        list(pool.map(lambda info: objects.delete(info.path), found))


def _spare_checkpoints(objects: Sequence[ObjectInfo], untouched_since: datetime) -> tuple[ObjectInfo, ...]:
    """Checkpoints that save a reader little, as every version can be read from an earlier one and the commits since."""
    found = [(int(name[1]), info) for info in objects if (name := _CHECKPOINT.fullmatch(info.path))]
    between = [each for each in sorted(found)[:-_LAST_CHECKPOINTS] if each[0] % _VERSIONS_BETWEEN_CHECKPOINTS]
    return tuple(info for _, info in between if info.modified_at < untouched_since)


def _kept(
    first: int, later: Sequence[Entry], policy: RetentionPolicy, pinned: Collection[int], now: datetime
) -> list[int]:
    """The versions that stay, ascending; `later` are the commits after version `first`."""
    newest = first + len(later)
    replaced_since = now - timedelta(days=policy.keep_days)
    recent = {entry.version - 1 for entry in later if entry.committed_at >= replaced_since}
    last = range(newest - policy.keep_versions + 1, newest + 1)
    return sorted({newest, *last, *recent, *pinned})


def _lives(first: TableVersion, later: Sequence[Entry]) -> Mapping[str, Sequence[range]]:
    """For each data file, the versions that have it."""
    begun = {file.path: first.version for files in first.files.values() for file in files}
    lives: dict[str, list[range]] = defaultdict(list)
    for entry in later:
        for path in entry.removed & begun.keys():
            lives[path].append(range(begun.pop(path), entry.version))
        for path in entry.added:
            begun.setdefault(path, entry.version)
    end = first.version + len(later) + 1
    for path, start in begun.items():
        lives[path].append(range(start, end))
    return lives


def _is_needed(lives: Sequence[range], kept: Sequence[int]) -> bool:
    at = ((bisect_left(kept, life.start), life) for life in lives)
    return any(position < len(kept) and kept[position] in life for position, life in at)
