"""Baselines: simple rates, means and repetitions that every model has to beat.

Belongs here: fitting models so simple that a person could make them in a spreadsheet. Does not: anything searched or
boosted, or what a fitted one predicts (`evaluation.baseline`).
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from ml_platform.errors import DefinitionError
from ml_platform.evaluation.baseline import Baseline, GroupRate
from ml_platform.evaluation.task import BINARY, Task


class BaselineConfig(BaseModel):
    """A baseline: the smoothed mean of the label within groups of rows (the rate of a boolean one), or a column."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="What reports call it, e.g. `carrier_by_hour_rate`.")
    by: Sequence[str] = Field(
        default=(), description="Feature columns that form the groups; none means one constant rate."
    )
    column: str = Field(
        default="",
        description="Feature column that is the prediction, such as the value of the same hour a week before; the mean "
        "of its group where it is null.",
    )
    smoothing_rows: float = Field(default=50.0, ge=0.0, description="Rows of the overall rate mixed into each group.")


def fit_baseline(config: BaselineConfig, frame: pl.DataFrame, label: str, task: Task = BINARY) -> Baseline:
    """The baseline on the rows of the fit window, all labelled; one with an interval if the task is a forecast.

    Raises:
        DefinitionError: a column that it needs is not in the frame.
    """
    _require_columns(config, frame)
    if task.kind == "multiclass":
        codes = frame.with_columns(pl.Series(label, task.outcomes(frame[label])))
        of_class = (codes.with_columns(pl.col(label) == code) for code in range(len(task.classes)))
        return Baseline(
            name=config.name, by=tuple(config.by), classes=tuple(_fitted(config, f, label) for f in of_class)
        )
    fitted = _fitted(config, frame, label)
    if task.kind != "forecast":
        return fitted
    errors = task.outcomes(frame[label]) - fitted.predict(frame)
    lower, _, upper = task.levels
    return fitted.model_copy(update={"interval": tuple(float(end) for end in np.quantile(errors, (lower, upper)))})


def _require_columns(config: BaselineConfig, frame: pl.DataFrame) -> None:
    missing = [column for column in (*config.by, config.column) if column and column not in frame.columns]
    if missing:
        raise DefinitionError(
            f"Baseline {config.name!r} needs columns that are not there: {', '.join(missing)}",
            expected=f"any of {', '.join(frame.columns)}",
            remedy="Correct `by` or `column` of the baseline in the use case's training/defs.yaml.",
        )


def _fitted(config: BaselineConfig, frame: pl.DataFrame, label: str) -> Baseline:
    overall = float(frame.select(pl.col(label).mean()).item())
    groups: tuple[GroupRate, ...] = ()
    if config.by:
        smoothed = (pl.col(label).sum() + overall * config.smoothing_rows) / (pl.len() + config.smoothing_rows)
        rates = frame.group_by(config.by).agg(rate=smoothed).sort(config.by)
        groups = tuple(GroupRate(group=row[:-1], rate=row[-1]) for row in rates.iter_rows())
    return Baseline(name=config.name, by=tuple(config.by), overall_rate=overall, groups=groups, column=config.column)
