"""Contracts of the tables that serving makes, generated from the contract of the features that are predicted from.

Belongs here: what predictions and their quality promise. Does not: how they are made (`scoring`, `quality`).
"""

import copy
from typing import get_args

import dataframely as dy
import polars as pl

from ml_platform.errors import ContractViolatedError
from ml_platform.evaluation.task import BINARY, Task
from ml_platform.serving.answers import contract_columns, quality_columns
from ml_platform.serving.scoring import ModelRung

_RUNGS = "champion, last_known_good (the version before it) or baseline"
_RUNG = f"^({'|'.join(get_args(ModelRung))})$"


def predictions_contract(features: type[dy.Schema], row: str, task: Task = BINARY) -> type[dy.Schema]:
    """One prediction for each row of the features: its primary key, what is predicted, and the version that gave it."""
    keys = {name: copy.copy(column) for name, column in features.columns().items() if column.primary_key}
    given = {
        **contract_columns(task, row),
        "model_version": dy.Int64(
            min=1, nullable=True, description="Version in the registry that predicted; null for a baseline."
        ),
        "model_as_of": dy.Date(description="As-of month of what predicted: it knew what was known before that day."),
        "model_fingerprint": dy.String(description="Hash of everything that what predicted follows from."),
        "model_rung": dy.String(regex=_RUNG, description=f"Who answered: {_RUNGS}."),
    }
    told = "probability" if task.kind == "binary" else task.kind
    return _schema("Predictions", f"One {row} with its predicted {told}.", {**keys, **given})


def quality_contract(partition_column: str, row: str, task: Task = BINARY) -> type[dy.Schema]:
    """One day: rows predicted, labels that have arrived, and the scores over these, null without any."""
    columns = {
        partition_column: dy.Date(primary_key=True, description="Day that was predicted."),
        "rows_scored": dy.Int64(min=0, description=f"Predictions; one is one {row}."),
        "rows_labelled": dy.Int64(min=0, description="Predictions whose label has arrived."),
        "model_version": dy.Int64(
            nullable=True, description="Version that predicted; null for a baseline, or without predictions."
        ),
        "model_rung": dy.String(
            nullable=True, regex=_RUNG, description=f"Who answered: {_RUNGS}; null without predictions."
        ),
        **quality_columns(task),
    }
    return _schema("Quality", "One day of predictions and how they turned out.", columns)


def receipts_contract(partition_column: str) -> type[dy.Schema]:
    """One day of predictions that was sent somewhere."""
    columns = {
        partition_column: dy.Date(primary_key=True, description="Day whose predictions were sent."),
        "destination": dy.String(description="Where they are: the URI of an object, or a table by its database."),
        "rows": dy.Int64(min=0, description="Predictions that were sent."),
        "sha256": dy.String(description="Hash of the object's bytes, or of the rows as CSV."),
    }
    return _schema("Receipts", "One day of predictions that was sent.", columns)


def require_contract(frame: pl.DataFrame, contract: type[dy.Schema], table: str) -> pl.DataFrame:
    """The frame, if every row holds to the contract.

    Raises:
        ContractViolatedError: naming each broken rule and its rows.
    """
    accepted, failures = contract.filter(frame)
    if counts := failures.counts():
        raise ContractViolatedError(
            f"{table}: {frame.height - accepted.height} of {frame.height} computed rows break the contract",
            got=", ".join(f"{rows} by '{rule}'" for rule, rows in counts.items()),
            kept="Nothing was published.",
            remedy="Look for missing or infinite features and repeated keys in the inputs.",
        )
    return accepted


def _schema(name: str, description: str, columns: dict[str, dy.Column]) -> type[dy.Schema]:
    return type(name, (dy.Schema,), {"__doc__": description, **columns})
