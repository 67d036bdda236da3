"""A toy table: a sensor that is read three times a day; `reading` is the day of the month plus the hour."""

import datetime as dt
from collections.abc import Sequence

import polars as pl

from ml_platform.settings import Settings
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.tables import Publication, TableStore

TABLE = "toy/readings"
FIRST_DAYS = ["2013-01-01", "2013-01-02", "2013-01-03"]


def readings(days: Sequence[str] = FIRST_DAYS) -> pl.DataFrame:
    rows = [(dt.date.fromisoformat(day), hour) for day in days for hour in (0, 8, 16)]
    frame = pl.DataFrame(rows, schema={"day": pl.Date, "hour": pl.Int64}, orient="row")
    return frame.with_columns(reading=(pl.col("day").dt.day() + pl.col("hour")).cast(pl.Float64))


def publish(store: TableStore, frame: pl.DataFrame, days: Sequence[str] = FIRST_DAYS, **commit: str) -> Publication:
    return store.publish(TABLE, frame, days, key="day", sort_by=["hour"], commit=commit)


def objects_of(store: TableStore, table: str = TABLE) -> ObjectStore:
    """Everything that is stored below a table."""
    return ObjectStore(store.uri, store.object_options).below(table)


def data_files(store: TableStore, table: str = TABLE) -> list[str]:
    return [info.path for info in objects_of(store, table).list() if not info.path.startswith("_delta_log/")]


def publish_each(settings: Settings, writer: int, days: Sequence[str]) -> None:
    """One commit for each day, with the writer's number as every reading; runs in a process of its own."""
    store = TableStore.from_settings(settings)
    for day in days:
        publish(store, readings([day]).with_columns(reading=pl.lit(float(writer))), [day])
