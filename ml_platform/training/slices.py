"""Metrics by slice: the same model, looked at one carrier, one origin, one hour at a time.

Belongs here: cutting rows into slices and scoring each. Does not: whether a slice is good enough (`gate`).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from ml_platform.errors import DefinitionError
from ml_platform.evaluation.task import MetricName
from ml_platform.training.intervals import DaySample, Interval, ScoredRows, interval
from ml_platform.training.metrics import IntArray, is_defined, score


class SliceConfig(BaseModel):
    """Which slices a report shows and the gate looks at."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: Sequence[str] = Field(default=(), description="Columns whose values are slices, one column at a time.")
    minimum_rows: int = Field(default=200, ge=1, description="Slices with fewer rows are left out.")


class Slice(NamedTuple):
    """Rows that share one value of one column."""

    column: str
    value: str
    rows: IntArray


class SliceScore(BaseModel):
    """The metrics of one slice; a metric that is not defined there is null."""

    model_config = ConfigDict(frozen=True)

    column: str = Field(description="The column.")
    value: str = Field(description="Its value, as text.")
    rows: int = Field(description="Rows of the slice.")
    mean_observed: float = Field(description="What was seen: the share of true labels, or the mean value.")
    mean_predicted: float = Field(description="Mean prediction: a probability, or a value.")
    metrics: dict[MetricName, float | None] = Field(description="Metrics by name.")
    intervals: dict[MetricName, Interval] = Field(
        default_factory=dict, description="The metrics that are defined, with 95 % intervals by resampling days."
    )


def slices_of(frame: pl.DataFrame, config: SliceConfig) -> Iterator[Slice]:
    """Every slice that is large enough, by column in the configured order and then by value.

    Raises:
        DefinitionError: a column to slice by is not in the frame.
    """
    missing = [column for column in config.by if column not in frame.columns]
    if missing:
        raise DefinitionError(
            f"Slices are asked for by columns that are not there: {', '.join(missing)}",
            expected=f"any of {', '.join(frame.columns)}",
            remedy="Correct `slices.by` in the use case's training/defs.yaml.",
        )
    for column in config.by:
        grouped = frame.select(column).with_row_index("row").group_by(column).agg("row").sort(column)
        for value, rows in grouped.iter_rows():
            if len(rows) >= config.minimum_rows:
                yield Slice(column, str(value), np.asarray(rows, dtype=np.int64))


def score_slices(
    frame: pl.DataFrame, rows: ScoredRows, config: SliceConfig, sample: DaySample | None = None
) -> list[SliceScore]:
    """The metrics of every slice that is large enough, with intervals where a `sample` of the days of `rows` is given.

    `frame` and `rows` are in the same order.
    """
    metrics = rows.task.type.of_slices
    return [_score_slice(piece, cut(rows, piece.rows), metrics, sample) for piece in slices_of(frame, config)]


def cut(rows: ScoredRows, chosen: IntArray) -> ScoredRows:
    """The chosen rows; day codes stay those of all rows."""
    return ScoredRows(rows.labels[chosen], rows.scores[chosen], rows.days[chosen], rows.task)


def _score_slice(piece: Slice, rows: ScoredRows, metrics: Sequence[MetricName], sample: DaySample | None) -> SliceScore:
    defined = [metric for metric in metrics if is_defined(metric, rows.labels)]
    compared = rows.task.type.compare(rows.labels, rows.scores)
    return SliceScore(
        column=piece.column,
        value=piece.value,
        rows=len(rows.labels),
        mean_observed=float(compared.observed.mean()),
        mean_predicted=float(compared.predicted.mean()),
        metrics={m: score(m, rows.labels, rows.scores, rows.task) if m in defined else None for m in metrics},
        intervals={m: interval(m, rows, sample) for m in defined} if sample is not None else {},
    )
