"""One more day through the platform, as a scheduled run would do it: landed, ingested, cleaned, predicted, measured."""

import time
from pathlib import Path
from typing import NamedTuple

import dagster as dg

from benchmarks.corrections import LAST_DAY, correct
from benchmarks.homes import QUIET, at_home, versions
from benchmarks.readings import Reading
from ml_platform.demo.meter import Cost, Stopwatch
from ml_platform.execution.instance import open_instance
from ml_platform.execution.launch import RunRequest, platform_location, run_job

FLIGHT_NUMBER = 9001
TABLES_OF_A_DAY = ("raw", "clean", "delay_labels", "delay_features", "delay_predictions", "delay_quality")


class Done(NamedTuple):
    """The cost of a run up to its last materialization, and of all of it."""

    last_materialization: Cost
    end: Cost


def measure_new_day(work: Path) -> list[Reading]:
    """The last day, corrected by its upstream; both runs go on in this process, which loads the definitions first."""
    home = work / "home"
    correct(home / "landing" / "flights", LAST_DAY, FLIGHT_NUMBER)
    before = versions(home)
    requests = {
        "raw to features": RunRequest(platform_location("data"), "build_flights_days", partitions=str(LAST_DAY)),
        "predictions and quality": RunRequest(
            platform_location("serving"), "predict_flights_delay_predictions", partitions=str(LAST_DAY)
        ),
    }
    with at_home(home), open_instance() as instance:
        started = time.monotonic()
        done = {name: _run(instance, request) for name, request in requests.items()}
        seconds = time.monotonic() - started
    after = versions(home)
    written = [name for name in TABLES_OF_A_DAY if before[f"flights/{name}"] != after[f"flights/{name}"]]
    return [
        Reading(what="corrected object to quality: wall", value=seconds),
        Reading(what="corrected object to quality: CPU", value=sum(each.end.cpu_seconds for each in done.values())),
        *(
            Reading(what=f"{name}: call to last materialization", value=each.last_materialization.seconds)
            for name, each in done.items()
        ),
        Reading(what=f"tables with a commit, of {len(TABLES_OF_A_DAY)}", value=len(written), unit=""),
    ]


def _run(instance: dg.DagsterInstance, request: RunRequest) -> Done:
    watch = Stopwatch()
    last = watch.read()

    def look(event: dg.DagsterEvent) -> None:
        nonlocal last
        if event.is_step_materialization:
            last = watch.read()

    run_job(instance, request._replace(config=QUIET), look)
    return Done(last, watch.read())
