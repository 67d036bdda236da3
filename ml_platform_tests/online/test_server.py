"""A real process: no request is lost while versions change under load, and what it took it answers before it ends."""

import contextlib
import http.client
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from ml_platform.local_servers.ports import LOOPBACK
from ml_platform_tests.online.processes import LONGEST_WAIT_SECONDS, Load, Process, until
from ml_platform_tests.online.scenario import OnlineWorld, batch, flights, request

HEAVY = "{'dagster', 'mlflow', 'pandas', 'matplotlib'}"
IMPORT = f"import sys, ml_platform.online.server; sys.exit(len({HEAVY} & set(sys.modules)))"


@pytest.fixture
def world(tmp_path: Path) -> OnlineWorld:
    """The toy platform with version 1 as champion."""
    made = OnlineWorld(tmp_path)
    made.promote(1)
    return made


@pytest.fixture
def process(world: OnlineWorld) -> Iterator[Process]:
    """The service of it, ready."""
    started = Process(world.settings.home)
    try:
        until(lambda: started.version() == 1)
        yield started
    finally:
        if started.process.poll() is None:
            started.process.kill()
            started.process.wait()


def test_no_request_is_lost_or_wrong_while_versions_change_under_load(world: OnlineWorld, process: Process) -> None:
    clients = [Load(process) for _ in range(2)]
    for each in clients:
        each.start()
    for change, version in ((lambda: world.promote(2), 2), (world.roll_back, 1)):
        change()
        until(lambda version=version: process.version() == version)  # type: ignore[misc]
    for each in clients:
        each.stop.set()
        each.join()
    answers = [answer for each in clients for answer in each.answers]
    right = {batch(version, flights().tail(1))[0] for version in (1, 2)}
    assert {each.status for each in answers} == {200}
    assert {each.probability for each in answers} <= right


def test_what_was_taken_is_answered_and_kept_before_it_ends(world: OnlineWorld, process: Process) -> None:
    told: list[int] = []
    body = request(pl.concat([flights()] * 60))
    asking = threading.Thread(target=lambda: told.append(process.ask("POST", "/predict", body)[0]))
    asking.start()
    until(lambda: bool(told) or " 1.0" in _in_flight(process))
    assert process.end() in (0, -signal.SIGTERM)
    asking.join()
    assert told == [200]
    assert (
        world.tables.scan("flights/delay_predictions_served").select(pl.len()).collect().item() == flights().height * 60
    )


def _in_flight(process: Process) -> str:
    connection = http.client.HTTPConnection(LOOPBACK, process.port, timeout=LONGEST_WAIT_SECONDS)
    with contextlib.closing(connection):
        connection.request("GET", "/metrics")
        page = connection.getresponse().read().decode()
    return next(line for line in page.splitlines() if line.startswith("ml_platform_online_requests_in_flight "))


def test_the_process_that_serves_imports_no_dagster_mlflow_or_pandas() -> None:
    assert subprocess.run([sys.executable, "-c", IMPORT], check=False).returncode == 0
