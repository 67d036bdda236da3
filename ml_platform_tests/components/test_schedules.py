"""Schedules go by the use case's own clock: each day and each month once, also where the clock is changed."""

import datetime as dt
from itertools import islice
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator

from ml_platform.components.schedules import daily, monthly
from ml_platform.components.use_case import UseCase

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


def asked(schedule: dg.ScheduleDefinition, at: dt.datetime) -> str:
    """The partition that a tick asks for, or why it asks for none."""
    repository = dg.Definitions(schedules=[schedule], resources={"tables": None}).get_repository_def()
    with dg.build_schedule_context(
        scheduled_execution_time=at, resources={"tables": None}, repository_def=repository
    ) as context:
        data = schedule.evaluate_tick(context)
    return data.skip_message or str(data.run_requests[0].partition_key if data.run_requests else "")


def ticks(schedule: dg.ScheduleDefinition, start: dt.datetime, number: int) -> list[dt.datetime]:
    times = schedule_execution_time_iterator(start.timestamp(), schedule.cron_schedule, schedule.execution_timezone)
    return list(islice(times, number))


@pytest.mark.parametrize("change", [dt.date(2013, 3, 10), dt.date(2013, 11, 3)])
def test_each_day_is_asked_for_once_at_six_by_the_local_clock_where_the_clock_is_changed(change: dt.date) -> None:
    schedule = schedules()["daily"]
    start = dt.datetime.combine(change - dt.timedelta(days=2), dt.time(12), NEW_YORK)
    at = ticks(schedule, start, 4)
    assert [(tick.astimezone(NEW_YORK).hour, tick.minute) for tick in at] == [(6, 0)] * 4
    assert [asked(schedule, tick) for tick in at] == [str(change + dt.timedelta(days=n)) for n in (-2, -1, 0, 1)]


def test_each_month_is_asked_for_as_it_begins() -> None:
    schedule = schedules()["monthly"]
    at = ticks(schedule, dt.datetime(2013, 2, 20, tzinfo=NEW_YORK), 10)
    assert [asked(schedule, tick) for tick in at] == [f"2013-{month:02}-01" for month in range(3, 13)]


def test_after_the_end_of_a_closed_calendar_nothing_is_asked_for() -> None:
    at = dt.datetime(2014, 2, 1, 6, tzinfo=NEW_YORK)
    told = asked(schedules("2013-12-31")["daily"], at)
    assert told == "2014-01-31 is not in the calendar of toy, which ended on 2013-12-31."


def test_a_day_that_is_not_ready_is_not_asked_for_and_why_is_said() -> None:
    assert asked(schedules(why="Not yet.")["daily"], dt.datetime(2013, 5, 1, 6, tzinfo=NEW_YORK)) == "Not yet."


def test_schedules_are_stopped_unless_switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {each.default_status for each in schedules().values()} == {dg.DefaultScheduleStatus.STOPPED}
    monkeypatch.setenv("ML_PLATFORM_SENSORS", "schedules")
    assert {each.default_status for each in schedules().values()} == {dg.DefaultScheduleStatus.RUNNING}
