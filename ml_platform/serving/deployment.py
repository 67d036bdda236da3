"""One deployment assembled: its assets, the tables of other locations that they read, jobs and sensors."""

import dagster as dg

from ml_platform.components.recomputing import recompute_sensor
from ml_platform.components.use_case import UseCase
from ml_platform.errors import DefinitionError
from ml_platform.evaluation.task import BINARY, Task
from ml_platform.serving.alarms_asset import alarms_asset
from ml_platform.serving.champion import champion_asset
from ml_platform.serving.component import Deployment
from ml_platform.serving.drift_asset import drift_asset
from ml_platform.serving.predictions import predictions_asset
from ml_platform.serving.quality_asset import quality_asset
from ml_platform.serving.sensors import DeploymentJobs, deployment_sensors, predictions_schedule
from ml_platform.serving.sinks_asset import send_job, sink_assets
from ml_platform.serving.sinks_sensor import sinks_sensor
from ml_platform.serving.sound_champions import sound_champion
from ml_platform.serving.tables import days_with_a_model, upstream_table


def build_deployment(deployment: Deployment, use_case: UseCase, task: Task = BINARY) -> dg.Definitions:
    """Assets, checks, jobs, sensors and schedule of `deployment`.

    Raises:
        DefinitionError: the contract that the YAML names does not exist, or a limit is of a score that the task lacks.
    """
    version = dg.AssetSpec(use_case.key(deployment.champion.model_version), partitions_def=use_case.by_as_of_month)
    champion = champion_asset(use_case, deployment.champion)
    predictions, quality = predictions_asset(use_case, deployment, task), quality_asset(use_case, deployment, task)
    monitor = deployment.drift
    if monitor and task.kind == "multiclass":
        raise DefinitionError(
            f"{deployment.champion.registered_model} is watched for drift, which is for numbers and probabilities",
            expected="no `drift` in serving/defs.yaml of a multiclass task",
        )
    watched = [build(use_case, deployment, monitor, task) for build in (drift_asset, alarms_asset)] if monitor else []
    promote = dg.define_asset_job(
        f"promote_{use_case.name}_{deployment.champion.name}",
        dg.AssetSelection.assets(champion),
        description=f"Promotes the version of {deployment.champion.registered_model} for an as-of month, "
        "if the gate approved it.",
    )
    predict = dg.define_asset_job(
        f"predict_{use_case.name}_{deployment.predictions.name}",
        dg.AssetSelection.assets(predictions, quality, *watched),
        description="Predicts each day with its champion, measures the days whose labels have arrived, and watches for "
        "drift and decay.",
    )
    sinks = sink_assets(use_case, deployment)
    send = [send_job(use_case, deployment, sinks)] if sinks else []
    recompute = recompute_sensor(
        f"predict_{use_case.name}_{deployment.predictions.name}_again_on_sound_champion",
        predict,
        [predictions, quality, *watched],
        days_with_a_model(use_case),
        sound_champion(use_case, deployment.champion),
    )
    return dg.Definitions(
        assets=[
            version,
            upstream_table(use_case, deployment.predictions.features),
            upstream_table(use_case, deployment.quality.labels),
            champion,
            predictions,
            quality,
            *watched,
            *sinks,
        ],
        jobs=[promote, predict, *send],
        schedules=[predictions_schedule(deployment, use_case, predict)],
        sensors=[
            recompute,
            *deployment_sensors(deployment, use_case, DeploymentJobs(promote, predict)),
            *(sinks_sensor(deployment, use_case, job) for job in send),
        ],
    )
