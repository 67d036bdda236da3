"""What a reader of the UI sees of an evaluation: short numbers, scores beside baselines, slices last."""

import datetime as dt
from typing import Any

import dagster as dg

from ml_platform.evaluation.task import BINARY
from ml_platform.training.evaluation import BaselineScore, Evaluation
from ml_platform.training.intervals import Interval
from ml_platform.training.presentation import evaluation_metadata
from ml_platform.training.records import ModelEvaluation

FOUND = Interval(value=0.73123456, low=0.71, high=0.75)
CONSTANT = BaselineScore(
    name="constant_rate",
    metrics=dict.fromkeys(BINARY.type.metrics, 0.5),
    advantage=dict.fromkeys(BINARY.type.compared, FOUND),
)


def metadata() -> dict[str, dg.MetadataValue[Any]]:
    scores = Evaluation(
        window="holdout",
        first_day=dt.date(2013, 9, 17),
        last_day=dt.date(2013, 9, 30),
        days=14,
        rows=12_000,
        mean_observed=0.2,
        metrics=dict.fromkeys(BINARY.type.metrics, FOUND),
        baselines=(CONSTANT,),
        slices=(),
        calibration=(),
    )
    report = ModelEvaluation(
        as_of=dt.date(2013, 10, 1), model_sha256="", holdout=scores, test=None, importances=(), reasons=()
    )
    return evaluation_metadata(report, {"calibration": b"png"})


def test_scores_stand_beside_their_interval_and_the_baselines() -> None:
    table = metadata()["holdout_scores"]
    assert isinstance(table, dg.TableMetadataValue)
    wanted = {
        "score": "roc_auc_score",
        "model": "0.731",
        "95 % interval": "0.710\u00a0to\u00a00.750",
        "constant_rate": "0.500",
    }
    assert table.records[0].data == wanted


def test_a_number_has_four_digits_and_a_month_that_has_not_been_seen_has_none() -> None:
    told = metadata()
    assert told["holdout_roc_auc_score"].value == 0.7312
    assert not any(name.startswith("test_") for name in told)


def test_pictures_come_before_the_long_tables() -> None:
    names = list(metadata())
    assert names.index("calibration") < names.index("holdout_slices") == len(names) - 1
