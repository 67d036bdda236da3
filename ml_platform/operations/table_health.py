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
from dagster._core.events import DagsterEventType

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


def table_health(use_case: UseCase, found: Published, instance: dg.DagsterInstance, now: dt.datetime) -> TableHealth:
    """Counts of one table."""
    table, states = found
    return TableHealth(
        name=table.name,
        by=table.by,
        published=len(states),
        expected=len(_expected(use_case, table, instance, now)),
        newest=max(states, default=None) if table.by == "day" else None,
        rows=sum(state.rows for state in states.values()),
    )


def missing(use_case: UseCase, found: Published, instance: dg.DagsterInstance, now: dt.datetime) -> Iterator[Finding]:
    """The days of the calendar and the keys without a partition, and a table of which there is none at all."""
    table, states = found
    keys = _expected(use_case, table, instance, now)
    if _has_deadlines(use_case, table, now):
        keys = [day for day in keys if day < max(states, default="")]  # later ones are late, or have time
    if left := [key for key in keys if key not in states]:
        yield Finding(state="missing", asset=table.name, partitions=tuple(left))


def late(use_case: UseCase, found: Published, instance: dg.DagsterInstance, now: dt.datetime) -> Iterator[Finding]:
    """What is not there although its deadline has passed: the days after the newest, or a table not looked at."""
    table, states = found
    hours = table.fresh_within_hours
    if hours is None:
        return
    if table.by != "day":
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


def _expected(use_case: UseCase, table: Table, instance: dg.DagsterInstance, now: dt.datetime) -> list[str]:
    """The partitions that there should be by now."""
    if table.by == "key":
        return sorted(use_case.by_key.get_partition_keys(dynamic_partitions_store=instance))
    return _calendar(use_case, table, now) if table.by == "day" else [UNPARTITIONED]


def _has_deadlines(use_case: UseCase, table: Table, now: dt.datetime) -> bool:
    """Whether new days are expected of the table, each by its deadline."""
    hours = table.fresh_within_hours
    return hours is not None and table.by == "day" and not is_closed(use_case, hours, now)


def _not_looked_at(
    use_case: UseCase, table: Table, hours: float, instance: dg.DagsterInstance, now: dt.datetime
) -> Iterator[Finding]:
    if is_closed(use_case, hours, now):
        return
    key = dg.AssetKey(table.name.split("/"))
    if table.by == "key":
        kept = _expected(use_case, table, instance, now)
        looked_at = {each: at for each, at in _looked_at(instance, key).items() if each in kept}
    else:
        record = next(iter(instance.get_asset_records([key])), None)
        last = record.asset_entry.last_materialization if record else None
        looked_at = {UNPARTITIONED: dt.datetime.fromtimestamp(last.timestamp, dt.UTC)} if last else {}
    due = {each: at + dt.timedelta(hours=hours) for each, at in looked_at.items()}
    if overdue := sorted(each for each in due if due[each] < now):
        what, since = f"not looked at for more than {hours:g} hours", min(due[each] for each in overdue)
        yield Finding(state="late", asset=table.name, partitions=tuple(overdue), since=since, what=what)


def _looked_at(instance: dg.DagsterInstance, key: dg.AssetKey) -> dict[str, dt.datetime]:
    """When each partition was materialized last."""
    ids = instance.event_log_storage.get_latest_storage_id_by_partition(key, DagsterEventType.ASSET_MATERIALIZATION)
    wanted = dg.AssetRecordsFilter(key, storage_ids=list(ids.values()))
    found = instance.fetch_materializations(wanted, limit=len(ids)).records if ids else []
    return {each.partition_key or UNPARTITIONED: dt.datetime.fromtimestamp(each.timestamp, dt.UTC) for each in found}
