"""The columns of a CSV file: what they are called in code, and of which type they are.

Belongs here: reading the file. Does not: what a column is for (`plan`).
"""

import keyword
import re
from pathlib import Path
from typing import NamedTuple

import polars as pl

from ml_platform.errors import DefinitionError

NULLS = ["NA"]
_TYPES = (pl.Date, pl.Datetime, pl.Boolean, pl.Int64, pl.Float64, pl.String)


class Column(NamedTuple):
    """One column: as the header has it, its name in code, and what its values are."""

    header: str
    name: str
    dtype: pl.DataType
    has_nulls: bool
    values: int


class File(NamedTuple):
    """A file read whole, with its columns renamed to their names in code."""

    name: str
    frame: pl.DataFrame
    columns: tuple[Column, ...]

    def column(self, name: str, option: str) -> Column:
        """The column that a person means, by its header or its name in code.

        Raises:
            DefinitionError: the file has no such column.
        """
        for column in self.columns:
            if name in (column.header, column.name):
                return column
        raise DefinitionError(
            f"{self.name} has no column '{name}', which {option} names",
            expected=f"one of {', '.join(column.header for column in self.columns)}",
            kept="Nothing was written",
        )


def read_file(path: Path) -> File:
    """The file with a type for each column that all of its values have.

    Raises:
        DefinitionError: it is not there, or no CSV with a header and rows.
    """
    try:
        frame = pl.read_csv(path, try_parse_dates=True, null_values=NULLS, infer_schema_length=None)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DefinitionError(
            f"{path} cannot be read",
            expected="a CSV file with a header line",
            got=str(error).splitlines()[0],
            kept="Nothing was written",
        ) from error
    if frame.is_empty():
        raise DefinitionError(f"{path} has a header and no row", kept="Nothing was written")
    names = [_in_code(header) for header in frame.columns]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise DefinitionError(
            f"{path.name} has columns that are called alike in code: {', '.join(repeated)}",
            remedy="Rename them in its header",
            kept="Nothing was written",
        )
    headers = frame.columns
    frame = frame.rename(dict(zip(headers, names, strict=True)))
    frame = frame.with_columns(pl.col(name).cast(pl.String) for name in names if frame.schema[name] not in _TYPES)
    columns = (_column(header, frame.get_column(name)) for header, name in zip(headers, names, strict=True))
    return File(path.name, frame, tuple(columns))


def _column(header: str, values: pl.Series) -> Column:
    return Column(header, values.name, values.dtype, values.null_count() > 0, values.n_unique())


def _in_code(header: str) -> str:
    """`Wind (kt)` as `wind_kt`."""
    name = re.sub(r"[^a-z0-9]+", "_", header.lower()).strip("_") or "column"
    return f"column_{name}" if name[0].isdigit() or keyword.iskeyword(name) else name
