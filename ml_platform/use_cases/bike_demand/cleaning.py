"""From what the source says to what the contracts promise: one clean row for each raw row, whatever it holds.

Belongs here: names, units, instants, and which hours the system was closed. Does not: refusing rows.
"""

import polars as pl

NEW_YORK = "America/New_York"
DAYTIME_FROM, DAYTIME_TO = 10, 21
"""Hours in which somebody takes a bike whenever there are any; at night an hour without a ride is ordinary."""


def clean_rides(raw: pl.LazyFrame) -> pl.LazyFrame:
    """One row of `HourlyRides` for each row of `RawRides`.

    An hour that the clocks skip has no instant, and is left for the contract to refuse; of the hour that comes twice
    the source has one row, which is taken for the first.
    """
    clock = pl.col("ts").str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)
    midnight = pl.col("date").cast(pl.Datetime("us")).dt.offset_by("1d")
    hour = clock.dt.hour().cast(pl.Int16)
    return raw.select(
        local_date="date",
        local_hour=hour,
        hour_started_at=_instant(clock),
        day_ended_at=_instant(midnight),
        rides="count",
        is_closed=(pl.col("count") == 0) & hour.is_between(DAYTIME_FROM, DAYTIME_TO),
        lowest_celsius="tmin",
        highest_celsius="tmax",
        precipitation_millimetres="pn",
    )


def demand_labels(rides: pl.LazyFrame) -> pl.LazyFrame:
    """One row of `DemandLabels` for each hour in which bikes could be taken.

    On a day with an hour of daytime without a ride, the other hours without one are closed hours as well.
    """
    was_closed = pl.col("is_closed").any().over("local_date")
    return rides.filter(~(was_closed & (pl.col("rides") == 0))).select(
        "local_date", "local_hour", "rides", known_at=pl.col("hour_started_at").dt.offset_by("1h")
    )


def _instant(clock: pl.Expr) -> pl.Expr:
    local = clock.dt.replace_time_zone(NEW_YORK, ambiguous="earliest", non_existent="null")
    return local.dt.convert_time_zone("UTC")
