"""The cost of work that goes on in this process and its children: time, processor time, memory at its peak."""

import sys
import threading
import time
from types import TracebackType
from typing import NamedTuple, Self

import psutil


class Cost(NamedTuple):
    """Seconds since some instant: on the wall, and of processors, all processes together."""

    seconds: float
    cpu_seconds: float


class Stopwatch:
    """Measures from its making."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.monotonic(), _cpu_seconds()

    def read(self) -> Cost:
        """What was spent since this stopwatch was made."""
        return Cost(time.monotonic() - self._wall, _cpu_seconds() - self._cpu)


class MemoryMeter:
    """While it is entered, looks at all processes below this one every `interval_seconds`, and keeps the highest sum.

    Shared pages are counted once where the system tells (Linux): forked children do not count their parent again.
    """

    def __init__(self, interval_seconds: float = 1.0) -> None:
        self.peak_bytes = 0
        self._interval_seconds = interval_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory-meter", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        this = psutil.Process()
        while True:
            processes = [this, *this.children(recursive=True)]
            self.peak_bytes = max(self.peak_bytes, sum(map(_memory_bytes, processes)))
            if self._stop.wait(self._interval_seconds):
                return


def _memory_bytes(process: psutil.Process) -> int:
    """Memory of one process; 0 if it has ended meanwhile."""
    try:
        return int(process.memory_full_info().pss if sys.platform == "linux" else process.memory_info().rss)
    except (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
        return 0


def _cpu_seconds() -> float:
    """Processor time of all processes below this one; those that ended count with the parent that waited for them.

    So the steps that a forkserver forked are in it, which are no children of this process.
    """
    this = psutil.Process()
    return sum(map(_cpu_seconds_of, [this, *this.children(recursive=True)]))


def _cpu_seconds_of(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)
