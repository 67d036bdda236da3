"""A toy shop whose orders come from any source there is, with numbers that can be checked by hand.

Each `Origin` has the same three orders of a day: it declares the table, and delivers rows as its upstream would.
"""

import datetime as dt
import gzip
import io
import os
import sqlite3
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import dataframely as dy
import polars as pl
import pyarrow as pa

from ml_platform.components.use_case import UseCase
from ml_platform.data.component import DataPipeline
from ml_platform.data.pipeline import build_pipeline
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.resources import storage_resources

DAY, NEXT = dt.date(2013, 7, 4), dt.date(2013, 7, 5)
URL_FROM = "SHOP_TEST_DATABASE_URL"
JOB, REGISTERS = "build_shop_days", "refresh_shop_references"
FETCHED: dict[dt.date, pl.DataFrame | Exception] = {}
"""What the API answers of each day."""


class RawOrders(dy.Schema):
    """One order as delivered."""

    placed_on = dy.Date()
    number = dy.Int64()
    amount = dy.Float64(nullable=True)
    is_paid = dy.Bool()
    note = dy.String(nullable=True)
    placed_at = dy.Datetime(time_unit="us", time_zone="UTC")


def orders(day: dt.date, *amounts: float | None) -> pl.DataFrame:
    """An order at every full hour of the day, the first of them paid; three by default, one of them without amount."""
    given = amounts or (9.5, None, 20.0)
    at = [dt.datetime.combine(day, dt.time(hour), dt.UTC) for hour in range(len(given))]
    return pl.DataFrame(
        {
            "placed_on": [day] * len(given),
            "number": range(1, len(given) + 1),
            "amount": pl.Series(given, dtype=pl.Float64),
            "is_paid": [hour == 0 for hour in range(len(given))],
            "note": [None if hour else "für Zoë" for hour in range(len(given))],
            "placed_at": pl.Series(at, dtype=pl.Datetime("us", "UTC")),
        }
    )


def fetch_orders(day: dt.date) -> pl.DataFrame | None:
    """The orders of one day, as an API would answer."""
    answer = FETCHED.get(day)
    if isinstance(answer, Exception):
        raise answer
    return answer


def as_csv(frame: pl.DataFrame) -> bytes:
    """The orders as CSV."""
    text = frame.with_columns(pl.col("placed_at").dt.to_string("%Y-%m-%dT%H:%M:%SZ"))
    return text.write_csv(null_value="NA").encode()


def as_jsonl(frame: pl.DataFrame) -> bytes:
    """The orders as JSON lines."""
    return frame.with_columns(pl.col("placed_at").dt.to_string("%Y-%m-%dT%H:%M:%SZ")).write_ndjson().encode()


def as_parquet(frame: pl.DataFrame) -> bytes:
    """The orders as Parquet."""
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


