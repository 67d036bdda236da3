"""What happened to a table: its versions, who made them, and how two of them differ.

Belongs here: questions about versions. Does not: bringing one back (`restoring`), or dropping some (`retention`).
"""

from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from ml_platform.errors import PartitionNotPublishedError, TableNotFoundError
from ml_platform.storage import table_log
from ml_platform.storage.columns import SchemaChange, schema_change
from ml_platform.storage.commit_log import Entry, Files, logged_versions, read_entries, roll
from ml_platform.storage.content import root_hash
from ml_platform.storage.objects import ObjectInfo, ObjectStore
from ml_platform.storage.table_log import StoredFile, TableVersion
from ml_platform.storage.tables import TableStore

Kind = Literal["added", "removed", "changed", "kept"]


class PartitionChange(BaseModel):
    """One partition before and after: rows and content hash, null where it was not published."""

    model_config = ConfigDict(frozen=True)

    partition: str = Field(description="Partition key.")
    rows_before: int | None = Field(description="Rows before.")
    rows_after: int | None = Field(description="Rows after.")
    content_before: str | None = Field(description="Content hash before.")
    content_after: str | None = Field(description="Content hash after.")

    @property
    def kind(self) -> Kind:
        """What happened to it; `kept` where files came and went and the content is the same."""
        if self.content_before == self.content_after:
            return "kept"
        return "added" if self.content_before is None else "removed" if self.content_after is None else "changed"


class VersionEntry(BaseModel):
    """One version of a table, told."""

    model_config = ConfigDict(frozen=True)

    version: int = Field(description="Number of the version.")
    committed_at: datetime = Field(description="Instant (UTC) of the commit.")
    operation: str = Field(description="What was done: publish, restore, merge, or another writer's own word.")
    run_id: str | None = Field(description="Dagster run that wrote it; null for the command line and other writers.")
    job: str | None = Field(description="Job of that run.")
    by: str | None = Field(description="Who asked for it on the command line.")
    reason: str | None = Field(description="Why, in their words.")
    changes: tuple[PartitionChange, ...] = Field(description="Partitions whose files came or went, by key.")
    content_root_before: str | None = Field(description="Hash over all partitions of the version before, if any.")
    content_root_after: str = Field(description="Hash over all partitions of this version.")
    is_readable: bool = Field(
        description="Whether all its data files are there; retention takes those of old versions."
    )


class TableDifference(NamedTuple):
    """How version `after` differs from version `before`."""

    before: TableVersion
    after: TableVersion
    columns: SchemaChange
    partitions: tuple[PartitionChange, ...]


