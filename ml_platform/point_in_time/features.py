"""Feature tables built so that a feature function cannot see what was not known.

Belongs here: the masking around a feature function. Does not: any particular feature, or the check (`audit`).
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import NamedTuple, TypeAlias

import dataframely as dy
import polars as pl

from ml_platform.errors import DefinitionError
from ml_platform.point_in_time.known_at import as_known_by_row, hide_later_than, knowledge

FeatureFunction: TypeAlias = Callable[..., pl.DataFrame]
"""`function(rows, **tables)`: one row of features for each of `rows`, from the tables as they were known by then."""

PredictionTime: TypeAlias = Callable[[], pl.Expr]
"""The instant at which each row of the spine is predicted, as an expression over columns known always."""

PREDICTION_AT = "prediction_at"

_BEFORE_EVERYTHING = datetime(1678, 1, 1, tzinfo=UTC)


class KnownTable(NamedTuple):
    """A frame with the contract that says when each of its columns becomes known."""

    frame: pl.DataFrame | pl.LazyFrame
    schema: type[dy.Schema]


def build_features(
    function: FeatureFunction,
    *,
    spine: KnownTable,
    inputs: Mapping[str, KnownTable],
    prediction_at: PredictionTime,
) -> pl.DataFrame:
    """The features of each row of `spine`, as `function` makes them from what could be known.

    Each row to predict for shows only what was known at its own prediction time; of the inputs, all that became known
    after the last prediction time of the batch is hidden. What lies between is the function's duty, held by `audit`.

    Raises:
        DefinitionError: a column does not say when it becomes known, or the prediction time is not known in advance.
    """
    rows = rows_to_predict(spine, prediction_at)
    last = rows.select(pl.col(PREDICTION_AT).max().fill_null(_BEFORE_EVERYTHING)).item()
    return function(rows, **inputs_known_by(inputs, last))


def inputs_known_by(inputs: Mapping[str, KnownTable], cut: datetime) -> dict[str, pl.DataFrame]:
    """Each input as it looked at `cut`."""
    return {name: hide_later_than(table.frame.lazy(), table.schema, cut).collect() for name, table in inputs.items()}


def rows_to_predict(spine: KnownTable, prediction_at: PredictionTime) -> pl.DataFrame:
    """The spine with its prediction instants, each row as it was known at its own.

    Raises:
        DefinitionError: a column does not say when it becomes known, or the prediction time is not known in advance.
    """
    return as_known_by_row(_timed(spine, prediction_at), spine.schema, PREDICTION_AT).collect()


def rows_without_outcome(rows: pl.DataFrame, schema: type[dy.Schema], prediction_at: PredictionTime) -> pl.DataFrame:
    """The same for rows of which nothing is there but what is known always; there is nothing to hide.

    Raises:
        DefinitionError: the prediction time is not known in advance.
    """
    return rows.with_columns_seq(_instant(prediction_at, schema))


def _timed(spine: KnownTable, prediction_at: PredictionTime) -> pl.LazyFrame:
    return spine.frame.lazy().with_columns(_instant(prediction_at, spine.schema))


@cache
def _instant(prediction_at: PredictionTime, schema: type[dy.Schema]) -> pl.Expr:
    instant, declared = prediction_at(), knowledge(schema)
    late = [name for name in instant.meta.root_names() if name in declared and declared[name].kind != "always"]
    if late:
        raise DefinitionError(
            f"The prediction time of {schema.__name__} depends on {', '.join(late)}",
            expected="columns that are known always",
            got=", ".join(f"{name} known at {declared[name]}" for name in late),
            remedy="Derive the prediction time from the schedule alone.",
        )
    return instant.alias(PREDICTION_AT)
