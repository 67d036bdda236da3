"""Steps at workers of a real broker: what a run sees when one is killed, asked to end, or never comes to an end."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import psutil
import pytest
from dagster._core.storage.dagster_run import DagsterRun

from ml_platform.errors import RunFailedError
from ml_platform.execution.launch import CodeLocation, RunRequest, run_job
from ml_platform.operations.doctor_engine import look_at_broker, look_at_workers
from ml_platform.settings import Settings
from ml_platform_tests.drills.platform import until
from ml_platform_tests.execution.celery_workers import broker_of_tests, worker_at_work, worker_of_tests
from ml_platform_tests.execution.instances import platform_instance

AT_WORKERS = CodeLocation("at_workers", "ml_platform_tests.execution.celery_location")
RUN_UNTIL_INTERRUPTED = """
import pathlib, sys
from ml_platform_tests.execution import test_celery
folder = pathlib.Path(sys.argv[1])
with test_celery.platform_instance(folder) as instance:
    test_celery.run_job(instance, test_celery.waiting(folder))
"""


class Workers(NamedTuple):
    """The workers, and how to have another one."""

    broker_url: str
    start: Callable[[str], "subprocess.Popen[bytes]"]
    all: list["subprocess.Popen[bytes]"]


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    """Two, whose steps may take 25 seconds."""
    folder, limit = tmp_path_factory.mktemp("workers"), {"ML_PLATFORM_STEP_TIME_LIMIT_SECONDS": "25"}
    with broker_of_tests(folder / "rabbitmq") as broker_url, ExitStack() as stack:
        started = list["subprocess.Popen[bytes]"]()

        def start(name: str) -> "subprocess.Popen[bytes]":
            started.append(stack.enter_context(worker_of_tests(folder, name, broker_url, **limit)))
            return started[-1]

        start("one"), start("two")
        yield Workers(broker_url, start, started)


@pytest.fixture
def instance(tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("ML_PLATFORM_CELERY_BROKER_URL", workers.broker_url)
    monkeypatch.setenv("ML_PLATFORM_RETRY_FIRST_SECONDS", "0.01")
    with platform_instance(tmp_path) as instance:
        yield instance


def begin_waiting(instance: dg.DagsterInstance, folder: Path) -> tuple["Future[DagsterRun]", int]:
    """A run whose first step has begun to wait at a worker, and the id of the step's process."""
    run = ThreadPoolExecutor(1).submit(run_job, instance, waiting(folder))
    return run, step_that_waits(folder)


def waiting(folder: Path) -> RunRequest:
    """A run whose first step waits until it is begun again."""
    config = {"ops": {"wait_at_first": {"config": {"folder": str(folder)}}}}
    return RunRequest(AT_WORKERS, "waiting", config=config)


def step_that_waits(folder: Path) -> int:
    """Id of the process of its first step, once it has begun."""
    mark = until("the step has begun", lambda: next(folder.glob("begun-*"), None))
    return int(mark.name.partition("-")[2])


def output(run: DagsterRun, instance: dg.DagsterInstance) -> str:
    return "\n".join(entry.message for entry in instance.all_logs(run.run_id))


def attempts(instance: dg.DagsterInstance, run_id: str) -> int:
    return 1 + len(instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_UP_FOR_RETRY))


def test_steps_of_both_queues_are_done_outside_of_the_process_of_their_run(instance: dg.DagsterInstance) -> None:
    run = run_job(instance, RunRequest(AT_WORKERS, "chain"))
    told = output(run, instance)
    assert 'Sent "start" to the queue io.' in told
    assert 'Sent "follow" to the queue train.' in told
    assert f"(pid: {os.getpid()})" not in told


def test_a_step_whose_process_is_killed_is_tried_again_in_its_run(instance: dg.DagsterInstance) -> None:
    run = run_job(instance, RunRequest(AT_WORKERS, "struck"))
    assert attempts(instance, run.run_id) == 2
    assert "ended without an answer, with exit code -9" in output(run, instance)


def test_a_step_that_kills_every_process_fails_when_its_retries_are_spent(instance: dg.DagsterInstance) -> None:
    with pytest.raises(RunFailedError, match=r"exit code -9\. Tried 3 times"):
        run_job(instance, RunRequest(AT_WORKERS, "hopeless"))


def test_a_step_that_takes_too_long_is_ended_and_counts_as_killed(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PLATFORM_RESOURCE_RETRIES", "0")
    with pytest.raises(RunFailedError, match=r"ended after 25 s \(ML_PLATFORM_STEP_TIME_LIMIT_SECONDS\)"):
        run_job(instance, RunRequest(AT_WORKERS, "hanging"))


def test_a_run_that_is_interrupted_is_canceled_and_its_step_is_ended(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    run = subprocess.Popen([sys.executable, "-W", "ignore", "-c", RUN_UNTIL_INTERRUPTED, str(tmp_path)])
    process = step_that_waits(tmp_path)
    run.send_signal(signal.SIGINT)
    run.wait(60)
    assert instance.get_runs()[0].status is dg.DagsterRunStatus.CANCELED
    until("the step's process is gone", lambda: not psutil.pid_exists(process))


def test_a_worker_that_is_asked_to_end_hands_its_step_to_another(
    instance: dg.DagsterInstance, workers: Workers, tmp_path: Path
) -> None:
    run, process = begin_waiting(instance, tmp_path)
    worker_at_work(process, workers.all).send_signal(signal.SIGTERM)
    assert attempts(instance, run.result(300).run_id) == 1
    assert "goes to another worker" in output(run.result(), instance)
    workers.start("three")


def test_the_step_of_a_killed_worker_is_tried_again_at_another(
    instance: dg.DagsterInstance, workers: Workers, tmp_path: Path
) -> None:
    run, process = begin_waiting(instance, tmp_path)
    worker_at_work(process, workers.all).kill()
    assert attempts(instance, run.result(300).run_id) == 2
    assert not psutil.pid_exists(process)


def test_the_doctor_sees_who_takes_which_steps(
    workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PLATFORM_CELERY_BROKER_URL", workers.broker_url)
    settings = Settings(home=tmp_path)
    assert look_at_broker(settings).startswith("RabbitMQ 3")
    assert "@" in look_at_workers(settings)


def test_the_settings_say_whether_steps_go_to_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    from ml_platform.execution.executors import light_executor

    monkeypatch.setenv("ML_PLATFORM_CELERY_BROKER_URL", "")
    assert light_executor(Settings()).name == "in_process"
    monkeypatch.setenv("ML_PLATFORM_CELERY_BROKER_URL", "amqp://platform:secret@127.0.0.1:1//")
    assert light_executor(Settings()).name == "celery"
