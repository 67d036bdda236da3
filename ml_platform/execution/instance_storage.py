"""The storage of a Dagster instance, made of three: runs, events and schedules.

Belongs here: how Dagster is handed the three. Does not: where they are (`local_storage`, `server_storage`).
"""

from typing import NamedTuple

from dagster import DagsterInstance
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.event_log.base import EventLogStorage
from dagster._core.storage.runs.base import RunStorage
from dagster._core.storage.schedules.base import ScheduleStorage
from dagster._serdes import ConfigurableClass, ConfigurableClassData


class Parts(NamedTuple):
    """What an instance keeps."""

    runs: RunStorage
    events: EventLogStorage
    schedules: ScheduleStorage


class InstanceStorage(DagsterStorage, ConfigurableClass):
    """Three storages that are configured, registered and closed as one."""

    def __init__(self, parts: Parts, inst_data: ConfigurableClassData | None = None) -> None:
        self._parts, self._inst_data = parts, inst_data
        super().__init__()  # type: ignore[no-untyped-call]

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        return self._inst_data

    def register_instance(self, instance: DagsterInstance) -> None:
        super().register_instance(instance)
        for part in self._parts:
            if not part.has_instance:
                part.register_instance(instance)

    @property
    def event_log_storage(self) -> EventLogStorage:
        return self._parts.events

    @property
    def run_storage(self) -> RunStorage:
        return self._parts.runs

    @property
    def schedule_storage(self) -> ScheduleStorage:
        return self._parts.schedules

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
        for part in self._parts:
            part.dispose()
