"""Run workers: forked processes that any process of the instance can find, cancel and miss."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.launcher.base import LaunchRunContext, WorkerStatus
from dagster._core.storage.dagster_run import DagsterRun, DagsterRunStatus
from dagster._core.storage.tags import WILL_RETRY_TAG

from ml_platform.execution.launch import ALL_ASSETS_JOB
from ml_platform.execution.launcher import WORKER_TAG, worker_process, worker_tag
from ml_platform.recovery.lost_processes import lost_processes
from ml_platform.settings import PROJECT_ROOT
from ml_platform_tests.execution.instances import platform_instance
from ml_platform_tests.execution.toy_location import TOY


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with platform_instance(tmp_path) as instance:
        yield instance


def launched(instance: dg.DagsterInstance, asset: str, **tags: str) -> str:
    """Id of a run of one asset, given to the launcher."""
    repository = ReconstructableRepository.for_module(TOY.module, TOY.attribute, str(PROJECT_ROOT))
    job = repository.get_reconstructable_job(ALL_ASSETS_JOB)
    selection = {dg.AssetKey(asset)}
    origin = job.get_python_origin()
    run = instance.create_run_for_job(
        job.get_definition(), asset_selection=selection, job_code_origin=origin, tags=tags
    )
    instance.run_launcher.launch_run(LaunchRunContext(run, workspace=None))
    return run.run_id


def wait_for(instance: dg.DagsterInstance, run_id: str, is_so: Callable[[DagsterRun], bool]) -> DagsterRun:
    """The run, as soon as something is so of it; a minute at most."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        run = instance.get_run_by_id(run_id)
        if run is not None and is_so(run):
            return run
        time.sleep(0.05)
    raise TimeoutError(run_id)


def has_started(run: DagsterRun) -> bool:
    return run.status is DagsterRunStatus.STARTED


def test_a_launched_run_succeeds_in_another_process(instance: dg.DagsterInstance) -> None:
    run = wait_for(
        instance, launched(instance, "flights", **{"dagster/partition": "2013-01-05"}), lambda r: r.is_finished
    )
    assert run.status is DagsterRunStatus.SUCCESS
    assert f" {os.getpid()} " not in run.tags[WORKER_TAG]


def test_a_canceled_run_stops(instance: dg.DagsterInstance) -> None:
    run_id = launched(instance, "patience")
    wait_for(instance, run_id, has_started)
    assert instance.run_launcher.terminate(run_id)
    assert wait_for(instance, run_id, lambda r: r.is_finished).status is DagsterRunStatus.CANCELED
    assert not instance.run_launcher.terminate(run_id)


def test_a_killed_worker_is_told_at_once_with_its_signal_and_the_run_is_retried(instance: dg.DagsterInstance) -> None:
    run_id = launched(instance, "patience")
    worker = worker_process(wait_for(instance, run_id, has_started))
    os.kill(worker or 0, signal.SIGKILL)
    run = wait_for(instance, run_id, lambda r: WILL_RETRY_TAG in r.tags)
    assert run.tags[WILL_RETRY_TAG] == "true"
    assert lost_processes(run) == 1
    assert f"process {worker}, was killed by SIGKILL" in instance.all_logs(run_id)[-1].message


def test_a_killed_worker_that_nobody_watches_is_missed(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    run = wait_for(instance, launched(instance, "patience"), has_started)
    with platform_instance(tmp_path) as other:
        assert other.run_launcher.check_run_worker_health(run).status is WorkerStatus.RUNNING
        os.kill(worker_process(run) or 0, signal.SIGKILL)
        wait_for(other, run.run_id, lambda r: worker_process(r) is None)
        assert other.run_launcher.check_run_worker_health(run).status is WorkerStatus.NOT_FOUND


def test_a_worker_that_goes_on_is_killed_once_its_run_is_canceled_from_outside(instance: dg.DagsterInstance) -> None:
    run = wait_for(instance, launched(instance, "patience"), has_started)
    instance.report_run_canceled(run)
    assert wait_for(instance, run.run_id, lambda r: worker_process(r) is None).status is DagsterRunStatus.CANCELED


def test_a_retry_is_not_taken_for_having_the_worker_of_the_run_that_it_retries() -> None:
    tags = worker_tag("first", os.getpid())
    assert worker_process(DagsterRun("train", run_id="first", tags=tags)) == os.getpid()
    assert worker_process(DagsterRun("train", run_id="second", tags=tags)) is None


def test_a_process_id_that_was_given_out_again_is_no_worker() -> None:
    tags = worker_tag("first", os.getpid())
    later = {WORKER_TAG: tags[WORKER_TAG] + "0"}
    assert worker_process(DagsterRun("train", run_id="first", tags=later)) is None
