"""The scores of every task type, by hand, against scikit-learn, and under the laws that all of them keep."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from ml_platform.evaluation.scores import calibration_curve, value_of
from ml_platform.evaluation.task import BETTER_WHEN_HIGHER, TASK_TYPES, WITHOUT_DIRECTION, MetricName, Task, TaskKind
from ml_platform.training.intervals import DaySample, ScoredRows, advantage, draw_days, resampled

FORECAST = Task(kind="forecast", coverage=0.8, unit="bikes")
CLASSES = Task(kind="multiclass", classes=("a", "b", "c"))
TASKS: dict[TaskKind, Task] = {
    "binary": Task(),
    "multiclass": CLASSES,
    "regression": Task(kind="regression"),
    "forecast": FORECAST,
}
SEEN = np.array([10.0, 20.0, 30.0, 40.0])
FORECASTS = np.array([[5.0, 10.0, 15.0], [15.0, 22.0, 25.0], [31.0, 33.0, 35.0], [20.0, 30.0, 40.0]])
EVERY_SCORE = [(kind, metric) for kind, task in TASKS.items() for metric in task.type.metrics]


def rows_of(kind: TaskKind, seed: int, rows: int = 60, days: int = 6) -> ScoredRows:
    """Outcomes and predictions of one kind that have something to do with each other."""
    random = np.random.default_rng(seed)
    values = random.normal(size=rows)
    noisy = values + random.normal(scale=0.5, size=rows)
    day = np.arange(rows) % days
    if kind == "binary":
        return ScoredRows(values > 0, 1 / (1 + np.exp(-noisy)), day)
    if kind == "multiclass":
        shares = np.exp(np.stack([-noisy, np.zeros(rows), noisy], axis=1))
        return ScoredRows(np.digitize(values, (-0.5, 0.5)), shares / shares.sum(axis=1)[:, None], day, CLASSES)
    ends = np.stack([noisy - 1, noisy, noisy + 1], axis=1)
    return ScoredRows(values, ends if kind == "forecast" else noisy, day, TASKS[kind])


def test_errors_of_a_forecast_are_those_of_its_middle() -> None:
    assert value_of("mean_absolute_error", SEEN, FORECASTS, FORECAST) == pytest.approx((0 + 2 + 3 + 10) / 4)
    assert value_of("root_mean_squared_error", SEEN, FORECASTS, FORECAST) == pytest.approx(math.sqrt(113 / 4))


def test_an_outcome_on_the_end_of_an_interval_is_inside_it() -> None:
    assert value_of("interval_coverage", SEEN, FORECASTS, FORECAST) == 3 / 4
    assert value_of("mean_interval_width", SEEN, FORECASTS, FORECAST) == pytest.approx((10 + 10 + 4 + 20) / 4)


def test_pinball_loss_is_the_mean_of_that_of_each_quantile() -> None:
    of_each = [
        reference.mean_pinball_loss(SEEN, FORECASTS[:, place], alpha=level)
        for place, level in enumerate(FORECAST.levels)
    ]
    assert value_of("pinball_loss", SEEN, FORECASTS, FORECAST) == pytest.approx(np.mean(of_each))


@given(st.integers(0, 1000))
def test_scores_of_classes_equal_those_of_scikit_learn(seed: int) -> None:
    rows = rows_of("multiclass", seed)
    found = {m: value_of(m, rows.labels, rows.scores, CLASSES) for m in ("accuracy_score", "log_loss")}
    assert found["log_loss"] == pytest.approx(reference.log_loss(rows.labels, rows.scores, labels=[0, 1, 2]))
    assert found["accuracy_score"] == reference.accuracy_score(rows.labels, rows.scores.argmax(axis=1))


@pytest.mark.parametrize(("kind", "metric"), EVERY_SCORE)
@given(seed=st.integers(0, 1000))
def test_the_order_of_rows_does_not_matter(kind: TaskKind, metric: MetricName, seed: int) -> None:
    rows, order = rows_of(kind, seed), np.random.default_rng(seed).permutation(60)
    shuffled = value_of(metric, rows.labels[order], rows.scores[order], rows.task)
    assert shuffled == pytest.approx(value_of(metric, rows.labels, rows.scores, rows.task), abs=1e-12)


@pytest.mark.parametrize(("kind", "metric"), EVERY_SCORE)
def test_every_day_once_is_the_score_itself(kind: TaskKind, metric: MetricName) -> None:
    rows, once = rows_of(kind, 1), DaySample(np.ones((1, 6)))
    whole = value_of(metric, rows.labels, rows.scores, rows.task)
    assert resampled(metric, rows, once)[0] == pytest.approx(whole, abs=1e-12)


@pytest.mark.parametrize(("kind", "metric"), [pair for pair in EVERY_SCORE if pair[1] != "expected_calibration_error"])
def test_a_resample_is_the_score_of_the_drawn_days(kind: TaskKind, metric: MetricName) -> None:
    rows, sample = rows_of(kind, 2), draw_days(6, 10, 0)
    chosen = np.repeat(np.arange(60), sample.counts[0][rows.days].astype(int))
    drawn = value_of(metric, rows.labels[chosen], rows.scores[chosen], rows.task)
    assert resampled(metric, rows, sample)[0] == pytest.approx(drawn, abs=1e-12)


@pytest.mark.parametrize("kind", TASKS)
def test_what_is_off_has_no_advantage_in_any_score_of_the_task(kind: TaskKind) -> None:
    rows, sample = rows_of(kind, 3, rows=600), draw_days(6, 200, 0)
    off = 3 * rows.scores + 5 if kind in ("regression", "forecast") else rows.scores[::-1]
    for metric in rows.task.type.compared:
        assert advantage(metric, rows, off, sample).low > 0


@pytest.mark.parametrize(("kind", "metric"), EVERY_SCORE)
def test_a_score_of_no_rows_is_no_number(kind: TaskKind, metric: MetricName) -> None:
    rows = rows_of(kind, 1)
    assert math.isnan(value_of(metric, rows.labels[:0], rows.scores[:0], rows.task))


def test_a_calibration_curve_of_values_holds_what_was_predicted_against_what_was_seen() -> None:
    bins = calibration_curve(SEEN, FORECASTS, FORECAST)
    assert [b.mean_predicted for b in bins] == [10.0, 22.0, 30.0, 33.0]
    assert [b.mean_observed for b in bins] == [10.0, 20.0, 40.0, 30.0]


@pytest.mark.parametrize("kind", TASKS)
def test_what_decides_has_a_direction(kind: TaskKind) -> None:
    of_kind = TASK_TYPES[kind]
    assert {of_kind.loss, *of_kind.compared, *of_kind.of_slices} <= {*of_kind.metrics}
    assert not {of_kind.loss, *of_kind.compared} & WITHOUT_DIRECTION
    assert of_kind.loss not in BETTER_WHEN_HIGHER


def test_classes_belong_to_a_multiclass_task_and_to_no_other() -> None:
    with pytest.raises(ValueError, match="needs `classes`: two or more, each once"):
        Task(kind="multiclass", classes=("a", "a"))
    with pytest.raises(ValueError, match="this one is regression"):
        Task(kind="regression", classes=("a", "b"))


def test_codes_of_classes_are_their_places() -> None:
    assert CLASSES.outcomes(pl.Series("kind", ["c", "a", "b"])).tolist() == [2, 0, 1]
