"""The columns of a table as the UI shows them."""

import dataframely as dy
import polars as pl
import pytest

from ml_platform.components.tables import column_schema, type_name
from ml_platform.contracts.columns import owned_by, personal
from ml_platform.point_in_time.known_at import known_at


class Tides(dy.Schema):
    """One high tide."""

    high_at = dy.Datetime(primary_key=True, time_zone="UTC", time_unit="us", description="When it is high.")
    height_metres = dy.Float64(
        nullable=True,
        metadata={**known_at("high_at"), **owned_by("team:harbour"), **personal("shows who was aboard")},
        description="Above the chart datum.",
    )


def test_a_column_is_shown_with_type_description_and_what_it_may_be() -> None:
    high, height = column_schema(Tides).columns
    assert (high.name, high.type, high.description) == ("high_at", "Datetime, UTC", "When it is high.")
    assert (high.constraints.nullable, high.constraints.other) == (False, ["primary key"])
    assert (height.type, height.constraints.nullable, height.constraints.other) == ("Float64", True, [])


def test_unit_owner_personal_data_and_known_at_are_tags_of_a_column() -> None:
    high, height = column_schema(Tides).columns
    assert high.tags == {"unit": "UTC"}
    assert height.tags == {
        "unit": "metres",
        "known_at": "high_at",
        "owner": "team:harbour",
        "personal": "shows who was aboard",
    }


@pytest.mark.parametrize(
    ("dtype", "name"),
    [(pl.Datetime("us", "UTC"), "Datetime, UTC"), (pl.Datetime("us"), "Datetime"), (pl.Int64(), "Int64")],
)
def test_a_type_is_named_as_people_say_it(dtype: pl.DataType, name: str) -> None:
    assert type_name(dtype) == name
