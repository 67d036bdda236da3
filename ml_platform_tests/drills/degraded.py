"""A source without its object: the day is published degraded, told, and made again by itself once the object lands."""

import time
from collections.abc import Sequence
from pathlib import Path

from dagster._core.storage.dagster_run import DagsterRun, DagsterRunStatus

from ml_platform.execution.launch import CodeLocation, PartitionRange
from ml_platform.recovery.alerts.center import AlertCenter
from ml_platform.recovery.degradation import Degradation, Degradations
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform_tests.data.landing_zone import weather_object
from ml_platform_tests.drills.drill import Drill, DrillResult
from ml_platform_tests.drills.platform import Platform, platform, until
from ml_platform_tests.drills.scenario import DAYS, lost, prepare
from ml_platform_tests.drills.toy_location import BUILD, TOY

OPERATIONS = CodeLocation("operations", "ml_platform.operations.definitions")
SETTINGS = {"ML_PLATFORM_SENSORS": "recompute", "ML_PLATFORM_ALERT_INTERVAL_SECONDS": "1"}
CUT, GONE = DAYS[0], DAYS[1]


def weather_missing(folder: Path) -> DrillResult:
    """Of four days the weather of one is not there, and that of another, published before, is cut."""
    prepare(folder / "home")
    landing = StorageLocation.of(Settings(home=folder / "home")).landing()
    with platform(folder, locations=(TOY, OPERATIONS), environment=SETTINGS) as p:
        before = p.until_over(p.queue(BUILD, str(CUT)))
        landing.write(_weather(CUT), weather_object(CUT)[:-30])
        landing.delete(_weather(GONE))
        runs = p.until_over(p.queue(BUILD, PartitionRange(str(DAYS[0]), str(DAYS[-1]))))
        marks = Degradations(StorageLocation.of(p.settings).artifacts()).all()
        alerts = until("the alerts are raised", lambda: _told(p))
        since = time.monotonic()
        for day in (CUT, GONE):
            landing.write(_weather(day), weather_object(day))
        until("no mark is left", lambda: not Degradations(StorageLocation.of(p.settings).artifacts()).all())
        seconds = time.monotonic() - since
        until("the alerts are over", lambda: not _told(p))
        until("every run is over", lambda: all(run.is_finished for run in p.instance.get_runs()))
        known = {each.run_id for each in (*before, *runs)}
        again = [run for run in p.instance.get_runs() if run.run_id not in known]
    failed = "" if {run.status for run in [*runs, *again]} == {DagsterRunStatus.SUCCESS} else "a run failed"
    return DrillResult(
        fault="weather of a day missing, that of another cut; landed whole later",
        what_happened=f"the run succeeds with {_counted(marks)}; sensors have them made again, and all marks go",
        attempts=1 + len(again),
        seconds_to_recovery=seconds,
        recomputed=_recomputed(again),
        served="the cut day as published before, the missing one without weather",
        alerts=f"{len(alerts)} warnings, each resolved: {'; '.join(alerts)}",
        lost="; ".join(filter(None, [failed, lost(p.home, *DAYS)])),
    )


def _weather(day: object) -> str:
    return f"flights/weather/{day}.csv"


def _told(p: Platform) -> list[str]:
    """The open alerts of what is degraded."""
    found = [each.alert for each in AlertCenter(p.settings).open() if each.alert.kind == "degraded"]
    return sorted(f"{alert.subject} ({alert.partitions} partitions)" for alert in found)


def _counted(marks: Sequence[Degradation]) -> str:
    rungs = [mark.rung for mark in marks]
    return ", ".join(f"{rungs.count(rung)} partitions {rung}" for rung in ("cached", "empty", "inherited"))


def _recomputed(runs: Sequence[DagsterRun]) -> str:
    steps = [f"{_days(run)}: {len(run.asset_selection or ())} tables" for run in reversed(runs)]
    return f"in {len(runs)} runs, {'; '.join(steps)}"


def _days(run: DagsterRun) -> str:
    first = run.tags.get("dagster/asset_partition_range_start")
    return f"{first} to {run.tags['dagster/asset_partition_range_end']}" if first else run.tags["dagster/partition"]


DRILLS = [Drill("weather-missing", weather_missing)]
