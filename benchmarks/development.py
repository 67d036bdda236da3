"""A running `dagster dev`, once it has loaded, asked through GraphQL.

Belongs here: the server as a client sees it. Does not: its processes (`local_servers`), or what it is asked (`daemon`).
"""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.processes import environment
from ml_platform.local_servers.dagster_dev import DagsterDev, dagster_dev

LOCATIONS = ("data", "training", "serving")
POLL_EVERY_SECONDS = 0.1
START_TIMEOUT_SECONDS = 180.0

LOCATIONS_QUERY = """{
  workspaceOrError { ... on Workspace { locationEntries { name loadStatus locationOrLoadError { __typename } } } }
}"""


class Server(NamedTuple):
    """Where it answers, and seconds from its start: to an answer with all locations, and to each one's code server."""

    url: str
    answered_after: float
    loaded_after: Mapping[str, float]

    def ask(self, query: str, **variables: object) -> dict[str, Any]:
        """The data of the answer.

        Raises:
            RuntimeError: the server calls the query wrong.
            URLError: it does not answer.
        """
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        if answer.get("errors"):
            raise RuntimeError(f"GraphQL: {answer['errors'][0]['message']}")
        data: dict[str, Any] = answer["data"]
        return data


@contextmanager
def loaded_dagster_dev(
    home: Path, log: Path, timeout_seconds: float = START_TIMEOUT_SECONDS, variables: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """The server on the history of `home`, once its locations are loaded; every process of it ends with the block.

    `variables` are settings besides the home.

    Raises:
        RuntimeError: it ended, was not up within `timeout_seconds`, or a location failed; with the end of its log.
    """
    started = time.monotonic()
    with dagster_dev(
        environment(home) | dict(variables or {}), log, arguments=("--code-server-log-level", "info")
    ) as running:
        yield _loaded(running, started, log, timeout_seconds)


def _loaded(running: DagsterDev, started: float, log: Path, timeout_seconds: float) -> Server:
    """The server with its times, looked at ten times a second."""
    server, loaded = Server(f"{running.url}/graphql", 0.0, {}), dict[str, float]()
    while running.process.poll() is None and time.monotonic() - started < timeout_seconds:
        entries = _entries(server)
        now = time.monotonic() - started
        for location in _code_servers(log.read_text()):
            loaded.setdefault(location, now)
        if entries and all(entry["loadStatus"] == "LOADED" for entry in entries):
            loaded = dict.fromkeys(LOCATIONS, now) | loaded
            failed = [e["name"] for e in entries or [] if e["locationOrLoadError"]["__typename"] == "PythonError"]
            if failed:
                raise RuntimeError(f"dagster dev cannot load {', '.join(failed)}: {log.read_text()[-3000:]}")
            return server._replace(answered_after=now, loaded_after=loaded)
        time.sleep(POLL_EVERY_SECONDS)
    raise RuntimeError(f"dagster dev did not come up in {timeout_seconds:g} s: {log.read_text()[-3000:]}")


def _code_servers(log: str) -> list[str]:
    """The locations whose code server says that it has loaded and serves."""
    started = [line for line in log.splitlines() if "Started Dagster code server" in line]
    return [name for name in LOCATIONS if any(f"ml_platform.{name}.definitions" in line for line in started)]


def _entries(server: Server) -> list[dict[str, Any]] | None:
    """The locations as the server tells them; None while it does not answer."""
    try:
        workspace = server.ask(LOCATIONS_QUERY)["workspaceOrError"]
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return None
    found: list[dict[str, Any]] = workspace.get("locationEntries", [])
    return found
