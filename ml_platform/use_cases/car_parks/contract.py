"""What each table of the use case promises: grain, units, what null means, and when each column becomes known.

Belongs here: the tables. Does not: how a table is made (`cleaning`, `features`).
"""

import dataframely as dy
import polars as pl

from ml_platform.point_in_time.known_at import ALWAYS, known_at
from ml_platform.use_cases.car_parks.cleaning import LAST_SLOT

AS_READ, THEN = known_at("read_at"), known_at("then_at")
OVERFLOW = 1.1
"""A few cars stand where no place is marked: up to four in a hundred were seen; of more the counter is wrong."""


class RawReadings(dy.Schema):
    """One reading of the source's file, untouched: local clock."""

    SystemCodeNumber = dy.String(nullable=True, description="Name of the car park.")
    Capacity = dy.Int64(nullable=True, description="Places of the car park.")
    Occupancy = dy.Int64(nullable=True, description="Cars in it.")
    LastUpdated = dy.String(nullable=True, description="When it was read, local clock, 2016-10-04 07:59:42.")


class Readings(dy.Schema):
    """One reading of a car park's counter, every half hour from 08:00 to 16:30; known as soon as it is read.

    More cars than places are kept: they stand between the marks. A count below zero says nothing of what was there.
    """

    car_park = dy.String(primary_key=True, metadata=ALWAYS, description="Name of the car park.")
    read_at = dy.Datetime(primary_key=True, time_zone="UTC", time_unit="us", metadata=AS_READ, description="Instant.")
    delivery = dy.Int64(
        primary_key=True, metadata=AS_READ, description="Times that the source had this very reading up to this row."
    )
    local_date = dy.Date(metadata=AS_READ, description="Date in Birmingham.")
    slot = dy.Int16(min=0, max=48, metadata=AS_READ, description="Nearest half hour of the day; 16 is 08:00.")
    places = dy.Int64(min=1, metadata=AS_READ, description="Places of the car park.")
    cars = dy.Int64(min=0, metadata=AS_READ, description="Cars in it.")
    occupied_percent = dy.Float64(metadata=AS_READ, description="Cars, as a share of the places.")

    @dy.rule()
    def reading_is_the_first_of_its_kind(cls) -> pl.Expr:
        """What the source repeats counts once."""
        return pl.col("delivery") == 1

    @dy.rule()
    def cars_fit_into_the_car_park(cls) -> pl.Expr:
        """There are not many more cars than places."""
        return pl.col("cars") <= OVERFLOW * pl.col("places")


class Outlooks(dy.Schema):
    """One reading of a car park and one horizon: what was read so many minutes later, null where nothing was."""

    car_park = dy.String(primary_key=True, metadata=ALWAYS, description="Name of the car park.")
    read_at = dy.Datetime(
        primary_key=True, time_zone="UTC", time_unit="us", metadata=ALWAYS, description="Instant of the reading."
    )
    horizon_minutes = dy.Int16(primary_key=True, metadata=ALWAYS, description="Minutes from the half hour to the next.")
    local_date = dy.Date(primary_key=True, metadata=ALWAYS, description="Date in Birmingham.")
    slot_then = dy.Int16(max=LAST_SLOT, metadata=ALWAYS, description="The half hour that is forecast.")
    slot = dy.Int16(metadata=ALWAYS, description="The half hour of the reading; 16 is 08:00.")
    then_at = dy.Datetime(
        nullable=True, time_zone="UTC", time_unit="us", metadata=THEN, description="Instant of the later reading."
    )
    percent_then = dy.Float64(nullable=True, metadata=THEN, description="Cars then, as a share of the places.")


def _percent(description: str) -> dy.Float32:
    """A share of the places known at the reading; null where nothing was known."""
    return dy.Float32(nullable=True, allow_inf=False, allow_nan=False, metadata=AS_READ, description=description)


class OccupancyFeatures(dy.Schema):
    """One reading of a car park and one horizon, as they looked at the reading; shares are percent of the places."""

    car_park = dy.String(primary_key=True, metadata=ALWAYS, description="Name of the car park.")
    read_at = dy.Datetime(
        primary_key=True, time_zone="UTC", time_unit="us", metadata=ALWAYS, description="Instant of the reading."
    )
    horizon_minutes = dy.Int16(primary_key=True, metadata=ALWAYS, description="Minutes ahead.")
    local_date = dy.Date(primary_key=True, metadata=ALWAYS, description="Date in Birmingham.")
    slot_then = dy.Int16(metadata=ALWAYS, description="The half hour that is forecast; 16 is 08:00.")
    weekday = dy.Int16(min=1, max=7, metadata=ALWAYS, description="Day of the week; Monday is 1.")
    places = dy.Int64(nullable=True, metadata=AS_READ, description="Places of the car park.")
    percent = _percent("Share taken.")
    change_30m = _percent("Change in the last half hour.")
    change_60m = _percent("Change in the last hour.")
    percent_then_last_week = _percent("Share that was taken at the half hour and weekday that is forecast, last.")
    percent_as_last_week = _percent("Share taken, and the change of that day from this half hour to that one.")
    percent_as_28d = _percent("Share taken, and the mean change on that weekday from this half hour to that one.")
