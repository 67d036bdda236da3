"""What one version of a Delta table consists of, from its log alone, and the commit that makes the next version."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, wraps
from typing import Concatenate, NamedTuple, ParamSpec, TypeVar

import polars as pl
from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import DeltaError
from deltalake.exceptions import TableNotFoundError as NoDeltaTableError
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

from ml_platform.storage.columns import (
    CONTENT_HASH,
    PARTITION_KEY,
    STORAGE_COLUMNS,
    delta_schema,
    polars_schema,
    schema_change,
)
from ml_platform.storage.failures import Place, explained, may_pass, persistently

Given = ParamSpec("Given")
Result = TypeVar("Result")

_METADATA_PREFIX = "ml_platform."
_CONFIGURATION = {
    "delta.logRetentionDuration": "interval 520 weeks",  # versions stay readable for ten years
    "delta.checkpointInterval": "10",  # whoever opens the table reads one checkpoint and at most as many commits
}


class StoredFile(NamedTuple):
    """One data file of a partition: its path below the table, its rows and bytes, and the content it holds."""

    path: str
    rows: int
    size: int
    content_hash: str


@dataclass(frozen=True, eq=False)
class TableVersion:
    """One version, open: its columns without the storage columns, and its data files as rows, by partition and path."""

    version: int
    schema: pl.Schema
    stored: pl.DataFrame = field(repr=False)
    table: DeltaTable = field(repr=False)

    @cached_property
    def files(self) -> Mapping[str, Sequence[StoredFile]]:
        """The files of each partition, by key."""
        return _by_partition(self.stored)

    def files_of(self, partitions: Iterable[str]) -> Mapping[str, Sequence[StoredFile]]:
        """The files of those of `partitions` that are published; the cost is theirs, not that of the whole table."""
        asked = pl.Series(list(partitions), dtype=pl.String)
        return _by_partition(self.stored.filter(pl.col(PARTITION_KEY).is_in(asked.implode())))


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
    """Another writer committed first, or the server did not say; read the table again and decide again."""


def _explained(
    access: Callable[Concatenate[str, Mapping[str, str], Given], Result],
) -> Callable[Concatenate[str, Mapping[str, str], Given], Result]:
    """`access` to the log at a URI with these options, whose failures say which setting mends them."""

    @wraps(access)
    def told(uri: str, options: Mapping[str, str], /, *args: Given.args, **kwargs: Given.kwargs) -> Result:
        with explained(Place(uri, options.get("aws_endpoint_url"))):
            return access(uri, options, *args, **kwargs)

    return told


@_explained
def read_version(uri: str, options: Mapping[str, str], version: int | None = None) -> TableVersion | None:
    """The newest version, or the one asked for; None where there is no such table or version."""
    table = _open(uri, options, version)
    if table is None:
        return None
    return _version_of(table)


@_explained
def newest(uri: str, options: Mapping[str, str]) -> int | None:
    """The newest version by its number alone; None where there is no such table."""
    table = _open(uri, options, None)
    return None if table is None else table.version()


@_explained
def newer(uri: str, options: Mapping[str, str], before: TableVersion) -> TableVersion:
    """The newest version now; only commits after `before` are read, and `before` itself is used up."""
    _patiently(options, before.table.update_incremental)
    return before if before.table.version() == before.version else _version_of(before.table)


@_explained
def read_history(uri: str, options: Mapping[str, str]) -> list[Commit] | None:
    """Every commit, newest first; None where there is no such table."""
    table = _open(uri, options, None)
    return None if table is None else [_commit(entry) for entry in _patiently(options, table.history)]


@_explained
def create(uri: str, options: Mapping[str, str], change: Change) -> int:
    """Make the table with its first files; the version is 0.

    Raises:
        VersionTakenError: the table exists, or the server did not answer.
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
    except (DeltaError, OSError) as error:
        _refuse_unless_overtaken(error, uri, options, None)
    return 0


@_explained
def advance(uri: str, options: Mapping[str, str], before: TableVersion, change: Change, *, replace_all: bool) -> int:
    """Commit `change` as exactly the version after `before`, and return it.

    Compare-and-swap: with no retries inside the library, a commit never lands on a table that its writer has not seen.
    Partitions published earlier are null in a new column, from the same commit on: there is no state between.

    Raises:
        VersionTakenError: another writer committed after `before`, or the server did not answer.
    """
    is_wider = not replace_all and bool(schema_change(before.schema, change.schema).added)
    has_other_columns = replace_all or is_wider
    gone = {} if has_other_columns else before.files_of(change.replaced)
    removals = [_removal(file, key) for key, files in gone.items() for file in files]
    try:
        before.table.create_write_transaction(
            [*change.added, *removals],
            mode="overwrite" if has_other_columns else "append",  # the former may change columns, and removes by filter
            partition_filters=[(PARTITION_KEY, "in", list(change.replaced))] if is_wider else None,
            schema=delta_schema(change.schema),
            partition_by=list(STORAGE_COLUMNS),
            commit_properties=_properties(change.metadata),
        )
    except (DeltaError, OSError) as error:
        _refuse_unless_overtaken(error, uri, options, before.version)
    return before.version + 1


@_explained
def write_checkpoint(uri: str, options: Mapping[str, str]) -> None:
    """Sum the log of the newest version up in one file, so that whoever opens the table reads less."""
    if (table := _open(uri, options, None)) is not None:
        table.create_checkpoint()


def _version_of(table: DeltaTable) -> TableVersion:
    stored = pl.DataFrame(table.get_add_actions(flatten=True)).select(
        pl.col(f"partition.{PARTITION_KEY}").alias(PARTITION_KEY),
        "path",
        pl.col("num_records").alias("rows"),
        pl.col("size_bytes").alias("size"),
        pl.col(f"partition.{CONTENT_HASH}").alias(CONTENT_HASH),
    )
    return TableVersion(table.version(), polars_schema(table.schema()), stored.sort(PARTITION_KEY, "path"), table)


def _by_partition(stored: pl.DataFrame) -> Mapping[str, Sequence[StoredFile]]:
    files: dict[str, list[StoredFile]] = {}
    for key, *file in stored.iter_rows():
        files.setdefault(key, []).append(StoredFile(*file))
    return files


def _open(uri: str, options: Mapping[str, str], version: int | None) -> DeltaTable | None:
    try:
        return _patiently(options, lambda: DeltaTable(uri, version=version, storage_options=dict(options)))
    except NoDeltaTableError:
        return None
    except DeltaError:
        newest = None if version is None else _open(uri, options, None)
        if newest is None or version is None or version <= newest.version():
            raise
        return None


def _refuse_unless_overtaken(
    error: DeltaError | OSError, uri: str, options: Mapping[str, str], version: int | None
) -> None:
    """Raise `error`, unless what the table holds decides: another writer was faster, or nobody knows if it landed.

    Without an answer from the server a commit may have landed; the next attempt finds its content there, and no work.
    """
    newest = _open(uri, options, None)
    if may_pass(error) or (newest is not None and (version is None or newest.version() > version)):
        raise VersionTakenError from error
    raise error


def _patiently(options: Mapping[str, str], read: Callable[[], Result]) -> Result:
    """What `read` gives, also where an answer breaks off half-way, which deltalake does not try again."""
    return persistently(read, int(options.get("retry_timeout", "0ms").removesuffix("ms")) / 1000)


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
