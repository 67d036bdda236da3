"""Task types: what kind of outcome is predicted, and what follows from that for scores, columns and comparisons.

Belongs here: one small strategy for each kind. Does not: the arithmetic of a score (`scores`), or how a model of the
kind is fitted (`training.trainers`).

A prediction is an array with one row for each row predicted: the probability of True (binary), one probability for each
class (multiclass), a value (regression), or lower end, value and upper end (forecast).
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ml_platform.errors import DefinitionError

TaskKind = Literal["binary", "multiclass", "regression", "forecast"]
MetricName = Literal[
    "roc_auc_score",
    "pr_auc_score",
    "log_loss",
    "brier_score",
    "expected_calibration_error",
    "accuracy_score",
    "mean_absolute_error",
    "root_mean_squared_error",
    "pinball_loss",
    "interval_coverage",
    "mean_interval_width",
]
RANKINGS: frozenset[MetricName] = frozenset({"roc_auc_score", "pr_auc_score"})
"""Scores of an order: they need outcomes of both kinds."""
BETTER_WHEN_HIGHER: frozenset[MetricName] = RANKINGS | {"accuracy_score"}
WITHOUT_DIRECTION: frozenset[MetricName] = frozenset({"interval_coverage", "mean_interval_width"})
"""Scores that are read beside others; neither more nor less of them is better."""
IN_UNITS: frozenset[MetricName] = frozenset(
    {"mean_absolute_error", "root_mean_squared_error", "pinball_loss", "mean_interval_width"}
)
"""Scores in the unit of the outcome."""

Outcomes = NDArray[Any]
FloatArray = NDArray[np.float64]
LOWER, VALUE, UPPER = 0, 1, 2
"""Columns of a forecast."""


class Compared(NamedTuple):
    """For each row what was predicted and what was seen, as numbers whose means can be held side by side."""

    predicted: FloatArray
    observed: FloatArray


class TaskType(NamedTuple):
    """What all tasks of one kind share.

    `loss` ranks trials and decides at the gate unless another score is declared; `compared` are the scores by which a
    report tells the advantage over baselines, `of_slices` those of each slice; `columns` are those of a table of
    predictions.
    """

    metrics: tuple[MetricName, ...]
    loss: MetricName
    compared: tuple[MetricName, ...]
    of_slices: tuple[MetricName, ...]
    columns: tuple[str, ...]
    outcomes: Callable[[pl.Series, Sequence[str]], Outcomes]
    compare: Callable[[Outcomes, FloatArray], Compared]


class Task(BaseModel):
    """What is predicted: its kind, and what the kind leaves open."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: TaskKind = Field(
        default="binary",
        description="`binary`: a boolean label; `multiclass`: a text label; `regression`: a number; `forecast`: a "
        "number, with an interval that is to hold it.",
    )
    classes: tuple[str, ...] = Field(default=(), description="Values of a multiclass label, in the order of reports.")
    coverage: float = Field(
        default=0.9, gt=0, lt=1, description="Share of outcomes that the intervals of a forecast are to hold."
    )
    unit: str = Field(default="", description="Unit of a number that is predicted, as reports show it.")

    @model_validator(mode="after")
    def classes_fit_the_kind(self) -> Self:
        """Refuse a multiclass task without two classes, and classes of any other."""
        if self.kind == "multiclass" and len(set(self.classes)) != max(len(self.classes), 2):
            raise ValueError("a multiclass task needs `classes`: two or more, each once")
        if self.kind != "multiclass" and self.classes:
            raise ValueError(f"`classes` are of a multiclass task; this one is {self.kind}")
        return self

    @property
    def type(self) -> TaskType:
        """The strategy of the kind."""
        return TASK_TYPES[self.kind]

    @property
    def levels(self) -> tuple[float, float, float]:
        """Quantiles that a forecast consists of: lower end, value, upper end."""
        return (1 - self.coverage) / 2, 0.5, (1 + self.coverage) / 2

    def outcomes(self, labels: pl.Series) -> Outcomes:
        """The labels as a score or an estimator reads them; there must be no null.

        Raises:
            DefinitionError: the column is of another type than the kind needs, or has a class that is not declared.
        """
        return self.type.outcomes(labels, self.classes)


