"""Records as the training pipeline leaves them, with numbers that are easy to find again."""

import datetime as dt

from ml_platform.tracking.registry import RegisteredModel
from ml_platform.training.evaluation import BaselineScore, Evaluation
from ml_platform.training.intervals import Interval
from ml_platform.training.metrics import ALL_METRICS


def evaluation() -> Evaluation:
    """Scores of October, ROC AUC 0.734."""
    interval = Interval(value=0.734, low=0.710, high=0.751)
    baseline = BaselineScore(
        name="carrier_hour_rate",
        metrics=dict.fromkeys(ALL_METRICS, 0.629),
        advantage={"roc_auc_score": interval},
    )
    return Evaluation(
        window="test",
        first_day=dt.date(2013, 10, 1),
        last_day=dt.date(2013, 10, 31),
        days=31,
        rows=28_000,
        positive_rate=0.2,
        metrics=dict.fromkeys(ALL_METRICS, interval),
        baselines=(baseline,),
        slices=(),
        calibration=(),
    )


def version() -> RegisteredModel:
    """Version 3, approved and promoted."""
    return RegisteredModel(
        name="flight_delay",
        version=3,
        as_of=dt.date(2013, 10, 1),
        uri="file:///models/3",
        sha256="0" * 64,
        fingerprint="1" * 64,
        run_id="abc",
        gate="approved",
        is_promoted=True,
        aliases=("champion",),
    )
