"""Processes killed with SIGKILL while a run publishes a day: its worker, a step, the code server, the daemon, all."""

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from dagster._core.storage.dagster_run import DagsterRunStatus

from ml_platform.storage.location import StorageLocation
from ml_platform.storage.tables import TableStore
from ml_platform_tests.data.landing_zone import flight_line, flights_object
from ml_platform_tests.drills.drill import Drill, DrillResult
from ml_platform_tests.drills.fuses import burnt, fuse, put_out
from ml_platform_tests.drills.platform import Platform, platform, until
from ml_platform_tests.drills.scenario import DAY, DAYS, TABLES, before, content, lost, prepare, reading, undisturbed
from ml_platform_tests.drills.toy_location import BUILD, BUILD_ISOLATED

MOMENT = "flights/clean:before"


class Recovery(NamedTuple):
    """What a drill measured of one run: what became of it, in how many runs and seconds, and what was done again."""

    succeeded: bool
    attempts: int
    seconds: float
    recomputed: str
    told: str
    served: str
    alerts: str


def disturb(platform: Platform, job: str, do: Callable[[str], float], tables: TableStore | None = None) -> Recovery:
    """The day is built by `job`, and `do(run_id)` happens meanwhile, which returns when recovery begins to be timed.

    A reader watches `tables`, those of the platform unless others lead to them by another way.
    """
    with reading(tables or platform.tables) as reader:
        run_id = platform.queue(job, str(DAY))
        since = do(run_id)
        runs = platform.until_over(run_id)
        seconds = time.monotonic() - since
        time.sleep(1)
    steps = [platform.steps(run.run_id) for run in runs]
    return Recovery(
        succeeded=runs[-1].status is DagsterRunStatus.SUCCESS,
        attempts=platform.attempts(runs),
        seconds=seconds,
        recomputed=_again(steps),
        told="\n".join(platform.told(run.run_id) for run in runs),
        served=reader.served(before()["rows"], undisturbed()["rows"]),
        alerts=platform.alerts(),
    )


def _again(steps: list[list[str]]) -> str:
    done = [step for each in steps for step in each]
    twice = sorted({step.removeprefix("flights__") for step in done if done.count(step) > 1})
    return f"{', '.join(twice) or 'nothing'}; {len(set(done)) - len(twice)} of {len(set(done))} steps ran once"


def result(fault: str, what: str, home: Path, recovery: Recovery) -> DrillResult:
    """The row of a drill whose run should have come through."""
    failure = "" if recovery.succeeded else "the run did not succeed"
    return DrillResult(
        fault=fault,
        what_happened=what,
        attempts=recovery.attempts,
        seconds_to_recovery=recovery.seconds,
        recomputed=recovery.recomputed,
        served=recovery.served,
        alerts=recovery.alerts,
        lost="; ".join(filter(None, [failure, lost(home)])),
    )


def killed_at_the_moment(p: Platform) -> Callable[[str], float]:
    """The process that is about to publish the cleaned day kills itself."""
    mark = p.lay(MOMENT, "kill")

    def wait(_: str) -> float:
        until("the fuse burns", mark.exists)
        return time.monotonic()

    return wait


def held_at_the_moment(p: Platform, do: Callable[[str], float]) -> Callable[[str], float]:
    """The process that is about to publish waits there until `do` is done, if it lives then."""
    mark = p.lay(MOMENT, "hang")

    def hold(run_id: str) -> float:
        until("the fuse burns", mark.exists)
        since = do(run_id)
        put_out(fuse(p.home, MOMENT))
        return since

    return hold


def worker_killed(folder: Path) -> DrillResult:
    """The run's worker dies while it works on a step."""
    prepare(folder / "home")
    with platform(folder) as p:
        found = disturb(p, BUILD, killed_at_the_moment(p))
    return result("kill -9 of the run's worker", "the daemon sees its end and retries from failure", p.home, found)


def worker_killed_before_it_starts(folder: Path) -> DrillResult:
    """The worker dies before it has loaded its code."""
    prepare(folder / "home")
    with platform(folder) as p:
        found = disturb(p, BUILD, lambda run_id: p.kill(p.worker(run_id)))
    return result("kill -9 of a worker that has just started", "as above, without waiting", p.home, found)


