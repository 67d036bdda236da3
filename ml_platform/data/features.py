"""Assets of feature tables: what was known of each row at its prediction time, audited before it is published."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import dagster as dg
import dataframely as dy
import polars as pl

from ml_platform.components.batches import by_batch
from ml_platform.components.column_lineage import Experiment, observed_lineage
from ml_platform.components.cuts import By
from ml_platform.components.degrading import Decided, decide, degradation_check_spec
from ml_platform.components.partitions import as_days, partitions_of_run, rows_among
from ml_platform.components.reuse import Plan, Recipe, plan
from ml_platform.components.tables import BACKFILL_IN_ONE_RUN
from ml_platform.components.use_case import UseCase
from ml_platform.data.audit import Audited, Quarantine, audit
from ml_platform.data.calling import quoting_no_personal_value
from ml_platform.data.checks import ROWS_MEET_THE_CONTRACT, contract_check, require_all_accepted, require_no_leak
from ml_platform.data.component import CleanedTable, DerivedTable, FeatureTable
from ml_platform.data.look_back import Published, bridge, days_back
from ml_platform.data.specs import declared_spec
from ml_platform.errors import PartitionNotPublishedError
from ml_platform.lineage.columns import Tables
from ml_platform.point_in_time.audit import KnowledgeAudit, LookBack, audit_knowledge
from ml_platform.point_in_time.features import FeatureFunction, KnownTable, PredictionTime, build_features
from ml_platform.storage.io_managers import DeltaTableIOManager, Publishable

ONE_DAY = dt.timedelta(days=1)
TRIED_DAYS = 8
Source = CleanedTable | DerivedTable
Events = Iterator[dg.Output[Publishable] | dg.AssetCheckResult]

FEATURES_USE_ONLY_WHAT_WAS_KNOWN = "features_use_only_what_was_known"


def feature_asset(use_case: UseCase, table: FeatureTable, cleaned: Mapping[str, Source], by: By) -> dg.AssetsDefinition:
    """The feature table: built from masked inputs, then recomputed at sampled instants with the future hidden."""
    contracts = {name: use_case.resolve(cleaned[name].contract) for name in _tables(table)}
    function, prediction_at = use_case.resolve(table.function), use_case.resolve(table.prediction_at)
    contract = use_case.resolve(table.contract)
    recipe = Recipe.of(function, prediction_at, contract, build_features, look_back=_tables(table))
    spec = declared_spec(use_case, table, "features", recipe, by)
    name = "/".join(spec.key.path)
    reads = {f"{use_case.name}/{read}": partial(days_back, look_back=days) for read, days in _tables(table).items()}

    @dg.multi_asset(
        name=f"{use_case.name}__{table.name}",
        retry_policy=use_case.retries(),
        ins={name: _look_back(use_case, name, days, by) for name, days in _tables(table).items()},
        outs={"result": dg.AssetOut.from_spec(spec, io_manager_key="tables")},
        check_specs=_check_specs(spec.key, table.audit_cuts),
        partitions_def=spec.partitions_def,
        backfill_policy=BACKFILL_IN_ONE_RUN,
        required_resource_keys={"tables"},
    )
    def compute(context: dg.AssetExecutionContext, **tables: pl.LazyFrame) -> Events:
        published = _published(context, use_case, table)
        bridged = bridge(use_case, table, published, partitions_of_run(context))
        decided = decide(context, spec.key, reads, own=bridged)
        todo = plan(context.resources.tables, [spec.key], recipe.made_from(_contents(context, table, published)))
        if not todo.compute:
            lineage = observed_lineage(context, spec.key, recipe, None)
            yield from _standing(spec.key, contract, todo, lineage, decided)
            return
        given = partial(_given, use_case, table, cleaned, contracts, tables)
        whole = given(todo.compute)

        def built(keys: Sequence[str]) -> pl.DataFrame:
            near = whole if len(keys) == len(todo.compute) else given(keys)
            return build_features(function, spine=near.spine, inputs=near.inputs, prediction_at=prediction_at)

        with quoting_no_personal_value(name, contracts.values()):
            features = by_batch(context, todo.compute, built)
            knowledge = audit_knowledge(
                function,
                built=features,
                key=contract.primary_key(),
                spine=whole.spine,
                inputs=whole.inputs,
                prediction_at=prediction_at,
                cuts=table.audit_cuts,
                look_back=LookBack(table.partition_column, max(_tables(table).values())) if by == "day" else None,
            )
        yield _knowledge_check(spec.key, knowledge)
        require_no_leak(knowledge, contract, spec.key, context.resources.tables)
        audited = audit(features, contract, table=name, partition_column=table.partition_column, reject_above=0)
        yield contract_check(spec.key, audited, todo)
        require_all_accepted(audited, contract, spec.key, context.resources.tables)
        experiment = _experiment(use_case, table, cleaned, whole.known, function, prediction_at, contract)
        lineage = observed_lineage(context, spec.key, recipe, experiment)
        yield from decided.publish(dg.Output(todo.publishable(spec.key, audited.accepted, of_table=lineage)))

    return compute


def _standing(
    key: dg.AssetKey, contract: type[dy.Schema], todo: Plan, of_table: Mapping[str, Any], decided: Decided
) -> Events:
    """What a run says that has nothing to compute: every partition stands, and passed its checks when it was made."""
    nothing = contract.create_empty()
    yield _knowledge_check(key, KnowledgeAudit((), 0, ()))
    yield contract_check(key, Audited(nothing, Quarantine.create_empty(), (), {}, ()), todo)
    yield from decided.publish(dg.Output(todo.publishable(key, nothing, of_table=of_table)))


def _published(context: dg.AssetExecutionContext, use_case: UseCase, table: FeatureTable) -> Published:
    """What is published of each table that is read, in the version that the run reads."""
    tables: DeltaTableIOManager = context.resources.tables
    return {name: tables.read_states(context.run, f"{use_case.name}/{name}") for name in _tables(table)}


def _contents(context: dg.AssetExecutionContext, table: FeatureTable, published: Published) -> dict[str, Any]:
    """For each day of the run, the content of every day that its features look at."""
    return {
        day: [
            [state.content_hash for each in days_back(day, days) if (state := published[name].get(each))]
            for name, days in _tables(table).items()
        ]
        for day in partitions_of_run(context)
    }


def _in_reach(frame: pl.LazyFrame, source: Source, table: FeatureTable, partitions: Sequence[str]) -> pl.DataFrame:
    """The rows of the partitions to compute and of the days that they look back to."""
    column, look_back = source.partition_column or "", max(_tables(table).values())
    if not look_back:
        return rows_among(frame, column, partitions).collect()
    days = as_days(partitions)
    return frame.filter(pl.col(column).is_between(min(days) - look_back * ONE_DAY, max(days))).collect()


def _tables(table: FeatureTable) -> dict[str, int]:
    """The tables that are read, each with the days before the partition that it is read from."""
    days = {table.rows: 0}
    for history in table.inputs:
        days[history.table] = max(days.get(history.table, 0), history.look_back_days)
    return days


def _look_back(use_case: UseCase, name: str, days: int, by: By) -> dg.AssetIn:
    if by == "key":
        return dg.AssetIn(use_case.key(name))
    mapping = dg.TimeWindowPartitionMapping(start_offset=-days, allow_nonexistent_upstream_partitions=True)
    return dg.AssetIn(use_case.key(name), partition_mapping=mapping)


class _Given(NamedTuple):
    """What the features of some partitions are built from: tables in reach, the rows, and histories by parameter."""

    known: Mapping[str, KnownTable]
    spine: KnownTable
    inputs: Mapping[str, KnownTable]


def _given(
    use_case: UseCase,
    table: FeatureTable,
    cleaned: Mapping[str, Source],
    contracts: Mapping[str, type[dy.Schema]],
    frames: Mapping[str, pl.LazyFrame],
    partitions: Sequence[str],
) -> _Given:
    """What the features of these partitions are built from.

    Raises:
        PartitionNotPublishedError: a partition to compute has no rows to predict for.
    """
    known = {
        name: KnownTable(_in_reach(frame, cleaned[name], table, partitions), contracts[name])
        for name, frame in frames.items()
    }
    spine = _spine(use_case, table, known[table.rows], cleaned[table.rows], partitions)
    return _Given(known, spine, {history.parameter: known[history.table] for history in table.inputs})


def _spine(
    use_case: UseCase, table: FeatureTable, rows: KnownTable, source: Source, partitions: Sequence[str]
) -> KnownTable:
    """The rows of the partitions to compute, out of a table that was read with its look-back.

    Raises:
        PartitionNotPublishedError: a partition to compute has no rows to predict for.
    """
    column = source.partition_column or ""
    frame = rows_among(rows.frame.lazy(), column, partitions).collect()
    if missing := sorted({*partitions} - {*frame.get_column(column).unique().cast(pl.String)}):
        raise PartitionNotPublishedError(
            f"{use_case.name}/{table.name}: {len(missing)} of {len(partitions)} partitions have no rows in "
            f"{use_case.name}/{table.rows}, first {missing[0]}",
            kept="Nothing was published",
            remedy=f"Materialize {use_case.name}/{table.rows} for these first",
        )
    return KnownTable(frame, rows.schema)


def _experiment(
    use_case: UseCase,
    table: FeatureTable,
    cleaned: Mapping[str, Source],
    known: Mapping[str, KnownTable],
    function: FeatureFunction,
    prediction_at: PredictionTime,
    contract: type[dy.Schema],
) -> Experiment:
    """The features of some of the days that were read, each table changed before it is masked or looked back into."""
    paths = {name: f"{use_case.name}/{name}" for name in known}
    column = {name: cleaned[name].partition_column or "" for name in known}
    read = known[table.rows].frame.lazy().select(pl.col(column[table.rows]).unique().sort()).collect().to_series()
    days = read.to_list()[-2 * max(_tables(table).values()) - TRIED_DAYS :]
    later = days[len(days) // 2 :]  # those that have some to look back to
    asked = later[:: len(later) // 12 + 1]

    def made(frames: Tables) -> pl.DataFrame:
        tables = {name: KnownTable(frames[path], known[name].schema) for name, path in paths.items()}
        rows = frames[paths[table.rows]].filter(pl.col(column[table.rows]).is_in(asked))
        return build_features(
            function,
            spine=KnownTable(rows, known[table.rows].schema),
            inputs={history.parameter: tables[history.table] for history in table.inputs},
            prediction_at=prediction_at,
        )

    frames = {paths[name]: each.frame.lazy().filter(pl.col(column[name]).is_in(days)) for name, each in known.items()}
    rows = frames[paths[table.rows]].select(pl.len()).collect().item()
    return Experiment(made, frames, contract.primary_key(), rows)


def _check_specs(key: dg.AssetKey, cuts: int) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(
            FEATURES_USE_ONLY_WHAT_WAS_KNOWN,
            asset=key,
            description=f"At {cuts} sampled instants all that became known later is hidden, the features are computed "
            "again, and must be exactly equal. Failed: nothing was published.",
        ),
        dg.AssetCheckSpec(
            ROWS_MEET_THE_CONTRACT, asset=key, description="Checked before publishing. Failed: nothing was published."
        ),
        degradation_check_spec(key),
    ]


def _knowledge_check(key: dg.AssetKey, knowledge: KnowledgeAudit) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=not knowledge.leaks,
        asset_key=key,
        check_name=FEATURES_USE_ONLY_WHAT_WAS_KNOWN,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{knowledge.rows_compared:,} rows computed again at {len(knowledge.cuts)} instants; "
        f"{len(knowledge.leaking_columns)} features differ.",
        metadata={
            "cuts": [cut.isoformat() for cut in knowledge.cuts],
            "rows_compared": knowledge.rows_compared,
            "leaking_features": list(knowledge.leaking_columns),
        },
    )
