"""Records as training and serving leave them, with numbers that are easy to find again."""

import datetime as dt

from ml_platform.evaluation.task import BINARY
from ml_platform.serving.promotion import Promotion
from ml_platform.tracking.registry import RegisteredModel
from ml_platform.training.evaluation import BaselineScore, Evaluation
from ml_platform.training.gate import GateDecision, Reason
from ml_platform.training.intervals import Interval
from ml_platform.training.records import ModelEvaluation, ModelVersion

OCTOBER = dt.date(2013, 10, 1)
FOUND = {"as_of": OCTOBER, "uri": "file:///models/3", "sha256": "0" * 64, "fingerprint": "1" * 64}


def evaluation() -> ModelEvaluation:
    """Scores of October, ROC AUC 0.734."""
    interval = Interval(value=0.734, low=0.710, high=0.751)
    baseline = BaselineScore(
        name="carrier_hour_rate",
        metrics=dict.fromkeys(BINARY.type.metrics, 0.629),
        advantage={"roc_auc_score": interval},
    )
    scores = Evaluation(
        window="test",
        first_day=OCTOBER,
        last_day=dt.date(2013, 10, 31),
        days=31,
        rows=28_000,
        mean_observed=0.2,
        metrics=dict.fromkeys(BINARY.type.metrics, interval),
        baselines=(baseline,),
        slices=(),
        calibration=(),
    )
    return ModelEvaluation(
        as_of=OCTOBER, model_sha256="0" * 64, holdout=scores, test=scores, importances=(), reasons=()
    )


def version(*, approved: bool = True) -> ModelVersion:
    """Version 3 and what the gate said of it."""
    reason = Reason(check="model_beats_baselines", passed=approved, detail="log_loss better by 0.040")
    decision = GateDecision(approved=approved, reasons=(reason,))
    return ModelVersion(
        name="flight_delay", version=3, mlflow_run_id="abc", champion_version=None, decision=decision, **FOUND
    )


def promotion() -> Promotion:
    """Version 3 became champion."""
    model = RegisteredModel(name="flight_delay", version=3, run_id="abc", gate="approved", is_promoted=True, **FOUND)
    return Promotion(as_of=OCTOBER, candidate=model, is_promoted=True, reason="", champion=model)