def step_killed(folder: Path) -> DrillResult:
    """The process of one step dies; its worker lives."""
    prepare(folder / "home")
    with platform(folder) as p:
        found = disturb(p, BUILD_ISOLATED, killed_at_the_moment(p))
    return result("kill -9 of an isolated step", "the step is tried again in the same run", p.home, found)


def code_server_killed(folder: Path) -> DrillResult:
    """The code server dies while its run is at work."""
    prepare(folder / "home")
    with platform(folder) as p:
        found = disturb(p, BUILD, held_at_the_moment(p, lambda _: p.kill(*p.code_servers())))
    return result("kill -9 of the code server", "the run does not notice", p.home, found)


def worker_and_code_server_killed(folder: Path) -> DrillResult:
    """Both die at once."""
    prepare(folder / "home")
    with platform(folder) as p:
        found = disturb(p, BUILD, held_at_the_moment(p, lambda run_id: p.kill(*p.code_servers(), p.worker(run_id))))
    what = "the code server is started again, then the run is retried from failure"
    return result("kill -9 of worker and code server together", what, p.home, found)


def daemon_killed(folder: Path) -> DrillResult:
    """The daemon dies while a run is at work, and is started again."""
    prepare(folder / "home")

    def kill(_: str) -> float:
        since = p.kill_daemon()
        p.start()
        return since

    with platform(folder) as p:
        found = disturb(p, BUILD, held_at_the_moment(p, kill))
    return result("kill -9 of the daemon during a run", "the run goes on without it", p.home, found)


def daemon_killed_before_the_retry(folder: Path) -> DrillResult:
    """The worker dies, and the daemon as soon as it has said so."""
    prepare(folder / "home")

    def kill(run_id: str) -> float:
        mark = p.lay(MOMENT, "kill")
        until("the fuse burns", mark.exists)
        since = time.monotonic()
        until("the run is failed", lambda: p.run(run_id).is_finished)
        p.kill_daemon()
        p.start()
        return since

    with platform(folder) as p:
        found = disturb(p, BUILD, kill)
    what = "the new daemon starts the one retry"
    return result("kill -9 of the worker, then of the daemon before it retries", what, p.home, found)


def daemon_killed_again_and_again(folder: Path, times: int = 4) -> DrillResult:
    """The daemon dies at random moments from the request to the end of a run, each time it is up again."""
    prepare(folder / "home")
    draw = random.Random(0)
    moments: list[float] = []

    def kill(_: str) -> float:
        since = time.monotonic()
        for _number in range(times):
            moments.append(draw.uniform(0, 4))
            time.sleep(moments[-1])
            p.kill_daemon()
            p.start()
        return since

    with platform(folder) as p:
        found = disturb(p, BUILD, kill)
    at = ", ".join(f"{moment:.1f}" for moment in moments)
    what = f"killed {at} s after each start; the run is launched once"
    return result(f"kill -9 of the daemon {times} times, at random moments", what, p.home, found)


def everything_killed(folder: Path) -> DrillResult:
    """Every process dies at once, as when the machine loses power, and the daemon is started again."""
    prepare(folder / "home")

    def kill(_: str) -> float:
        since = p.kill_everything()
        burnt(fuse(p.home, MOMENT)).unlink(missing_ok=True)
        p.start()
        return since

    with platform(folder) as p:
        found = disturb(p, BUILD, held_at_the_moment(p, kill))
    what = "run monitoring finds the worker gone and the run is retried from failure"
    return result("kill -9 of all processes at once, then a start", what, p.home, found)


