"""What a feature function gets to see."""

import polars as pl
import pytest

from ml_platform.errors import DefinitionError
from ml_platform.point_in_time.features import KnownTable, build_features, rows_to_predict
from ml_platform.use_cases.flights.contract import CleanFlights
from ml_platform_tests.scenario import Flight, clean_flights, instant


def two_hours_before() -> pl.Expr:
    """Two hours before scheduled departure."""
    return pl.col("scheduled_departure_at") - pl.duration(hours=2)


def at_departure() -> pl.Expr:
    """An instant that is only known afterwards."""
    return pl.col("departed_at")


def two_flights() -> KnownTable:
    """One flight departs at 08:00 and arrives at 09:00, one departs at 12:00."""
    return KnownTable(clean_flights(Flight("08:00", number=1), Flight("12:00", number=2)), CleanFlights)


def test_a_row_to_predict_does_not_show_its_own_outcome() -> None:
    rows = rows_to_predict(two_flights(), two_hours_before)
    outcome = ["departed_at", "arrived_at", "arrival_delay_minutes", "tail_number", "is_cancelled"]
    assert rows.select(outcome).null_count().row(0) == (2,) * 5
    assert rows["prediction_at"].to_list() == [instant("06:00"), instant("10:00")]


def test_the_history_ends_at_the_last_prediction_of_the_batch() -> None:
    def seen(rows: pl.DataFrame, *, flights: pl.DataFrame) -> pl.DataFrame:
        return flights.select("flight_number", "arrived_at")

    table = two_flights()
    shown = build_features(seen, spine=table, inputs={"flights": table}, prediction_at=two_hours_before)
    assert shown["arrived_at"].to_list() == [instant("09:00"), None]


def test_without_rows_nothing_is_known() -> None:
    def seen(rows: pl.DataFrame, *, flights: pl.DataFrame) -> pl.DataFrame:
        return flights

    table = two_flights()
    none = KnownTable(clean_flights().clear(), CleanFlights)
    shown = build_features(seen, spine=none, inputs={"flights": table}, prediction_at=two_hours_before)
    assert shown["arrived_at"].null_count() == 2


def test_a_prediction_time_that_is_not_known_in_advance_is_refused() -> None:
    with pytest.raises(DefinitionError, match="prediction time of CleanFlights depends on departed_at"):
        rows_to_predict(two_flights(), at_departure)
