"""What each table of the use case promises: grain, units, what null means, and when each column becomes known.

Belongs here: the tables. Does not: how a table is made (`cleaning`, `features`).
"""

from datetime import timedelta

import dataframely as dy
import polars as pl

from ml_platform.point_in_time.known_at import ALWAYS, known_at
from ml_platform.use_cases.bike_demand.cleaning import NEW_YORK

AFTER_THE_HOUR = known_at("hour_started_at", after=timedelta(hours=1))
AFTER_THE_DAY = known_at("day_ended_at")
AT_PREDICTION = known_at("prediction_at")


class RawRides(dy.Schema):
    """One hour of the source's file, untouched: New York clock, and the weather of its day on every hour."""

    date = dy.Date(nullable=True, description="New York date.")
    ts = dy.String(nullable=True, description="Start of the hour, New York clock, 2010-09-20 12:00:00.")
    count = dy.Int64(nullable=True, description="Rides that began in the hour.")
    tmin = dy.Float64(nullable=True, description="Lowest temperature of the day, °C.")
    tmax = dy.Float64(nullable=True, description="Highest temperature of the day, °C.")
    pn = dy.Float64(nullable=True, description="Precipitation of the day, mm.")


class HourlyRides(dy.Schema):
    """One hour of a New York local day: rides that began in it, known when it is over, and the day's weather, after it.

    A day on which the clocks are put forward has 23 hours. One on which they are put back has 24: the source has one
    row for the hour that comes twice.
    """

    local_date = dy.Date(primary_key=True, metadata=ALWAYS, description="New York date.")
    local_hour = dy.Int16(primary_key=True, min=0, max=23, metadata=ALWAYS, description="Hour, New York clock.")
    hour_started_at = dy.Datetime(time_zone="UTC", time_unit="us", metadata=ALWAYS, description="Start of the hour.")
    day_ended_at = dy.Datetime(time_zone="UTC", time_unit="us", metadata=ALWAYS, description="End of the local day.")
    rides = dy.Int64(min=0, metadata=AFTER_THE_HOUR, description="Rides that began in the hour.")
    is_closed = dy.Bool(
        metadata=AFTER_THE_HOUR, description="An hour of daytime without a ride: no bikes could be taken."
    )
    lowest_celsius = dy.Float64(min=-40, max=50, metadata=AFTER_THE_DAY, description="Lowest temperature of the day.")
    highest_celsius = dy.Float64(min=-40, max=50, metadata=AFTER_THE_DAY, description="Highest temperature of the day.")
    precipitation_millimetres = dy.Float64(
        min=0, max=400, metadata=AFTER_THE_DAY, description="Precipitation of the day."
    )

    @dy.rule()
    def hour_belongs_to_its_day(cls) -> pl.Expr:
        """The instant is the hour of the date on New York clocks, which skip one hour in March."""
        local = pl.col("hour_started_at").dt.convert_time_zone(NEW_YORK).dt
        return (local.date() == pl.col("local_date")) & (local.hour() == pl.col("local_hour"))

    @dy.rule()
    def temperatures_are_in_order(cls) -> pl.Expr:
        """The lowest is not above the highest."""
        return pl.col("lowest_celsius") <= pl.col("highest_celsius")


class DemandLabels(dy.Schema):
    """One hour in which bikes could be taken, and how many were; hours of a closed system have no label and no row."""

    local_date = dy.Date(primary_key=True, metadata=ALWAYS, description="New York date.")
    local_hour = dy.Int16(primary_key=True, metadata=ALWAYS, description="Hour, New York clock.")
    rides = dy.Int64(min=0, metadata=known_at("known_at"), description="Rides that began in the hour.")
    known_at = dy.Datetime(
        time_zone="UTC", time_unit="us", metadata=known_at("known_at"), description="End of the hour."
    )


def _feature(description: str) -> dy.Float32:
    """A number known at the prediction time; null where nothing was known in its window."""
    return dy.Float32(nullable=True, allow_inf=False, allow_nan=False, metadata=AT_PREDICTION, description=description)


class DemandFeatures(dy.Schema):
    """One hour of a local day as it looked at six in the morning of the day before; rides are rides an hour.

    A width at the end of a name is the window before the prediction time in which the rides became known. Hours in
    which the system was closed are left out of every one.
    """

    local_date = dy.Date(primary_key=True, metadata=ALWAYS, description="New York date that is predicted.")
    local_hour = dy.Int16(primary_key=True, metadata=ALWAYS, description="Hour that is predicted, New York clock.")
    prediction_at = dy.Datetime(
        time_zone="UTC", time_unit="us", metadata=ALWAYS, description="Six in the morning of the day before."
    )
    weekday = dy.Int16(min=1, max=7, metadata=ALWAYS, description="Day of the week; Monday is 1.")
    day_of_year = dy.Int16(min=1, max=366, metadata=ALWAYS, description="Day of the year.")
    is_holiday = dy.Bool(metadata=ALWAYS, description="A federal holiday, as it is observed.")
    rides_same_hour_last_known = _feature("Same hour, last day that was known.")
    rides_same_hour_last_week = _feature("Same hour and weekday, last week; the week before if the system was closed.")
    rides_same_hour_7d = _feature("Mean, same hour.")
    rides_same_hour_28d = _feature("Mean, same hour.")
    rides_same_hour_of_week_28d = _feature("Mean, same hour and weekday.")
    rides_same_hour_of_week_56d = _feature("Mean, same hour and weekday.")
    rides_1d = _feature("Mean of all hours.")
    rides_7d = _feature("Mean of all hours.")
    rides_28d = _feature("Mean of all hours.")
    lowest_celsius_last_known = _feature("Lowest temperature of the last day that was over, °C.")
    highest_celsius_last_known = _feature("Highest temperature of the last day that was over, °C.")
    precipitation_millimetres_last_known = _feature("Precipitation of the last day that was over, mm.")
