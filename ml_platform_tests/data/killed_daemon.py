"""Ticks of the landing sensor by Dagster's own daemon code, in processes that are killed; what was asked for after all.

    python -m ml_platform_tests.data.killed_daemon [KILLS] [OBJECTS]

Belongs here: a toy table by day and one by key, the daemon's loop in a child, and its murder at a random moment. Does
not: what is asserted of it (`test_killed_daemon`).
"""

import json
import logging
import os
import random
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import NamedTuple

import dagster as dg
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.dagster_run import DagsterRunStatus, RunsFilter
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._daemon import sensor
from sqlalchemy import event
from sqlalchemy.engine import Engine

from ml_platform.components.automation import Paging, Wanted
from ml_platform.components.automation_sensor import content_sensor, over, seen_by
from ml_platform.data.arrivals import arrived_partitions, look
from ml_platform.data.component import LandedTable
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.resources import storage_resources
from ml_platform_tests.execution.locations import InThisProcess

FIRST = date(1990, 1, 1)
BY_DAY = dg.DailyPartitionsDefinition(str(FIRST), end_date="2020-01-01")
BY_KEY = dg.DynamicPartitionsDefinition(name="toy_keys")
RAW = LandedTable(name="raw", description="Toy.", landing="raw/{day}.csv", contract="contract:Raw")
KEYED = LandedTable(name="keyed", description="Toy.", landing="keyed/{key}.csv", contract="contract:Raw")
DAYS_JOB, KEYS_JOB = "build_toy_days", "build_toy_keys"
LONG_AGO = 1_600_000_000.0
MOST_STEPS, NEVER = 400, 0
_MODULE = "ml_platform_tests.data.killed_daemon"


class Ingested(NamedTuple):
    """The days or keys that each run covers; the CPU seconds of each whole tick; daemons that were killed."""

    days: list[list[str]]
    keys: list[list[str]]
    seconds: list[float]
    killed: int


def build_location() -> dg.Definitions:
    """A table by day and one by key, their jobs and the landing sensors, which are switched on."""

    @dg.asset(partitions_def=BY_DAY, backfill_policy=dg.BackfillPolicy.single_run())
    def raw() -> None: ...

    @dg.asset(partitions_def=BY_KEY, backfill_policy=dg.BackfillPolicy.single_run())
    def keyed() -> None: ...

    def arrived(context: dg.SensorEvaluationContext, table: LandedTable) -> Wanted:
        location: StorageLocation = context.resources.tables.location
        return arrived_partitions(look(location, "toy", [table], datetime.now(UTC)), seen_by(context))

    jobs = [dg.define_asset_job(DAYS_JOB, [raw]), dg.define_asset_job(KEYS_JOB, [keyed])]
    paging = Paging(partitions_per_run=400, open_runs=3)
    sensors = [
        content_sensor(
            f"{job.name}_on_landing",
            partial(arrived, table=table),
            job,
            "landing",
            requests._replace(paging=paging),
            description="Toy.",
        )
        for job, table, requests in (
            (jobs[0], RAW, over(BY_DAY)),
            (jobs[1], KEYED, over(BY_KEY)._replace(discovers=BY_KEY)),
        )
    ]
    return dg.Definitions([raw, keyed], jobs=jobs, sensors=sensors, resources=storage_resources(Settings()))


@contextmanager
def instance_in(home: Path) -> Iterator[dg.DagsterInstance]:
    """An instance whose runs are queued, and launched by nobody."""
    coordinator = {"module": "dagster._core.run_coordinator", "class": "QueuedRunCoordinator"}
    (home / "dagster").mkdir(parents=True, exist_ok=True)
    overrides: dict[str, object] = {"run_coordinator": coordinator, "telemetry": {"enabled": False}}
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home / "dagster"), overrides=overrides)) as instance:
        yield instance


def land(home: Path, first: int, days: int) -> None:
    """Objects of so many days, and of as many keys that come in no order, written long ago."""
    for folder, name in (("raw", lambda n: FIRST + timedelta(days=n)), ("keyed", lambda n: f"{n * 7919 % 10007}")):
        (home / "landing" / folder).mkdir(parents=True, exist_ok=True)
        for number in range(first, first + days):
            path = home / "landing" / folder / f"{name(number)}.csv"
            path.write_bytes(b"x")
            os.utime(path, (LONG_AGO, LONG_AGO))


def in_child(work: Callable[[], None]) -> int:
    """Process id of a child that does `work` and ends."""
    child = os.fork()
    if child:
        return child
    try:
        work()
    finally:
        os._exit(0)


