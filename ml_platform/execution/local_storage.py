"""Dagster's instance storage on SQLite, tuned for one machine: runs, events and schedules.

Belongs here: Dagster's own SQLite storages, with connections kept open and events written in batches. Does not:
schemas and queries, which stay Dagster's.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import sqlalchemy as db
from dagster import StringSource
from dagster._config.config_schema import UserConfigSchema
from dagster._core.event_api import EventHandlerFn
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS
from dagster._core.events.log import EventLogEntry
from dagster._core.instance import DagsterInstance
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage
from dagster._core.storage.event_log.base import EventLogStorage
from dagster._core.storage.event_log.polling_event_watcher import SqlPollingEventWatcher
from dagster._core.storage.event_log.schema import AssetKeyTable, SqlEventLogStorageTable
from dagster._core.storage.runs.base import RunStorage
from dagster._core.storage.runs.sqlite import SqliteRunStorage
from dagster._core.storage.schedules.base import ScheduleStorage
from dagster._core.storage.schedules.sqlite import SqliteScheduleStorage
from dagster._core.storage.sqlite import create_db_conn_string
from dagster._serdes import ConfigurableClass, ConfigurableClassData
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import Connection

from ml_platform.execution.connections import SqliteFile, only_one_process

EVENTS_DATABASE = "event_log"
"""File name that Dagster's consolidated event log chooses."""


class LocalRunStorage(SqliteRunStorage):
    """Runs, their tags and snapshots, backfills and heartbeats."""

    def __init__(self, base_dir: Path) -> None:
        self._file = SqliteFile(base_dir / "runs.db")
        super().__init__(create_db_conn_string(str(base_dir), "runs"))
        self._run_columns_exist = lru_cache(super().has_run_stats_index_cols)
        self._backfill_column_exists = lru_cache(super().has_backfill_id_column)
        self._index_is_built = lru_cache(super().has_built_index)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        with self._file.transaction() as connection:
            yield connection

    def has_run_stats_index_cols(self) -> bool:
        return self._run_columns_exist()

    def has_backfill_id_column(self) -> bool:
        return self._backfill_column_exists()

    def has_built_index(self, migration_name: str) -> bool:
        return self._index_is_built(migration_name)

    def mark_index_built(self, migration_name: str) -> None:
        super().mark_index_built(migration_name)
        self._index_is_built.cache_clear()

    def dispose(self) -> None:
        self._file.dispose()


class LocalScheduleStorage(SqliteScheduleStorage):
    """Schedules, sensors and their ticks."""

    def __init__(self, base_dir: Path) -> None:
        self._file = SqliteFile(base_dir / "schedules.db")
        super().__init__(create_db_conn_string(str(base_dir), "schedules"))
        self._index_is_built = lru_cache(super().has_built_index)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        with self._file.transaction() as connection:
            yield connection

    def has_built_index(self, migration_name: str) -> bool:
        return self._index_is_built(migration_name)

    def mark_index_built(self, migration_name: str) -> None:
        super().mark_index_built(migration_name)
        self._index_is_built.cache_clear()

    def dispose(self) -> None:
        self._file.dispose()


