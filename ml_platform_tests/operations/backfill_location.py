"""A code location to backfill: two daily assets that share a run for five days at most, and what hangs on them.

    register -> numbers -> sums
                   +-----> clean, quarantine (one step, any stretch of days in one run)
                              +-----> features (looks two days back) -> model (by month)

`numbers` fails for the days that the file `failing.json` in the home names, by the error that it says; the other days
of the same run are made. A run of it takes as many seconds as the file `seconds` says, if there is one.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from ml_platform.execution.launch import CodeLocation
from ml_platform.recovery.retries import StepRetries
from ml_platform.settings import Settings

TOY = CodeLocation("toy", __name__)
BY_DAY = dg.DailyPartitionsDefinition("2013-01-01", end_date="2013-07-20")
BY_MONTH = dg.MonthlyPartitionsDefinition("2013-02-01", end_date="2013-08-01")
DAYS = BY_DAY.get_partition_keys()
ERRORS = {error.__name__: error for error in (ValueError, TimeoutError, MemoryError)}
IN_ONE_RUN, IN_FIVES = dg.BackfillPolicy.single_run(), dg.BackfillPolicy.multi_run(5)


def fail(home: Path, *days: str, by: type[Exception] = ValueError) -> None:
    """From now on, these days fail and no others."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "failing.json").write_text(json.dumps(dict.fromkeys(days, by.__name__)))


def take(home: Path, seconds: float) -> None:
    """From now on, a run of `numbers` takes so long."""
    (home / "seconds").write_text(str(seconds))


def key(name: str) -> dg.AssetKey:
    return dg.AssetKey(["toy", name])


@dg.asset(key=key("register"))
def register() -> None:
    """One row for each thing that is counted."""


@dg.asset(
    key=key("numbers"), deps=[register], partitions_def=BY_DAY, retry_policy=StepRetries(), backfill_policy=IN_FIVES
)
def numbers(context: dg.AssetExecutionContext) -> None:
    """One row for each number of a day."""
    file, seconds = Settings().home / "failing.json", Settings().home / "seconds"
    time.sleep(float(seconds.read_text()) if seconds.exists() else 0.0)
    failing = json.loads(file.read_text()) if file.exists() else {}
    bad = [day for day in context.partition_keys if day in failing]
    for day in context.partition_keys if bad else ():
        if day not in bad:
            context.log_event(dg.AssetMaterialization(key("numbers"), partition=day))
    if bad:
        raise ERRORS[failing[bad[0]]](f"no numbers for {', '.join(bad)}")


@dg.asset(key=key("sums"), deps=[numbers], partitions_def=BY_DAY, backfill_policy=IN_FIVES)
def sums() -> None:
    """One row for each day."""


@dg.multi_asset(
    specs=[dg.AssetSpec(key(name), deps=[numbers], partitions_def=BY_DAY) for name in ("clean", "quarantine")],
    name="toy__clean",
    backfill_policy=IN_ONE_RUN,
)
def clean() -> Iterator[dg.MaterializeResult]:
    """What is right of the numbers, and what is not."""
    yield from (dg.MaterializeResult(asset_key=key(name)) for name in ("clean", "quarantine"))


@dg.asset(
    key=key("features"),
    deps=[dg.AssetDep(key("clean"), partition_mapping=dg.TimeWindowPartitionMapping(start_offset=-2))],
    partitions_def=BY_DAY,
    backfill_policy=IN_ONE_RUN,
)
def features() -> None:
    """One row for each day, with the two days before it."""


@dg.asset(
    key=key("model"),
    deps=[dg.AssetDep(key("features"), partition_mapping=dg.AllPartitionMapping())],
    partitions_def=BY_MONTH,
)
def model() -> None:
    """One for each month."""


defs = dg.Definitions(
    assets=[register, numbers, sums, clean, features, model],
    executor=dg.in_process_executor,
)
