"""Unit, owner and personal data of columns, and the mask."""

import dataframely as dy
import polars as pl
import pytest

from ml_platform.contracts.columns import (
    MASK,
    column_owners,
    masked,
    masked_json,
    masked_values,
    owned_by,
    personal,
    personal_columns,
    unit_of,
    without_values,
)
from ml_platform.point_in_time.known_at import ALWAYS

CANARY = "N-CANARY-7"


class Passengers(dy.Schema):
    """One passenger."""

    name = dy.String(primary_key=True, metadata={**ALWAYS, **personal("names a person")})
    age = dy.Int64(nullable=True, metadata=personal("says how old a person is"))
    seat = dy.String(metadata=owned_by("team:cabin"))


def passengers() -> pl.DataFrame:
    return pl.DataFrame({"name": [CANARY, "Ann"], "age": [None, 41], "seat": ["1A", "1B"], "extra": [1, 2]})


def test_a_contract_says_which_columns_lead_to_a_person_and_how() -> None:
    assert personal_columns(Passengers) == {"name": "names a person", "age": "says how old a person is"}


def test_a_contract_says_who_answers_for_a_column() -> None:
    assert column_owners(Passengers) == {"seat": "team:cabin"}


def test_values_of_personal_columns_are_masked_and_null_stays_null() -> None:
    shown = masked(passengers(), Passengers)
    assert shown.rows() == [(MASK, None, "1A", 1), (MASK, MASK, "1B", 2)]


def test_a_lazy_frame_is_masked_as_an_eager_one() -> None:
    assert masked(passengers().lazy(), Passengers).collect().equals(masked(passengers(), Passengers))


def test_a_frame_without_personal_columns_stays_as_it_is() -> None:
    frame = passengers().select("seat", "extra")
    assert masked(frame, Passengers).equals(frame)


def test_a_key_is_masked_by_column() -> None:
    assert masked_values([CANARY, "1A"], ["name", "seat"], Passengers) == (MASK, "1A")


def test_a_row_as_json_is_masked_by_column() -> None:
    assert masked_json('{"name":"N-CANARY-7","age":null,"seat":"1Ä"}', Passengers) == (
        '{"name":"(personal)","age":null,"seat":"1Ä"}'
    )


def test_what_polars_quotes_of_rows_is_not_repeated() -> None:
    with pytest.raises(pl.exceptions.PolarsError) as caught:
        passengers().with_columns(pl.col("name").cast(pl.Int64))
    assert CANARY in str(caught.value)
    told = without_values(caught.value)
    assert CANARY not in told
    assert "failed in column 'name'" in told


@pytest.mark.parametrize(
    ("name", "dtype", "unit"),
    [
        ("arrival_delay_minutes_4h", pl.Float32(), "minutes"),
        ("late_share_28d", pl.Float32(), "0 to 1"),
        ("temperature_fahrenheit", pl.Float64(), "°F"),
        ("departed_at", pl.Datetime("us", "UTC"), "UTC"),
        ("carrier", pl.String(), ""),
        ("minutes", pl.String(), ""),
    ],
)
def test_the_unit_of_a_column_is_read_from_its_name(name: str, dtype: pl.DataType, unit: str) -> None:
    assert unit_of(name, dtype) == unit
