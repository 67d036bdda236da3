"""What one version of a Delta table consists of, from its log alone, and the commit that makes the next version."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import polars as pl
from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import DeltaError
from deltalake.exceptions import TableNotFoundError as NoDeltaTableError
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

from ml_platform.storage.columns import CONTENT_HASH, PARTITION_KEY, STORAGE_COLUMNS, delta_schema, polars_schema

_METADATA_PREFIX = "ml_platform."
_CONFIGURATION = {"delta.logRetentionDuration": "interval 520 weeks"}  # versions stay readable for ten years


class StoredFile(NamedTuple):
    """One data file of a partition: its path below the table, its rows and bytes, and the content it holds."""

    path: str
    rows: int
    size: int
    content_hash: str


class TableVersion(NamedTuple):
    """One version: its columns without the storage columns, and the files of each partition."""

    version: int
    schema: pl.Schema
    files: Mapping[str, Sequence[StoredFile]]


class Commit(NamedTuple):
    """One entry of a table's history: when (UTC), and what its writer recorded."""

    version: int
    committed_at: datetime
    metadata: dict[str, str]


class Change(NamedTuple):
    """What a commit does: files added, partitions whose present files go, and the columns of the result."""

    added: Sequence[AddAction]
    replaced: Sequence[str]
    schema: pl.Schema
    metadata: Mapping[str, str]


class VersionTakenError(Exception):
    """Another writer committed first; read the table again and decide again."""


def read_version(uri: str, options: Mapping[str, str], version: int | None = None) -> TableVersion | None:
    """The newest version, or the one asked for; None where there is no such table or version."""
    table = _open(uri, options, version)
    if table is None:
        return None
    actions = pl.DataFrame(table.get_add_actions(flatten=True))
    files: dict[str, list[StoredFile]] = defaultdict(list)
    columns = ("path", "num_records", "size_bytes", f"partition.{CONTENT_HASH}", f"partition.{PARTITION_KEY}")
    for path, rows, size, content, key in actions.select(columns).sort(columns[-1], "path").iter_rows():
        files[key].append(StoredFile(path, rows, size, content))
    return TableVersion(table.version(), polars_schema(table.schema()), dict(files))


def read_history(uri: str, options: Mapping[str, str]) -> list[Commit] | None:
    """Every commit, newest first; None where there is no such table."""
    table = _open(uri, options, None)
    return None if table is None else [_commit(entry) for entry in table.history()]


def create(uri: str, options: Mapping[str, str], change: Change) -> int:
    """Make the table with its first files; the version is 0.

    Raises:
        VersionTakenError: the table exists.
    """
    try:
        create_table_with_add_actions(
            uri,
            delta_schema(change.schema),
            list(change.added),
            mode="error",
            partition_by=list(STORAGE_COLUMNS),
            configuration=_CONFIGURATION,
            storage_options=dict(options),
            commit_properties=_properties(change.metadata),
        )
    except DeltaError as error:
        if _open(uri, options, None) is None:
            raise
        raise VersionTakenError from error
    return 0


def add_columns(uri: str, options: Mapping[str, str], before: TableVersion, schema: pl.Schema) -> None:
    """Make room for columns that `before` lacks; partitions published earlier are null in them.

    Raises:
        VersionTakenError: another writer committed after `before`.
    """
    table = _open(uri, options, before.version)
    fields = [field for field in delta_schema(schema).fields if field.name not in (*before.schema, *STORAGE_COLUMNS)]
    try:
        if table is not None:
            table.alter.add_columns(fields, commit_properties=_properties({}))
    except DeltaError as error:
        _refuse_unless_overtaken(error, uri, options, before.version)


def advance(uri: str, options: Mapping[str, str], before: TableVersion, change: Change, *, replace_all: bool) -> int:
    """Commit `change` as exactly the version after `before`, and return it.

    Compare-and-swap: with no retries inside the library, a commit never lands on a table that its writer has not seen.

    Raises:
        VersionTakenError: another writer committed after `before`.
    """
    table = _open(uri, options, before.version)
    if table is None:
        raise VersionTakenError
    replaced = [] if replace_all else [(file, key) for key in change.replaced for file in before.files.get(key, ())]
    try:
        table.create_write_transaction(
            [*change.added, *(_removal(file, key) for file, key in replaced)],
            mode="overwrite" if replace_all else "append",
            schema=delta_schema(change.schema),
            partition_by=list(STORAGE_COLUMNS),
            commit_properties=_properties(change.metadata),
        )
    except DeltaError as error:
        _refuse_unless_overtaken(error, uri, options, before.version)
    return before.version + 1


def _open(uri: str, options: Mapping[str, str], version: int | None) -> DeltaTable | None:
    try:
        return DeltaTable(uri, version=version, storage_options=dict(options))
    except NoDeltaTableError:
        return None
    except DeltaError:
        newest = None if version is None else _open(uri, options, None)
        if newest is None or version is None or version <= newest.version():
            raise
        return None


def _refuse_unless_overtaken(error: DeltaError, uri: str, options: Mapping[str, str], version: int) -> None:
    newest = _open(uri, options, None)
    if newest is not None and newest.version() > version:
        raise VersionTakenError from error
    raise error


def _removal(file: StoredFile, partition: str) -> RemoveAction:
    now = int(datetime.now(UTC).timestamp() * 1000)
    values: dict[str, str | None] = {PARTITION_KEY: partition, CONTENT_HASH: file.content_hash}
    return RemoveAction(file.path, data_change=True, deletion_timestamp=now, size=file.size, partition_values=values)


def _properties(metadata: Mapping[str, str]) -> CommitProperties:
    custom = {f"{_METADATA_PREFIX}{name}": value for name, value in metadata.items()}
    return CommitProperties(custom_metadata=custom, max_commit_retries=0)


def _commit(entry: Mapping[str, object]) -> Commit:
    metadata = {
        name.removeprefix(_METADATA_PREFIX): str(value)
        for name, value in entry.items()
        if name.startswith(_METADATA_PREFIX)
    }
    at = datetime.fromtimestamp(int(str(entry["timestamp"])) / 1000, UTC)
    return Commit(int(str(entry["version"])), at, metadata)
