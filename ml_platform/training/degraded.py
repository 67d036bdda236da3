"""A model that was made from degraded days, because it is allowed to be: how it is marked and told.

Belongs here: Dagster's view of it. Does not: which days are read (`training_set`), or whether it is promoted (`gate`).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from ml_platform.components.degrading import IS_NOT_DEGRADED, Lowered, decide
from ml_platform.storage.partition_events import DEGRADED_TAG
from ml_platform.training.records import TrainedModel


def publish_model(
    context: dg.OpExecutionContext,
    key: dg.AssetKey,
    model: TrainedModel,
    metadata: Mapping[str, Any],
    tags: Mapping[str, str],
) -> Iterator[dg.Output[TrainedModel]]:
    """The model as output with these tags, and marked if it was made from degraded days."""
    month, read = context.partition_key, (model.inputs.features, model.inputs.labels)
    reads = {each.table: lambda _, days=each.degraded_days: days for each in read}
    own = {month: Lowered("inherited", _told(model))} if model.inputs.degraded_days else {}
    decided = decide(context, key, reads, own)
    degraded = {DEGRADED_TAG: decided.marks[month].reason} if month in decided.marks else {}
    yield from decided.around(
        dg.Output(model, metadata={**metadata, **degraded}, tags={**tags, **(decided.tags or {})})
    )


def degradation_check(key: dg.AssetKey, model: TrainedModel) -> dg.AssetCheckResult:
    """Whether the model was made from sound days alone."""
    days = model.inputs.degraded_days
    return dg.AssetCheckResult(
        passed=not days,
        asset_key=key,
        check_name=IS_NOT_DEGRADED,
        severity=dg.AssetCheckSeverity.WARN,
        description=_told(model) if days else "Every day that it was made from is sound.",
        metadata={"degraded_days": list(days)},
    )


def degradation_check_spec(key: dg.AssetKey) -> dg.AssetCheckSpec:
    """The check of the evaluation that says what the model was made from."""
    return dg.AssetCheckSpec(
        IS_NOT_DEGRADED, asset=key, description="No day that the model was made from, or is judged by, is degraded."
    )


def _told(model: TrainedModel) -> str:
    days = model.inputs.degraded_days
    return f"The model as of {model.as_of} was made from {len(days)} degraded days, {days[0]} to {days[-1]}"
