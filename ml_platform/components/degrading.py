"""What any asset does about degradation: decide, mark, publish, clear, and tell, in this order.

    decided = decide(context, key, reads={"flights/weather_raw": same_partition}, own={"2013-07-04": Lowered(...)})
    yield from decided.publish(dg.Output(todo.publishable(...)))

A partition is degraded if the asset itself took a lower rung for it, or if it is made from one that is. That is decided
in each run anew, also for partitions that stand as they are: a mark is about what a result follows from, not about when
it was computed.

Belongs here: what the marks of a run are, and how Dagster shows them. Does not: the ledger (`recovery.degradation`), or
which rung is taken.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG

from ml_platform.components.partitions import partitions_of_run
from ml_platform.recovery.degradation import Degradation, Degradations, Rung
from ml_platform.storage.batches import UNPARTITIONED
from ml_platform.storage.io_managers import DeltaTableIOManager, Publishable
from ml_platform.storage.partition_events import DEGRADED_TAG, LowerRung
from ml_platform.storage.tables import TableStore

IS_NOT_DEGRADED = "is_not_degraded"
SHOWN = 20
NAMED = 5
PAGE = 1000

Reads = Mapping[str, Callable[[str], Iterable[str]]]
"""By table, the partitions of it that a partition is made from."""


class Lowered(NamedTuple):
    """The rung that an asset itself takes for one partition, why, and the state of the cause when it was looked at."""

    rung: Rung
    reason: str
    seen: str = ""


def same_partition(partition: str) -> tuple[str, ...]:
    """What a partition is made from where it is made from its like."""
    return (partition,)


def whole_table(_: str) -> tuple[str, ...]:
    """What a partition is made from where it is made from a table without partitions."""
    return (UNPARTITIONED,)


def degradation_check_spec(key: dg.AssetKey) -> dg.AssetCheckSpec:
    """The check that each table has which can be degraded."""
    return dg.AssetCheckSpec(
        IS_NOT_DEGRADED,
        asset=key,
        description="No partition of the table was made on a lower rung of a fallback ladder, or from one that was. "
        "Failed: they are published and marked, and training leaves them out unless it is told not to.",
    )


@dataclass(frozen=True)
class Decided:
    """What a run decided for the partitions of one table: those that are degraded, and those that no longer are."""

    key: dg.AssetKey
    partitions: tuple[str, ...]
    marks: Mapping[str, Degradation]
    standing: Mapping[str, Degradation]
    ledger: Degradations
    tables: TableStore

    def publish(self, output: dg.Output[Publishable]) -> Iterator[dg.Output[Publishable] | dg.AssetCheckResult]:
        """The check and the output, with the marks set before it is published, and taken off after."""
        degraded = {key: LowerRung(mark.rung, mark.reason) for key, mark in self.marks.items()}
        value = output.value._replace(degraded=degraded)
        yield self.check()
        yield from self.around(dg.Output(value, output.output_name, metadata=output.metadata, tags=self.tags))

    def around(self, output: dg.Output[Any]) -> Iterator[dg.Output[Any]]:
        """The output alone, between setting marks and taking them off."""
        self.ledger.mark(self.marks.values())
        yield output
        if not self.marks and not self._ended:
            return
        now = self.ledger.of(self._name)
        self.ledger.mark(mark for key, mark in self.marks.items() if key not in now)  # another run cleared it meanwhile
        unchanged = [key for key, mark in self._ended.items() if now.get(key) == mark]
        self.ledger.clear(self._name, unchanged, until=self.tables.version(self._name))

    def check(self) -> dg.AssetCheckResult:
        """Whether no partition of the table is degraded once this run is done."""
        others = {key: mark for key, mark in self.standing.items() if key not in self.partitions}
        degraded = dict(sorted({**others, **self.marks}.items()))
        together: dict[str, list[str]] = {}
        for key, mark in degraded.items():
            together.setdefault(f"{mark.rung}: {mark.reason}", []).append(key)
        told = [f"{_named(keys)}, {why}" for why, keys in together.items()]
        more = [f"and {len(told) - SHOWN} more reasons"] if len(told) > SHOWN else []
        return dg.AssetCheckResult(
            passed=not degraded,
            asset_key=self.key,
            check_name=IS_NOT_DEGRADED,
            severity=dg.AssetCheckSeverity.WARN,
            description=_counted(len(degraded), len(self.marks)),
            metadata={
                "partitions_degraded": len(degraded),
                "partitions_degraded_in_this_run": len(self.marks),
                "reasons": told[:SHOWN] + more,
            },
        )

    @property
    def tags(self) -> dict[str, str]:
        """Tags of the output of a run over one partition; of several, the IO manager gives each its own."""
        alone = self.marks.get(self.partitions[0]) if len(self.partitions) == 1 else None
        return {DEGRADED_TAG: alone.rung} if alone else {}

    @property
    def _name(self) -> str:
        return "/".join(self.key.path)

    @property
    def _ended(self) -> dict[str, Degradation]:
        """Marks that stand and are no longer true."""
        return {key: self.standing[key] for key in self.partitions if key in self.standing and key not in self.marks}


def decide(
    context: dg.AssetExecutionContext | dg.OpExecutionContext,
    key: dg.AssetKey,
    reads: Reads,
    own: Mapping[str, Lowered] = MappingProxyType({}),
) -> Decided:
    """Which partitions of the run are degraded: by the asset's `own` decision, or by what they are made from.

    The marks of an input are those of the version that the run reads. What is degraded already stays so `since` then.
    """
    storage: DeltaTableIOManager = context.resources.tables
    location, name = storage.location, "/".join(key.path)
    ledger, pins = Degradations(location.artifacts()), location.pins(context.run)
    above = {table: ledger.of(table, partial(pins.pin, table)) for table in reads}
    standing, now = ledger.of(name), dt.datetime.now(dt.UTC)
    marks: dict[str, Degradation] = {}
    for partition in partitions_of_run(context):
        causes = [mark for table in reads if above[table] for mark in _marked(above[table], reads[table](partition))]
        lowered = own.get(partition) or (Lowered("inherited", causes[0].reason) if causes else None)
        if lowered:
            before = standing.get(partition)
            marks[partition] = Degradation(
                table=name,
                partition=partition,
                rung=lowered.rung,
                reason=lowered.reason,
                since=before.since if before else now,
                run_id=context.run.run_id,
                causes=tuple(mark.name for mark in causes),
                seen=lowered.seen,
            )
    return Decided(key, tuple(partitions_of_run(context)), marks, standing, ledger, location.tables())


def _counted(degraded: int, of_this_run: int) -> str:
    if not degraded:
        return "No partition of the table is degraded."
    what = "1 partition of the table is" if degraded == 1 else f"{degraded:,} partitions of the table are"
    return f"{what} degraded; {of_this_run:,} made in this run."


def _named(partitions: Sequence[str]) -> str:
    more = len(partitions) - NAMED
    return ", ".join(partitions[:NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _marked(marks: Mapping[str, Degradation], partitions: Iterable[str]) -> Iterator[Degradation]:
    return (marks[partition] for partition in partitions if partition in marks)


def last_sound(instance: dg.DagsterInstance, key: dg.AssetKey, hashes: Mapping[str, str]) -> dict[str, dt.datetime]:
    """When the content `hashes` of each partition was last materialized without being degraded; UTC.

    A partition is left out whose last such materialization had another content, or that has none.
    """
    partitions = None if list(hashes) == [UNPARTITIONED] else list(hashes)
    wanted = dg.AssetRecordsFilter(asset_key=key, asset_partitions=partitions)
    left, found, cursor = set(hashes), {}, None
    while left:
        page = instance.fetch_materializations(wanted, limit=PAGE, cursor=cursor)
        for record in page.records:
            partition = record.partition_key or UNPARTITIONED
            event = record.asset_materialization
            if event is None or partition not in left or DEGRADED_TAG in (event.tags or {}):
                continue
            left.remove(partition)
            if (event.tags or {}).get(DATA_VERSION_TAG) == hashes[partition]:
                found[partition] = dt.datetime.fromtimestamp(record.timestamp, dt.UTC)
        if not page.has_more:
            break
        cursor = page.cursor
    return found
