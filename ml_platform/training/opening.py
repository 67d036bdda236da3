"""The first and the last step of a training: what has to be decided, opened and recorded outside the trials.

Belongs here: the use of tables, objects and tracking in these two steps. Does not: the ops themselves (`model_asset`).
"""

import datetime as dt

import dagster as dg

from ml_platform.components.use_case import UseCase
from ml_platform.evaluation.task import Task
from ml_platform.storage.io_managers import DeltaTableIOManager
from ml_platform.tracking.resource import MlflowTracking
from ml_platform.tracking.runs import RunKey, TableInput
from ml_platform.training.choosing import check_trainer
from ml_platform.training.config import ModelConfig
from ml_platform.training.plots import search_plot
from ml_platform.training.records import Inputs, Preparation, TrainedModel
from ml_platform.training.search import TrialOutcome
from ml_platform.training.splits import windows_at
from ml_platform.training.training_run import TrainingRun, training_fingerprint
from ml_platform.training.training_set import build_matrices, read_rows, resolve_inputs, write_matrices


def open_search(context: dg.OpExecutionContext, use_case: UseCase, config: ModelConfig) -> Preparation:
    """What all steps share; the matrices are written, unless the model of the same fingerprint exists.

    Raises:
        TableNotFoundError: a table was never published.
        NotEnoughDataError: a window has too few labelled rows.
        DefinitionError: a configured column, or the trainer, cannot be used.
    """
    storage: DeltaTableIOManager = context.resources.tables
    as_of = dt.date.fromisoformat(context.partition_key)
    inputs = resolve_inputs(storage.location.pins(context.run), use_case.name, config, as_of)
    windows = windows_at(as_of, use_case.timezone, config.windows, use_case.as_of_end(as_of))
    fingerprint = training_fingerprint(config, inputs, windows)
    run = TrainingRun(context.resources.artifacts, use_case.name, config, fingerprint)
    finished = run.finished()
    if finished is None:
        check_trainer(config.trainer, config.task, config.set_parameters)
        rows = read_rows(storage.location.tables(), inputs, config, None, as_of)
        write_matrices(run.objects, build_matrices(rows, windows, config))
    return Preparation(
        fingerprint=fingerprint,
        as_of=as_of,
        mlflow_run_id=finished.mlflow_run_id if finished else _open_run(context, use_case, config, fingerprint, inputs),
        inputs=inputs,
        windows=windows,
        is_done=finished is not None,
    )


def close_search(
    context: dg.OpExecutionContext,
    model: TrainedModel,
    trials: tuple[TrialOutcome, ...],
    config: ModelConfig,
) -> TrainedModel:
    """The complete record of the model, once MLflow has its parameters, trials and bytes, or is to be told of them."""
    tracking: MlflowTracking = context.resources.tracking
    tracking.record(
        model.mlflow_run_id,
        params={**model.parameters, "trainer": model.trainer, "iterations": model.iterations, "seed": config.seed},
        metrics={f"rows_{name}": float(rows) for name, rows in model.rows.items()},
        curves=_curves(trials, config.task),
        tags={"sha256": model.sha256, "model_uri": model.uri, **_source_tags(model)},
        figures={"search": search_plot(trials, config.task.type.loss)},
        artifacts={"origin.json": model.origin.model_dump(mode="json")} if model.origin else None,
    )
    mlflow_uri = tracking.log_model(model.mlflow_run_id, config.registered_as, uri=model.uri, sha256=model.sha256)
    tracking.close_run(model.mlflow_run_id)
    found = sum(trial.run_id != context.run_id for trial in trials)
    counted = {"trials_found": found, "trials_run": len(trials) - found}
    resumption = model.resumption and model.resumption.model_copy(update=counted)
    return model.model_copy(update={"trials": trials, "mlflow_uri": mlflow_uri, "resumption": resumption})


def _source_tags(model: TrainedModel) -> dict[str, str]:
    """The commit, where MLflow's own page shows it."""
    commit = model.origin and model.origin.checkout.commit
    return {"mlflow.source.git.commit": commit} if commit else {}


def _open_run(
    context: dg.OpExecutionContext, use_case: UseCase, config: ModelConfig, fingerprint: str, inputs: Inputs
) -> str:
    tracking: MlflowTracking = context.resources.tracking
    storage: DeltaTableIOManager = context.resources.tables
    asset = f"{use_case.name}/{config.name}_model"
    return tracking.open_run(
        RunKey.of(context, asset, context.partition_key),
        experiment=use_case.name,
        run_name=f"{config.registered_as} as of {context.partition_key}",
        tags={"fingerprint": fingerprint, "as_of": context.partition_key},
        inputs=[
            TableInput(each.table, each.version, each.content_root, storage.location.tables().uri_of(each.table))
            for each in (inputs.features, inputs.labels)
        ],
        instance=context.instance,
    )


def _curves(trials: tuple[TrialOutcome, ...], task: Task) -> dict[str, dict[int, float]]:
    """Loss of each trial on the validation window, by iterations."""
    curves: dict[str, dict[int, float]] = {}
    for trial in trials:
        if trial.validation_loss is not None:
            curve = curves.setdefault(f"trial_{trial.number}_{task.type.loss}", {})
            curve[trial.iterations] = trial.validation_loss
    return curves
