"""What is published of each table, and what should be.

Belongs here: the calendar against the log of tables, and the ledger of degraded partitions. Does not: why something is
not there (`unfinished`), or whether its inputs changed (`staleness`).
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

import dagster as dg

from ml_platform.components.freshness import due_at, is_closed, newest_due
from ml_platform.components.use_case import UseCase
from ml_platform.operations.health import Finding, TableHealth
from ml_platform.provenance.catalog import SERVED, Catalog, Table
from ml_platform.recovery.degradation import Degradation
from ml_platform.storage.batches import UNPARTITIONED
from ml_platform.storage.tables import PartitionState, TableStore

ONE_DAY = dt.timedelta(days=1)


class Published(NamedTuple):
    """A declared table and what is published of it."""

    table: Table
    states: dict[str, PartitionState]


def published(tables: TableStore, catalog: Catalog) -> list[Published]:
    """Every declared table of the use case; only the logs are read."""
    return [Published(table, tables.published(table.name)) for table in catalog.tables.values()]


def table_health(use_case: UseCase, found: Published, now: dt.datetime) -> TableHealth:
    """Counts of one table."""
    table, states = found
    return TableHealth(
        name=table.name,
        is_daily=table.is_daily,
        published=len(states),
        expected=len(_calendar(use_case, table, now)) if table.is_daily else 1,
        newest=max(states, default=None) if table.is_daily else None,
        rows=sum(state.rows for state in states.values()),
    )


def missing(use_case: UseCase, found: Published, now: dt.datetime) -> Iterator[Finding]:
    """The days of the calendar without a partition, and a table of which there is none at all."""
    table, states = found
    days = _calendar(use_case, table, now) if table.is_daily else [UNPARTITIONED]
    if _has_deadlines(use_case, table, now):
        days = [day for day in days if day < max(states, default="")]  # later ones are late, or have time
    if left := [day for day in days if day not in states]:
        yield Finding(state="missing", asset=table.name, partitions=tuple(left))


def late(use_case: UseCase, found: Published, instance: dg.DagsterInstance, now: dt.datetime) -> Iterator[Finding]:
    """What is not there although its deadline has passed: the days after the newest, or a table not looked at."""
    table, states = found
    hours = table.fresh_within_hours
    if hours is None:
        return
    if not table.is_daily:
        yield from _not_looked_at(use_case, table, hours, instance, now)
        return
    due = newest_due(use_case, hours, now)
    newest = dt.date.fromisoformat(max(states)) if states else _first_day(use_case, table) - ONE_DAY
    if due is None or due <= newest:
        return
    days = [newest + ONE_DAY * number for number in range(1, (due - newest).days + 1)]
    since = due_at(use_case, days[0], hours)
    what = f"expected {hours:g} hours after the end of the day"
    yield Finding(state="late", asset=table.name, partitions=tuple(map(str, days)), since=since, what=what)


def degraded(marks: Sequence[Degradation], use_case: str) -> Iterator[Finding]:
    """The marks of the use case, those of one table, rung and reason together."""
    groups: dict[tuple[str, str, str], list[Degradation]] = defaultdict(list)
    for mark in marks:
        if mark.table.startswith(f"{use_case}/"):
            groups[mark.table, mark.rung, mark.reason].append(mark)
    for (table, rung, reason), found in groups.items():
        yield Finding(
            state="degraded",
            asset=table,
            partitions=tuple(sorted(mark.partition for mark in found)),
            since=min(mark.since for mark in found),
            what=reason,
            rung=rung,
            run_id=found[-1].run_id,
        )


def _first_day(use_case: UseCase, table: Table) -> dt.date:
    return use_case.first_as_of_month if table.kind in SERVED else use_case.first_day


def _calendar(use_case: UseCase, table: Table, now: dt.datetime) -> list[str]:
    """The days of the table that have ended in the use case's time zone."""
    first, today = _first_day(use_case, table), now.astimezone(ZoneInfo(use_case.timezone)).date()
    last = min(use_case.last_day or dt.date.max, today - ONE_DAY)
    return [str(first + ONE_DAY * number) for number in range((last - first).days + 1)]


def _has_deadlines(use_case: UseCase, table: Table, now: dt.datetime) -> bool:
    """Whether new days are expected of the table, each by its deadline."""
    hours = table.fresh_within_hours
    return hours is not None and table.is_daily and not is_closed(use_case, hours, now)


def _not_looked_at(
    use_case: UseCase, table: Table, hours: float, instance: dg.DagsterInstance, now: dt.datetime
) -> Iterator[Finding]:
    if is_closed(use_case, hours, now):
        return
    record = next(iter(instance.get_asset_records([dg.AssetKey(table.name.split("/"))])), None)
    last = record.asset_entry.last_materialization if record else None
    if last is None:
        return
    since = dt.datetime.fromtimestamp(last.timestamp, dt.UTC) + dt.timedelta(hours=hours)
    if since < now:
        what = f"not looked at for more than {hours:g} hours"
        yield Finding(state="late", asset=table.name, partitions=(UNPARTITIONED,), since=since, what=what)
