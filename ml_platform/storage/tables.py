"""Tables: named, partitioned, versioned, on Delta Lake.

A publication is one commit for any set of partitions: whole old or whole new. The log alone tells each partition's
content hash and rows, because every file carries them as partition values that readers never see. Data files lie where
the log says; their names only help a person who looks.
"""

import io
import json
import random
import re
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple, Self

import polars as pl
from deltalake.transaction import AddAction

from ml_platform.errors import PartitionNotPublishedError, StorageError, TableNotFoundError, WriteConflictError
from ml_platform.settings import Settings
from ml_platform.storage import table_log
from ml_platform.storage.batches import UNPARTITIONED, Batch, cut
from ml_platform.storage.columns import CONTENT_HASH, PARTITION_KEY, delta_schema, schema_change
from ml_platform.storage.content import root_hash
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.table_log import Change, Commit, StoredFile, TableVersion, VersionTakenError
from ml_platform.storage.turns import turn

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_\-.]*(/[A-Za-z0-9][A-Za-z0-9_\-.]*)*")
_GIVE_UP_AFTER_SECONDS = 120.0
_LONGEST_PAUSE_SECONDS = 2.0
_PARALLEL_WRITES = 8


class Publication(NamedTuple):
    """What publishing did: the version that holds it, each partition's content hash and rows, and attempts made."""

    version: int
    content_hashes: dict[str, str]
    rows: dict[str, int]
    written: tuple[str, ...]
    unchanged: tuple[str, ...]
    attempts: int = 1


class PartitionState(NamedTuple):
    """What is published for one partition."""

    content_hash: str
    rows: int


class Reading(NamedTuple):
    """Rows of a version, not yet read, and what is published of each partition that they come from."""

    rows: pl.LazyFrame
    partitions: dict[str, PartitionState]


