"""The checks of what the online service answered: that the batch makes the same of it, and how it turned out.

Belongs here: which rows of the log are looked at, and Dagster's view of it. Does not: the comparison (`online.skew`),
or the scores (`serving.quality`).
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import polars as pl

from ml_platform.components.references import use_cases_folder
from ml_platform.components.use_case import load_use_case
from ml_platform.errors import PartitionNotPublishedError, TableNotFoundError
from ml_platform.online.declared import OnlineModel, Outcomes
from ml_platform.online.served import SUFFIX
from ml_platform.online.skew import Skew, skew_of
from ml_platform.serving.quality import outside_limits, quality_by_answerer
from ml_platform.settings import Settings
from ml_platform.storage.tables import TableStore

SERVING_MATCHES_BATCH = "serving_matches_batch"
SERVED_QUALITY = "served_quality_is_within_its_limits"
BATCHES, ROWS_OF_A_BATCH = 60, 20
QUALITY_BATCHES = 3_000
"""Two days of one process that writes a batch a minute: labels come a day after the rows."""
_EVERY_HOUR = "40 * * * *"


def served_definitions(model: OnlineModel, settings: Settings) -> dg.Definitions:
    """The table of what a model served, with its check, and the job and schedule of it."""
    use_case = load_use_case(use_cases_folder() / model.use_case / "serving")
    name = f"{model.predictions}{SUFFIX}"
    spec = dg.AssetSpec(
        name.split("/"),
        description="One row that the online service answered: its features, its probability, and who gave it. The "
        "service writes it by itself.",
        group_name=f"{model.use_case}_serving",
        owners=use_case.owners,
    )

    @dg.asset_check(
        asset=spec.key,
        name=SERVING_MATCHES_BATCH,
        description=f"Rows of the newest {BATCHES} batches, computed again by the batch code from the same versions of "
        "the tables, give the same features and probabilities to the bit.",
        required_resource_keys={"tables"},
        retry_policy=use_case.retries(),
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        location = context.resources.tables.location
        served = newest(location.tables(), name)
        found = skew_of(served, model, location.tables(), location.artifacts())
        return result(served, found)

    @dg.asset_check(
        asset=spec.key,
        name=SERVED_QUALITY,
        description=f"ROC AUC of what each version answered in the newest {QUALITY_BATCHES:,} batches, by the labels "
        f"that have arrived, from {model.outcomes.lowest:g} up to {model.outcomes.highest:g}; of versions with "
        f"{model.outcomes.fewest_labels} labels or more.",
        required_resource_keys={"tables"},
        retry_policy=use_case.retries(),
    )
    def turned_out(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        found = served_quality(context.resources.tables.location.tables(), model)
        return quality_result(found, model.outcomes)

    job = dg.define_asset_job(
        f"check_{name.replace('/', '_')}",
        dg.AssetSelection.checks(check, turned_out),
        description="Holds what was served against the batch, and against how it turned out.",
    )
    is_on = "schedules" in settings.sensors
    schedule = dg.ScheduleDefinition(
        name=f"{job.name}_hourly",
        job=job,
        cron_schedule=_EVERY_HOUR,
        default_status=dg.DefaultScheduleStatus.RUNNING if is_on else dg.DefaultScheduleStatus.STOPPED,
    )
    return dg.Definitions(assets=[spec], asset_checks=[check, turned_out], jobs=[job], schedules=[schedule])


def newest(tables: TableStore, name: str) -> pl.DataFrame:
    """Some rows of each of the newest batches; of a table that was never written, none and no column."""
    version = tables.version(name)
    if version is None:
        return pl.DataFrame()
    batches = sorted(tables.partitions(name, version))[-BATCHES:]
    rows = tables.scan(name, version=version, partitions=batches).collect()
    parts = (each.sample(min(ROWS_OF_A_BATCH, each.height), seed=0) for each in rows.partition_by("served_batch"))
    return pl.concat(parts)


def result(served: pl.DataFrame, found: Skew) -> dg.AssetCheckResult:
    """The outcome for a reader of the UI."""
    return dg.AssetCheckResult(
        passed=not found.differences,
        check_name=SERVING_MATCHES_BATCH,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "rows_looked_at": served.height,
            "rows_compared": found.rows_compared,
            "probabilities_compared": found.probabilities_compared,
            "columns_that_differ": len(found.differences),
            "differences": found.told(),
        },
    )


def served_quality(tables: TableStore, model: OnlineModel) -> pl.DataFrame | None:
    """One row for each version and rung that answered in the newest batches, with its scores; none before the first."""
    name, keys = f"{model.predictions}{SUFFIX}", list(model.features.primary_key())
    version = tables.version(name)
    if version is None:
        return None
    batches = sorted(tables.partitions(name, version))[-QUALITY_BATCHES:]
    rows = tables.scan(name, version=version, partitions=batches)
    served = rows.select(*keys, "probability", "model_version", "model_rung").collect()
    labels = _labels(tables, model, served.select(keys))
    return quality_by_answerer(served, labels, keys=keys, label_column=model.outcomes.column)


def _labels(tables: TableStore, model: OnlineModel, keys: pl.DataFrame) -> pl.DataFrame:
    """The labels of the days of these rows, as far as they have arrived."""
    days = sorted(map(str, keys[model.day_column].unique()))
    try:
        found = tables.scan(model.outcomes.table, partitions=days)
    except (TableNotFoundError, PartitionNotPublishedError):
        return keys.clear().with_columns(pl.lit(None, dtype=pl.Boolean).alias(model.outcomes.column))
    return found.select(*keys.columns, model.outcomes.column).collect()


def quality_result(found: pl.DataFrame | None, outcomes: Outcomes) -> dg.AssetCheckResult:
    """The outcome for a reader of the UI, with a row for each version and rung."""
    if found is None:
        return dg.AssetCheckResult(passed=True, check_name=SERVED_QUALITY, metadata={"rows_served": 0})
    low, high, fewest = outcomes.lowest, outcomes.highest, outcomes.fewest_labels
    outside = outside_limits(found, lowest=low, highest=high, fewest_labels=fewest)
    return dg.AssetCheckResult(
        passed=outside.is_empty(),
        check_name=SERVED_QUALITY,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "rows_served": int(found["rows_scored"].sum()),
            "rows_labelled": int(found["rows_labelled"].sum()),
            "by_version": dg.MetadataValue.table([dg.TableRecord(_shown(row)) for row in found.iter_rows(named=True)]),
        },
    )


def _shown(row: Mapping[str, Any]) -> dict[str, str | int | float]:
    """A row for the UI: four digits of a score, and nothing of one that is not defined."""
    rounded = {name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()}
    return {name: "" if value is None else value for name, value in rounded.items()}
