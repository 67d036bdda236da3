"""What is in the landing zone: the objects of each table, complete days and keys, and what was ingested before.

Belongs here: seeing what landed without reading it. Does not: asking for runs (`landing_sensors`), or what the objects
hold (`landing`).
"""

import datetime as dt
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from ml_platform.components.automation import SHOWN, Wanted, named, short
from ml_platform.components.names import LONGEST_KEY
from ml_platform.data.component import LandedTable
from ml_platform.data.landing_paths import is_partition
from ml_platform.data.source_objects import LandingObjects, objects_by_partition
from ml_platform.data.sources import state_of
from ml_platform.errors import LandingObjectMissingError
from ml_platform.storage.batches import UNPARTITIONED
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.memo import Memo
from ml_platform.storage.objects import ObjectInfo

SETTLED_AFTER = dt.timedelta(seconds=5)
"""How long a local file is left alone after its last write, whose writer may still be at it; S3 shows whole objects."""

PATIENCE = dt.timedelta(hours=6)
"""How long a day or key waits for an object that it can do without."""

_COMPARING_SECONDS = 10.0

Objects = Mapping[str, Mapping[str, tuple[ObjectInfo, ...]]]
"""The objects of each table by partition, which may have several."""


class Zone(NamedTuple):
    """The landing zone at one instant, and the tables that are made from it."""

    use_case: str
    tables: Sequence[LandedTable]
    objects: Objects
    location: StorageLocation
    now: dt.datetime
    unfit: Sequence[str] = ()  # paths that would be of a key, and cannot be
    kept: Collection[str] | None = None  # keys that are partitions now; those that a person took away are not missed


def look(location: StorageLocation, use_case: str, tables: Sequence[LandedTable], now: dt.datetime) -> Zone:
    """What is there now; one listing for each folder of objects by day or key."""
    landing = location.landing()
    found = {table.name: objects_by_partition(landing, table.origin) for table in tables}
    objects = {
        table.name: {key: infos for key, infos in found[table.name].items() if is_partition(table.by, key)}
        for table in tables
    }
    by_key = [table.name for table in tables if table.by == "key"]
    unfit = [
        info.path for name in by_key for key, infos in found[name].items() if key not in objects[name] for info in infos
    ]
    return Zone(use_case, tables, objects, location, now, unfit)


def arrived_partitions(zone: Zone, seen: Mapping[str, str]) -> Wanted:
    """Each complete day or key by the stamps of its objects; those whose objects hold what was ingested are settled."""
    keys = landed_keys(zone)
    waits = {key: why for key in keys if (why := _waits(zone, key))}
    contents = {key: _stamps(zone, key) for key in keys if key not in waits}
    return _compared(zone, contents, seen, [*_few(list(dict.fromkeys(waits.values()))), *_unfit(zone)])


def landed_keys(zone: Zone) -> list[str]:
    """The days or keys of which there is an object."""
    return sorted({key for objects in zone.objects.values() for key in objects})


def arrived_registers(zone: Zone, seen: Mapping[str, str]) -> Wanted:
    """Each table that is one object by the stamp of this; those whose object holds what was ingested are settled."""
    present = {table.name: objects[UNPARTITIONED] for table in zone.tables if (objects := zone.objects[table.name])}
    unsettled = [info.path for infos in present.values() for info in infos if _is_being_written(zone, info)]
    waits = [f"Being written: {named(unsettled)}."] if unsettled else []
    contents = {
        name: _stamps(zone, name)
        for name, infos in present.items()
        if not any(info.path in unsettled for info in infos)
    }
    return _compared(zone, contents, seen, waits)


def _compared(zone: Zone, contents: Mapping[str, str], seen: Mapping[str, str], waits: Sequence[str]) -> Wanted:
    """`contents`, with those settled that were ingested from the same bytes; reading them is bounded in time."""
    ingested = {table.name: _ingested(zone, table) for table in zone.tables}
    started, settled, later = time.monotonic(), set[str](), list[str]()
    for key in [key for key, content in contents.items() if seen.get(key) != short(content)]:
        parts = _parts(zone, key)
        if not all(partition in ingested[name] for name, partition, _ in parts):
            continue
        if time.monotonic() - started > _COMPARING_SECONDS:
            later.append(key)
        elif all(_state(zone, name, partition) == ingested[name][partition] for name, partition, _ in parts):
            settled.add(key)
    compared = {key: content for key, content in contents.items() if key not in set(later)}
    told = [*waits, *_gone(zone, ingested)]
    if later:
        told.append(f"{len(later):,} are compared with what was ingested at the next tick: {named(later)}.")
    return Wanted(compared, frozenset(settled), told)


