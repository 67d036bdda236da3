"""The asset of batch predictions: any set of days in one run, each with the champion of its day."""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl

from ml_platform.components.column_lineage import told
from ml_platform.components.degrading import Lowered, decide, degradation_check_spec, same_partition
from ml_platform.components.partitions import as_days, partitions_of_run
from ml_platform.components.reuse import Plan, Recipe, contents, plan, rows_of
from ml_platform.components.use_case import UseCase
from ml_platform.errors import ContractViolatedError
from ml_platform.evaluation.task import BINARY, Task
from ml_platform.lineage.columns import Column
from ml_platform.serving.answers import validity
from ml_platform.serving.component import Deployment
from ml_platform.serving.contract import predictions_contract
from ml_platform.serving.ladder import Answered, ModelLadder, Predicted
from ml_platform.serving.presentation import champion_by_day
from ml_platform.serving.promotion import Promotion, champions_by_day
from ml_platform.serving.scoring import score_by_day
from ml_platform.serving.tables import BACKFILL_IN_ONE_RUN, table_spec
from ml_platform.storage.io_managers import Publishable
from ml_platform.tracking.registry import RegisteredModel

PREDICTIONS_ARE_PROBABILITIES = "predictions_are_probabilities"
PREDICTIONS_ARE_FINITE = "predictions_are_finite_and_in_order"
Events = Iterator[dg.Output[Publishable] | dg.AssetCheckResult]


def predictions_asset(use_case: UseCase, deployment: Deployment, task: Task = BINARY) -> dg.AssetsDefinition:
    """The table of predictions. Its checks are made before publishing: if one fails, nothing is published."""
    table = deployment.predictions
    features_contract = use_case.resolve(table.contract)
    contract = predictions_contract(features_contract, table.row, task)
    keys, name = list(contract.primary_key()), f"{use_case.name}/{table.name}"
    recipe, features_key = Recipe.of(score_by_day, predictions_contract), use_case.key(table.features)
    features_name = "/".join(features_key.path)
    spec = table_spec(
        use_case,
        table.name,
        description=table.description,
        contract=contract,
        partition_column=table.partition_column,
        code_version=recipe.code_version,
        fresh_within_hours=table.fresh_within_hours,
    )
    champion_key = use_case.key(deployment.champion.name)
    champion_name = "/".join(champion_key.path)
    mapping = dg.TimeWindowPartitionMapping(
        start_offset=-table.champion_look_back_days, allow_nonexistent_upstream_partitions=True
    )

    retries = use_case.retries()

    @dg.multi_asset(
        name=f"{use_case.name}__{table.name}",
        retry_policy=retries,
        ins={
            "features": dg.AssetIn(features_key),
            "promotions": dg.AssetIn(champion_key, partition_mapping=mapping),
        },
        outs={"result": dg.AssetOut.from_spec(spec, io_manager_key="tables")},
        check_specs=_check_specs(spec.key, table.row, task),
        partitions_def=spec.partitions_def,
        backfill_policy=BACKFILL_IN_ONE_RUN,
        required_resource_keys={"tables", "artifacts"},
    )
    def predict(context: dg.AssetExecutionContext, features: pl.LazyFrame, promotions: object) -> Events:
        days = as_days(partitions_of_run(context))
        champions = champions_by_day(_records(promotions), days)
        todo = plan(context.resources.tables, [spec.key], recipe.made_from(_contents(context, features_key, champions)))
        rows = rows_of(features, table.partition_column, todo.compute)
        ladder = ModelLadder(context.resources.artifacts, features_contract, table.fallback, retries, task)
        predicted = Predicted(contract.create_empty(), {})
        if todo.compute:
            due = {day: champions[day] for day in as_days(todo.compute)}
            predicted = ladder.predict_by_day(rows, due, day_column=table.partition_column, keys=keys)
        checks = list(prediction_checks(spec.key, table.row, rows.select(keys), predicted.rows, task))
        yield from checks
        require_passed(checks, name)
        lowered = lowered_days(predicted.answered)
        for day, fallen in lowered.items():
            context.log.warning(f"{name} {day}: {fallen.reason}")
        lineage = _lineage(context, ladder, champions[days[-1]], predicted, features_name, champion_name, keys, task)
        answered = champion_by_day(champions, predicted.answered)
        output = _without_memory_of(todo, lowered).publishable(spec.key, predicted.rows, answered, lineage)
        yield from decide(context, spec.key, {features_name: same_partition}, lowered).publish(dg.Output(output))

    return predict