class LocalEventLogStorage(ConsolidatedSqliteEventLogStorage):
    """Events of all runs in one file, so that each is written once; a batch is one transaction."""

    def __init__(self, base_dir: Path) -> None:
        self._file = SqliteFile(base_dir / f"{EVENTS_DATABASE}.db")
        self._watcher: SqlPollingEventWatcher | None = None
        self._table_exists = lru_cache(super().has_table)
        self._asset_key_columns: set[str] = set()
        super().__init__(str(base_dir))

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        with self._file.transaction() as connection:
            yield connection

    def run_connection(self, run_id: str | None) -> AbstractContextManager[Connection]:
        return self._connect()

    def index_connection(self) -> AbstractContextManager[Connection]:
        return self._connect()

    def has_table(self, table_name: str) -> bool:
        return self._table_exists(table_name)

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        if not self._asset_key_columns:
            self._asset_key_columns = {column["name"] for column in db.inspect(conn).get_columns(AssetKeyTable.name)}
        return column_name in self._asset_key_columns

    def store_event(self, event: EventLogEntry) -> None:
        self.store_event_batch([event])

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Write all events, or none, with what follows from them for their assets."""
        with self._connect() as connection:
            ids = self._insert(connection, events)
            asset_events = [(event, event_id) for event, event_id in zip(events, ids, strict=True) if _of_asset(event)]
            if asset_events:
                self._store_asset_event_tags(connection, *map(list, zip(*asset_events, strict=True)))
                self._update_assets(connection, asset_events)
        for event, event_id in zip(events, ids, strict=True):
            if event.is_dagster_event and event.dagster_event_type in ASSET_CHECK_EVENTS:
                self.store_asset_check_event(event, event_id)

    def _insert(self, connection: Connection, events: Sequence[EventLogEntry]) -> list[int]:
        ordered = SqlEventLogStorageTable.insert().returning(SqlEventLogStorageTable.c.id, sort_by_parameter_order=True)
        return list(connection.execute(ordered, [self._event_to_row(event) for event in events]).scalars())

    def _update_assets(self, connection: Connection, events: Sequence[tuple[EventLogEntry, int]]) -> None:
        """Record for each asset the newest event of each kind; older ones of the batch would only be overwritten."""
        newest = {(_asset_key(event), event.dagster_event_type): (event, event_id) for event, event_id in events}
        has_columns = self._has_asset_key_index_cols_on_connection(connection)
        for (asset_key, _), (event, event_id) in sorted(newest.items(), key=lambda item: item[1][1]):
            values = self._get_asset_entry_values(event, event_id, has_columns)
            if values:
                upsert = insert(AssetKeyTable).values(asset_key=asset_key, **values)
                connection.execute(upsert.on_conflict_do_update(index_elements=["asset_key"], set_=values))

    def watch(self, run_id: str, cursor: str | None, callback: EventHandlerFn) -> None:
        """Poll for events: commits go to the WAL, which watching the database file does not see."""
        self._watcher = self._watcher or SqlPollingEventWatcher(self)
        self._watcher.watch_run(run_id, cursor, callback)

    def end_watch(self, run_id: str, handler: EventHandlerFn) -> None:
        if self._watcher:
            self._watcher.unwatch_run(run_id, handler)

    def dispose(self) -> None:
        if self._watcher:
            self._watcher.close()
            self._watcher = None
        self._file.dispose()


class LocalStorage(DagsterStorage, ConfigurableClass):
    """Runs, events and schedules in `base_dir`, which is created when it is first used."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._inst_data = inst_data
        folder = Path(base_dir)
        _create_databases(folder)
        self._run_storage = LocalRunStorage(folder)
        self._event_log_storage = LocalEventLogStorage(folder)
        self._schedule_storage = LocalScheduleStorage(folder)
        super().__init__()  # type: ignore[no-untyped-call]

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        return self._inst_data

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {"base_dir": StringSource}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        return cls(inst_data=inst_data, **config_value)

    def register_instance(self, instance: DagsterInstance) -> None:
        super().register_instance(instance)
        for storage in (self._run_storage, self._event_log_storage, self._schedule_storage):
            if not storage.has_instance:
                storage.register_instance(instance)

    @property
    def event_log_storage(self) -> EventLogStorage:
        return self._event_log_storage

    @property
    def run_storage(self) -> RunStorage:
        return self._run_storage

    @property
    def schedule_storage(self) -> ScheduleStorage:
        return self._schedule_storage

    @property
    def event_storage_data(self) -> ConfigurableClassData | None:
        return None

    @property
    def run_storage_data(self) -> ConfigurableClassData | None:
        return None

    @property
    def schedule_storage_data(self) -> ConfigurableClassData | None:
        return None

    def dispose(self) -> None:
        for storage in (self._run_storage, self._event_log_storage, self._schedule_storage):
            storage.dispose()


def _create_databases(folder: Path) -> None:
    """Let Dagster create and check its schemas, once per file and version of Dagster."""
    files = [SqliteFile(folder / f"{name}.db") for name in ("runs", EVENTS_DATABASE, "schedules")]
    if all(file.is_ready() for file in files):
        return
    with only_one_process(folder):
        SqliteRunStorage.from_local(str(folder))
        ConsolidatedSqliteEventLogStorage(str(folder))
        SqliteScheduleStorage.from_local(str(folder))
        for file in files:
            file.mark_ready()
    for file in files:
        file.dispose()


def _of_asset(event: EventLogEntry) -> bool:
    return event.dagster_event_type in ASSET_EVENTS and bool(event.get_dagster_event().asset_key)


def _asset_key(event: EventLogEntry) -> str:
    asset_key = event.get_dagster_event().asset_key
    assert asset_key, "only events of assets come here"
    return asset_key.to_string()


__all__ = ["LocalEventLogStorage", "LocalRunStorage", "LocalScheduleStorage", "LocalStorage"]
