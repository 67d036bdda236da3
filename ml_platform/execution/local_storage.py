"""Dagster's instance storage on SQLite, tuned for one machine: runs, events and schedules.

Belongs here: Dagster's own SQLite storages, with connections kept open and events written in batches. Does not:
schemas and queries, which stay Dagster's.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import sqlalchemy as db
from dagster import StringSource
from dagster._config.config_schema import UserConfigSchema
from dagster._core.event_api import EventHandlerFn
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage
from dagster._core.storage.event_log.polling_event_watcher import SqlPollingEventWatcher
from dagster._core.storage.event_log.schema import AssetKeyTable
from dagster._core.storage.runs.sqlite import SqliteRunStorage
from dagster._core.storage.schedules.sqlite import SqliteScheduleStorage
from dagster._core.storage.sqlite import create_db_conn_string
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection

from ml_platform.execution.connections import SqliteFile, only_one_process
from ml_platform.execution.event_batches import EventsInBatches
from ml_platform.execution.instance_storage import InstanceStorage, Parts

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


class LocalEventLogStorage(EventsInBatches, ConsolidatedSqliteEventLogStorage):
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

    @contextmanager
    def in_transaction(self) -> Iterator[Connection]:
        with self._connect() as connection:
            yield connection

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        if not self._asset_key_columns:
            self._asset_key_columns = {column["name"] for column in db.inspect(conn).get_columns(AssetKeyTable.name)}
        return column_name in self._asset_key_columns

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


class LocalStorage(InstanceStorage):
    """Runs, events and schedules in `base_dir`, which is created when it is first used."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        folder = Path(base_dir)
        _create_databases(folder)
        super().__init__(
            Parts(LocalRunStorage(folder), LocalEventLogStorage(folder), LocalScheduleStorage(folder)), inst_data
        )

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {"base_dir": StringSource}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        return cls(inst_data=inst_data, **config_value)


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


__all__ = ["LocalEventLogStorage", "LocalRunStorage", "LocalScheduleStorage", "LocalStorage"]
