"""A program of the platform as a process of this machine.

Belongs here: starting and ending one. Does not: which there are (`workers`, `dagster_processes`).
"""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ml_platform.local_servers.kept import Running
from ml_platform.local_servers.process_trees import end, family
from ml_platform.local_servers.server_process import log_of, stop

STOPPED_WITHIN_SECONDS = 40.0
"""A little longer than a worker gives its steps before it hands them back."""


@contextmanager
def program(
    folder: Path, command: Sequence[str], environment: Mapping[str, str], address: str, *, leaves: bool = False
) -> Iterator[Running]:
    """The program, whose log is in `folder`, and all that it started; they end with the block.

    It may not answer yet. What one leaves behind that dies is ended too, unless it `leaves` what goes on without it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with log_of(folder).open("ab") as log:
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment, "PYTHONWARNINGS": "ignore"},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # a Ctrl-C is for its users, who may still have something to write
        )
    try:
        yield Running(address, process.pid)
    finally:
        is_ours_to_end = process.poll() is None
        started = family(process.pid)
        stop(process, signal.SIGTERM, STOPPED_WITHIN_SECONDS)
        if is_ours_to_end or not leaves:
            end(started)
