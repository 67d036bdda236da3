"""Predictions as columns of a table, by task type: what they are called, what makes one valid, and how they are scored.

Belongs here: what differs between tasks in serving. Does not: who answered (`ladder`), or the days (`quality`).
"""

from collections.abc import Callable, Mapping
from itertools import pairwise

import dataframely as dy
import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml_platform.evaluation.metrics import brier_score, log_loss, pr_auc_score, roc_auc_score
from ml_platform.evaluation.scores import value_of
from ml_platform.evaluation.task import MetricName, Outcomes, Task, TaskKind

Predicted = NDArray[np.float64]
Score = Callable[[Outcomes, Predicted], float]

MEANS: dict[TaskKind, tuple[str, str]] = {
    "binary": ("mean_probability", "positive_rate"),
    "multiclass": ("mean_probability", "accuracy_score"),
    "regression": ("mean_prediction", "mean_outcome"),
    "forecast": ("mean_prediction", "mean_outcome"),
}
"""What a day's predictions and outcomes are on average; side by side they show whether the model is off."""


def columns_of(predicted: Predicted, task: Task) -> list[pl.Series]:
    """The columns of a predictions table; of several classes the likeliest and how likely it is."""
    if task.kind == "multiclass":
        likeliest = pl.Series("predicted_class", [task.classes[code] for code in predicted.argmax(axis=1)], pl.String)
        return [likeliest, pl.Series("probability", predicted.max(axis=1), pl.Float64)]
    columns = predicted.reshape(len(predicted), -1).T
    return [pl.Series(name, values, pl.Float64) for name, values in zip(task.type.columns, columns, strict=True)]


def invalid_rows(predicted: Predicted, task: Task) -> int:
    """Rows that are no prediction of the task: no probabilities, no numbers, or ends that are the wrong way round."""
    widths = {"multiclass": (len(task.classes),), "forecast": (len(task.levels),)}
    if predicted.shape[1:] != widths.get(task.kind, ()):
        return len(predicted)
    values = predicted.reshape(len(predicted), -1)
    valid = np.isfinite(values).all(axis=1)
    if task.kind in ("binary", "multiclass"):
        valid &= ((values >= 0) & (values <= 1)).all(axis=1)
    if task.kind == "forecast":
        valid &= (np.diff(values, axis=1) >= 0).all(axis=1)
    return int((~valid).sum())


def validity(task: Task) -> pl.Expr:
    """True for rows of a predictions table that are predictions of the task."""
    numbers = [pl.col(name) for name in task.type.columns if name != "predicted_class"]
    finite = pl.all_horizontal(column.is_finite() for column in numbers)
    if task.kind in ("binary", "multiclass"):
        return (finite & pl.col("probability").is_between(0, 1)).fill_null(False)
    in_order = [low <= high for low, high in pairwise(numbers)]
    return pl.all_horizontal(finite, *in_order).fill_null(False)


def contract_columns(task: Task, row: str) -> dict[str, dy.Column]:
    """The columns of a predictions table, as its contract has them."""
    unit = f", {task.unit}" if task.unit else ""
    match task.kind:
        case "binary":
            return {"probability": dy.Float64(min=0, max=1, description=f"Probability that the {row} is positive.")}
        case "multiclass":
            return {
                "predicted_class": dy.Enum(list(task.classes), description=f"Likeliest class of the {row}."),
                "probability": dy.Float64(min=0, max=1, description="Probability of that class."),
            }
        case "regression":
            return {"prediction": dy.Float64(description=f"Predicted for the {row}{unit}.")}
    held = f"the interval that is to hold {100 * task.coverage:g} % of outcomes{unit}."
    return {
        "lower": dy.Float64(description=f"Lower end of {held}"),
        "prediction": dy.Float64(description=f"Predicted for the {row}{unit}."),
        "upper": dy.Float64(description=f"Upper end of {held}"),
    }


def scores_of(task: Task) -> Mapping[str, Score]:
    """The scores of a day, by column of the quality table."""
    if task.kind == "binary":
        return {
            "roc_auc_score": roc_auc_score,
            "pr_auc_score": pr_auc_score,
            "log_loss": log_loss,
            "brier_score_loss": brier_score,
        }
    if task.kind == "multiclass":
        return {}  # of the probabilities only the likeliest is in the table; how often it is right is among the means
    return {metric: _score(metric, task) for metric in task.type.metrics}


def predictions_in(rows: pl.DataFrame, task: Task) -> Predicted:
    """The predictions in rows of a predictions table, as scores read them."""
    if len(task.type.columns) == 1:
        return rows.get_column(task.type.columns[0]).to_numpy()
    return rows.select(task.type.columns).to_numpy()


def means_of(rows: pl.DataFrame, label: str, task: Task) -> dict[str, float | None]:
    """`MEANS` over rows that all have a label; null without any."""
    predicted, seen = MEANS[task.kind]
    if task.kind == "multiclass":
        is_right = rows.get_column("predicted_class").cast(pl.String) == rows.get_column(label).cast(pl.String)
        return {predicted: _mean(rows.get_column("probability")), seen: _mean(is_right)}
    value = "probability" if task.kind == "binary" else "prediction"
    return {predicted: _mean(rows.get_column(value)), seen: _mean(rows.get_column(label))}


def quality_columns(task: Task) -> dict[str, dy.Column]:
    """The means and scores of a day, as the contract of the quality table has them."""
    unit = f" {task.unit[0].upper()}{task.unit[1:]}." if task.unit else ""
    if task.kind == "multiclass":
        return {
            "mean_probability": _share("Mean probability of the likeliest class."),
            "accuracy_score": _share("Share of rows whose likeliest class came."),
        }
    if task.kind == "binary":
        return {
            "mean_probability": _share("Mean probability of the labelled."),
            "positive_rate": _share("Share of positive labels."),
            "roc_auc_score": _share("Null with labels of one class only."),
            "pr_auc_score": _share("Average precision; null without positives."),
            "log_loss": dy.Float64(nullable=True, min=0, description="Nats a row."),
            "brier_score_loss": _share("Mean squared error of the probability."),
        }
    means = {
        "mean_prediction": dy.Float64(nullable=True, description=f"Mean prediction of the labelled.{unit}"),
        "mean_outcome": dy.Float64(nullable=True, description=f"Mean label.{unit}"),
    }
    told = {name: f"{name.replace('_', ' ').capitalize()}.{unit}" for name in task.type.metrics}
    if "interval_coverage" in told:
        told["interval_coverage"] = (
            f"Share of labels inside their interval, which is to hold {100 * task.coverage:g} %."
        )
    return {**means, **{name: dy.Float64(nullable=True, min=0, description=text) for name, text in told.items()}}


def _share(description: str) -> dy.Float64:
    return dy.Float64(nullable=True, min=0, max=1, description=description)


def _score(metric: MetricName, task: Task) -> Score:
    return lambda outcomes, predicted: value_of(metric, outcomes, predicted, task)


def _mean(values: pl.Series) -> float | None:
    found: float | None = values.to_frame().select(pl.all().mean()).item()
    return found
