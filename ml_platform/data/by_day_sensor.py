"""The sensor that has tables by day made again when a key that they are cut from is new or changed, whoever changed it.

Belongs here: which days, and when. Does not: the cut (`by_day`), or how runs are asked for (`components.automation`).
"""

import datetime as dt

import dagster as dg

from ml_platform.components.automation import Wait, Wanted, short
from ml_platform.components.automation_sensor import (
    Job,
    Requests,
    content_sensor,
    is_busy,
    keys_in_order,
    location_of,
    seen_by,
)
from ml_platform.components.changes import is_following
from ml_platform.components.use_case import UseCase
from ml_platform.data.by_day import newest_day
from ml_platform.data.component import DataPipeline
from ml_platform.storage.content import root_hash
from ml_platform.storage.location import StorageLocation

ONE_DAY = dt.timedelta(days=1)


def by_day_sensor(pipeline: DataPipeline, use_case: UseCase, job: Job, keys_job: Job) -> dg.SensorDefinition:
    """`<job>_on_changed_keys`: all days up to the newest row, in one run; those without other rows are not written."""
    assets = [use_case.key(table.name) for table in pipeline.by_day]

    def days(context: dg.SensorEvaluationContext) -> Wanted | Wait:
        if is_busy(context.instance, keys_job.name) or is_following(context.instance, use_case):
            return Wait(f"{use_case.keys} are being built; days are cut when they are.")
        location, keys = location_of(context), keys_in_order(use_case.by_key)(context.instance)
        contents = {
            name: {key: each.content_hash for key, each in location.tables().published(name).items() if key in keys}
            for name in sorted({f"{use_case.name}/{table.source}" for table in pipeline.by_day})
        }
        if missing := [name for name, content in contents.items() if not content]:
            return Wait(f"Days wait until a key of these is published: {', '.join(missing)}.")
        state = " ".join(root_hash(content) for content in contents.values())
        seen = seen_by(context)
        if set(seen.values()) == {short(state)}:
            return Wanted(dict.fromkeys(seen, state))
        return Wanted(dict.fromkeys(_days(location, pipeline, use_case), state))

    return content_sensor(
        f"{job.name}_on_changed_keys",
        days,
        job,
        "landing",
        Requests(keys_in_order(use_case.by_day), assets=lambda _: assets),
        description=f"Cuts tables of {use_case.keys} by day again when one of them is new, changed or taken away.",
    )


def _days(location: StorageLocation, pipeline: DataPipeline, use_case: UseCase) -> list[str]:
    """From the first day of the use case to the last that every source has a row of, not beyond the calendar."""
    newest = [
        newest_day(location.tables().scan(f"{use_case.name}/{table.source}"), table.partition_column)
        for table in pipeline.by_day
    ]
    last = min([day or dt.date.min for day in newest] + ([use_case.last_day] if use_case.last_day else []))
    return [str(use_case.first_day + number * ONE_DAY) for number in range((last - use_case.first_day).days + 1)]
