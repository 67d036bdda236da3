"""Runs that failed for a cause that may pass: which are executed again, after how long, and how often.

The sensor is real, and so is what the daemon does with the tag that it leaves; code locations are in this process.
"""

import logging
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus
from dagster._core.storage.dagster_run import DagsterRun
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, BACKFILL_ID_TAG, PARENT_RUN_ID_TAG, WILL_RETRY_TAG
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._daemon.auto_run_reexecution.auto_run_reexecution import consume_new_runs_for_automatic_reexecution

from ml_platform.components.automation_sensor import REQUEST_TAG
from ml_platform.errors import RunFailedError
from ml_platform.execution.launch import PartitionRange, RunRequest, run_job
from ml_platform.operations import recovery_sensor
from ml_platform.operations.backfills.dagster_api import workspace_of
from ml_platform.operations.backfills.request import Backfills
from ml_platform.operations.backfills.selection import Asked
from ml_platform.operations.recovery_sensor import Memory
from ml_platform.operations.reexecution import MOST_RECOVERIES, RECOVERY_TAG, wait_seconds
from ml_platform.settings import Settings
from ml_platform_tests.execution.instances import platform_instance
from ml_platform_tests.operations.backfill_location import DAYS, TOY, fail

NUMBERS = dg.AssetKey(["toy", "numbers"])
_fresh = count()


class World:
    """The toy location with its history, and a sensor that looks when it is told to."""

    def __init__(self, home: Path, instance: dg.DagsterInstance) -> None:
        self.home, self.instance, self.settings = home, instance, Settings(recovery_first_seconds=0)
        self.cursor: str | None = None

    def look(self, settings: Settings | None = None) -> str:
        """What the sensor says of one tick, which begins where the last one ended."""
        sensor = recovery_sensor.recovery_sensor(settings or self.settings)
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor)
        told = sensor(context)
        self.cursor = context.cursor
        assert isinstance(told, dg.SkipReason)
        return told.skip_message or ""

    def fail(self, day: str, by: type[Exception] = TimeoutError, **tags: str) -> DagsterRun:
        """A run of the day, failed by this error."""
        fail(self.home, day, by=by)
        request = RunRequest(
            TOY, assets=[NUMBERS], partitions=day, tags={k.replace("__", "/"): v for k, v in tags.items()}
        )
        with pytest.raises(RunFailedError):
            run_job(self.instance, request)
        fail(self.home)
        return self.instance.get_runs(limit=1)[0]

    def run(self, run: DagsterRun) -> DagsterRun:
        found = self.instance.get_run_by_id(run.run_id)
        assert found is not None
        return found

    def is_sent(self, run: DagsterRun) -> bool:
        """Whether the daemon is to retry it."""
        return self.run(run).tags.get(WILL_RETRY_TAG) == "true"

    def retries(self, run: DagsterRun) -> list[DagsterRun]:
        return list(self.instance.get_runs(dg.RunsFilter(tags={PARENT_RUN_ID_TAG: run.run_id})))


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch, platform_instance(home / "dagster") as instance:
        patch.setenv("ML_PLATFORM_HOME", str(home))
        patch.setenv("ML_PLATFORM_STEP_RETRIES", "0")
        patch.setenv("ML_PLATFORM_RESOURCE_RETRIES", "0")
        yield World(home, instance)


@pytest.fixture
def world(history: World) -> World:
    """The sensor begins now."""
    history.cursor = None
    history.look()
    return history


@pytest.fixture
def day() -> str:
    """One that no other test is at."""
    return DAYS[next(_fresh)]


@pytest.mark.parametrize("error", [TimeoutError, MemoryError])
def test_what_may_pass_is_sent_to_the_daemon(world: World, day: str, error: type[Exception]) -> None:
    run = world.fail(day, by=error)
    assert "is executed again now" in world.look()
    assert world.is_sent(run)
    assert world.run(run).tags[RECOVERY_TAG] == "1"


def test_wrong_code_is_left(world: World, day: str) -> None:
    run = world.fail(day, by=ValueError)
    assert "is left: its failure is of class code" in world.look()
    assert not world.is_sent(run)
    assert Memory.model_validate_json(world.cursor or "").failed == ()


def test_nothing_is_sent_before_its_time(world: World, day: str) -> None:
    run = world.fail(day)
    assert "is executed again in 1" in world.look(Settings(recovery_first_seconds=120))
    assert not world.is_sent(run)


def test_each_wait_is_longer_up_to_a_limit(world: World, day: str) -> None:
    runs = [DagsterRun("any", tags={RECOVERY_TAG: str(number)}) for number in range(MOST_RECOVERIES)]
    assert [wait_seconds(run, Settings()) for run in runs] == [120, 480, 1_800]


def test_a_chain_ends_after_three(world: World, day: str) -> None:
    run = world.fail(day, ml_platform__recovery="3")
    assert "it was executed again 3 times" in world.look()
    assert not world.is_sent(run)


