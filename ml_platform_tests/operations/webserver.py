"""A real Dagster webserver on a free port, for as long as a block takes.

Belongs here: starting and ending it. Does not: what is asked of it.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import requests

from ml_platform.local_servers.ports import LOOPBACK, free_ports
from ml_platform.local_servers.process_trees import end, family

PATIENCE_SECONDS = 900.0


@contextmanager
def webserver(folder: Path, *workspace: str, environment: Mapping[str, str]) -> Iterator[str]:
    """Its address, once it has loaded the `workspace`, which are arguments as `-m module`."""
    (port,) = free_ports(1)
    command = [sys.executable, "-W", "ignore", "-m", "dagster_webserver", "-h", LOOPBACK, "-p", str(port), *workspace]
    with (folder / "webserver.log").open("ab") as log:
        server = subprocess.Popen(
            command, env={**os.environ, **environment}, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait(server, f"http://{LOOPBACK}:{port}")
        yield f"http://{LOOPBACK}:{port}"
    finally:
        end(family(server.pid))
        server.wait()


def _wait(server: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        with suppress(requests.RequestException):
            if requests.get(f"{url}/server_info", timeout=5).ok:
                return
        time.sleep(0.1)
    raise TimeoutError(f"the webserver did not answer at {url}; it ended with {server.poll()}")
