"""What a measured command is charged with."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from benchmarks.processes import adopt_orphans, environment, run_measured

BUSY = "import time\nwhile time.process_time() < 0.4: pass"
ORPHAN = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {BUSY!r}])"


def test_the_cpu_time_of_a_process_that_outlives_its_parent_counts(tmp_path: Path) -> None:
    adopt_orphans()
    cost = run_measured([sys.executable, "-c", ORPHAN], environment(tmp_path), tmp_path / "log", 30)
    assert 0.4 <= cost.cpu_seconds < 5


def test_memory_is_that_of_the_whole_tree_at_its_highest(tmp_path: Path) -> None:
    holds_100_megabytes = "import time; held = b'x' * 100_000_000; time.sleep(1.5)"
    cost = run_measured([sys.executable, "-c", holds_100_megabytes], environment(tmp_path), tmp_path / "log", 30)
    assert 100e6 < cost.peak_bytes < 200e6


def test_a_command_that_fails_is_told_with_the_end_of_its_output(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failure:
        run_measured([sys.executable, "-c", "raise SystemExit('no disk')"], environment(tmp_path), tmp_path / "log", 30)
    assert failure.value.output.strip() == "no disk"


def test_a_command_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    with pytest.raises(subprocess.TimeoutExpired):
        run_measured([sys.executable, "-c", "import time; time.sleep(60)"], environment(tmp_path), tmp_path / "log", 1)
    assert not {child.pid for child in psutil.Process().children(recursive=True)} - before
