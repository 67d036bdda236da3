"""Sensors that have what landed ingested: exactly the days and registers whose objects are new or changed.

Belongs here: which job is run over what. Does not: what is in the landing zone (`arrivals`), or how runs are asked for
(`components.automation`).
"""

import datetime as dt
from collections.abc import Sequence

import dagster as dg

from ml_platform.components.automation import Asked, Wait, Wanted
from ml_platform.components.automation_sensor import Job, Requests, content_sensor, location_of, seen_by
from ml_platform.components.changes import follows_changes, is_following
from ml_platform.components.use_case import UseCase
from ml_platform.data.arrivals import arrived_days, arrived_registers, look, missing_references
from ml_platform.data.component import DataPipeline
from ml_platform.storage.location import StorageLocation


def landing_sensors(pipeline: DataPipeline, use_case: UseCase, jobs: Sequence[Job]) -> list[dg.SensorDefinition]:
    """One for the job over days and one for that over registers, where there are any."""
    of = {f"build_{use_case.name}_days": days_sensor, f"refresh_{use_case.name}_references": registers_sensor}
    return [of[job.name](pipeline, use_case, job) for job in jobs]


def days_sensor(pipeline: DataPipeline, use_case: UseCase, job: Job) -> dg.SensorDefinition:
    """`build_<use case>_days_on_landing`: each new or changed day once, then the features that look back on it."""
    tables = [table for table in pipeline.landed if table.is_daily]
    references = [name for table in pipeline.cleaned if table.partition_column for name in table.references]
    features = [use_case.key(table.name) for table in pipeline.features]

    def days(context: dg.SensorEvaluationContext) -> Wanted | Wait:
        location = location_of(context)
        if missing := missing_references(location, use_case.name, references):
            return Wait(f"Days wait until these are published: {', '.join(missing)}.")
        if is_following(context.instance, use_case):
            return Wait("What follows from changed tables is not finished; days are looked at when it is.")
        zone = look(location, use_case.name, tables, dt.datetime.now(dt.UTC))
        return arrived_days(zone, seen_by(context))

    def looking_back(context: dg.SensorEvaluationContext, ingested: Sequence[str]) -> Sequence[str]:
        if follows_changes(context.instance, use_case):
            return ()  # they follow by themselves
        return days_looking_back(location_of(context), pipeline, use_case, ingested)

    requests = Requests(
        use_case.by_day.get_partition_keys,
        assets=lambda asked: features if asked.follows else None,
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


def registers_sensor(pipeline: DataPipeline, use_case: UseCase, job: Job) -> dg.SensorDefinition:
    """`refresh_<use case>_references_on_landing`: each register whose object is new or changed, and its clean table."""
    tables = [table for table in pipeline.landed if not table.is_daily]

    def registers(context: dg.SensorEvaluationContext) -> Wanted:
        zone = look(location_of(context), use_case.name, tables, dt.datetime.now(dt.UTC))
        return arrived_registers(zone, seen_by(context))

    requests = Requests(
        lambda: [table.name for table in tables],
        is_partitioned=False,
        assets=lambda asked: _made_of(pipeline, use_case, asked),
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
    for table in pipeline.features:
        reach = max((history.look_back_days for history in table.inputs), default=0)
        later = {
            str(dt.date.fromisoformat(day) + dt.timedelta(days=n)) for day in ingested for n in range(1, reach + 1)
        }
        days |= later & location.tables().published(f"{use_case.name}/{table.rows}").keys()
    return sorted(days - set(ingested))


def _made_of(pipeline: DataPipeline, use_case: UseCase, asked: Asked) -> list[dg.AssetKey]:
    cleaned = [table for table in pipeline.cleaned if table.source in asked.partitions]
    names = [*asked.partitions, *(name for table in cleaned for name in (table.name, table.quarantine))]
    return [use_case.key(name) for name in names]
