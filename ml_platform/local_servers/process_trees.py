"""A process and all below it: found by its id, and ended one by one.

Belongs here: processes that this machine started. Does not: what they do.
"""

from collections.abc import Iterable
from contextlib import suppress

import psutil

SECONDS_TO_END = 20.0


def family(pid: int) -> list[psutil.Process]:
    """The process and all below it; empty when it has ended."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def end(processes: Iterable[psutil.Process]) -> None:
    """End these processes, each by its id: asked first, killed after twenty seconds."""
    standing = list(processes)
    for process in standing:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, deaf = psutil.wait_procs(standing, timeout=SECONDS_TO_END)
    for process in deaf:
        with suppress(psutil.NoSuchProcess):
            process.kill()
