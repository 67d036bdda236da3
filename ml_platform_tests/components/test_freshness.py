"""Deadlines of days: the same time of the local clock all year, and none after the end of a closed data set."""

import datetime as dt

import dagster as dg
import dataframely as dy
import pytest

from ml_platform.components.freshness import due_at, freshness_policy, newest_due
from ml_platform.components.tables import table_spec
from ml_platform.components.use_case import UseCase
from ml_platform.point_in_time.known_at import ALWAYS


class Row(dy.Schema):
    """One day."""

    day = dy.Date(primary_key=True, metadata=ALWAYS, description="Day.")


def use_case(last_day: dt.date | None = None) -> UseCase:
    return UseCase(
        name="toy",
        description="?",
        owners=["team:toy"],
        timezone="America/New_York",
        first_day=dt.date(2013, 1, 1),
        last_day=last_day,
        first_as_of_month=dt.date(2013, 10, 1),
    )


def instant(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("day", "due"),
    [
        ("2013-03-08", "2013-03-09T11:00"),  # winter
        ("2013-03-09", "2013-03-10T10:00"),  # clocks were put on in that night
        ("2013-11-01", "2013-11-02T10:00"),  # summer
        ("2013-11-02", "2013-11-03T11:00"),  # clocks were put back in that night
    ],
)
def test_a_day_is_due_at_the_same_local_time_whatever_the_clocks_did(day: str, due: str) -> None:
    assert due_at(use_case(), dt.date.fromisoformat(day), 6) == instant(due)


@pytest.mark.parametrize(
    ("now", "day"),
    [
        ("2013-11-03T10:59", dt.date(2013, 11, 1)),
        ("2013-11-03T11:00", dt.date(2013, 11, 2)),
        ("2013-01-02T10:59", None),
        ("2013-01-02T11:00", dt.date(2013, 1, 1)),
    ],
)
def test_the_newest_day_that_is_due_changes_with_its_deadline(now: str, day: dt.date | None) -> None:
    assert newest_due(use_case(), 6, instant(now)) == day


def test_a_deadline_may_be_days_after_the_end_of_the_day() -> None:
    assert newest_due(use_case(), 50, instant("2013-07-10T12:00")) == dt.date(2013, 7, 7)


def test_nothing_is_expected_after_the_end_of_a_closed_data_set() -> None:
    closed = use_case(last_day=dt.date(2013, 12, 31))
    assert newest_due(closed, 6, instant("2013-12-31T12:00")) == dt.date(2013, 12, 30)
    assert newest_due(closed, 6, instant("2014-01-01T11:00")) is None
    assert freshness_policy(closed, 6, is_daily=True) is None


def test_dagster_is_told_the_longest_that_a_table_which_is_never_late_goes_without_a_partition() -> None:
    policy = freshness_policy(use_case(), 6, is_daily=True)
    assert policy == dg.FreshnessPolicy.time_window(fail_window=dt.timedelta(hours=31))
    assert freshness_policy(use_case(), None, is_daily=True) is None


def spec(partition_column: str | None) -> dg.AssetSpec:
    return table_spec(
        use_case(),
        "rows",
        description="?",
        contract=Row,
        partition_column=partition_column,
        group="clean",
        fresh_within_hours=6,
    )


def test_the_spec_of_a_table_carries_the_policy() -> None:
    assert spec("day").freshness_policy == dg.FreshnessPolicy.time_window(fail_window=dt.timedelta(hours=31))
    assert spec(None).freshness_policy == dg.FreshnessPolicy.time_window(fail_window=dt.timedelta(hours=6))
