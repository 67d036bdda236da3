"""Assets of raw tables: landing objects, read and typed, published as they are."""

import datetime as dt
from collections.abc import Iterator, Sequence

import dagster as dg
import polars as pl

from ml_platform.components.use_case import UseCase
from ml_platform.data.component import LandedTable
from ml_platform.data.landing import Arrived, LandingObject, Layout, missing_object, read_many
from ml_platform.data.table_assets import BACKFILL_IN_ONE_RUN, days_of_run, table_spec
from ml_platform.storage.batches import UNPARTITIONED
from ml_platform.storage.io_managers import Told
from ml_platform.storage.objects import ObjectStore

LANDING_DAY = "landing_day"


def landing_spec(use_case: UseCase, table: LandedTable) -> dg.AssetSpec:
    """The landing objects of one table, as an external asset: where its lineage begins."""
    return dg.AssetSpec(
        _landing_key(use_case, table),
        description=f"Objects `{table.landing}` in the landing zone, dropped by the upstream and never edited here.",
        group_name=f"{use_case.name}_landing",
        kinds={"csv"},
        owners=use_case.owners,
        partitions_def=use_case.by_day if table.is_daily else None,
    )


def landed_asset(use_case: UseCase, table: LandedTable) -> dg.AssetsDefinition:
    """The raw table: every row of every object, typed as the contract says, with the day of its object."""
    contract = use_case.resolve(table.contract)
    spec = table_spec(
        use_case,
        table.name,
        description=table.description,
        contract=contract,
        partition_column=LANDING_DAY if table.is_daily else None,
        group="ingestion",
        kinds=("csv", "deltalake"),
    )
    layout = Layout(contract, tuple(table.day_columns) if table.is_daily else (), null_values=tuple(table.null_values))

    @dg.multi_asset(
        name=f"{use_case.name}__{table.name}",
        deps=[_landing_key(use_case, table)],
        outs={"result": dg.AssetOut.from_spec(spec, io_manager_key="tables")},
        partitions_def=spec.partitions_def,
        backfill_policy=BACKFILL_IN_ONE_RUN,
        required_resource_keys={"landing"},
    )
    def ingest(context: dg.AssetExecutionContext) -> Iterator[dg.Output[Told]]:
        arrived = list(_arrived(context.resources.landing, table, days_of_run(context) if table.is_daily else [None]))
        batch = read_many(arrived, layout)
        told = {str(came.day or UNPARTITIONED): _told(one) for one, came in zip(batch.objects, arrived, strict=True)}
        yield dg.Output(Told(_stamped(batch.frame, arrived, batch.objects), told))

    return ingest


def _arrived(landing: ObjectStore, table: LandedTable, days: Sequence[dt.date | None]) -> Iterator[Arrived]:
    """The objects of `days` (None: the one object of a table without days); those known to be absent are left out.

    Raises:
        LandingObjectMissingError: an object is not there, and the YAML does not say that it never will be.
    """
    for day in days:
        if str(day) in table.days_without_object:
            continue
        path = table.landing.format(day=day)
        try:
            yield Arrived(path, day, landing.read(path))
        except FileNotFoundError as error:
            raise missing_object(landing.uri_of(path)) from error


def _stamped(frame: pl.DataFrame, arrived: list[Arrived], objects: tuple[LandingObject, ...]) -> pl.DataFrame:
    """`frame` with the day of the object that each row came from; unchanged where objects have no day."""
    if arrived and arrived[0].day is None:
        return frame
    days = [
        pl.repeat(came.day, one.frame.height, dtype=pl.Date, eager=True)
        for came, one in zip(arrived, objects, strict=True)
    ]
    return frame.with_columns(pl.concat(days).alias(LANDING_DAY) if days else pl.lit(None, pl.Date).alias(LANDING_DAY))


def _told(one: LandingObject) -> dict[str, object]:
    return {
        "landing_object": one.name,
        "landing_sha256": one.sha256,
        "landing_bytes": one.size_bytes,
        "rows_in": one.frame.height,
    }


def _landing_key(use_case: UseCase, table: LandedTable) -> dg.AssetKey:
    return dg.AssetKey([use_case.name, "landing", table.name])
