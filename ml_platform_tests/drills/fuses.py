"""Fuses of the drills: faults laid in advance as files, that burn in whichever process comes to them.

Belongs here: what happens inside a step. Does not: what is done to processes from outside (`processes`).
"""

import ctypes
import os
import resource
import signal
import time
from pathlib import Path
from typing import Literal

Fault = Literal["kill", "hang", "out_of_memory", "disk_full", "value_error"]
HANGS_SECONDS = 60.0
SPARE_BYTES = 256 * 2**20
"""Address space that is left to a process before it is out of memory."""


def fuse(home: Path, point: str) -> Path:
    """The file of the fuse at a point, such as `flights/clean:before` its publication."""
    return home / "fuses" / point.replace("/", ".")


def lay(path: Path, fault: Fault, times: int = 1) -> None:
    """Lay a fuse that burns so many times."""
    path.parent.mkdir(exist_ok=True)
    burnt(path).unlink(missing_ok=True)
    path.write_text(f"{fault} {times}")


def burnt(path: Path) -> Path:
    """The file that has the id of the last process that came to the fuse."""
    return path.with_name(f"{path.name}.burnt")


def put_out(path: Path) -> None:
    """Take the fuse away; what hangs at it goes on."""
    path.unlink(missing_ok=True)
    burnt(path).unlink(missing_ok=True)


def burn(path: Path) -> None:
    """Do what the fuse says, unless there is none."""
    if not path.exists():
        return
    fault, times = path.read_text().split()
    if int(times) > 1:
        path.write_text(f"{fault} {int(times) - 1}")
    else:
        path.unlink()
    burnt(path).write_text(str(os.getpid()))
    match fault:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hang":
            _hang(burnt(path))
        case "out_of_memory":
            _run_out_of_memory()
        case "disk_full":
            ctypes.CDLL(None).arm(str(path.parents[1] / "lake").encode(), 1, 1)  # of faults/file_faults.c, preloaded
        case "value_error":
            raise ValueError("the fuse burnt down")


def _hang(until_gone: Path) -> None:
    deadline = time.monotonic() + HANGS_SECONDS
    while until_gone.exists() and time.monotonic() < deadline:
        time.sleep(0.05)


def _run_out_of_memory() -> None:
    """Ask for more than RLIMIT_AS leaves to this process, and give it all back to whoever tries again here."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + SPARE_BYTES, before[1]))
    try:
        bytearray(2 * SPARE_BYTES)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
