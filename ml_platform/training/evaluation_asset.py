"""The assets after the model: its evaluation, and the registered version with the gate's decision.

Belongs here: Dagster's view of both. Does not: the scoring (`evaluating`) or the questions asked (`gate`).
"""

import datetime as dt
from collections.abc import Iterator

import dagster as dg

from ml_platform.components.use_case import UseCase
from ml_platform.execution.pools import MLFLOW
from ml_platform.lineage.code import project_fingerprint
from ml_platform.tracking.entries import Awaited
from ml_platform.training.config import ModelConfig
from ml_platform.training.degraded import degradation_check, degradation_check_spec
from ml_platform.training.gate import CheckName
from ml_platform.training.records import ModelEvaluation, ModelVersion, TrainedModel

RESOURCES = {"tables", "artifacts", "tracking"}
CHECKS_OF_THE_MODEL: dict[CheckName, str] = {
    "model_beats_baselines": "On the holdout, the 95 % interval of the difference to every baseline lies above zero.",
    "saved_model_loads_and_scores": "The stored bytes load and give exactly the scores that were evaluated.",
}
CHECKS_OF_THE_CHALLENGER: dict[CheckName, str] = {
    "challenger_is_not_worse_than_champion": "On the holdout, paired by day, it is within the tolerance.",
    "challenger_is_not_worse_on_any_slice": "No slice of the holdout is worse beyond its tolerance.",
}


def job_name(use_case: UseCase, config: ModelConfig) -> str:
    """Name of the job that trains, evaluates and registers the model."""
    return f"train_{use_case.name}_{config.name}"


def evaluation_asset(use_case: UseCase, config: ModelConfig) -> dg.AssetsDefinition:
    """`<use case>/<name>_evaluation`: scores on the holdout and on the as-of month, with intervals."""
    key = use_case.key(f"{config.name}_evaluation")

    @dg.asset(
        key=key,
        retry_policy=use_case.retries(),
        pool=MLFLOW,
        description="Scores with 95 % intervals on the holdout and, once there are labels, on the as-of month.",
        ins={
            "model": dg.AssetIn(use_case.key(f"{config.name}_model")),
            "features": _whole_table(use_case, config.features_table),
            "labels": _whole_table(use_case, config.labels_table),
        },
        io_manager_key="records",
        partitions_def=use_case.by_as_of_month,
        group_name=f"{use_case.name}_training",
        owners=use_case.owners,
        kinds={"scikitlearn", "mlflow"},
        check_specs=[*_check_specs(key, CHECKS_OF_THE_MODEL), degradation_check_spec(key)],
        required_resource_keys=RESOURCES,
        metadata=_record_type(ModelEvaluation),
        code_version=project_fingerprint("ml_platform.training.evaluating:evaluate_model")[:16],
    )
    def evaluation(
        context: dg.AssetExecutionContext, model: TrainedModel
    ) -> Iterator[dg.Output[ModelEvaluation] | dg.AssetCheckResult]:
        from ml_platform.training.evaluating import evaluate_model
        from ml_platform.training.presentation import check_result, evaluation_metadata, mlflow_metrics
        from ml_platform.training.training_set import resolve_inputs

        storage, tracking = context.resources.tables.location, context.resources.tracking
        current = resolve_inputs(storage.pins(context.run), use_case.name, config, model.windows.test_end)
        found = evaluate_model(storage.tables(), context.resources.artifacts, config, model, current)
        tracking.record(model.mlflow_run_id, metrics=mlflow_metrics(found.report), figures=found.pictures)
        links = tracking.metadata(model.mlflow_run_id)
        yield dg.Output(found.report, metadata={**evaluation_metadata(found.report, found.pictures), **links})
        for reason in found.report.reasons:
            yield check_result(reason, key, dg.AssetCheckSeverity.ERROR)
        yield degradation_check(key, model)

    return evaluation


def version_asset(use_case: UseCase, config: ModelConfig) -> dg.AssetsDefinition:
    """`<use case>/<name>_model_version`: the registered challenger and what the gate said of it."""
    key = use_case.key(f"{config.name}_model_version")

    @dg.asset(
        key=key,
        retry_policy=use_case.retries("guarded", "the version of a fingerprint is registered once"),
        pool=MLFLOW,
        description="The model's version in the registry, approved or refused by the gate. Promotion is up to serving.",
        ins={
            "model": dg.AssetIn(use_case.key(f"{config.name}_model")),
            "evaluation": dg.AssetIn(use_case.key(f"{config.name}_evaluation")),
        },
        io_manager_key="records",
        partitions_def=use_case.by_as_of_month,
        group_name=f"{use_case.name}_training",
        owners=use_case.owners,
        kinds={"mlflow"},
        check_specs=_check_specs(key, CHECKS_OF_THE_CHALLENGER),
        required_resource_keys=RESOURCES,
        metadata=_record_type(ModelVersion),
        code_version=project_fingerprint(
            "ml_platform.training.evaluating:compare_with_champion", "ml_platform.training.registering:register"
        )[:16],
    )
    def model_version(
        context: dg.AssetExecutionContext, model: TrainedModel, evaluation: ModelEvaluation
    ) -> Iterator[dg.Output[ModelVersion] | dg.AssetCheckResult]:
        from ml_platform.training.evaluating import ModelAt, compare_with_champion
        from ml_platform.training.presentation import check_result, version_metadata
        from ml_platform.training.registering import register

        tables, tracking = context.resources.tables.location.tables(), context.resources.tracking
        tracked = tracking.found(
            model.mlflow_run_id,
            model.mlflow_uri,
            Awaited(asset=key.to_user_string(), job=job_name(use_case, config), partition=context.partition_key),
            stands="The trained model and its evaluation stand; only its version in the registry waits.",
        )
        champion = tracking.registry.champion(config.registered_as, model.as_of - dt.timedelta(days=1))
        opponent = champion and ModelAt(champion.uri, champion.sha256)
        decision = compare_with_champion(
            tables, context.resources.artifacts, config, model, opponent, evaluation.reasons
        )
        version = register(tracking.registry, config, model, tracked, champion, decision, context.run.run_id)
        links = {"read_versions": dg.MetadataValue.json(model.snapshot), **tracking.metadata(tracked.run_id)}
        yield dg.Output(version, metadata={**version_metadata(version), **links})
        for reason in decision.reasons:
            if reason.check in CHECKS_OF_THE_CHALLENGER:
                yield check_result(reason, key, dg.AssetCheckSeverity.WARN)

    return model_version


def _whole_table(use_case: UseCase, table: str) -> dg.AssetIn:
    return dg.AssetIn(use_case.key(table), dagster_type=dg.Nothing, partition_mapping=dg.AllPartitionMapping())


def _check_specs(key: dg.AssetKey, checks: dict[CheckName, str]) -> list[dg.AssetCheckSpec]:
    return [dg.AssetCheckSpec(name, asset=key, description=description) for name, description in checks.items()]


def _record_type(record: type) -> dict[str, str]:
    return {"ml_platform/record_type": f"{record.__module__}:{record.__name__}"}
