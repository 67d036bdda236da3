"""The asset of daily quality, from predictions and the labels that have arrived."""

import base64
import datetime as dt
from collections.abc import Iterator
from typing import Any

import dagster as dg
import polars as pl

from ml_platform.components.degrading import decide, degradation_check_spec, same_partition
from ml_platform.components.reuse import Recipe
from ml_platform.components.use_case import UseCase
from ml_platform.serving.component import Deployment, QualityTable
from ml_platform.serving.contract import quality_contract, require_contract
from ml_platform.serving.plots import quality_over_days
from ml_platform.serving.presentation import quality_by_day
from ml_platform.serving.quality import daily_quality, outside_limits, overall
from ml_platform.serving.tables import BACKFILL_IN_ONE_RUN, table_spec
from ml_platform.storage.io_managers import Publishable

DAILY_QUALITY_IS_WITHIN_ITS_LIMITS = "daily_quality_is_within_its_limits"
Events = Iterator[dg.Output[Publishable] | dg.AssetCheckResult]


def quality_asset(use_case: UseCase, deployment: Deployment) -> dg.AssetsDefinition:
    """The table of daily quality. Its check warns and does not hold back: a bad day is worth knowing."""
    table, predicted = deployment.quality, deployment.predictions
    keys, day_column = list(use_case.resolve(predicted.contract).primary_key()), predicted.partition_column
    contract = quality_contract(day_column, predicted.row)
    spec = table_spec(
        use_case,
        table.name,
        description=table.description,
        contract=contract,
        partition_column=day_column,
        code_version=Recipe.of(daily_quality, quality_contract).code_version,
        fresh_within_hours=table.fresh_within_hours,
    )

    reads = {f"{use_case.name}/{name}": same_partition for name in (predicted.name, table.labels)}

    @dg.multi_asset(
        name=f"{use_case.name}__{table.name}",
        retry_policy=use_case.retries(),
        ins={
            "predictions": dg.AssetIn(use_case.key(predicted.name)),
            "labels": dg.AssetIn(use_case.key(table.labels)),
        },
        outs={"result": dg.AssetOut.from_spec(spec, io_manager_key="tables")},
        check_specs=[
            dg.AssetCheckSpec(DAILY_QUALITY_IS_WITHIN_ITS_LIMITS, asset=spec.key, description=_limits(table)),
            degradation_check_spec(spec.key),
        ],
        partitions_def=spec.partitions_def,
        backfill_policy=BACKFILL_IN_ONE_RUN,
        required_resource_keys={"tables"},
    )
    def measure(context: dg.AssetExecutionContext, predictions: pl.LazyFrame, labels: pl.LazyFrame) -> Events:
        days = [dt.date.fromisoformat(key) for key in context.partition_keys]
        measured = daily_quality(
            predictions.collect(),
            labels.select(*keys, table.label_column).collect(),
            days,
            day_column=day_column,
            keys=keys,
            label_column=table.label_column,
        )
        quality = require_contract(measured, contract, f"{use_case.name}/{table.name}")
        if len(days) > 1:
            context.add_asset_metadata(_picture(quality, day_column), partition_key=context.partition_keys[-1])
        yield quality_check(spec.key, table, quality, day_column)
        output = Publishable(quality, quality_by_day(quality, day_column))
        yield from decide(context, spec.key, reads).publish(dg.Output(output))

    return measure


def quality_check(key: dg.AssetKey, table: QualityTable, quality: pl.DataFrame, day_column: str) -> dg.AssetCheckResult:
    """Whether the ROC AUC of every day with enough labels is within its limits."""
    outside = outside_limits(
        quality,
        lowest=table.lowest_roc_auc_score,
        highest=table.highest_roc_auc_score,
        fewest_labels=table.fewest_labels,
    )
    told = [f"{row[day_column]}: {row['roc_auc_score']:.3f}" for row in outside.iter_rows(named=True)]
    return dg.AssetCheckResult(
        passed=outside.is_empty(),
        asset_key=key,
        check_name=DAILY_QUALITY_IS_WITHIN_ITS_LIMITS,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "days": quality.height,
            "days_outside": outside.height,
            "roc_auc_score_of_days_outside": told,
            "rows_labelled": int(quality["rows_labelled"].sum()),
            **{f"mean_{name.removeprefix('mean_')}": round(value, 4) for name, value in overall(quality).items()},
        },
    )


def _limits(table: QualityTable) -> str:
    return (
        f"ROC AUC of {table.lowest_roc_auc_score:g} to {table.highest_roc_auc_score:g}, "
        f"on days with {table.fewest_labels} labels or more."
    )


def _picture(quality: pl.DataFrame, day_column: str) -> dict[str, Any]:
    encoded = base64.b64encode(quality_over_days(quality, day_column)).decode()
    return {"quality_over_days": dg.MetadataValue.md(f"![quality over days](data:image/png;base64,{encoded})")}
