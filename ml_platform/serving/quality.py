"""Quality of predictions once labels arrive, day by day.

Belongs here: scores of days, and the days outside their limits. Does not: what is done about them.
"""

import datetime as dt
import math
from collections.abc import Sequence
from typing import Any

import polars as pl

from ml_platform.evaluation.task import BINARY, Task
from ml_platform.serving.answers import MEANS, means_of, predictions_in, scores_of


def daily_quality(
    predictions: pl.DataFrame,
    labels: pl.DataFrame,
    days: Sequence[dt.date],
    *,
    day_column: str,
    keys: Sequence[str],
    label_column: str,
    task: Task = BINARY,
) -> pl.DataFrame:
    """One row for each of `days`, in their order; scores over the rows whose label has arrived, null without any."""
    labelled = predictions.join(labels.select(*keys, label_column), on=list(keys), how="left", validate="1:1")
    by_day = {day: rows for (day,), rows in labelled.partition_by(day_column, as_dict=True).items()}
    empty = labelled.clear()
    rows = [_quality_of(by_day.get(day, empty), label_column, task) for day in days]
    return pl.DataFrame(
        [{day_column: day, **row} for day, row in zip(days, rows, strict=True)], schema=_schema(day_column, task)
    )


def quality_by_answerer(
    predictions: pl.DataFrame, labels: pl.DataFrame, *, keys: Sequence[str], label_column: str, task: Task = BINARY
) -> pl.DataFrame:
    """One row for each version and rung that gave any of the predictions, in order; scores as of a day.

    A row of the use case counts as often as it was predicted.
    """
    labelled = predictions.join(labels.select(*keys, label_column), on=list(keys), how="left", validate="m:1")
    by_answerer = labelled.sort("model_version", "model_rung").partition_by("model_version", "model_rung")
    schema = {name: dtype for name, dtype in _schema("day", task).items() if name != "day"}
    return pl.DataFrame([_quality_of(rows, label_column, task) for rows in by_answerer], schema=schema)


def outside_limits(
    quality: pl.DataFrame, *, lowest: float, highest: float, fewest_labels: int, score: str = "roc_auc_score"
) -> pl.DataFrame:
    """The days whose `score` is below `lowest` or above `highest`, of those with at least `fewest_labels`."""
    judged = pl.col("rows_labelled") >= fewest_labels
    return quality.filter(judged & ~pl.col(score).is_between(lowest, highest).fill_null(True))


def overall(quality: pl.DataFrame, task: Task = BINARY) -> dict[str, float]:
    """Means over days, weighted by their labels, of each score that is defined; empty without labels."""
    names = dict.fromkeys([*scores_of(task), *MEANS[task.kind]])
    weight = pl.col("rows_labelled")
    means = quality.select(
        (pl.col(name) * weight).sum().truediv(weight.filter(pl.col(name).is_not_null()).sum()) for name in names
    ).row(0, named=True)
    return {name: value for name, value in means.items() if value is not None and not math.isnan(value)}


def _quality_of(rows: pl.DataFrame, label_column: str, task: Task) -> dict[str, Any]:
    known = rows.filter(pl.col(label_column).is_not_null())
    labels, predicted = known[label_column].to_numpy(), predictions_in(known, task)
    scores = {name: _or_null(score(labels, predicted)) for name, score in scores_of(task).items()}
    return {
        "rows_scored": rows.height,
        "rows_labelled": known.height,
        "model_version": rows["model_version"].first(),
        "model_rung": rows["model_rung"].first(),
        **means_of(known, label_column, task),
        **scores,
    }


def _or_null(score: float) -> float | None:
    return None if math.isnan(score) else score


def _schema(day_column: str, task: Task) -> dict[str, Any]:
    counts = dict.fromkeys(("rows_scored", "rows_labelled", "model_version"), pl.Int64)
    scores = dict.fromkeys((*MEANS[task.kind], *scores_of(task)), pl.Float64)
    return {day_column: pl.Date, **counts, "model_rung": pl.String, **scores}
