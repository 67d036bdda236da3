"""The asset of distances: features and predictions of each day against what the day's champion learnt from."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import dagster as dg
import polars as pl

from ml_platform.components.degrading import decide, degradation_check_spec, same_partition
from ml_platform.components.partitions import as_days, partitions_of_run
from ml_platform.components.reuse import Recipe
from ml_platform.components.use_case import UseCase
from ml_platform.errors import ModelUnusableError
from ml_platform.evaluation.distances import systematic_sample
from ml_platform.evaluation.task import BINARY, Task
from ml_platform.serving.component import Deployment, DriftMonitor
from ml_platform.serving.contract import require_contract
from ml_platform.serving.drift import distances_by_day, told_of_version
from ml_platform.serving.drift_contract import drift_contract
from ml_platform.serving.drift_plot import picture
from ml_platform.serving.drift_reference import References, references
from ml_platform.serving.promotion import Promotion, champions_by_day
from ml_platform.serving.scoring import days_by_version
from ml_platform.serving.tables import BACKFILL_IN_ONE_RUN, table_spec
from ml_platform.storage.io_managers import Publishable
from ml_platform.tracking.registry import RegisteredModel

Events = Iterator[dg.Output[Publishable] | dg.AssetCheckResult]


class Compared(NamedTuple):
    """One row for each day and column, and why days were left out."""

    rows: pl.DataFrame
    left_out: Mapping[dt.date, str]


def drift_asset(
    use_case: UseCase, deployment: Deployment, monitor: DriftMonitor, task: Task = BINARY
) -> dg.AssetsDefinition:
    """The table of distances. A degraded day is left out: its cause is known, and no training would mend it."""
    predicted, day = deployment.predictions, deployment.predictions.partition_column
    contract = drift_contract(day)
    spec = table_spec(
        use_case,
        monitor.name,
        description=monitor.description,
        contract=contract,
        partition_column=day,
        code_version=Recipe.of(distances_by_day, drift_contract).code_version,
    )
    reads = {f"{use_case.name}/{name}": same_partition for name in (predicted.features, predicted.name)}

    @dg.multi_asset(
        name=f"{use_case.name}__{monitor.name}",
        retry_policy=use_case.retries(),
        ins={
            "features": dg.AssetIn(use_case.key(predicted.features)),
            "predictions": dg.AssetIn(use_case.key(predicted.name)),
            "promotions": promotions_in(use_case, deployment),
        },
        outs={"result": dg.AssetOut.from_spec(spec, io_manager_key="tables")},
        check_specs=[degradation_check_spec(spec.key)],
        partitions_def=spec.partitions_def,
        backfill_policy=BACKFILL_IN_ONE_RUN,
        required_resource_keys={"tables", "artifacts"},
    )
    def measure(
        context: dg.AssetExecutionContext, features: pl.LazyFrame, predictions: pl.LazyFrame, promotions: object
    ) -> Events:
        days = as_days(partitions_of_run(context))
        decided = decide(context, spec.key, reads)
        sound = [each for each in days if each.isoformat() not in decided.marks]
        known = references(
            use_case, deployment, context.resources.artifacts, context.resources.tables.location.tables(), task
        )
        compared = _compared(known, sampled(known, features, predictions), champions_of(promotions, sound))
        for each, why in compared.left_out.items():
            context.log.warning(f"{use_case.name}/{monitor.name} {each} is left out: {why}")
        rows = require_contract(
            pl.concat([contract.create_empty(), compared.rows]) if compared.rows.width else contract.create_empty(),
            contract,
            f"{use_case.name}/{monitor.name}",
        )
        of_table = picture("distances", rows, day) if len(days) > 1 else {}
        output = Publishable(rows, told_by_day(rows, day), of_table=of_table)
        yield from decided.publish(dg.Output(output))

    return measure


def promotions_in(use_case: UseCase, deployment: Deployment) -> dg.AssetIn:
    """The promotions that say who is champion of a day."""
    mapping = dg.TimeWindowPartitionMapping(
        start_offset=-deployment.predictions.champion_look_back_days, allow_nonexistent_upstream_partitions=True
    )
    return dg.AssetIn(use_case.key(deployment.champion.name), partition_mapping=mapping)


def champions_of(promotions: object, days: list[dt.date]) -> dict[dt.date, RegisteredModel]:
    """The champion of each day that has one."""
    found = promotions.values() if isinstance(promotions, Mapping) else [promotions]
    known = [each for each in found if isinstance(each, Promotion) and each.champion]
    first = min((each.as_of for each in known), default=dt.date.max)
    return champions_by_day(known, [day for day in days if day >= first])


def sampled(known: References, features: pl.LazyFrame, predictions: pl.LazyFrame) -> pl.DataFrame:
    """Features and predictions of as many rows of each day as are compared."""
    keys, (_, day, given) = list(known.columns.keys), known.columns
    rows = systematic_sample(features.collect(), day, known.monitor.rows_per_day, keys)
    return rows.join(predictions.select(*keys, *given, "model_fingerprint").collect(), on=keys, how="inner")


def told_by_day(rows: pl.DataFrame, day: str) -> dict[str, dict[str, Any]]:
    """Of each day how many columns have drifted, and which is the furthest from training."""
    worst = rows.with_columns(ratio=pl.col("distance") / pl.col("threshold")).sort("ratio", descending=True)
    told = worst.group_by(day).agg(pl.col("is_drifted").sum(), pl.col("column", "ratio").first())
    return {
        str(at): {"columns_drifted": drifted, "most_drifted": column, "distance_over_threshold": round(ratio, 3)}
        for at, drifted, column, ratio in told.select(day, "is_drifted", "column", "ratio").rows()
    }


def _compared(known: References, rows: pl.DataFrame, champions: Mapping[dt.date, RegisteredModel]) -> Compared:
    """Each day against its champion's reference, as far as it is what predicted the day."""
    day, parts, left_out = known.columns.day, [pl.DataFrame()], dict[dt.date, str]()
    for champion, days in days_by_version(champions):
        mine = rows.filter(pl.col(day).is_in(days) & (pl.col("model_fingerprint") == champion.fingerprint))
        left_out |= dict.fromkeys(sorted({*days} - {*mine[day]}), "its champion has not predicted it")
        if mine.is_empty():
            continue
        try:
            parts.append(told_of_version(distances_by_day(mine, day, known.of(champion)), champion))
        except ModelUnusableError as error:
            left_out |= dict.fromkeys(days, error.what)
    return Compared(pl.concat(parts, how="diagonal") if len(parts) > 1 else pl.DataFrame(), left_out)