class TableSummary(BaseModel):
    """One table as it stands."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="Name of the table.")
    version: int = Field(description="Newest version.")
    partitions: int = Field(description="Published partitions.")
    rows: int = Field(description="Rows of the newest version.")
    bytes: int = Field(description="Bytes of the data files of the newest version.")
    bytes_of_history: int = Field(description="Bytes of the data files that only older versions need, or none at all.")
    bytes_of_log: int = Field(description="Bytes of the log.")
    last_commit_at: datetime = Field(description="Instant (UTC) of the last commit.")


def table_names(objects: Iterable[ObjectInfo]) -> list[str]:
    """The tables among all `objects` of a store, by name."""
    return sorted({info.path.split("/_delta_log/")[0] for info in objects if "/_delta_log/" in info.path})


def objects_below(objects: Iterable[ObjectInfo], name: str) -> list[ObjectInfo]:
    """Those of `objects` that lie below the table, with their paths below it."""
    prefix = f"{name}/"
    return [info._replace(path=info.path.removeprefix(prefix)) for info in objects if info.path.startswith(prefix)]


def store_of(tables: TableStore, name: str) -> ObjectStore:
    """Everything below one table: its log and its data files."""
    return ObjectStore(tables.uri, tables.object_options).below(name)


def summarize(tables: TableStore) -> list[TableSummary]:
    """Every table of the store, by name."""
    objects = ObjectStore(tables.uri, tables.object_options).list()
    return [_summary(tables, name, objects_below(objects, name)) for name in table_names(objects)]


def history(
    tables: TableStore, name: str, *, partition: str | None = None, limit: int | None = 20
) -> list[VersionEntry]:
    """The versions of a table, newest first; with `partition` only those that touched it.

    Raises:
        TableNotFoundError: the table was never published.
        PartitionNotPublishedError: no version ever touched `partition`.
    """
    newest = require_version(tables, name).version
    objects = store_of(tables, name).list()
    existing = {info.path for info in objects}
    logged = [version for version in logged_versions(objects) if version <= newest]
    logged = logged[1:] if logged[0] else logged  # what the oldest of a shortened log did cannot be told
    shown = logged if limit is None or partition is not None else logged[-limit:]
    files = files_before(tables, name, shown[0]) if shown else {}
    told: deque[VersionEntry] = deque(maxlen=limit)
    for entry in read_entries(store_of(tables, name), shown):
        before = {key: dict(found) for key, found in files.items() if partition is None or key == partition}
        touched = roll(files, entry)
        if partition is None or partition in touched:
            told.append(_told(entry, before, files, touched if partition is None else {partition}, existing))
    if partition is not None and not told:
        raise PartitionNotPublishedError(
            f"{name}: no version ever had a partition {partition}.",
            remedy=f"`ml-platform table history {name}` lists what was written.",
        )
    return list(reversed(told))


def difference(tables: TableStore, name: str, before: int, after: int) -> TableDifference:
    """How version `after` of a table differs from version `before`; partitions with the same content are left out.

    Raises:
        TableNotFoundError: there is no such table or version.
    """
    old, new = require_version(tables, name, before), require_version(tables, name, after)
    changes = partition_changes(old.files, new.files)
    return TableDifference(old, new, schema_change(old.schema, new.schema), changes)


def partition_changes(
    before: Mapping[str, Iterable[StoredFile]], after: Mapping[str, Iterable[StoredFile]]
) -> tuple[PartitionChange, ...]:
    """The partitions whose content differs, by key."""
    changes = (_change(key, before, after) for key in sorted({*before, *after}))
    return tuple(change for change in changes if change.kind != "kept")


def require_version(tables: TableStore, name: str, version: int | None = None) -> TableVersion:
    """A version of a table, the newest by default.

    Raises:
        TableNotFoundError: there is no such table or version; the error says what there is.
    """
    found = table_log.read_version(tables.uri_of(name), tables.delta_options, version)
    if found is not None:
        return found
    newest = None if version is None else table_log.read_version(tables.uri_of(name), tables.delta_options)
    if newest is not None:
        raise TableNotFoundError(
            f"Table {name} has no version {version}.",
            expected=f"a version from 0 to {newest.version}",
            remedy=f"`ml-platform table history {name}` lists them.",
        )
    raise TableNotFoundError(
        f"There is no table {name} at {tables.uri}.", remedy="`ml-platform table list` lists those that there are."
    )


def files_before(tables: TableStore, name: str, version: int) -> Files:
    """The data files of the version before `version`; none before the first."""
    if version == 0:
        return {}
    found = require_version(tables, name, version - 1)
    return {key: {file.path: file for file in files} for key, files in found.files.items()}


def _told(entry: Entry, before: Files, after: Files, touched: Iterable[str], existing: set[str]) -> VersionEntry:
    old, new = ({key: list(files.values()) for key, files in each.items()} for each in (before, after))
    read = (file.path for files in new.values() for file in files)
    return VersionEntry(
        version=entry.version,
        committed_at=entry.committed_at,
        operation=_operation(entry),
        run_id=entry.metadata.get("run_id"),
        job=entry.metadata.get("job"),
        by=entry.metadata.get("by"),
        reason=entry.metadata.get("reason"),
        changes=tuple(_change(key, old, new) for key in sorted(touched)),
        content_root_before=_root(old) if old else None,
        content_root_after=_root(new),
        is_readable=existing.issuperset(read),
    )


def _operation(entry: Entry) -> str:
    if "restored_version" in entry.metadata:
        return f"restore of version {entry.metadata['restored_version']}"
    if "operation" in entry.metadata:
        return entry.metadata["operation"]
    if entry.operation in ("WRITE", "CREATE TABLE") and (entry.added or entry.removed):
        return "publish"
    return entry.operation.lower()


def _change(
    key: str, before: Mapping[str, Iterable[StoredFile]], after: Mapping[str, Iterable[StoredFile]]
) -> PartitionChange:
    old, new = (sorted(files.get(key, ()), key=lambda file: file.path) for files in (before, after))
    return PartitionChange(
        partition=key,
        rows_before=sum(file.rows for file in old) if old else None,
        rows_after=sum(file.rows for file in new) if new else None,
        content_before=old[0].content_hash if old else None,
        content_after=new[0].content_hash if new else None,
    )


def _root(files: Mapping[str, list[StoredFile]]) -> str:
    return root_hash({key: min(found).content_hash for key, found in files.items()})


def _summary(tables: TableStore, name: str, objects: list[ObjectInfo]) -> TableSummary:
    newest = require_version(tables, name)
    files = [file for found in newest.files.values() for file in found]
    current, log = sum(file.size for file in files), [info for info in objects if info.path.startswith("_")]
    data = sum(info.size for info in objects if not info.path.startswith("_"))
    last = next(read_entries(store_of(tables, name), [newest.version]))
    return TableSummary(
        name=name,
        version=newest.version,
        partitions=len(newest.files),
        rows=sum(file.rows for file in files),
        bytes=current,
        bytes_of_history=max(0, data - current),
        bytes_of_log=sum(info.size for info in log),
        last_commit_at=last.committed_at,
    )
