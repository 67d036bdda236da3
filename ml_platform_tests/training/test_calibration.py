"""Intervals hold their share of the rows that they were widened on, and of rows like them."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.evaluation.task import LOWER, UPPER, VALUE, FloatArray, Task
from ml_platform.tracking.models import TabularModel, dumps, loads, predict_matrix
from ml_platform.training.calibration import share_to_widen_by, widened
from ml_platform.training.choosing import trainer_named
from ml_platform.training.trainers import FitPlan, TrainingData

FORECAST = Task(kind="forecast", coverage=0.9)


def noisy(rows: int, seed: int) -> TrainingData:
    """Outcomes whose spread grows with the feature."""
    draws = np.random.default_rng(seed)
    matrix = draws.uniform(1, 5, size=(rows, 1)).astype(np.float32)
    labels = 10.0 * matrix[:, 0] + matrix[:, 0] * draws.normal(size=rows)
    return TrainingData(("x",), {}, matrix, labels, FORECAST)


def overfitted() -> TabularModel:
    plan = FitPlan(iterations=100, parameters={"min_samples_leaf": 2})
    return trainer_named("hist_gradient_boosting").fit(noisy(400, seed=1), plan)


def held(predicted: FloatArray, outcomes: FloatArray) -> float:
    return float(((outcomes >= predicted[:, LOWER]) & (outcomes <= predicted[:, UPPER])).mean())


def test_a_model_that_learnt_its_rows_by_heart_holds_its_share_of_others_once_it_is_widened() -> None:
    model, told, unseen = overfitted(), noisy(2_000, seed=2), noisy(2_000, seed=3)
    share = share_to_widen_by(predict_matrix(model, told.matrix), told.labels, FORECAST)
    assert held(predict_matrix(model, unseen.matrix), unseen.labels) < 0.8
    assert held(predict_matrix(widened(model, share), unseen.matrix), unseen.labels) == pytest.approx(0.9, abs=0.02)


@given(st.integers(1, 200), st.floats(0.1, 0.99), st.integers(0, 2**32 - 1))
def test_the_rows_that_told_the_share_are_held_as_often_as_declared(rows: int, coverage: float, seed: int) -> None:
    draws = np.random.default_rng(seed)
    values, widths = draws.normal(size=rows), draws.uniform(0.5, 2, size=rows)
    predicted = np.stack([values - widths / 2, values, values + widths / 2], axis=1)
    outcomes = 3 * draws.normal(size=rows)
    share = share_to_widen_by(predicted, outcomes, Task(kind="forecast", coverage=coverage))
    margin = (share + 1e-9) * widths
    wide = np.stack([predicted[:, LOWER] - margin, values, predicted[:, UPPER] + margin], axis=1)
    assert held(wide, outcomes) >= coverage


def test_intervals_that_hold_too_much_are_narrowed_and_keep_their_value() -> None:
    model, rows = overfitted(), noisy(100, seed=2)
    narrow = predict_matrix(widened(model, -0.6), rows.matrix)
    assert (np.diff(narrow, axis=1) >= 0).all()
    assert np.array_equal(narrow[:, VALUE], predict_matrix(model, rows.matrix)[:, VALUE])


def test_intervals_without_width_are_left_as_they_are() -> None:
    assert share_to_widen_by(np.zeros((5, 3)), np.ones(5), FORECAST) == 0.0


def test_a_saved_model_is_as_wide_as_it_was() -> None:
    model, rows = widened(overfitted(), 0.25), noisy(100, seed=2)
    data = dumps(model)
    reloaded = loads(data, hashlib.sha256(data).hexdigest())
    assert np.array_equal(predict_matrix(reloaded, rows.matrix), predict_matrix(model, rows.matrix))
