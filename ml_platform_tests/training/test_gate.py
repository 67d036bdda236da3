import hashlib
import json

import numpy as np
import polars as pl
import pytest

from ml_platform.evaluation.task import FloatArray
from ml_platform.tracking.models import dumps, predict_probability
from ml_platform.training.baselines import BaselineConfig, fit_baseline
from ml_platform.training.choosing import trainer_named
from ml_platform.training.evaluation import EvaluatedRows, Evaluation, evaluate, evaluated_rows
from ml_platform.training.gate import (
    GateConfig,
    Reason,
    beats_baselines,
    decide,
    is_not_worse_on_any_slice,
    is_not_worse_than_champion,
    saved_model_scores_the_same,
)
from ml_platform.training.slices import SliceConfig
from ml_platform.training.trainers import FitPlan, training_data
from ml_platform_tests.training.scenario import COLUMNS, FEATURES, departures

LEARNT, HELD_OUT = departures(seed=1), departures(days=30, each_day=60, seed=2)
CONFIG, SLICES = GateConfig(), SliceConfig(by=("carrier", "hour"), minimum_rows=100)
BASELINES = [
    fit_baseline(BaselineConfig(name="constant_rate"), LEARNT, "is_late"),
    fit_baseline(BaselineConfig(name="carrier_rate", by=("carrier",)), LEARNT, "is_late"),
]
MODEL = trainer_named("hist_gradient_boosting").fit(
    training_data(LEARNT, FEATURES, "is_late"), FitPlan(iterations=20, parameters={"max_leaf_nodes": 4})
)
SCORES = predict_probability(MODEL, HELD_OUT)


def rows(scores: FloatArray = SCORES) -> EvaluatedRows:
    return evaluated_rows(HELD_OUT, scores, COLUMNS, resamples=500, seed=0)


def blurred(scores: FloatArray, where: pl.Expr) -> FloatArray:
    """The scores, at one half where the expression is true."""
    return np.where(HELD_OUT.select(where).to_series().to_numpy(), 0.5, scores)


def test_a_model_that_learnt_beats_the_baselines() -> None:
    reason = beats_baselines(rows(), BASELINES, CONFIG)
    assert reason.passed
    assert "than constant_rate; log_loss better by" in reason.detail


def test_a_baseline_does_not_beat_itself() -> None:
    assert not beats_baselines(rows(BASELINES[1].predict(HELD_OUT)), BASELINES[1:], CONFIG).passed


def test_the_first_model_needs_no_champion() -> None:
    assert is_not_worse_than_champion(rows(), None, CONFIG).passed
    assert is_not_worse_on_any_slice(rows(), None, SLICES, CONFIG).passed


def test_a_model_is_not_worse_than_itself() -> None:
    assert is_not_worse_than_champion(rows(), SCORES, CONFIG).passed
    assert is_not_worse_on_any_slice(rows(), SCORES, SLICES, CONFIG).passed


def test_a_worse_challenger_is_refused_with_the_numbers() -> None:
    reason = is_not_worse_than_champion(rows(np.full(len(SCORES), 0.5)), SCORES, CONFIG)
    assert not reason.passed
    assert reason.detail.startswith("log_loss better by -0.")


def test_a_challenger_that_is_worse_on_one_slice_is_refused_and_the_slice_named() -> None:
    challenger = blurred(SCORES, pl.col("hour") == 22)
    reason = is_not_worse_on_any_slice(rows(challenger), SCORES, SLICES, CONFIG)
    assert not reason.passed
    assert reason.detail.startswith("1 of ")
    assert "hour 22: -0." in reason.detail


def test_saved_bytes_that_give_the_evaluated_scores_pass() -> None:
    data = dumps(MODEL)
    reason = saved_model_scores_the_same(data, hashlib.sha256(data).hexdigest(), HELD_OUT, SCORES)
    assert reason == Reason(check="saved_model_loads_and_scores", passed=True, detail="1800 of 1800 scores are equal.")


def test_damaged_bytes_fail() -> None:
    data = dumps(MODEL)
    reason = saved_model_scores_the_same(data[:-1], hashlib.sha256(data).hexdigest(), HELD_OUT, SCORES)
    assert not reason.passed
    assert "bytes of a model are not those" in reason.detail


def test_bytes_of_another_model_fail() -> None:
    other = dumps(trainer_named("sgd_logistic").fit(training_data(LEARNT, FEATURES, "is_late"), FitPlan(iterations=1)))
    reason = saved_model_scores_the_same(other, hashlib.sha256(other).hexdigest(), HELD_OUT, SCORES)
    assert not reason.passed


def test_one_failed_check_refuses_the_challenger() -> None:
    good = is_not_worse_than_champion(rows(), None, CONFIG)
    assert decide([good, good]).approved
    assert not decide([good, good.model_copy(update={"passed": False})]).approved


def test_a_report_tells_window_metrics_baselines_slices_and_calibration() -> None:
    report = evaluate("holdout", rows(), COLUMNS, BASELINES, SLICES)
    assert (report.rows, report.days, str(report.first_day)) == (1800, 30, "2013-01-01")
    assert report.metrics["roc_auc_score"].low > 0.7
    assert report.baselines[0].metrics["roc_auc_score"] == 0.5
    assert report.baselines[0].advantage["roc_auc_score"].low > 0.2
    assert {each.column for each in report.slices} == {"carrier", "hour"}
    assert sum(each.rows for each in report.calibration) == 1800


def test_a_report_survives_json() -> None:
    report = evaluate("test", rows(), COLUMNS, BASELINES, SLICES)
    assert Evaluation.model_validate(json.loads(report.model_dump_json())) == report


def test_the_order_of_rows_does_not_matter_to_a_report() -> None:
    order = np.random.default_rng(0).permutation(len(SCORES))
    shuffled = evaluated_rows(HELD_OUT[order], SCORES[order], COLUMNS, resamples=500, seed=0)
    again, report = (evaluate("test", each, COLUMNS, BASELINES, SLICES) for each in (shuffled, rows()))
    assert again.metrics["roc_auc_score"] == report.metrics["roc_auc_score"]
    assert again.metrics["log_loss"].low == pytest.approx(report.metrics["log_loss"].low)
