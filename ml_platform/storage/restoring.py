"""Partitions written again from files that exist: a version brought back, and several files of a partition made one.

A restore writes the old data files again under new names instead of naming the old ones: their content is verified on
the way, and no retention that runs at the same moment can take them. It is a commit like any other.

Belongs here: the commits. Does not: telling Dagster of them (`restored_events`).
"""

import io
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple

import polars as pl
from deltalake.transaction import AddAction

from ml_platform.errors import (
    ObjectCorruptError,
    PartitionNotPublishedError,
    StorageError,
    VersionDroppedError,
    WriteConflictError,
)
from ml_platform.storage import table_log
from ml_platform.storage.columns import schema_change
from ml_platform.storage.content import Span, content_hashes
from ml_platform.storage.history import PartitionChange, partition_changes, require_version, store_of
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.table_log import Change, StoredFile, TableVersion, VersionTakenError
from ml_platform.storage.tables import TableStore, write_data_file
from ml_platform.storage.turns import turn

_ATTEMPTS = 40
_LONGEST_PAUSE_SECONDS = 1.0
_PARALLEL_WRITES = 8


class Restoration(NamedTuple):
    """What a restore did, or would do: `changes` from version `before`, and the newest version now."""

    table: str
    restored_version: int
    before: int
    version: int
    changes: tuple[PartitionChange, ...]
    columns_changed: bool

    @property
    def is_needed(self) -> bool:
        """Whether anything differs from the version asked for."""
        return bool(self.changes) or self.columns_changed


def restore(
    tables: TableStore,
    name: str,
    version: int,
    *,
    partitions: Sequence[str] | None = None,
    commit: Mapping[str, str] | None = None,
    dry_run: bool = False,
) -> Restoration:
    """Make the content of `version` the newest again, in one commit; where it is already, nothing is done.

    Only partitions whose content differs are written. One that `version` did not have is taken away. A restore of the
    whole table brings its columns back too; one of some `partitions` leaves them, null in those added since.

    Raises:
        TableNotFoundError: there is no such table or version.
        PartitionNotPublishedError: a partition is neither in `version` nor in the newest.
        VersionDroppedError: data files of `version` are gone.
        ObjectCorruptError: a data file does not hold what was published.
        StorageError: partitions whose columns do not fit those of the table.
        WriteConflictError: other writers were faster every time.
    """
    wanted = require_version(tables, name, version)
    copies: dict[str, AddAction] = {}
    first: Restoration | None = None  # a commit that landed and was reported as lost leaves nothing to do
    for attempt in range(_ATTEMPTS):
        with turn(tables.uri_of(name)), suppress(VersionTakenError):
            newest = require_version(tables, name)
            found = _restoration(name, wanted, newest, partitions)
            keys = list(wanted.files) if found.columns_changed else [change.partition for change in found.changes]
            _require_files(tables, name, wanted, keys)
            if dry_run or not found.is_needed:
                return (first or found)._replace(version=newest.version)
            first = first or found
            _write_again(tables, name, wanted, keys, copies)
            schema = wanted.schema if found.columns_changed else newest.schema
            added = [copies[key] for key in keys if key in copies]
            change = Change(added, keys, schema, {**(commit or {}), **_told(found)})
            landed = _commit(tables, name, newest, change, replace_all=found.columns_changed)
            return first._replace(version=landed)
        _pause(attempt)
    raise _lost(name, f"to restore version {version}")


