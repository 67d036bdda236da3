"""Two months of flights by the dozen, with a version as of October that learnt from September and is watched since."""

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

import dagster as dg
import numpy as np
import polars as pl

from ml_platform_tests.serving.scenario import KEYS, LATE_BY_CARRIER, World

OCTOBER = "2013-10-01"
FLIGHTS_A_DAY = 60
FIRST_DAY = dt.date(2013, 8, 1)
REFERENCE = [str(FIRST_DAY + dt.timedelta(days=number)) for number in range(61)]
WATCHED = [str(dt.date(2013, 10, 1) + dt.timedelta(days=number)) for number in range(20)]


def many_flights(days: Sequence[str], *, inverted_from: str = "", windless_from: str = "") -> pl.DataFrame:
    """Flights with hour, wind and lateness, the same for the same day; evenings are late, or mornings if inverted."""
    return pl.concat([_of_day(day, bool(inverted_from) and day >= inverted_from) for day in days]).with_columns(
        wind=pl.when(pl.col("service_date").cast(pl.String) < (windless_from or "9")).then("wind")
    )


def _of_day(day: str, is_inverted: bool) -> pl.DataFrame:
    random = np.random.default_rng(int(day.replace("-", "")))
    hour = np.clip(np.round(random.normal(14 + random.normal(), 4, FLIGHTS_A_DAY)), 0, 23)
    wind = random.gamma(2 + random.random(), 5.0, FLIGHTS_A_DAY)
    is_late = random.random(FLIGHTS_A_DAY) < 1 / (1 + np.exp(-(hour - 14)))
    frame = pl.DataFrame({"hour": hour.astype(np.float32), "wind": wind.astype(np.float32), "is_late": is_late})
    return frame.with_row_index("flight_number", 1).with_columns(
        pl.lit(dt.date.fromisoformat(day)).alias("service_date"),
        pl.lit("UA").alias("carrier"),
        pl.lit("EWR").alias("origin"),
        pl.col("flight_number").cast(pl.Int64),
        pl.col("is_late") != is_inverted,
        scheduled_departure_at=pl.datetime(2013, 1, 1, pl.col("hour").cast(pl.Int8), time_zone="UTC", time_unit="us"),
    )


def watched_world(world: World, *, labelled: Sequence[str] = WATCHED, **changes: str) -> World:
    """The flights landed, the version of October promoted and its days predicted; `changes` as in `many_flights`."""
    land(world, REFERENCE)
    version = world.register(OCTOBER)
    read = {
        name: {"table": f"flights/delay_{name}", "version": _version(world, name)} for name in ("features", "labels")
    }
    record = {
        "features": ["hour", "wind"],
        "inputs": read,
        "windows": {"holdout_start": "2013-09-17"},
        "baselines": [LATE_BY_CARRIER.model_dump(mode="json")],
    }
    path = f"training/flights/delay/{version.fingerprint}/result.json"
    world.location.artifacts().write(path, json.dumps(record).encode())
    world.run("delay_champion", OCTOBER)
    land(world, WATCHED, labelled=labelled, **changes)
    world.run("delay_predictions", WATCHED[0], WATCHED[-1])
    return world


def land(world: World, days: Sequence[str], *, labelled: Sequence[str] | None = None, **changes: str) -> None:
    """Publish features of the days, and labels of those in `labelled`, by default all."""
    rows = many_flights(days, **changes)
    known = rows.filter(pl.col("service_date").cast(pl.String).is_in(list(days if labelled is None else labelled)))
    world.publish("delay_features", rows.select(*KEYS, "hour", "wind"), days)
    world.publish("delay_labels", known.select(*KEYS, "is_late"), days)


def watch(world: World, first: str = WATCHED[0], last: str = WATCHED[-1]) -> dg.ExecuteInProcessResult:
    """Measure the distances of the days and judge them; the run that judged."""
    world.run("delay_drift", first, "" if first == last else last)
    return world.run("delay_alarms", first, "" if first == last else last)


def rows_of(world: World, table: str) -> pl.DataFrame:
    """What a reader sees of one of the two tables."""
    return world.location.tables().scan(f"flights/{table}").collect().sort(pl.all())


def alarms(world: World, column: str) -> dict[str, Any]:
    """A column of the table of alarms, by day."""
    return {str(day): value for day, value in rows_of(world, "delay_alarms").select("service_date", column).rows()}


def _version(world: World, name: str) -> int:
    version = world.location.tables().version(f"flights/delay_{name}")
    assert version is not None
    return version
