"""What was known of a car park when it was read, as numbers.

Belongs here: which features there are. Does not: how a value known by then is found (`point_in_time.windows`).
"""

from datetime import timedelta

import polars as pl

from ml_platform.point_in_time.windows import AsOf, Events
from ml_platform.use_cases.car_parks.contract import OccupancyFeatures

PARK, HALF_HOUR_OF_WEEK = ("car_park",), ("car_park", "weekday", "slot")
A_READING, A_WEEK, FOUR_WEEKS = timedelta(minutes=50), timedelta(days=8), timedelta(days=28)
EARLIER = {"30m": timedelta(minutes=15), "60m": timedelta(minutes=45)}
"""So long before a reading, the last one is that of half an hour, or an hour, before it."""
A_NIGHT = timedelta(hours=12)


def prediction_at() -> pl.Expr:
    """The instant of the reading."""
    return pl.col("read_at")


def occupancy_features(rows: pl.DataFrame, *, readings: pl.DataFrame) -> pl.DataFrame:
    """One row of `OccupancyFeatures` for each of `rows`, in their order, from the readings of the same car parks."""
    asked, read = (frame.with_columns(weekday=pl.col("local_date").dt.weekday()) for frame in (rows, readings))
    before = {name: last_reading(earlier(asked, age), read)["percent"] for name, age in EARLIER.items()}
    night_before = earlier(asked, A_NIGHT)
    since, then = (usual(at, read) for at in (night_before, night_before.with_columns(slot="slot_then")))
    features = last_reading(asked, read).with_columns(
        percent_then_last_week=then["percent_last_week"],
        percent_as_last_week=pl.col("percent") + then["percent_last_week"] - since["percent_last_week"],
        percent_as_28d=pl.col("percent") + 100 * (then["cars_28d"] - since["cars_28d"]) / pl.col("places"),
        **{f"change_{name}": pl.col("percent") - share for name, share in before.items()},
    )
    return features.select(pl.col(name).cast(each.dtype) for name, each in OccupancyFeatures.columns().items())


def earlier(rows: pl.DataFrame, age: timedelta) -> pl.DataFrame:
    """The rows as they would be asked so long before."""
    return rows.with_columns(pl.col("read_at") - age)


def last_reading(rows: pl.DataFrame, readings: pl.DataFrame) -> pl.DataFrame:
    """The rows with `percent` and `places` of the last reading of the car park at the row's instant."""
    asked, columns = AsOf(rows, at="read_at"), {"percent": "occupied_percent", "places": "places"}
    asked.last_known(Events(readings, "read_at", by=PARK), columns=columns, max_age=A_READING)
    return asked.frame()


def usual(rows: pl.DataFrame, readings: pl.DataFrame) -> pl.DataFrame:
    """The rows with what was read at their weekday and half hour: the last share, and the mean cars of four weeks."""
    asked, alike = AsOf(rows, at="read_at"), Events(readings, "read_at", by=HALF_HOUR_OF_WEEK)
    asked.last_known(alike, columns={"percent_last_week": "occupied_percent"}, max_age=A_WEEK)
    asked.window_means(alike, measures={"cars": pl.col("cars")}, widths={"28d": FOUR_WEEKS})
    return asked.frame()
