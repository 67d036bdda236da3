"""When each column becomes known, as metadata of a contract, and the masks that follow from it.

Belongs here: the declaration and the hiding. Does not: joins and windows (`windows`), or checking (`audit`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Literal, TypeVar

import dataframely as dy
import polars as pl

from ml_platform.errors import DefinitionError

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)

_METADATA_KEY = "known_at"
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class KnownAt:
    """The moment at which a value becomes known: `after` later than the instant in `column` of its own row."""

    kind: Literal["always", "never", "instant"]
    column: str = ""
    after: timedelta = timedelta(0)

    def later_than(self, cut: pl.Expr) -> pl.Expr:
        """True where the value is not known at `cut`; a null instant was never reached."""
        if self.kind == "instant":
            return (pl.col(self.column) + self.after > cut).fill_null(True)
        return pl.lit(self.kind == "never")

    def __str__(self) -> str:
        """For a reader of a column list: 'always', 'never', 'departed_at' or 'observed_hour_at + 1:00:00'."""
        return self.kind if self.kind != "instant" else f"{self.column} + {self.after}" if self.after else self.column


def known_at(column: str, after: timedelta = timedelta(0)) -> dict[str, Any]:
    """Column metadata: the value is known `after` later than the instant in `column` of its row; null is never."""
    return {_METADATA_KEY: KnownAt("instant", column, after)}


ALWAYS: dict[str, Any] = {_METADATA_KEY: KnownAt("always")}
"""Column metadata: known long before any prediction, such as the schedule."""

NEVER: dict[str, Any] = {_METADATA_KEY: KnownAt("never")}
"""Column metadata: nobody recorded when the value became known, so no feature may use it."""


def declared_knowledge(schema: type[dy.Schema]) -> Mapping[str, KnownAt]:
    """When columns of `schema` become known, of those that say so."""
    declared = {name: (column.metadata or {}).get(_METADATA_KEY) for name, column in schema.columns().items()}
    return {name: known for name, known in declared.items() if isinstance(known, KnownAt)}


@cache
def knowledge(schema: type[dy.Schema]) -> Mapping[str, KnownAt]:
    """When each column of `schema` becomes known, in column order.

    Raises:
        DefinitionError: a column does not say when it becomes known, or names an instant that the table does not have,
            or hours after a date: polars would add the days alone, and the value would be seen too early.
    """
    columns = schema.columns()
    declared = {name: (column.metadata or {}).get(_METADATA_KEY) for name, column in columns.items()}
    for name, known in declared.items():
        if not isinstance(known, KnownAt):
            raise DefinitionError(
                f"Contract {schema.__name__} does not say when column '{name}' becomes known",
                expected="metadata=ALWAYS, NEVER or known_at(<instant column>, after=...)",
                got=f"metadata={columns[name].metadata!r}",
                remedy="Declare it in the contract: features may only read tables that say so for every column.",
            )
        if known.kind == "instant" and known.column not in columns:
            raise DefinitionError(
                f"Contract {schema.__name__} says that column '{name}' is known at an instant that it does not have",
                expected=f"one of {', '.join(columns)}",
                got=known.column,
                remedy="Name an instant column of the same table in known_at(...).",
            )
        if known.kind == "instant" and columns[known.column].dtype == pl.Date and known.after % _ONE_DAY:
            raise DefinitionError(
                f"Contract {schema.__name__} says that column '{name}' is known hours after a date, which has none",
                expected="an instant column, or whole days after a date",
                got=f"{known.column}, a date, + {known.after}",
                remedy="Give the table a column with the instant, such as the end of the day.",
            )
    return {name: known for name, known in declared.items() if isinstance(known, KnownAt)}


def hide_later_than(frame: Frame, schema: type[dy.Schema], cut: datetime) -> Frame:
    """`frame` as it looked at `cut`: later values are null, and rows whose key became known later are gone.

    Raises:
        DefinitionError: a column of the frame, or the instant at which it becomes known, is not declared or not there.
    """
    return _hide(frame, schema, pl.lit(cut, dtype=pl.Datetime("us", "UTC")))


def as_known_by_row(frame: Frame, schema: type[dy.Schema], prediction_at: str = "prediction_at") -> Frame:
    """Each row as it looked at its own instant in column `prediction_at`, which is not part of the contract.

    Raises:
        DefinitionError: a column of the frame, or the instant at which it becomes known, is not declared or not there.
    """
    return _hide(frame, schema, pl.col(prediction_at), exempt=prediction_at)


def _hide(frame: Frame, schema: type[dy.Schema], cut: pl.Expr, exempt: str = "") -> Frame:
    declared = knowledge(schema)
    present = [name for name in frame.lazy().collect_schema().names() if name != exempt]
    needed = {name: [name, declared[name].column] if name in declared else [name] for name in present}
    for name, required in needed.items():
        if name not in declared or any(column and column not in present for column in required):
            raise DefinitionError(
                f"Cannot tell when column '{name}' of a frame of {schema.__name__} is known",
                expected=f"columns of the contract, with the instants they depend on: {', '.join(declared)}",
                got=", ".join(present),
                remedy="Select only columns of the contract, and keep the instant columns that they are known at.",
            )
    unknown = {name: declared[name].later_than(cut) for name in present}
    key = [unknown[name] for name in schema.primary_key() if name in unknown and declared[name].kind != "always"]
    if key:
        frame = frame.filter(~pl.any_horizontal(key))
    later = [name for name in present if declared[name].kind != "always"]
    return frame.with_columns(pl.when(~unknown[name]).then(pl.col(name)).alias(name) for name in later)