def _booleans(labels: pl.Series, _: Sequence[str]) -> Outcomes:
    if labels.dtype != pl.Boolean:
        raise _wrong_label("binary", "booleans", labels, str(labels.dtype))
    return labels.to_numpy().astype(np.bool_)


def _codes(labels: pl.Series, classes: Sequence[str]) -> Outcomes:
    text = labels.cast(pl.String)
    if unknown := sorted(set(text.unique()) - set(classes)):
        raise _wrong_label("multiclass", f"one of {', '.join(classes)}", labels, ", ".join(unknown[:5]))
    return text.replace_strict(list(classes), list(range(len(classes))), return_dtype=pl.Int64).to_numpy()


def _numbers(labels: pl.Series, _: Sequence[str]) -> Outcomes:
    if not labels.dtype.is_numeric():
        raise _wrong_label("regression", "numbers", labels, str(labels.dtype))
    return labels.cast(pl.Float64).to_numpy()


def _wrong_label(kind: str, expected: str, labels: pl.Series, got: str) -> DefinitionError:
    return DefinitionError(
        f"The label '{labels.name}' does not fit a {kind} task",
        expected=expected,
        got=got,
        remedy="Correct `labels.label` or `task` in the use case's training/defs.yaml.",
    )


def _probability(labels: Outcomes, predicted: FloatArray) -> Compared:
    return Compared(predicted, labels.astype(np.float64))


def _confidence(labels: Outcomes, predicted: FloatArray) -> Compared:
    """How sure the likeliest class is, and whether it is the right one."""
    return Compared(predicted.max(axis=1), (predicted.argmax(axis=1) == labels).astype(np.float64))


def _value(labels: Outcomes, predicted: FloatArray) -> Compared:
    return Compared(predicted if predicted.ndim == 1 else predicted[:, VALUE], labels)


TASK_TYPES: dict[TaskKind, TaskType] = {
    "binary": TaskType(
        metrics=("roc_auc_score", "pr_auc_score", "log_loss", "brier_score", "expected_calibration_error"),
        loss="log_loss",
        compared=("roc_auc_score", "log_loss", "brier_score"),
        of_slices=("roc_auc_score", "log_loss"),
        columns=("probability",),
        outcomes=_booleans,
        compare=_probability,
    ),
    "multiclass": TaskType(
        metrics=("accuracy_score", "log_loss", "brier_score", "expected_calibration_error"),
        loss="log_loss",
        compared=("accuracy_score", "log_loss", "brier_score"),
        of_slices=("accuracy_score", "log_loss"),
        columns=("predicted_class", "probability"),
        outcomes=_codes,
        compare=_confidence,
    ),
    "regression": TaskType(
        metrics=("mean_absolute_error", "root_mean_squared_error"),
        loss="root_mean_squared_error",
        compared=("mean_absolute_error", "root_mean_squared_error"),
        of_slices=("mean_absolute_error", "root_mean_squared_error"),
        columns=("prediction",),
        outcomes=_numbers,
        compare=_value,
    ),
    "forecast": TaskType(
        metrics=(
            "mean_absolute_error",
            "root_mean_squared_error",
            "pinball_loss",
            "interval_coverage",
            "mean_interval_width",
        ),
        loss="pinball_loss",
        compared=("mean_absolute_error", "root_mean_squared_error", "pinball_loss"),
        of_slices=("mean_absolute_error", "pinball_loss", "interval_coverage"),
        columns=("lower", "prediction", "upper"),
        outcomes=_numbers,
        compare=_value,
    ),
}

BINARY = Task()
