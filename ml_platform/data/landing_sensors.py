"""Sensors that have what landed ingested: exactly the days, keys and registers whose objects are new or changed.

Belongs here: which job is run over what. Does not: what is in the landing zone (`arrivals`), or how runs are asked for
(`components.automation`).
"""

import datetime as dt
from collections.abc import Mapping, Sequence

import dagster as dg

from ml_platform.components.automation import Wait, Wanted
from ml_platform.components.automation_sensor import (
    Job,
    Requests,
    content_sensor,
    keys_in_order,
    location_of,
    over,
    seen_by,
)
from ml_platform.components.changes import follows_changes, is_following
from ml_platform.components.cuts import By
from ml_platform.components.use_case import UseCase
from ml_platform.data.arrivals import arrived_partitions, arrived_registers, look, missing_references
from ml_platform.data.component import DataPipeline, FeatureTable, LandedTable
from ml_platform.data.partitioning import landed_by, tables_by
from ml_platform.storage.location import StorageLocation


def landing_sensors(pipeline: DataPipeline, use_case: UseCase, jobs: Mapping[By, Job]) -> list[dg.SensorDefinition]:
    """One for the job over days, one for that over keys and one for that over registers, where objects of them land."""
    of = {"day": days_sensor, "key": keys_sensor, "whole": registers_sensor}
    return [of[by](pipeline, use_case, job) for by, job in jobs.items() if landed_by(pipeline, by)]


def days_sensor(pipeline: DataPipeline, use_case: UseCase, job: Job) -> dg.SensorDefinition:
    """`build_<use case>_days_on_landing`: each new or changed day once, then the features that look back on it."""
    tables = landed_by(pipeline, "day")
    references = references_of(pipeline, tables)
    features = [use_case.key(table.name) for table in _features_by_day(pipeline)]
    cut = {table.name for table in pipeline.by_day}  # these are made of all keys, and follow them
    own = [use_case.key(name) for name, by in tables_by(pipeline).items() if by == "day" and name not in cut]

    def days(context: dg.SensorEvaluationContext) -> Wanted | Wait:
        location = location_of(context)
        if missing := missing_references(location, use_case.name, references):
            return Wait(f"Days wait until these are published: {', '.join(missing)}.")
        if is_following(context.instance, use_case):
            return Wait("What follows from changed tables is not finished; days are looked at when it is.")
        zone = look(location, use_case.name, tables, dt.datetime.now(dt.UTC))
        return arrived_partitions(zone, seen_by(context))

    def looking_back(context: dg.SensorEvaluationContext, ingested: Sequence[str]) -> Sequence[str]:
        if follows_changes(context.instance, use_case):
            return ()  # they follow by themselves
        return days_looking_back(location_of(context), pipeline, use_case, ingested)

    requests = Requests(
        keys_in_order(use_case.by_day),
        assets=lambda asked: features if asked.follows else own if cut else None,
        after=looking_back,
    )
    return content_sensor(
        f"{job.name}_on_landing",
        days,
        job,
        "landing",
        requests,
        description="Ingests each day whose landing objects are complete and new or changed, and builds what follows "
        "from it; then the features of later days that look back on it.",
    )


def keys_sensor(pipeline: DataPipeline, use_case: UseCase, job: Job) -> dg.SensorDefinition:
    """`build_<use case>_<keys>_on_landing`: each new key becomes a partition; each new or changed one is built once."""
    tables, noun = landed_by(pipeline, "key"), use_case.keys
    references = references_of(pipeline, tables)

    def keys(context: dg.SensorEvaluationContext) -> Wanted | Wait:
        location = location_of(context)
        if missing := missing_references(location, use_case.name, references):
            return Wait(f"{noun} wait until these are published: {', '.join(missing)}.")
        if is_following(context.instance, use_case):
            return Wait(f"What follows from changed tables is not finished; {noun} are looked at when it is.")
        zone = look(location, use_case.name, tables, dt.datetime.now(dt.UTC))
        kept = set(keys_in_order(use_case.by_key)(context.instance))
        return arrived_partitions(zone._replace(kept=kept), seen_by(context))

    return content_sensor(
        f"{job.name}_on_landing",
        keys,
        job,
        "landing",
        over(use_case.by_key)._replace(discovers=use_case.by_key),
        description=f"Adds a partition for each of the {noun} that is new in the landing zone, and builds those whose "
        "landing objects are complete and new or changed.",
    )


def registers_sensor(pipeline: DataPipeline, use_case: UseCase, job: Job) -> dg.SensorDefinition:
    """`refresh_<use case>_references_on_landing`: each register whose object is new or changed, and its clean table."""
    tables = landed_by(pipeline, "whole")

    def registers(context: dg.SensorEvaluationContext) -> Wanted:
        zone = look(location_of(context), use_case.name, tables, dt.datetime.now(dt.UTC))
        return arrived_registers(zone, seen_by(context))

    requests = Requests(
        lambda _: [table.name for table in tables],
        is_partitioned=False,
        assets=lambda asked: made_of(pipeline, use_case, asked.partitions),
    )
    return content_sensor(
        f"{job.name}_on_landing",
        registers,
        job,
        "landing",
        requests,
        description="Reads each table that is one landing object again when this is new or changed.",
    )


def days_looking_back(
    location: StorageLocation, pipeline: DataPipeline, use_case: UseCase, ingested: Sequence[str]
) -> Sequence[str]:
    """Days not among `ingested` that have rows, whose features are computed from a history with these days in it."""
    days: set[str] = set()
    for table in _features_by_day(pipeline):
        reach = max((history.look_back_days for history in table.inputs), default=0)
        later = {
            str(dt.date.fromisoformat(day) + dt.timedelta(days=n)) for day in ingested for n in range(1, reach + 1)
        }
        days |= later & location.tables().published(f"{use_case.name}/{table.rows}").keys()
    return sorted(days - set(ingested))


def _features_by_day(pipeline: DataPipeline) -> list[FeatureTable]:
    by = tables_by(pipeline)
    return [table for table in pipeline.features if by[table.name] == "day"]


def references_of(pipeline: DataPipeline, landed: Sequence[LandedTable]) -> list[str]:
    """The tables that what is made from `landed` is made with."""
    sources = {table.name for table in landed}
    return [name for table in pipeline.cleaned if table.source in sources for name in table.references]


def made_of(pipeline: DataPipeline, use_case: UseCase, landed: Sequence[str]) -> list[dg.AssetKey]:
    """The landed tables of these names, and what is cleaned of them."""
    cleaned = [table for table in pipeline.cleaned if table.source in landed]
    names = [*landed, *(name for table in cleaned for name in (table.name, table.quarantine))]
    return [use_case.key(name) for name in names]
