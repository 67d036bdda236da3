"""Sensors that have degraded partitions made again, once what they are degraded for may be sound.

Each state of a cause calls for one run of the degraded tables alone, over the partitions whose cause changed. What
inherits in other partitions, or in another location, follows when the marks that it inherits from have gone.

Belongs here: which degraded partitions are due, and their runs. Does not: what makes a cause sound (`data`, `serving`).
"""

from collections.abc import Callable, Collection, Mapping, Sequence

import dagster as dg

from ml_platform.components.automation import Asked, Wanted
from ml_platform.components.automation_sensor import Job, Requests, content_sensor, keys_in_order, location_of
from ml_platform.recovery.degradation import Degradation, Degradations
from ml_platform.storage.batches import UNPARTITIONED
from ml_platform.storage.location import StorageLocation

GONE = "gone"

SoundAgain = Callable[[StorageLocation, Degradation], str | None]
"""The state of the cause of a mark that is not inherited, if it may be sound now: another one than was seen."""


def recompute_sensor(
    name: str,
    job: Job,
    assets: Sequence[dg.AssetsDefinition],
    partitions: dg.PartitionsDefinition | None,
    sound_again: SoundAgain,
) -> dg.SensorDefinition:
    """A sensor that has the degraded partitions of `assets`, all of them in `job`, made again once they may be sound.

    Of assets without `partitions` it is the whole of each.
    """
    tables = {"/".join(key.path): asset for asset in assets for key in asset.keys}
    degraded: dict[str, list[str]] = {}

    def look(context: dg.SensorEvaluationContext) -> Wanted:
        location = location_of(context)
        marks = Degradations(location.artifacts()).all()
        degraded.clear()
        for mark in marks:
            if mark.table in tables:
                degraded.setdefault(mark.partition, []).append(mark.table)
        wanted = due(marks, tables.keys(), lambda mark: sound_again(location, mark))
        left = sum(len(found) for found in degraded.values()) - sum(len(found) for found in wanted.values())
        waits = [f"{left:,} degraded partitions wait: their causes are as they were."] if left else []
        return Wanted({partition: _text(found) for partition, found in wanted.items()}, waits=waits)

    def keys_of(asked: Asked) -> list[dg.AssetKey]:
        names = {table for partition in asked.partitions for table in degraded.get(partition, tables)}
        return sorted({key for table in names for key in tables[table].keys})

    requests = Requests(
        keys_in_order(partitions) if partitions else lambda _: [UNPARTITIONED],
        is_partitioned=partitions is not None,
        assets=keys_of,
    )
    return content_sensor(
        name,
        look,
        job,
        "recompute",
        requests,
        description="Has what is degraded made again when the cause may have gone: each state of a cause calls for one "
        "run of the degraded tables, over the partitions that it concerns.",
    )


def due(
    marks: Sequence[Degradation], tables: Collection[str], sound_again: Callable[[Degradation], str | None]
) -> dict[str, dict[str, str]]:
    """By partition, the degraded `tables` that may be sound now, each with the state of its cause."""
    standing = {mark.name for mark in marks}
    found: dict[str, dict[str, str]] = {}
    for mark in marks:
        if mark.table not in tables:
            continue
        gone = [cause for cause in mark.causes if cause not in standing]
        state = GONE if gone else sound_again(mark) if mark.rung != "inherited" else None
        if state:
            found.setdefault(mark.partition, {})[mark.table] = " ".join([state, *gone])
    for partition, states in found.items():
        _add_followers(states, [mark for mark in marks if mark.partition == partition and mark.table in tables])
    return found


def _add_followers(states: dict[str, str], marks: Sequence[Degradation]) -> None:
    """Add the tables of the same partition that inherit from those that are due: one run makes them all."""
    grown = True
    while grown:
        names = {f"{table} {marks[0].partition}" for table in states}
        following = [mark for mark in marks if mark.table not in states and names & set(mark.causes)]
        states |= {mark.table: "follows" for mark in following}
        grown = bool(following)


def _text(states: Mapping[str, str]) -> str:
    return "; ".join(f"{table} {state}" for table, state in sorted(states.items()))
