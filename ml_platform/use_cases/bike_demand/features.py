"""What was known of an hour's demand at six in the morning of the day before, as numbers.

Belongs here: which features there are. Does not: how a value known by then is found (`point_in_time.windows`).

Nothing looks back further than 56 days before the prediction: 58 local days of history before the first day to build
give the same features as all of it.
"""

from datetime import timedelta

import polars as pl

from ml_platform.point_in_time.windows import AsOf, Events
from ml_platform.use_cases.bike_demand.cleaning import NEW_YORK
from ml_platform.use_cases.bike_demand.contract import DemandFeatures

SAME_HOUR, SAME_HOUR_OF_WEEK = ("local_hour",), ("weekday", "local_hour")
WINDOWS: tuple[tuple[str, tuple[str, ...], tuple[int, ...]], ...] = (
    ("rides_same_hour", SAME_HOUR, (7, 28)),
    ("rides_same_hour_of_week", SAME_HOUR_OF_WEEK, (28, 56)),
    ("rides", (), (1, 7, 28)),
)
LONGEST_GAP = timedelta(days=15)
AN_HOUR = timedelta(hours=1)
WEATHER = ("lowest_celsius", "highest_celsius", "precipitation_millimetres")


def prediction_at() -> pl.Expr:
    """Six in the morning, New York clock, of the day before."""
    clock = pl.col("local_date").cast(pl.Datetime("us")).dt.offset_by("-18h")
    return clock.dt.replace_time_zone(NEW_YORK).dt.convert_time_zone("UTC")


def demand_features(rows: pl.DataFrame, *, rides: pl.DataFrame) -> pl.DataFrame:
    """One row of `DemandFeatures` for each of `rows`, in their order; `rides` are their days and the 58 before."""
    asked, history = AsOf(add_calendar(with_weekday(rows)), at="prediction_at"), with_weekday(rides)
    taken = history.filter(pl.col("rides").is_not_null() & ~pl.col("is_closed"))
    ask_for_last_rides(asked, taken, "rides_same_hour_last_known", SAME_HOUR)
    ask_for_last_rides(asked, taken, "rides_same_hour_last_week", SAME_HOUR_OF_WEEK)
    for windows in WINDOWS:
        ask_for_mean_rides(asked, taken, *windows)
    ask_for_last_weather(asked, history)
    features = {name: column.dtype for name, column in DemandFeatures.columns().items()}
    return asked.select([pl.col(name).cast(dtype) for name, dtype in features.items()])


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


def ask_for_last_rides(asked: AsOf, taken: pl.DataFrame, name: str, by: tuple[str, ...]) -> None:
    """Rides of the last hour alike that was over by then."""
    hours = Events(taken, "hour_started_at", by=by, after=AN_HOUR)
    asked.last_known(hours, columns={name: "rides"}, max_age=LONGEST_GAP)


def ask_for_mean_rides(asked: AsOf, taken: pl.DataFrame, name: str, by: tuple[str, ...], days: tuple[int, ...]) -> None:
    """Mean rides of the hours alike that were over by then, for each width in days."""
    hours, widths = Events(taken, "hour_started_at", by=by, after=AN_HOUR), {f"{n}d": timedelta(days=n) for n in days}
    asked.window_means(hours, measures={name: pl.col("rides")}, widths=widths)


def ask_for_last_weather(asked: AsOf, rides: pl.DataFrame) -> None:
    """Weather of the last day that was over by then."""
    days = rides.filter(pl.col("lowest_celsius").is_not_null()).unique("local_date")
    columns = {f"{name}_last_known": name for name in WEATHER}
    asked.last_known(Events(days, "day_ended_at"), columns=columns, max_age=timedelta(days=3))
