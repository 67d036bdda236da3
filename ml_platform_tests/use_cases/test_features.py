"""The laws that features of a flight keep, and each of their values against a slow, obvious computation."""

from datetime import timedelta
from functools import cache

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_platform.point_in_time.features import KnownTable, build_features
from ml_platform.use_cases.flights.contract import CleanFlights, CleanWeather, DelayFeatures
from ml_platform.use_cases.flights.features import delay_features, prediction_at
from ml_platform_tests.scenario import (
    FIRST_DAY,
    NEVER,
    Flight,
    clean_flights,
    flights_with_a_gap,
    hourly_weather,
    instant,
)
from ml_platform_tests.use_cases.oracle import expected

KEY = ["service_date", "carrier", "flight_number", "origin", "scheduled_departure_at"]
FROM_HISTORY = [name for name, column in DelayFeatures.columns().items() if column.nullable] + ["same_hour_flights"]
DAYS = 4

delays = st.integers(-20, 300) | st.just(NEVER)
flight = st.builds(
    Flight,
    clock=st.integers(5 * 4, 23 * 4).map(lambda quarter: f"{quarter // 4:02}:{quarter % 4 * 15:02}"),
    day=st.integers(0, DAYS - 1),
    carrier=st.sampled_from(["AA", "UA"]),
    number=st.integers(1, 3),
    origin=st.sampled_from(["JFK", "LGA"]),
    destination=st.sampled_from(["BOS", "ORD"]),
    departure_delay=delays,
    arrival_delay=delays,
)
flights_of = st.lists(
    flight, min_size=1, max_size=40, unique_by=lambda f: (f.clock, f.day, f.carrier, f.number, f.origin)
).map(lambda flights: clean_flights(*flights))
fewer_examples = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])

WEATHER = hourly_weather(days=DAYS, origins=("JFK", "LGA"))


def features(flights: pl.DataFrame, *, of: pl.DataFrame | None = None, weather: pl.DataFrame = WEATHER) -> pl.DataFrame:
    """The features of the flights `of`, or of all, as the platform builds them."""
    return build_features(
        delay_features,
        spine=KnownTable(flights if of is None else of, CleanFlights),
        inputs={"flights": KnownTable(flights, CleanFlights), "weather": KnownTable(weather, CleanWeather)},
        prediction_at=prediction_at,
    )


def one_day(table: pl.DataFrame, day: int) -> pl.DataFrame:
    """Rows of one service day."""
    return table.filter(pl.col("service_date") == FIRST_DAY + timedelta(days=day))


def until(table: pl.DataFrame, day: int) -> pl.DataFrame:
    """Rows up to and including one service day."""
    return table.filter(pl.col("service_date") <= FIRST_DAY + timedelta(days=day))


@fewer_examples
@given(flights_of)
def test_features_keep_their_contract(flights: pl.DataFrame) -> None:
    assert DelayFeatures.validate(features(flights)).select(KEY).equals(flights.select(KEY))


@fewer_examples
@given(flights_of, st.integers(0, 2**32))
def test_row_order_does_not_matter(flights: pl.DataFrame, seed: int) -> None:
    shuffled = flights.sample(fraction=1, shuffle=True, seed=seed)
    weather = WEATHER.sample(fraction=1, shuffle=True, seed=seed)
    assert features(shuffled, weather=weather).sort(KEY).equals(features(flights).sort(KEY))


@settings(fewer_examples, max_examples=10)
@given(flights_of)
def test_days_built_one_by_one_equal_days_built_in_one_run(flights: pl.DataFrame) -> None:
    in_one_run = features(flights)
    for day in range(DAYS):
        alone = features(until(flights, day), of=one_day(flights, day), weather=until(WEATHER, day))
        assert alone.equals(one_day(in_one_run, day))


@fewer_examples
@given(flights_of, flight)
def test_a_later_flight_never_changes_an_earlier_feature(flights: pl.DataFrame, later: Flight) -> None:
    added = clean_flights(Flight(later.clock, DAYS, later.carrier, later.number, later.origin, later.destination))
    before = features(flights)
    assert features(pl.concat([flights, added])).head(flights.height).equals(before)


