"""Commands that are measured whole: every process that they start, those that outlive their parent included.

Belongs here: starting, measuring and ending processes. Does not: what they do.
"""

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from benchmarks.readings import Cost
from ml_platform.local_servers.process_trees import SECONDS_TO_END, end, family
from ml_platform.settings import PROJECT_ROOT

PR_SET_CHILD_SUBREAPER = 36
LOOK_EVERY_SECONDS = 1.0


def adopt_orphans() -> None:
    """On Linux, become the parent of descendants whose parent ends, so that their CPU time is told to this process."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def environment(home: Path) -> dict[str, str]:
    """This process's environment for the platform in `home`; OpenMP threads that wait do not spin, on either side."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DAGSTER_", "ML_PLATFORM_"))}
    return {**kept, "ML_PLATFORM_HOME": str(home), "OMP_WAIT_POLICY": "PASSIVE"}


def run_measured(command: Sequence[str], env: Mapping[str, str], log: Path, timeout_seconds: float) -> Cost:
    """What the command cost until its last process had ended; its output is in `log`.

    Raises:
        CalledProcessError: it failed; with the end of its output.
        TimeoutExpired: it took too long, and was ended with all below it.
    """
    others = {child.pid for child in psutil.Process().children()}
    started, peak = time.monotonic(), 0
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=dict(env), stdout=output, stderr=subprocess.STDOUT, cwd=PROJECT_ROOT)
    try:
        while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
            peak = max(peak, sum(map(_memory_bytes, family(process.pid))))
            if time.monotonic() - started > timeout_seconds:
                raise subprocess.TimeoutExpired(command, timeout_seconds)
            time.sleep(LOOK_EVERY_SECONDS)
    except BaseException:
        end(family(process.pid))
        process.wait(SECONDS_TO_END)
        raise
    seconds = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(ended[1])
    cpu_seconds = ended[2].ru_utime + ended[2].ru_stime + _reap_orphans(others)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, output=log.read_text()[-3000:])
    return Cost(seconds, cpu_seconds, peak)


def _reap_orphans(others: set[int]) -> float:
    """CPU seconds of the adopted processes, once they have ended; they end by themselves when their parent is gone."""
    cpu_seconds = 0.0
    for orphan in psutil.Process().children():
        if orphan.pid in others:
            continue
        deadline = time.monotonic() + SECONDS_TO_END
        while (ended := os.wait4(orphan.pid, os.WNOHANG))[0] == 0:
            if time.monotonic() > deadline:
                end(family(orphan.pid))
                break
            time.sleep(0.05)
        cpu_seconds += ended[2].ru_utime + ended[2].ru_stime
    return cpu_seconds


def _memory_bytes(process: psutil.Process) -> int:
    """Memory of one process, shared pages by their share; 0 if it has ended meanwhile."""
    try:
        return int(process.memory_full_info().pss if sys.platform == "linux" else process.memory_info().rss)
    except (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
        return 0
