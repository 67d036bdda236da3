"""Assets of tables by day: the rows of a table by key, those of all keys, cut by the day that a column of them says.

What reads days, such as models, predictions and their quality, reads these. A day has a content of its own, so a file
that grows, or a key that comes, changes the days that it has other rows of and no other: only they are written.

Belongs here: the cut. Does not: when it is made (`by_day_sensor`), or what the rows say.
"""

import datetime as dt
from collections.abc import Sequence

import dagster as dg
import dataframely as dy
import polars as pl

from ml_platform.components.column_lineage import told
from ml_platform.components.degrading import decide
from ml_platform.components.partitions import as_days, partitions_of_run
from ml_platform.components.reuse import Recipe, plan, rows_of
from ml_platform.components.tables import BACKFILL_IN_ONE_RUN, table_spec
from ml_platform.components.use_case import UseCase
from ml_platform.data.audit import Conservation, audit
from ml_platform.data.checks import conservation_check, contract_check, require_all_accepted, table_check_specs
from ml_platform.data.cleaned import Events
from ml_platform.data.component import CleanedTable, DerivedTable, FeatureTable, TableByDay
from ml_platform.errors import PartitionNotPublishedError
from ml_platform.lineage.columns import Column
from ml_platform.storage.io_managers import DeltaTableIOManager


def by_day_asset(
    use_case: UseCase, table: TableByDay, source: CleanedTable | DerivedTable | FeatureTable
) -> dg.AssetsDefinition:
    """The rows of `source` by day; a day on which no key has a row is published empty, unless rows may still come."""
    contract: type[dy.Schema] = use_case.resolve(source.contract)
    recipe, source_key, column = Recipe.of(contract, newest_day), use_case.key(source.name), table.partition_column
    source_name = "/".join(source_key.path)
    spec = table_spec(
        use_case,
        table.name,
        description=table.description,
        contract=contract,
        partition_column=column,
        group="features",
        code_version=recipe.code_version,
        fresh_within_hours=table.fresh_within_hours,
    )
    lineage = told({name: [Column(source_name, name)] for name in contract.column_names()})

    @dg.multi_asset(
        name=f"{use_case.name}__{table.name}",
        retry_policy=use_case.retries(),
        ins={"source": dg.AssetIn(source_key, partition_mapping=dg.AllPartitionMapping())},
        outs={"result": dg.AssetOut.from_spec(spec, io_manager_key="tables")},
        check_specs=table_check_specs(spec.key),
        partitions_def=spec.partitions_def,
        backfill_policy=BACKFILL_IN_ONE_RUN,
        required_resource_keys={"tables"},
    )
    def cut(context: dg.AssetExecutionContext, source: pl.LazyFrame) -> Events:
        tables: DeltaTableIOManager = context.resources.tables
        days = partitions_of_run(context)
        require_arrived(f"{use_case.name}/{table.name}", source_name, days, newest_day(source, column))
        keys, published = context.asset_partition_keys_for_input("source"), tables.read_states(context.run, source_name)
        content = {key: published[key].content_hash for key in sorted(keys) if key in published}
        todo = plan(tables, [spec.key], recipe.made_from(dict.fromkeys(days, content)))
        rows = rows_of(source, column, todo.compute)
        audited = audit(rows, contract, table="/".join(spec.key.path), partition_column=column, reject_above=0)
        yield contract_check(spec.key, audited, todo)
        require_all_accepted(audited, contract, spec.key, tables)
        yield conservation_check(spec.key, Conservation(rows.height, audited.accepted.height, 0), todo)
        output = dg.Output(todo.publishable(spec.key, audited.accepted, of_table=lineage))
        yield from decide(context, spec.key, {source_name: lambda _: content}).publish(output)

    return cut


def newest_day(rows: pl.LazyFrame, column: str) -> dt.date | None:
    """The last day that any key has a row of; one column is read."""
    found: dt.date | None = rows.select(pl.col(column).max()).collect().item()
    return found


def require_arrived(table: str, source: str, days: Sequence[str], newest: dt.date | None) -> None:
    """Pass if no day is later than the last row of all keys: the rows of such a day have yet to come.

    Raises:
        PartitionNotPublishedError: one is.
    """
    early = [day for day in as_days(days) if newest is None or day > newest]
    if early:
        raise PartitionNotPublishedError(
            f"{table}: {len(early)} of {len(days)} days have not come, first {early[0]}",
            expected=f"days up to {newest}, the last that any key of {source} has a row of" if newest else "a row",
            got=f"no row in {source} on or after {early[0]}",
            kept="Nothing was published; what was published before stands",
            remedy=f"Have objects with rows of these days land and materialize {source}, or ask for fewer days",
        )
