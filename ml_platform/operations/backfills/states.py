"""Which partitions failed, are stale or are missing, told as `ml-platform status` tells it.

Belongs here: one asset at a time, also of assets that are no tables. Does not: what each state is (`health`).
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Literal

import dagster as dg

from ml_platform.operations.backfills.assets import Asset
from ml_platform.operations.health import Finding
from ml_platform.operations.model_health import stale_models
from ml_platform.operations.staleness import Staleness
from ml_platform.operations.table_health import Published, late, missing
from ml_platform.operations.unfinished import unfinished
from ml_platform.provenance.catalog import Catalog, Table
from ml_platform.provenance.trace_history import RunHistory
from ml_platform.settings import Settings
from ml_platform.storage.batches import UNPARTITIONED
from ml_platform.storage.location import StorageLocation

State = Literal["failed", "stale", "missing"]


class States:
    """Of one instance, and of the use cases that are declared."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance, catalogs: Sequence[Catalog]) -> None:
        """Nothing is read before it is asked for."""
        self._location, self._instance = StorageLocation.of(settings), instance
        self._catalogs = {catalog.use_case.name: catalog for catalog in catalogs}
        self._stale = cache(self._stale_of)

    def partitions(self, asset: Asset, state: State) -> set[str]:
        """The partitions of `asset` in this state; one that stands for all of it where it has none."""
        match state:
            case "failed":
                found = unfinished(self._instance, [asset.name])
                return {key for each in found if each.state == "failed" for key in each.partitions}
            case "stale":
                return self._stale(asset.name.partition("/")[0]).get(asset.name, set())
            case "missing":
                return self._missing(asset)

    def _stale_of(self, use_case: str) -> Mapping[str, set[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        if catalog := self._catalogs.get(use_case):
            for finding in self._stale_findings(catalog):
                found[finding.asset].update(finding.partitions)
        return found

    def _stale_findings(self, catalog: Catalog) -> Iterator[Finding]:
        yield from Staleness(self._location, RunHistory(self._instance), catalog).findings()
        for config in catalog.models:
            yield from stale_models(self._location, catalog, config)

    def _missing(self, asset: Asset) -> set[str]:
        """By the log of a table; by the history of runs for everything else."""
        catalog = self._catalogs.get(asset.name.partition("/")[0])
        if catalog and (table := catalog.tables.get(asset.name)):
            return {key for each in self._missing_findings(catalog, table) for key in each.partitions}
        key = dg.AssetKey(asset.name.split("/"))
        if asset.partitions is not None:
            return set(asset.partitions) - self._instance.get_materialized_partitions(key)
        return set() if self._instance.get_latest_materialization_event(key) else {UNPARTITIONED}

    def _missing_findings(self, catalog: Catalog, table: Table) -> Iterator[Finding]:
        now = dt.datetime.now(dt.UTC)
        found = Published(table, self._location.tables().published(table.name))
        yield from missing(catalog.use_case, found, self._instance, now)
        if table.by == "day":
            yield from late(catalog.use_case, found, self._instance, now)
