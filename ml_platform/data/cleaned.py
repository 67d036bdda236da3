"""Assets of cleaned and derived tables: write, audit, publish."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import dagster as dg
import dataframely as dy
import polars as pl

from ml_platform.components.batches import computed
from ml_platform.components.column_lineage import Experiment, observed_lineage
from ml_platform.components.cuts import By
from ml_platform.components.degrading import decide, same_partition, whole_table
from ml_platform.components.reuse import Recipe, contents, plan, rows_of
from ml_platform.components.tables import BACKFILL_IN_ONE_RUN, table_spec
from ml_platform.components.use_case import UseCase
from ml_platform.data.audit import Audited, Conservation, Quarantine, audit, violation
from ml_platform.data.calling import quoting_no_personal_value
from ml_platform.data.checks import (
    conservation_check,
    contract_check,
    require_all_accepted,
    standing_version,
    table_check_specs,
    tell_of_refused,
)
from ml_platform.data.component import CleanedTable, DerivedTable, LandedTable
from ml_platform.data.specs import declared_spec
from ml_platform.lineage.columns import Tables
from ml_platform.storage.io_managers import DeltaTableIOManager, Publishable

Events = Iterator[dg.Output[Publishable] | dg.AssetCheckResult]


def cleaned_asset(use_case: UseCase, table: CleanedTable, landed: LandedTable) -> dg.AssetsDefinition:
    """The clean table and its quarantine, from one step: every source row is in exactly one of them.

    Where so many rows are refused that the clean table is not published, the quarantine is all the same, since it is
    what to look at. It is not materialized then: whoever re-executes the failure, of a run or a backfill, finds both to
    be made.
    """
    contract, function = use_case.resolve(table.contract), use_case.resolve(table.function)
    source_contract = use_case.resolve(landed.contract)
    recipe = Recipe.of(function, contract, audit, reject_above=table.reject_above)
    spec = declared_spec(use_case, table, "clean", recipe, landed.by)
    quarantine = _quarantine_spec(use_case, table, recipe, landed.by)
    source_key, name = use_case.key(table.source), _name(spec.key)
    reads = {_name(source_key): same_partition, **{_name(use_case.key(each)): whole_table for each in table.references}}

    @dg.multi_asset(
        name=f"{use_case.name}__{table.name}",
        retry_policy=use_case.retries(),
        ins={
            "source": dg.AssetIn(source_key),
            **{each: dg.AssetIn(use_case.key(each)) for each in table.references},
        },
        outs={
            "quarantine": dg.AssetOut.from_spec(quarantine, io_manager_key="tables"),
            "clean": dg.AssetOut.from_spec(spec, io_manager_key="tables"),
        },
        check_specs=table_check_specs(spec.key),
        partitions_def=spec.partitions_def,
        backfill_policy=BACKFILL_IN_ONE_RUN,
        required_resource_keys={"tables"},
    )
    def clean(context: dg.AssetExecutionContext, source: pl.LazyFrame, **references: pl.LazyFrame) -> Events:
        tables: DeltaTableIOManager = context.resources.tables
        made_from = recipe.made_from(contents(context, source_key, [use_case.key(each) for each in references]))
        todo = plan(tables, [spec.key, quarantine.key], made_from)
        rows = rows_of(source, landed.stamped, todo.compute)
        with quoting_no_personal_value(name, [source_contract]):
            made = computed(context, rows, landed.stamped, todo.compute, partial(function, **references))
        audited = audit(
            made, contract, table=name, partition_column=table.partition_column, reject_above=table.reject_above
        )
        conserved = Conservation(rows.height, audited.accepted.height, audited.refused.height)
        conserved.check(name)
        yield contract_check(spec.key, audited, todo)
        if refusal := violation(
            audited,
            table=name,
            landed_as=landed.origin,
            quarantine=_name(quarantine.key),
            reject_above=table.reject_above,
            standing=standing_version(tables, spec.key),
            where=f"use_cases/{use_case.name}/data/defs.yaml",
        ):
            op = context.op_execution_context
            published = tables.publish_unmaterialized(op, quarantine, audited.refused, todo.compute)
            tell_of_refused(context, quarantine.key, audited, published.version)
            raise refusal
        yield dg.Output(todo.publishable(quarantine.key, audited.refused), "quarantine")
        yield conservation_check(spec.key, conserved, todo)
        experiment = _experiment(use_case, function, contract, table.source, rows, references)
        lineage = observed_lineage(context, spec.key, recipe, experiment)
        output = dg.Output(todo.publishable(spec.key, audited.accepted, _counts(audited), lineage), "clean")
        yield from decide(context, spec.key, reads).publish(output)

    return clean


def derived_asset(use_case: UseCase, table: DerivedTable, from_table: CleanedTable, by: By) -> dg.AssetsDefinition:
    """A pure function of the same partitions of one table; the rows that it leaves out count as declared drops."""
    contract, function = use_case.resolve(table.contract), use_case.resolve(table.function)
    source_contract = use_case.resolve(from_table.contract)
    recipe, source_key = Recipe.of(function, contract, audit), use_case.key(table.source)
    spec = declared_spec(use_case, table, "features", recipe, by)

    @dg.multi_asset(
        name=f"{use_case.name}__{table.name}",
        retry_policy=use_case.retries(),
        ins={"source": dg.AssetIn(source_key)},
        outs={"result": dg.AssetOut.from_spec(spec, io_manager_key="tables")},
        check_specs=table_check_specs(spec.key),
        partitions_def=spec.partitions_def,
        backfill_policy=BACKFILL_IN_ONE_RUN,
        required_resource_keys={"tables"},
    )
    def derive(context: dg.AssetExecutionContext, source: pl.LazyFrame) -> Events:
        todo = plan(context.resources.tables, [spec.key], recipe.made_from(contents(context, source_key)))
        rows = rows_of(source, from_table.partition_column, todo.compute)
        with quoting_no_personal_value(_name(spec.key), [source_contract]):
            derived = computed(context, rows, from_table.partition_column, todo.compute, function)
        audited = audit(
            derived, contract, table=_name(spec.key), partition_column=table.partition_column, reject_above=0
        )
        yield contract_check(spec.key, audited, todo)
        require_all_accepted(audited, contract, spec.key, context.resources.tables)
        conserved = Conservation(rows.height, derived.height, 0, dropped=rows.height - derived.height)
        yield conservation_check(spec.key, conserved, todo)
        experiment = _experiment(use_case, function, contract, table.source, rows, {})
        lineage = observed_lineage(context, spec.key, recipe, experiment)
        output = dg.Output(todo.publishable(spec.key, audited.accepted, of_table=lineage))
        yield from decide(context, spec.key, {_name(source_key): same_partition}).publish(output)

    return derive


def _quarantine_spec(use_case: UseCase, table: CleanedTable, recipe: Recipe, by: By) -> dg.AssetSpec:
    return table_spec(
        use_case,
        table.quarantine,
        description=f"One row refused by the contract of {use_case.name}/{table.name}, with the rules that it broke.",
        contract=Quarantine,
        partition_column="partition" if table.partition_column else None,
        by=by,
        group="quarantine",
        code_version=recipe.code_version,
    )


def _experiment(
    use_case: UseCase,
    function: Callable[..., pl.LazyFrame],
    contract: type[dy.Schema],
    source: str,
    rows: pl.DataFrame,
    references: Mapping[str, pl.LazyFrame],
) -> Experiment:
    """The function of one table with all that it is given: the rows of the source, and references by their names."""
    tables = {source: rows.lazy(), **references}
    paths = {name: _name(use_case.key(name)) for name in tables}

    def made(frames: Tables) -> pl.DataFrame:
        given = {name: frames[path].lazy() for name, path in paths.items()}
        return function(given.pop(source), **given).collect()

    return Experiment(made, {paths[name]: frame for name, frame in tables.items()}, contract.primary_key(), rows.height)


def _counts(audited: Audited) -> dict[str, dict[str, object]]:
    """Rows in and refused, for the materialization of each partition."""
    return {
        count.partition: {
            "rows_in": count.rows_in,
            "rows_refused": count.refused,
            **({"refused_by_rule": dict(count.refused_by_rule)} if count.refused else {}),
        }
        for count in audited.partitions
    }


def _name(key: dg.AssetKey) -> str:
    return "/".join(key.path)
