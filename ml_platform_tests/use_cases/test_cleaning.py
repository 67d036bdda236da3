"""Raw rows and what becomes of them: clock times, time zones, the day after, and the rows that a contract refuses."""

from datetime import UTC, date, datetime

import dataframely as dy
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.point_in_time.known_at import knowledge
from ml_platform.use_cases.flights.cleaning import (
    clean_airlines,
    clean_airports,
    clean_flights,
    clean_planes,
    clean_weather,
    delay_labels,
)
from ml_platform.use_cases.flights.contract import (
    Airlines,
    Airports,
    CleanFlights,
    CleanWeather,
    DelayFeatures,
    DelayLabels,
    Planes,
)
from ml_platform_tests import scenario
from ml_platform_tests.scenario import airports, raw_flight, raw_hour

CANCELLED = {
    "dep_time": None,
    "dep_delay": None,
    "arr_time": None,
    "arr_delay": None,
    "air_time": None,
    "tailnum": None,
}
DIVERTED = {"arr_time": None, "arr_delay": None, "air_time": None}


def cleaned(*raw: pl.DataFrame) -> pl.DataFrame:
    """Clean flights of raw rows."""
    return clean_flights(pl.concat(raw).lazy(), airports()).collect()


def refusals(flights: pl.DataFrame) -> set[str]:
    """The rules that the rows break."""
    return set(CleanFlights.filter(flights)[1].counts())


def test_a_raw_flight_becomes_instants_in_utc() -> None:
    flight = cleaned(raw_flight()).row(0, named=True)
    assert flight["scheduled_departure_at"] == datetime(2013, 1, 10, 14, 0, tzinfo=UTC)
    assert flight["scheduled_arrival_at"] == datetime(2013, 1, 10, 20, 10, tzinfo=UTC)
    assert flight["departed_at"] == datetime(2013, 1, 10, 14, 2, tzinfo=UTC)
    assert flight["arrived_at"] == datetime(2013, 1, 10, 20, 5, tzinfo=UTC)
    assert (flight["scheduled_minutes"], flight["scheduled_departure_minute_of_day"]) == (370, 540)


def test_clean_flights_keep_their_contract() -> None:
    flights = cleaned(raw_flight(), raw_flight(flight=2, **CANCELLED), raw_flight(flight=3, **DIVERTED))
    assert CleanFlights.validate(flights).height == 3


@pytest.mark.parametrize(
    ("changes", "is_cancelled", "is_diverted"), [({}, False, False), (CANCELLED, True, False), (DIVERTED, False, True)]
)
def test_what_did_not_arrive_is_cancelled_or_diverted(
    changes: dict[str, object], is_cancelled: bool, is_diverted: bool
) -> None:
    flight = cleaned(raw_flight(**changes)).row(0, named=True)
    assert (flight["is_cancelled"], flight["is_diverted"]) == (is_cancelled, is_diverted)


def test_an_evening_flight_belongs_to_the_new_york_day_not_the_utc_day() -> None:
    late = raw_flight(sched_dep_time=2330, hour=23, minute=30, time_hour=datetime(2013, 1, 11, 4, tzinfo=UTC))
    flight = cleaned(late).row(0, named=True)
    assert flight["service_date"] == date(2013, 1, 10)
    assert flight["scheduled_departure_at"] == datetime(2013, 1, 11, 4, 30, tzinfo=UTC)


def test_an_arrival_after_midnight_is_on_the_next_day() -> None:
    overnight = raw_flight(
        sched_dep_time=2100, hour=21, time_hour=datetime(2013, 1, 11, 2, tzinfo=UTC), sched_arr_time=20
    )
    assert cleaned(overnight)["scheduled_minutes"].to_list() == [380]


def test_2400_is_midnight() -> None:
    assert cleaned(raw_flight(dest="BOS", sched_arr_time=2400))["scheduled_minutes"].to_list() == [15 * 60]


