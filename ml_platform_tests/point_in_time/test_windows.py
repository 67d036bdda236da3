"""The toolbox against sums done by hand and by brute force."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.errors import DefinitionError
from ml_platform.point_in_time.windows import AsOf, Events

START = datetime(2013, 1, 10, tzinfo=UTC)
INSTANT = pl.Datetime("us", "UTC")
EVENTS = pl.Schema({"who": pl.String(), "known_at": INSTANT, "closed_at": INSTANT, "amount": pl.Int64()})
ROWS = pl.Schema({"who": pl.String(), "at": INSTANT})
HOUR = timedelta(hours=1)

instants = st.integers(0, 300).map(lambda minutes: START + timedelta(minutes=minutes))
event = st.tuples(st.sampled_from("abc"), instants | st.none(), instants | st.none(), st.integers(-9, 99) | st.none())
events_of = st.lists(event, max_size=30).map(lambda rows: pl.DataFrame(rows, schema=EVENTS, orient="row"))
rows_of = st.lists(st.tuples(st.sampled_from("abcd"), instants), max_size=12).map(
    lambda rows: pl.DataFrame(rows, schema=ROWS, orient="row")
)


def at(minutes: int) -> datetime:
    """Minutes after the start."""
    return START + timedelta(minutes=minutes)


def three_events() -> pl.DataFrame:
    """One entity: 10 known at minute 0, 20 at minute 30, 40 at minute 60; all closed at minute 90."""
    known = [("a", at(minutes), at(90), amount) for minutes, amount in ((0, 10), (30, 20), (60, 40))]
    return pl.DataFrame(known, schema=EVENTS, orient="row")


def ask(*minutes: int) -> pl.DataFrame:
    """Rows of entity a at these minutes."""
    return pl.DataFrame([("a", at(m)) for m in minutes], schema=ROWS, orient="row")


def found(rows: pl.DataFrame, question: str, events: pl.DataFrame, asked: Mapping[str, Any], **of: Any) -> pl.DataFrame:
    """What a question adds to the rows; it is asked by entity, unless said otherwise."""
    answered = AsOf(rows, at="at")
    getattr(answered, question)(Events(events, "known_at", **{"by": ["who"], **of}), **asked)
    return answered.frame().drop(rows.columns)


def sums(rows: pl.DataFrame, events: pl.DataFrame, width: timedelta = HOUR, **of: Any) -> pl.DataFrame:
    """Counts and amounts over the last hour."""
    measures = {"count": pl.col("who").is_not_null(), "amount": pl.col("amount")}
    return found(rows, "window_sums", events, {"measures": measures, "widths": {"1h": width}}, **of)


def means(rows: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Mean amounts over the last hour."""
    return found(rows, "window_means", events, {"measures": {"amount": pl.col("amount")}, "widths": {"1h": HOUR}})


def latest(rows: pl.DataFrame, events: pl.DataFrame, **of: Any) -> list[int | None]:
    """The last known amount of each row, at most an hour old."""
    asked = {"columns": {"last": "amount"}, "max_age": HOUR}
    return found(rows, "last_known", events, asked, **of)["last"].to_list()


def still_open(rows: pl.DataFrame, events: pl.DataFrame, **of: Any) -> list[tuple[int, int]]:
    """Events open for at most two hours, and their minutes."""
    asked = {"closed_at": "closed_at", "longest": 2 * HOUR, "names": ("count", "minutes")}
    return found(rows, "open_intervals", events, asked, **of).rows()


def test_a_window_has_its_end_and_not_its_start() -> None:
    assert sums(ask(59, 60), three_events()).rows() == [(2, 30), (2, 60)]


def test_without_columns_all_events_are_one_entity() -> None:
    assert sums(ask(60), three_events(), 2 * HOUR, by=()).to_dicts() == [{"count_1h": 3, "amount_1h": 70}]


def test_events_may_be_known_later_than_they_say() -> None:
    later = {"after": timedelta(minutes=10)}
    assert sums(ask(69, 70), three_events(), **later).rows() == [(2, 30), (2, 60)]
    assert latest(ask(39, 70), three_events(), **later) == [10, 40]
    assert still_open(ask(9, 45, 90), three_events(), **later) == [(0, 0), (2, 40), (0, 0)]


def test_events_of_a_date_may_be_known_some_hours_after_it_begins() -> None:
    dated, asked = three_events().with_columns(known_at=pl.lit(START.date())), ask(239, 240)
    assert sums(asked, dated, after=timedelta(hours=4))["count_1h"].to_list() == [0, 3]


def test_what_is_found_takes_the_place_of_a_column_of_the_rows() -> None:
    for minutes in ((60,), (60, 61)):
        rows = ask(*minutes).with_columns(last=pl.lit(-1))
        asked = AsOf(rows, at="at")
        asked.last_known(Events(three_events(), "known_at"), columns={"last": "amount"}, max_age=HOUR)
        assert asked.frame().columns == rows.columns
        assert asked.frame().select("who", "last").rows() == [("a", 40)] * len(minutes)


