"""The gate: whether a challenger may become champion, decided on the holdout, with every reason written down.

A challenger has to be better than each baseline, not worse than the champion on the same days, not worse on any slice,
and its saved bytes have to give the scores that were evaluated. A refusal changes nothing: the champion stays.

Belongs here: the decision. Does not: carrying it out (`serving`).
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from ml_platform.errors import DefinitionError, ObjectCorruptError
from ml_platform.evaluation.baseline import Baseline
from ml_platform.evaluation.task import FloatArray, MetricName
from ml_platform.tracking.models import loads, predict
from ml_platform.training.evaluation import EvaluatedRows
from ml_platform.training.intervals import Interval, advantage
from ml_platform.training.metrics import is_defined
from ml_platform.training.slices import Slice, SliceConfig, cut, slices_of

CheckName = Literal[
    "model_beats_baselines",
    "saved_model_loads_and_scores",
    "challenger_is_not_worse_than_champion",
    "challenger_is_not_worse_on_any_slice",
    "is_not_degraded",
]


class GateConfig(BaseModel):
    """How much better, or how little worse, a challenger has to be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: MetricName | None = Field(
        default=None, description="The metric that models are compared by; unless set, that of the task type."
    )
    tolerance: float = Field(
        default=0.01,
        ge=0.0,
        description="By how much the challenger may be worse than the champion, lower end of the interval.",
    )
    slice_tolerance: float = Field(
        default=0.03,
        ge=0.0,
        description="By how much a slice may be worse; counted only where its whole interval is worse.",
    )
    allow_degraded: bool = Field(
        default=False, description="Whether a model that was made from degraded days may be promoted."
    )


class Reason(BaseModel):
    """One check of the gate and what it found."""

    model_config = ConfigDict(frozen=True)

    check: CheckName = Field(description="The sentence that has to be true.")
    passed: bool = Field(description="Whether it is.")
    detail: str = Field(description="What was compared, with numbers.")


class GateDecision(BaseModel):
    """Whether the challenger is approved, and why."""

    model_config = ConfigDict(frozen=True)

    approved: bool = Field(description="True if every check passed.")
    reasons: tuple[Reason, ...] = Field(description="Every check.")


def decide(reasons: Sequence[Reason]) -> GateDecision:
    """Approved if every reason passed."""
    return GateDecision(approved=all(reason.passed for reason in reasons), reasons=tuple(reasons))


def beats_baselines(rows: EvaluatedRows, baselines: Sequence[Baseline], config: GateConfig) -> Reason:
    """Passed if the paired interval lies above zero for every baseline."""
    compared = {each.name: _advantage(rows, each.predict(rows.frame), config) for each in baselines}
    return Reason(
        check="model_beats_baselines",
        passed=all(found.low > 0 for found in compared.values()),
        detail="; ".join(f"{_metric(rows, config)} better by {found} than {name}" for name, found in compared.items()),
    )


def is_not_worse_than_champion(rows: EvaluatedRows, champion: FloatArray | None, config: GateConfig) -> Reason:
    """Passed if the paired interval does not reach below the tolerance, or if there is no champion."""
    check: CheckName = "challenger_is_not_worse_than_champion"
    if champion is None:
        return Reason(check=check, passed=True, detail="There is no champion before this as-of month.")
    found = _advantage(rows, champion, config)
    detail = (
        f"{_metric(rows, config)} better by {found} than the champion; at most {config.tolerance:g} worse is allowed."
    )
    return Reason(check=check, passed=found.low >= -config.tolerance, detail=detail)


def is_not_worse_on_any_slice(
    rows: EvaluatedRows, champion: FloatArray | None, slices: SliceConfig, config: GateConfig
) -> Reason:
    """Passed if no slice is worse by more than its tolerance with its whole interval below zero."""
    check: CheckName = "challenger_is_not_worse_on_any_slice"
    if champion is None:
        return Reason(check=check, passed=True, detail="There is no champion before this as-of month.")
    pieces = list(slices_of(rows.frame, slices))
    compared = [(piece, found) for piece in pieces if (found := _on_slice(rows, champion, piece, config)) is not None]
    worse = [(p, found) for p, found in compared if found.value < -config.slice_tolerance and found.high < 0]
    told = "; ".join(f"{piece.column} {piece.value}: {found}" for piece, found in worse)
    limit = f"{config.slice_tolerance:g} {_metric(rows, config)}"
    detail = f"{len(worse)} of {len(compared)} slices are worse by more than {limit}"
    return Reason(check=check, passed=not worse, detail=f"{detail}: {told}" if worse else f"{detail}.")


def made_from_degraded(days: Sequence[str], config: GateConfig) -> list[Reason]:
    """Passed if the use case allows it; a model that was not made from degraded days is not asked."""
    if not days:
        return []
    told = f"It was made from {len(days)} degraded days, {days[0]} to {days[-1]}"
    allowed = "gate.allow_degraded allows it" if config.allow_degraded else "gate.allow_degraded does not allow it"
    return [Reason(check="is_not_degraded", passed=config.allow_degraded, detail=f"{told}; {allowed}.")]


def saved_model_scores_the_same(data: bytes, sha256: str, frame: pl.DataFrame, scores: FloatArray) -> Reason:
    """Passed if the saved bytes load and give exactly the scores that were evaluated."""
    check: CheckName = "saved_model_loads_and_scores"
    try:
        loaded = predict(loads(data, sha256), frame)
    except (ObjectCorruptError, DefinitionError) as error:
        return Reason(check=check, passed=False, detail=str(error))
    same = int(np.count_nonzero((loaded == scores).reshape(len(scores), -1).all(axis=1)))
    return Reason(check=check, passed=same == len(scores), detail=f"{same} of {len(scores)} scores are equal.")


def _metric(rows: EvaluatedRows, config: GateConfig) -> MetricName:
    return config.metric or rows.scored.task.type.loss


def _advantage(rows: EvaluatedRows, other: FloatArray, config: GateConfig) -> Interval:
    return advantage(_metric(rows, config), rows.scored, other, rows.sample)


def _on_slice(rows: EvaluatedRows, champion: FloatArray, piece: Slice, config: GateConfig) -> Interval | None:
    scored, metric = cut(rows.scored, piece.rows), _metric(rows, config)
    if not is_defined(metric, scored.labels):
        return None
    return advantage(metric, scored, champion[piece.rows], rows.sample)
