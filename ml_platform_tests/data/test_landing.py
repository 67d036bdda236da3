"""What can be wrong with one landing object, and what its reader is told."""

import datetime as dt
import io

import dataframely as dy
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.data.landing import Layout, read_landing, read_many, refusal
from ml_platform.data.landing_formats import Reading
from ml_platform.data.source_objects import missing_object
from ml_platform.data.sources import Arrived, Part
from ml_platform.errors import (
    LandingColumnsError,
    LandingError,
    LandingObjectEmptyError,
    LandingObjectUnreadableError,
    LandingPartitionError,
)
from ml_platform_tests.data.departures import DAILY, DEPARTURES, HEADER, NEW_YEAR, ROWS, RawDepartures, arrived, read

NAME = "departures/2013-01-01.csv"


def test_an_object_becomes_a_frame_of_its_contract_stamped_with_its_day() -> None:
    frame = read(DEPARTURES).frame
    assert frame.schema["due_at"] == pl.Datetime("us", "UTC")
    assert frame["delay"].to_list() == [11.0, None, -18.0]
    assert frame["landing_day"].to_list() == [NEW_YEAR] * 3
    assert frame.drop("landing_day").columns == RawDepartures.column_names()


def test_true_and_false_are_read_in_any_case_and_nothing_else_is_either() -> None:
    class RawGates(dy.Schema):
        is_open = dy.Bool(nullable=True)

    def opened(text: str) -> list[bool | None]:
        part = Part("gates.csv", f"is_open\n{text}\n".encode())
        return read_landing(Arrived(part.name, None, (part,)), Layout(RawGates)).frame["is_open"].to_list()

    assert opened("true\nFALSE\nNA") == [True, False, None]
    with pytest.raises(LandingObjectUnreadableError, match="first 'yes' in line 2"):
        opened("yes")


def test_an_object_is_identified_by_the_hash_and_size_of_its_bytes() -> None:
    same, other = read(DEPARTURES), read(DEPARTURES.replace(b"1545", b"1546"))
    assert same.sha256 == read(DEPARTURES).sha256 != other.sha256
    assert same.size_bytes == len(DEPARTURES)


@pytest.mark.parametrize(("data", "got"), [(b"", "0 bytes"), (HEADER, "columns and no row")])
def test_an_object_without_a_row_is_empty(data: bytes, got: str) -> None:
    with pytest.raises(LandingObjectEmptyError, match=f"{NAME} is empty.*got {got}.*published before stands"):
        read(data)


def test_a_missing_column_is_named_with_the_one_it_may_have_become() -> None:
    with pytest.raises(LandingColumnsError, match=r"'delay' missing \(is it 'dalay'\?\), 'dalay' not declared"):
        read(DEPARTURES.replace(b"delay", b"dalay"))


def test_every_missing_and_every_extra_column_is_listed() -> None:
    data = b"year,month,day,carrier,gate,terminal\n2013,1,1,UA,B7,C\n"
    with pytest.raises(LandingColumnsError) as caught:
        read(data)
    assert caught.value.got == (
        "6: 'flight' missing, 'delay' missing, 'due_at' missing, 'gate' not declared, 'terminal' not declared"
    )
    assert "expected its 7 columns" in str(caught.value).lower()
    assert "RawDepartures in the use case's contract.py" in caught.value.remedy


def test_a_column_named_twice_is_refused() -> None:
    with pytest.raises(LandingColumnsError, match=r"names a column twice. Got the same name for columns 5, 6"):
        read(DEPARTURES.replace(b"delay", b"flight"))


def test_the_order_of_columns_does_not_matter() -> None:
    shuffled = read(DEPARTURES).frame.drop("landing_day").select(reversed(RawDepartures.column_names()))
    data = shuffled.write_csv(null_value="NA", datetime_format="%Y-%m-%dT%H:%M:%SZ").encode()
    assert read(data).frame.equals(read(DEPARTURES).frame)


def test_values_of_another_type_are_counted_and_the_first_is_shown_with_its_line() -> None:
    data = DEPARTURES.replace(b",7,", b",seven,").replace(b"725", b"72.5").replace(b"10:15:00Z", b"10:15")
    with pytest.raises(LandingObjectUnreadableError) as caught:
        read(data)
    assert "'flight' is Int64, 2 values are not, first 'seven' in line 3" in str(caught.value)
    assert "'due_at' is Datetime(time_unit='us', time_zone='UTC'), 1 value is not" in str(caught.value)
    assert "got 2 of 7 columns" in str(caught.value)


def test_a_line_is_counted_as_an_editor_counts_it() -> None:
    data = DEPARTURES.replace(b",UA,", b',"U\nA",').replace(b",725,", b",?,")
    with pytest.raises(LandingObjectUnreadableError, match=r"first '\?' in line 5"):
        read(data)


@given(cut=st.integers(1, len(DEPARTURES) - 1).filter(lambda cut: DEPARTURES[cut - 1 : cut] != b"\n"))
def test_an_object_cut_anywhere_inside_a_line_is_refused(cut: int) -> None:
    with pytest.raises(LandingError):
        read(DEPARTURES[:cut])


def test_an_object_cut_inside_its_last_line_is_truncated() -> None:
    with pytest.raises(
        LandingObjectUnreadableError, match=r"truncated in line 4.*7 fields and a newline; got 6 fields"
    ):
        read(DEPARTURES[:-22])


