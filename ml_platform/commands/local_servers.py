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
    from ml_platform.settings import Settings

S3_FOLDER, SERVER_FOLDER = "s3", "server"
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
    from ml_platform.local_servers.together import environment

    home = _home(S3_FOLDER)
    with shared_object_server(home.home / "server") as access:
        code = _run(command, {**os.environ, **environment(home, access)})
    sys.exit(code)


def with_servers(command: Command) -> None:
    """Run a command with tables on S3, Dagster's history in PostgreSQL, experiments in MLflow and steps at workers.

    The servers are SeaweedFS, PostgreSQL, MLflow and, where it is installed, RabbitMQ with two workers, on free ports
    of the loopback interface. They live as long as the commands that use them; one that dies is started again. All data
    are below server/ in the platform's home.
    """
    from ml_platform.local_servers.together import all_servers

    with all_servers(_home(SERVER_FOLDER)) as told:
        code = _run(command, {**os.environ, **told})
    sys.exit(code)


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
