"""Ten thousand landing objects at once, on a real daemon and code server: a raw table of 27 years of days.

Belongs here: the location, and what its sensor makes of it. Does not: kills (`data.killed_daemon` does those).
"""

import datetime as dt
from pathlib import Path

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType

from ml_platform.data.pipeline import build_pipeline
from ml_platform.execution.launch import CodeLocation
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.resources import storage_resources
from ml_platform_tests.data.landing_zone import flights_object
from ml_platform_tests.data.test_pipeline import pipeline, use_case
from ml_platform_tests.drills.drill import Drill, DrillResult
from ml_platform_tests.drills.platform import platform, until

OBJECTS, FIRST = 10_000, dt.date(1986, 1, 1)
RAW = dg.AssetKey(["flights", "raw"])
SENSOR = "build_flights_days_on_landing"


def build_definitions(settings: Settings) -> dg.Definitions:
    """The raw table of flights alone, from 1986 on."""
    declared = pipeline()
    raw_alone = declared.model_copy(
        update={"landed": declared.landed[:1], "cleaned": (), "derived": (), "features": ()}
    )
    years = use_case().model_copy(update={"first_day": FIRST})
    resources = dg.Definitions(resources=storage_resources(settings), executor=dg.in_process_executor)
    return dg.Definitions.merge(build_pipeline(raw_alone, years), resources)


def landed_at_once(folder: Path) -> DrillResult:
    """Every object lands before the sensor looks for the first time."""
    with platform(
        folder, locations=[CodeLocation("many", __name__)], environment={"ML_PLATFORM_SENSORS": "landing"}, start=False
    ) as p:
        landing = StorageLocation.of(p.settings).landing()
        days = [FIRST + dt.timedelta(days=number) for number in range(OBJECTS)]
        for day in days:
            landing.write(f"flights/flights/{day}.csv", flights_object(day))
        p.start()
        seconds = until(
            "all are ingested", lambda: len(p.tables.published("flights/raw")) == OBJECTS and _span(p.instance), 3_600
        )
        until("nothing is at work", lambda: not p.instance.get_runs_count(_UNFINISHED))
        runs, ticks, made = p.instance.get_runs_count(), _tick_seconds(p.instance), _materializations(p.instance)
    twice = f"{made - OBJECTS} days were ingested twice" if made != OBJECTS else ""
    return DrillResult(
        fault=f"{OBJECTS:,} landing objects at once",
        what_happened=f"each is ingested once, in {runs} runs; {len(ticks)} ticks, the longest {max(ticks):.1f} s",
        attempts=1,
        seconds_to_recovery=seconds,
        recomputed="nothing",
        served="what was published",
        lost=twice,
    )


_UNFINISHED = dg.RunsFilter(
    statuses=[dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
)


def _span(instance: dg.DagsterInstance) -> float:
    """Seconds from the first request of a run to the end of the last one."""
    records = instance.get_run_records()
    return max(each.end_time or 0.0 for each in records) - min(each.create_timestamp.timestamp() for each in records)


def _tick_seconds(instance: dg.DagsterInstance) -> list[float]:
    """How long each tick of the sensor took."""
    states = instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
    state = next(each for each in states if each.instigator_name == SENSOR)
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id)
    return [each.end_timestamp - each.timestamp for each in ticks if each.end_timestamp]


def _materializations(instance: dg.DagsterInstance) -> int:
    counted, cursor = 0, None
    while True:
        page = instance.fetch_materializations(RAW, limit=1_000, cursor=cursor)
        counted, cursor = counted + len(page.records), page.cursor
        if not page.has_more:
            return counted


defs = build_definitions(Settings())
DRILLS = [Drill("many-days", landed_at_once)]
