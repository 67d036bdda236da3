"""Assets of raw tables: landing objects, read and typed, published as they are."""

import datetime as dt
import hashlib
from collections.abc import Iterator, Sequence

import dagster as dg

from ml_platform.components.column_lineage import told
from ml_platform.components.partitions import partitions_of_run
from ml_platform.components.reuse import Recipe, plan
from ml_platform.components.tables import BACKFILL_IN_ONE_RUN, table_spec
from ml_platform.components.use_case import UseCase
from ml_platform.data.component import LandedTable
from ml_platform.data.landing import Arrived, LandingObject, Layout, missing_object, read_many
from ml_platform.lineage.columns import Column
from ml_platform.storage.io_managers import Publishable
from ml_platform.storage.objects import ObjectStore

LANDING_DAY = "landing_day"
LANDING_PATTERN = "ml_platform/landing_pattern"


def landing_spec(use_case: UseCase, table: LandedTable) -> dg.AssetSpec:
    """The landing objects of one table, as an external asset: where its lineage begins."""
    return dg.AssetSpec(
        _landing_key(use_case, table),
        description=f"Objects `{table.landing}` in the landing zone, dropped by the upstream and never edited here.",
        group_name=f"{use_case.name}_landing",
        kinds={"csv"},
        owners=use_case.owners,
        partitions_def=use_case.by_day if table.is_daily else None,
        metadata={LANDING_PATTERN: table.landing},
    )


def landed_asset(use_case: UseCase, table: LandedTable) -> dg.AssetsDefinition:
    """The raw table: every row of every object, typed as the contract says, with the day of its object."""
    contract = use_case.resolve(table.contract)
    layout = Layout(contract, null_values=tuple(table.null_values))
    if table.is_daily:
        layout = layout._replace(day_columns=tuple(table.day_columns), stamped=LANDING_DAY)
    recipe = Recipe.of(read_many, contract, layout=layout._replace(contract=contract.__name__))
    lineage = told(_as_landed(layout, "/".join(_landing_key(use_case, table).path)))
    spec = table_spec(
        use_case,
        table.name,
        description=table.description,
        contract=contract,
        partition_column=LANDING_DAY if table.is_daily else None,
        group="ingestion",
        code_version=recipe.code_version,
        kinds=("csv", "deltalake"),
    )

    @dg.multi_asset(
        name=f"{use_case.name}__{table.name}",
        deps=[_landing_key(use_case, table)],
        outs={"result": dg.AssetOut.from_spec(spec, io_manager_key="tables")},
        partitions_def=spec.partitions_def,
        backfill_policy=BACKFILL_IN_ONE_RUN,
        required_resource_keys={"landing", "tables"},
    )
    def ingest(context: dg.AssetExecutionContext) -> Iterator[dg.Output[Publishable]]:
        arrived = _arrived(context.resources.landing, table, partitions_of_run(context))
        hashes = {key: one and hashlib.sha256(one.data).hexdigest() for key, one in arrived.items()}
        todo = plan(context.resources.tables, [spec.key], recipe.made_from(hashes))
        found = {key: one for key in todo.compute if (one := arrived[key])}
        batch = read_many(found.values(), layout)
        objects = {key: _told(one) for key, one in zip(found, batch.objects, strict=True)}
        yield dg.Output(todo.publishable(spec.key, batch.frame, objects, lineage))

    return ingest


def _arrived(landing: ObjectStore, table: LandedTable, partitions: Sequence[str]) -> dict[str, Arrived | None]:
    """The object of each partition; None where it is known that there is none.

    Raises:
        LandingObjectMissingError: an object is not there, and the YAML does not say that it never will be.
    """
    return {key: None if key in table.days_without_object else _fetch(landing, table, key) for key in partitions}


def _fetch(landing: ObjectStore, table: LandedTable, partition: str) -> Arrived:
    path = table.landing.format(day=partition)
    try:
        return Arrived(path, dt.date.fromisoformat(partition) if table.is_daily else None, landing.read(path))
    except FileNotFoundError as error:
        raise missing_object(landing.uri_of(path)) from error


def _told(one: LandingObject) -> dict[str, object]:
    return {
        "landing_object": one.name,
        "landing_sha256": one.sha256,
        "landing_bytes": one.size_bytes,
        "rows_in": one.frame.height,
    }


def _as_landed(layout: Layout, landing: str) -> dict[str, list[Column]]:
    """The column of the objects that each column is: the one of its name, except for what the platform adds."""
    columns = [name for name in layout.contract.column_names() if name != layout.stamped]
    stamped: dict[str, list[Column]] = {layout.stamped: []} if layout.stamped else {}
    return {name: [Column(landing, name)] for name in columns} | stamped


def _landing_key(use_case: UseCase, table: LandedTable) -> dg.AssetKey:
    return dg.AssetKey([use_case.name, "landing", table.name])
