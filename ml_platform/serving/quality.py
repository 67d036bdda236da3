"""Quality of predictions once labels arrive, day by day.

Belongs here: scores of days, and the days outside their limits. Does not: what is done about them.
"""

import datetime as dt
import math
from collections.abc import Sequence
from typing import Any

import polars as pl

from ml_platform.evaluation.metrics import brier_score, log_loss, pr_auc_score, roc_auc_score

SCORES = {
    "roc_auc_score": roc_auc_score,
    "pr_auc_score": pr_auc_score,
    "log_loss": log_loss,
    "brier_score_loss": brier_score,
}


def daily_quality(
    predictions: pl.DataFrame,
    labels: pl.DataFrame,
    days: Sequence[dt.date],
    *,
    day_column: str,
    keys: Sequence[str],
    label_column: str,
) -> pl.DataFrame:
    """One row for each of `days`, in their order; scores over the rows whose label has arrived, null without any."""
    labelled = predictions.join(labels.select(*keys, label_column), on=list(keys), how="left", validate="1:1")
    by_day = {day: rows for (day,), rows in labelled.partition_by(day_column, as_dict=True).items()}
    empty = labelled.clear()
    rows = [_quality_of(by_day.get(day, empty), label_column) for day in days]
    return pl.DataFrame(
        [{day_column: day, **row} for day, row in zip(days, rows, strict=True)], schema=_schema(day_column)
    )


def outside_limits(quality: pl.DataFrame, *, lowest: float, highest: float, fewest_labels: int) -> pl.DataFrame:
    """The days whose ROC AUC is below `lowest` or above `highest`, of those with at least `fewest_labels`."""
    judged = pl.col("rows_labelled") >= fewest_labels
    return quality.filter(judged & ~pl.col("roc_auc_score").is_between(lowest, highest).fill_null(True))


def overall(quality: pl.DataFrame) -> dict[str, float]:
    """Means over days, weighted by their labels, of each score that is defined; empty without labels."""
    names = [*SCORES, "mean_probability", "positive_rate"]
    weight = pl.col("rows_labelled")
    means = quality.select(
        (pl.col(name) * weight).sum().truediv(weight.filter(pl.col(name).is_not_null()).sum()) for name in names
    ).row(0, named=True)
    return {name: value for name, value in means.items() if value is not None and not math.isnan(value)}


def _quality_of(rows: pl.DataFrame, label_column: str) -> dict[str, Any]:
    known = rows.filter(pl.col(label_column).is_not_null())
    labels, probabilities = known[label_column].to_numpy(), known["probability"].to_numpy()
    scores = {name: _or_null(score(labels, probabilities)) for name, score in SCORES.items()}
    return {
        "rows_scored": rows.height,
        "rows_labelled": known.height,
        "model_version": rows["model_version"].first(),
        "model_rung": rows["model_rung"].first(),
        "mean_probability": known["probability"].mean(),
        "positive_rate": known[label_column].mean(),
        **scores,
    }


def _or_null(score: float) -> float | None:
    return None if math.isnan(score) else score


def _schema(day_column: str) -> dict[str, Any]:
    counts = dict.fromkeys(("rows_scored", "rows_labelled", "model_version"), pl.Int64)
    scores = dict.fromkeys(("mean_probability", "positive_rate", *SCORES), pl.Float64)
    return {day_column: pl.Date, **counts, "model_rung": pl.String, **scores}
