"""A real process: no request is lost while versions change under load, and what it took it answers before it ends."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ml_platform.local_servers.ports import LOOPBACK, free_ports
from ml_platform_tests.online.scenario import NAME, OnlineWorld, batch, flights, request

LONGEST_WAIT_SECONDS = 240.0
HEAVY = "{'dagster', 'mlflow', 'pandas', 'matplotlib'}"
IMPORT = f"import sys, ml_platform.online.server; sys.exit(len({HEAVY} & set(sys.modules)))"


class Process:
    """The command in a process of its own."""

    def __init__(self, home: Path) -> None:
        """Start it over the tables, records and models in `home`."""
        [self.port] = free_ports(1)
        command = [str(Path(sys.executable).parent / "ml-platform"), "serve", NAME, "--port", str(self.port)]
        told = {
            "ML_PLATFORM_HOME": str(home),
            "ML_PLATFORM_SERVE_FOLLOW_SECONDS": "0.2",
            "ML_PLATFORM_SERVE_DAYS": "4",
            "ML_PLATFORM_SERVE_TIMEOUT_SECONDS": "120",
        }
        self.process = subprocess.Popen(command, env={**os.environ, **told}, stdout=subprocess.DEVNULL)

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
        """Status and content of one answer."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=LONGEST_WAIT_SECONDS)
        with contextlib.closing(connection):
            connection.request(method, path, body or None, {"content-type": "application/json"})
            response = connection.getresponse()
            return response.status, json.loads(response.read())

    def version(self) -> int:
        """Version that answers for today; 0 while nobody does."""
        with contextlib.suppress(OSError):
            months = self.ask("GET", "/model")[1]["months"]
            return int(months[-1]["version"]) if months else 0
        return 0

    def end(self) -> int:
        """Ask it to end; its exit code once it has."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=LONGEST_WAIT_SECONDS)


def until(is_so: Callable[[], bool]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


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


class Load(threading.Thread):
    """A client that asks without a pause, and keeps every answer."""

    def __init__(self, process: Process) -> None:
        """Ask for one row."""
        super().__init__(daemon=True)
        self.process, self.row, self.stop = process, flights().tail(1), threading.Event()
        self.answers: list[tuple[int, float]] = []

    def run(self) -> None:
        """Ask until told to stop; an answer that did not come is status 0."""
        while not self.stop.is_set():
            try:
                status, told = self.process.ask("POST", "/predict", request(self.row))
                self.answers.append((status, told["predictions"][0]["probability"] if status == 200 else -1.0))
            except (OSError, http.client.HTTPException):
                self.answers.append((0, -1.0))


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
    assert {status for status, _ in answers} == {200}
    assert {probability for _, probability in answers} <= right


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
