from random import Random

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.errors import NotEnoughDataError
from ml_platform.evaluation.scores import calibration_curve
from ml_platform.evaluation.task import BINARY, RANKINGS, FloatArray, MetricName, Outcomes
from ml_platform.training.metrics import score

LABELS = np.array([True, False, True, False])
SCORES = np.array([0.8, 0.4, 0.3, 0.1])
SKLEARN = {
    "roc_auc_score": sklearn.metrics.roc_auc_score,
    "pr_auc_score": sklearn.metrics.average_precision_score,
    "log_loss": sklearn.metrics.log_loss,
    "brier_score": sklearn.metrics.brier_score_loss,
}


@st.composite
def scored_labels(draw: st.DrawFn) -> tuple[Outcomes, FloatArray]:
    """Labels of both classes and scores with many ties."""
    labels = [True, False, *draw(st.lists(st.booleans(), max_size=40))]
    scores = draw(st.lists(st.integers(1, 9).map(lambda tenth: tenth / 10), min_size=len(labels), max_size=len(labels)))
    return np.array(labels), np.array(scores)


def test_roc_auc_is_the_share_of_pairs_in_order() -> None:
    assert score("roc_auc_score", LABELS, SCORES) == 3 / 4


def test_a_tie_is_half_a_pair() -> None:
    assert score("roc_auc_score", LABELS, np.full(4, 0.5)) == 0.5


def test_pr_auc_is_the_precision_at_each_positive() -> None:
    assert score("pr_auc_score", LABELS, SCORES) == pytest.approx((1 / 1 + 2 / 3) / 2)


def test_brier_score_is_the_mean_squared_error() -> None:
    assert score("brier_score", LABELS, SCORES) == pytest.approx((0.04 + 0.16 + 0.49 + 0.01) / 4)


def test_a_rate_that_is_observed_is_calibrated() -> None:
    assert score("expected_calibration_error", LABELS, np.full(4, 0.5)) == 0
    assert score("expected_calibration_error", LABELS, np.full(4, 0.7)) == pytest.approx(0.2)


def test_the_calibration_curve_has_bins_of_equal_size_in_order() -> None:
    bins = calibration_curve(np.arange(100) % 2 == 0, np.arange(100) / 100)
    assert [b.rows for b in bins] == [10] * 10
    assert [b.mean_observed for b in bins] == [0.5] * 10
    assert [b.mean_predicted for b in bins] == pytest.approx([0.045 + tenth / 10 for tenth in range(10)])


def test_equal_scores_share_a_bin() -> None:
    bins = calibration_curve(np.arange(100) % 2 == 0, np.repeat([0.2, 0.6], 50))
    assert [(b.rows, round(b.mean_predicted, 9)) for b in bins] == [(50, 0.2), (50, 0.6)]


@pytest.mark.parametrize("metric", SKLEARN)
@given(scored_labels())
def test_metrics_equal_those_of_scikit_learn(metric: MetricName, rows: tuple[Outcomes, FloatArray]) -> None:
    assert score(metric, *rows) == pytest.approx(SKLEARN[metric](*rows), abs=1e-12)


@pytest.mark.parametrize("metric", BINARY.type.metrics)
@given(scored_labels(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(
    metric: MetricName, rows: tuple[Outcomes, FloatArray], random: Random
) -> None:
    order = list(range(len(rows[0])))
    random.shuffle(order)
    assert score(metric, rows[0][order], rows[1][order]) == pytest.approx(score(metric, *rows), abs=1e-12)


@pytest.mark.parametrize("metric", sorted(RANKINGS))
def test_a_ranking_of_one_class_is_an_error_and_no_number(metric: MetricName) -> None:
    with pytest.raises(NotEnoughDataError, match=f"{metric} is not defined.*4 true of 4"):
        score(metric, np.full(4, True), SCORES)
