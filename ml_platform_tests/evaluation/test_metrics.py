"""The metrics hold what scikit-learn says, with ties, with weights and at the edges."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as reference

from ml_platform.evaluation.metrics import brier_score, log_loss, pr_auc_score, roc_auc_score

Metric = Callable[..., float]
PAIRS: list[tuple[Metric, Metric]] = [
    (roc_auc_score, reference.roc_auc_score),
    (pr_auc_score, reference.average_precision_score),
    (log_loss, reference.log_loss),
    (brier_score, reference.brier_score_loss),
]


def rows(seed: int, count: int) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]:
    """Labels with both classes, probabilities in steps of 0.1 (many ties) and whole weights from 1 to 3."""
    random = np.random.default_rng(seed)
    labels = random.random(count) < 0.3
    labels[:2] = [True, False]
    return labels, random.integers(1, 10, count) / 10, random.integers(1, 4, count).astype(float)


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
@given(seed=st.integers(0, 10_000), count=st.integers(2, 60))
def test_equals_scikit_learn(ours: Metric, theirs: Metric, seed: int, count: int) -> None:
    labels, probabilities, weights = rows(seed, count)
    assert ours(labels, probabilities) == pytest.approx(theirs(labels, probabilities))
    assert ours(labels, probabilities, weights) == pytest.approx(theirs(labels, probabilities, sample_weight=weights))


@pytest.mark.parametrize("metric", [ours for ours, _ in PAIRS])
def test_a_weight_of_two_counts_as_two_rows(metric: Metric) -> None:
    labels, probabilities, weights = rows(1, 40)
    repeated = weights.astype(int)
    assert metric(labels, probabilities, weights) == pytest.approx(
        metric(labels.repeat(repeated), probabilities.repeat(repeated))
    )


def test_areas_by_hand() -> None:
    labels, probabilities = np.array([1, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.1])
    assert roc_auc_score(labels, probabilities) == 3 / 4
    assert pr_auc_score(labels, probabilities) == (1 / 1 + 2 / 3) / 2


def test_an_area_needs_both_classes() -> None:
    assert np.isnan(roc_auc_score(np.array([True]), np.array([0.5])))
    assert np.isnan(pr_auc_score(np.array([False]), np.array([0.5])))


def test_a_certain_and_wrong_forecast_costs_a_finite_log_loss() -> None:
    assert np.isfinite(log_loss(np.array([True]), np.array([0.0])))


@pytest.mark.parametrize("metric", [ours for ours, _ in PAIRS])
def test_no_rows_give_no_score(metric: Metric) -> None:
    assert np.isnan(metric(np.empty(0, dtype=bool), np.empty(0)))
