"""Pools: limits without a command, changed by whoever changed them last, and slots that outlive nobody."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.dagster_run import DagsterRunStatus

from ml_platform.execution.launcher import WORKER_TAG, worker_tag
from ml_platform.execution.pools import MLFLOW, SOURCE, TRAINING, free_slots_of_the_dead, set_limits
from ml_platform.settings import Settings
from ml_platform_tests.execution.instances import platform_instance

ALIVE, DEAD = "a-living-run", "a-dead-run"


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with platform_instance(tmp_path) as instance:
        yield instance


def limits(instance: dg.DagsterInstance) -> dict[str, int]:
    return {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}


def hold_slot(instance: dg.DagsterInstance, run_id: str, tags: dict[str, str]) -> None:
    """A run at work that has a slot of `training`."""
    run = dg.DagsterRun("train", run_id=run_id, tags=tags, status=DagsterRunStatus.STARTED)
    instance.add_run(run)
    assert instance.event_log_storage.claim_concurrency_slot(TRAINING, run_id, "fit").is_claimed


def test_a_fresh_history_has_limits(instance: dg.DagsterInstance) -> None:
    set_limits(instance, Settings())
    assert limits(instance) == {SOURCE: 4, TRAINING: os.cpu_count(), MLFLOW: 4}


def test_a_limit_that_was_set_by_hand_stays(instance: dg.DagsterInstance) -> None:
    instance.event_log_storage.set_concurrency_slots(SOURCE, 9)
    set_limits(instance, Settings())
    assert limits(instance)[SOURCE] == 9


def test_what_the_environment_says_goes_before(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    instance.event_log_storage.set_concurrency_slots(SOURCE, 9)
    monkeypatch.setenv("ML_PLATFORM_SOURCE_SLOTS", "2")
    set_limits(instance, Settings())
    assert limits(instance)[SOURCE] == 2


def test_a_slot_is_freed_if_nobody_works_on_its_run_any_more(instance: dg.DagsterInstance) -> None:
    set_limits(instance, Settings(training_slots=2))
    hold_slot(instance, ALIVE, worker_tag(ALIVE, os.getpid()))
    hold_slot(instance, DEAD, {WORKER_TAG: f"{DEAD} {os.getpid()} another life"})
    free_slots_of_the_dead(instance)
    assert instance.event_log_storage.get_concurrency_run_ids() == {ALIVE}


def test_processes_that_set_the_limits_at_the_same_moment_do_not_hinder_each_other(tmp_path: Path) -> None:
    def set_them(_: int) -> None:
        with platform_instance(tmp_path) as instance:
            set_limits(instance, Settings(source_slots=3))

    with ThreadPoolExecutor(4) as four:
        list(four.map(set_them, range(4)))
    with platform_instance(tmp_path) as instance:
        assert limits(instance)[SOURCE] == 3
