"""Dagster's own processes, each kept for itself: a code server for each location, the daemon, the webserver.

Belongs here: starting them side by side and waiting for them. Does not: `dagster dev`, one for all (`dagster_dev`).
"""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import yaml

from ml_platform.errors import LocalServerError
from ml_platform.local_servers.kept import Running, Start, kept
from ml_platform.local_servers.ports import LOOPBACK, is_free
from ml_platform.local_servers.process_trees import end, family
from ml_platform.local_servers.program import program
from ml_platform.settings import PROJECT_ROOT

READY_WITHIN_SECONDS = 300.0
_LOOK_EVERY_SECONDS = 0.2


class DagsterProcesses(NamedTuple):
    """Where the UI answers, and the process of each program by its name, which changes when one is started again."""

    url: str
    process_ids: Mapping[str, int]


@contextmanager
def dagster_processes(
    folder: Path, environment: Mapping[str, str], port: int, locations: Sequence[Mapping[str, str]] = ()
) -> Iterator[DagsterProcesses]:
    """The processes, with a log each below `folder`, once all answer; the webserver listens on `port`.

    `locations` are entries of a workspace.yaml, those of the repository unless given.

    Raises:
        LocalServerError: one does not answer in time.
    """
    url = f"http://{LOOPBACK}:{port}"
    told = {**environment, "DAGSTER_HOME": str(PROJECT_ROOT), "ML_PLATFORM_DAGSTER_URL": url}
    known, daemons = dict[str, int](), list[int]()
    with ExitStack() as stack:
        stack.callback(_end_what_daemons_left, daemons)

        def start(name: str, begin: Start, at: int | None = None) -> str:
            def tell(running: Running) -> None:
                known[name] = running.process_id
                daemons.extend([running.process_id] if name == "daemon" else [])

            return stack.enter_context(kept(begin, tell, at)).address

        ports = {
            each["location_name"]: int(start(each["location_name"], partial(_code_server, folder, each, told)))
            for each in locations or _locations()
        }
        _wait(ports, folder)
        workspace = _workspace(folder, ports)
        start("daemon", partial(_daemon, folder, workspace, told))
        start("webserver", partial(_webserver, folder, workspace, told), port)
        _wait({"webserver": port}, folder)
        yield DagsterProcesses(url, known)


def _code_server(
    folder: Path, module: Mapping[str, str], told: Mapping[str, str], port: int
) -> AbstractContextManager[Running]:
    name = module["location_name"]
    what = ["-m", module["module_name"], "-a", module["attribute"], "--location-name", name]
    return program(folder / name, _dagster("api", "grpc", "-h", LOOPBACK, "-p", str(port), *what), told, str(port))


def _daemon(folder: Path, workspace: Path, told: Mapping[str, str], _port: int) -> AbstractContextManager[Running]:
    """Runs go on without it, so it leaves them behind."""
    command = [sys.executable, "-m", "dagster._daemon", "run", "-w", str(workspace)]
    return program(folder / "daemon", command, told, "daemon", leaves=True)


def _webserver(folder: Path, workspace: Path, told: Mapping[str, str], port: int) -> AbstractContextManager[Running]:
    command = [sys.executable, "-m", "dagster_webserver", "-h", LOOPBACK, "-p", str(port), "-w", str(workspace)]
    return program(folder / "webserver", command, told, str(port))


def _dagster(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "dagster", *arguments]


def _locations() -> list[dict[str, str]]:
    listed = yaml.safe_load((PROJECT_ROOT / "workspace.yaml").read_text())["load_from"]
    return [each["python_module"] for each in listed]


def _workspace(folder: Path, ports: Mapping[str, int]) -> Path:
    servers = [{"host": LOOPBACK, "port": port, "location_name": name} for name, port in ports.items()]
    path = folder / "workspace.yaml"
    path.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server} for server in servers]}))
    return path


def _wait(ports: Mapping[str, int], folder: Path) -> None:
    waits_until = time.monotonic() + READY_WITHIN_SECONDS
    while silent := [name for name, port in ports.items() if is_free(port)]:
        if time.monotonic() > waits_until:
            raise LocalServerError(
                f"No answer of {', '.join(silent)} within {READY_WITHIN_SECONDS:.0f} seconds",
                remedy=f"Look into {folder / silent[0] / 'server.log'}.",
            )
        time.sleep(_LOOK_EVERY_SECONDS)


def _end_what_daemons_left(daemons: list[int]) -> None:
    end(process for daemon in daemons for process in family(daemon))
