"""Work that goes through the running daemon: a backfill of a month of the data location, and one trivial run.

Every kind of wait is told apart: the daemon's polling, its evaluations, the queue, the start of a worker, the work.
"""

import datetime as dt
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg

from benchmarks.corrections import LAST_DAY, correct, days_of
from benchmarks.development import LOCATIONS, Server, loaded_dagster_dev
from benchmarks.homes import at_home, versions
from benchmarks.readings import Reading
from ml_platform.execution.instance import open_instance

FIRST_DAY = dt.date(2013, 12, 1)
FLIGHT_NUMBER = 9002
TABLES = ("raw", "clean", "quarantine", "weather_raw", "weather_clean", "weather_quarantine", "delay_labels")
BACKFILLED = (*TABLES, "delay_features")
WITHOUT_NEW_ROWS = ("quarantine", "weather_quarantine")
SECONDS_FROM_FIRST_EVALUATION = 30.0
TIMEOUT_SECONDS = 600.0
POLL_EVERY_SECONDS = 0.5

LAUNCH_BACKFILL = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
BACKFILL = """query($id: String!) { partitionBackfillOrError(backfillId: $id) {
  ... on PartitionBackfill { status error { message } } } }"""
LAUNCH_RUN = """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
RUN = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status startTime endTime } } }"
ENDED = ("SUCCESS", "FAILURE", "CANCELED")


class RunTimes(NamedTuple):
    """Instants of one run, seconds since the epoch."""

    assets: int
    created: float
    started: float
    first_step: float
    last_materialization: float
    ended: float


def measure_daemon(work: Path) -> list[Reading]:
    """Seconds until `dagster dev` is there, a backfill of December, and a trivial run on warm processes.

    Raises:
        RuntimeError: the server or the backfill failed, or took too long; the log is in the work folder.
    """
    home = work / "home"
    for day in days_of(FIRST_DAY, LAST_DAY):
        correct(home / "landing" / "flights", day, FLIGHT_NUMBER)
    with loaded_dagster_dev(home, work / "dev.log") as server:
        readings = [
            Reading(what="dagster dev: start to an answer with all locations loaded", value=server.answered_after),
            *(
                Reading(what=f"dagster dev: start to {n} loaded in its code server", value=server.loaded_after[n])
                for n in LOCATIONS
            ),
        ]
        readings += _backfill(server, home)
        _trivial_run(server)
        readings.append(Reading(what="launching flights/airlines_raw to its end, warm", value=_trivial_run(server)))
    return readings


def _backfill(server: Server, home: Path) -> list[Reading]:
    before, requested = versions(home), time.time()
    backfill = _launch_backfill(server)
    _wait_for_backfill(server, backfill)
    done = time.time()
    with at_home(home), open_instance() as instance:
        runs = run_times(instance, backfill)
    first, last = min(run.created for run in runs), max(run.last_materialization for run in runs)
    after = versions(home)
    expected = [name for name in BACKFILLED if name not in WITHOUT_NEW_ROWS]
    written = [name for name in expected if before[f"flights/{name}"] != after[f"flights/{name}"]]
    return [
        Reading(what="31-day backfill: request to first run", value=first - requested),
        Reading(
            what="31-day backfill: first run to last materialization",
            value=last - first,
            at_most=SECONDS_FROM_FIRST_EVALUATION,
        ),
        Reading(what="31-day backfill: request to last materialization", value=last - requested),
        Reading(what="31-day backfill: request to its end", value=done - requested),
        Reading(what=f"31-day backfill: tables with a commit, of {len(expected)}", value=len(written), unit=""),
        Reading(what="31-day backfill: runs", value=len(runs), unit=""),
        *(reading for number, run in enumerate(runs, 1) for reading in _told(f"run {number}", run, first)),
    ]


def _told(name: str, run: RunTimes, since: float) -> list[Reading]:
    """Where the time of one run went."""
    return [
        Reading(what=f"{name} ({run.assets} assets): created after", value=run.created - since),
        Reading(what=f"{name}: queue and start of its worker", value=run.started - run.created),
        Reading(what=f"{name}: to its first step", value=run.first_step - run.started),
        Reading(what=f"{name}: steps to last materialization", value=run.last_materialization - run.first_step),
        Reading(what=f"{name}: to its end", value=run.ended - run.last_materialization),
    ]


def run_times(instance: dg.DagsterInstance, backfill: str) -> list[RunTimes]:
    """The runs of a backfill, by creation."""
    records = instance.get_run_records(dg.RunsFilter(tags={"dagster/backfill": backfill}))
    return sorted((_times(instance, record) for record in records), key=lambda run: run.created)


def _times(instance: dg.DagsterInstance, record: dg.RunRecord) -> RunTimes:
    of_kind: dict[dg.DagsterEventType, list[float]] = {}
    for entry in instance.all_logs(record.dagster_run.run_id):
        if entry.is_dagster_event:
            of_kind.setdefault(entry.get_dagster_event().event_type, []).append(entry.timestamp)
    return RunTimes(
        assets=len(record.dagster_run.asset_selection or ()),
        created=record.create_timestamp.timestamp(),
        started=of_kind[dg.DagsterEventType.RUN_START][0],
        first_step=of_kind[dg.DagsterEventType.STEP_START][0],
        last_materialization=of_kind[dg.DagsterEventType.ASSET_MATERIALIZATION][-1],
        ended=record.end_time or 0.0,
    )


def _launch_backfill(server: Server) -> str:
    params = {
        "assetSelection": [{"path": ["flights", name]} for name in BACKFILLED],
        "partitionNames": [str(day) for day in days_of(FIRST_DAY, LAST_DAY)],
    }
    launched = server.ask(LAUNCH_BACKFILL, params=params)["launchPartitionBackfill"]
    if "backfillId" not in launched:
        raise RuntimeError(f"The backfill was refused: {launched}")
    return str(launched["backfillId"])


def _wait_for_backfill(server: Server, backfill: str) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        found = server.ask(BACKFILL, id=backfill)["partitionBackfillOrError"]
        if found["status"] == "COMPLETED_SUCCESS":
            return
        if found["status"] != "REQUESTED":
            raise RuntimeError(f"The backfill ended as {found['status']}: {found['error']}")
        time.sleep(POLL_EVERY_SECONDS)
    raise RuntimeError(f"The backfill did not end in {TIMEOUT_SECONDS:g} s")


def _trivial_run(server: Server) -> float:
    """Seconds from the request to the recorded end of a run of one small table."""
    requested = time.time()
    launched = server.ask(LAUNCH_RUN, params=_execution("data", [["flights", "airlines_raw"]]))["launchRun"]
    if "run" not in launched:
        raise RuntimeError(f"The run was refused: {launched}")
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        run = server.ask(RUN, id=launched["run"]["runId"])["runOrError"]
        if run["status"] in ENDED:
            if run["status"] != "SUCCESS":
                raise RuntimeError(f"The run of flights/airlines_raw ended as {run['status']}")
            return float(run["endTime"]) - requested
        time.sleep(POLL_EVERY_SECONDS)
    raise RuntimeError(f"The run of flights/airlines_raw did not end in {TIMEOUT_SECONDS:g} s")


def _execution(location: str, assets: Sequence[Sequence[str]]) -> dict[str, Any]:
    selector = {
        "repositoryLocationName": location,
        "repositoryName": "__repository__",
        "pipelineName": "__ASSET_JOB",
        "assetSelection": [{"path": list(path)} for path in assets],
    }  # without a selection of checks: those that an asset makes itself have to go with it
    return {"selector": selector, "runConfigData": "{}", "mode": "default", "executionMetadata": {"tags": []}}
