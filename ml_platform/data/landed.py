"""Assets of raw tables: landing objects, read and typed, published as they are."""

import datetime as dt
from collections.abc import Iterator, Sequence

import dagster as dg
import dataframely as dy
import polars as pl

from ml_platform.components.use_case import UseCase
from ml_platform.data.component import LandedTable
from ml_platform.data.landing import Arrived, LandingBatch, Layout, missing_object, read_many
from ml_platform.data.table_assets import BACKFILL_IN_ONE_RUN, DAY_OF_LANDING, table_spec
from ml_platform.storage.io_managers import publish_output
from ml_platform.storage.objects import ObjectStore


def landing_spec(use_case: UseCase, table: LandedTable) -> dg.AssetSpec:
    """The landing objects of one table, as an external asset: where its lineage begins."""
    return dg.AssetSpec(
        _landing_key(use_case, table),
        description=f"Objects {table.landing} in the landing zone, dropped by the upstream and never edited here.",
        group_name=f"{use_case.name}_landing",
        kinds={"csv"},
        partitions_def=_partitions(use_case, table),
    )


def landed_asset(use_case: UseCase, table: LandedTable) -> dg.AssetsDefinition:
    """The raw table: every row of every object, typed as the contract says."""
    contract: type[dy.Schema] = use_case.resolve(table.contract)
    daily = _partitions(use_case, table) is not None
    spec = table_spec(
        use_case,
        table.name,
        description=table.description,
        contract=contract,
        partition_column=DAY_OF_LANDING if daily else None,
        group="ingestion",
        deps=[dg.AssetDep(_landing_key(use_case, table))],
        kinds=("csv", "polars", "deltalake"),
    )
    layout = Layout(contract, tuple(table.day_columns) if daily else (), null_values=tuple(table.null_values))

    @dg.multi_asset(
        name=f"{use_case.name}_{table.name}",
        outs={"table": dg.AssetOut.from_spec(spec, io_manager_key="tables", dagster_type=dg.Nothing)},
        required_resource_keys={"landing"},
        backfill_policy=BACKFILL_IN_ONE_RUN if daily else None,
        partitions_def=spec.partitions_def,
    )
    def ingest(context: dg.AssetExecutionContext) -> Iterator[dg.Output[pl.DataFrame]]:
        days = [dt.date.fromisoformat(key) for key in context.partition_keys] if daily else [None]
        batch = _read(context.resources.landing, table, days, layout)
        ...

    return ingest
