"""Scores of predictions of any task type, by name.

Most are means of a loss of each row, which `row_losses` gives: whoever resamples days needs the losses of rows, not
their mean. A score that is not defined on the rows, such as an area with only one class present, is NaN.

Belongs here: a number from outcomes and predictions. Does not: which score decides what (`task`).
"""

import math
from collections.abc import Callable

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ml_platform.evaluation.metrics import brier_score, log_loss, pr_auc_score, roc_auc_score
from ml_platform.evaluation.task import BINARY, LOWER, UPPER, FloatArray, MetricName, Outcomes, Task

CALIBRATION_BINS = 10
_SMALLEST = 1e-15
"""Probabilities are held this far from 0 and 1 before a logarithm is taken."""


class CalibrationBin(BaseModel):
    """One bin of the calibration curve: rows whose predictions are next to each other."""

    model_config = ConfigDict(frozen=True)

    rows: int = Field(description="Rows in the bin.")
    mean_predicted: float = Field(description="Mean prediction: a probability, or a value.")
    mean_observed: float = Field(description="What was seen: the share of rows that came true, or the mean value.")


def value_of(metric: MetricName, outcomes: Outcomes, predicted: FloatArray, task: Task = BINARY) -> float:
    """The score of that name; NaN where it is not defined."""
    if task.kind == "binary" and metric in _OF_PROBABILITIES:
        return _OF_PROBABILITIES[metric](outcomes, predicted)
    if metric == "expected_calibration_error":
        return expected_calibration_error(outcomes, predicted, task)
    losses = row_losses(metric, outcomes, predicted, task)
    mean = float(losses.mean()) if len(losses) else math.nan
    return math.sqrt(mean) if metric == "root_mean_squared_error" else mean


def row_losses(metric: MetricName, outcomes: Outcomes, predicted: FloatArray, task: Task) -> FloatArray:
    """What each row adds to the mean that the score is, or of which it is the root."""
    return np.asarray(_LOSSES[metric](outcomes, predicted, task), dtype=np.float64)


def expected_calibration_error(outcomes: Outcomes, predicted: FloatArray, task: Task = BINARY) -> float:
    """Mean distance between predicted and observed over bins of about equal size; NaN of no rows."""
    bins = calibration_curve(outcomes, predicted, task)
    gaps = math.fsum(b.rows * abs(b.mean_predicted - b.mean_observed) for b in bins)
    return gaps / len(outcomes) if bins else math.nan


def calibration_curve(outcomes: Outcomes, predicted: FloatArray, task: Task = BINARY) -> list[CalibrationBin]:
    """At most ten bins of about equal size, by ascending prediction; equal predictions share a bin."""
    if len(outcomes) == 0:
        return []
    compared = task.type.compare(outcomes, predicted)
    codes = calibration_codes(compared.predicted)
    rows = np.bincount(codes)
    means = (np.bincount(codes, values) / rows for values in compared)
    return [
        CalibrationBin(rows=int(n), mean_predicted=float(p), mean_observed=float(o))
        for n, p, o in zip(rows, *means, strict=True)
    ]


def calibration_codes(predicted: FloatArray) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The calibration bin of each row, without gaps in the numbering."""
    if len(predicted) == 0:
        return np.empty(0, dtype=np.int64)
    edges = np.unique(np.quantile(predicted, np.linspace(0, 1, CALIBRATION_BINS + 1)[1:-1], method="higher"))
    codes = np.searchsorted(edges, predicted, side="right")
    return np.unique(codes, return_inverse=True)[1].astype(np.int64)


def _surprise(outcomes: Outcomes, predicted: FloatArray, task: Task) -> FloatArray:
    if task.kind == "binary":
        likelihood = np.where(outcomes, predicted, 1.0 - predicted)
    else:
        likelihood = np.take_along_axis(predicted, outcomes[:, None], axis=1)[:, 0]
    surprise: FloatArray = -np.log(np.clip(likelihood, _SMALLEST, 1.0 - _SMALLEST))
    return surprise


def _distance(outcomes: Outcomes, predicted: FloatArray, task: Task) -> FloatArray:
    """Squared distance between the probabilities and what came: of one class, or of all of them together."""
    if task.kind == "binary":
        return np.asarray((predicted - outcomes) ** 2)
    came = np.eye(predicted.shape[1])[outcomes]
    return np.asarray(((predicted - came) ** 2).sum(axis=1))


def _is_right(outcomes: Outcomes, predicted: FloatArray, task: Task) -> FloatArray:
    return task.type.compare(outcomes, predicted).observed


def _error(outcomes: Outcomes, predicted: FloatArray, task: Task) -> FloatArray:
    compared = task.type.compare(outcomes, predicted)
    return np.asarray(compared.observed - compared.predicted)


def _pinball(outcomes: Outcomes, predicted: FloatArray, task: Task) -> FloatArray:
    """Mean over the three quantiles of a forecast; that of the value is half the absolute error."""
    short = outcomes[:, None] - predicted
    levels = np.asarray(task.levels)
    return np.asarray(np.maximum(levels * short, (levels - 1) * short).mean(axis=1))


def _is_inside(outcomes: Outcomes, predicted: FloatArray, _: Task) -> FloatArray:
    return np.asarray((outcomes >= predicted[:, LOWER]) & (outcomes <= predicted[:, UPPER]))


_OF_PROBABILITIES: dict[MetricName, Callable[[Outcomes, FloatArray], float]] = {
    "roc_auc_score": roc_auc_score,
    "pr_auc_score": pr_auc_score,
    "log_loss": log_loss,
    "brier_score": brier_score,
}
_LOSSES: dict[MetricName, Callable[[Outcomes, FloatArray, Task], FloatArray]] = {
    "log_loss": _surprise,
    "brier_score": _distance,
    "accuracy_score": _is_right,
    "mean_absolute_error": lambda *rows: np.abs(_error(*rows)),
    "root_mean_squared_error": lambda *rows: _error(*rows) ** 2,
    "pinball_loss": _pinball,
    "interval_coverage": _is_inside,
    "mean_interval_width": lambda _, predicted, __: predicted[:, UPPER] - predicted[:, LOWER],
}
