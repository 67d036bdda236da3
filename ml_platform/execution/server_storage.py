"""Dagster's instance storage on PostgreSQL, for more than one machine: runs, events and schedules.

Belongs here: Dagster's own PostgreSQL storages, with connections kept open and events written in batches. Does not:
schemas and queries, which stay Dagster's.
"""

import os
from contextlib import AbstractContextManager
from typing import Any, Self

import sqlalchemy as db
from dagster._config.config_schema import UserConfigSchema
from dagster._serdes import ConfigurableClassData
from dagster_postgres import PostgresEventLogStorage, PostgresRunStorage, PostgresScheduleStorage
from sqlalchemy.engine import Connection, Engine

from ml_platform.errors import SettingsError
from ml_platform.execution.event_batches import EventsInBatches
from ml_platform.execution.instance_storage import InstanceStorage, Parts
from ml_platform.settings import Settings

KEPT_OPEN = 4
"""Connections that a process keeps open; it opens more while more of its threads ask at once."""
IDLE_SECONDS = 600
"""Age at which a connection is opened anew: what is between may drop it silently after a while."""


class ServerEventLogStorage(EventsInBatches, PostgresEventLogStorage):
    """Events of all runs; a batch is one transaction."""

    def in_transaction(self) -> AbstractContextManager[Connection]:
        return self.index_transaction()


class ServerStorage(InstanceStorage):
    """Runs, events and schedules in the database of the settings; its tables are made when it is first used.

    The address is read where it is used: it has a password, and Dagster hands the configuration of its instance to
    processes as an argument, which everybody on a machine can read.
    """

    def __init__(self, url: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engine = _pooled(url)
        runs, events, schedules = PostgresRunStorage(url), ServerEventLogStorage(url), PostgresScheduleStorage(url)
        for part in (runs, events, schedules):
            part._engine = self._engine  # Dagster's own opens a connection for each statement
        super().__init__(Parts(runs, events, schedules), inst_data)

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        url = Settings().database_url
        if url is None:
            raise SettingsError(
                "There is no database for the history of runs.", remedy="Set ML_PLATFORM_DATABASE_URL in this process."
            )
        return cls(url.get_secret_value(), inst_data)

    def dispose(self) -> None:
        super().dispose()
        self._engine.dispose()


def _pooled(url: str) -> Engine:
    """Connections that stay open, each statement a transaction; a forked child never uses those of its parent."""
    engine = db.create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_size=KEPT_OPEN,
        max_overflow=-1,
        pool_pre_ping=True,  # a server that was restarted is noticed here, and not by a statement that fails
        pool_recycle=IDLE_SECONDS,
    )
    os.register_at_fork(after_in_child=lambda: engine.dispose(close=False))
    return engine