def test_two_questions_that_add_the_same_column_are_refused() -> None:
    for rows in (ask(60), ask(60, 61)):
        asked, events = AsOf(rows, at="at"), Events(three_events(), "known_at")
        asked.last_known(events, columns={"amount_1h": "amount"}, max_age=HOUR)
        with pytest.raises(DefinitionError, match="Two questions to the history add a column 'amount_1h'"):
            asked.window_sums(events, measures={"amount": pl.col("amount")}, widths={"1h": HOUR})


@pytest.mark.parametrize("zone", ["America/New_York", None])
def test_both_ends_of_an_interval_may_be_of_any_time_zone(zone: str | None) -> None:
    ends = pl.col("known_at", "closed_at")
    local = three_events().with_columns(ends.dt.convert_time_zone(zone) if zone else ends.dt.replace_time_zone(None))
    assert still_open(ask(45, 89), local) == still_open(ask(45, 89), three_events()) == [(2, 60), (3, 177)]


def test_an_event_of_the_row_itself_is_counted_whenever_it_is_known() -> None:
    asked = AsOf(pl.concat([ask(0), ask(0).with_columns(who=pl.lit("b"))]), at="at")
    asked.same_entity(three_events(), by=["who"], name="alike")
    assert asked.frame()["alike"].to_list() == [3, 0]


def test_the_last_known_value_expires() -> None:
    assert latest(ask(29, 60, 119, 120), three_events()) == [10, 40, 40, None]


def test_an_event_is_open_until_it_is_closed() -> None:
    assert still_open(ask(-1, 45, 89, 90), three_events()) == [(0, 0), (2, 60), (3, 177), (0, 0)]


def test_an_event_that_never_closes_is_given_up() -> None:
    never = three_events().head(1).with_columns(closed_at=pl.lit(None, dtype=INSTANT))
    assert still_open(ask(119, 120), never) == [(1, 119), (0, 0)]


def test_a_sum_of_fractions_is_refused() -> None:
    fractions = three_events().with_columns(pl.col("amount").cast(pl.Float64))
    with pytest.raises(DefinitionError, match="Measure 'amount' of a window is Float64"):
        sums(ask(1), fractions)


def test_more_entities_than_a_timeline_holds_are_refused() -> None:
    number = pl.int_range(400_000)
    apart = pl.lit(at(0)) + pl.duration(days=(number % 2) * 60_000)
    many = pl.select(who=number.cast(pl.String), known_at=apart.cast(INSTANT), amount=number)
    with pytest.raises(DefinitionError, match="do not fit one timeline"):
        sums(ask(0), many)


@given(rows_of, events_of)
def test_windows_equal_brute_force(rows: pl.DataFrame, events: pl.DataFrame) -> None:
    expected = []
    for row in rows.to_dicts():
        seen = [e["amount"] or 0 for e in events.to_dicts() if _in_window(e, row)]
        expected.append((len(seen), sum(seen)))
    assert sums(rows, events).rows() == expected
    assert means(rows, events)["amount_1h"].to_list() == [total / n if n else None for n, total in expected]


@given(rows_of, events_of)
def test_each_row_alone_is_answered_as_among_others(rows: pl.DataFrame, events: pl.DataFrame) -> None:
    for question in (sums, means):
        alone = [question(row, events) for row in rows.iter_slices(1)]
        assert pl.concat([question(rows.clear(), events), *alone]).equals(question(rows, events))
    assert [value for row in rows.iter_slices(1) for value in latest(row, events)] == latest(rows, events)
    assert [each for row in rows.iter_slices(1) for each in still_open(row, events)] == still_open(rows, events)


@given(rows_of, events_of)
def test_last_known_values_equal_brute_force(rows: pl.DataFrame, events: pl.DataFrame) -> None:
    expected = []
    for row in rows.to_dicts():
        seen = [(e["known_at"], e["amount"] is not None, e["amount"]) for e in events.to_dicts() if _in_window(e, row)]
        expected.append(max(seen)[2] if seen else None)
    assert latest(rows, events) == expected


@given(rows_of, events_of)
def test_open_intervals_equal_brute_force(rows: pl.DataFrame, events: pl.DataFrame) -> None:
    expected = []
    for row in rows.to_dicts():
        ages = [(row["at"] - e["known_at"]) // timedelta(minutes=1) for e in events.to_dicts() if _is_open(e, row)]
        expected.append((len(ages), sum(ages)))
    assert still_open(rows, events) == expected


@given(rows_of, events_of, st.randoms(use_true_random=False))
def test_the_order_of_events_does_not_matter(rows: pl.DataFrame, events: pl.DataFrame, random: Random) -> None:
    shuffled = events.sample(fraction=1, shuffle=True, seed=random.randrange(2**32))
    assert sums(rows, shuffled).equals(sums(rows, events))
    assert latest(rows, shuffled) == latest(rows, events)
    assert still_open(rows, shuffled) == still_open(rows, events)


def _in_window(event: dict[str, Any], row: dict[str, Any]) -> bool:
    known, now = event["known_at"], row["at"]
    return event["who"] == row["who"] and known is not None and now - HOUR < known <= now


def _is_open(event: dict[str, Any], row: dict[str, Any]) -> bool:
    opened, closed, now = event["known_at"], event["closed_at"], row["at"]
    if event["who"] != row["who"] or opened is None:
        return False
    return bool(opened <= now < opened + 2 * HOUR and (closed is None or now < closed))
