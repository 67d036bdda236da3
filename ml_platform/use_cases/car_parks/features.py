"""What was known of a car park when it was read, as numbers.

Belongs here: which features there are. Does not: how a value known by then is found (`point_in_time.windows`).
"""

from datetime import timedelta

import polars as pl

from ml_platform.point_in_time.windows import known_window_sums, last_known
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
    now = last_read(asked, read, PARK, A_READING)
    day_before = earlier(asked, A_NIGHT)
    at_slot = {"since": day_before, "then": day_before.with_columns(slot="slot_then")}
    week = {name: last_read(at, read, HALF_HOUR_OF_WEEK, A_WEEK)["percent"] for name, at in at_slot.items()}
    cars = {name: mean_cars(at, read) for name, at in at_slot.items()}
    before = {name: last_read(earlier(asked, age), read, PARK, A_READING)["percent"] for name, age in EARLIER.items()}
    features = asked.with_columns(
        now["places"],
        now["percent"],
        percent_then_last_week=week["then"],
        percent_as_last_week=now["percent"] + week["then"] - week["since"],
        percent_as_28d=now["percent"] + 100 * (cars["then"] - cars["since"]) / now["places"],
        **{f"change_{name}": now["percent"] - share for name, share in before.items()},
    )
    return features.select(pl.col(name).cast(each.dtype) for name, each in OccupancyFeatures.columns().items())


def earlier(rows: pl.DataFrame, age: timedelta) -> pl.DataFrame:
    """The rows as they would be asked so long before."""
    return rows.with_columns(pl.col("read_at") - age)


def last_read(rows: pl.DataFrame, readings: pl.DataFrame, by: tuple[str, ...], max_age: timedelta) -> pl.DataFrame:
    """`percent` and `places` of the last reading alike at the row's instant."""
    columns = ("occupied_percent", "places")
    found = last_known(rows, readings, by=by, at="read_at", known_at="read_at", columns=columns, max_age=max_age)
    return found.rename({"occupied_percent": "percent"})


def mean_cars(rows: pl.DataFrame, readings: pl.DataFrame) -> pl.Series:
    """Mean of the cars at the row's weekday and half hour, four weeks before its instant."""
    sums = known_window_sums(
        rows,
        readings,
        by=HALF_HOUR_OF_WEEK,
        at="read_at",
        known_at="read_at",
        measures=("cars",),
        widths={"28d": FOUR_WEEKS},
    )
    return sums.select(pl.when(pl.col("count_28d") > 0).then(pl.col("cars_28d") / pl.col("count_28d"))).to_series()
