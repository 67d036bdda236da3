"""Workers for steps as processes of this machine.

Belongs here: their processes. Does not: what they do (`execution.celery_worker`).
"""

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from ml_platform.local_servers.kept import Running
from ml_platform.local_servers.program import program


def worker(folder: Path, environment: Mapping[str, str], _port: int = 0) -> AbstractContextManager[Running]:
    """A worker for one step at once, of any queue, whose log is in `folder`; it ends with the block.

    It takes steps once it has imported what they need; until then they wait with the broker.
    """
    command = [str(Path(sys.executable).parent / "ml-platform"), "worker", "--name", folder.name]
    return program(folder, command, environment, folder.name)
