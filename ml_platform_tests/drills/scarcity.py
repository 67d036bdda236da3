"""What runs out: memory under a limit, space on the disk of the tables, and the slots of a pool whose holder dies."""

import time
from pathlib import Path

from dagster._core.storage.dagster_run import DagsterRunStatus

from ml_platform_tests.drills.drill import Drill, DrillResult
from ml_platform_tests.drills.fuses import SPARE_BYTES
from ml_platform_tests.drills.platform import platform, until
from ml_platform_tests.drills.processes import MOMENT, disturb, result
from ml_platform_tests.drills.scenario import DAY, DAYS, before, lost, prepare, rows_hash
from ml_platform_tests.drills.toy_location import BUILD
from ml_platform_tests.faults.crash_points import file_faults

RAW = "flights/raw:before"


def out_of_memory(folder: Path) -> DrillResult:
    """A step asks for more memory than RLIMIT_AS leaves it, once."""
    prepare(folder / "home")
    with platform(folder) as p:

        def wait(_: str) -> float:
            until("the fuse burns", p.lay(MOMENT, "out_of_memory").exists)
            return time.monotonic()

        found = disturb(p, BUILD, wait)
    retries = found.told.count("MemoryError (resource); tried again")
    what = "MemoryError (resource): the step is tried again in its run"
    row = result(f"{SPARE_BYTES >> 20} MB left under RLIMIT_AS, twice as much asked for", what, p.home, found)
    return row._replace(attempts=1 + retries, lost=row.lost or ("" if retries else "it was not classified"))


def disk_full(folder: Path) -> DrillResult:
    """No space is left for the tables from the publication of the cleaned day on; then there is again."""
    prepare(folder / "home")
    environment = {"LD_PRELOAD": str(file_faults(folder)), "ML_PLATFORM_RETRY_FIRST_SECONDS": "0.5"}
    with platform(folder, environment=environment) as p:
        p.lay(MOMENT, "disk_full")
        failed = p.until_over(p.queue(BUILD, str(DAY)))
        since, standing = time.monotonic(), rows_hash(p.tables)
        again = p.until_over(p.queue(BUILD, str(DAY)))
        seconds = time.monotonic() - since
        told, alerts = p.told(failed[-1].run_id), p.alerts()
    wrong = [
        "" if failed[-1].status is DagsterRunStatus.FAILURE else "the run did not fail",
        "" if standing == before()["rows"] else "the old day was gone",
        "" if again[-1].status is DagsterRunStatus.SUCCESS else "the next run failed",
    ]
    attempts = told.count("StorageFullError (resource)")
    return DrillResult(
        fault="the disk of the tables is full",
        what_happened=f"StorageFullError (resource), {attempts} attempts, then the run fails; the next run, which has "
        "space, completes",
        attempts=len(failed) + len(again),
        seconds_to_recovery=seconds,
        recomputed="what the failed run had not published",
        served="the old day, whole",
        alerts=alerts,
        lost="; ".join(filter(None, [*wrong, lost(p.home)])),
    )


def pool_holder_killed(folder: Path) -> DrillResult:
    """The run that has the only slot of a pool dies while another waits for it."""
    prepare(folder / "home")
    with platform(folder, environment={"ML_PLATFORM_SOURCE_SLOTS": "1"}) as p:
        mark = p.lay(RAW, "hang")
        holder = p.queue(BUILD, str(DAY))
        until("the holder has the slot", mark.exists)
        waiting = p.queue(BUILD, str(DAYS[1]))
        time.sleep(5)
        waited = "" if "flights__raw" not in p.steps(waiting) else "the pool did not hold it back"
        since = p.kill(p.worker(holder))
        until("the next one has it", lambda: {"flights__raw", "flights__weather_raw"} & {*p.steps(waiting)})
        seconds = time.monotonic() - since
        ends = [p.until_over(run_id)[-1].status for run_id in (holder, waiting)]
        alerts = p.alerts()
    failed = "" if set(ends) == {DagsterRunStatus.SUCCESS} else "a run failed"
    return DrillResult(
        fault="kill -9 of the run that has the only slot of pool `source`",
        what_happened="the slot is freed with the end of its holder; the seconds are until the run that waited has it",
        attempts=2,
        seconds_to_recovery=seconds,
        recomputed="raw",
        served="the old day, then the new one",
        alerts=alerts,
        lost="; ".join(filter(None, [waited, failed, lost(p.home)])),
    )


DRILLS = [
    Drill("out-of-memory", out_of_memory),
    Drill("disk-full", disk_full),
    Drill("pool-holder", pool_holder_killed),
]
