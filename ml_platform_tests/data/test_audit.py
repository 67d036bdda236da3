"""What the audit accepts and refuses, and how a refusal is told."""

import datetime as dt
import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.data.audit import Audited, Conservation, Quarantine, audit, violation
from ml_platform.errors import ContractViolatedError, DefinitionError, PartitionMismatchError
from ml_platform_tests.data.departures import NEW_YEAR, Departures, departures

SECOND = dt.date(2013, 1, 2)


def audited(frame: pl.DataFrame, *, reject_above: float = 0.5) -> Audited:
    return audit(
        frame, Departures, table="departures/clean", partition_column="service_date", reject_above=reject_above
    )


def told(result: Audited, *, reject_above: float) -> ContractViolatedError | None:
    return violation(
        result,
        table="departures/clean",
        landed_as="departures/{day}.csv",
        quarantine="departures/quarantine",
        reject_above=reject_above,
        standing="version 41",
        where="use_cases/departures/data/defs.yaml",
    )


def test_good_rows_are_accepted_in_the_order_they_came() -> None:
    frame = departures((SECOND, "UA", 2, 5), (NEW_YEAR, "UA", 1, None))
    result = audited(frame)
    assert result.accepted.equals(frame)
    assert (result.refused.height, result.overfull) == (0, ())


def test_a_refused_row_is_kept_whole_with_every_rule_that_it_broke() -> None:
    refused = audited(departures((NEW_YEAR, "UNITED", 0, 9_999))).refused.row(0, named=True)
    assert refused["partition"] == "2013-01-01"
    assert refused["broken_rules"] == "carrier|max_length, delay_is_plausible, flight|min"
    assert json.loads(refused["row_key"]) == {"service_date": "2013-01-01", "carrier": "UNITED", "flight": 0}
    assert json.loads(refused["row"])["delay_minutes"] == 9_999


def test_all_rows_of_a_repeated_key_are_refused() -> None:
    result = audited(departures((NEW_YEAR, "UA", 1, 5), (NEW_YEAR, "UA", 1, 6), (NEW_YEAR, "UA", 2, 5)))
    assert result.accepted["flight"].to_list() == [2]
    assert result.refused_by_rule == {"primary_key": 2}


def test_rows_are_counted_by_partition() -> None:
    result = audited(departures((SECOND, "UA", 0, 5), (NEW_YEAR, "UA", 1, 5), (NEW_YEAR, "UA", 2, 5)))
    counted = [(count.partition, count.rows_in, count.accepted, count.refused) for count in result.partitions]
    assert counted == [("2013-01-01", 2, 2, 0), ("2013-01-02", 1, 0, 1)]
    assert result.partitions[1].refused_by_rule == {"flight|min": 1}


def test_a_partition_over_the_limit_is_refused_with_its_counts_limit_and_remedy() -> None:
    rows = [(NEW_YEAR, "UA", number, 9_999 if number <= 2 else 5) for number in range(1, 26)]
    error = told(audited(departures(*rows), reject_above=0.05), reject_above=0.05)
    assert str(error) == (
        "departures/clean 2013-01-01 refused 2 of 25 rows (8 %, limit 5 %), 2 by 'delay_is_plausible'. "
        "Nothing was published; version 41 stands. The rows are in departures/quarantine. "
        "Have the upstream land a corrected departures/2013-01-01.csv and start a new run "
        "(a retry reads the same rows), or raise reject_above in use_cases/departures/data/defs.yaml."
    )


def test_as_many_refused_as_the_limit_allows_are_no_violation() -> None:
    result = audited(departures((NEW_YEAR, "UA", 1, 5), (NEW_YEAR, "UA", 0, 5)), reject_above=0.5)
    assert told(result, reject_above=0.5) is None


def test_every_partition_over_the_limit_is_counted_and_the_first_are_listed() -> None:
    days = [NEW_YEAR + dt.timedelta(days=n) for n in range(8)]
    rows = [(day, "UA", number, 5) for day in days for number in (0 if day > NEW_YEAR else 2, 1)]
    message = str(told(audited(departures(*rows), reject_above=0.1), reject_above=0.1))
    assert (
        "refused too many rows in 7 of 8 partitions, 7 by 'flight|min': 2013-01-02 1 of 2 rows (50 %, limit 10 %)"
        in message
    )
    assert "2013-01-06" in message
    assert "2013-01-07" not in message
    assert "; and 2 more." in message


def test_a_table_without_partitions_is_audited_as_a_whole() -> None:
    frame = departures((NEW_YEAR, "UA", 0, 5))
    result = audit(frame, Departures, table="departures/all", partition_column=None, reject_above=0)
    assert [count.partition for count in result.overfull] == ["all"]
    assert result.refused["partition"].to_list() == ["all"]


def test_a_frame_without_a_column_of_the_contract_is_a_definition_error() -> None:
    with pytest.raises(
        DefinitionError, match=r"departures/clean did not return what Departures declares.*'flight'\."
    ) as caught:
        audited(departures().drop("flight"))
    assert "plan" not in str(caught.value)


def test_a_row_without_a_day_has_no_partition() -> None:
    with pytest.raises(PartitionMismatchError, match="1 of 2 rows for departures/clean have no 'service_date'"):
        audited(departures((None, "UA", 1, 5), (NEW_YEAR, "UA", 1, 5)))


def test_a_row_that_is_lost_without_a_declaration_is_told() -> None:
    Conservation(rows_in=10, published=7, quarantined=1, dropped=2).check("departures/clean")
    with pytest.raises(DefinitionError, match=r"departures/clean lost 2 rows.*7 published, 1 quarantined"):
        Conservation(rows_in=10, published=7, quarantined=1).check("departures/clean")
    with pytest.raises(DefinitionError, match="gained 1 rows"):
        Conservation(rows_in=1, published=2, quarantined=0).check("departures/clean")


ROW = st.tuples(
    st.sampled_from([NEW_YEAR, SECOND]),
    st.sampled_from(["UA", "AA", "UNITED"]) | st.none(),
    st.integers(-1, 3),
    st.none() | st.integers(-3_000, 6_000),
)


@given(st.lists(ROW, max_size=30))
def test_every_row_is_accepted_or_refused_once(rows: list[tuple[dt.date, str, int, int | None]]) -> None:
    frame = departures(*rows)
    result = audited(frame)
    back = (
        result.refused.select(pl.col("row").str.json_decode(dict_dtype())).unnest("row")
        if result.refused.height
        else None
    )
    together = pl.concat([result.accepted, back]) if back is not None else result.accepted
    assert together.sort(together.columns).equals(frame.sort(frame.columns))
    assert sum(count.rows_in for count in result.partitions) == result.rows_in == frame.height


@given(st.lists(ROW, max_size=30), st.randoms())
def test_the_order_of_rows_changes_neither_part(rows: list[tuple[dt.date, str, int, int | None]], random) -> None:  # noqa: ANN001
    shuffled = list(rows)
    random.shuffle(shuffled)
    one, other = audited(departures(*rows)), audited(departures(*shuffled))
    assert one.refused.equals(other.refused)
    assert one.partitions == other.partitions
    assert one.accepted.sort(one.accepted.columns).equals(other.accepted.sort(other.accepted.columns))


@given(st.lists(ROW, max_size=10))
def test_refused_rows_hold_to_the_contract_of_the_quarantine(rows: list[tuple[dt.date, str, int, int | None]]) -> None:
    assert Quarantine.is_valid(audited(departures(*rows)).refused)


def dict_dtype() -> pl.Struct:
    return pl.Struct({name: column.dtype for name, column in Departures.columns().items()})
