"""One use case's training, assembled: the assets of each model and the job that trains it."""

from collections.abc import Sequence

import dagster as dg

from ml_platform.components.schedules import monthly
from ml_platform.components.use_case import UseCase
from ml_platform.errors import DefinitionError
from ml_platform.training.choosing import check_trainer
from ml_platform.training.config import ModelConfig
from ml_platform.training.content_roots import read_together, root_specs
from ml_platform.training.drift_sensor import drift_sensor
from ml_platform.training.evaluation_asset import evaluation_asset, job_name, version_asset
from ml_platform.training.maintenance_job import maintenance_definitions
from ml_platform.training.model_asset import model_asset
from ml_platform.training.sensors import month_is_due, roots_sensor, training_sensor
from ml_platform.training.trainers import BUILT_IN


def build_pipeline(models: Sequence[ModelConfig], use_case: UseCase) -> dg.Definitions:
    """Assets, checks and jobs of the models, and the job that maintains the use case's tables.

    Raises:
        DefinitionError: a parameter that the trainer does not have, or a model declared twice.
    """
    names = [model.name for model in models]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise DefinitionError(f"use_cases/{use_case.name}/training/defs.yaml declares {', '.join(repeated)} twice.")
    for model in models:
        if (
            model.trainer in BUILT_IN
        ):  # what is at an import path takes seconds to import, and is checked when it trains
            check_trainer(model.trainer, model.task, model.set_parameters)
    return dg.Definitions.merge(
        *(_definitions(model, use_case) for model in models),
        _upstream(models, use_case),
        dg.Definitions(sensors=[roots_sensor(use_case, models)]),
        maintenance_definitions(use_case),
    )


def _definitions(model: ModelConfig, use_case: UseCase) -> dg.Definitions:
    assets = [build(use_case, model) for build in (model_asset, evaluation_asset, version_asset)]
    job = dg.define_asset_job(
        job_name(use_case, model),
        dg.AssetSelection.assets(*assets),
        description=f"Searches, fits, evaluates and registers {model.registered_as} for one as-of month.",
    )
    description = (
        f"Trains {model.registered_as} for the month that begins, unless it has learnt from all that is there."
    )
    schedule = monthly(use_case, job, description, month_is_due(use_case, model))
    sensors = [training_sensor(use_case, model, job)]
    if model.retraining:
        sensors.append(drift_sensor(use_case, model, model.retraining, job))
    return dg.Definitions(assets=assets, jobs=[job], sensors=sensors, schedules=[schedule])


def _upstream(models: Sequence[ModelConfig], use_case: UseCase) -> dg.Definitions:
    """The tables of the data location with their partitions, as this one has to know them, and their roots by month."""
    tables = list(read_together(models))
    specs = [dg.AssetSpec(use_case.key(table), partitions_def=use_case.by_day) for table in tables]
    return dg.Definitions(assets=[*specs, *root_specs(use_case, tables)])
