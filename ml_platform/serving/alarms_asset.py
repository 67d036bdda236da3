"""The asset of alarms: the evidence of drift and decay up to each day, from distances, predictions and labels."""

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
from ml_platform.evaluation.evidence import evidence_needed
from ml_platform.evaluation.task import BINARY, Task
from ml_platform.serving.alarms import alarm_rows, watched_by_day
from ml_platform.serving.component import Deployment, DriftMonitor
from ml_platform.serving.contract import require_contract
from ml_platform.serving.drift import DriftReference, excess_losses
from ml_platform.serving.drift_asset import champions_of, promotions_in
from ml_platform.serving.drift_contract import alarms_contract
from ml_platform.serving.drift_plot import picture
from ml_platform.serving.drift_reference import References, references
from ml_platform.serving.scoring import days_by_version
from ml_platform.serving.tables import BACKFILL_IN_ONE_RUN, table_spec
from ml_platform.storage.io_managers import Publishable
from ml_platform.tracking.registry import RegisteredModel

FEATURES_ARE_AS_IN_TRAINING = "features_are_as_in_training"
PREDICTIONS_ARE_AS_GOOD_AS_EVALUATED = "predictions_are_as_good_as_evaluated"
DETECTORS = 2
Events = Iterator[dg.Output[Publishable] | dg.AssetCheckResult]


class Frames(NamedTuple):
    """What a run reads, of its days and those before them."""

    drift: pl.DataFrame
    predictions: pl.DataFrame
    labels: pl.DataFrame
    features: pl.LazyFrame


def alarms_asset(
    use_case: UseCase, deployment: Deployment, monitor: DriftMonitor, task: Task = BINARY
) -> dg.AssetsDefinition:
    """The table of alarms. Its checks warn: what follows from an alarm is for training and for people."""
    predicted, quality, day = deployment.predictions, deployment.quality, deployment.predictions.partition_column
    contract = alarms_contract(day)
    spec = table_spec(
        use_case,
        monitor.alarms,
        description=monitor.alarms_description,
        contract=contract,
        partition_column=day,
        code_version=Recipe.of(alarm_rows, excess_losses, alarms_contract).code_version,
    )
    history = dg.TimeWindowPartitionMapping(
        start_offset=1 - monitor.history_days, allow_nonexistent_upstream_partitions=True
    )
    reads = {f"{use_case.name}/{name}": same_partition for name in (monitor.name, quality.labels)}
    tables = {
        "drift": monitor.name,
        "predictions": predicted.name,
        "labels": quality.labels,
        "features": predicted.features,
    }

    @dg.multi_asset(
        name=f"{use_case.name}__{monitor.alarms}",
        retry_policy=use_case.retries(),
        ins={
            **{name: dg.AssetIn(use_case.key(table), partition_mapping=history) for name, table in tables.items()},
            "promotions": promotions_in(use_case, deployment),
        },
        outs={"result": dg.AssetOut.from_spec(spec, io_manager_key="tables")},
        check_specs=[*_check_specs(spec.key), degradation_check_spec(spec.key)],
        partitions_def=spec.partitions_def,
        backfill_policy=BACKFILL_IN_ONE_RUN,
        required_resource_keys={"tables", "artifacts"},
    )
    def judge(
        context: dg.AssetExecutionContext,
        drift: pl.LazyFrame,
        predictions: pl.LazyFrame,
        labels: pl.LazyFrame,
        features: pl.LazyFrame,
        promotions: object,
    ) -> Events:
        days = as_days(partitions_of_run(context))
        known = references(
            use_case, deployment, context.resources.artifacts, context.resources.tables.location.tables(), task
        )
        frames = Frames(drift.collect(), predictions.collect(), labels.collect(), features)
        rows = judged(known, frames, champions_of(promotions, _back_from(days, monitor.history_days)), days)
        alarms = require_contract(
            pl.DataFrame(rows, schema=contract.create_empty().schema), contract, f"{use_case.name}/{monitor.alarms}"
        )
        yield from alarm_checks(spec.key, rows[-1])
        of_table = picture("evidence", alarms, day) if len(days) > 1 else {}
        told = {str(row[day]): _shown(row, day) for row in rows}
        yield from decide(context, spec.key, reads).publish(dg.Output(Publishable(alarms, told, of_table=of_table)))

    return judge


