"""Schedules of tables whose rows are asked for: nothing lands that would tell of them, so the clock does.

Where objects of the same days or keys land as well, their arrival has the rows asked for, and there is no schedule.

Belongs here: which partitions a tick is for. Does not: ticks (`components.schedules`), or what lands
(`landing_sensors`).
"""

from collections.abc import Mapping

import dagster as dg
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from ml_platform.components.automation_sensor import Job, keys_in_order, location_of
from ml_platform.components.cuts import By
from ml_platform.components.schedules import daily, daily_request
from ml_platform.components.use_case import UseCase
from ml_platform.data.arrivals import missing_references
from ml_platform.data.component import DataPipeline
from ml_platform.data.landing_sensors import made_of, references_of
from ml_platform.data.partitioning import asked_by, landed_by


def source_schedules(pipeline: DataPipeline, use_case: UseCase, jobs: Mapping[By, Job]) -> list[dg.ScheduleDefinition]:
    """`<job>_daily` where rows are asked for: of the day before, of every key, or of the tables that are whole."""
    of = {"day": _days, "key": _keys, "whole": _whole}
    asked = [by for by in jobs if asked_by(pipeline, by) and (by == "whole" or not landed_by(pipeline, by))]
    return [of[by](pipeline, use_case, jobs[by]) for by in asked]


def _days(pipeline: DataPipeline, use_case: UseCase, job: Job) -> dg.ScheduleDefinition:
    references = references_of(pipeline, asked_by(pipeline, "day"))

    def why_not(context: dg.ScheduleEvaluationContext, _: str) -> str:
        missing = missing_references(location_of(context), use_case.name, references)
        return f"Days wait until these are published: {', '.join(missing)}." if missing else ""

    return daily(use_case, job, use_case.by_day, "Asks for the rows of the day before.", why_not)


def _keys(_: DataPipeline, use_case: UseCase, job: Job) -> dg.ScheduleDefinition:
    def due(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        keys, run_key = keys_in_order(use_case.by_key)(context.instance), str(context.scheduled_execution_time.date())
        if not keys:
            return dg.SkipReason(f"There are no {use_case.keys} yet: add them as partitions in the UI.")
        if len(keys) == 1:
            return [dg.RunRequest(run_key=run_key, partition_key=keys[0])]
        ends = {ASSET_PARTITION_RANGE_START_TAG: keys[0], ASSET_PARTITION_RANGE_END_TAG: keys[-1]}
        return [dg.RunRequest(run_key=run_key, tags=ends)]

    return daily_request(use_case, job, f"Asks for the rows of all {use_case.keys} again.", due)


def _whole(pipeline: DataPipeline, use_case: UseCase, job: Job) -> dg.ScheduleDefinition:
    assets = made_of(pipeline, use_case, [table.name for table in asked_by(pipeline, "whole")])

    def due(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        return [dg.RunRequest(run_key=str(context.scheduled_execution_time.date()), asset_selection=assets)]

    return daily_request(use_case, job, "Asks for the rows of the tables that are whole again.", due)
