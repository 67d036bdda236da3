"""How the predictions turned out: every day's champion against the labels that came, over all days together."""

import datetime as dt

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from ml_platform.errors import TableNotFoundError
from ml_platform.storage.tables import TableStore
from ml_platform.training.intervals import Interval, ScoredRows, draw_days, interval
from ml_platform.training.metrics import MetricName

PREDICTIONS, LABELS = "flights/delay_predictions", "flights/delay_labels"
DAY, KEY = "service_date", ("service_date", "carrier", "flight_number", "origin", "scheduled_departure_at")
METRICS: tuple[MetricName, ...] = ("roc_auc_score", "pr_auc_score", "log_loss", "brier_score")
RESAMPLES = 400


class WalkForward(BaseModel):
    """All predicted days, each scored by the model that answered on it."""

    model_config = ConfigDict(frozen=True)

    first_day: dt.date = Field(description="First predicted day.")
    last_day: dt.date = Field(description="Last predicted day.")
    predictions: int = Field(description="Predicted flights.")
    labelled: int = Field(description="Of these, flights that arrived.")
    versions: tuple[int, ...] = Field(description="Versions that answered.")
    metrics: dict[MetricName, Interval] = Field(description="Metrics with 95 % intervals by resampling days.")


def walk_forward(store: TableStore) -> WalkForward | None:
    """The scores; None before there are predictions and labels of the same flights."""
    try:
        predictions, labels = store.scan(PREDICTIONS), store.scan(LABELS)
    except TableNotFoundError:
        return None
    columns = (*KEY, "probability", "model_version")
    rows = predictions.select(columns).join(labels.select(*KEY, "is_late"), on=KEY, how="left").collect()
    known = rows.filter(pl.col("is_late").is_not_null())
    if known["is_late"].n_unique() < 2:  # no ranking metric without both kinds
        return None
    days = known[DAY].rank("dense").to_numpy().astype(np.int64) - 1
    scored = ScoredRows(known["is_late"].to_numpy(), known["probability"].to_numpy(), days)
    sample = draw_days(int(days.max()) + 1, RESAMPLES, seed=0)
    return WalkForward(
        first_day=rows.item(rows[DAY].arg_min(), DAY),
        last_day=rows.item(rows[DAY].arg_max(), DAY),
        predictions=rows.height,
        labelled=known.height,
        versions=tuple(rows["model_version"].drop_nulls().unique().sort()),
        metrics={metric: interval(metric, scored, sample) for metric in METRICS},
    )
