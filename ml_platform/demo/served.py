"""How the predictions turned out: every day's champion against the labels that came, over all days together."""

import datetime as dt

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from ml_platform.demo.shown import Shown
from ml_platform.errors import TableNotFoundError
from ml_platform.evaluation.task import MetricName, Task
from ml_platform.serving.answers import predictions_in
from ml_platform.storage.tables import TableStore
from ml_platform.training.intervals import Interval, ScoredRows, draw_days, interval

RESAMPLES = 400


def shown_metrics(task: Task) -> tuple[MetricName, ...]:
    """The scores of a summary; one of calibration needs a picture beside it."""
    return tuple(metric for metric in task.type.metrics if metric != "expected_calibration_error")


class WalkForward(BaseModel):
    """All predicted days, each scored by the model that answered on it."""

    model_config = ConfigDict(frozen=True)

    first_day: dt.date = Field(description="First predicted day.")
    last_day: dt.date = Field(description="Last predicted day.")
    predictions: int = Field(description="Predictions.")
    labelled: int = Field(description="Of these, the ones whose label has arrived.")
    versions: tuple[int, ...] = Field(description="Versions that answered.")
    metrics: dict[MetricName, Interval] = Field(description="Metrics with 95 % intervals by resampling days.")


def walk_forward(store: TableStore, of: Shown) -> WalkForward | None:
    """The scores; None before there are predictions and labels of the same rows, or where these have no score.

    Of several classes the table has the likeliest alone, which is not enough for a score of probabilities.
    """
    served, quality, task = of.deployment.predictions, of.deployment.quality, of.model.task
    try:
        predictions, labels = store.scan(of.table(served.name)), store.scan(of.table(quality.labels))
    except TableNotFoundError:
        return None
    if task.kind == "multiclass":
        return None
    day, key, label = served.partition_column, list(of.model.join_on), quality.label_column
    columns = (*key, *task.type.columns, "model_version")
    rows = predictions.select(columns).join(labels.select(*key, label), on=key, how="left").collect()
    known = rows.filter(pl.col(label).is_not_null())
    if known[label].n_unique() < 2:  # no ranking metric without both kinds
        return None
    days = known[day].rank("dense").to_numpy().astype(np.int64) - 1
    scored = ScoredRows(task.outcomes(known[label]), predictions_in(known, task), days, task)
    sample = draw_days(int(days.max()) + 1, RESAMPLES, seed=0)
    return WalkForward(
        first_day=rows.item(rows[day].arg_min(), day),
        last_day=rows.item(rows[day].arg_max(), day),
        predictions=rows.height,
        labelled=known.height,
        versions=tuple(rows["model_version"].drop_nulls().unique().sort()),
        metrics={metric: interval(metric, scored, sample) for metric in shown_metrics(task)},
    )
