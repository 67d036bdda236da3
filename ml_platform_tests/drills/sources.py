"""What comes from outside: bad data, and a store that refuses, breaks off or is slow for a while."""

import time
from functools import partial
from pathlib import Path

from dagster._core.storage.dagster_run import DagsterRunStatus

from ml_platform.local_servers.object_server import object_server
from ml_platform.storage.location import StorageLocation
from ml_platform_tests.data.landing_zone import flight_line, flights_object
from ml_platform_tests.drills.drill import Drill, DrillResult
from ml_platform_tests.drills.outages import Outage, outage_proxy
from ml_platform_tests.drills.platform import platform, until
from ml_platform_tests.drills.processes import disturb
from ml_platform_tests.drills.scenario import (
    DAY,
    before,
    correct,
    lost,
    lost_in,
    prepare,
    prepare_at,
    rows_hash,
)
from ml_platform_tests.drills.toy_location import BUILD
from ml_platform_tests.faults.clients import environment_of
from ml_platform_tests.places import BUCKET, WRITER, s3_settings

THREE_DAYS_LATE = 60 * 24 * 3
LASTS_SECONDS = 15.0


def bad_data(folder: Path) -> DrillResult:
    """A third of the day's rows break a rule; then the upstream lands the right ones."""
    prepare(folder / "home")
    with platform(folder) as p:
        landing = StorageLocation.of(p.settings).landing()
        bad = [flight_line(DAY, 400 + i, delay=THREE_DAYS_LATE) for i in range(8)]
        landing.write(f"flights/flights/{DAY}.csv", flights_object(DAY, bad))
        failed = p.until_over(p.queue(BUILD, str(DAY)))
        standing, told = rows_hash(p.tables), p.told(failed[-1].run_id)
        quarantined = p.tables.scan("flights/quarantine", partitions=[str(DAY)]).collect().height
        correct(p.settings)
        since = time.monotonic()
        again = p.until_over(p.queue(BUILD, str(DAY)))
        seconds, alerts = time.monotonic() - since, p.alerts()
    wrong = [
        "" if failed[-1].status is DagsterRunStatus.FAILURE and len(failed) == 1 else "the run did not fail at once",
        "" if "ContractViolatedError (data)" in told else "not classified as data",
        "" if standing == before()["rows"] else "the old day was gone",
        "" if quarantined == len(bad) else f"{quarantined} rows in quarantine",
        "" if again[-1].status is DagsterRunStatus.SUCCESS else "the next run failed",
    ]
    return DrillResult(
        fault="a third of a landing object's rows break a rule",
        what_happened=f"ContractViolatedError (data): fails at once, {quarantined} rows in quarantine; once it is "
        "corrected, the next run completes",
        attempts=1,
        seconds_to_recovery=seconds,
        recomputed="the day, once it was corrected",
        served="the old day, whole",
        alerts=alerts,
        lost="; ".join(filter(None, [*wrong, lost(p.home)])),
    )


def store_in_trouble(outage: Outage, folder: Path) -> DrillResult:
    """The store behaves like this from the start of the run's first step on, for a while."""
    with (
        object_server(folder / "s3", [WRITER], bucket=BUCKET) as server,
        outage_proxy(server.endpoint_url) as proxy,
    ):
        settings = s3_settings(folder / "home", server)
        tables = StorageLocation.of(settings).tables()
        prepare_at(settings)
        environment = {**environment_of(settings), "ML_PLATFORM_S3_ENDPOINT_URL": proxy.endpoint_url}
        with platform(folder, environment=environment) as p:

            def trouble(run_id: str) -> float:
                p.worker(run_id)
                proxy.begin(outage)
                until("a request is struck", lambda: proxy.struck)
                time.sleep(LASTS_SECONDS)
                proxy.end()
                return time.monotonic()

            found = disturb(p, BUILD, trouble, tables)
            differs = lost_in(tables)
    retries = found.told.count("; tried again in ")
    failed = "" if found.succeeded else "the run did not succeed"
    return DrillResult(
        fault=f"{outage.what} of the store, for {LASTS_SECONDS:.0f} s",
        what_happened=f"{proxy.struck} requests were struck; the store's own patience bridges them, then the step's "
        "retries; timed from the end of the trouble",
        attempts=1 + retries,
        seconds_to_recovery=found.seconds,
        recomputed=found.recomputed,
        served=found.served,
        alerts=found.alerts,
        lost="; ".join(filter(None, [failed, differs])),
    )


OUTAGES = {
    "store-503": Outage("503 to every request", status=503),
    "store-429": Outage("429 with Retry-After: 3 to every request", status=429, retry_after_seconds=3),
    "store-reset": Outage("a reset of every connection", is_reset=True),
    "store-slow": Outage("1.5 s more for every request", delay_seconds=1.5),
}
DRILLS = [
    Drill("bad-data", bad_data),
    *(Drill(name, partial(store_in_trouble, outage)) for name, outage in OUTAGES.items()),
]
