"""The audit catches every leak that has happened to someone, and lets honest features pass."""

import polars as pl
import pytest

from ml_platform.errors import DefinitionError
from ml_platform.point_in_time.audit import (
    MISSING_ROW,
    KnowledgeAudit,
    LookBack,
    audit_knowledge,
    draw_cuts,
    find_differences,
)
from ml_platform.point_in_time.features import FeatureFunction, KnownTable, build_features
from ml_platform.use_cases.flights.contract import CleanFlights, CleanWeather
from ml_platform.use_cases.flights.features import delay_features, prediction_at
from ml_platform_tests.point_in_time import leaky
from ml_platform_tests.scenario import NEVER, Flight, clean_flights, hourly_weather, instant

KEY = leaky.FLIGHT
EVERY_LEAK = (
    leaky.own_departure_delay,
    leaky.nullness_of_the_arrival,
    leaky.weather_of_the_same_hour,
    leaky.mean_of_the_same_day,
    leaky.target_encoded_carrier,
    leaky.rank_within_the_batch,
)


def three_busy_days() -> KnownTable:
    """A flight every half hour from 06:00 to 21:30, later and later after noon; one more a day is cancelled."""
    delays = {hour: max(0, hour - 11) * 10 for hour in range(6, 22)}
    flights = [
        Flight(f"{hour:02}:{minute:02}", day, number=hour * 60 + minute, departure_delay=delay, arrival_delay=delay)
        for day in range(3)
        for hour, delay in delays.items()
        for minute in (0, 30)
    ]
    cancelled = [Flight("15:15", day, number=9, departure_delay=NEVER) for day in range(3)]
    return KnownTable(clean_flights(*flights, *cancelled), CleanFlights)


def three_punctual_days() -> KnownTable:
    """A flight every hour from 06:00 to 21:00, all on time."""
    clocks = [(day, hour) for day in range(3) for hour in range(6, 22)]
    return KnownTable(clean_flights(*(Flight(f"{hour:02}:00", day, number=hour) for day, hour in clocks)), CleanFlights)


def audit(
    function: FeatureFunction,
    *,
    spine: KnownTable | None = None,
    seed: int = 0,
    look_back: LookBack | None = None,
) -> KnowledgeAudit:
    """Build the days of the spine, or three busy days, in one batch, and audit them at five cuts."""
    spine, weather = spine or three_busy_days(), KnownTable(hourly_weather(days=4), CleanWeather)
    tables = {"flights": spine, "weather": weather}
    built = build_features(function, spine=spine, inputs=tables, prediction_at=prediction_at)
    return audit_knowledge(
        function,
        built=built,
        key=KEY,
        spine=spine,
        inputs=tables,
        prediction_at=prediction_at,
        seed=seed,
        look_back=look_back,
    )


@pytest.mark.parametrize("function", EVERY_LEAK, ids=lambda function: function.__name__)
@pytest.mark.parametrize("seed", range(3))
def test_a_leak_is_caught(function: FeatureFunction, seed: int) -> None:
    assert audit(function, seed=seed).leaking_columns == ("leak",)


def test_a_leak_that_shows_only_in_the_last_two_hours_before_a_cut_is_caught() -> None:
    assert audit(leaky.own_departure_delay, spine=three_punctual_days()).leaking_columns == ("leak",)


@pytest.mark.parametrize("look_back", [None, LookBack("service_date", 30)])
def test_honest_features_are_exactly_equal(look_back: LookBack | None) -> None:
    result = audit(delay_features, look_back=look_back)
    assert result.leaks == ()
    assert len(result.cuts) == 5
    assert result.rows_compared > 5 * 15


def test_too_short_a_look_back_is_noticed() -> None:
    assert (
        "flight_arrival_delay_minutes_7d"
        in audit(delay_features, seed=3, look_back=LookBack("service_date", 0)).leaking_columns
    )


def test_a_leak_is_told_with_an_example() -> None:
    leak = audit(leaky.own_departure_delay).leaks[0]
    assert leak.column == "leak"
    assert leak.value_seen is not None
    assert leak.value_masked is None
    assert "from what was known by 2013-01-1" in str(leak)


def test_a_row_that_appears_only_in_hindsight_is_a_leak() -> None:
    built = pl.DataFrame({"key": [1, 2], "value": [0, 0]})
    differences = find_differences(built, built.head(1), ["key"], instant("12:00"))
    assert [(leak.column, leak.rows, leak.key) for leak in differences] == [(MISSING_ROW, 1, (2,))]


def test_null_is_not_zero() -> None:
    zero, null = (pl.DataFrame({"key": [1], "value": pl.Series([value], dtype=pl.Int64)}) for value in (0, None))
    assert [leak.column for leak in find_differences(zero, null, ["key"], instant("12:00"))] == ["value"]


def test_cuts_follow_a_prediction_by_up_to_two_hours_and_the_seed_repeats_them() -> None:
    rows = clean_flights(Flight("12:00")).with_columns(prediction_at=prediction_at())
    cuts = draw_cuts(rows, 20, seed=1)
    assert all(instant("10:00") <= cut <= instant("12:00") for cut in cuts)
    assert cuts == draw_cuts(rows, 20, seed=1) != draw_cuts(rows, 20, seed=2)


def test_an_empty_table_has_nothing_to_audit() -> None:
    rows = clean_flights(Flight()).with_columns(prediction_at=prediction_at()).clear()
    with pytest.raises(DefinitionError, match="no row to check the knowledge of"):
        draw_cuts(rows, 5, seed=0)
