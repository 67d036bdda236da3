"""What was known of an hour's demand at six in the morning of the day before, as numbers.

Belongs here: which features there are. Does not: how a value known by then is found (`point_in_time.windows`).

Nothing looks back further than 56 days before the prediction: 58 local days of history before the first day to build
give the same features as all of it.
"""

from datetime import timedelta

import polars as pl

from ml_platform.point_in_time.windows import known_window_sums, last_known
from ml_platform.use_cases.bike_demand.cleaning import NEW_YORK
from ml_platform.use_cases.bike_demand.contract import DemandFeatures

SAME_HOUR, SAME_HOUR_OF_WEEK = ("local_hour",), ("weekday", "local_hour")
WINDOWS: tuple[tuple[str, tuple[str, ...], tuple[int, ...]], ...] = (
    ("rides_same_hour", SAME_HOUR, (7, 28)),
    ("rides_same_hour_of_week", SAME_HOUR_OF_WEEK, (28, 56)),
    ("rides", (), (1, 7, 28)),
)
LONGEST_GAP = timedelta(days=15)
WEATHER = ("lowest_celsius", "highest_celsius", "precipitation_millimetres")


def prediction_at() -> pl.Expr:
    """Six in the morning, New York clock, of the day before."""
    clock = pl.col("local_date").cast(pl.Datetime("us")).dt.offset_by("-18h")
    return clock.dt.replace_time_zone(NEW_YORK).dt.convert_time_zone("UTC")


def demand_features(rows: pl.DataFrame, *, rides: pl.DataFrame) -> pl.DataFrame:
    """One row of `DemandFeatures` for each of `rows`, in their order; `rides` are their days and the 58 before."""
    asked, history = with_weekday(rows), with_weekday(rides)
    taken = history.filter(pl.col("rides").is_not_null() & ~pl.col("is_closed"))
    taken = taken.with_columns(known_at=pl.col("hour_started_at").dt.offset_by("1h"))
    groups = [
        add_calendar(asked),
        last_rides(asked, taken, "rides_same_hour_last_known", SAME_HOUR),
        last_rides(asked, taken, "rides_same_hour_last_week", SAME_HOUR_OF_WEEK),
        *(mean_rides(asked, taken, *windows) for windows in WINDOWS),
        last_weather(asked, history),
    ]
    features = {name: column.dtype for name, column in DemandFeatures.columns().items()}
    return pl.concat(groups, how="horizontal").select(pl.col(name).cast(dtype) for name, dtype in features.items())


def with_weekday(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with the day of the week of their date; Monday is 1."""
    return rows.with_columns(weekday=pl.col("local_date").dt.weekday())


def add_calendar(rows: pl.DataFrame) -> pl.DataFrame:
    """The key and prediction time of each row, with what the calendar alone tells."""
    day = pl.col("local_date")
    return rows.select(
        "local_date",
        "local_hour",
        "prediction_at",
        "weekday",
        day_of_year=day.dt.ordinal_day(),
        is_holiday=is_observed(day) | (is_observed(day.dt.offset_by("-1d")) & (day.dt.weekday() == 1)),
    )


def is_observed(day: pl.Expr) -> pl.Expr:
    """True on a federal holiday of the United States; one on a Sunday is observed on the Monday after it as well."""
    month, of_month, weekday = day.dt.month(), day.dt.day(), day.dt.weekday()
    on_a_date = pl.any_horizontal((month == m) & (of_month == d) for m, d in ((1, 1), (7, 4), (11, 11), (12, 25)))
    mondays = {1: (15, 21), 2: (15, 21), 5: (25, 31), 9: (1, 7), 10: (8, 14)}
    on_a_monday = pl.any_horizontal((month == m) & of_month.is_between(*days) for m, days in mondays.items())
    is_thanksgiving = (month == 11) & of_month.is_between(22, 28) & (weekday == 4)
    return on_a_date | (on_a_monday & (weekday == 1)) | is_thanksgiving


def last_rides(rows: pl.DataFrame, taken: pl.DataFrame, name: str, by: tuple[str, ...]) -> pl.DataFrame:
    """Rides of the last hour alike that was over by then."""
    found = last_known(
        rows, taken, by=by, at="prediction_at", known_at="known_at", columns=("rides",), max_age=LONGEST_GAP
    )
    return found.select(pl.col("rides").alias(name))


def mean_rides(
    rows: pl.DataFrame, taken: pl.DataFrame, name: str, by: tuple[str, ...], days: tuple[int, ...]
) -> pl.DataFrame:
    """Mean rides of the hours alike that were over by then, for each width in days."""
    widths = {f"{each}d": timedelta(days=each) for each in days}
    sums = known_window_sums(
        rows, taken, by=by, at="prediction_at", known_at="known_at", measures=("rides",), widths=widths
    )
    return sums.select(
        pl.when(pl.col(f"count_{width}") > 0)
        .then(pl.col(f"rides_{width}") / pl.col(f"count_{width}"))
        .alias(f"{name}_{width}")
        for width in widths
    )


def last_weather(rows: pl.DataFrame, rides: pl.DataFrame) -> pl.DataFrame:
    """Weather of the last day that was over by then."""
    days = rides.filter(pl.col("lowest_celsius").is_not_null()).unique("local_date")
    found = last_known(
        rows, days, by=(), at="prediction_at", known_at="day_ended_at", columns=WEATHER, max_age=timedelta(days=3)
    )
    return found.select(pl.col(name).alias(f"{name}_last_known") for name in WEATHER)
