"""The cost of a demonstration, measured and kept."""

import datetime as dt
import multiprocessing
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ml_platform.demo.meter import MemoryMeter, Stopwatch
from ml_platform.demo.report import DemoReport, StageReport, read_report, write_report
from ml_platform.settings import Settings

HOLD_200_MB = "import time; data = bytearray(b'x') * 200_000_000; time.sleep(1)"


def test_memory_of_children_counts() -> None:
    with MemoryMeter(interval_seconds=0.05) as alone:
        time.sleep(0.1)
    with MemoryMeter(interval_seconds=0.05) as together:
        subprocess.run([sys.executable, "-c", HOLD_200_MB], check=True)
    assert together.peak_bytes > alone.peak_bytes + 150_000_000


def count(numbers: int) -> int:
    return sum(range(numbers))


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_processor_time_of_ended_processes_counts(method: str) -> None:
    watch = Stopwatch()
    process = multiprocessing.get_context(method).Process(target=count, args=(20_000_000,))
    process.start()
    process.join()
    assert watch.read().cpu_seconds > 0.2


def test_a_report_is_read_back_equal(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    stage = StageReport(title="Land", outcome="done", seconds=1.5, cpu_seconds=1.0, run_id="ab")
    report = DemoReport(
        started_at=dt.datetime(2013, 1, 1, tzinfo=dt.UTC), cores=2, seconds=1.5, peak_memory_bytes=7, stages=(stage,)
    )
    write_report(settings, report)
    assert read_report(settings) == report


def test_no_demonstration_leaves_no_report(tmp_path: Path) -> None:
    assert read_report(Settings(home=tmp_path)) is None
