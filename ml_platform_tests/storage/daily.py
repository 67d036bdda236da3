"""Toy assets over the readings: `toy/readings` by day, `toy/trailing` over two days back, `toy/total` over all."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import dagster as dg
import polars as pl

from ml_platform.settings import Settings
from ml_platform.storage.io_managers import PARTITION_COLUMN, SORT_BY
from ml_platform.storage.resources import storage_resources
from ml_platform.storage.tables import TableStore
from ml_platform_tests.storage.scenario import readings

BY_DAY = dg.DailyPartitionsDefinition("2013-01-01", end_date="2013-01-11")
BY_DAY_METADATA = {PARTITION_COLUMN: "day", SORT_BY: ["hour"]}
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
READINGS, TRAILING, TOTAL = (dg.AssetKey(["toy", name]) for name in ("readings", "trailing", "total"))


class World:
    """The assets, where their data are and an instance; 100 is added to every reading of the `shifted` days."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance) -> None:
        self.settings = settings
        self.instance = instance
        self.shifted: set[str] = set()
        self.assets = [self._readings(), self._trailing(), self._total()]

    @property
    def tables(self) -> TableStore:
        return TableStore.from_settings(self.settings)

    def run(
        self, *keys: dg.AssetKey, days: Sequence[str] = (), raise_on_error: bool = True
    ) -> dg.ExecuteInProcessResult:
        """Materialize `keys` for the first to the last of `days` in one run."""
        return dg.materialize(
            self.assets,
            selection=list(keys),
            instance=self.instance,
            resources=storage_resources(self.settings),
            tags={RANGE_START: days[0], RANGE_END: days[-1]} if len(days) > 1 else {},
            partition_key=days[0] if len(days) == 1 else None,
            raise_on_error=raise_on_error,
        )

    def versions(self, key: dg.AssetKey) -> dict[str, str]:
        """Data version of the latest materialization by partition."""
        records = self.instance.fetch_materializations(key, limit=1000, ascending=True).records
        events = [record.asset_materialization for record in records]
        return {str(event.partition): event.tags["dagster/data_version"] for event in events if event and event.tags}

    def _readings(self) -> dg.AssetsDefinition:
        @dg.asset(
            key=READINGS,
            partitions_def=BY_DAY,
            metadata=BY_DAY_METADATA,
            io_manager_key="tables",
            code_version="1",
            backfill_policy=dg.BackfillPolicy.single_run(),
        )
        def measured(context: dg.AssetExecutionContext) -> pl.DataFrame:
            day = pl.col("day").cast(pl.String)
            shift = pl.when(day.is_in(list(self.shifted))).then(100.0).otherwise(0.0)
            return readings(context.partition_keys).with_columns(reading=pl.col("reading") + shift)

        return measured

    def _trailing(self) -> dg.AssetsDefinition:
        look_back = dg.TimeWindowPartitionMapping(start_offset=-2, allow_nonexistent_upstream_partitions=True)

        @dg.asset(
            key=TRAILING,
            partitions_def=BY_DAY,
            metadata=BY_DAY_METADATA,
            io_manager_key="tables",
            code_version="1",
            backfill_policy=dg.BackfillPolicy.single_run(),
            ins={"history": dg.AssetIn(key=READINGS, partition_mapping=look_back)},
        )
        def trailing(context: dg.AssetExecutionContext, history: pl.LazyFrame) -> pl.LazyFrame:
            days = [dt.date.fromisoformat(key) for key in context.partition_keys]
            mean = pl.col("reading").rolling_mean_by("at", "48h", closed="left")
            at = pl.col("day").cast(pl.Datetime("us")) + pl.duration(hours="hour")
            with_mean = history.with_columns(at=at).with_columns(mean=mean).drop("at")
            return with_mean.filter(pl.col("day").is_in(days))

        return trailing

    def _total(self) -> dg.AssetsDefinition:
        @dg.asset(key=TOTAL, io_manager_key="records", ins={"history": dg.AssetIn(key=READINGS)})
        def total(history: pl.DataFrame) -> dict[str, Any]:
            return {"rows": history.height, "sum": history["reading"].sum()}

        return total
