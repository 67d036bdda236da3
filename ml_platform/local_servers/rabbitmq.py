"""RabbitMQ as processes of this machine: the broker that steps go to workers by.

Belongs here: its processes and its password. Does not: what is sent through it (`execution.celery_app`).

Source: Debian's package rabbitmq-server, whose own service is not used.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

from amqp import Connection
from amqp.exceptions import AMQPError

from ml_platform.errors import LocalServerError
from ml_platform.local_servers.kept import Running
from ml_platform.local_servers.passwords import kept_password
from ml_platform.local_servers.ports import LOOPBACK, free_ports
from ml_platform.local_servers.process_trees import end, family
from ml_platform.local_servers.server_process import log_of, stop, wait_until_ready

READY_WITHIN_SECONDS = 120.0
INSTALL = "apt-get install -y rabbitmq-server"
USER = "platform"
_PROGRAMS = Path("/usr/lib/rabbitmq/bin")  # what is on PATH changes to the user of Debian's service
_STEPS_MAY_TAKE_MILLISECONDS = 30 * 24 * 3600 * 1000
"""RabbitMQ takes a message away again that is not acknowledged for so long, by itself after half an hour; a step is
acknowledged when it has ended."""


def is_installed() -> bool:
    """Whether the broker can be started here."""
    return (_PROGRAMS / "rabbitmq-server").exists() and shutil.which("epmd") is not None


def require_installed() -> None:
    """Refuse what cannot be done without the broker.

    Raises:
        LocalServerError: it cannot be started here.
    """
    if not is_installed():
        raise LocalServerError(
            "RabbitMQ is not installed.", expected=f"programs in {_PROGRAMS}", remedy=f"Run `{INSTALL}`."
        )


@contextmanager
def rabbitmq(folder: Path, port: int | None = None) -> Iterator[Running]:
    """A broker whose messages are below `folder` and outlive it; it ends with the block.

    It listens on the loopback interface alone, and asks for a password that only this user can read in `folder`.

    Raises:
        LocalServerError: it is not installed, or did not come up.
    """
    require_installed()
    folder.mkdir(parents=True, exist_ok=True)
    at, between_nodes, names = (port, *free_ports(2)) if port else free_ports(3)
    password, environment = kept_password(folder), _environment(folder, at, between_nodes, names)
    _configure(folder, password)
    with log_of(folder).open("ab") as log:
        # found by other nodes through it; a node that finds none starts one that outlives it
        finder = _start([str(shutil.which("epmd")), "-port", str(names), "-address", LOOPBACK], environment, log)
        process = _start([str(_PROGRAMS / "rabbitmq-server")], environment, log)
    try:
        name, why_not = f"RabbitMQ on port {at}", partial(_why_not_ready, at, password)
        wait_until_ready(process, name, READY_WITHIN_SECONDS, why_not, log_of(folder))
        yield Running(f"{LOOPBACK}:{at}", process.pid)
    finally:
        end(family(process.pid))
        process.wait()
        stop(finder, signal.SIGTERM, 5)


def url_of(folder: Path, running: Running) -> str:
    """The address of the broker of `folder`, with its password."""
    return f"amqp://{USER}:{kept_password(folder)}@{running.address}//"


def _start(command: list[str], environment: Mapping[str, str], log: IO[bytes]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,  # a Ctrl-C is for its users, who may still have something to write
    )


def _environment(folder: Path, port: int, between_nodes: int, names: int) -> dict[str, str]:
    """Its settings; whatever Debian's own broker is told in files is not read."""
    plugins = folder / "enabled_plugins"
    plugins.write_text("[].\n")
    return {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(folder.resolve()),  # of the cookie by which its own processes know each other
        "LANG": "C.UTF-8",
        "ERL_EPMD_PORT": str(names),
        "ERL_EPMD_ADDRESS": LOOPBACK,
        "RABBITMQ_NODENAME": "steps@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": LOOPBACK,
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(between_nodes),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "RABBITMQ_MNESIA_BASE": str(folder.resolve() / "data"),
        "RABBITMQ_LOG_BASE": str(folder.resolve() / "logs"),
        "RABBITMQ_CONFIG_FILE": str(folder.resolve() / "rabbitmq"),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins.resolve()),
    }


def _configure(folder: Path, password: str) -> None:
    lines = {"default_user": USER, "default_pass": password, "consumer_timeout": _STEPS_MAY_TAKE_MILLISECONDS}
    config = folder / "rabbitmq.conf"
    config.touch(mode=0o600)
    config.write_text("".join(f"{name} = {value}\n" for name, value in lines.items()))


def _why_not_ready(port: int, password: str) -> str | None:
    try:
        with Connection(f"{LOOPBACK}:{port}", userid=USER, password=password, connect_timeout=2):
            return None
    except (AMQPError, OSError) as error:
        return str(error)