def test_an_object_cut_inside_a_quoted_field_is_unreadable() -> None:
    with pytest.raises(
        LandingObjectUnreadableError, match=r"cannot be read as CSV at line 4. Got unexpected end of data"
    ):
        read(DEPARTURES[:-21] + b'"2013')


def test_lines_with_another_number_of_fields_are_counted() -> None:
    with pytest.raises(
        LandingObjectUnreadableError, match=r"has 2 of 3 lines with.*got 8 in line 2|8 fields in line 2"
    ):
        read(DEPARTURES.replace(b"UA,", b"UA,,").replace(b"AA,", b"AA,,"))


def test_bytes_that_are_no_text_are_told_with_their_line() -> None:
    with pytest.raises(LandingObjectUnreadableError, match=r"is not text. Expected UTF-8; got byte 0xff in line 3"):
        read(DEPARTURES.replace(b"AA", b"\xff"))


def test_rows_of_other_days_are_counted_by_day() -> None:
    data = DEPARTURES + ROWS.replace(b"2013,1,1,", b"2013,1,2,") + b"2013,NA,1,UA,1,2,2013-01-01T10:15:00Z\n"
    with pytest.raises(LandingPartitionError) as caught:
        read(data)
    assert f"{NAME} holds 4 of 7 rows of another day" in str(caught.value)
    assert caught.value.expected == "only 2013-01-01 in year, month, day"
    assert caught.value.got == "3 of 2013-01-02; 1 of 2013-null-01"


def test_one_date_column_can_say_the_day() -> None:
    layout = Layout(RawDepartures, partition_columns=("due_at",))
    assert read(DEPARTURES, layout).frame.height == 3
    with pytest.raises(LandingPartitionError, match="got 1 of 2013-01-02"):
        read(DEPARTURES.replace(b"2013-01-01T12", b"2013-01-02T12"), layout)


def test_several_bad_objects_are_told_in_one_error() -> None:
    days = [NEW_YEAR + dt.timedelta(days=n) for n in range(3)]
    objects = [arrived(f"{day}.csv", day, data) for day, data in zip(days, (DEPARTURES, b"", ROWS), strict=True)]
    errors = list(read_many(objects, DAILY).errors.values())
    told = str(refusal(errors, tried=3))
    assert "2 of 3 landing objects cannot be ingested" in told
    assert "(1) 2013-01-02.csv is empty; (2)" in told


def test_one_bad_object_of_several_has_its_own_error_and_the_others_are_read() -> None:
    batch = read_many([arrived("a", NEW_YEAR, DEPARTURES), arrived("b", NEW_YEAR, b"")], DAILY)
    assert (list(batch.objects), list(batch.errors)) == (["a"], ["b"])
    assert isinstance(refusal(list(batch.errors.values()), tried=2), LandingObjectEmptyError)


def test_objects_are_read_in_the_order_given() -> None:
    second = arrived("b", dt.date(2013, 1, 2), DEPARTURES.replace(b"2013,1,1", b"2013,1,2"))
    batch = read_many([second, arrived("a", NEW_YEAR, DEPARTURES)], DAILY)
    assert batch.frame["day"].to_list() == [2, 2, 2, 1, 1, 1]
    assert list(batch.objects) == ["b", "a"]


def test_no_object_makes_an_empty_frame_of_the_same_columns() -> None:
    assert read_many([], DAILY).frame.schema == read(DEPARTURES).frame.schema


def test_a_missing_object_says_how_to_declare_that_there_is_none() -> None:
    assert "days_without_object" in str(missing_object(NAME, "day"))
    assert "`ml-platform keys remove` takes one away" in str(missing_object(NAME, "key"))


def test_a_parquet_value_that_the_declared_type_cannot_hold_is_of_another_type() -> None:
    file = io.BytesIO()
    read(DEPARTURES).frame.drop("landing_day").with_columns(flight=pl.lit(7.5)).write_parquet(file)
    with pytest.raises(LandingObjectUnreadableError, match=r"'flight' is Int64, 3 values are not, first 7.5 in row 1"):
        read(file.getvalue(), DAILY._replace(reading=Reading("parquet")))


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1).filter(
    lambda text: text != "NA"
)
ROW = st.tuples(TEXT, st.integers(-(2**63), 2**63 - 1), st.none() | st.floats(allow_nan=False, allow_infinity=False))


@given(st.lists(ROW, min_size=1, max_size=8))
def test_what_was_written_as_csv_is_read_back_equal(rows: list[tuple[str, int, float | None]]) -> None:
    columns = {"carrier": pl.String, "flight": pl.Int64, "delay": pl.Float64}
    written = pl.DataFrame(rows, schema=columns, orient="row").with_columns(
        pl.lit(2013).alias("year"), month=1, day=1, due_at=pl.lit(dt.datetime(2013, 1, 1, 12, tzinfo=dt.UTC))
    )
    data = written.write_csv(null_value="NA", datetime_format="%Y-%m-%dT%H:%M:%SZ").encode()
    found = read_landing(arrived(NAME, NEW_YEAR, data), DAILY._replace(stamped=None)).frame
    assert found.equals(written.select(found.columns).cast(dict(found.schema)))