def judged(
    known: References, frames: Frames, champions: Mapping[dt.date, RegisteredModel], days: list[dt.date]
) -> list[dict[str, Any]]:
    """A row for each of `days`, with the evidence of its champion's days up to it."""
    day, monitor = known.columns.day, known.monitor
    found: dict[str, DriftReference] = {}
    losses: dict[dt.date, float] = {}
    drifts = []
    for champion, its_days in days_by_version(champions):
        drift = frames.drift.filter(pl.col(day).is_in(its_days) & (pl.col("model_fingerprint") == champion.fingerprint))
        if drift.is_empty():
            continue
        try:
            found[champion.fingerprint] = known.of(champion)
        except ModelUnusableError:
            continue  # its days were left out of the distances too, where the reason was told
        drifts.append(drift)
        losses |= _losses(known, found[champion.fingerprint], frames, drift[day].unique().to_list())
    return alarm_rows(
        days,
        champions,
        watched_by_day(pl.concat([frames.drift.clear(), *drifts]), losses, day),
        found,
        day=day,
        history_days=monitor.history_days,
        needed=evidence_needed(monitor.false_alarms.chance, monitor.false_alarms.days, DETECTORS),
    )


def alarm_checks(key: dg.AssetKey, last: Mapping[str, Any]) -> Iterator[dg.AssetCheckResult]:
    """Whether an alarm stands on the last day of the run."""
    for name, kind in ((FEATURES_ARE_AS_IN_TRAINING, "drift"), (PREDICTIONS_ARE_AS_GOOD_AS_EVALUATED, "decay")):
        yield dg.AssetCheckResult(
            passed=last[f"{kind}_since"] is None,
            asset_key=key,
            check_name=name,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "evidence": round(last[f"{kind}_evidence"], 3),
                "evidence_needed": last["evidence_needed"],
                "since": str(last[f"{kind}_since"] or "no alarm stands"),
                **({"most_drifted": last["most_drifted"] or "nothing was compared"} if kind == "drift" else {}),
            },
        )


def _check_specs(key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    told = {
        FEATURES_ARE_AS_IN_TRAINING: "The evidence that features and predictions have moved away from training is "
        "below what an alarm needs.",
        PREDICTIONS_ARE_AS_GOOD_AS_EVALUATED: "The evidence that losses have grown since the champion was evaluated is "
        "below what an alarm needs.",
    }
    return [dg.AssetCheckSpec(name, asset=key, description=description) for name, description in told.items()]


def _losses(known: References, reference: DriftReference, frames: Frames, days: list[dt.date]) -> dict[dt.date, float]:
    """Excess loss of each of `days` that has labels."""
    day, keys = known.columns.day, list(known.columns.keys)
    predictions = frames.predictions.filter(pl.col(day).is_in(days))
    by = [name for name in (reference.baseline.by if reference.baseline else ()) if name not in keys]
    if by:
        groups = frames.features.filter(pl.col(day).is_in(days)).select(*keys, *by).collect()
        predictions = predictions.join(groups, on=keys, how="left", maintain_order="left")
    return dict(excess_losses(predictions, frames.labels, known.columns, known.label, reference.baseline).rows())


def _back_from(days: list[dt.date], history_days: int) -> list[dt.date]:
    first = min(days) - dt.timedelta(days=history_days - 1)
    return [first + dt.timedelta(days=number) for number in range((max(days) - first).days + 1)]


def _shown(row: Mapping[str, Any], day: str) -> dict[str, Any]:
    told = {name: value for name, value in row.items() if value is not None and name != day}
    return {
        name: round(value, 4) if isinstance(value, float) else str(value) if isinstance(value, dt.date) else value
        for name, value in told.items()
    }
