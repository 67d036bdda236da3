"""Predictions of each task type as a table, and what is said of them once labels arrive."""

import datetime as dt

import dagster as dg
import dataframely as dy
import numpy as np
import polars as pl
import pytest

from ml_platform.errors import DefinitionError
from ml_platform.evaluation.task import Task
from ml_platform.serving.answers import columns_of, invalid_rows
from ml_platform.serving.component import QualityLimit, QualityTable
from ml_platform.serving.contract import predictions_contract, quality_contract
from ml_platform.serving.plots import quality_over_days
from ml_platform.serving.predictions import prediction_checks
from ml_platform.serving.quality import daily_quality, overall
from ml_platform.serving.quality_asset import limits_of, quality_check

FORECAST = Task(kind="forecast", coverage=0.8, unit="bikes")
CLASSES = Task(kind="multiclass", classes=("low", "high"))
VALUE = Task(kind="regression")
PREDICTED = {
    "binary": (Task(), np.array([0.2, 0.9])),
    "multiclass": (CLASSES, np.array([[0.3, 0.7], [0.9, 0.1]])),
    "regression": (VALUE, np.array([7.0, 8.0])),
    "forecast": (FORECAST, np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 9.0]])),
}
DAYS = [dt.date(2015, 6, 1), dt.date(2015, 6, 2)]
LABELS = {"binary": [False, True], "multiclass": ["high", "high"], "regression": [6, 10], "forecast": [2, 10]}
every_task = pytest.mark.parametrize("kind", PREDICTED)


class Hours(dy.Schema):
    """The key of the toy features."""

    day = dy.Date(primary_key=True)
    hour = dy.Int64(primary_key=True)


def table(kind: str) -> pl.DataFrame:
    """Two hours of the first day, predicted."""
    task, predicted = PREDICTED[kind]
    keys = pl.DataFrame({"day": [DAYS[0]] * 2, "hour": [7, 8]})
    return keys.with_columns(
        *columns_of(predicted, task),
        model_version=pl.lit(1, pl.Int64),
        model_as_of=DAYS[0],
        model_fingerprint=pl.lit("f"),
        model_rung=pl.lit("champion"),
    )


def quality(kind: str) -> pl.DataFrame:
    labels = table(kind).select("day", "hour").with_columns(label=pl.Series(LABELS[kind]))
    task = PREDICTED[kind][0]
    return daily_quality(
        table(kind), labels, DAYS, day_column="day", keys=["day", "hour"], label_column="label", task=task
    )


def limited(*limits: QualityLimit) -> QualityTable:
    return QualityTable(
        name="quality", description="", labels="labels", label_column="label", limits=limits, fewest_labels=1
    )


@every_task
def test_predictions_keep_their_contract_and_pass_their_check(kind: str) -> None:
    task, frame = PREDICTED[kind][0], table(kind)
    assert predictions_contract(Hours, "hour", task).filter(frame, cast=True)[1].counts() == {}
    checks = list(prediction_checks(dg.AssetKey("p"), "hour", frame.select("day", "hour"), frame, task))
    assert [check.passed for check in checks] == [True, True]


@every_task
def test_quality_keeps_its_contract_also_on_a_day_without_predictions(kind: str) -> None:
    found = quality(kind)
    assert quality_contract("day", "hour", PREDICTED[kind][0]).filter(found)[1].counts() == {}
    assert found["rows_labelled"].to_list() == [2, 0]
    assert overall(found, PREDICTED[kind][0])


def test_the_quality_of_a_forecast_by_hand() -> None:
    day = quality("forecast").row(0, named=True)
    assert (day["mean_absolute_error"], day["interval_coverage"]) == (2.5, 0.5)
    assert (day["mean_prediction"], day["mean_outcome"]) == (3.5, 6.0)
    assert "roc_auc_score" not in day


def test_of_classes_the_likeliest_is_published_and_counted_as_right_or_not() -> None:
    assert table("multiclass")["predicted_class"].to_list() == ["high", "low"]
    assert quality("multiclass")["accuracy_score"].to_list() == [0.5, None]


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("binary", np.array([0.5, 1.5])),
        ("multiclass", np.array([[0.5, 0.5], [np.nan, 0.5]])),
        ("regression", np.array([1.0, np.inf])),
        ("forecast", np.array([[1.0, 2.0, 3.0], [4.0, 3.0, 5.0]])),
    ],
)
def test_what_is_no_prediction_of_the_task_is_counted(kind: str, wrong: np.ndarray) -> None:
    assert invalid_rows(wrong, PREDICTED[kind][0]) == 1


def test_predictions_of_another_task_are_none_of_this_one() -> None:
    assert invalid_rows(PREDICTED["regression"][1], FORECAST) == 2


def test_a_day_beyond_a_declared_limit_is_reported() -> None:
    limits = limited(QualityLimit(score="mean_absolute_error", highest=2), QualityLimit(score="interval_coverage"))
    check = quality_check(dg.AssetKey("q"), limits, quality("forecast"), "day", FORECAST)
    assert not check.passed
    assert check.metadata["mean_absolute_error_of_days_outside"].value == ["2015-06-01: 2.500"]


def test_a_limit_of_a_score_that_the_task_does_not_have_is_refused_with_those_it_has() -> None:
    with pytest.raises(DefinitionError, match=r"limits roc_auc_score, which a forecast task.*interval_coverage"):
        limits_of(limited(QualityLimit(score="roc_auc_score")), FORECAST)


@every_task
def test_quality_of_each_task_has_a_picture(kind: str) -> None:
    assert quality_over_days(quality(kind), "day", PREDICTED[kind][0]).startswith(b"\x89PNG")
