"""Feature functions that use what was not known, each in a way that has happened to someone."""

import polars as pl

FLIGHT = ["service_date", "carrier", "flight_number", "origin", "scheduled_departure_at"]


def own_departure_delay(rows: pl.DataFrame, *, flights: pl.DataFrame, weather: pl.DataFrame) -> pl.DataFrame:
    """The delay of the very departure."""
    return _joined(rows, flights.select(*FLIGHT, leak="departure_delay_minutes"), FLIGHT)


def nullness_of_the_arrival(rows: pl.DataFrame, *, flights: pl.DataFrame, weather: pl.DataFrame) -> pl.DataFrame:
    """Whether an arrival will ever be recorded."""
    return _joined(rows, flights.select(*FLIGHT, leak=pl.col("arrived_at").is_null()), FLIGHT)


def weather_of_the_same_hour(rows: pl.DataFrame, *, flights: pl.DataFrame, weather: pl.DataFrame) -> pl.DataFrame:
    """The temperature of the hour of departure, which is observed when that hour is nearly over."""
    hour = pl.col("scheduled_departure_at").dt.truncate("1h").alias("observed_hour_at")
    observed = weather.select("origin", "observed_hour_at", leak="temperature_fahrenheit")
    return _joined(rows.with_columns(hour), observed, ["origin", "observed_hour_at"])


def mean_of_the_same_day(rows: pl.DataFrame, *, flights: pl.DataFrame, weather: pl.DataFrame) -> pl.DataFrame:
    """The mean departure delay of the whole service day."""
    means = flights.group_by("service_date").agg(leak=pl.col("departure_delay_minutes").mean())
    return _joined(rows, means, ["service_date"])


def target_encoded_carrier(rows: pl.DataFrame, *, flights: pl.DataFrame, weather: pl.DataFrame) -> pl.DataFrame:
    """The share of late flights of the carrier in the whole table."""
    rates = flights.group_by("carrier").agg(leak=(pl.col("arrival_delay_minutes") >= 15).mean())
    return _joined(rows, rates, ["carrier"])


def rank_within_the_batch(rows: pl.DataFrame, *, flights: pl.DataFrame, weather: pl.DataFrame) -> pl.DataFrame:
    """The rank of the row among those that are built with it."""
    return rows.select(*FLIGHT, leak=pl.col("scheduled_departure_at").rank("dense", descending=True))


def _joined(rows: pl.DataFrame, values: pl.DataFrame, on: list[str]) -> pl.DataFrame:
    return rows.join(values, on=on, how="left", maintain_order="left").select(*FLIGHT, "leak")
