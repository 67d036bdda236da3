"""A process and all below it: found by its id, and ended one by one.

Belongs here: processes that this machine started. Does not: what they do.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress

import psutil

SECONDS_TO_END = 20.0


def family(pid: int) -> list[psutil.Process]:
    """The process and all below it; of one that has ended, those of the session that it led, which it left behind."""
    try:
        process = psutil.Process(pid)
        below = process.children(recursive=True)
    except psutil.NoSuchProcess:
        return list(_session(pid))
    return [process, *below, *(each for each in _session(pid) if each not in (process, *below))]


def _session(leader: int) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, ProcessLookupError, PermissionError):
            if os.getsid(process.pid) == leader:
                yield process


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
