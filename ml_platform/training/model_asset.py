"""The asset of a trained model: a graph that opens the search, fans out over trials, and fits the winner.

    open -> trials of rung 0 -> promote -> trials of rung 1 -> ... -> fit

Belongs here: Dagster's view of one training. Does not: the work (`training_run`), or what the model is worth.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from ml_platform.components.use_case import UseCase
from ml_platform.execution.pools import MLFLOW, TRAINING
from ml_platform.recovery.isolation import end_with_worker
from ml_platform.training.config import ModelConfig
from ml_platform.training.content_roots import root_key, tags_of_reading
from ml_platform.training.degraded import publish_model
from ml_platform.training.records import Preparation, TrainedModel
from ml_platform.training.search import Proposal, TrialOutcome, promote, propose
from ml_platform.training.training_run import TrainingRun, origin_of, trained_model, training_code

RESOURCES = {"tables", "artifacts", "tracking"}


def model_asset(use_case: UseCase, config: ModelConfig) -> dg.AssetsDefinition:
    """`<use case>/<name>_model`: one trained model for each as-of month, stored as a `TrainedModel` record."""
    prefix = f"{use_case.name}_{config.name}"
    tables = {"features": config.features_table, "labels": config.labels_table}
    steps = [
        _trial_op(f"{prefix}_trial_rung_{rung}", use_case, config, rung) for rung in range(len(config.search.rungs))
    ]
    promotions = [
        _promote_op(f"{prefix}_promote_{rung}", use_case, config, rung) for rung in range(len(config.search.rungs) - 1)
    ]
    opened, fit = _open_op(f"{prefix}_open", use_case, config), _fit_op(f"{prefix}_fit", use_case, config)

    @dg.graph_asset(
        key=use_case.key(f"{config.name}_model"),
        description=config.description,
        ins={
            name: dg.AssetIn(use_case.key(table), dagster_type=dg.Nothing, partition_mapping=dg.AllPartitionMapping())
            for name, table in tables.items()
        }
        | {
            f"{name}_as_of": dg.AssetIn(root_key(use_case, table), dagster_type=dg.Nothing)
            for name, table in tables.items()
        },
        partitions_def=use_case.by_as_of_month,
        group_name=f"{use_case.name}_training",
        owners=use_case.owners,
        kinds={"scikitlearn", "optuna"},
        metadata={"ml_platform/record_type": f"{TrainedModel.__module__}:{TrainedModel.__name__}"},
        code_version=training_code(config.trainer).fingerprint[:16],
    )
    def train(**inputs: Any) -> Any:
        preparation, proposals = opened(**inputs)
        rungs = [proposals.map(lambda proposal: steps[0](preparation, proposal)).collect()]
        for promotion, step in zip(promotions, steps[1:], strict=True):
            promoted = promotion(preparation, rungs[-1])
            rungs.append(promoted.map(lambda proposal, step=step: step(preparation, proposal)).collect())
        return fit(preparation, **{f"rung_{number}": outcomes for number, outcomes in enumerate(rungs)})

    return train


def _open_op(name: str, use_case: UseCase, config: ModelConfig) -> dg.OpDefinition:
    @dg.op(
        name=name,
        retry_policy=use_case.retries(),
        pool=MLFLOW,
        description="Pins the tables, writes what may be learnt from, opens the MLflow run and proposes trials.",
        ins={name: dg.In(dg.Nothing) for name in ("features", "labels", "features_as_of", "labels_as_of")},
        out={"preparation": dg.Out(Preparation), "proposals": dg.DynamicOut(Proposal)},
        required_resource_keys=RESOURCES,
    )
    def open_training(context: dg.OpExecutionContext) -> Iterator[dg.Output[Preparation] | dg.DynamicOutput[Proposal]]:
        from ml_platform.training.opening import open_search

        preparation = open_search(context, use_case, config)
        yield dg.Output(preparation, "preparation")
        proposals = [] if preparation.is_done else propose(config.parameters, config.search, config.seed)
        for proposal in proposals:
            yield dg.DynamicOutput(proposal, mapping_key=f"trial_{proposal.number}", output_name="proposals")

    return open_training


def _trial_op(name: str, use_case: UseCase, config: ModelConfig, rung: int) -> dg.OpDefinition:
    iterations = config.search.rungs[rung].iterations

    @dg.op(
        name=name,
        retry_policy=use_case.retries(),
        pool=TRAINING,
        description=f"Fits one trial to {iterations} iterations, in a process of its own, and scores it on validation.",
        ins={"preparation": dg.In(Preparation), "proposal": dg.In(Proposal)},
        out=dg.Out(TrialOutcome),
        required_resource_keys={"artifacts"},
    )
    def run_trial(context: dg.OpExecutionContext, preparation: Preparation, proposal: Proposal) -> TrialOutcome:
        run = _run(context, use_case, config, preparation)
        outcome = run.trial(proposal, iterations, context.run_id, context.log.warning)
        if outcome.failure is not None:
            context.log.error(f"Trial {outcome.number} failed, the others go on. {outcome.failure}")
        context.add_output_metadata(outcome.model_dump(mode="json", exclude_none=True))
        return outcome

    return run_trial


def _promote_op(name: str, use_case: UseCase, config: ModelConfig, rung: int) -> dg.OpDefinition:
    keep = config.search.rungs[rung].keep

    @dg.op(
        name=name,
        retry_policy=use_case.retries(),
        description=f"Keeps the best {keep} trials.",
        ins={"preparation": dg.In(Preparation), "outcomes": dg.In(list)},
        out=dg.DynamicOut(Proposal),
    )
    def promote_trials(
        context: dg.OpExecutionContext, preparation: Preparation, outcomes: list[TrialOutcome]
    ) -> Iterator[dg.DynamicOutput[Proposal]]:
        kept = [] if preparation.is_done else promote(outcomes, keep)
        for outcome in kept:
            proposal = Proposal(number=outcome.number, parameters=outcome.parameters)
            yield dg.DynamicOutput(proposal, mapping_key=f"trial_{outcome.number}")

    return promote_trials


def _fit_op(name: str, use_case: UseCase, config: ModelConfig) -> dg.OpDefinition:
    rungs = [f"rung_{number}" for number in range(len(config.search.rungs))]

    @dg.op(
        name=name,
        retry_policy=use_case.retries(),
        pool=TRAINING,
        description=f"Fits the winner to {config.iterations} iterations, on the whole fit window.",
        ins={"preparation": dg.In(Preparation), **{rung: dg.In(list) for rung in rungs}},
        out=dg.Out(TrainedModel, io_manager_key="records"),
        required_resource_keys=RESOURCES,
    )
    def fit_winner(
        context: dg.OpExecutionContext, preparation: Preparation, **outcomes: list[TrialOutcome]
    ) -> Iterator[dg.Output[TrainedModel]]:
        from ml_platform.training.opening import close_search
        from ml_platform.training.presentation import model_metadata

        run = _run(context, use_case, config, preparation)
        model = run.finished()
        if model is None:
            tell, warn = lambda step: context.log.info(f"{step} iterations are saved."), context.log.warning
            fitted = run.fit_winner(outcomes[rungs[-1]], tell, warn)
            trials = tuple(outcome for rung in rungs for outcome in outcomes[rung])
            origin = origin_of(use_case.name, config, context.run_id)
            model = close_search(context, trained_model(preparation, fitted, origin), trials, config)
            run.finish(model)
        links = context.resources.tracking.metadata(model.mlflow_run_id)
        metadata = {**model_metadata(model, is_reused=preparation.is_done), **links}
        tags = tags_of_reading(context, use_case, config, model.inputs)
        yield from publish_model(context, use_case.key(f"{config.name}_model"), model, metadata, tags)

    return fit_winner


def _run(
    context: dg.OpExecutionContext, use_case: UseCase, config: ModelConfig, preparation: Preparation
) -> TrainingRun:
    """The training that this step works on, for as long as the worker of its run lives."""
    end_with_worker(context.run_id)
    return TrainingRun(context.resources.artifacts, use_case.name, config, preparation.fingerprint)