def test_what_was_made_since_is_left(world: World, day: str) -> None:
    run = world.fail(day)
    run_job(world.instance, RunRequest(TOY, assets=[NUMBERS], partitions=day))
    assert "its partitions were made since" in world.look()
    assert not world.is_sent(run)


def test_what_another_run_failed_at_since_is_left_to_that_one(world: World, day: str) -> None:
    first, second = world.fail(day), world.fail(day)
    world.look()
    assert (world.is_sent(first), world.is_sent(second)) == (False, True)


def test_what_a_person_reexecuted_is_left(world: World, day: str) -> None:
    run = world.fail(day)
    again = world.fail(day, by=ValueError, dagster__parent_run_id=run.run_id, dagster__root_run_id=run.run_id)
    assert f"it was re-executed as {again.run_id[:8]}" in world.look()
    assert not world.is_sent(run)


def test_halves_are_left_to_the_sensor_that_asks_for_them(world: World, day: str) -> None:
    fail(world.home, day, by=TimeoutError)
    stretch = PartitionRange(day, DAYS[DAYS.index(day) + 1])
    toy = RunRequest(TOY, assets=[NUMBERS], partitions=stretch, tags={REQUEST_TAG: "build_toy_on_landing a"})
    with pytest.raises(RunFailedError):
        run_job(world.instance, toy)
    assert "its sensor asks for it again in halves" in world.look()


def test_what_a_content_sensor_asked_for_alone_is_sent(world: World, day: str) -> None:
    run = world.fail(day, ml_platform__request="build_toy_on_landing a")
    world.look()
    assert world.is_sent(run)


def test_what_the_daemon_is_to_retry_anyway_is_waited_for(world: World, day: str) -> None:
    run = world.fail(day)
    world.instance.add_run_tags(run.run_id, {WILL_RETRY_TAG: "true"})
    assert "the daemon is to retry it" in world.look()
    assert RECOVERY_TAG not in world.run(run).tags


def test_it_is_executed_again_once_and_counted_whatever_is_killed(world: World, day: str) -> None:
    run, begins = world.fail(day), world.cursor
    world.look()
    world.cursor = begins  # the daemon died before it had stored the cursor
    world.look()
    with workspace_of(world.instance, [TOY]) as workspace:
        for _ in range(2):  # the daemon died before it had stored that it came by
            _consume(workspace, world.run(run))
    (retry,) = world.retries(run)
    assert world.run(run).tags[AUTO_RETRY_RUN_ID_TAG] == retry.run_id
    assert retry.tags[RECOVERY_TAG] == "1"
    assert "is left: it was re-executed" in world.look()


def test_a_backfill_that_was_over_is_opened_again(world: World, day: str) -> None:
    done = _backfill(world, day)
    backfill = world.instance.get_backfill(done)
    assert backfill is not None
    assert backfill.status is BulkActionStatus.COMPLETED_FAILED
    world.look()
    opened = world.instance.get_backfill(done)
    assert opened is not None
    assert opened.status is BulkActionStatus.REQUESTED
    assert world.is_sent(world.instance.get_runs(dg.RunsFilter(tags={BACKFILL_ID_TAG: done}))[0])


def test_what_belongs_to_a_canceled_backfill_is_left(world: World, day: str) -> None:
    done = _backfill(world, day)
    backfill = world.instance.get_backfill(done)
    assert backfill is not None
    world.instance.update_backfill(backfill._replace(status=BulkActionStatus.CANCELED))
    assert "its backfill was canceled" in world.look()


def test_a_canceled_run_is_no_failure(world: World, day: str) -> None:
    run = world.instance.create_run_for_job(
        dg.define_asset_job("toys").resolve(asset_graph=dg.Definitions(assets=[_nothing]).resolve_asset_graph())
    )
    world.instance.report_run_canceled(run)
    assert world.look() == "No run failed that may come through later."


@dg.asset
def _nothing() -> None: ...


def _backfill(world: World, day: str) -> str:
    """Id of a backfill of the day, whose run failed for a cause that may pass."""
    fail(world.home, day, by=TimeoutError)
    backfills = Backfills(world.settings, world.instance, [], [TOY], here=True)
    with backfills.api() as api:
        planned = backfills.plan(api, ["toy/numbers"], Asked([day]), downstream=False)
        done = backfills.do_here(api, planned, lambda _: None)[-1]
    fail(world.home)
    return done.backfill_id


def _consume(workspace: "WorkspaceProcessContext", run: DagsterRun) -> None:
    """What the daemon does as it comes by a failure; what it launches is taken by nobody."""
    record = workspace.instance.get_run_record_by_id(run.run_id)
    assert record is not None
    list(consume_new_runs_for_automatic_reexecution(workspace, [record], logging.getLogger("daemon")))
