"""Schedules go by the use case's own clock: each day and each month once, also where the clock is changed."""

import datetime as dt
import logging
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.storage.tags import PARTITION_NAME_TAG
from dagster._core.test_utils import freeze_time
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._scheduler.scheduler import launch_scheduled_runs
from dagster._utils.schedules import schedule_execution_time_iterator

from ml_platform.components.schedules import SUNDAYS_AT_FOUR, daily, monthly
from ml_platform.components.use_case import UseCase
from ml_platform_tests.execution.instances import queueing_instance
from ml_platform_tests.execution.locations import InThisProcess

# Dagster reads a deprecated property of its own when it loads a location into the process
pytestmark = pytest.mark.filterwarnings("ignore:Property `ScheduleDefinition.environment_vars`:DeprecationWarning")
NEW_YORK = ZoneInfo("America/New_York")


def use_case(last_day: str | None = None) -> UseCase:
    return UseCase(
        name="toy",
        description="Toy.",
        owners=["team:toys"],
        timezone="America/New_York",
        first_day=dt.date(2013, 1, 1),
        last_day=dt.date.fromisoformat(last_day) if last_day else None,
        first_as_of_month=dt.date(2013, 3, 1),
    )


def job_of(partitions: dg.PartitionsDefinition) -> dg.JobDefinition:
    @dg.job(name="toy_job", partitions_def=partitions)
    def toy_job() -> None: ...

    return toy_job


def schedules(last_day: str | None = None, why: str = "") -> dict[str, dg.ScheduleDefinition]:
    of = use_case(last_day)
    return {
        "daily": daily(of, job_of(of.by_day), of.by_day, "Toy.", lambda *_: why),
        "monthly": monthly(of, job_of(of.by_as_of_month), "Toy."),
    }


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with queueing_instance(tmp_path_factory.mktemp("instance")) as opened:
        yield opened


def asked(instance: dg.DagsterInstance, schedule: dg.ScheduleDefinition, at: dt.datetime) -> str:
    """The partition that a tick asks for, or why it asks for none."""
    repository = dg.Definitions(schedules=[schedule], resources={"tables": None}).get_repository_def()
    with dg.build_schedule_context(
        instance, scheduled_execution_time=at, resources={"tables": None}, repository_def=repository
    ) as context:
        data = schedule.evaluate_tick(context)
    return data.skip_message or str(data.run_requests[0].partition_key if data.run_requests else "")


def ticks(schedule: dg.ScheduleDefinition, start: dt.datetime, number: int) -> list[dt.datetime]:
    times = schedule_execution_time_iterator(start.timestamp(), schedule.cron_schedule, schedule.execution_timezone)
    return list(islice(times, number))


@pytest.mark.parametrize("change", [dt.date(2013, 3, 10), dt.date(2013, 11, 3)])
def test_each_day_is_asked_for_once_at_six_by_the_local_clock_where_the_clock_is_changed(
    instance: dg.DagsterInstance, change: dt.date
) -> None:
    schedule = schedules()["daily"]
    start = dt.datetime.combine(change - dt.timedelta(days=2), dt.time(12), NEW_YORK)
    at = ticks(schedule, start, 4)
    assert [(tick.astimezone(NEW_YORK).hour, tick.minute) for tick in at] == [(6, 0)] * 4
    days = [str(change + dt.timedelta(days=n)) for n in (-2, -1, 0, 1)]
    assert [asked(instance, schedule, tick) for tick in at] == days


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Athens", "Europe/London", "Australia/Lord_Howe"])
def test_sundays_at_four_are_there_once_where_the_clock_is_changed(zone: str) -> None:
    start = dt.datetime(2024, 1, 1, tzinfo=ZoneInfo(zone))
    at = islice(schedule_execution_time_iterator(start.timestamp(), SUNDAYS_AT_FOUR, zone), 52)
    local = [tick.astimezone(ZoneInfo(zone)) for tick in at]
    assert {(tick.isoweekday(), tick.hour, tick.minute) for tick in local} == {(7, 4, 0)}
    assert [tick.date() for tick in local] == [dt.date(2024, 1, 7) + dt.timedelta(weeks=n) for n in range(52)]


