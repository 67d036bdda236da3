"""Sensors that end the MLflow runs of Dagster runs which failed or were cancelled.

Belongs here: ending what a dead run left open. Does not: retrying or alerting (`recovery`).
"""

import dagster as dg

from ml_platform.tracking.resource import MlflowTracking
from ml_platform.tracking.runs import MLFLOW_RUN_TAG, EndStatus


def close_tracking_on_run_failure(tracking: MlflowTracking) -> list[dg.SensorDefinition]:
    """Two sensors, on failed and on cancelled runs. One that opened no MLflow run costs nothing, not even an import."""
    return [
        _closing("close_tracking_on_run_failure", dg.DagsterRunStatus.FAILURE, "FAILED", tracking),
        _closing("close_tracking_on_run_cancellation", dg.DagsterRunStatus.CANCELED, "KILLED", tracking),
    ]


def _closing(
    name: str, run_status: dg.DagsterRunStatus, end_status: EndStatus, tracking: MlflowTracking
) -> dg.SensorDefinition:
    @dg.run_status_sensor(
        name=name,
        run_status=run_status,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Ends the open MLflow runs of a Dagster run that is {run_status.value.lower()}.",
    )
    def close(context: dg.RunStatusSensorContext) -> None:
        run = context.dagster_run
        if MLFLOW_RUN_TAG in run.tags:
            closed = tracking.close_runs_of(run.run_id, end_status, opened_last=run.tags[MLFLOW_RUN_TAG])
            context.log.info(f"Ended {len(closed)} MLflow run(s) of {run.run_id}: {', '.join(closed)}")

    return close
