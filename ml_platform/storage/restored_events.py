"""Dagster told of partitions whose content changed outside of any run, so that what follows from them shows as stale.

Belongs here: materializations without a run. Does not: those of a run (`partition_events`), or the change itself.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG

from ml_platform.storage.batches import UNPARTITIONED
from ml_platform.storage.tables import PartitionState

NOT_PUBLISHED = "not published"
"""Data version of a partition that was taken away: Dagster keeps no record of a partition's absence otherwise."""

_PAGE = 1000

Told = Mapping[str | None, dg.AssetMaterialization]


def report_content(
    instance: dg.DagsterInstance,
    table: str,
    partitions: Sequence[str],
    published: Mapping[str, PartitionState],
    metadata: Mapping[str, Any],
) -> list[str]:
    """The partitions whose latest materialization did not tell of what is published; now there is one that does.

    It carries the tags of the run that made this content, if Dagster remembers it: code version and inputs, so that
    the partition itself shows as stale if these have changed since. Told twice, the second time changes nothing.
    """
    key = dg.AssetKey(table.split("/"))
    latest, makers = _told(instance, key, partitions, published)
    changed = [each for each in partitions if _version(latest.get(_name(each))) != _wanted(published.get(each))]
    for partition in changed:
        state = published.get(partition)
        maker = makers.get(_name(partition))
        tags = {**((maker.tags or {}) if maker else {}), DATA_VERSION_TAG: _wanted(state)}
        rows = {"dagster/row_count": state.rows if state else 0, "is_published": state is not None}
        own = {**(maker.metadata if maker else {}), **rows, **metadata}
        event = dg.AssetMaterialization(key, partition=_name(partition), metadata=own, tags=tags)
        instance.report_runless_asset_event(event)
    return changed


def _told(
    instance: dg.DagsterInstance, key: dg.AssetKey, partitions: Sequence[str], published: Mapping[str, PartitionState]
) -> tuple[Told, Told]:
    """By partition: its latest materialization, and the latest that told of the content which is published."""
    latest: dict[str | None, dg.AssetMaterialization] = {}
    makers: dict[str | None, dg.AssetMaterialization] = {}
    wanted = {_name(each): _wanted(published.get(each)) for each in partitions}
    keys = [name for name in wanted if name is not None]
    asked = dg.AssetRecordsFilter(asset_key=key, asset_partitions=keys or None)
    cursor, has_more = None, True
    while has_more:
        page = instance.fetch_materializations(asked, limit=_PAGE, cursor=cursor)
        for event in (record.asset_materialization for record in page.records):
            if event is not None and event.partition in wanted:
                latest.setdefault(event.partition, event)
                if _version(event) == wanted[event.partition]:
                    makers.setdefault(event.partition, event)
        cursor, has_more = page.cursor, page.has_more
    return latest, makers


def _name(partition: str) -> str | None:
    return None if partition == UNPARTITIONED else partition


def _wanted(state: PartitionState | None) -> str:
    return state.content_hash if state else NOT_PUBLISHED


def _version(event: dg.AssetMaterialization | None) -> str | None:
    return (event.tags or {}).get(DATA_VERSION_TAG) if event else None