def daemon(home: Path, killed_at: int, ticks: int = 4) -> None:
    """So many ticks, and the seconds of each in a file; killed at that statement to the instance's storage, or commit.

    Each statement counts twice: before it, and after it.
    """
    os.environ.update(ML_PLATFORM_HOME=str(home), ML_PLATFORM_SENSORS="landing")
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore", dg.BetaWarning)
    sensor.is_under_min_interval = lambda *_: False  # ticks follow at once
    with instance_in(home) as instance, WorkspaceProcessContext(instance, InThisProcess(_MODULE)) as workspace:
        steps = count(1)

        def step(*_: object) -> None:
            if next(steps) == killed_at:
                os.kill(os.getpid(), signal.SIGKILL)

        for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
            event.listen(Engine, name, step)
        for _ in range(ticks):
            started = sum(os.times()[:2])
            list(sensor.execute_sensor_iteration(workspace, logging.getLogger("daemon"), None, None))
            with (home / "seconds").open("a") as file:
                file.write(f"{sum(os.times()[:2]) - started}\n")


def finish_runs(home: Path) -> None:
    """Let every run that was asked for have succeeded."""
    with instance_in(home) as instance:
        for run in instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.QUEUED])):
            instance.handle_run_event(run.run_id, _success(run))


def _success(run: dg.DagsterRun) -> dg.DagsterEvent:
    return dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name)


def write_ingested(home: Path) -> None:
    """The days and keys of every run, as a file."""
    with instance_in(home) as instance:
        order = list(instance.get_dynamic_partitions("toy_keys"))
        runs = {job: instance.get_runs(RunsFilter(job_name=job)) for job in (DAYS_JOB, KEYS_JOB)}
    ends = {job: [_ends(run) for run in of_job] for job, of_job in runs.items()}
    keys = [order[order.index(first) : order.index(last) + 1] for first, last in ends[KEYS_JOB]]
    days = [days_between(first, last) for first, last in ends[DAYS_JOB]]
    (home / "runs.json").write_text(json.dumps({"days": days, "keys": keys}))


def _ends(run: dg.DagsterRun) -> tuple[str, str]:
    one = run.tags.get(PARTITION_NAME_TAG, "")
    return run.tags.get(ASSET_PARTITION_RANGE_START_TAG, one), run.tags.get(ASSET_PARTITION_RANGE_END_TAG, one)


def ingest(home: Path, kills: int, objects: int, seed: int = 0) -> Ingested:
    """What was asked for of objects that land while the daemon is killed so often, and once it is left alone."""
    chance = random.Random(seed)
    each = max(1, objects // (kills + 1))
    killed = 0
    for kill in range(kills):
        land(home, kill * each, each)
        moment = chance.randrange(1, MOST_STEPS)
        killed += ended(in_child(lambda moment=moment: daemon(home, moment))) == signal.SIGKILL  # type: ignore[misc]
        ended(in_child(lambda: finish_runs(home)))
    land(home, kills * each, objects - kills * each)
    for _ in range(2 + objects // 1000):
        ended(in_child(lambda: daemon(home, NEVER)))
        ended(in_child(lambda: finish_runs(home)))
    ended(in_child(lambda: write_ingested(home)))
    runs = json.loads((home / "runs.json").read_text())
    seconds = [float(line) for line in (home / "seconds").read_text().split()]
    return Ingested(runs["days"], runs["keys"], seconds, killed)


def days_between(first: str, last: str) -> list[str]:
    """Every day from the one to the other."""
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    return [str(start + timedelta(days=number)) for number in range((end - start).days + 1)]


def ended(child: int) -> int:
    """The signal that ended a child; 0 if it ended by itself."""
    return os.WTERMSIG(os.waitpid(child, 0)[1])


def main() -> None:
    """Say what was asked for."""
    kills, objects = (int(text) for text in (*sys.argv[1:], "50", "500")[:2])
    with tempfile.TemporaryDirectory() as folder:
        done = ingest(Path(folder), kills, objects)
    for what, runs in (("objects", done.days), ("keys", done.keys)):
        found = [each for covered in runs for each in covered]
        sys.stdout.write(
            f"{objects} {what}: {len(set(found))} ingested, {len(found) - len(set(found))} of them twice, "
            f"in {len(runs)} runs\n"
        )
    ticks = f"{len(done.seconds)} whole ticks, at most {max(done.seconds):.2f} CPU s"
    sys.stdout.write(f"{done.killed} daemons killed; {ticks}\n")


if __name__ == "__main__":
    main()
