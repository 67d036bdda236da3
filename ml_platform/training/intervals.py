"""Uncertainty of a metric: 95 % intervals by resampling whole days with replacement.

Rows of one day share weather and congestion, so days, not rows, are what is drawn. Every metric is first reduced to
statistics by day; a resample then costs a few operations on days instead of on rows.

Belongs here: intervals of a metric and of the difference of two models on the same days. Does not: the decision that
they lead to.
"""

from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ml_platform.evaluation.scores import calibration_codes, row_losses
from ml_platform.evaluation.task import BETTER_WHEN_HIGHER, BINARY, FloatArray, MetricName, Outcomes, Task
from ml_platform.training.metrics import IntArray, score

RESAMPLES_AT_ONCE = 25


class Interval(BaseModel):
    """A value and its 95 % interval."""

    model_config = ConfigDict(frozen=True)

    value: float = Field(description="The value on all days.")
    low: float = Field(description="2.5 % of the resamples lie below.")
    high: float = Field(description="2.5 % of the resamples lie above.")

    def __str__(self) -> str:
        """Like `0.731 [0.710, 0.752]`."""
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


class ScoredRows(NamedTuple):
    """Labels, scores and days of the same rows; `days` are codes from 0 without gaps."""

    labels: Outcomes
    scores: FloatArray
    days: IntArray
    task: Task = BINARY

    def scored_by(self, scores: FloatArray) -> "ScoredRows":
        """The same rows with another model's scores."""
        return self._replace(scores=scores)


class DaySample(NamedTuple):
    """How often each resample draws each day: `counts[resample, day]`."""

    counts: FloatArray


def draw_days(days: int, resamples: int, seed: int) -> DaySample:
    """Resamples of `days` days each, with replacement; the same seed gives the same draw."""
    drawn = np.random.default_rng(seed).multinomial(days, np.full(days, 1.0 / days), size=resamples)
    return DaySample(drawn.astype(np.float64))


def interval(metric: MetricName, rows: ScoredRows, sample: DaySample) -> Interval:
    """The metric with its 95 % interval.

    Raises:
        NotEnoughDataError: the metric is not defined on these rows.
    """
    value = score(metric, rows.labels, rows.scores, rows.task)
    return _interval(value, resampled(metric, rows, sample))


def advantage(metric: MetricName, rows: ScoredRows, other: FloatArray, sample: DaySample) -> Interval:
    """By how much `rows` are better scored than by `other`, paired on the same days; positive is better.

    Raises:
        NotEnoughDataError: the metric is not defined on these rows.
    """
    sign = 1.0 if metric in BETTER_WHEN_HIGHER else -1.0
    value = score(metric, rows.labels, rows.scores, rows.task) - score(metric, rows.labels, other, rows.task)
    drawn = resampled(metric, rows, sample) - resampled(metric, rows.scored_by(other), sample)
    return _interval(sign * value, sign * drawn)


def resampled(metric: MetricName, rows: ScoredRows, sample: DaySample) -> FloatArray:
    """The metric in each resample; null (nan) where the drawn days make it undefined."""
    match metric:
        case "roc_auc_score":
            return _roc_auc_scores(rows, sample.counts)
        case "pr_auc_score":
            return _pr_auc_scores(rows, sample.counts)
        case "expected_calibration_error":
            return _calibration_errors(rows, sample.counts)
    means = _means(row_losses(metric, rows.labels, rows.scores, rows.task), rows.days, sample.counts)
    return np.sqrt(means) if metric == "root_mean_squared_error" else means


def _interval(value: float, drawn: FloatArray) -> Interval:
    defined = drawn[~np.isnan(drawn)]
    low, high = np.quantile(defined, (0.025, 0.975)) if len(defined) else (np.nan, np.nan)
    return Interval(value=value, low=float(low), high=float(high))


def _means(values: FloatArray, days: IntArray, counts: FloatArray) -> FloatArray:
    sums = np.bincount(days, values, minlength=counts.shape[1])
    rows = np.bincount(days, minlength=counts.shape[1])
    return _ratio(counts @ sums, counts @ rows)


def _roc_auc_scores(rows: ScoredRows, counts: FloatArray) -> FloatArray:
    """A pair counts once for each way its two days are drawn together: one day-by-day matrix of won pairs suffices."""
    positives, negatives = _by_score_and_day(rows, counts.shape[1])
    won = positives.T @ (np.cumsum(negatives, axis=0) - 0.5 * negatives)
    pairs = (counts @ positives.sum(axis=0)) * (counts @ negatives.sum(axis=0))
    return _ratio(np.einsum("rd,de,re->r", counts, won, counts, optimize=True), pairs)


def _pr_auc_scores(rows: ScoredRows, counts: FloatArray) -> FloatArray:
    positives, negatives = (by_day[::-1].T for by_day in _by_score_and_day(rows, counts.shape[1]))
    everyone = positives + negatives
    blocks = np.array_split(counts, -(-len(counts) // RESAMPLES_AT_ONCE))
    return np.concatenate([_average_precisions(block @ positives, block @ everyone) for block in blocks])


def _average_precisions(gained: FloatArray, flagged: FloatArray) -> FloatArray:
    """One a resample, from positives and rows at each score, highest first; a score of no drawn day counts nothing."""
    found = np.cumsum(gained, axis=1)
    np.cumsum(flagged, axis=1, out=flagged)
    np.maximum(flagged, 1.0, out=flagged)
    totals = found[:, -1].copy()
    np.divide(found, flagged, out=found)
    return _ratio(np.einsum("rs,rs->r", gained, found), totals)


def _calibration_errors(rows: ScoredRows, counts: FloatArray) -> FloatArray:
    predicted, observed = rows.task.type.compare(rows.labels, rows.scores)
    days, bins = counts.shape[1], calibration_codes(predicted)
    cells = bins * days + rows.days
    shape = (int(bins.max()) + 1, days)
    gaps = np.bincount(cells, predicted - observed, minlength=shape[0] * shape[1]).reshape(shape)
    return _ratio(np.abs(gaps @ counts.T).sum(axis=0), counts @ np.bincount(rows.days, minlength=days))


def _by_score_and_day(rows: ScoredRows, days: int) -> tuple[FloatArray, FloatArray]:
    levels, codes = np.unique(rows.scores, return_inverse=True)
    cells, size = codes * days + rows.days, len(levels) * days
    positives = np.bincount(cells, rows.labels, minlength=size).reshape(len(levels), days)
    negatives = np.bincount(cells, ~rows.labels, minlength=size).reshape(len(levels), days)
    return positives.astype(np.float64), negatives.astype(np.float64)


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)
