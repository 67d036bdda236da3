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

from ml_platform.point_in_time.windows import AsOf, Events
from ml_platform.use_cases.flights.cleaning import LATE_FROM_MINUTES
from ml_platform.use_cases.flights.contract import DelayFeatures

HORIZON = timedelta(hours=2)

OVERDUE_FOR_AT_MOST = timedelta(hours=6)
STUCK_FROM = timedelta(hours=2)
STUCK_FOR_AT_MOST = timedelta(hours=24)

WEATHER_KNOWN_AFTER = timedelta(hours=1)
WEATHER_MAX_AGE = timedelta(hours=6)
LAST_WEATHER = (
    "temperature_fahrenheit",
    "dew_point_fahrenheit",
    "wind_direction_degrees",
    "wind_speed_mph",
    "visibility_miles",
    "precipitation_inches",
)
RAIN = {
    "rain": (pl.col("precipitation_inches") * 100).round().cast(pl.Int64),
    "hours": pl.col("observed_hour_at").is_not_null(),
}
PREVIOUS_FLIGHT_MAX_AGE = timedelta(days=8)

FLIGHT = ("carrier", "flight_number", "origin")
SLOT = ("service_date", "origin", "scheduled_hour")
SCHEDULED_HOUR = (pl.col("scheduled_departure_minute_of_day") // 60).cast(pl.Int16).alias("scheduled_hour")


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
    asked = AsOf(rows.with_columns(SCHEDULED_HOUR), at="prediction_at")
    history = flights.lazy().with_columns(SCHEDULED_HOUR)
    asked.same_entity(history, by=SLOT, name="same_hour_flights")
    ask_for_weather(asked, weather)
    ask_for_previous_delay(asked, history)
    for windows in ARRIVALS:
        ask_for_delays(asked, history, "arrival", "arrived_at", windows)
    for windows in DEPARTURES:
        ask_for_delays(asked, history, "departure", "departed_at", windows)
    for name, by in WAITING.items():
        ask_for_waiting_flights(asked, history, name, by)
    return asked.select(_features())


def ask_for_weather(asked: AsOf, weather: pl.DataFrame) -> None:
    """The last hour of weather known at each row's origin, and the precipitation of the last six known."""
    hours = Events(weather, "observed_hour_at", by=("origin",), after=WEATHER_KNOWN_AFTER)
    asked.last_known(hours, columns={name: name for name in LAST_WEATHER}, max_age=WEATHER_MAX_AGE)
    asked.window_sums(hours, measures=RAIN, widths={"6h": timedelta(hours=6)})


def ask_for_previous_delay(asked: AsOf, flights: pl.LazyFrame) -> None:
    """Arrival delay of the latest known arrival of the same flight, in minutes."""
    columns = {"flight_previous_delay_minutes": "arrival_delay_minutes"}
    asked.last_known(Events(flights, "arrived_at", by=FLIGHT), columns=columns, max_age=PREVIOUS_FLIGHT_MAX_AGE)


def ask_for_delays(asked: AsOf, flights: pl.LazyFrame, kind: str, known_at: str, windows: DelayWindows) -> None:
    """Of flights that had departed or arrived in each window: mean minutes of delay, and the share of late ones."""
    measures = _delays(f"{windows.name}_{kind}", f"{kind}_delay_minutes")
    asked.window_means(Events(flights, known_at, by=windows.by), measures=measures, widths=_widths(windows.hours))


def ask_for_waiting_flights(asked: AsOf, flights: pl.LazyFrame, name: str, by: tuple[str, ...]) -> None:
    """Flights scheduled to have departed by then that had not: overdue ones, stuck ones, and the minutes of each."""
    for kind, after, longest in (
        ("overdue", timedelta(0), OVERDUE_FOR_AT_MOST),
        ("stuck", STUCK_FROM, STUCK_FOR_AT_MOST - STUCK_FROM),
    ):
        asked.open_intervals(
            Events(flights, "scheduled_departure_at", by=by, after=after),
            closed_at="departed_at",
            longest=longest,
            names=(f"{name}_{kind}_flights", f"{name}_{kind}_minutes"),
        )


@cache
def _delays(name: str, minutes: str) -> Mapping[str, pl.Expr]:
    delay = pl.col(minutes)
    return {f"{name}_delay_minutes": delay, f"{name}_late_share": delay >= LATE_FROM_MINUTES}


@cache
def _widths(hours: tuple[int, ...]) -> Mapping[str, timedelta]:
    return {f"{each}h" if each < DAY else f"{each // DAY}d": timedelta(hours=each) for each in hours}


@cache
def _features() -> tuple[pl.Expr, ...]:
    """Each column of the contract, of what the schedule tells and the windows found."""
    made = {
        "scheduled_minute_of_day": pl.col("scheduled_departure_minute_of_day"),
        "weekday": pl.col("service_date").dt.weekday(),
        "precipitation_inches_6h": pl.when(pl.col("hours_6h") > 0).then(pl.col("rain_6h") / 100),
    }
    columns = DelayFeatures.columns().items()
    return tuple(made.get(name, pl.col(name)).cast(column.dtype).alias(name) for name, column in columns)
