"""What was known of a flight two hours before its scheduled departure, as numbers.

Belongs here: which features there are. Does not: how a value known by then is found (`point_in_time.windows`).

Nothing looks back further than 28 days before the prediction, and a delay is known up to a day after its flight: 30
service days of history before the first day to build give the same features as all of it.
"""

from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import NamedTuple

import polars as pl

from ml_platform.point_in_time.windows import (
    known_window_means,
    known_window_sums,
    last_known,
    open_intervals,
    same_entity,
)
from ml_platform.use_cases.flights.cleaning import LATE_FROM_MINUTES
from ml_platform.use_cases.flights.contract import DelayFeatures

HORIZON = timedelta(hours=2)

OVERDUE_FOR_AT_MOST = timedelta(hours=6)
STUCK_FROM = timedelta(hours=2)
STUCK_FOR_AT_MOST = timedelta(hours=24)

WEATHER_KNOWN_AFTER = timedelta(hours=1)
WEATHER_MAX_AGE = timedelta(hours=6)
PREVIOUS_FLIGHT_MAX_AGE = timedelta(days=8)

FLIGHT = ("carrier", "flight_number", "origin")
SLOT = ("service_date", "origin", "scheduled_hour")


class DelayWindows(NamedTuple):
    """Flights alike in the columns `by`, and the windows, in hours, over which their delays are averaged."""

    name: str
    by: tuple[str, ...]
    hours: tuple[int, ...]


DAY, WEEK, MONTH = 24, 7 * 24, 28 * 24

ARRIVALS = (
    DelayWindows("network", (), (4, DAY)),
    DelayWindows("carrier", ("carrier",), (4, DAY, WEEK, MONTH)),
    DelayWindows("origin", ("origin",), (4, WEEK)),
    DelayWindows("destination", ("destination",), (6, DAY, WEEK)),
    DelayWindows("route", ("carrier", "origin", "destination"), (WEEK, MONTH)),
    DelayWindows("flight", FLIGHT, (WEEK, MONTH)),
    DelayWindows("origin_hour", ("origin", "scheduled_hour"), (MONTH,)),
    DelayWindows("carrier_hour", ("carrier", "scheduled_hour"), (MONTH,)),
)

DEPARTURES = (
    DelayWindows("network", (), (1, 4)),
    DelayWindows("origin", ("origin",), (1, 2, 4)),
    DelayWindows("carrier", ("carrier",), (2,)),
    DelayWindows("carrier_origin", ("carrier", "origin"), (2,)),
    DelayWindows("destination", ("destination",), (6,)),
)

WAITING: Mapping[str, tuple[str, ...]] = {
    "network": (),
    "origin": ("origin",),
    "carrier": ("carrier",),
    "carrier_origin": ("carrier", "origin"),
    "destination": ("destination",),
}


def prediction_at() -> pl.Expr:
    """Two hours before scheduled departure."""
    return pl.col("scheduled_departure_at") - HORIZON


