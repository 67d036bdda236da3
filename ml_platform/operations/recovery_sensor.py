"""The sensor of kind `recovery`: runs of any location that failed for good for a cause that may pass, executed again.

Belongs here: when each is looked at. Does not: which are executed again, and how (`reexecution`).
"""

import time
from collections.abc import Iterator
from typing import NamedTuple

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field

from ml_platform.components.automation_sensor import default_status
from ml_platform.operations.reexecution import execute_again, reopen, verdict, wait_seconds
from ml_platform.operations.run_events import ended_since, newest_event, run_partition
from ml_platform.settings import Settings

ENDS_PER_TICK = 200


class Failed(BaseModel):
    """A run that failed, and when (epoch seconds) it is executed again at the earliest."""

    model_config = ConfigDict(frozen=True)

    run_id: str = Field(description="The run.")
    due: float = Field(description="Not before this.")


class Memory(BaseModel):
    """What the sensor remembers from tick to tick."""

    model_config = ConfigDict(frozen=True)

    event: int = Field(description="The last event of the history that was looked at.")
    failed: tuple[Failed, ...] = Field((), description="Failed runs of which something may become.")


class _Looked(NamedTuple):
    """One failed run after a look: what is remembered of it, if anything, and what is told."""

    remembered: Failed | None
    told: str


def recovery_sensor(settings: Settings) -> dg.SensorDefinition:
    """`reexecute_failed_runs_later`: it asks the daemon for retries, and starts no run itself."""

    @dg.sensor(
        name="reexecute_failed_runs_later",
        minimum_interval_seconds=settings.sensor_interval_seconds,
        default_status=default_status("recovery"),
        tags={"ml_platform/kind": "recovery"},
        description="Has runs of any location that failed for good for a cause that may pass (class transient, "
        "throttled or resource) executed again from the failure, at most three times, each time after a longer wait.",
    )
    def look(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        if not context.cursor:
            context.update_cursor(Memory(event=newest_event(context.instance)).model_dump_json())
            return dg.SkipReason("Begins now; runs that failed before are in `ml-platform status`.")
        memory = Memory.model_validate_json(context.cursor)
        ended, newest = ended_since(context.instance, memory.event, ENDS_PER_TICK)
        new = [
            Failed(run_id=end.run.run_id, due=end.at.timestamp() + wait_seconds(end.run, settings))
            for end in ended
            if end.is_failure
        ]
        looked = list(_looked(context.instance, [*memory.failed, *new], settings))
        remembered = tuple(each.remembered for each in looked if each.remembered)
        context.update_cursor(Memory(event=newest, failed=remembered).model_dump_json())
        return dg.SkipReason(" ".join(each.told for each in looked) or "No run failed that may come through later.")

    return look


def _looked(instance: dg.DagsterInstance, failed: list[Failed], settings: Settings) -> Iterator[_Looked]:
    for each in {one.run_id: one for one in failed}.values():
        run = instance.get_run_by_id(each.run_id)
        if run is not None:
            yield _look(instance, run, each, settings)


def _look(instance: dg.DagsterInstance, run: dg.DagsterRun, failed: Failed, settings: Settings) -> _Looked:
    """Executed again if it is time, and remembered until the retry is there."""
    what = f"{run.job_name} {run_partition(run)}".replace("__ASSET_JOB", "Assets").strip()
    found, name = verdict(instance, run), f"{what} (run {run.run_id[:8]})"
    if found.then == "left":
        return _Looked(None, f"{name} is left: {found.why}.")
    if found.then == "waits":
        reopen(instance, run)
        return _Looked(failed, f"{name} waits: {found.why}.")
    seconds = failed.due - time.time()
    if seconds > 0:
        return _Looked(failed, f"{name} is executed again in {seconds:.0f} s.")
    execute_again(instance, run)
    again = instance.get_run_by_id(run.run_id) or run
    later = Failed(run_id=run.run_id, due=time.time() + wait_seconds(again, settings))
    return _Looked(later, f"{name} is executed again now.")
