"""`ml-platform with-s3` and `with-servers`: any command, with servers of this machine instead of files.

Belongs here: which servers, and what the command is told of them. Does not: the servers themselves (`local_servers`).
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from ml_platform.errors import SettingsError

if TYPE_CHECKING:
    from ml_platform.local_servers.shared_object_server import Access
    from ml_platform.settings import Settings

S3_FOLDER, SERVER_FOLDER = "s3", "server"
HISTORY, TRACKING = "dagster", "mlflow"
"""Databases of the server."""
Command = Annotated[list[str], typer.Argument(help="What to run, after --, as in: with-s3 -- ml-platform demo")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("with-s3")(with_s3)
    app.command("with-servers")(with_servers)


def with_s3(command: Command) -> None:
    """Run a command with everything stored on S3: a SeaweedFS server that lives as long as the command.

    Its data, and the home of what runs on it, are below s3/ in the platform's home, apart from what is on local files.
    """
    from ml_platform.local_servers.shared_object_server import shared_object_server

    home = _home(S3_FOLDER)
    with shared_object_server(home.home / "server") as access:
        code = _run(command, {**os.environ, **environment(home, access)})
    sys.exit(code)


def with_servers(command: Command) -> None:
    """Run a command with tables on S3, Dagster's history in PostgreSQL and experiments on an MLflow server.

    The servers are SeaweedFS, PostgreSQL and MLflow, on free ports of the loopback interface; they live as long as the
    commands that use them. All data are below server/ in the platform's home.
    """
    from ml_platform.local_servers.mlflow_server import shared_mlflow_server
    from ml_platform.local_servers.postgres import shared_postgres
    from ml_platform.local_servers.shared_object_server import shared_object_server

    home = _home(SERVER_FOLDER)
    servers = home.home / "servers"
    with (
        shared_object_server(servers / "s3") as access,
        shared_postgres(servers / "postgres", [HISTORY, TRACKING]) as database,
    ):
        told = environment(home, access)
        artifacts = f"s3://{access.bucket}/mlflow"
        with shared_mlflow_server(servers / "mlflow", database.url(TRACKING), artifacts, told) as mlflow_url:
            places = {
                "ML_PLATFORM_DATABASE_URL": database.url(HISTORY),
                "ML_PLATFORM_MLFLOW_TRACKING_URI": mlflow_url,
            }
            code = _run(command, {**os.environ, **told, **places})
    sys.exit(code)


def environment(home: "Settings", access: "Access") -> dict[str, str]:
    """The platform's settings for storage on the server, and the same for MLflow's own commands."""
    prefix = f"s3://{access.bucket}"
    keys = {"ACCESS_KEY_ID": access.identity.access_key_id, "SECRET_ACCESS_KEY": access.identity.secret_access_key}
    return {
        "ML_PLATFORM_HOME": str(home.home.resolve()),
        "ML_PLATFORM_DATA_URI": f"{prefix}/tables",
        "ML_PLATFORM_LANDING_URI": f"{prefix}/landing",
        "ML_PLATFORM_ARTIFACT_URI": f"{prefix}/artifacts",
        "ML_PLATFORM_EXPORT_URI": f"{prefix}/exports",
        "ML_PLATFORM_S3_ENDPOINT_URL": access.endpoint_url,
        "ML_PLATFORM_S3_REGION": home.s3_region,
        "MLFLOW_S3_ENDPOINT_URL": access.endpoint_url,
        "AWS_DEFAULT_REGION": home.s3_region,
        **{f"ML_PLATFORM_S3_{name}": value for name, value in keys.items()},
        **{f"AWS_{name}": value for name, value in keys.items()},
    }


def _run(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Exit code of the command, which gets to end by itself whatever interrupts this process."""
    try:
        with subprocess.Popen(command, env=environ) as process, _signals_for(process):
            code = process.wait()
    except FileNotFoundError as error:
        raise SettingsError(
            f"There is no command '{command[0]}'.", remedy="Give one after --, as in: with-s3 -- ml-platform demo"
        ) from error
    return 128 - code if code < 0 else code


@contextmanager
def _signals_for(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Ctrl-C reaches the command from the terminal; what is sent to this process alone is handed on to it."""
    handlers = {
        signal.SIGINT: lambda *_: None,
        signal.SIGTERM: lambda *_: process.send_signal(signal.SIGTERM),
        signal.SIGHUP: lambda *_: process.send_signal(signal.SIGHUP),
    }
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _home(folder: str) -> "Settings":
    from ml_platform.settings import Settings

    return Settings(home=Settings().home / folder)