def test_san_juan_is_an_hour_ahead_although_no_list_has_it() -> None:
    assert cleaned(raw_flight(dest="SJU", sched_arr_time=1345))["scheduled_minutes"].to_list() == [3 * 60 + 45]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"sched_dep_time": 975}, "scheduled_times_are_valid"),
        ({"sched_dep_time": 1000}, "scheduled_times_are_valid"),
        ({"sched_arr_time": 2575}, "scheduled_times_are_valid"),
        ({"day": 11}, "scheduled_times_are_valid"),
        ({"month": 13}, "service_date|nullability"),
        ({"dest": "XXX"}, "scheduled_arrival_at|nullability"),
        ({"dest": "LRO"}, "scheduled_arrival_at|nullability"),
        ({"arr_delay": 5000}, "arrival_delay_is_plausible"),
        ({"dep_delay": -300}, "departure_delay_is_plausible"),
        ({"dep_delay": 400}, "arrival_follows_departure"),
        ({"dep_time": None}, "outcome_is_consistent"),
        ({"distance": 0}, "distance_miles|min"),
        ({"origin": "PHL"}, "origin|regex"),
        ({"flight": None}, "flight_number|nullability"),
    ],
)
def test_a_flight_that_cannot_be_is_refused_by_name(changes: dict[str, object], rule: str) -> None:
    assert rule in refusals(cleaned(raw_flight(**changes)))


def test_both_of_two_equal_flights_are_refused() -> None:
    good, bad = CleanFlights.filter(cleaned(raw_flight(), raw_flight(), raw_flight(flight=2)))
    assert good["flight_number"].to_list() == [2]
    assert bad.counts() == {"primary_key": 2}


clocks = st.integers(-100, 2700) | st.none()


@given(clocks, clocks, st.integers(-3, 40), st.sampled_from(["LAX", "SJU", "XXX", None]))
def test_no_raw_flight_is_lost_or_doubled(departs: int, arrives: int, day: int, destination: str) -> None:
    raw = [raw_flight(sched_dep_time=departs, sched_arr_time=arrives, day=day, dest=destination), raw_flight()]
    assert cleaned(*raw).height == 2


def test_weather_is_keyed_by_the_instant_and_dated_in_new_york() -> None:
    late = raw_hour(hour=23, time_hour=datetime(2013, 1, 11, 4, tzinfo=UTC))
    hour = CleanWeather.validate(clean_weather(late.lazy()).collect()).row(0, named=True)
    assert hour["observed_hour_at"] == datetime(2013, 1, 11, 4, tzinfo=UTC)
    assert hour["service_date"] == date(2013, 1, 10)


def test_the_hour_that_comes_twice_in_november_is_two_instants() -> None:
    twice = [raw_hour(month=11, day=3, hour=1, time_hour=datetime(2013, 11, 3, hour, tzinfo=UTC)) for hour in (5, 6)]
    assert CleanWeather.validate(clean_weather(pl.concat(twice).lazy()).collect()).height == 2


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"wind_speed": 1048.36}, "wind_speed_is_plausible"),
        ({"wind_gust": -1.0}, "wind_speed_is_plausible"),
        ({"day": 11}, "hour_belongs_to_service_date"),
        ({"humid": 101.0}, "relative_humidity_percent|max"),
    ],
)
def test_weather_that_cannot_be_is_refused_by_name(changes: dict[str, object], rule: str) -> None:
    assert set(CleanWeather.filter(clean_weather(raw_hour(**changes).lazy()).collect())[1].counts()) == {rule}


def test_only_flights_that_arrived_have_a_label() -> None:
    labels = DelayLabels.validate(delay_labels(scenario.clean_flights().lazy()).collect())
    assert labels["is_late"].to_list() == [False, True]
    assert labels["known_at"].to_list() == [scenario.instant("09:00"), scenario.instant("11:20")]


@pytest.mark.parametrize(("delay", "is_late"), [(14, False), (15, True)])
def test_late_starts_at_fifteen_minutes(delay: int, is_late: bool) -> None:
    flights = scenario.clean_flights(scenario.Flight(arrival_delay=delay))
    assert delay_labels(flights.lazy()).collect()["is_late"].to_list() == [is_late]


def test_the_registers_keep_their_contracts() -> None:
    airport = {"faa": "LRO", "name": "Lowcountry", "lat": 32.5, "lon": -79.5, "alt": 12, "tz": -5, "tzone": None}
    plane = {"tailnum": "N1", "year": None, "type": "Jet", "manufacturer": "A", "model": "B", "engines": 2, "seats": 9}
    Airports.validate(clean_airports(pl.LazyFrame([airport])).collect(), cast=True)
    Planes.validate(clean_planes(pl.LazyFrame([plane | {"speed": None, "engine": "Turbo"}])).collect(), cast=True)
    Airlines.validate(clean_airlines(pl.LazyFrame({"carrier": ["AA"], "name": ["American"]})).collect())


@pytest.mark.parametrize("schema", [CleanFlights, CleanWeather, Airports, Airlines, DelayFeatures, DelayLabels])
def test_every_column_says_when_it_is_known(schema: type[dy.Schema]) -> None:
    assert list(knowledge(schema)) == list(schema.columns())
