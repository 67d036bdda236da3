"""The asset of daily quality, from predictions and the labels that have arrived."""

import base64
import datetime as dt
import math
from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg
import polars as pl

from ml_platform.components.degrading import decide, degradation_check_spec, same_partition
from ml_platform.components.reuse import Recipe
from ml_platform.components.use_case import UseCase
from ml_platform.errors import DefinitionError
from ml_platform.evaluation.task import BINARY, Task
from ml_platform.serving.answers import MEANS, scores_of
from ml_platform.serving.component import Deployment, QualityLimit, QualityTable
from ml_platform.serving.contract import quality_contract, require_contract
from ml_platform.serving.plots import quality_over_days
from ml_platform.serving.presentation import quality_by_day
from ml_platform.serving.quality import daily_quality, outside_limits, overall
from ml_platform.serving.tables import BACKFILL_IN_ONE_RUN, table_spec
from ml_platform.storage.io_managers import Publishable

DAILY_QUALITY_IS_WITHIN_ITS_LIMITS = "daily_quality_is_within_its_limits"
Events = Iterator[dg.Output[Publishable] | dg.AssetCheckResult]


def quality_asset(use_case: UseCase, deployment: Deployment, task: Task = BINARY) -> dg.AssetsDefinition:
    """The table of daily quality. Its check warns and does not hold back: a bad day is worth knowing."""
    table, predicted = deployment.quality, deployment.predictions
    keys, day_column = list(use_case.resolve(predicted.contract).primary_key()), predicted.partition_column
    contract = quality_contract(day_column, predicted.row, task)
    limits = limits_of(table, task)
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
            dg.AssetCheckSpec(DAILY_QUALITY_IS_WITHIN_ITS_LIMITS, asset=spec.key, description=_told(limits, table)),
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
            task=task,
        )
        quality = require_contract(measured, contract, f"{use_case.name}/{table.name}")
        if len(days) > 1:
            context.add_asset_metadata(_picture(quality, day_column, task), partition_key=context.partition_keys[-1])
        yield quality_check(spec.key, table, quality, day_column, task)
        output = Publishable(quality, quality_by_day(quality, day_column))
        yield from decide(context, spec.key, reads).publish(dg.Output(output))

    return measure


def quality_check(
    key: dg.AssetKey, table: QualityTable, quality: pl.DataFrame, day_column: str, task: Task = BINARY
) -> dg.AssetCheckResult:
    """Whether each limited score of every day with enough labels is within its limits."""
    outside = {
        limit.score: outside_limits(
            quality,
            lowest=-math.inf if limit.lowest is None else limit.lowest,
            highest=math.inf if limit.highest is None else limit.highest,
            fewest_labels=table.fewest_labels,
            score=limit.score,
        )
        for limit in limits_of(table, task)
    }
    days = {day for found in outside.values() for day in found[day_column]}
    return dg.AssetCheckResult(
        passed=not days,
        asset_key=key,
        check_name=DAILY_QUALITY_IS_WITHIN_ITS_LIMITS,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "days": quality.height,
            "days_outside": len(days),
            **{
                f"{score}_of_days_outside": [
                    f"{row[day_column]}: {row[score]:.3f}" for row in found.iter_rows(named=True)
                ]
                for score, found in outside.items()
            },
            "rows_labelled": int(quality["rows_labelled"].sum()),
            **{f"mean_{name.removeprefix('mean_')}": round(value, 4) for name, value in overall(quality, task).items()},
        },
    )


def limits_of(table: QualityTable, task: Task) -> list[QualityLimit]:
    """The limits of the scores that the task has.

    Raises:
        DefinitionError: a limit is of another score.
    """
    ranking = QualityLimit(
        score="roc_auc_score", lowest=table.lowest_roc_auc_score, highest=table.highest_roc_auc_score
    )
    limits = [*([ranking] if task.kind == "binary" else []), *table.limits]
    known = [*MEANS[task.kind], *scores_of(task)]
    if unknown := [each.score for each in limits if each.score not in known]:
        raise DefinitionError(
            f"{table.name} limits {', '.join(unknown)}, which a {task.kind} task does not have",
            expected=f"any of {', '.join(known)}",
            remedy="Correct quality.limits in the use case's serving/defs.yaml.",
        )
    return limits


def _told(limits: Sequence[QualityLimit], table: QualityTable) -> str:
    told = []
    for each in limits:
        low = "" if each.lowest is None else f"from {each.lowest:g}"
        high = "" if each.highest is None else f"up to {each.highest:g}"
        told.append(f"{each.score.replace('_', ' ')} {' '.join(filter(None, (low, high)))}")
    return f"{', '.join(told) or 'No limit is declared'}; on days with {table.fewest_labels} labels or more."


def _picture(quality: pl.DataFrame, day_column: str, task: Task) -> dict[str, Any]:
    encoded = base64.b64encode(quality_over_days(quality, day_column, task)).decode()
    return {"quality_over_days": dg.MetadataValue.md(f"![quality over days](data:image/png;base64,{encoded})")}
