"""The sensor that tells MLflow what waited, once it answers again, and asks for what could not be made without it.

Belongs here: when the journal is replayed. Does not: how (`resource`), or telling people (`recovery`).
"""

from collections.abc import Sequence

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from ml_platform.errors import RegistryUnreachableError
from ml_platform.tracking.journal import Waiting
from ml_platform.tracking.resource import MlflowTracking
from ml_platform.tracking.runs import REPLAY_SENSOR

Job = dg.JobDefinition | UnresolvedAssetJobDefinition

_EVERY_SECONDS = 60
_LONGEST_TICK_SECONDS = 20.0


def tell_mlflow_what_waited(tracking: MlflowTracking, jobs: Sequence[Job]) -> dg.SensorDefinition:
    """The sensor, which starts none but `jobs`; while nothing waits, a tick is one listing of an empty prefix."""

    @dg.sensor(
        name=REPLAY_SENSOR,
        jobs=jobs,
        minimum_interval_seconds=_EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells MLflow what it was to be told while it was away, and asks for the versions that it delayed.",
    )
    def tell(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if not tracking.journal.pending():
            return dg.SkipReason("Nothing waits for MLflow.")
        try:
            replayed = list(tracking.replay(within_seconds=_LONGEST_TICK_SECONDS))
        except RegistryUnreachableError as error:
            return dg.SkipReason(f"{error.what} Got {error.got}.")
        for each in replayed:
            if each.refused:
                context.log.error(f"MLflow refuses what waits for {each.waiting.asset}: {each.refused}")
        delayed = [each.waiting for each in replayed if not each.refused and each.waiting.awaited]
        if not delayed:
            return dg.SkipReason(f"MLflow was told of {sum(not each.refused for each in replayed)} runs.")
        return dg.SensorResult(run_requests=[request for waiting in delayed for request in _requests(waiting)])

    return tell


def _requests(waiting: Waiting) -> list[dg.RunRequest]:
    """One run for each partition; the run settles what it is asked for, and is not asked for twice."""
    return [
        dg.RunRequest(
            run_key=f"{waiting.run} {each.asset} {each.partition} {each.since.isoformat()}",
            job_name=each.job,
            asset_selection=[dg.AssetKey.from_user_string(each.asset)],
            partition_key=each.partition,
        )
        for each in waiting.awaited
    ]
