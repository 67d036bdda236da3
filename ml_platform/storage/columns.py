"""Columns of a stored table: which types Delta Lake keeps exactly, and what changes between two publications mean."""

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl
from deltalake import Field, Schema
from deltalake.schema import ArrayType, PrimitiveType, StructType

from ml_platform.errors import DefinitionError

PARTITION_KEY = "partition_key"
CONTENT_HASH = "content_hash"
STORAGE_COLUMNS = (PARTITION_KEY, CONTENT_HASH)

_PRIMITIVES: Mapping[type[pl.DataType], str] = {
    pl.Int8: "byte",
    pl.Int16: "short",
    pl.Int32: "integer",
    pl.Int64: "long",
    pl.Float32: "float",
    pl.Float64: "double",
    pl.Boolean: "boolean",
    pl.String: "string",
    pl.Binary: "binary",
    pl.Date: "date",
}
_INSTANT = pl.Datetime("us", "UTC")

DeltaType = PrimitiveType | ArrayType | StructType


class SchemaChange(NamedTuple):
    """What a frame's columns differ in from a table's: names by kind of difference."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    retyped: tuple[str, ...]

    @property
    def is_compatible(self) -> bool:
        """Whether partitions published before still read: they have null in the added columns."""
        return not self.removed and not self.retyped

    def __str__(self) -> str:
        kinds = (("new", self.added), ("missing", self.removed), ("of another type", self.retyped))
        return "; ".join(f"{label}: {', '.join(names)}" for label, names in kinds if names)


def delta_schema(schema: pl.Schema) -> Schema:
    """The Delta schema of a frame, storage columns first.

    Raises:
        DefinitionError: a column has a type that would come back as another, or the name of a storage column.
    """
    taken = [name for name in schema if name in STORAGE_COLUMNS]
    if taken:
        raise DefinitionError(
            f"A table cannot have a column named {' or '.join(taken)}.",
            expected="names other than the two that the store itself uses",
            remedy="Rename the column in the contract.",
        )
    storage = [Field(name, PrimitiveType("string")) for name in STORAGE_COLUMNS]
    return Schema([*storage, *(Field(name, _delta_type(name, dtype)) for name, dtype in schema.items())])


def polars_schema(schema: Schema) -> pl.Schema:
    """The columns that a reader sees of a stored table."""
    stored = pl.Schema(schema)
    return pl.Schema({name: dtype for name, dtype in stored.items() if name not in STORAGE_COLUMNS})


def schema_change(before: pl.Schema, after: pl.Schema) -> SchemaChange:
    """What `after` adds, leaves out and types differently."""
    return SchemaChange(
        added=tuple(name for name in after if name not in before),
        removed=tuple(name for name in before if name not in after),
        retyped=tuple(name for name in after if name in before and after[name] != before[name]),
    )


def _delta_type(name: str, dtype: pl.DataType) -> DeltaType:
    if isinstance(dtype, pl.List):
        return ArrayType(_delta_type(name, _instance(dtype.inner)), contains_null=True)
    if isinstance(dtype, pl.Struct):
        return StructType([Field(f.name, _delta_type(f"{name}.{f.name}", _instance(f.dtype))) for f in dtype.fields])
    if dtype == _INSTANT:
        return PrimitiveType("timestamp")
    primitive = _PRIMITIVES.get(dtype.base_type())
    if primitive is None:
        raise DefinitionError(
            f"Column {name} has type {dtype}, which a Delta table does not keep as it is.",
            expected="signed integers, floats, booleans, strings, binary, dates, Datetime('us', 'UTC'), lists, structs",
            remedy="Cast it in the contract: instants to Datetime('us', 'UTC'), the rest to the nearest of these.",
        )
    return PrimitiveType(primitive)


def _instance(dtype: object) -> pl.DataType:
    return dtype if isinstance(dtype, pl.DataType) else pl.Series([], dtype=dtype).dtype  # type: ignore[arg-type]
