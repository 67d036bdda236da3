"""MLflow's own tracking server as processes of this machine, which asks for a password.

Belongs here: its processes and its users. Does not: its database and artifacts, which are elsewhere.
"""

import os
import secrets
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path

from ml_platform.local_servers.kept import Running
from ml_platform.local_servers.passwords import kept_password
from ml_platform.local_servers.ports import LOOPBACK, free_ports
from ml_platform.local_servers.process_trees import end, family
from ml_platform.local_servers.server_process import log_of, wait_until_ready
from ml_platform.local_servers.shared import shared

USER = "platform"
READY_WITHIN_SECONDS = 300.0
_SMALL = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
"""Without its queue of jobs the server takes half a gigabyte instead of more than one."""


@contextmanager
def mlflow_server(
    folder: Path, database_url: str, artifact_uri: str, environment: Mapping[str, str], port: int | None = None
) -> Iterator[Running]:
    """A server that keeps runs and versions in the database; it ends with the block.

    Clients read and write artifacts at `artifact_uri` themselves; `environment` has what the server needs to reach it.
    The address of the database and the password of its only user are handed over in the environment.

    Raises:
        LocalServerError: the server did not come up.
    """
    folder.mkdir(parents=True, exist_ok=True)
    at = port or free_ports(1)[0]
    command = ["server", "--host", LOOPBACK, "--port", str(at), "--workers", "1", "--no-serve-artifacts"]
    command += ["--app-name", "basic-auth"]
    secret = {"MLFLOW_BACKEND_STORE_URI": database_url, **_users(folder)}
    with log_of(folder).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *command, "--default-artifact-root", artifact_uri],
            env={**os.environ, **environment, **_SMALL, **secret},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # a Ctrl-C is for its users, who may still have something to write
        )
    try:
        url = f"http://{LOOPBACK}:{at}"
        wait_until_ready(
            process, f"MLflow at {url}", READY_WITHIN_SECONDS, partial(_why_not_ready, url), log_of(folder)
        )
        yield Running(url, process.pid)
    finally:
        end(family(process.pid))
        process.wait()


@contextmanager
def shared_mlflow_server(
    folder: Path, database_url: str, artifact_uri: str, environment: Mapping[str, str]
) -> Iterator[dict[str, str]]:
    """The same server for all commands that use `folder` at once, as long as the block: what clients of it are told.

    Raises:
        LocalServerError: as `mlflow_server`, or whoever is starting it does not come to an end.
    """
    with shared(folder, partial(mlflow_server, folder, database_url, artifact_uri, environment)) as running:
        login = {"USERNAME": USER, "PASSWORD": kept_password(folder)}
        yield {
            "ML_PLATFORM_MLFLOW_TRACKING_URI": running.address,
            **{f"ML_PLATFORM_MLFLOW_{name}": value for name, value in login.items()},
            **{f"MLFLOW_TRACKING_{name}": value for name, value in login.items()},  # for MLflow's own commands
        }


def _users(folder: Path) -> dict[str, str]:
    """What the server is told of its users: one, who may do everything."""
    config = folder / "users.ini"
    users = f"sqlite:///{folder.resolve()}/users.db"
    config.write_text(f"[mlflow]\ndefault_permission = NO_PERMISSIONS\ndatabase_uri = {users}\n")
    return {
        "MLFLOW_AUTH_CONFIG_PATH": str(config.resolve()),
        "MLFLOW_AUTH_ADMIN_USERNAME": USER,
        "MLFLOW_AUTH_ADMIN_PASSWORD": kept_password(folder),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(32),
    }


def _why_not_ready(url: str) -> str | None:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as response:  # noqa: S310 - of this machine
            return None if response.status == HTTPStatus.OK else f"status {response.status}"
    except (urllib.error.URLError, OSError) as error:
        return str(error)
