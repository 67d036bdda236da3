"""The service as a real process, and clients that ask it without a pause."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ml_platform.local_servers.ports import LOOPBACK, free_ports
from ml_platform_tests.online.scenario import NAME, flights, request

LONGEST_WAIT_SECONDS = 240.0
AFTER_A_LOSS_SECONDS = 0.1


class Answer(NamedTuple):
    """One answer to a client: its status, 0 if none came, its probability, and whether it was flagged."""

    status: int
    probability: float
    is_degraded: bool


class Process:
    """The command in a process of its own."""

    def __init__(self, home: Path, use_cases: Path | None = None) -> None:
        """Start it over the tables, records and models in `home`, as `use_cases` declares the model, if given."""
        [self.port] = free_ports(1)
        self._start(home, use_cases)

    def _start(self, home: Path, use_cases: Path | None) -> None:
        command = [str(Path(sys.executable).parent / "ml-platform"), "serve", NAME, "--port", str(self.port)]
        told = {
            "ML_PLATFORM_HOME": str(home),
            "ML_PLATFORM_SERVE_FOLLOW_SECONDS": "0.2",
            "ML_PLATFORM_SERVE_DAYS": "4",
            "ML_PLATFORM_SERVE_TIMEOUT_SECONDS": "120",
            **({"ML_PLATFORM_USE_CASES": str(use_cases)} if use_cases else {}),
        }
        self._again = partial(self._start, home, use_cases)
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

    def kill(self) -> None:
        """End it with nothing put down, and start it again on the same port."""
        self.process.kill()
        self.process.wait()
        self._again()

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


class Load(threading.Thread):
    """A client that asks without a pause, but for a moment after an answer did not come, and keeps every answer."""

    def __init__(self, process: Process) -> None:
        """Ask for one row."""
        super().__init__(daemon=True)
        self.process, self.row, self.stop = process, flights().tail(1), threading.Event()
        self.answers: list[Answer] = []

    def run(self) -> None:
        """Ask until told to stop; an answer that did not come is status 0."""
        while not self.stop.is_set():
            try:
                apart = b" " * len(self.answers)  # a request that is repeated counts once in a trial
                status, told = self.process.ask("POST", "/predict", request(self.row) + apart)
                first = told["predictions"][0] if status == 200 else {}
                self.answers.append(Answer(status, first.get("probability", -1.0), bool(first.get("degraded"))))
            except (OSError, http.client.HTTPException):
                self.answers.append(Answer(0, -1.0, False))
                time.sleep(AFTER_A_LOSS_SECONDS)
