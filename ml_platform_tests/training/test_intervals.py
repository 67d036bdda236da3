import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.evaluation.task import BINARY, MetricName
from ml_platform.training.intervals import DaySample, Interval, ScoredRows, advantage, draw_days, interval, resampled
from ml_platform.training.metrics import score


def noisy_rows(rows: int = 3000, days: int = 15, seed: int = 0, noise: float = 1.0) -> ScoredRows:
    random = np.random.default_rng(seed)
    truth = random.normal(size=rows)
    labels = random.random(rows) < 1 / (1 + np.exp(-truth))
    scores = 1 / (1 + np.exp(-(truth + noise * random.normal(size=rows))))
    return ScoredRows(labels, np.round(scores, 3), random.permutation(np.arange(rows) % days))


def copied(rows: ScoredRows, counts: np.ndarray) -> ScoredRows:
    """The rows with each day as often as it was drawn."""
    chosen = np.repeat(np.arange(len(rows.labels)), counts[rows.days].astype(int))
    return ScoredRows(rows.labels[chosen], rows.scores[chosen], rows.days[chosen])


@pytest.mark.parametrize("metric", [name for name in BINARY.type.metrics if name != "expected_calibration_error"])
@given(st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_a_resample_is_the_metric_of_the_drawn_days(metric: MetricName, seed: int) -> None:
    rows, sample = noisy_rows(300, 6, seed), draw_days(6, 100, seed)
    drawn = copied(rows, sample.counts[0])
    assert resampled(metric, rows, sample)[0] == pytest.approx(score(metric, drawn.labels, drawn.scores), abs=1e-12)


@pytest.mark.parametrize("metric", BINARY.type.metrics)
def test_every_day_once_is_the_metric_itself(metric: MetricName) -> None:
    rows = noisy_rows()
    once = DaySample(np.ones((1, 15)))
    assert resampled(metric, rows, once)[0] == pytest.approx(score(metric, rows.labels, rows.scores), abs=1e-12)


@pytest.mark.parametrize("metric", BINARY.type.metrics)
def test_the_value_lies_in_its_interval_and_is_the_same_again(metric: MetricName) -> None:
    rows = noisy_rows()
    found = interval(metric, rows, draw_days(15, 500, 1))
    assert found == interval(metric, rows, draw_days(15, 500, 1)) != interval(metric, rows, draw_days(15, 500, 2))
    assert found.low < found.high
    assert metric == "expected_calibration_error" or found.low < found.value < found.high


def test_more_days_make_a_narrower_interval() -> None:
    few, many = noisy_rows(3000, 15), noisy_rows(27000, 135)
    wide = interval("log_loss", few, draw_days(15, 1000, 0))
    narrow = interval("log_loss", many, draw_days(135, 1000, 0))
    assert (wide.high - wide.low) / (narrow.high - narrow.low) == pytest.approx(3, rel=0.6)


@pytest.mark.parametrize("metric", ["roc_auc_score", "pr_auc_score", "log_loss", "brier_score"])
def test_the_better_model_has_the_advantage_whatever_the_direction(metric: MetricName) -> None:
    good, bad = noisy_rows(noise=0.2), noisy_rows(noise=3.0)
    sample = draw_days(15, 500, 0)
    assert advantage(metric, good, bad.scores, sample).low > 0
    assert advantage(metric, good.scored_by(bad.scores), good.scores, sample).high < 0


def test_a_model_has_no_advantage_over_itself() -> None:
    rows = noisy_rows()
    assert advantage("log_loss", rows, rows.scores, draw_days(15, 500, 0)) == Interval(value=0, low=0, high=0)


def test_a_paired_difference_is_surer_than_two_intervals() -> None:
    good, other = noisy_rows(noise=0.5), noisy_rows(noise=0.6)
    sample = draw_days(15, 500, 0)
    paired, alone = advantage("log_loss", good, other.scores, sample), interval("log_loss", good, sample)
    assert paired.high - paired.low < alone.high - alone.low


def test_a_month_of_flights_takes_seconds_not_minutes() -> None:
    rows, sample = noisy_rows(28_000, 31), draw_days(31, 1000, 0)
    started = time.process_time()
    for metric in BINARY.type.metrics:
        interval(metric, rows, sample)
    assert time.process_time() - started < 3