def backfill_and_daemon_killed(folder: Path) -> DrillResult:
    """The daemon dies while a backfill of four days is at work."""
    prepare(folder / "home")
    with platform(folder) as p:
        backfill_id = p.backfill(["flights/raw", "flights/weather_raw"], [str(day) for day in DAYS])
        until("the backfill has a run", lambda: p.runs_of_backfill(backfill_id))
        since = p.kill_daemon()
        p.start()
        until("the backfill is over", lambda: p.is_backfill_over(backfill_id))
        seconds, runs = time.monotonic() - since, p.runs_of_backfill(backfill_id)
    raws = ("flights/raw", "flights/weather_raw")
    missing = [name for name in raws for day in DAYS if str(day) not in p.tables.partitions(name)]
    return DrillResult(
        "kill -9 of the daemon during a backfill",
        "the new daemon goes on with it",
        len(runs),
        seconds,
        "nothing",
        "the old days",
        lost=", ".join(missing),
    )


def backfill_relaunched(folder: Path) -> DrillResult:
    """A step of a backfill of four days fails by its code; the code is mended, and the backfill re-executed."""
    prepare(folder / "home")
    with platform(folder) as p:
        p.lay("flights/delay_labels:before", "value_error")
        fault = "ValueError in the labels of a backfill of four days; the code is mended and the backfill re-executed"
        return _re_executed(p, fault, mend=lambda: None, stands={"flights__raw", "flights__clean"})


def backfill_refused(folder: Path) -> DrillResult:
    """The contract refuses a day of a backfill; its object is landed again and ingested, the backfill re-executed."""
    prepare(folder / "home")
    with platform(folder) as p:
        landing = StorageLocation.of(p.settings).landing()
        bad = [flight_line(DAYS[1], 400 + number, delay=60 * 24 * 3) for number in range(8)]
        landing.write(f"flights/flights/{DAYS[1]}.csv", flights_object(DAYS[1], bad))

        def mend() -> None:
            landing.write(f"flights/flights/{DAYS[1]}.csv", flights_object(DAYS[1]))
            ingested = p.backfill(["flights/raw"], [str(DAYS[1])])
            until("the corrected day is ingested", lambda: p.is_backfill_over(ingested))

        fault = (
            "a contract refuses a day of a backfill of four; it is landed and ingested again, the backfill re-executed"
        )
        return _re_executed(p, fault, mend, stands={"flights__raw", "flights__weather_clean"})


def _re_executed(p: Platform, fault: str, mend: Callable[[], None], stands: set[str]) -> DrillResult:
    """What became of a backfill of four days that failed, and was re-executed once its cause was mended."""
    tables = [name for name in TABLES if name != "flights/delay_features"]  # which look further than these days
    first = p.backfill([*tables, "flights/quarantine", "flights/weather_quarantine"], [str(day) for day in DAYS])
    until("the backfill is over", lambda: p.is_backfill_over(first))
    mend()
    since = time.monotonic()
    second = p.relaunch(first)
    until("its re-execution is over", lambda: p.is_backfill_over(second))
    seconds = time.monotonic() - since
    ran, again = (sorted({s for r in p.runs_of_backfill(b) for s in p.steps(r.run_id)}) for b in (first, second))
    found, names = content(p.tables), [f"{name} {day}" for name in tables for day in DAYS]
    differ = ", ".join(name for name in names if found.get(name) != undisturbed()[name])
    return DrillResult(
        fault=fault,
        what_happened=f"of {len({*ran, *again})} steps it runs {len(again)}: what failed and what follows from it",
        attempts=2,
        seconds_to_recovery=seconds,
        recomputed=", ".join(step.removeprefix("flights__") for step in again),
        served="the old days",
        alerts=p.alerts(),
        lost="; ".join(filter(None, ["" if stands.isdisjoint(again) else f"it ran {again} again", differ])),
    )


DRILLS = [
    Drill("worker", worker_killed),
    Drill("worker-at-start", worker_killed_before_it_starts),
    Drill("step", step_killed),
    Drill("code-server", code_server_killed),
    Drill("worker-and-code-server", worker_and_code_server_killed),
    Drill("daemon", daemon_killed),
    Drill("daemon-before-retry", daemon_killed_before_the_retry),
    Drill("daemon-random", daemon_killed_again_and_again),
    Drill("backfill-relaunched", backfill_relaunched),
    Drill("backfill-refused", backfill_refused),
    Drill("daemon-backfill", backfill_and_daemon_killed),
    Drill("everything", everything_killed),
]
