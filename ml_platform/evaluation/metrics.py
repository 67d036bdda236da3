"""Metrics of predicted probabilities of a binary label, in plain numpy: exact, ties included.

Every function takes `labels` (bool or 0/1) and `probabilities` (0 to 1) of equal length, and optional non-negative
`weights`: a row with weight 2 counts as two equal rows, so that resampled days are weights instead of copies.
A score that is not defined, such as an area with only one class present, is NaN.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_SMALLEST = 1e-15
"""Probabilities are held this far from 0 and 1 before a logarithm is taken."""


class _Cuts(NamedTuple):
    """Weight of the rows at each distinct probability, highest probability first."""

    positives: NDArray[np.float64]
    negatives: NDArray[np.float64]


def roc_auc_score(
    labels: NDArray[np.generic], probabilities: NDArray[np.float64], weights: NDArray[np.float64] | None = None
) -> float:
    """Chance that a random positive row is ranked above a random negative one, ties counting half. O(n log n)."""
    cuts = _weight_by_cut(labels, probabilities, weights)
    pairs = cuts.positives.sum() * cuts.negatives.sum()
    if pairs == 0:
        return float("nan")
    negatives_below = cuts.negatives.sum() - np.cumsum(cuts.negatives)
    return float((cuts.positives * (negatives_below + cuts.negatives / 2)).sum() / pairs)


def pr_auc_score(
    labels: NDArray[np.generic], probabilities: NDArray[np.float64], weights: NDArray[np.float64] | None = None
) -> float:
    """Average precision: precision at each distinct probability, weighted by the recall that it adds. O(n log n)."""
    cuts = _weight_by_cut(labels, probabilities, weights)
    total = cuts.positives.sum()
    if total == 0:
        return float("nan")
    found, flagged = np.cumsum(cuts.positives), np.cumsum(cuts.positives + cuts.negatives)
    precision = np.divide(found, flagged, out=np.zeros_like(found), where=flagged > 0)
    return float((precision * cuts.positives).sum() / total)


def log_loss(
    labels: NDArray[np.generic], probabilities: NDArray[np.float64], weights: NDArray[np.float64] | None = None
) -> float:
    """Mean surprise in nats a row; a constant forecast of the base rate scores the entropy of the label."""
    held = np.clip(probabilities, _SMALLEST, 1 - _SMALLEST)
    return _mean(-np.log(np.where(np.asarray(labels, dtype=bool), held, 1 - held)), weights)


def brier_score(
    labels: NDArray[np.generic], probabilities: NDArray[np.float64], weights: NDArray[np.float64] | None = None
) -> float:
    """Mean squared difference between probability and outcome, 0 (perfect) to 1."""
    return _mean((probabilities - np.asarray(labels, dtype=np.float64)) ** 2, weights)


def _mean(values: NDArray[np.float64], weights: NDArray[np.float64] | None) -> float:
    if values.size == 0 or (weights is not None and weights.sum() == 0):
        return float("nan")
    return float(np.average(values, weights=weights))


def _weight_by_cut(
    labels: NDArray[np.generic], probabilities: NDArray[np.float64], weights: NDArray[np.float64] | None
) -> _Cuts:
    is_positive = np.asarray(labels, dtype=bool)
    weight = np.ones(is_positive.size) if weights is None else np.asarray(weights, dtype=np.float64)
    distinct, cut = np.unique(-np.asarray(probabilities, dtype=np.float64), return_inverse=True)
    return _Cuts(_sums(cut, weight * is_positive, distinct.size), _sums(cut, weight * ~is_positive, distinct.size))


def _sums(cut: NDArray[np.intp], weight: NDArray[np.float64], cuts: int) -> NDArray[np.float64]:
    return np.bincount(cut, weights=weight, minlength=cuts).astype(np.float64, copy=False)
