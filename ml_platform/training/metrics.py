"""Metrics of predicted probabilities against what happened.

The direction is in the name: a `_score` is better when higher, a `_loss` or `_error` when lower. Labels are boolean,
scores are probabilities of True, both one-dimensional and of one length; the order of rows does not matter.

Belongs here: a number from labels and scores. Does not: its uncertainty (`intervals`) or its meaning (`gate`).
"""

from typing import Literal, NamedTuple, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ml_platform.errors import NotEnoughDataError

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
_Rows = TypeVar("_Rows", BoolArray, FloatArray)

MetricName = Literal["roc_auc_score", "pr_auc_score", "log_loss", "brier_score_loss", "expected_calibration_error"]
ALL_METRICS: tuple[MetricName, ...] = get_args(MetricName)
CALIBRATION_BINS = 10
SMALLEST_PROBABILITY = 1e-15


class CalibrationBin(BaseModel):
    """One bin of the calibration curve: rows whose scores are next to each other."""

    model_config = ConfigDict(frozen=True)

    rows: int = Field(description="Rows in the bin.")
    mean_score: float = Field(description="Mean predicted probability.")
    observed_rate: float = Field(description="Share of rows whose label is true.")


class Ranking(NamedTuple):
    """Rows grouped by equal score, in ascending order of score."""

    positives: FloatArray
    negatives: FloatArray


def is_better_when_higher(metric: MetricName) -> bool:
    """True for a `_score`, False for a `_loss` or an `_error`."""
    return metric.endswith("_score")


def has_both_classes(labels: BoolArray) -> bool:
    """True if a ranking metric is defined: at least one true and one false label."""
    return bool(labels.any()) and not bool(labels.all())


def score(metric: MetricName, labels: BoolArray, scores: FloatArray) -> float:
    """The metric of that name.

    Raises:
        NotEnoughDataError: no rows, or a ranking metric of labels that are all alike.
    """
    return _METRICS[metric](labels, scores)


def roc_auc_score(labels: BoolArray, scores: FloatArray) -> float:
    """Probability that a random positive outranks a random negative, ties counting half; exact."""
    ranking = ranked(labels, scores)
    below = np.cumsum(ranking.negatives) - 0.5 * ranking.negatives
    return float(ranking.positives @ below / (ranking.positives.sum() * ranking.negatives.sum()))


def pr_auc_score(labels: BoolArray, scores: FloatArray) -> float:
    """Average precision: precision at each threshold weighted by the recall gained there."""
    ranking = ranked(labels, scores)
    found = np.cumsum(ranking.positives[::-1])
    precision = found / np.cumsum((ranking.positives + ranking.negatives)[::-1])
    return float(ranking.positives[::-1] @ precision / found[-1])


def log_loss(labels: BoolArray, scores: FloatArray) -> float:
    """Mean negative log likelihood, in nats."""
    return float(np.mean(log_losses(_checked(labels), scores)))


def brier_score_loss(labels: BoolArray, scores: FloatArray) -> float:
    """Mean squared difference between probability and outcome."""
    return float(np.mean((scores - _checked(labels)) ** 2))


def expected_calibration_error(labels: BoolArray, scores: FloatArray) -> float:
    """Mean distance between predicted and observed rate over bins of about equal size, weighted by rows."""
    bins = calibration_curve(labels, scores)
    return sum(b.rows * abs(b.mean_score - b.observed_rate) for b in bins) / sum(b.rows for b in bins)


def calibration_curve(labels: BoolArray, scores: FloatArray) -> list[CalibrationBin]:
    """At most ten bins of about equal size, by ascending score; equal scores share a bin."""
    codes = calibration_codes(_checked(scores))
    rows = np.bincount(codes)
    mean_scores = np.bincount(codes, scores) / rows
    rates = np.bincount(codes, labels) / rows
    return [
        CalibrationBin(rows=int(n), mean_score=float(s), observed_rate=float(r))
        for n, s, r in zip(rows, mean_scores, rates, strict=True)
    ]


def calibration_codes(scores: FloatArray) -> IntArray:
    """The calibration bin of each row, without gaps in the numbering."""
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, CALIBRATION_BINS + 1)[1:-1], method="higher"))
    codes = np.searchsorted(edges, scores, side="right")
    return np.unique(codes, return_inverse=True)[1].astype(np.int64)


def log_losses(labels: BoolArray, scores: FloatArray) -> FloatArray:
    """Negative log likelihood of each row, in nats; a certain prediction that is wrong costs about 34.5."""
    likelihood = np.where(labels, scores, 1.0 - scores)
    return -np.log(np.maximum(likelihood, SMALLEST_PROBABILITY))


def ranked(labels: BoolArray, scores: FloatArray) -> Ranking:
    """Counts of positives and negatives at each distinct score.

    Raises:
        NotEnoughDataError: labels that are all alike.
    """
    if not has_both_classes(labels):
        raise NotEnoughDataError(
            "A ranking metric is not defined on these rows",
            expected="true and false labels",
            got=f"{int(labels.sum())} true of {len(labels)}",
            remedy="Take a longer window or a larger slice.",
        )
    codes = np.unique(scores, return_inverse=True)[1]
    positives = np.bincount(codes, labels).astype(np.float64)
    return Ranking(positives, np.bincount(codes) - positives)


def _checked(rows: _Rows) -> _Rows:
    if len(rows) == 0:
        raise NotEnoughDataError("A metric of no rows is not defined", remedy="Take a longer window or a larger slice.")
    return rows


_METRICS = {
    "roc_auc_score": roc_auc_score,
    "pr_auc_score": pr_auc_score,
    "log_loss": log_loss,
    "brier_score_loss": brier_score_loss,
    "expected_calibration_error": expected_calibration_error,
}
