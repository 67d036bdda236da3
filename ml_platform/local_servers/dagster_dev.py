"""`dagster dev` as processes of this machine: webserver, daemon and code servers, ended with all that they started.

Belongs here: starting and ending them. Does not: whether they have loaded yet, which whoever needs them asks.
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ml_platform.errors import LocalServerError
from ml_platform.local_servers.ports import LOOPBACK, free_ports
from ml_platform.local_servers.process_trees import end, family
from ml_platform.settings import PROJECT_ROOT

LAST_LINES = 3_000


class DagsterDev(NamedTuple):
    """The address of the UI, which may take a minute to answer, and the process that all others hang on."""

    url: str
    process: "subprocess.Popen[bytes]"


@contextmanager
def dagster_dev(
    environment: Mapping[str, str], log: Path, port: int | None = None, arguments: Sequence[str] = ()
) -> Iterator[DagsterDev]:
    """The servers of this repository's workspace; their output is in `log`.

    `environment` is that of all processes: the home, and which sensors run. `arguments` are further ones.

    Raises:
        LocalServerError: at the end of the block, if it had ended by itself.
    """
    at = port or free_ports(1)[0]
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", "-h", LOOPBACK, "-p", str(at)]
    # without a DAGSTER_HOME there would be a temporary one in the repository, which a server that is killed leaves
    variables = {"DAGSTER_HOME": str(PROJECT_ROOT), **environment, "PYTHONWARNINGS": "ignore:Function"}
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, *arguments],
            cwd=PROJECT_ROOT,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # a Ctrl-C is for whoever uses it, who ends it then
        )
    try:
        yield DagsterDev(f"http://{LOOPBACK}:{at}", process)
        if process.poll() is not None:
            raise LocalServerError(
                f"dagster dev ended by itself, with exit code {process.returncode}",
                got=log.read_text(errors="replace")[-LAST_LINES:].strip(),
            )
    finally:
        end(family(process.pid))
        process.wait()
