"""Backfills of 200 days, of which a seeded tenth fails, and what is left of them once the code is mended.

The daemon, the code server and the webserver are real processes, and the commands are `ml-platform backfill`. What
became of each day is counted in the event log.
"""

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import dagster as dg

from ml_platform.execution.launch import CodeLocation
from ml_platform.operations.run_events import asset_events
from ml_platform.settings import PROJECT_ROOT
from ml_platform_tests.drills.drill import Drill, DrillResult
from ml_platform_tests.drills.platform import Platform, platform, until
from ml_platform_tests.drills.recovery_location import RECOVERY
from ml_platform_tests.operations.backfill_location import DAYS, TOY, fail, take
from ml_platform_tests.operations.webserver import webserver

TABLES = ("toy/numbers", "toy/sums")
RUN_SECONDS = 10.0
FAILING = sorted(random.Random(0).sample(DAYS, 20))
LONGEST_SECONDS = 3_600.0
QUICK = {"ML_PLATFORM_STEP_RETRIES": "0", "ML_PLATFORM_RECOVERY_FIRST_SECONDS": "20"}


class Command(NamedTuple):
    """`ml-platform backfill` against one platform and its webserver."""

    platform: Platform
    url: str

    def __call__(self, *arguments: str) -> str:
        """What it printed.

        Raises:
            RuntimeError: it failed.
        """
        command = [str(Path(sys.executable).with_name("ml-platform")), "backfill", *arguments]
        environment = {**self.platform.environment, "ML_PLATFORM_DAGSTER_URL": self.url}
        done = subprocess.run(command, env=environment, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def begin(self, *arguments: str) -> str:
        """Id of the backfill that it began or resumed."""
        before = {each.backfill_id for each in self.platform.instance.get_backfills()}
        self(*arguments)
        (new,) = {each.backfill_id for each in self.platform.instance.get_backfills()} - before
        return new

    def until_over(self, backfill_id: str) -> None:
        """Return once nothing more will become of it."""
        until(f"{backfill_id} is over", lambda: self.platform.is_backfill_over(backfill_id), LONGEST_SECONDS)

    def until_made(self, asset: str, number: int) -> None:
        """Return once so many partitions of the asset are made."""
        until(f"{number} of {asset} are made", lambda: len(made(self.platform, asset)) >= number, LONGEST_SECONDS)


@contextmanager
def commanding(folder: Path, *others: CodeLocation, **more: str) -> Iterator[Command]:
    """A platform on the toy location and perhaps `others`, and its webserver."""
    environment = {**QUICK, **more}
    with platform(folder, locations=[TOY, *others], environment=environment, start=False) as p:
        fail(p.home)
        p.start()
        with webserver(folder, "-w", str(folder / "workspace.yaml"), environment=p.environment) as url:
            yield Command(p, url)


def made(p: Platform, asset: str) -> Counter[str]:
    """How often each partition was made, by the event log."""
    rows = p.instance.get_asset_event_summary_records(
        dg.DagsterEventType.ASSET_MATERIALIZATION, dg.AssetKey(asset.split("/"))
    )
    return Counter(row.partition or "" for row in rows)


def planned(p: Platform, backfill_id: str, asset: str) -> Counter[str]:
    """How often runs of the backfill were to make each partition, by the event log."""
    key = dg.AssetKey(asset.split("/"))
    runs = [run.run_id for run in p.runs_of_backfill(backfill_id)]
    events = (asset_events(p.instance, run_id, dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED) for run_id in runs)
    return Counter(partition for each in events for _, of, partition in each if of == key)


def wrong(p: Platform, **expected: Sequence[str]) -> str:
    """What is not made exactly once, in words: the days of each table that are to be there."""
    told = []
    for table, days in expected.items():
        found, wanted = made(p, f"toy/{table}"), Counter(days)
        told += [f"{table}: {len(wanted - found)} lost"] if wanted - found else []
        told += [f"{table}: {len(found - wanted)} made that should not be, or twice"] if found - wanted else []
    return "; ".join(told)


def not_asked_once(p: Platform, backfill_id: str, **expected: Sequence[str]) -> str:
    """What the runs of a backfill were to make and should not, or not as often, in words."""
    found = {table: planned(p, backfill_id, f"toy/{table}") for table in expected}
    differ = [table for table, days in expected.items() if found[table] != Counter(days)]
    return "; ".join(f"{table}: {sum(found[table].values())} asked for, not {len(expected[table])}" for table in differ)


def killed_and_resumed(folder: Path) -> DrillResult:
    """The daemon dies in the middle, then the code servers; the code is mended, and the backfill resumed."""
    fives = [DAYS[first : first + 5] for first in range(0, len(DAYS), 5)]
    held = [day for five in fives if set(five) & set(FAILING) for day in five]
    sound = [day for day in DAYS if day not in FAILING]
    with commanding(folder) as command:
        p = command.platform
        fail(p.home, *FAILING)
        first = command.begin("run", *TABLES, "--all")
        command.until_made("toy/numbers", 30)
        killed = p.kill_daemon()
        p.start()
        command.until_made("toy/numbers", 90)
        p.kill(*p.code_servers())
        command.until_over(first)
        seconds = time.monotonic() - killed
        lost = [wrong(p, numbers=sound, sums=[day for day in DAYS if day not in held])]
        lost.append(not_asked_once(p, first, numbers=DAYS, sums=DAYS))
        fail(p.home)
        since = time.monotonic()
        second = command.begin("resume", first)
        command.until_over(second)
        resumed = time.monotonic() - since
        lost += [wrong(p, numbers=DAYS, sums=DAYS), not_asked_once(p, second, numbers=FAILING, sums=held)]
        runs = len(p.runs_of_backfill(first))
    return DrillResult(
        fault=f"a backfill of 200 days in {runs} runs, 20 days of which fail; kill -9 of the daemon after 30, of all "
        "code servers after 90; then the code is mended and `ml-platform backfill resume`",
        what_happened=f"180 days are made by the backfill, {seconds:.0f} s after the first kill; the resumption runs "
        f"the 20 that failed, and the {len(held)} days of the next table that waited for them",
        attempts=2,
        seconds_to_recovery=resumed,
        recomputed="nothing: each day of both tables is made once, and was asked for once by each backfill",
        served="what is made so far",
        lost="; ".join(filter(None, lost)),
    )


def canceled_and_resumed(folder: Path, days: int = 200) -> DrillResult:
    """A backfill is canceled in the middle and resumed."""
    with commanding(folder) as command:
        p, wanted = command.platform, DAYS[:days]
        take(p.home, RUN_SECONDS)  # the daemon looks for what is canceled every 30 s, and more is made meanwhile
        first = command.begin("run", *TABLES, "--from", wanted[0], "--to", wanted[-1])
        command.until_made("toy/numbers", days // 20)
        command("cancel", first)
        command.until_over(first)
        until("its runs are over", lambda: all(run.is_finished for run in p.runs_of_backfill(first)))
        take(p.home, 0.0)
        before = {table: made(p, f"toy/{table}") for table in ("numbers", "sums")}
        since = time.monotonic()
        second = command.begin("resume", first)
        command.until_over(second)
        seconds = time.monotonic() - since
        left = {table: [day for day in wanted if day not in found] for table, found in before.items()}
        lost = [wrong(p, numbers=wanted, sums=wanted), not_asked_once(p, second, **left)]
    return DrillResult(
        fault=f"a backfill of {days} days is canceled in the middle, then resumed",
        what_happened=f"{len(before['sums'])} days stand; the resumption runs the other {len(left['sums'])}",
        attempts=2,
        seconds_to_recovery=seconds,
        recomputed="nothing: each day of both tables is made once",
        served="what is made so far",
        lost="; ".join(filter(None, lost)),
    )


def recovered_by_itself(folder: Path, days: int = 50) -> DrillResult:
    """Days of a backfill time out; the sensor of kind recovery has them run again, and the daemon dies meanwhile."""
    with commanding(folder, RECOVERY, ML_PLATFORM_SENSORS="recovery") as command:
        p, wanted = command.platform, DAYS[:days]
        until("the sensor has begun", lambda: _has_begun(p), LONGEST_SECONDS)
        fail(p.home, *wanted[::10], by=TimeoutError)
        backfill_id = command.begin("run", *TABLES, "--from", wanted[0], "--to", wanted[-1])
        command.until_over(backfill_id)
        since = time.monotonic()
        fail(p.home)
        until("a run is sent to be executed again", lambda: _sent(p), LONGEST_SECONDS)
        p.kill_daemon()
        p.start()
        command.until_made("toy/sums", days)
        command.until_over(backfill_id)
        seconds, runs = time.monotonic() - since, p.runs_of_backfill(backfill_id)
        again = [run for run in runs if run.parent_run_id]
        stands = p.instance.get_backfill(backfill_id)
        assert stands is not None, "it is over"
        lost = wrong(p, sums=wanted)
        failed = sum(run.status is dg.DagsterRunStatus.FAILURE for run in runs)
    return DrillResult(
        fault=f"time-outs in {failed} of {len(runs) - len(again)} runs of a backfill, which pass; kill -9 of the "
        "daemon as soon as one is to be executed again (sensor of kind `recovery`, first wait 20 s)",
        what_happened=f"the sensor opens the backfill again and has {len(again)} runs executed again, each once: "
        f"{stands.status.value.lower().replace('_', ' ')}",
        attempts=2,
        seconds_to_recovery=seconds,
        recomputed="the runs that failed, and what waited for them",
        served="what is made so far",
        alerts=p.alerts(),
        lost="; ".join(filter(None, [lost, "" if len(again) == failed else f"{len(again)} runs for {failed} failed"])),
    )


def _has_begun(p: Platform) -> bool:
    """Whether the sensor remembers where it begins."""
    return any(getattr(each.instigator_data, "cursor", None) for each in p.instance.all_instigator_state())


def _sent(p: Platform) -> bool:
    tags = {"dagster/will_retry": "true", "ml_platform/recovery": "1"}
    return bool(p.instance.get_runs(dg.RunsFilter(tags=tags), limit=1))


DRILLS = [
    Drill("backfill-resumed", killed_and_resumed),
    Drill("backfill-canceled", canceled_and_resumed),
    Drill("backfill-recovered", recovered_by_itself),
]