def _few(sentences: Sequence[str]) -> list[str]:
    more = len(sentences) - SHOWN
    return [*sentences[:SHOWN], *([f"{more:,} more wait likewise."] if more > 0 else [])]


def _gone(zone: Zone, ingested: Mapping[str, Mapping[str, str]]) -> Iterable[str]:
    """What was ingested from objects that are no longer there."""
    for table in zone.tables:
        gone = sorted(ingested[table.name].keys() - zone.objects[table.name].keys())
        gone = [key for key in gone if zone.kept is None or key in zone.kept]
        if gone:
            what = named([table.path_of(key) for key in gone])
            remedy = f" `ml-platform keys remove {zone.use_case} KEY` takes one away for good."
            told = f"{len(gone):,} left the landing zone: {what}. What was ingested of them stands."
            yield told + (remedy if table.by == "key" else "")


def _unfit(zone: Zone) -> list[str]:
    if not zone.unfit:
        return []
    rule = f"at most {LONGEST_KEY} characters that can be read, no '...', and not 'all'"
    return [f"{len(zone.unfit):,} have no name of a key ({rule}): {named([ascii(path) for path in zone.unfit])}."]


def _waits(zone: Zone, key: str) -> str:
    """Why the day or key is not ready to be ingested; empty if it is."""
    present = [info for objects in zone.objects.values() for info in objects.get(key, ())]
    if writing := [info.path for info in present if _is_being_written(zone, info)]:
        return f"Being written: {named(writing)}."
    missing = [table for table in zone.tables if key not in zone.objects[table.name]]
    missing = [table for table in missing if key not in table.days_without_object]
    if not missing:
        return ""
    paths = named([table.path_of(key) for table in missing])
    bearable = all(table.fallback and table.fallback.otherwise == "empty" for table in missing)
    if not bearable:
        return f"{key} waits for {paths}."
    newest = max(info.modified_at for info in present)
    return (
        ""
        if zone.now - newest > PATIENCE
        else f"{key} waits for {paths}, until {newest + PATIENCE:%Y-%m-%d %H:%M} UTC."
    )


def _is_being_written(zone: Zone, info: ObjectInfo) -> bool:
    is_local = not zone.location.settings.landing_uri.startswith("s3://")
    return is_local and abs(zone.now - info.modified_at) < SETTLED_AFTER


def _parts(zone: Zone, key: str) -> list[tuple[str, str, tuple[ObjectInfo, ...]]]:
    """Table, partition and objects of each table that has some of a day or key, or of a table that is whole."""
    if key in zone.objects:
        return [(key, UNPARTITIONED, zone.objects[key][UNPARTITIONED])]
    return [(name, key, objects[key]) for name, objects in zone.objects.items() if key in objects]


def _stamps(zone: Zone, key: str) -> str:
    return "\n".join(f"{info.path} {info.stamp}" for _, _, infos in _parts(zone, key) for info in infos)


def _ingested(zone: Zone, table: LandedTable) -> dict[str, str]:
    """The hash of the object that each published partition was made from; only logs are read."""
    name = f"{zone.use_case}/{table.name}"
    told = Memo(zone.location.artifacts(), name).standing(zone.location.tables().published(name))
    return {key: str(one["landing_sha256"]) for key, one in told.items() if "landing_sha256" in one}


def _state(zone: Zone, name: str, partition: str) -> str:
    table = next(table for table in zone.tables if table.name == name)
    try:
        parts = LandingObjects(zone.location.landing(), table.origin).take(partition)
    except LandingObjectMissingError:
        return ""  # it left after it was listed: the next tick sees that
    return state_of({part.name: part.sha256 for part in parts})


def missing_references(location: StorageLocation, use_case: str, names: Collection[str]) -> list[str]:
    """Those of the tables that days are made with that were never published."""
    tables = location.tables()
    return [name for name in sorted(set(names)) if tables.version(f"{use_case}/{name}") is None]
