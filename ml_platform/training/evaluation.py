"""The report of a model on one window: metrics with intervals, baselines, slices, calibration.

Belongs here: what a model scored. Does not: whether that is good enough (`gate`).
"""

import datetime as dt
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field
from threadpoolctl import threadpool_limits

from ml_platform.evaluation.baseline import Baseline
from ml_platform.evaluation.scores import CalibrationBin, calibration_curve
from ml_platform.evaluation.task import BINARY, FloatArray, MetricName, Task
from ml_platform.training.intervals import DaySample, Interval, ScoredRows, advantage, draw_days, interval
from ml_platform.training.metrics import score
from ml_platform.training.slices import SliceConfig, SliceScore, score_slices
from ml_platform.training.splits import LabelColumns

RESAMPLES_OF_SLICES = 250


class ReportConfig(BaseModel):
    """What reports contain."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resamples: int = Field(default=1000, ge=100, description="Resamples of days behind each interval.")
    slices: SliceConfig = Field(
        default=SliceConfig(), description="Slices of every report, which the gate looks at as well."
    )


class BaselineScore(BaseModel):
    """A baseline on the same rows, and by how much the model is better."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="Name of the baseline.")
    metrics: dict[MetricName, float] = Field(description="The baseline's metrics.")
    advantage: dict[MetricName, Interval] = Field(description="Model less baseline, paired by day; positive is better.")


class Evaluation(BaseModel):
    """One model on one window."""

    model_config = ConfigDict(frozen=True)

    window: Literal["holdout", "test"] = Field(description="Which window.")
    first_day: dt.date = Field(description="First service day with rows.")
    last_day: dt.date = Field(description="Last service day with rows.")
    days: int = Field(description="Service days with rows.")
    rows: int = Field(description="Labelled rows.")
    mean_observed: float = Field(
        description="What was seen: the share of true labels, of right classes, or the mean value."
    )
    metrics: dict[MetricName, Interval] = Field(description="Metrics with 95 % intervals by resampling days.")
    baselines: tuple[BaselineScore, ...] = Field(description="The baselines on the same rows.")
    slices: tuple[SliceScore, ...] = Field(description="Metrics by slice.")
    calibration: tuple[CalibrationBin, ...] = Field(description="Calibration curve, by ascending prediction.")
    task: Task = Field(default=BINARY, description="What was predicted.")


class EvaluatedRows(NamedTuple):
    """The rows of a window with the model's scores, ready to be compared."""

    frame: pl.DataFrame
    scored: ScoredRows
    sample: DaySample


def evaluated_rows(
    frame: pl.DataFrame,
    scores: FloatArray,
    columns: LabelColumns,
    resamples: int,
    seed: int,
    task: Task = BINARY,
) -> EvaluatedRows:
    """The frame's rows with `scores`, in the same order, and the days that intervals are drawn from."""
    days = frame.get_column(columns.day).rank("dense").to_numpy().astype(np.int64) - 1
    labels = task.outcomes(frame.get_column(columns.label))
    sample = draw_days(int(days.max()) + 1, resamples, seed)
    return EvaluatedRows(frame, ScoredRows(labels, scores, days, task), sample)


def evaluate(
    window: Literal["holdout", "test"],
    rows: EvaluatedRows,
    columns: LabelColumns,
    baselines: Sequence[Baseline],
    slices: SliceConfig,
) -> Evaluation:
    """The report of these rows.

    Raises:
        NotEnoughDataError: labels that are all alike.
    """
    with threadpool_limits(1):  # on small matrices, threads that wait for each other cost more than they save
        return _evaluate(window, rows, columns, baselines, slices)


def _evaluate(
    window: Literal["holdout", "test"],
    rows: EvaluatedRows,
    columns: LabelColumns,
    baselines: Sequence[Baseline],
    slices: SliceConfig,
) -> Evaluation:
    days, scored = rows.frame.get_column(columns.day).unique().sort(), rows.scored
    task = scored.task
    return Evaluation(
        window=window,
        first_day=days[0],
        last_day=days[-1],
        days=len(days),
        rows=rows.frame.height,
        mean_observed=float(task.type.compare(scored.labels, scored.scores).observed.mean()),
        metrics={metric: interval(metric, scored, rows.sample) for metric in task.type.metrics},
        baselines=tuple(_compare(rows, baseline) for baseline in baselines),
        slices=tuple(score_slices(rows.frame, scored, slices, _fewer(rows.sample))),
        calibration=tuple(calibration_curve(scored.labels, scored.scores, task)),
        task=task,
    )


def _fewer(sample: DaySample) -> DaySample:
    """The intervals of slices are read and not decided on, and there are many of them."""
    return DaySample(sample.counts[:RESAMPLES_OF_SLICES])


def _compare(rows: EvaluatedRows, baseline: Baseline) -> BaselineScore:
    scores, scored, task = baseline.predict(rows.frame), rows.scored, rows.scored.task
    return BaselineScore(
        name=baseline.name,
        metrics={metric: score(metric, scored.labels, scores, task) for metric in task.type.metrics},
        advantage={metric: advantage(metric, scored, scores, rows.sample) for metric in task.type.compared},
    )
