"""One row on its way through the tables: found by its key, shown without what leads to a person.

Belongs here: picking rows and masking them. Does not: which tables it passes (`trace_upstream`).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import dagster as dg
import polars as pl
from deltalake.exceptions import DeltaError
from pydantic import JsonValue

from ml_platform.contracts.columns import MASK
from ml_platform.errors import RowNotFoundError, StorageError
from ml_platform.storage.tables import TableStore

_SHOWN = 5
_PERSONAL_TAG = "personal"


class RowKey(NamedTuple):
    """The row asked about: its partition, and the values of the primary key of the table that it was asked of."""

    partition: str
    values: Mapping[str, object]


def find_row(
    tables: TableStore, name: str, partition: str, columns: Sequence[dg.TableColumn], wanted: Mapping[str, str]
) -> RowKey:
    """The one row of the newest version whose columns have the values `wanted`, as text.

    Raises:
        RowNotFoundError: no row has them, or several do, or there is no such column.
    """
    rows = tables.scan(name, partitions=[partition])
    schema = rows.collect_schema()
    if unknown := [column for column in wanted if column not in schema]:
        raise RowNotFoundError(
            f"{name} has no column {', '.join(unknown)}.",
            expected=f"some of {', '.join(schema)}",
            got=", ".join(wanted),
        )
    found = rows.filter(pl.col(column).cast(pl.String) == value for column, value in wanted.items()).collect()
    key = [column for column in primary_key(columns) if column in schema] or schema.names()
    asked = ", ".join(f"{column}={value}" for column, value in wanted.items())
    if found.height != 1:
        shown = _masked(found.select(key).head(_SHOWN), columns)
        raise RowNotFoundError(
            f"{name} {partition}: {found.height} rows have {asked}.",
            expected="one row",
            got="; ".join(", ".join(f"{k}={v}" for k, v in row.items()) for row in shown.to_dicts()),
            remedy=f"Give more of {', '.join(key)}."
            if found.height
            else "Look for a typing error, or another partition.",
        )
    return RowKey(partition, found.select(key).row(0, named=True))


def row_facts(
    tables: TableStore, name: str, version: int, key: RowKey, columns: Sequence[dg.TableColumn]
) -> dict[str, JsonValue]:
    """The row of that key in `version`, as a fact; nothing where the table does not have the columns of the key."""
    if not set(key.values) <= {column.name for column in columns}:
        return {}
    try:
        rows = tables.scan(name, version=version, partitions=[key.partition])
        found = rows.filter(pl.col(column).eq_missing(pl.lit(value)) for column, value in key.values.items()).collect()
    except (FileNotFoundError, DeltaError, StorageError, pl.exceptions.PolarsError):
        return {"row": f"The data files of version {version} are gone; their hashes are all that is left."}
    if found.height != 1:
        return {"row": f"{found.height} rows have this key."}
    return {"row": {name: _json(value) for name, value in _masked(found, columns).row(0, named=True).items()}}


def primary_key(columns: Sequence[dg.TableColumn]) -> list[str]:
    """Columns that the contract declares as the primary key."""
    return [column.name for column in columns if "primary key" in (column.constraints.other or [])]


def _masked(frame: pl.DataFrame, columns: Sequence[dg.TableColumn]) -> pl.DataFrame:
    personal = [column.name for column in columns if _PERSONAL_TAG in (column.tags or {}) and column.name in frame]
    return frame.with_columns(
        pl.when(pl.col(name).is_not_null()).then(pl.lit(MASK)).otherwise(None).alias(name) for name in personal
    )


def _json(value: object) -> JsonValue:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
