"""Real workers of a real broker, for one test module; skipped where there is no RabbitMQ."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from ml_platform.local_servers.process_trees import end, family
from ml_platform.local_servers.rabbitmq import INSTALL, is_installed, rabbitmq, url_of
from ml_platform.settings import PROJECT_ROOT

WORK = """
import sys
from ml_platform.execution.celery_worker import work
from ml_platform.settings import Settings
work(Settings(), ["io", "train"], 1, sys.argv[1], ["ml_platform_tests.execution.celery_location"])
"""
GENTLY = {"REMAP_SIGTERM": "SIGQUIT", "ML_PLATFORM_WORKER_GRACE_SECONDS": "1"}


@contextmanager
def broker_of_tests(folder: Path) -> Iterator[str]:
    """The address of a broker."""
    if not is_installed():
        pytest.skip(f"no RabbitMQ here: `{INSTALL}`")
    with rabbitmq(folder) as running:
        yield url_of(folder, running)


@contextmanager
def worker_of_tests(
    folder: Path, name: str, broker_url: str, **environment: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """A worker that has imported nothing but the location of the tests."""
    variables = {**os.environ, **GENTLY, "ML_PLATFORM_CELERY_BROKER_URL": broker_url, **environment}
    with (folder / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", WORK, name],
            env=variables,
            cwd=PROJECT_ROOT,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        end(family(process.pid))
        process.wait()


def worker_at_work(step_process: int, workers: list["subprocess.Popen[bytes]"]) -> "subprocess.Popen[bytes]":
    """Whichever of them has the process of a step."""
    above = {each.pid for each in psutil.Process(step_process).parents()}
    return next(each for each in workers if each.pid in above)
