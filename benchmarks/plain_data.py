"""The data stage of the plain script: landing objects to tables in memory, each also written as one Parquet file.

Belongs here: the platform's own pure functions, called one after the other. Does not: arithmetic of its own.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import dataframely as dy
import polars as pl

from ml_platform.data.audit import Audited, Conservation, audit
from ml_platform.data.landing import Layout, read_many
from ml_platform.data.sources import Arrived, Part
from ml_platform.point_in_time.audit import LookBack, audit_knowledge
from ml_platform.point_in_time.features import KnownTable, build_features
from ml_platform.use_cases.flights import cleaning, contract, features, registers

DAY = "service_date"
REGISTERS: dict[str, tuple[type[dy.Schema], Callable[[pl.LazyFrame], pl.LazyFrame], type[dy.Schema]]] = {
    "airports": (registers.RawAirports, cleaning.clean_airports, contract.Airports),
    "planes": (registers.RawPlanes, cleaning.clean_planes, contract.Planes),
    "airlines": (registers.RawAirlines, cleaning.clean_airlines, contract.Airlines),
}


class Tables(NamedTuple):
    """What the data stage hands on; rows are in the order of their primary keys."""

    features: pl.DataFrame
    labels: pl.DataFrame


def build_tables(landing: Path, output: Path) -> Tables:
    """Raw, clean, quarantine, labels and features of the year and the three registers."""
    written = {name: _register(landing, name) for name in REGISTERS}
    days = [dt.date.fromisoformat(path.stem) for path in sorted((landing / "flights").glob("*.csv"))]
    raw = _daily(landing / "flights", days, contract.RawFlights)
    weather_raw = _daily(landing / "weather", days[:-1], contract.RawWeather)
    flights = _audited(cleaning.clean_flights(raw.lazy(), written["airports"].lazy()), contract.CleanFlights, raw)
    weather = _audited(cleaning.clean_weather(weather_raw.lazy()), contract.CleanWeather, weather_raw)
    labels = _audited(cleaning.delay_labels(flights.accepted.lazy()), contract.DelayLabels).accepted
    computed = _features(flights.accepted, weather.accepted)
    written |= {"raw": raw, "weather_raw": weather_raw, "clean": flights.accepted, "quarantine": flights.refused}
    written |= {"weather_clean": weather.accepted, "weather_quarantine": weather.refused}
    written |= {"delay_labels": labels, "delay_features": computed}
    for name, frame in written.items():
        frame.write_parquet(output / f"{name}.parquet")
    return Tables(computed, labels)


def _register(landing: Path, name: str) -> pl.DataFrame:
    raw, function, cleaned = REGISTERS[name]
    path = landing / f"{name}.csv"
    frame = read_many([Arrived(path.name, None, (Part(path.name, path.read_bytes()),))], Layout(raw)).frame
    return _audited(function(frame.lazy()), cleaned, frame, partition_column=None).accepted


def _daily(folder: Path, days: Sequence[dt.date], schema: type[dy.Schema]) -> pl.DataFrame:
    parts = {day: Part(f"{day}.csv", (folder / f"{day}.csv").read_bytes()) for day in days}
    arrived = [Arrived(part.name, day, (part,)) for day, part in parts.items()]
    return read_many(arrived, Layout(schema, ("year", "month", "day"), "landing_day")).frame


def _audited(
    rows: pl.LazyFrame,
    schema: type[dy.Schema],
    source: pl.DataFrame | None = None,
    partition_column: str | None = DAY,
) -> Audited:
    """Rows by contract, sorted as the platform stores them; of a cleaned table, every source row is accounted for."""
    name = schema.__name__
    split = audit(rows.collect(), schema, table=name, partition_column=partition_column, reject_above=0.05)
    if source is not None:
        Conservation(source.height, split.accepted.height, split.refused.height).check(name)
    return split._replace(accepted=split.accepted.sort(schema.primary_key()))


def _features(flights: pl.DataFrame, weather: pl.DataFrame) -> pl.DataFrame:
    spine = KnownTable(flights, contract.CleanFlights)
    inputs = {"flights": spine, "weather": KnownTable(weather, contract.CleanWeather)}
    built = build_features(features.delay_features, spine=spine, inputs=inputs, prediction_at=features.prediction_at)
    audit_knowledge(
        features.delay_features,
        built=built,
        key=contract.DelayFeatures.primary_key(),
        spine=spine,
        inputs=inputs,
        prediction_at=features.prediction_at,
        look_back=LookBack(DAY, 30),
    )
    return _audited(built.lazy(), contract.DelayFeatures).accepted
