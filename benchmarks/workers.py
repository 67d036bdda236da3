"""Seconds that a step costs at a worker, beside those of one that is forked on the machine of its run (`steps`).

The same chain of steps, by a broker and one worker of this machine, which has imported all that a step needs. Left out
where RabbitMQ is not installed.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.homes import at_home
from benchmarks.readings import Reading
from benchmarks.steps import costs, readings_of
from ml_platform.execution.instance import open_instance
from ml_platform.execution.launch import CodeLocation
from ml_platform.local_servers.process_trees import end, family
from ml_platform.local_servers.rabbitmq import is_installed, rabbitmq, url_of
from ml_platform.settings import PROJECT_ROOT

HERE = CodeLocation("benchmark", "benchmarks.workers_location")
WORK = """
from ml_platform.execution.celery_worker import work
from ml_platform.execution.preload import step_modules
from ml_platform.settings import Settings
work(Settings(), ["io", "train"], 1, "benchmark", step_modules(["benchmarks.workers_location"]))
"""


def measure_workers(work: Path) -> list[Reading]:
    """What a step costs between its sending and its end."""
    if not is_installed():
        return []
    with at_home(work / "workers"), rabbitmq(work / "rabbitmq") as broker:
        os.environ["ML_PLATFORM_CELERY_BROKER_URL"] = url_of(work / "rabbitmq", broker)
        with _worker(work / "worker.log"), open_instance() as instance:
            costs(instance, "at_a_worker", HERE)  # waits until the worker takes steps
            first, *rest = costs(instance, "at_a_worker", HERE)
    return readings_of("at a worker", first, rest)


@contextmanager
def _worker(log: Path) -> Iterator[None]:
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", WORK], cwd=PROJECT_ROOT, stdout=output, stderr=output
        )
    try:
        yield
    finally:
        end(family(process.pid))
        process.wait()
