"""Bike demand: hours that clocks skip or repeat, closed hours, and features that know nothing of tomorrow."""

import datetime as dt
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.point_in_time.audit import LookBack, audit_knowledge
from ml_platform.point_in_time.features import KnownTable, build_features
from ml_platform.use_cases.bike_demand.cleaning import clean_rides, demand_labels
from ml_platform.use_cases.bike_demand.contract import DemandFeatures, DemandLabels, HourlyRides
from ml_platform.use_cases.bike_demand.features import add_calendar, demand_features, prediction_at

KEY = ["local_date", "local_hour"]
SPRING_FORWARD, FALL_BACK = dt.date(2014, 3, 9), dt.date(2014, 11, 2)
MONDAY = dt.date(2015, 6, 1)


def raw_hours(first: dt.date, days: int, rides: Sequence[int] | None = None) -> pl.DataFrame:
    """Whole days of the source's grid, 24 rows on each; in the hour numbered n from the start, n rides unless given."""
    hours = [dt.datetime.combine(first, dt.time()) + dt.timedelta(hours=hour) for hour in range(24 * days)]
    return pl.DataFrame(
        {
            "date": [hour.date() for hour in hours],
            "ts": [str(hour) for hour in hours],
            "count": list(rides if rides is not None else range(24 * days)),
            "tmin": [float(hour.day) for hour in hours],
            "tmax": [hour.day + 10.0 for hour in hours],
            "pn": [0.0] * len(hours),
        }
    )


def clean_hours(first: dt.date, days: int, rides: Sequence[int] | None = None) -> pl.DataFrame:
    """The hours that the contract accepts."""
    return HourlyRides.filter(clean_rides(raw_hours(first, days, rides).lazy()).collect())[0]


def features(hours: pl.DataFrame, of: pl.DataFrame | None = None) -> pl.DataFrame:
    """The features of the hours `of`, or of all, as the platform builds them."""
    known = KnownTable(hours, HourlyRides)
    spine = known if of is None else KnownTable(of, HourlyRides)
    return build_features(demand_features, spine=spine, inputs={"rides": known}, prediction_at=prediction_at)


def random_hours(days: int, seed: int) -> pl.DataFrame:
    """Days from a Monday on, with as many rides as it happens; some daytime hours without any."""
    random = np.random.default_rng(seed)
    return clean_hours(
        MONDAY, days, [int(n) for n in random.integers(0, 400, 24 * days) * (random.random(24 * days) > 0.05)]
    )


def test_the_hour_that_clocks_skip_is_refused() -> None:
    accepted, failures = HourlyRides.filter(clean_rides(raw_hours(SPRING_FORWARD, 1).lazy()).collect())
    assert (accepted.height, failures.counts()) == (23, {"hour_started_at|nullability": 1})
    steps = accepted["hour_started_at"].diff().drop_nulls().unique().to_list()
    assert steps == [dt.timedelta(hours=1)]


def test_of_the_hour_that_comes_twice_the_one_row_is_the_first() -> None:
    hours = clean_hours(FALL_BACK, 1)
    started = dict(zip(hours["local_hour"], hours["hour_started_at"], strict=True))
    assert hours.height == 24
    assert started[2] - started[1] == dt.timedelta(hours=2)
    assert hours["day_ended_at"].unique().item() - started[0] == dt.timedelta(hours=25)


def test_an_hour_of_daytime_without_a_ride_is_closed_and_one_at_night_is_not() -> None:
    hours = clean_hours(MONDAY, 1, [0 if hour in (3, 12) else 5 for hour in range(24)])
    assert hours.filter("is_closed")["local_hour"].to_list() == [12]


def test_closed_hours_have_no_label_nor_have_empty_nights_of_a_closed_day() -> None:
    hours = clean_hours(MONDAY, 2, [0 if hour in (3, 12, 27) else 5 for hour in range(48)])
    labels = DemandLabels.validate(demand_labels(hours.lazy()).collect())
    assert labels.height == 46
    assert labels.filter(pl.col("rides") == 0).select(KEY).rows() == [(MONDAY + dt.timedelta(days=1), 3)]


def test_a_day_is_predicted_at_six_in_the_morning_of_the_day_before_summer_and_winter() -> None:
    at = features(pl.concat([clean_hours(MONDAY, 1), clean_hours(dt.date(2015, 1, 5), 1)]))["prediction_at"]
    assert sorted({str(instant) for instant in at}) == ["2015-01-04 11:00:00+00:00", "2015-05-31 10:00:00+00:00"]


def test_what_is_known_of_the_same_hour_ends_at_six_the_day_before() -> None:
    hours = clean_hours(MONDAY, 10)
    last = features(hours).filter(pl.col("local_date") == MONDAY + dt.timedelta(days=9))
    by_hour = dict(zip(last["local_hour"], last["rides_same_hour_last_known"], strict=True))
    assert by_hour[5] == 8 * 24 + 5
    assert by_hour[6] == 7 * 24 + 6
    assert last["rides_same_hour_last_week"].to_list() == [2 * 24 + hour for hour in range(24)]


def test_weather_is_that_of_the_last_day_that_was_over() -> None:
    last = features(clean_hours(MONDAY, 5)).filter(pl.col("local_date") == MONDAY + dt.timedelta(days=4))
    assert last["lowest_celsius_last_known"].unique().to_list() == [3.0]


def test_closed_hours_are_in_no_mean() -> None:
    rides = [0 if hour == 12 else 24 for hour in range(24)] + [24] * 48
    assert set(features(clean_hours(MONDAY, 3, rides))["rides_7d"].drop_nulls()) == {24.0}


@pytest.mark.parametrize("seed", [0, 1])
def test_no_feature_changes_when_the_future_is_hidden(seed: int) -> None:
    hours = random_hours(12, seed)
    known = {"rides": KnownTable(hours, HourlyRides)}
    found = audit_knowledge(
        demand_features,
        built=features(hours),
        key=KEY,
        spine=KnownTable(hours, HourlyRides),
        inputs=known,
        prediction_at=prediction_at,
        cuts=8,
        look_back=LookBack("local_date", 58),
    )
    assert found.rows_compared > 0
    assert found.leaks == ()


@given(st.integers(0, 100))
@settings(max_examples=5, deadline=None)
def test_row_order_does_not_matter_and_a_day_alone_equals_it_among_others(seed: int) -> None:
    hours = random_hours(10, seed)
    whole, day = features(hours), MONDAY + dt.timedelta(days=9)
    shuffled = features(hours.sample(fraction=1, shuffle=True, seed=seed))
    assert shuffled.sort(KEY).equals(whole.sort(KEY))
    alone = features(hours, of=hours.filter(pl.col("local_date") == day))
    assert alone.equals(whole.filter(pl.col("local_date") == day))


def test_features_keep_their_contract() -> None:
    assert DemandFeatures.validate(features(random_hours(3, 0))).height == 72


@pytest.mark.parametrize(
    ("day", "is_holiday"),
    [
        (dt.date(2015, 1, 1), True),
        (dt.date(2015, 5, 25), True),
        (dt.date(2015, 5, 18), False),
        (dt.date(2015, 11, 26), True),
        (dt.date(2016, 12, 26), True),  # a Monday after a Sunday
        (dt.date(2015, 7, 3), False),
    ],
)
def test_federal_holidays_are_found_by_the_calendar(day: dt.date, is_holiday: bool) -> None:
    hours = clean_hours(day, 1).with_columns(prediction_at=pl.col("hour_started_at"), weekday=day.isoweekday())
    assert add_calendar(hours)["is_holiday"].unique().to_list() == [is_holiday]