def _check_specs(key: dg.AssetKey, row: str, task: Task) -> list[dg.AssetCheckSpec]:
    is_probability = validity_check(task) == PREDICTIONS_ARE_PROBABILITIES
    told = "All lie between 0 and 1." if is_probability else "All are numbers, and lie inside their intervals."
    return [
        dg.AssetCheckSpec(every_row_check(row), asset=key, description="Once, and none for anything else."),
        dg.AssetCheckSpec(validity_check(task), asset=key, description=told),
        degradation_check_spec(key),
    ]


def _without_memory_of(todo: Plan, lowered: Collection[str]) -> Plan:
    """The plan whose degraded days will not be found again: each run tries their champion anew."""
    return todo._replace(made_from={key: made for key, made in todo.made_from.items() if key not in lowered})


def _contents(
    context: dg.AssetExecutionContext, features: dg.AssetKey, champions: Mapping[dt.date, RegisteredModel]
) -> dict[str, Any]:
    """For each day of the run, the content of its features and the champion that scores them."""
    return {
        key: [content, champions[dt.date.fromisoformat(key)].sha256, champions[dt.date.fromisoformat(key)].version]
        for key, content in contents(context, features).items()
    }


def lowered_days(answered: Mapping[dt.date, Answered]) -> dict[str, Lowered]:
    """The days that another than their champion answered for, with the reason."""
    return {
        day.isoformat(): Lowered(each.by.rung, f"{each.by} answers, because {each.why}", each.seen)
        for day, each in answered.items()
        if each.by.rung != "champion"
    }


def _lineage(
    context: dg.AssetExecutionContext,
    ladder: ModelLadder,
    champion: RegisteredModel,
    predicted: Predicted,
    features: str,
    champions: str,
    keys: Sequence[str],
    task: Task,
) -> dict[str, Any]:
    """What each column of predictions is made from: the features that the last to answer read, and what is told of it.

    Nothing where all days stand and the champion, which need not answer, could not.
    """
    read = predicted.answered[max(predicted.answered)].by.columns if predicted.answered else ladder.columns_of(champion)
    if read is None:
        context.log.warning(f"The champion {champion.name} {champion.version} cannot be loaded; no day needed it.")
        return {}
    told_of_model, model = ("version", "as_of", "fingerprint"), Column(champions, "champion.sha256")
    return told(
        {
            **{name: [Column(features, name)] for name in keys},
            **{name: [*(Column(features, each) for each in read), model] for name in task.type.columns},
            **{f"model_{name}": [Column(champions, f"champion.{name}")] for name in told_of_model},
            "model_rung": [model],
        }
    )


def every_row_check(row: str) -> str:
    """Name of the check that no row was left out."""
    return f"every_{row}_has_a_prediction"


def validity_check(task: Task) -> str:
    """Name of the check that what is predicted can be predicted."""
    return PREDICTIONS_ARE_PROBABILITIES if "probability" in task.type.columns else PREDICTIONS_ARE_FINITE


def prediction_checks(
    key: dg.AssetKey, row: str, asked: pl.DataFrame, scored: pl.DataFrame, task: Task = BINARY
) -> Iterator[dg.AssetCheckResult]:
    """Whether each row of `asked` has exactly one prediction, and whether all of these are predictions of the task."""
    missing = asked.join(scored, on=asked.columns, how="anti").height
    surplus = scored.height - (asked.height - missing)
    yield dg.AssetCheckResult(
        passed=missing == 0 and surplus == 0,
        asset_key=key,
        check_name=every_row_check(row),
        metadata={"rows": asked.height, "without_prediction": missing, "repeated_or_unasked": surplus},
    )
    wrong = scored.filter(~validity(task)).height
    counted = (
        "outside_0_to_1" if validity_check(task) == PREDICTIONS_ARE_PROBABILITIES else "not_finite_or_not_in_order"
    )
    yield dg.AssetCheckResult(
        passed=wrong == 0,
        asset_key=key,
        check_name=validity_check(task),
        metadata={"predictions": scored.height, counted: wrong},
    )


def require_passed(checks: list[dg.AssetCheckResult], table: str) -> None:
    """Accept checks that all passed.

    Raises:
        ContractViolatedError: naming those that did not, with their counts.
    """
    failed = [check for check in checks if not check.passed]
    if failed:
        told = "; ".join(f"{check.check_name}: {_counts(check)}" for check in failed)
        raise ContractViolatedError(
            f"{table}: {len(failed)} check(s) failed before publishing",
            got=told,
            kept="Nothing was published; the days keep their last predictions.",
            remedy="Look for repeated keys in the features, or for a model that does not give what its task asks for.",
        )


def _records(promotions: object) -> list[Promotion]:
    found = promotions.values() if isinstance(promotions, Mapping) else [promotions]
    return [each for each in found if isinstance(each, Promotion)]


def _counts(check: dg.AssetCheckResult) -> str:
    return ", ".join(f"{name} {value.value}" for name, value in check.metadata.items())
