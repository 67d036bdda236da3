"""A toy landing object, three departures of 1 January, small enough to check by hand."""

import datetime as dt

import dataframely as dy
import polars as pl

from ml_platform.data.landing import LandingObject, Layout, read_landing
from ml_platform.data.sources import Arrived, Part

NEW_YEAR = dt.date(2013, 1, 1)

HEADER = b"year,month,day,carrier,flight,delay,due_at\n"
ROWS = b"""2013,1,1,UA,1545,11,2013-01-01T10:15:00Z
2013,1,1,AA,7,NA,2013-01-01T11:00:00Z
2013,1,1,B6,725,-18,2013-01-01T12:30:00Z
"""
DEPARTURES = HEADER + ROWS


class RawDepartures(dy.Schema):
    """One departure as delivered."""

    year = dy.Int64()
    month = dy.Int64()
    day = dy.Int64()
    carrier = dy.String()
    flight = dy.Int64()
    delay = dy.Float64(nullable=True)
    due_at = dy.Datetime(time_unit="us", time_zone="UTC")


class Departures(dy.Schema):
    """One departure of a service day, delay in minutes."""

    service_date = dy.Date(primary_key=True)
    carrier = dy.String(primary_key=True, max_length=2)
    flight = dy.Int64(primary_key=True, min=1)
    delay_minutes = dy.Int64(nullable=True)

    @dy.rule()
    def delay_is_plausible(cls) -> pl.Expr:
        """No flight leaves a day early or three days late."""
        return cls.delay_minutes.col.is_between(-1440, 4320)


DAILY = Layout(RawDepartures, partition_columns=("year", "month", "day"), stamped="landing_day")


def read(data: bytes, layout: Layout = DAILY) -> LandingObject:
    """The object read as that of 1 January."""
    return read_landing(arrived("departures/2013-01-01.csv", NEW_YEAR, data), layout)


def arrived(name: str, partition: dt.date | None, data: bytes) -> Arrived:
    """A partition that is one object."""
    return Arrived(name, partition, (Part(name, data),))


def departures(*rows: tuple[dt.date | None, str, int, int | None]) -> pl.DataFrame:
    """A frame of `Departures`, one row for each (service date, carrier, flight, delay in minutes)."""
    return pl.DataFrame(
        list(rows), schema={name: column.dtype for name, column in Departures.columns().items()}, orient="row"
    )