def test_each_month_is_asked_for_as_it_begins(instance: dg.DagsterInstance) -> None:
    schedule = schedules()["monthly"]
    at = ticks(schedule, dt.datetime(2013, 2, 20, tzinfo=NEW_YORK), 10)
    assert [asked(instance, schedule, tick) for tick in at] == [f"2013-{month:02}-01" for month in range(3, 13)]


def test_after_the_end_of_a_closed_calendar_nothing_is_asked_for(instance: dg.DagsterInstance) -> None:
    at = dt.datetime(2014, 2, 1, 6, tzinfo=NEW_YORK)
    told = asked(instance, schedules("2013-12-31")["daily"], at)
    assert told == "2014-01-31 is not in the calendar of toy, which ended on 2013-12-31."


def test_a_day_that_is_not_ready_is_not_asked_for_and_why_is_said(instance: dg.DagsterInstance) -> None:
    at = dt.datetime(2013, 5, 1, 6, tzinfo=NEW_YORK)
    assert asked(instance, schedules(why="Not yet.")["daily"], at) == "Not yet."


def test_schedules_are_stopped_unless_switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {each.default_status for each in schedules().values()} == {dg.DefaultScheduleStatus.STOPPED}
    monkeypatch.setenv("ML_PLATFORM_SENSORS", "schedules")
    assert {each.default_status for each in schedules().values()} == {dg.DefaultScheduleStatus.RUNNING}


def build_location() -> dg.Definitions:
    """The daily schedule, of which the third of May is not ready before the fourth."""
    of = use_case()

    def ready(context: dg.ScheduleEvaluationContext, day: str) -> str:
        is_late = day == "2013-05-03" and context.scheduled_execution_time.date() == dt.date(2013, 5, 4)
        return "Not yet." if is_late else ""

    job = job_of(of.by_day)
    return dg.Definitions(jobs=[job], schedules=[daily(of, job, of.by_day, "Toy.", ready)], resources={"tables": None})


class Clock:
    """Dagster's own scheduler on that location, looking at it when it is told to."""

    def __init__(self, workspace: WorkspaceProcessContext) -> None:
        """It looks at it for the first time on the first of May, at noon."""
        self.workspace = workspace
        assert self.asked_at("01 12:00") == []

    def asked_at(self, local: str) -> list[str]:
        """The days whose runs it starts."""
        known = {run.run_id for run in self.workspace.instance.get_runs()}
        now = dt.datetime.fromisoformat(f"2013-05-{local}-04:00").astimezone(dt.UTC)
        with freeze_time(now):
            errors = launch_scheduled_runs(self.workspace, logging.getLogger("clock"), now, iteration_times={})
            assert [each for each in errors if isinstance(each, tuple) and each] == []
        new = [run for run in self.workspace.instance.get_runs() if run.run_id not in known]
        return [run.tags[PARTITION_NAME_TAG] for run in new[::-1]]


def test_days_that_the_daemon_was_not_there_for_are_asked_for_once_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PLATFORM_SENSORS", "schedules")
    with (
        queueing_instance(tmp_path) as instance,
        WorkspaceProcessContext(instance, InThisProcess(__name__)) as workspace,
    ):
        clock = Clock(workspace)
        assert clock.asked_at("02 06:01") == ["2013-05-01"]
        assert clock.asked_at("08 09:00") == [f"2013-05-0{day}" for day in range(2, 8)]
        assert clock.asked_at("08 10:00") == []


def test_a_day_that_was_not_ready_at_its_tick_is_asked_for_at_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PLATFORM_SENSORS", "schedules")
    with (
        queueing_instance(tmp_path) as instance,
        WorkspaceProcessContext(instance, InThisProcess(__name__)) as workspace,
    ):
        clock = Clock(workspace)
        days = [clock.asked_at(f"0{day} 06:01") for day in (2, 3, 4, 5)]
        assert days == [["2013-05-01"], ["2013-05-02"], [], ["2013-05-03", "2013-05-04"]]
