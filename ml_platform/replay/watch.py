"""What the platform made of each day: when it landed, and when which run was asked for, began and published what.

Belongs here: reading that from Dagster's history. Does not: landing, waiting, or how it is told (`text`).
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES, RunRecord
from pydantic import BaseModel, ConfigDict, Field

_MOST_EVENTS = 5_000


class Stage(NamedTuple):
    """One thing that becomes of a day: what it is called, and the asset whose partition it is."""

    name: str
    asset: dg.AssetKey


class Published(BaseModel):
    """One stage of a day: its run was asked for, began, and published the day's partition. All UTC."""

    model_config = ConfigDict(frozen=True)

    run_id: str = Field(description="Run that published it first after the day had landed.")
    asked_at: dt.datetime = Field(description="When the run was created.")
    began_at: dt.datetime = Field(description="When its first step could begin.")
    published_at: dt.datetime = Field(description="When the day's partition was materialized.")


class ReplayedDay(BaseModel):
    """One day, and what became of it so far, by stage."""

    model_config = ConfigDict(frozen=True)

    day: dt.date = Field(description="Local service day.")
    landed_at: dt.datetime = Field(description="When its objects were there (UTC).")
    stages: Mapping[str, Published] = Field(default={}, description="What was published of it, by stage.")

    def seconds_to(self, stage: str) -> float | None:
        """Seconds from landing to the publication of a stage; None while it is not published."""
        found = self.stages.get(stage)
        return (found.published_at - self.landed_at).total_seconds() if found else None


def look(
    instance: dg.DagsterInstance, landed: Mapping[dt.date, dt.datetime], stages: Sequence[Stage]
) -> list[ReplayedDay]:
    """Each landed day with what was first published of it afterwards."""
    events = {stage.name: _first_after(instance, stage.asset, landed) for stage in stages}
    runs = _runs(instance, {run_id for of_stage in events.values() for run_id, _ in of_stage.values()})
    return [
        ReplayedDay(
            day=day,
            landed_at=landed_at,
            stages={
                name: _published(runs[of_stage[day][0]], of_stage[day][1])
                for name, of_stage in events.items()
                if day in of_stage
            },
        )
        for day, landed_at in sorted(landed.items())
    ]


def waits_and_work(day: ReplayedDay, stages: Sequence[Stage]) -> dict[str, float]:
    """Seconds of each part of a day's way through all `stages`: asked for, begun, published, one after the other."""
    parts: dict[str, float] = {}
    ends = [day.landed_at, *(day.stages[stage.name].published_at for stage in stages)]
    for stage, (before, _) in zip(stages, pairwise(ends), strict=True):
        found = day.stages[stage.name]
        parts[f"until {stage.name} is asked for"] = (found.asked_at - before).total_seconds()
        parts[f"until its run begins ({stage.name})"] = (found.began_at - found.asked_at).total_seconds()
        parts[f"until {stage.name} is published"] = (found.published_at - found.began_at).total_seconds()
    return parts


def is_at_rest(instance: dg.DagsterInstance) -> bool:
    """Whether no run is queued or at work."""
    return not instance.get_runs_count(dg.RunsFilter(statuses=NOT_FINISHED_STATUSES))


def _first_after(
    instance: dg.DagsterInstance, asset: dg.AssetKey, landed: Mapping[dt.date, dt.datetime]
) -> dict[dt.date, tuple[str, float]]:
    """Run and time of the first materialization of each day after it had landed."""
    if not landed:
        return {}
    since = min(landed.values()).timestamp()
    asked = dg.AssetRecordsFilter(asset_key=asset, asset_partitions=[str(day) for day in landed], after_timestamp=since)
    found: dict[dt.date, tuple[str, float]] = {}
    for record in instance.fetch_materializations(asked, limit=_MOST_EVENTS, ascending=True).records:
        day = dt.date.fromisoformat(str(record.partition_key))
        if record.timestamp >= landed[day].timestamp():
            found.setdefault(day, (record.run_id, record.timestamp))
    return found


def _runs(instance: dg.DagsterInstance, run_ids: Collection[str]) -> dict[str, RunRecord]:
    records = instance.get_run_records(dg.RunsFilter(run_ids=sorted(run_ids))) if run_ids else ()
    return {record.dagster_run.run_id: record for record in records}


def _published(run: RunRecord, at: float) -> Published:
    return Published(
        run_id=run.dagster_run.run_id,
        asked_at=run.create_timestamp.astimezone(dt.UTC),
        began_at=dt.datetime.fromtimestamp(run.start_time or at, dt.UTC),
        published_at=dt.datetime.fromtimestamp(at, dt.UTC),
    )