@fewer_examples
@given(flights_of, delays)
def test_an_outcome_never_changes_a_feature_of_its_own_flight(flights: pl.DataFrame, delay: int | None) -> None:
    last = flights.sort("scheduled_departure_at").tail(1)
    changed = clean_flights(Flight(departure_delay=delay, arrival_delay=delay))
    outcome = ["departure_delay_minutes", "arrival_delay_minutes", "is_cancelled", "is_diverted", "tail_number"]
    other = last.with_columns(changed[name] for name in outcome)
    history = flights.join(last, on=KEY, how="anti")
    assert features(pl.concat([history, other]), of=other).equals(features(pl.concat([history, last]), of=last))


@pytest.mark.parametrize("name", FROM_HISTORY)
def test_a_feature_equals_brute_force(name: str) -> None:
    flights, rows, built = busy_month_with_features()
    history, weather = flights.to_dicts(), hourly_weather(30).to_dicts()
    slow = [expected(name, row, history, weather) for row in rows.to_dicts()]
    assert any(value for value in slow)
    assert built[name].to_list() == [None if value is None else np.float32(value) for value in slow]


@cache
def busy_month_with_features() -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """A busy month, forty of its flights, and their features."""
    flights = busy_month()
    rows = flights.sample(40, seed=3)
    return flights, rows, features(flights, of=rows, weather=hourly_weather(30))


def busy_month() -> pl.DataFrame:
    """About 25 flights a day for 30 days, of every group, delayed by anything up to five hours or never departed."""
    random = np.random.default_rng(0)
    keys = {
        (int(day), int(slot), str(carrier), int(number), str(origin))
        for day, slot, carrier, number, origin in zip(
            random.integers(0, 30, 750),
            random.integers(20, 92, 750),
            random.choice(["AA", "UA"], 750),
            random.integers(1, 6, 750),
            random.choice(["JFK", "LGA"], 750),
            strict=True,
        )
    }
    drawn = random.integers(-20, 300, (len(keys), 2))
    return clean_flights(
        *(
            Flight(
                clock=f"{slot // 4:02}:{slot % 4 * 15:02}",
                day=day,
                carrier=carrier,
                number=number,
                origin=origin,
                destination="BOS" if number % 2 else "ORD",
                departure_delay=NEVER if departure > 280 else int(departure),
                arrival_delay=NEVER if arrival > 290 else int(arrival),
            )
            for (day, slot, carrier, number, origin), (departure, arrival) in zip(sorted(keys), drawn, strict=True)
        )
    )


def test_a_flight_is_remembered_across_a_gap() -> None:
    built = features(flights_with_a_gap(), weather=hourly_weather(days=10))
    assert built["flight_previous_delay_minutes"].to_list() == [None, 0, 10, 20, 30, 60, 70, 80]
    assert built["flight_arrival_delay_minutes_7d"].to_list() == [None, 0, 5, 10, 15, 24, 38, 52]


def test_the_weather_is_that_of_the_last_full_hour_before_the_prediction() -> None:
    built = features(clean_flights(Flight("12:59"), Flight("13:00", number=2)))
    assert built["temperature_fahrenheit"].to_list() == [9.0, 10.0]
    assert built["precipitation_inches_6h"].to_list() == [np.float32(0.06)] * 2


def test_weather_older_than_six_hours_is_not_weather() -> None:
    morning = WEATHER.filter(pl.col("observed_hour_at") < instant("03:00"))
    built = features(clean_flights(Flight("10:59"), Flight("11:00", number=2)), weather=morning)
    assert built["temperature_fahrenheit"].to_list() == [2.0, None]


def test_a_cancelled_flight_is_overdue_then_stuck_then_forgotten() -> None:
    cancelled = Flight("08:00", number=9, departure_delay=NEVER)
    asking = [Flight(clock, number=n) for n, clock in enumerate(("09:59", "10:00", "12:00", "16:00"), start=1)]
    built = features(clean_flights(cancelled, *asking), of=clean_flights(*asking, Flight("10:00", day=1)))
    assert built["network_overdue_flights"].to_list() == [0, 1, 1, 0, 0]
    assert built["network_stuck_flights"].to_list() == [0, 0, 1, 1, 0]


def test_the_aircraft_is_not_among_the_features() -> None:
    assert not {name for name in DelayFeatures.columns() if "tail" in name or "plane" in name}


def test_every_feature_is_described() -> None:
    assert [name for name, column in DelayFeatures.columns().items() if not column.description] == []