def delay_features(rows: pl.DataFrame, *, flights: pl.DataFrame, weather: pl.DataFrame) -> pl.DataFrame:
    """One row of `DelayFeatures` for each of `rows`, in their order.

    `flights` are the rows' own service days and the 30 before, `weather` the same days. What the windows find is put
    together once: for a row alone, each further frame costs as much as all of its arithmetic.
    """
    scheduled_hour = (pl.col("scheduled_departure_minute_of_day") // 60).cast(pl.Int16).alias("scheduled_hour")
    asked, history = rows.with_columns(scheduled_hour), flights.lazy().with_columns(scheduled_hour)
    found = [
        asked.with_columns(same_hour_flights=same_entity(asked, history, by=SLOT)),
        *known_weather(asked, weather),
        previous_delay(asked, history),
        *(known_delays(asked, history, "arrival", "arrived_at", windows) for windows in ARRIVALS),
        *(known_delays(asked, history, "departure", "departed_at", windows) for windows in DEPARTURES),
        *(each for name, by in WAITING.items() for each in waiting_flights(asked, history, name, by)),
    ]
    return pl.concat(found, how="horizontal").select(_features())


def known_weather(rows: pl.DataFrame, weather: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The last hour of weather known at each row's origin, and the precipitation of the last six known."""
    hours = weather.lazy().with_columns(
        known_at=pl.col("observed_hour_at") + WEATHER_KNOWN_AFTER,
        rain=(pl.col("precipitation_inches") * 100).round().cast(pl.Int64),
    )
    last = last_known(
        rows,
        hours,
        by=("origin",),
        at="prediction_at",
        known_at="known_at",
        columns=(
            "temperature_fahrenheit",
            "dew_point_fahrenheit",
            "wind_direction_degrees",
            "wind_speed_mph",
            "visibility_miles",
            "precipitation_inches",
        ),
        max_age=WEATHER_MAX_AGE,
    )
    sums = known_window_sums(
        rows,
        hours,
        by=("origin",),
        at="prediction_at",
        known_at="known_at",
        measures=("rain",),
        widths={"weather_6h": timedelta(hours=6)},
    )
    return last, sums


def previous_delay(rows: pl.DataFrame, flights: pl.LazyFrame) -> pl.DataFrame:
    """Arrival delay of the latest known arrival of the same flight, in minutes."""
    return last_known(
        rows,
        flights.select(*FLIGHT, "arrived_at", flight_previous_delay_minutes="arrival_delay_minutes"),
        by=FLIGHT,
        at="prediction_at",
        known_at="arrived_at",
        columns=("flight_previous_delay_minutes",),
        max_age=PREVIOUS_FLIGHT_MAX_AGE,
    )


def known_delays(
    rows: pl.DataFrame, flights: pl.LazyFrame, kind: str, known_at: str, windows: DelayWindows
) -> pl.DataFrame:
    """Of flights that had departed or arrived in each window: mean minutes of delay, and the share of late ones."""
    delay, name = pl.col(f"{kind}_delay_minutes"), f"{windows.name}_{kind}"
    measures = {f"{name}_delay_minutes": delay, f"{name}_late_share": delay >= LATE_FROM_MINUTES}
    return known_window_means(
        rows,
        flights.select(*windows.by, known_at, **measures),
        by=windows.by,
        at="prediction_at",
        known_at=known_at,
        measures=tuple(measures),
        widths={_label(hours): timedelta(hours=hours) for hours in windows.hours},
    )


def waiting_flights(
    rows: pl.DataFrame, flights: pl.LazyFrame, name: str, by: tuple[str, ...]
) -> tuple[pl.DataFrame, ...]:
    """Flights scheduled to have departed by then that had not: overdue ones, stuck ones, and the minutes of each."""
    schedule = flights.select(
        *by,
        "departed_at",
        overdue_at="scheduled_departure_at",
        stuck_at=pl.col("scheduled_departure_at") + STUCK_FROM,
    )
    return tuple(
        open_intervals(
            rows,
            schedule,
            by=by,
            at="prediction_at",
            opened_at=f"{kind}_at",
            closed_at="departed_at",
            longest=longest,
            names=(f"{name}_{kind}_flights", f"{name}_{kind}_minutes"),
        )
        for kind, longest in (("overdue", OVERDUE_FOR_AT_MOST), ("stuck", STUCK_FOR_AT_MOST - STUCK_FROM))
    )


@cache
def _features() -> tuple[pl.Expr, ...]:
    """Each column of the contract, of what the schedule tells and the windows found."""
    made = {
        "scheduled_minute_of_day": pl.col("scheduled_departure_minute_of_day"),
        "weekday": pl.col("service_date").dt.weekday(),
        "precipitation_inches_6h": pl.when(pl.col("count_weather_6h") > 0).then(pl.col("rain_weather_6h") / 100),
    }
    columns = DelayFeatures.columns().items()
    return tuple(made.get(name, pl.col(name)).cast(column.dtype).alias(name) for name, column in columns)


def _label(hours: int) -> str:
    return f"{hours}h" if hours < DAY else f"{hours // DAY}d"
