"""From what the source says to what the contracts promise: one clean row for each raw row, whatever it holds.

Belongs here: names, units, instants and time zones. Does not: refusing rows, which the platform does by the contract.
"""

import polars as pl

NEW_YORK = "America/New_York"

UNLISTED_TIME_ZONES = {
    "BQN": "America/Puerto_Rico",
    "PSE": "America/Puerto_Rico",
    "SJU": "America/Puerto_Rico",
    "STT": "America/St_Thomas",
}
"""Destinations of the flights that the airport list lacks."""

TIME_ZONES = (
    NEW_YORK,
    "America/Chicago",
    "America/Denver",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Anchorage",
    "Pacific/Honolulu",
    "America/Puerto_Rico",
    "America/St_Thomas",
)
"""Time zones of the destinations; a flight to any other has no scheduled arrival and is refused."""

LATE_FROM_MINUTES = 15

_MINUTES_PER_DAY = 24 * 60


def clean_flights(raw: pl.LazyFrame, airports: pl.LazyFrame) -> pl.LazyFrame:
    """One row of `CleanFlights` for each row of `RawFlights`; `airports` (clean) gives the destinations' time zones.

    A value that cannot be interpreted becomes null, for the contract to refuse.
    """
    scheduled = raw.select(
        _service_date(),
        pl.col("carrier"),
        flight_number=pl.col("flight"),
        origin=pl.col("origin"),
        destination=pl.col("dest"),
        distance_miles=pl.col("distance"),
        scheduled_departure_at=_instant("time_hour", pl.col("minute")),
        scheduled_departure_minute_of_day=_minute_of_day("sched_dep_time"),
        scheduled_arrival_minute_of_day=_minute_of_day("sched_arr_time"),
        tail_number=pl.col("tailnum"),
        departure_delay_minutes=pl.col("dep_delay"),
        arrival_delay_minutes=pl.col("arr_delay"),
        air_time_minutes=pl.col("air_time"),
        is_cancelled=pl.col("dep_time").is_null(),
        is_diverted=pl.col("dep_time").is_not_null() & pl.col("arr_delay").is_null(),
    )
    zones = airports.select(destination="airport", time_zone="time_zone")
    departure, arrival = pl.col("scheduled_departure_at"), pl.col("scheduled_arrival_at")
    return (
        scheduled.join(zones, on="destination", how="left", validate="m:1", maintain_order="left")
        .with_columns(scheduled_arrival_at=departure + pl.duration(minutes=_minutes_to_scheduled_arrival()))
        .with_columns(
            departed_at=departure + pl.duration(minutes="departure_delay_minutes"),
            arrived_at=arrival + pl.duration(minutes="arrival_delay_minutes"),
            scheduled_minutes=(arrival - departure).dt.total_minutes(),
        )
        .select(*CLEAN_FLIGHT_COLUMNS)
    )


def clean_weather(raw: pl.LazyFrame) -> pl.LazyFrame:
    """One row of `CleanWeather` for each row of `RawWeather`, keyed by the UTC instant at which its hour starts."""
    return raw.select(
        _service_date(),
        pl.col("origin"),
        observed_hour_at="time_hour",
        temperature_fahrenheit="temp",
        dew_point_fahrenheit="dewp",
        relative_humidity_percent="humid",
        wind_direction_degrees="wind_dir",
        wind_speed_mph="wind_speed",
        wind_gust_mph="wind_gust",
        precipitation_inches="precip",
        pressure_millibars="pressure",
        visibility_miles="visib",
    )


def clean_airports(raw: pl.LazyFrame) -> pl.LazyFrame:
    """One row of `Airports` for each row of the airport list."""
    return raw.select(
        airport="faa",
        name="name",
        latitude_degrees="lat",
        longitude_degrees="lon",
        altitude_feet="alt",
        time_zone="tzone",
    )


def clean_planes(raw: pl.LazyFrame) -> pl.LazyFrame:
    """One row of `Planes` for each row of the aircraft register."""
    return raw.select(
        tail_number="tailnum",
        manufactured_year="year",
        aircraft_type="type",
        manufacturer="manufacturer",
        model="model",
        engine_count="engines",
        seat_count="seats",
        cruising_speed_mph="speed",
        engine_type="engine",
    )


def clean_airlines(raw: pl.LazyFrame) -> pl.LazyFrame:
    """One row of `Airlines` for each row of the carrier list."""
    return raw.select("carrier", "name")


def delay_labels(flights: pl.LazyFrame) -> pl.LazyFrame:
    """One row of `DelayLabels` for each clean flight that arrived; cancelled and diverted flights have no label."""
    return flights.filter(pl.col("arrival_delay_minutes").is_not_null()).select(
        "service_date",
        "carrier",
        "flight_number",
        "origin",
        "scheduled_departure_at",
        "arrival_delay_minutes",
        is_late=pl.col("arrival_delay_minutes") >= LATE_FROM_MINUTES,
        known_at="arrived_at",
    )


CLEAN_FLIGHT_COLUMNS = (
    "service_date",
    "carrier",
    "flight_number",
    "origin",
    "scheduled_departure_at",
    "destination",
    "distance_miles",
    "scheduled_departure_minute_of_day",
    "scheduled_arrival_at",
    "scheduled_minutes",
    "departed_at",
    "departure_delay_minutes",
    "arrived_at",
    "arrival_delay_minutes",
    "air_time_minutes",
    "tail_number",
    "is_cancelled",
    "is_diverted",
)


def _service_date() -> pl.Expr:
    """The New York local date that the source gives as three numbers; null where they are no date."""
    iso = pl.format("{}-{}-{}", *(pl.col(part).cast(pl.String).str.zfill(2) for part in ("year", "month", "day")))
    return iso.str.to_date("%Y-%m-%d", strict=False).alias("service_date")


def _instant(hour: str, minute: pl.Expr) -> pl.Expr:
    return pl.col(hour) + pl.duration(minutes=minute)


def _minute_of_day(clock: str) -> pl.Expr:
    """Minutes since local midnight of an HHMM number (517 is 05:17, 2400 is midnight); null where it is no time."""
    hour, minute = pl.col(clock) // 100, pl.col(clock) % 100
    is_time = hour.is_between(0, 24) & minute.is_between(0, 59) & (pl.col(clock) <= 2400)
    return pl.when(is_time).then((hour * 60 + minute) % _MINUTES_PER_DAY)


def _minutes_to_scheduled_arrival() -> pl.Expr:
    """Minutes from scheduled departure to the next time that the destination's clocks show the scheduled arrival.

    Null where the destination's time zone is not known.
    """
    departure = pl.col("scheduled_departure_at")
    zone = pl.col("time_zone").fill_null(pl.col("destination").replace_strict(UNLISTED_TIME_ZONES, default=None))
    shown = pl.coalesce(pl.when(zone == name).then(_minute_of_day_in(departure, name)) for name in TIME_ZONES)
    return (pl.col("scheduled_arrival_minute_of_day") - shown) % _MINUTES_PER_DAY


def _minute_of_day_in(instant: pl.Expr, time_zone: str) -> pl.Expr:
    local = instant.dt.convert_time_zone(time_zone).dt
    return local.hour().cast(pl.Int64) * 60 + local.minute()
