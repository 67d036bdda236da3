"""The fallback ladder of a raw table: what is published where nothing fresh of its source can be used, or the refusal.

    fresh -> cached: what stands, if it is young enough -> empty: the day without a row -> refused

Belongs here: which rung a partition takes, and what is told of it. Does not: reading objects (`landing`), or marks
(`components.degrading`).
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import dagster as dg

from ml_platform.components.degrading import Lowered, last_sound
from ml_platform.components.reuse import Plan
from ml_platform.data.component import LandedTable, SourceFallback
from ml_platform.data.landing import refusal
from ml_platform.data.sources import OUT_OF_REACH, Source, Unreachable, state_of
from ml_platform.errors import LandingError, PlatformError
from ml_platform.recovery.degradation import Degradation
from ml_platform.storage.batches import UNPARTITIONED
from ml_platform.storage.io_managers import DeltaTableIOManager
from ml_platform.storage.memo import Memo

ABSENT, UNREACHABLE, DECLARED = "absent", "unreachable", "declared"


class Missed(NamedTuple):
    """A partition without a fresh object that could be used: the error, and the state of the object that was seen."""

    error: LandingError | Unreachable
    seen: str


class _Sound(NamedTuple):
    """What stands of a partition, when it was last ingested fresh, and what was told of it then."""

    at: dt.datetime
    told: Mapping[str, object]


class Taken(NamedTuple):
    """The rung of each partition that has no fresh object, and what was told of those whose content stands."""

    rungs: Mapping[str, Lowered]
    standing: Mapping[str, Mapping[str, object]]

    def applied(self, todo: Plan, key: dg.AssetKey) -> Plan:
        """The plan in which a cached partition stands, and nothing remembers what a lower rung was made from."""
        table = "/".join(key.path)
        made_from = {key: made for key, made in todo.made_from.items() if key not in self.rungs}
        return todo._replace(made_from=made_from, reused={table: {**todo.reused[table], **self.standing}})


def take_rungs(
    context: dg.AssetExecutionContext, key: dg.AssetKey, table: LandedTable, missed: Mapping[str, Missed], tried: int
) -> Taken:
    """A rung for each partition in `missed`, as the table declares them.

    Raises:
        LandingError, Unreachable: a partition has none that it could take; told is what was tried.
    """
    if not missed:
        return Taken({}, {})
    fallback, name, now = table.fallback, "/".join(key.path), dt.datetime.now(dt.UTC)
    sound = _sound(context, key, list(missed)) if fallback and fallback.cached_within_days else {}
    ages = {partition: now - each.at for partition, each in sound.items()}
    rungs: dict[str, Lowered] = {}
    refused: list[LandingError | Unreachable] = []
    for partition, each in missed.items():
        which = name if partition == UNPARTITIONED else f"{name} {partition}"
        age = ages.get(partition)
        if fallback and age is not None and fallback.allows(age):
            reason = f"{which} is as ingested on {sound[partition].at:%Y-%m-%d %H:%M} UTC: {each.error.what}"
            rungs[partition] = Lowered("cached", reason, each.seen)
        elif fallback and fallback.otherwise == "empty":
            rungs[partition] = Lowered("empty", f"{which} is published without a row: {each.error.what}", each.seen)
        else:
            refused.append(_refused(each.error, fallback, age))
    if refused:
        raise _all_of(refused, tried)
    return Taken(rungs, {key: sound[key].told for key, lowered in rungs.items() if lowered.rung == "cached"})


def sound_again(source: Source, table: LandedTable, mark: Degradation) -> str | None:
    """The state of what there is of a degraded partition, if it may be sound now: another one than was seen then."""
    if mark.partition in table.days_without_object:
        return DECLARED
    try:
        state = state_of({part.name: part.sha256 for part in source.take(mark.partition)})
    except (LandingError, *OUT_OF_REACH):
        return None
    return None if state == mark.seen else state


def _sound(context: dg.AssetExecutionContext, key: dg.AssetKey, partitions: Sequence[str]) -> dict[str, _Sound]:
    """What stands and was ingested fresh, of some partitions."""
    tables: DeltaTableIOManager = context.resources.tables
    name = "/".join(key.path)
    published = tables.location.tables().published(name)
    hashes = {each: published[each].content_hash for each in partitions if each in published}
    told = Memo(tables.location.artifacts(), name).standing(published)
    return {each: _Sound(at, told.get(each, {})) for each, at in last_sound(context.instance, key, hashes).items()}


def _refused(
    error: LandingError | Unreachable, fallback: SourceFallback | None, age: dt.timedelta | None
) -> LandingError | Unreachable:
    """The error, with what was tried on each rung."""
    if fallback is None:
        return error
    tried = []
    if fallback.cached_within_days:
        stands = f"what stands was ingested {_ago(age)} ago" if age else "nothing of it was ever ingested"
        tried.append(f"cached within {fallback.cached_within_days:g} days: {stands}")
    if fallback.otherwise == "fail":
        tried.append("no other rung is declared")
    kept = f"No rung of its fallback could be taken ({'; '.join(tried)}). {error.kept}"
    return type(error)(error.what, expected=error.expected, got=error.got, kept=kept, remedy=error.remedy)


def _all_of(refused: Sequence[PlatformError], tried: int) -> PlatformError:
    landing = [error for error in refused if isinstance(error, LandingError)]
    return refusal(landing, tried) if landing else refused[0]


def _ago(age: dt.timedelta) -> str:
    hours = age.total_seconds() / 3600
    return (
        f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hours" if hours >= 2 else f"{hours * 60:.0f} minutes"
    )