def merge_files(tables: TableStore, name: str, commit: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Make one data file of several wherever a partition has more; the partitions that had, by key.

    The platform writes one file for each partition; other writers may leave several.

    Raises:
        TableNotFoundError: there is no such table.
        WriteConflictError: other writers were faster every time.
    """
    for attempt in range(_ATTEMPTS):
        with turn(tables.uri_of(name)), suppress(VersionTakenError):
            newest = require_version(tables, name)
            keys = several_files(newest)
            merged: dict[str, AddAction] = {}
            _write_again(tables, name, newest, keys, merged)
            told = {**(commit or {}), "operation": "merge", "partitions": str(len(keys))}
            if keys:
                _commit(tables, name, newest, Change(list(merged.values()), keys, newest.schema, told))
            return keys
        _pause(attempt)
    raise _lost(name, "to merge data files")


def several_files(version: TableVersion) -> tuple[str, ...]:
    """The partitions with more than one data file, by key."""
    return tuple(sorted(key for key, files in version.files.items() if len(files) > 1))


def _restoration(
    name: str, wanted: TableVersion, newest: TableVersion, partitions: Sequence[str] | None
) -> Restoration:
    columns = schema_change(wanted.schema, newest.schema)
    if partitions is None:
        changes = partition_changes(newest.files, wanted.files)
        differ = bool(str(columns))
        return Restoration(name, wanted.version, newest.version, newest.version, changes, differ)
    if unknown := sorted(set(partitions) - wanted.files.keys() - newest.files.keys()):
        raise PartitionNotPublishedError(
            f"{name}: neither version {wanted.version} nor version {newest.version} has {', '.join(unknown[:3])}.",
            kept="Nothing was changed.",
            remedy=f"`ml-platform table history {name} --partition {unknown[0]}` tells which versions had it.",
        )
    if not columns.is_compatible:
        raise StorageError(
            f"{name}: partitions of version {wanted.version} do not fit the columns of version {newest.version} "
            f"({columns}).",
            kept="Nothing was changed.",
            remedy="Restore the whole table: that brings the columns back too.",
        )
    old, new = ({key: files[key] for key in partitions if key in files} for files in (newest.files, wanted.files))
    return Restoration(name, wanted.version, newest.version, newest.version, partition_changes(old, new), False)


def _require_files(tables: TableStore, name: str, wanted: TableVersion, keys: Iterable[str]) -> None:
    files = [file for key in keys for file in wanted.files.get(key, ())]
    existing = {info.path for info in store_of(tables, name).list()} if files else set()
    if gone := [file for file in files if file.path not in existing]:
        raise _dropped(name, f"{len(gone)} of the {len(files)} data files that this needs of version {wanted.version}")


def _write_again(
    tables: TableStore, name: str, version: TableVersion, keys: Iterable[str], written: dict[str, AddAction]
) -> None:
    """Write each partition of `keys` that `version` has as one new file, unless `written` has it already."""
    store = store_of(tables, name)
    todo = [key for key in keys if key in version.files and key not in written]
    with ThreadPoolExecutor(_PARALLEL_WRITES) as pool:
        copies = pool.map(lambda key: _copy(store, name, key, version.files[key], version.schema), todo)
        written.update(zip(todo, copies, strict=True))


def _copy(store: ObjectStore, name: str, partition: str, files: Sequence[StoredFile], schema: pl.Schema) -> AddAction:
    """One new file with the rows of `files`; a single one keeps its bytes, once its content is what the log says."""
    data = [_read(store, name, file) for file in files]
    frames = [_frame(store, name, file, each) for file, each in zip(files, data, strict=True)]
    if len(files) == 1:
        (only,), (content,) = files, content_hashes(frames[0], [Span(0, frames[0].height)])
        if content != only.content_hash:
            raise _corrupt(store, name, only, f"content {content}")
        return write_data_file(store, partition, content, frames[0].height, data[0])
    whole = pl.concat([frame.match_to_schema(schema, missing_columns="insert") for frame in frames])
    buffer = io.BytesIO()
    whole.write_parquet(buffer)
    (content,) = content_hashes(whole, [Span(0, whole.height)])
    return write_data_file(store, partition, content, whole.height, buffer.getvalue())


def _read(store: ObjectStore, name: str, file: StoredFile) -> bytes:
    try:
        return store.read(file.path)
    except FileNotFoundError as error:
        raise _dropped(name, f"the data file {file.path}") from error


def _frame(store: ObjectStore, name: str, file: StoredFile, data: bytes) -> pl.DataFrame:
    try:
        return pl.read_parquet(io.BytesIO(data))
    except pl.exceptions.ComputeError as error:
        raise _corrupt(store, name, file, f"no parquet file ({error})") from error


def _dropped(name: str, what: str) -> VersionDroppedError:
    return VersionDroppedError(
        f"{name}: that version cannot be restored, since its data was dropped.",
        expected="every data file of it",
        got=f"no trace of {what}",
        kept="Nothing was changed; the newest version stands.",
        remedy=f"`ml-platform table history {name}` tells which versions are still whole.",
    )


def _corrupt(store: ObjectStore, name: str, file: StoredFile, got: str) -> ObjectCorruptError:
    return ObjectCorruptError(
        f"{name}: the data file {store.uri_of(file.path)} does not hold what was published.",
        expected=f"content {file.content_hash}",
        got=got,
        kept="Nothing was changed; the newest version stands.",
        remedy="Restore another version, or leave this partition out and materialize it again.",
    )


def _commit(tables: TableStore, name: str, before: TableVersion, change: Change, *, replace_all: bool = False) -> int:
    return table_log.advance(tables.uri_of(name), tables.delta_options, before, change, replace_all=replace_all)


def _pause(attempt: int) -> None:
    time.sleep(random.uniform(0, min(_LONGEST_PAUSE_SECONDS, 0.02 * 1.5**attempt)))  # noqa: S311 - jitter


def _told(found: Restoration) -> dict[str, str]:
    rows = sum(change.rows_after or 0 for change in found.changes)
    return {
        "operation": "restore",
        "restored_version": str(found.restored_version),
        "partitions": str(len(found.changes)),
        "rows": str(rows),
    }


def _lost(name: str, what: str) -> WriteConflictError:
    return WriteConflictError(
        f"{name}: {_ATTEMPTS} attempts {what} all lost to other writers.",
        kept="Nothing of this is visible; what the others published stands.",
        remedy="Try again when fewer runs write this table.",
    )
