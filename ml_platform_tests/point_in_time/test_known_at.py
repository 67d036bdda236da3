"""When a value is known, declared in a contract, and what the masks leave."""

from datetime import UTC, datetime, timedelta

import dataframely as dy
import polars as pl
import pytest

from ml_platform.errors import DefinitionError
from ml_platform.point_in_time.known_at import (
    ALWAYS,
    NEVER,
    as_known_by_row,
    hide_later_than,
    knowledge,
    known_at,
)

MORNING, NOON, EVENING = (datetime(2013, 1, 10, hour, tzinfo=UTC) for hour in (8, 12, 20))
INSTANT = pl.Datetime("us", "UTC")


class Parcels(dy.Schema):
    """One parcel."""

    parcel = dy.Int64(primary_key=True, metadata=ALWAYS)
    delivered_at = dy.Datetime(nullable=True, time_zone="UTC", metadata=known_at("delivered_at"))
    rating = dy.Int64(nullable=True, metadata=known_at("delivered_at", after=timedelta(hours=1)))
    is_lost = dy.Bool(metadata=NEVER)


class Readings(dy.Schema):
    """One reading of a meter, which nobody has before it is taken."""

    taken_at = dy.Datetime(primary_key=True, time_zone="UTC", metadata=known_at("taken_at"))
    value = dy.Int64(metadata=known_at("taken_at"))


class Undeclared(dy.Schema):
    """One thing."""

    thing = dy.Int64(primary_key=True, metadata=ALWAYS)
    price = dy.Int64()


class KnownAtNothing(dy.Schema):
    """One thing."""

    price = dy.Int64(metadata=known_at("sold_at"))


def parcels() -> pl.DataFrame:
    """Parcel 1 is delivered at noon, parcel 2 never."""
    return pl.DataFrame(
        {"parcel": [1, 2], "delivered_at": [NOON, None], "rating": [5, 3], "is_lost": [False, True]},
        schema_overrides={"delivered_at": INSTANT},
    )


def test_a_value_is_hidden_before_it_is_known() -> None:
    hidden = hide_later_than(parcels(), Parcels, MORNING)
    assert hidden["delivered_at"].to_list() == [None, None]
    assert hidden["parcel"].to_list() == [1, 2]


def test_a_value_is_known_at_its_very_instant() -> None:
    assert hide_later_than(parcels(), Parcels, NOON)["delivered_at"].to_list() == [NOON, None]


@pytest.mark.parametrize(("minutes", "rating"), [(59, None), (60, 5)])
def test_a_value_that_takes_an_hour_to_be_known_is_hidden_for_an_hour(minutes: int, rating: int | None) -> None:
    hidden = hide_later_than(parcels(), Parcels, NOON + timedelta(minutes=minutes))
    assert hidden["rating"].to_list() == [rating, None]


def test_what_nobody_recorded_is_hidden_whenever_one_looks() -> None:
    assert hide_later_than(parcels(), Parcels, EVENING)["is_lost"].null_count() == 2


def test_a_row_whose_key_is_not_yet_known_is_gone() -> None:
    readings = pl.DataFrame({"taken_at": [MORNING, EVENING], "value": [1, 2]}, schema_overrides={"taken_at": INSTANT})
    assert hide_later_than(readings, Readings, NOON)["value"].to_list() == [1]


def test_each_row_is_seen_at_its_own_prediction_time() -> None:
    twice = pl.concat([parcels().head(1), parcels().head(1)])
    rows = twice.with_columns(pl.Series("prediction_at", [MORNING, EVENING], dtype=INSTANT))
    assert as_known_by_row(rows, Parcels)["rating"].to_list() == [None, 5]


def test_lazy_frames_stay_lazy() -> None:
    hidden = hide_later_than(parcels().lazy(), Parcels, MORNING)
    assert isinstance(hidden, pl.LazyFrame)


def test_knowledge_is_told_in_words() -> None:
    told = {name: str(known) for name, known in knowledge(Parcels).items()}
    assert told == {
        "parcel": "always",
        "delivered_at": "delivered_at",
        "rating": "delivered_at + 1:00:00",
        "is_lost": "never",
    }


def test_a_column_that_does_not_say_when_it_is_known_is_refused_by_name() -> None:
    with pytest.raises(DefinitionError, match="Contract Undeclared does not say when column 'price' becomes known"):
        knowledge(Undeclared)


def test_an_instant_that_the_table_lacks_is_refused_by_name() -> None:
    with pytest.raises(DefinitionError, match=r"column 'price' is known at an instant .* got sold_at"):
        knowledge(KnownAtNothing)


def test_a_projection_without_the_instant_is_refused_rather_than_shown() -> None:
    with pytest.raises(DefinitionError, match="Cannot tell when column 'rating'"):
        hide_later_than(parcels().select("parcel", "rating"), Parcels, NOON)


def test_hours_after_a_date_are_refused_and_days_are_not() -> None:
    class Daily(dy.Schema):
        day = dy.Date(metadata=ALWAYS)
        rides = dy.Int64(metadata=known_at("day", after=timedelta(days=2)))

    class Hourly(dy.Schema):
        day = dy.Date(metadata=ALWAYS)
        rides = dy.Int64(metadata=known_at("day", after=timedelta(hours=30)))

    assert str(knowledge(Daily)["rides"]) == "day + 2 days, 0:00:00"
    with pytest.raises(DefinitionError, match="'rides' is known hours after a date"):
        knowledge(Hourly)
