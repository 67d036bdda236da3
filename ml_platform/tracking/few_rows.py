"""A few rows that never were a frame: making one costs more than all that a model does with them.

Belongs here: such rows, as a model and a frame take them. Does not: where they come from, or predictions (`models`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl


class FewRows(NamedTuple):
    """Rows by column, in the order of `types`: each column as long as the others, its values of its type or null."""

    types: Mapping[str, pl.DataType]
    values: Sequence[Sequence[Any]]

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self.types)

    @property
    def height(self) -> int:
        """Number of rows."""
        return len(self.values[0]) if self.values else 0

    def iter_rows(self) -> Iterator[tuple[Any, ...]]:
        """Each row, its values in the order of the columns."""
        return zip(*self.values, strict=True)


def as_frame(rows: FewRows | pl.DataFrame) -> pl.DataFrame:
    """The rows as a frame."""
    if isinstance(rows, pl.DataFrame):
        return rows
    return pl.DataFrame(dict(zip(rows.types, rows.values, strict=True)), schema=rows.types)
