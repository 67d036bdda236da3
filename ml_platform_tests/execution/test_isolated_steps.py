"""Isolated steps: forked from a server that has imported all they need, and runs nothing that a fork would break."""

import json
import multiprocessing
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path

import dagster as dg
import pytest

from ml_platform.execution.executors import isolated_executor, steps_at_once, warm_up
from ml_platform.execution.launch import CodeLocation, RunRequest, run_job
from ml_platform.execution.preload import LIST_FILE, step_modules
from ml_platform.recovery.lost_processes import LOST_PROCESSES_TAG
from ml_platform.settings import Settings
from ml_platform_tests.execution.instances import platform_instance

ISOLATED = CodeLocation("isolated", "ml_platform_tests.execution.isolated_location")
SAFE_THREADS = ("jemalloc_bg_thd", "polars-ooc-clea")
"""Native threads that imports start and forks survive: jemalloc restarts its own, polars' one tidies spilled data."""

THREADS_AFTER_PRELOAD = """
import importlib, json, pathlib, sys, threading
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
tasks = pathlib.Path("/proc/self/task").iterdir()
print(json.dumps([threading.active_count(), [(task / "comm").read_text().strip() for task in tasks]]))
"""


def send_module_names(to: Connection) -> None:
    """Send what a process has imported that was just forked."""
    to.send(list(sys.modules))


def modules_before_a_step() -> set[str]:
    """What the forkserver of this process has imported."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("forkserver").Process(target=send_module_names, args=(sender,))
    process.start()
    names = set(receiver.recv())
    process.join()
    return names


@pytest.fixture
def own_forkserver() -> Iterator[None]:
    """A forkserver of this test: a process has one for all its runs, and another test may have started it otherwise."""
    forkserver._forkserver._stop()
    yield
    forkserver._forkserver._stop()


@pytest.mark.usefixtures("own_forkserver")
def test_all_that_a_step_ends_up_with_was_imported_before_it_was_forked(tmp_path: Path) -> None:
    warm_up()
    with platform_instance(tmp_path) as instance:
        config = {"ops": {"use_everything": {"config": {"folder": str(tmp_path)}}}}
        run_job(instance, RunRequest(ISOLATED, "all_libraries", config=config))
    ended_with = set(json.loads((tmp_path / "modules.json").read_text()))
    late = sorted(name for name in ended_with - modules_before_a_step() if not name.startswith("ml_platform_tests"))
    assert late == [], f"add these to {LIST_FILE}, or modules that import them"


def test_importing_starts_no_thread_that_a_fork_would_lose() -> None:
    command = [sys.executable, "-c", THREADS_AFTER_PRELOAD, json.dumps(step_modules())]
    python_threads, native = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert python_threads == 1
    pools = {name for name in native if name not in SAFE_THREADS and not name.startswith("python")}
    assert pools == set()


def test_steps_run_side_by_side_as_far_as_the_settings_allow() -> None:
    executor = isolated_executor(Settings(max_parallel_steps=3)).executor_creation_fn
    assert executor is not None
    assert executor(None)._max_concurrent == 3  # type: ignore[arg-type]  # no part of the context is read


@pytest.mark.parametrize(("lost", "at_once"), [("0", 4), ("1", 2), ("2", 1), ("9", 1)])
def test_a_run_that_lost_workers_runs_fewer_steps_at_once(lost: str, at_once: int) -> None:
    assert steps_at_once(4, dg.DagsterRun("train", tags={LOST_PROCESSES_TAG: lost})) == at_once


def test_the_modules_of_a_location_are_preloaded_last() -> None:
    assert step_modules(["ml_platform_tests.execution.toy_location"])[-1] == "ml_platform_tests.execution.toy_location"
