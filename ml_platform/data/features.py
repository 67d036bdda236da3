"""Assets of feature tables: what was known of each row at its prediction time, audited before it is published."""

from collections.abc import Iterator, Mapping

import dagster as dg
import polars as pl

from ml_platform.components.use_case import UseCase
from ml_platform.data.audit import audit
from ml_platform.data.checks import ROWS_MEET_THE_CONTRACT, contract_check, require_all_accepted, require_no_leak
from ml_platform.data.component import CleanedTable, FeatureTable
from ml_platform.data.table_assets import BACKFILL_IN_ONE_RUN, days_of_run, table_spec
from ml_platform.errors import PartitionNotPublishedError
from ml_platform.point_in_time.audit import KnowledgeAudit, LookBack, audit_knowledge
from ml_platform.point_in_time.features import KnownTable, build_features

FEATURES_USE_ONLY_WHAT_WAS_KNOWN = "features_use_only_what_was_known"


def feature_asset(use_case: UseCase, table: FeatureTable, cleaned: Mapping[str, CleanedTable]) -> dg.AssetsDefinition:
    """The feature table: built from masked inputs, then recomputed at sampled instants with the future hidden."""
    contracts = {name: use_case.resolve(cleaned[name].contract) for name in _tables(table)}
    function, prediction_at = use_case.resolve(table.function), use_case.resolve(table.prediction_at)
    contract = use_case.resolve(table.contract)
    spec = table_spec(
        use_case,
        table.name,
        description=table.description,
        contract=contract,
        partition_column=table.partition_column,
        group="features",
    )

    @dg.multi_asset(
        name=f"{use_case.name}__{table.name}",
        ins={name: _look_back(use_case, name, days) for name, days in _tables(table).items()},
        outs={"result": dg.AssetOut.from_spec(spec, io_manager_key="tables")},
        check_specs=_check_specs(spec.key, table.audit_cuts),
        partitions_def=spec.partitions_def,
        backfill_policy=BACKFILL_IN_ONE_RUN,
        required_resource_keys={"tables"},
    )
    def compute(
        context: dg.AssetExecutionContext, **tables: pl.LazyFrame
    ) -> Iterator[dg.Output[pl.DataFrame] | dg.AssetCheckResult]:
        known = {name: KnownTable(frame.collect(), contracts[name]) for name, frame in tables.items()}
        spine = _spine(context, use_case, table, known[table.rows], cleaned[table.rows])
        inputs = {history.parameter: known[history.table] for history in table.inputs}
        features = build_features(function, spine=spine, inputs=inputs, prediction_at=prediction_at)
        knowledge = audit_knowledge(
            function,
            built=features,
            key=contract.primary_key(),
            spine=spine,
            inputs=inputs,
            prediction_at=prediction_at,
            cuts=table.audit_cuts,
            look_back=LookBack(table.partition_column, max(_tables(table).values())),
        )
        yield _knowledge_check(spec.key, knowledge)
        require_no_leak(knowledge, spec.key, context.resources.tables)
        audited = audit(
            features, contract, table="/".join(spec.key.path), partition_column=table.partition_column, reject_above=0
        )
        yield contract_check(spec.key, audited)
        require_all_accepted(audited, spec.key, context.resources.tables)
        yield dg.Output(audited.accepted)

    return compute


def _tables(table: FeatureTable) -> dict[str, int]:
    """The tables that are read, each with the days before the partition that it is read from."""
    days = {table.rows: 0}
    for history in table.inputs:
        days[history.table] = max(days.get(history.table, 0), history.look_back_days)
    return days


def _look_back(use_case: UseCase, name: str, days: int) -> dg.AssetIn:
    mapping = dg.TimeWindowPartitionMapping(start_offset=-days, allow_nonexistent_upstream_partitions=True)
    return dg.AssetIn(use_case.key(name), partition_mapping=mapping)


def _spine(
    context: dg.AssetExecutionContext, use_case: UseCase, table: FeatureTable, rows: KnownTable, source: CleanedTable
) -> KnownTable:
    """The rows of the days to build, out of a table that was read with its look-back.

    Raises:
        PartitionNotPublishedError: a day to build has no rows to predict for.
    """
    days = days_of_run(context)
    frame = rows.frame.lazy().filter(pl.col(source.partition_column or "").is_in(days)).collect()
    if missing := sorted({*days} - {*frame.get_column(source.partition_column or "")}):
        raise PartitionNotPublishedError(
            f"{use_case.name}/{table.name}: {len(missing)} of {len(days)} days have no rows in "
            f"{use_case.name}/{table.rows}, first {missing[0]}",
            kept="Nothing was published",
            remedy=f"Materialize {use_case.name}/{table.rows} for these days first",
        )
    return KnownTable(frame, rows.schema)


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
    ]


def _knowledge_check(key: dg.AssetKey, knowledge: KnowledgeAudit) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=not knowledge.leaks,
        asset_key=key,
        check_name=FEATURES_USE_ONLY_WHAT_WAS_KNOWN,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "cuts": [cut.isoformat() for cut in knowledge.cuts],
            "rows_compared": knowledge.rows_compared,
            "leaking_features": list(knowledge.leaking_columns),
        },
    )
