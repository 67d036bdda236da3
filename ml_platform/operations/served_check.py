"""The check that what the online service answered is what the batch makes of the same rows.

Belongs here: which rows of the log are looked at, and Dagster's view of it. Does not: the comparison (`online.skew`).
"""

import dagster as dg
import polars as pl

from ml_platform.components.references import use_cases_folder
from ml_platform.components.use_case import load_use_case
from ml_platform.online.declared import OnlineModel
from ml_platform.online.served import SUFFIX
from ml_platform.online.skew import Skew, skew_of
from ml_platform.settings import Settings
from ml_platform.storage.tables import TableStore

SERVING_MATCHES_BATCH = "serving_matches_batch"
BATCHES, ROWS_OF_A_BATCH = 60, 20
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

    job = dg.define_asset_job(
        f"check_{name.replace('/', '_')}",
        dg.AssetSelection.checks(check),
        description="Holds what was served against the batch.",
    )
    is_on = "schedules" in settings.sensors
    schedule = dg.ScheduleDefinition(
        name=f"{job.name}_hourly",
        job=job,
        cron_schedule=_EVERY_HOUR,
        default_status=dg.DefaultScheduleStatus.RUNNING if is_on else dg.DefaultScheduleStatus.STOPPED,
    )
    return dg.Definitions(assets=[spec], asset_checks=[check], jobs=[job], schedules=[schedule])


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
