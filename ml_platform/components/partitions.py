"""The partitions of a run, as keys and as days, and their rows."""

import datetime as dt
from collections.abc import Iterable
from typing import TypeVar

import dagster as dg
import polars as pl

from ml_platform.storage.batches import UNPARTITIONED

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)


def partitions_of_run(context: dg.AssetExecutionContext | dg.OpExecutionContext) -> list[str]:
    """The partition keys that this run is to build, in order; the one that stands for a table without partitions."""
    is_partitioned = context.has_partition_key or context.has_partition_key_range
    return list(context.partition_keys) if is_partitioned else [UNPARTITIONED]


def as_days(partitions: Iterable[str]) -> list[dt.date]:
    """Daily partition keys as dates."""
    return [dt.date.fromisoformat(key) for key in partitions]


def rows_among(frame: Frame, column: str, partitions: Iterable[str]) -> Frame:
    """The rows of these partitions; the type of their column says what a key stands for there, a day or a text."""
    is_day = frame.lazy().collect_schema()[column] == pl.Date
    return frame.filter(pl.col(column).is_in(as_days(partitions) if is_day else list(partitions)))
