"""`dagster dev` as processes of this machine: webserver, daemon and code servers, ended with all that they started.

Belongs here: starting and ending them. Does not: whether they have loaded yet, which whoever needs them asks.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ml_platform.errors import LocalServerError
from ml_platform.local_servers.ports import LOOPBACK, free_ports
from ml_platform.local_servers.process_trees import end, family
from ml_platform.settings import PROJECT_ROOT

LAST_LINES = 3_000


@contextmanager
def dagster_dev(environment: Mapping[str, str], log: Path, port: int | None = None) -> Iterator[str]:
    """The address of the UI of this repository's workspace, which may take a minute to answer; its output is in `log`.

    `environment` is added to that of this process: the home, and which sensors run.

    Raises:
        LocalServerError: at the end of the block, if it had ended by itself.
    """
    at = port or free_ports(1)[0]
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", "-h", LOOPBACK, "-p", str(at)]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=PROJECT_ROOT,
            env={**os.environ, **environment, "PYTHONWARNINGS": "ignore:Function"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # a Ctrl-C is for whoever uses it, who ends it then
        )
    try:
        yield f"http://{LOOPBACK}:{at}"
        if process.poll() is not None:
            raise LocalServerError(
                f"dagster dev ended by itself, with exit code {process.returncode}",
                got=log.read_text(errors="replace")[-LAST_LINES:].strip(),
            )
    finally:
        end(family(process.pid))
        process.wait()
