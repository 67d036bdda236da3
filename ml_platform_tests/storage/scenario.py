"""A toy table: a sensor that is read three times a day; `reading` is the day of the month plus the hour."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from ml_platform.storage.tables import Publication, TableStore

TABLE = "toy/readings"
FIRST_DAYS = ["2013-01-01", "2013-01-02", "2013-01-03"]


def table_store(folder: Path) -> TableStore:
    return TableStore(f"file://{folder}/lake")


def readings(days: Sequence[str] = FIRST_DAYS) -> pl.DataFrame:
    rows = [(dt.date.fromisoformat(day), hour) for day in days for hour in (0, 8, 16)]
    frame = pl.DataFrame(rows, schema={"day": pl.Date, "hour": pl.Int64}, orient="row")
    return frame.with_columns(reading=(pl.col("day").dt.day() + pl.col("hour")).cast(pl.Float64))


def publish(store: TableStore, frame: pl.DataFrame, days: Sequence[str] = FIRST_DAYS, **commit: str) -> Publication:
    return store.publish(TABLE, frame, days, key="day", sort_by=["hour"], commit=commit)


def publish_each(folder: str, writer: int, days: Sequence[str]) -> None:
    """One commit for each day; runs in a process of its own."""
    store = table_store(Path(folder))
    for day in days:
        publish(store, readings([day]).with_columns(reading=pl.lit(float(writer))), [day])