def zipped(data: bytes, members: int = 1) -> bytes:
    """A zip with so many members of the same bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(members):
            archive.writestr(f"{number}.csv", data)
    return file.getvalue()


def zstandard(data: bytes) -> bytes:
    """The bytes packed by Zstandard."""
    return bytes(pa.compress(data, codec="zstd", asbytes=True))


class Origin(NamedTuple):
    """One way for orders to come: what the YAML declares, and how a day of them is delivered (nothing: taken away)."""

    declares: Mapping[str, Any]
    deliver: Callable[["Shop", dt.date, pl.DataFrame | None], None]


def objects(suffix: str, pack: Callable[[pl.DataFrame], bytes]) -> Origin:
    """One object a day."""

    def deliver(shop: "Shop", day: dt.date, frame: pl.DataFrame | None) -> None:
        shop.put(f"orders/{day}.{suffix}", None if frame is None else pack(frame))

    return Origin({"landing": f"orders/{{day}}.{suffix}"}, deliver)


def _deliver_many(shop: "Shop", day: dt.date, frame: pl.DataFrame | None) -> None:
    """An object for each order, and one without a row."""
    for info in shop.location.landing().list(f"orders/{day}"):
        shop.put(info.path, None)
    if frame is not None:
        for number in range(frame.height + 1):
            shop.put(f"orders/{day}/{number}.parquet", as_parquet(frame.slice(number, 1)))


def _deliver_rows(shop: "Shop", day: dt.date, frame: pl.DataFrame | None) -> None:
    with sqlite3.connect(shop.database) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS orders (placed_on, number, amount, is_paid, note, placed_at)")
        connection.execute("DELETE FROM orders WHERE placed_on = ?", [str(day)])
        if frame is not None:
            rows = frame.with_columns(
                pl.col("placed_at").dt.to_string("%Y-%m-%dT%H:%M:%SZ"), pl.col("placed_on").cast(str)
            )
            connection.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?)", rows.reverse().iter_rows())
    connection.close()


def _deliver_answer(_: "Shop", day: dt.date, frame: pl.DataFrame | None) -> None:
    FETCHED.pop(day, None)
    if frame is not None:
        FETCHED[day] = frame.reverse()


QUERY = {"url_from": URL_FROM, "sql": "SELECT * FROM orders WHERE placed_on = :day"}
ORIGINS: Mapping[str, Origin] = {
    "csv": objects("csv", as_csv),
    "csv.gz": objects("csv.gz", lambda frame: gzip.compress(as_csv(frame))),
    "csv.zst": objects("csv.zst", lambda frame: zstandard(as_csv(frame))),
    "csv.zip": objects("csv.zip", lambda frame: zipped(as_csv(frame))),
    "jsonl": objects("jsonl", as_jsonl),
    "jsonl.gz": objects("ndjson.gz", lambda frame: gzip.compress(as_jsonl(frame))),
    "parquet": objects("parquet", as_parquet),
    "many": Origin({"landing": "orders/{day}/*.parquet"}, _deliver_many),
    "query": Origin({"query": QUERY}, _deliver_rows),
    "function": Origin({"fetch": {"function": "shop:fetch_orders", "by": "day"}}, _deliver_answer),
}


class ShopCase(UseCase):
    """The use case, whose functions and contracts are in this module."""

    def resolve(self, reference: str) -> Any:
        """What `shop:<name>` means."""
        return globals()[reference.partition(":")[2]]


def use_case() -> ShopCase:
    """A use case of two days."""
    return ShopCase.model_validate(
        {
            "name": "shop",
            "description": "What will be bought?",
            "owners": ["team:shop"],
            "timezone": "UTC",
            "first_day": str(DAY),
            "last_day": str(NEXT),
            "first_as_of_month": "2013-08-01",
        }
    )


def pipeline(**declares: Any) -> DataPipeline:
    """One raw table."""
    raw = {"name": "raw", "description": "Toy.", "contract": "shop:RawOrders", "day_columns": ["placed_on"]}
    return DataPipeline.model_validate({"landed": [{**raw, **declares}]})


class Shop:
    """The use case on its own storage and instance."""

    def __init__(self, home: Path, instance: dg.DagsterInstance, **declares: Any) -> None:
        """Nothing was delivered yet."""
        self.settings, self.instance = Settings(home=home), instance
        self.location, self.database = StorageLocation.of(self.settings), home / "shop.db"
        os.environ[URL_FROM] = f"sqlite:///{self.database}"
        resources = dg.Definitions(resources=storage_resources(self.settings), executor=dg.in_process_executor)
        self.definitions = dg.Definitions.merge(build_pipeline(pipeline(**declares), use_case()), resources)

    def put(self, path: str, data: bytes | None) -> None:
        """Have an object land, or be taken away."""
        if data is None:
            self.location.landing().delete(path)
        else:
            self.location.landing().write(path, data)

    def build(self, *days: dt.date, job: str = JOB) -> dg.ExecuteInProcessResult:
        """One run over a day, or from the first to the last of several."""
        ends = {"start": str(days[0]), "end": str(days[-1])} if len(days) > 1 else {}
        return self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            partition_key=str(days[0]) if len(days) == 1 else None,
            tags={f"dagster/asset_partition_range_{end}": key for end, key in ends.items()},
            raise_on_error=False,
        )

    def rows(self, day: dt.date = DAY, version: int | None = None) -> pl.DataFrame:
        """What the raw table has of one day, by number."""
        scanned = self.location.tables().scan("shop/raw", partitions=[str(day)], version=version)
        return scanned.collect().drop("landing_day").sort("number")

    def told(self) -> Mapping[str, Any]:
        """What the newest materialization tells."""
        event = self.instance.get_latest_materialization_event(dg.AssetKey(["shop", "raw"]))
        assert event is not None
        assert event.asset_materialization is not None
        return {name: each.value for name, each in event.asset_materialization.metadata.items()}