@dataclass(frozen=True)
class TableStore:
    """The tables below `uri`. A name such as `flights/clean` is also the path of its table."""

    uri: str
    delta_options: Mapping[str, str] = field(default_factory=dict, repr=False)
    object_options: Mapping[str, object] = field(default_factory=dict, repr=False)
    scan_options: Mapping[str, object] = field(default_factory=dict, repr=False)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The store that the settings name."""
        return cls(
            settings.data_uri,
            settings.delta_options,
            settings.fsspec_options(settings.data_uri),
            settings.scan_options,
        )

    def publish(
        self,
        name: str,
        frame: pl.DataFrame,
        partitions: Sequence[str] = (UNPARTITIONED,),
        *,
        key: str | pl.Expr | None,
        sort_by: Sequence[str] = (),
        commit: Mapping[str, str] | None = None,
    ) -> Publication:
        """Make `frame` the whole content of `partitions`, in one commit.

        A partition whose content is already there is not written, and where none differs there is no commit. One
        without rows is published as empty. Other writers may commit meanwhile: this one reads again and lands after
        them; of two writers of one partition the later stands. New columns are null in partitions published before;
        taking away or retyping a column needs all of the table's partitions in one publication.

        Args:
            key: Column (or expression) whose string is the partition key; None for an unpartitioned table.
            sort_by: Order of the rows of a partition.
            commit: Recorded in the history of the table.

        Raises:
            PartitionMismatchError: `frame` has rows of other partitions.
            StorageError: the columns do not fit those of the table; a partition key or the name is impossible.
            WriteConflictError: other writers were faster every time.
        """
        uri = self.uri_of(name)
        delta_schema(frame.schema)  # refuses a type that would not come back
        batch = cut(name, frame, partitions, key, sort_by)
        before = table_log.read_version(uri, self.delta_options)
        files = self._written_files(name, batch, _changed(batch, before), {})
        started, attempts = time.monotonic(), 0
        while not attempts or time.monotonic() - started < _GIVE_UP_AFTER_SECONDS:
            attempts += 1
            try:
                with turn(uri):
                    began = time.monotonic()
                    return self._land(name, batch, files, commit or {}, before)._replace(attempts=attempts)
            except VersionTakenError:
                before = before or table_log.read_version(uri, self.delta_options)
                pause = min(_LONGEST_PAUSE_SECONDS, 2 * (time.monotonic() - began)) / attempts
                time.sleep(random.uniform(0, pause))  # noqa: S311 - jitter; who waits longest tries again soonest
        raise WriteConflictError(
            f"{name}: {attempts} attempts to publish {len(batch.spans)} partitions all lost to other writers.",
            got=f"no commit of its own in {time.monotonic() - started:.0f} seconds",
            kept="Nothing of this publication is visible; what the others published stands.",
            remedy="Run it again when fewer runs write this table, or give the table a concurrency pool.",
        )

    def version(self, name: str) -> int | None:
        """The newest version; None if the table was never published."""
        return table_log.newest(self.uri_of(name), self.delta_options)

    def scan(self, name: str, *, version: int | None = None, partitions: Sequence[str] | None = None) -> pl.LazyFrame:
        """Rows of a version, by partition key; only files of `partitions` are opened, and of these the columns used.

        Partitions that are not published add no rows, as long as one of those asked for is.

        Raises:
            TableNotFoundError: there is no such table or version.
            PartitionNotPublishedError: none of `partitions` is published.
        """
        return self.read(name, version=version, partitions=partitions).rows

    def read(self, name: str, *, version: int | None = None, partitions: Sequence[str] | None = None) -> Reading:
        """What `scan` gives, and which partitions it consists of.

        Raises:
            TableNotFoundError: there is no such table or version.
            PartitionNotPublishedError: none of `partitions` is published.
        """
        found = self._read(name, version)
        files = found.files if partitions is None else found.files_of(partitions)
        if partitions and not files:
            raise _none_published(name, found, partitions)
        paths = [f"{self._path_of(name)}/{file.path}" for key in files for file in files[key] if file.rows]
        states = {key: _state(of_one) for key, of_one in files.items()}
        if not paths:
            return Reading(pl.DataFrame(schema=found.schema).lazy(), states)
        rows = pl.scan_parquet(
            paths,
            schema=found.schema,
            missing_columns="insert",
            extra_columns="ignore",
            hive_partitioning=False,
            glob=False,
            storage_options=dict(self.scan_options) or None,
        )
        return Reading(rows, states)

    def partitions(self, name: str, version: int | None = None) -> dict[str, PartitionState]:
        """Content hash and rows of each published partition by key; only the log is read.

        Raises:
            TableNotFoundError: there is no such table or version.
        """
        return {key: _state(files) for key, files in self._read(name, version).files.items()}

    def published(self, name: str) -> dict[str, PartitionState]:
        """The same of a table that may never have been published: nothing then."""
        try:
            return self.partitions(name)
        except TableNotFoundError:
            return {}

    def content_root(self, name: str, partitions: Sequence[str] | None = None, version: int | None = None) -> str:
        """One hash over what is published of `partitions` (all by default); the same content gives the same root.

        Raises:
            TableNotFoundError: there is no such table or version.
        """
        states = self.partitions(name, version)
        chosen = states.keys() if partitions is None else states.keys() & set(partitions)
        return root_hash({key: states[key].content_hash for key in chosen})

    def history(self, name: str) -> list[Commit]:
        """Every commit of the table, newest first.

        Raises:
            TableNotFoundError: there is no such table.
        """
        commits = table_log.read_history(self.uri_of(name), self.delta_options)
        if commits is None:
            raise self._not_found(name, None)
        return commits

    def uri_of(self, name: str) -> str:
        """Full URI of a table; a plain path for local files.

        Raises:
            StorageError: the name would lie outside the store.
        """
        if not _NAME.fullmatch(name):
            raise StorageError(
                f"'{name}' cannot be the name of a table.",
                expected="letters, digits, '_', '-', '.' in parts joined by '/', each beginning with a letter or digit",
                remedy="Rename the asset: its key is the name of its table.",
            )
        return self._path_of(name)

    def _path_of(self, name: str) -> str:
        return f"{self.uri.removeprefix('file://').rstrip('/')}/{name}"

    def _read(self, name: str, version: int | None) -> TableVersion:
        found = table_log.read_version(self.uri_of(name), self.delta_options, version)
        if found is None:
            raise self._not_found(name, version)
        return found

    def _not_found(self, name: str, version: int | None) -> TableNotFoundError:
        which = "was never published" if version is None else f"has no version {version}"
        return TableNotFoundError(
            f"Table {name} {which} at {self.uri}.", remedy=f"Materialize {name}, or look whether data_uri is right."
        )

    def _land(
        self,
        name: str,
        batch: Batch,
        files: dict[str, AddAction],
        commit: Mapping[str, str],
        before: TableVersion | None,
    ) -> Publication:
        """One attempt to commit what differs from the newest version, which is `before` or later.

        Raises:
            VersionTakenError: another writer committed meanwhile.
        """
        uri, options = self.uri_of(name), self.delta_options
        newest = table_log.newer(uri, options, before) if before else table_log.read_version(uri, options)
        differing = _changed(batch, newest)
        if newest is not None and not differing:
            return _publication(batch, newest.version, _landed(newest, files))
        files.update(self._written_files(name, batch, differing, files))
        change = Change([files[key] for key in differing], differing, batch.frame.schema, commit)
        return _publication(batch, self._commit(name, newest, change), differing)

    def _commit(self, name: str, before: TableVersion | None, change: Change) -> int:
        uri = self.uri_of(name)
        if before is None:
            self._refuse_nested(name)
            return table_log.create(uri, self.delta_options, change)
        difference = schema_change(before.schema, change.schema)
        replace_all = not difference.is_compatible
        published = before.stored.get_column(PARTITION_KEY).n_unique()
        if replace_all and published > len(before.files_of(change.replaced)):
            raise StorageError(
                f"{name}: the columns differ from those of version {before.version} ({difference}).",
                expected="the columns that the published partitions have, or new ones beside them",
                kept=f"Nothing was published; version {before.version} with {published} partitions stands.",
                remedy=f"Materialize all {published} partitions in one run: that may change the columns.",
            )
        return table_log.advance(uri, self.delta_options, before, change, replace_all=replace_all)

    def _refuse_nested(self, name: str) -> None:
        """Refuse a new table inside the folder of another, whose clean-up would take the files of one for waste."""
        parts = name.split("/")
        others = [above for n in range(1, len(parts)) if self.version(above := "/".join(parts[:n])) is not None]
        stored = ObjectStore(self.uri, self.object_options).below(name).list()
        others += sorted({f"{name}/{inner}" for info in stored if (inner := info.path.rpartition("/_delta_log/")[0])})
        if others:
            raise StorageError(
                f"{name} cannot be a table: its folder and that of table {others[0]} would lie in one another.",
                kept="Nothing was published.",
                remedy="Rename the asset, such as to a key of as many parts as those of the other tables.",
            )

    def _written_files(
        self, name: str, batch: Batch, partitions: Sequence[str], present: Mapping[str, AddAction]
    ) -> dict[str, AddAction]:
        """A data file for each of `partitions`, written now where it is not among those `present`."""
        missing = [key for key in partitions if key not in present]
        store = ObjectStore(self.uri, self.object_options).below(name)
        with ThreadPoolExecutor(min(_PARALLEL_WRITES, max(1, len(missing)))) as pool:
            return dict(zip(missing, pool.map(lambda key: _write_file(store, batch, key), missing), strict=True))


def write_data_file(store: ObjectStore, partition: str, content: str, rows: int, data: bytes) -> AddAction:
    """The action that adds the file holding `data`, written below the table and not yet visible to anybody."""
    folder = re.sub(r"[^A-Za-z0-9\-]+", "-", partition).strip("-")[:40] or "key"
    path = f"{folder}/{content[:12]}-{uuid.uuid4().hex}.parquet"
    store.write(path, data)
    values: dict[str, str | None] = {PARTITION_KEY: partition, CONTENT_HASH: content}
    stats = json.dumps({"numRecords": rows})
    return AddAction(path, len(data), values, int(time.time() * 1000), data_change=True, stats=stats)


def _write_file(store: ObjectStore, batch: Batch, partition: str) -> AddAction:
    buffer = io.BytesIO()
    batch.slice(partition).write_parquet(buffer)
    return write_data_file(store, partition, batch.content_hashes[partition], batch.rows(partition), buffer.getvalue())


def _changed(batch: Batch, before: TableVersion | None) -> tuple[str, ...]:
    files = {} if before is None else before.files_of(batch.spans)
    published = {key: found[0].content_hash for key, found in files.items()}
    return tuple(key for key, content in batch.content_hashes.items() if published.get(key) != content)


def _landed(newest: TableVersion, files: Mapping[str, AddAction]) -> tuple[str, ...]:
    """The partitions whose file stands in the log: it was this writer's commit, whose answer got lost."""
    stored = set(newest.stored.get_column("path"))
    return tuple(key for key, action in files.items() if action.path in stored)


def _publication(batch: Batch, version: int, written: tuple[str, ...]) -> Publication:
    rows = {key: batch.rows(key) for key in batch.spans}
    return Publication(version, batch.content_hashes, rows, written, tuple(k for k in batch.spans if k not in written))


def _state(files: Sequence[StoredFile]) -> PartitionState:
    return PartitionState(files[0].content_hash, sum(file.rows for file in files))


def _none_published(name: str, found: TableVersion, partitions: Sequence[str]) -> PartitionNotPublishedError:
    asked = ", ".join(list(partitions)[:3]) + (f" and {len(partitions) - 3} more" if len(partitions) > 3 else "")
    return PartitionNotPublishedError(
        f"{name}: no partition of those asked for is published in version {found.version}: {asked}.",
        got=f"{len(found.files)} other partitions, {min(found.files)} to {max(found.files)}" if found.files else "none",
        remedy=f"Materialize {name} for {asked} first.",
    )
