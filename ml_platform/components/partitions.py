"""The partitions of a run, as keys and as days."""

import datetime as dt
from collections.abc import Iterable

import dagster as dg

from ml_platform.storage.batches import UNPARTITIONED


def partitions_of_run(context: dg.AssetExecutionContext | dg.OpExecutionContext) -> list[str]:
    """The partition keys that this run is to build, in order; the one that stands for a table without partitions."""
    is_partitioned = context.has_partition_key or context.has_partition_key_range
    return list(context.partition_keys) if is_partitioned else [UNPARTITIONED]


def as_days(partitions: Iterable[str]) -> list[dt.date]:
    """Daily partition keys as dates."""
    return [dt.date.fromisoformat(key) for key in partitions]
