"""Events written in batches: all of a batch in one transaction, with what follows from them for their assets.

Belongs here: what SQLite and PostgreSQL have in common. Does not: connections and schemas (`local_storage`,
`server_storage`).
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager

from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log import SqlEventLogStorage
from dagster._core.storage.event_log.schema import AssetKeyTable, SqlEventLogStorageTable
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection


class EventsInBatches(SqlEventLogStorage):
    """An event log whose batches may hold events of any kind, of any assets."""

    def in_transaction(self) -> AbstractContextManager[Connection]:
        """A connection in a transaction that commits at the end of the block."""
        raise NotImplementedError

    def store_event(self, event: EventLogEntry) -> None:
        self.store_event_batch([event])

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Write all events, or none, with what follows from them for their assets."""
        with self.in_transaction() as connection:
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
        """Record for each asset the newest event of each kind; older ones of the batch would only be overwritten.

        Assets come in the order of their keys: two batches that write the same ones at once wait for each other, and
        not each for the other.
        """
        insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        newest = {(_asset_key(event), event.dagster_event_type): (event, event_id) for event, event_id in events}
        has_columns = self._has_asset_key_index_cols_on_connection(connection)
        for (asset_key, _), (event, event_id) in sorted(newest.items(), key=lambda item: (item[0][0], item[1][1])):
            values = self._get_asset_entry_values(event, event_id, has_columns)
            if values:
                upsert = insert(AssetKeyTable).values(asset_key=asset_key, **values)
                connection.execute(upsert.on_conflict_do_update(index_elements=["asset_key"], set_=values))


def _of_asset(event: EventLogEntry) -> bool:
    return event.dagster_event_type in ASSET_EVENTS and bool(event.get_dagster_event().asset_key)


def _asset_key(event: EventLogEntry) -> str:
    asset_key = event.get_dagster_event().asset_key
    assert asset_key, "only events of assets come here"
    return asset_key.to_string()
