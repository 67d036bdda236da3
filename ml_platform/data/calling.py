"""Calling a use case's functions so that their failure shows no personal value.

Belongs here: what a library quotes when a function fails. Does not: the values that the platform itself would show.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import dataframely as dy
import polars as pl

from ml_platform.contracts.columns import personal_columns, without_values
from ml_platform.errors import DefinitionError


@contextmanager
def quoting_no_personal_value(table: str, contracts: Iterable[type[dy.Schema]]) -> Iterator[None]:
    """Run the function of `table` on rows of `contracts`; polars quotes values, so where some are personal it is cut.

    Raises:
        DefinitionError: polars refused an operation on rows that have personal columns.
    """
    hidden = sorted({name for contract in contracts for name in personal_columns(contract)})
    try:
        yield
    except pl.exceptions.PolarsError as error:
        if not hidden:
            raise
        raise DefinitionError(
            f"The function of {table} failed: {type(error).__name__}: {without_values(error)}",
            kept="Nothing was published; what was published before stands",
            remedy="Run the function on the same rows by hand to see the values, which are not told here because the "
            f"rows have personal columns ({', '.join(hidden)})",
        ) from None
