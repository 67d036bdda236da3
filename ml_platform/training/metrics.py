"""The metrics that a report shows, by name, and the calibration curve.

The arithmetic that serving needs as well is in `ml_platform.evaluation`; here a metric that is not defined is an error
instead of a nan, because a report or a gate must not go on without it. Labels are boolean, scores are probabilities of
True, both one-dimensional and of one length; the order of rows does not matter.

Belongs here: a number from labels and scores. Does not: its uncertainty (`intervals`) or its meaning (`gate`).
"""

import math
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ml_platform.errors import NotEnoughDataError
from ml_platform.evaluation.metrics import brier_score, log_loss, pr_auc_score, roc_auc_score

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MetricName = Literal["roc_auc_score", "pr_auc_score", "log_loss", "brier_score", "expected_calibration_error"]
ALL_METRICS: tuple[MetricName, ...] = get_args(MetricName)
BETTER_WHEN_HIGHER: frozenset[MetricName] = frozenset({"roc_auc_score", "pr_auc_score"})
CALIBRATION_BINS = 10


class CalibrationBin(BaseModel):
    """One bin of the calibration curve: rows whose scores are next to each other."""

    model_config = ConfigDict(frozen=True)

    rows: int = Field(description="Rows in the bin.")
    mean_score: float = Field(description="Mean predicted probability.")
    observed_rate: float = Field(description="Share of rows whose label is true.")


def is_defined(metric: MetricName, labels: BoolArray) -> bool:
    """True if these labels allow the metric: a ranking needs both classes, all others a row."""
    if metric in BETTER_WHEN_HIGHER:
        return bool(labels.any()) and not bool(labels.all())
    return len(labels) > 0


def score(metric: MetricName, labels: BoolArray, scores: FloatArray) -> float:
    """The metric of that name.

    Raises:
        NotEnoughDataError: no rows, or a ranking metric of labels that are all alike.
    """
    if not is_defined(metric, labels):
        raise NotEnoughDataError(
            f"{metric} is not defined on these rows",
            expected="true and false labels",
            got=f"{int(labels.sum())} true of {len(labels)}",
            remedy="Take a longer window or a larger slice",
        )
    return _METRICS[metric](labels, scores)


def expected_calibration_error(labels: BoolArray, scores: FloatArray) -> float:
    """Mean distance between predicted and observed rate over bins of about equal size; nan of no rows."""
    bins = calibration_curve(labels, scores)
    return math.fsum(b.rows * abs(b.mean_score - b.observed_rate) for b in bins) / len(labels) if bins else math.nan


def calibration_curve(labels: BoolArray, scores: FloatArray) -> list[CalibrationBin]:
    """At most ten bins of about equal size, by ascending score; equal scores share a bin."""
    codes = calibration_codes(scores)
    rows = np.bincount(codes)
    mean_scores = np.bincount(codes, scores) / rows
    rates = np.bincount(codes, labels) / rows
    return [
        CalibrationBin(rows=int(n), mean_score=float(s), observed_rate=float(r))
        for n, s, r in zip(rows, mean_scores, rates, strict=True)
    ]


def calibration_codes(scores: FloatArray) -> IntArray:
    """The calibration bin of each row, without gaps in the numbering."""
    if len(scores) == 0:
        return np.empty(0, dtype=np.int64)
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, CALIBRATION_BINS + 1)[1:-1], method="higher"))
    codes = np.searchsorted(edges, scores, side="right")
    return np.unique(codes, return_inverse=True)[1].astype(np.int64)


_METRICS: dict[MetricName, Callable[[BoolArray, FloatArray], float]] = {
    "roc_auc_score": roc_auc_score,
    "pr_auc_score": pr_auc_score,
    "log_loss": log_loss,
    "brier_score": brier_score,
    "expected_calibration_error": expected_calibration_error,
}
