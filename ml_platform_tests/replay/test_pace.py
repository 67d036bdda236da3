"""What can be replayed, and what has to be there before."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from ml_platform.errors import ReplayError
from ml_platform.replay.pace import Pace, months_due, paced, replayable, require_new
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation

FLIGHTS = replayable("flights")
FIRST = dt.date(2013, 10, 30)


def test_all_days_before_the_first_are_history() -> None:
    pace = paced(FLIGHTS, FIRST, days=3, speed=2880)
    assert pace.days == (dt.date(2013, 10, 30), dt.date(2013, 10, 31), dt.date(2013, 11, 1))
    assert (len(pace.history), pace.history[0], pace.history[-1]) == (302, dt.date(2013, 1, 1), dt.date(2013, 10, 29))
    assert pace.seconds_per_day == 30


@pytest.mark.parametrize(("first", "days"), [(dt.date(2013, 12, 31), 2), (dt.date(2012, 12, 31), 1), (FIRST, 0)])
def test_days_that_are_not_in_the_calendar_are_refused_with_those_that_are(first: dt.date, days: int) -> None:
    with pytest.raises(ReplayError, match="days between 2013-01-01 and 2013-12-31"):
        paced(FLIGHTS, first, days, speed=1)


def test_a_replay_backwards_is_refused() -> None:
    with pytest.raises(ReplayError, match="a speed above 0; got 0"):
        paced(FLIGHTS, FIRST, days=1, speed=0)


def test_what_has_no_upstream_cannot_be_replayed() -> None:
    with pytest.raises(ReplayError, match="Expected flights"):
        replayable("trains")


def test_a_month_is_due_once_the_day_before_it_is_replayed() -> None:
    until_the_30th, until_the_31st = (paced(FLIGHTS, FIRST, days, speed=1) for days in (1, 2))
    assert months_due(FLIGHTS, until_the_30th) == ["2013-10-01"]
    assert months_due(FLIGHTS, until_the_31st) == ["2013-10-01", "2013-11-01"]


def test_days_that_are_published_already_are_refused_and_others_are_not(tmp_path: Path) -> None:
    tables = StorageLocation.of(Settings(home=tmp_path)).tables()
    tables.publish("flights/raw", pl.DataFrame({"day": [str(FIRST)]}), [str(FIRST)], key="day")
    require_new(tables, "flights/raw", Pace((FIRST + dt.timedelta(days=1),), 1.0, ()))
    with pytest.raises(ReplayError, match=r"1 of the 1 days to replay are in flights/raw already: 2013-10-30\."):
        require_new(tables, "flights/raw", Pace((FIRST,), 1.0, ()))
