"""What is measured of tables, and the rows it is measured with.

Belongs here: one operation at a time, in the process that is measured. Does not: how tables come to their size, or how
numbers are shown.
"""

import datetime as dt
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from ml_platform.settings import Settings
from ml_platform.storage.tables import TableStore

FIRST_DAY = dt.date(2013, 1, 1)
ROWS_A_DAY = 900  # as flights have
TIMES_AS_MANY = 100
DAYS_READ = 28
DAYS_OF_A_YEAR = 365
TABLE, LARGE_TABLE, WRITERS_TABLE = "bench/days", "bench/large_days", "bench/writers"
_COLUMNS = 8


class Cost(NamedTuple):
    """Of one operation: medians of wall and CPU seconds of this process, and its peak above what it held before."""

    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int


def days_of(first: int, count: int) -> list[str]:
    """Partition keys of `count` days, from day number `first` on."""
    return [(FIRST_DAY + dt.timedelta(days=first + n)).isoformat() for n in range(count)]


def rows_of(days: Sequence[str], rows_a_day: int = ROWS_A_DAY, shift: float = 0.0) -> pl.DataFrame:
    """Rows of `days`: the day, the number of the row, a text and numbers that `shift` makes others."""
    numbers = pl.DataFrame({"row": pl.int_range(rows_a_day, eager=True)})
    keyed = pl.DataFrame({"day": [dt.date.fromisoformat(day) for day in days]}).join(numbers, how="cross")
    seed = pl.col("row") * 7919 + pl.col("day").dt.epoch("d") * 104729
    values = [((seed * (n + 3)) % 10007 / 100 + shift).alias(f"value_{n}") for n in range(_COLUMNS)]
    return keyed.with_columns(pl.format("C{}", seed % 16).alias("carrier"), *values)


def publish(store: TableStore, frame: pl.DataFrame, days: Sequence[str], table: str = TABLE) -> int:
    """Attempts that one publication of `days` took."""
    return store.publish(table, frame, days, key="day", sort_by=["row"]).attempts


def measure_at_size(settings: Settings, partitions: int, times: int) -> dict[str, Cost]:
    """Cost of each operation on a table of `partitions` days, by its name."""
    store = TableStore.from_settings(settings)
    last = days_of(partitions - min(DAYS_READ, partitions), min(DAYS_READ, partitions))
    one = iter([rows_of(last[-1:], shift=time.time() + n) for n in range(times + 1)])
    publish(store, next(one), last[-1:])
    return {
        "open the table": cost_of(lambda: store.version(TABLE), times),
        "content hash of every partition": cost_of(lambda: store.partitions(TABLE), times),
        "publish one day": cost_of(lambda: publish(store, next(one), last[-1:]), times),
        "read 28 days": cost_of(lambda: store.scan(TABLE, partitions=last).collect(), times),
    }


def measure_large(settings: Settings, times: int) -> dict[str, Cost]:
    """Cost of each operation with 100 times the rows, and of a year in one publication."""
    store, days = TableStore.from_settings(settings), days_of(0, DAYS_READ)
    year, rows = days_of(0, DAYS_OF_A_YEAR), ROWS_A_DAY * TIMES_AS_MANY
    backfill = rows_of(year)
    costs = {"publish a year in one commit": cost_of(lambda: publish(store, backfill, year, "bench/year"), 1)}
    for day in days:
        publish(store, rows_of([day], rows), [day], LARGE_TABLE)
    one = iter([rows_of(days[-1:], rows, shift=time.time() + n) for n in range(times)])
    scan = store.scan(LARGE_TABLE, partitions=days)
    return costs | {
        "publish one large day": cost_of(lambda: publish(store, next(one), days[-1:], LARGE_TABLE), times),
        "read a column of 28 large days": cost_of(lambda: scan.select(pl.col("value_0").mean()).collect(), times),
        "read 28 large days": cost_of(scan.collect, times),
    }


def measure_again(settings: Settings, partitions: int, times: int) -> dict[str, Cost]:
    """Cost of publishing a year over the last days of a table of `partitions` days, in one commit."""
    store, days = TableStore.from_settings(settings), days_of(partitions - DAYS_OF_A_YEAR, DAYS_OF_A_YEAR)
    backfill = iter([rows_of(days, shift=time.time() + n) for n in range(times)])
    return {"publish a year again, in one commit": cost_of(lambda: publish(store, next(backfill), days), times)}


def warm_up(settings: Settings, writer: int) -> None:
    """Publish to a table of this writer's own, and take a second over it, so that each writer is a process by then."""
    publish(TableStore.from_settings(settings), rows_of(days_of(0, 1)), days_of(0, 1), f"bench/warm_{writer}")
    time.sleep(1.0)


def write_alone(settings: Settings, days: Sequence[str], apart: bool) -> list[tuple[int, float]]:
    """Attempts and wall seconds of each of the commits of one writer; `apart` as on a machine of its own."""
    if apart:
        tempfile.tempdir = tempfile.mkdtemp(dir=settings.home)  # where turns are taken
    store, done = TableStore.from_settings(settings), list[tuple[int, float]]()
    frames = [rows_of([day]) for day in days]
    for day, frame in zip(days, frames, strict=True):
        started = time.perf_counter()
        attempts = publish(store, frame, [day], WRITERS_TABLE)
        done.append((attempts, time.perf_counter() - started))
    return done


def cost_of(operation: Callable[[], object], times: int) -> Cost:
    """Medians over `times` calls; the peak is that of the first, before memory is kept for the next."""
    walls, processors, peaks = list[float](), list[float](), list[int]()
    for _ in range(times):
        held = _memory("VmRSS")
        _forget_peak()
        started, before = time.perf_counter(), os.times()
        operation()
        after = os.times()
        walls.append(time.perf_counter() - started)
        processors.append(after.user + after.system - before.user - before.system)
        peaks.append(max(0, _memory("VmHWM") - held))
    return Cost(statistics.median(walls), sum(processors) / times, max(peaks))


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _memory(name: str) -> int:
    lines: Mapping[str, str] = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[name].split()[0]) * 1024
