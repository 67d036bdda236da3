"""Assets of raw tables: what sources deliver, read and typed, published as it is."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import dagster as dg

from ml_platform.components.column_lineage import told as lineage_told
from ml_platform.components.degrading import decide, degradation_check_spec
from ml_platform.components.partitions import partitions_of_run
from ml_platform.components.reuse import Recipe, plan
from ml_platform.components.tables import BACKFILL_IN_ONE_RUN, table_spec
from ml_platform.components.use_case import UseCase
from ml_platform.data.component import LandedTable
from ml_platform.data.declared_source import code_of_source, source_of
from ml_platform.data.fallback import ABSENT, UNREACHABLE, Missed, take_rungs
from ml_platform.data.landing import LandingObject, Layout, read_many
from ml_platform.data.sources import OUT_OF_REACH, Arrived, Source, state_of
from ml_platform.errors import LandingObjectMissingError
from ml_platform.execution.pools import SOURCE
from ml_platform.lineage.columns import Column
from ml_platform.recovery.retries import StepRetries
from ml_platform.storage.io_managers import Publishable

LANDING_PATTERN = "ml_platform/landing_pattern"
PARTS = "landing_parts"
Events = Iterator[dg.Output[Publishable] | dg.AssetCheckResult]


def landing_spec(use_case: UseCase, table: LandedTable) -> dg.AssetSpec:
    """What one table is made from, as an external asset: where its lineage begins."""
    described = f"Objects `{table.landing}` in the landing zone, dropped by the upstream and never edited here."
    return dg.AssetSpec(
        _landing_key(use_case, table),
        description=described if table.landing else f"Rows of `{table.origin}`, as they are when they are asked for.",
        group_name=f"{use_case.name}_landing",
        kinds={table.kind},
        owners=use_case.owners,
        partitions_def=use_case.partitions(table.by),
        metadata={LANDING_PATTERN: table.origin},
    )


def landed_asset(use_case: UseCase, table: LandedTable) -> dg.AssetsDefinition:
    """The raw table: every row of its source, typed as the contract says, with the day or key that it was asked for."""
    contract = use_case.resolve(table.contract)
    named = {"day": table.day_columns, "key": [table.key_column] if table.key_column else [], "whole": []}[table.by]
    layout = Layout(contract, tuple(named), table.stamped, table.reading, table.may_be_empty)
    config = {**layout._asdict(), "contract": contract.__name__, "query": table.query and table.query.sql}
    recipe = Recipe.of(read_many, contract, *code_of_source(use_case, table), **config)
    lineage = lineage_told(_as_landed(layout, "/".join(_landing_key(use_case, table).path)))
    spec = table_spec(
        use_case,
        table.name,
        description=table.description,
        contract=contract,
        partition_column=table.stamped,
        by=table.by,
        group="ingestion",
        fresh_within_hours=table.fresh_within_hours,
        code_version=recipe.code_version,
        kinds=(table.kind, "deltalake"),
    )

    retries = use_case.retries()

    @dg.multi_asset(
        name=f"{use_case.name}__{table.name}",
        retry_policy=retries,
        pool=SOURCE,
        deps=[_landing_key(use_case, table)],
        outs={"result": dg.AssetOut.from_spec(spec, io_manager_key="tables")},
        check_specs=[degradation_check_spec(spec.key)] if table.fallback else [],
        partitions_def=spec.partitions_def,
        backfill_policy=BACKFILL_IN_ONE_RUN,
        required_resource_keys={"tables"},
    )
    def ingest(context: dg.AssetExecutionContext) -> Events:
        source = source_of(use_case, table, context.resources.tables.location)
        found = _find(source, table, partitions_of_run(context), retries)
        hashes = {key: one and state_of(one.hashes) for key, one in found.arrived.items()}
        todo = plan(context.resources.tables, [spec.key], recipe.made_from(hashes))
        wanted = {key: one for key in todo.compute if (one := found.arrived[key])}
        batch = read_many(wanted.values(), layout)
        unusable = {
            key: Missed(error, state_of(one.hashes))
            for key, one in wanted.items()
            if (error := batch.errors.get(one.name))
        }
        taken = take_rungs(
            context, spec.key, table, {**found.missed, **unusable}, tried=len(hashes) + len(found.missed)
        )
        told = {key: _told(batch.objects[one.name]) for key, one in wanted.items() if key not in unusable}
        output = dg.Output(taken.applied(todo, spec.key).publishable(spec.key, batch.frame, told, lineage))
        if table.fallback is None:
            yield output
        else:
            yield from decide(context, spec.key, reads={}, own=taken.rungs).publish(output)

    return ingest


class _Found(NamedTuple):
    """The partitions of a run: those that arrived, None where none is to be expected, and those that did not."""

    arrived: Mapping[str, Arrived | None]
    missed: Mapping[str, Missed]


def _find(source: Source, table: LandedTable, partitions: Sequence[str], retries: StepRetries) -> _Found:
    """What there is of each partition; once the source cannot be reached it is not asked again.

    Raises:
        Unreachable: the source does not answer, and the table has no fallback, or retries are left.
    """
    arrived: dict[str, Arrived | None] = {}
    missed: dict[str, Missed] = {}
    for number, key in enumerate(partitions):
        try:
            is_none = key in table.days_without_object
            arrived[key] = None if is_none else Arrived(table.path_of(key), _named_by(table, key), source.take(key))
        except LandingObjectMissingError as error:
            missed[key] = Missed(error, ABSENT)
        except OUT_OF_REACH as error:
            if table.fallback is None or retries:  # a policy is true while another attempt follows what is handled
                raise
            return _Found(arrived, {**missed, **dict.fromkeys(partitions[number:], Missed(error, UNREACHABLE))})
    return _Found(arrived, missed)


def _named_by(table: LandedTable, partition: str) -> dt.date | str | None:
    """The day or key that the name of an object says its rows are of."""
    if table.by == "day":
        return dt.date.fromisoformat(partition)
    return partition if table.by == "key" else None


def _told(one: LandingObject) -> dict[str, object]:
    return {
        "landing_object": one.name,
        "landing_sha256": one.sha256,
        "landing_bytes": one.size_bytes,
        "rows_in": one.frame.height,
        **({PARTS: dict(one.hashes)} if set(one.hashes) != {one.name} else {}),
    }


def _as_landed(layout: Layout, landing: str) -> dict[str, list[Column]]:
    """The column of the objects that each column is: the one of its name, except for what the platform adds."""
    columns = [name for name in layout.contract.column_names() if name != layout.stamped]
    stamped: dict[str, list[Column]] = {layout.stamped: []} if layout.stamped else {}
    return {name: [Column(landing, name)] for name in columns} | stamped


def _landing_key(use_case: UseCase, table: LandedTable) -> dg.AssetKey:
    return dg.AssetKey([use_case.name, "landing", table.name])
