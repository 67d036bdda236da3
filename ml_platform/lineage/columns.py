"""Column lineage by experiment: change one column of what a function is given, and see which columns of its result change.

Nothing is declared and no code is read, so what is found is what the function does on the rows that it was tried on. A
dependency that no row of the sample shows is not found, such as one that only a rare value brings about.

Belongs here: the experiment, as a pure function of frames. Does not: which tables are tried, or where it is kept.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import NamedTuple, TypeAlias

import dataframely as dy
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from ml_platform.errors import ColumnLineageError, PlatformError

SAMPLE_ROWS = 4000
"""Rows of one table that a function is tried on; enough for windows to be filled, and few enough to be quick."""

REFUSALS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    PlatformError,
    dy.exc.SchemaError,
    dy.exc.ValidationError,
    pl.exceptions.PanicException,
    pl.exceptions.PolarsError,
)
"""How functions of frames refuse values that they were not made for."""

Tables: TypeAlias = Mapping[str, pl.DataFrame]
Function: TypeAlias = Callable[[Tables], pl.DataFrame]


class Column(NamedTuple):
    """One column of one of the tables that a function is given."""

    table: str
    name: str


class ColumnLineage(BaseModel):
    """What each column of a table follows from, as far as a sample showed."""

    model_config = ConfigDict(frozen=True)

    values: Mapping[str, tuple[Column, ...]] = Field(description="By column, those whose values change its values.")
    rows: tuple[Column, ...] = Field(
        description="Those that decide which rows there are, or without whose values the function fails."
    )
    sample_rows: int = Field(description="Rows of the largest table that the function was tried on.")

    def joined(self, other: "ColumnLineage") -> "ColumnLineage":
        """What either of two experiments on the same function found."""
        values = {
            name: tuple(sorted({*above, *other.values.get(name, ())})) for name, above in {**other.values, **self.values}.items()
        }
        rows = tuple(sorted({*self.rows, *other.rows}))
        return ColumnLineage(values=values, rows=rows, sample_rows=max(self.sample_rows, other.sample_rows))


class _Effect(NamedTuple):
    """What one changed column did to the result."""

    values: frozenset[str]
    rows: bool


def observe(function: Function, tables: Tables, key: Sequence[str]) -> ColumnLineage:
    """What each column of `function(tables)` follows from; one or two calls for each column, on the rows of `tables`.

    In a third of the rows the column is made null, in a third it gets the value of another row. `key` are columns of
    the result that tell its rows apart.

    Raises:
        ColumnLineageError: the function fails on the rows as they are.
    """
    try:
        base = function(tables)
    except REFUSALS as error:
        raise ColumnLineageError(
            f"A function fails on a sample of its inputs: {type(error).__name__}",
            got=", ".join(f"{frame.height:,} rows of {name}" for name, frame in tables.items()),
            kept="The table is published without column lineage",
            remedy="Have the function accept any subset of rows that it accepts",
        ) from error
    values: dict[str, list[Column]] = {name: [] for name in base.columns}
    rows: list[Column] = []
    for column in _columns(tables):
        effect = _effect(function, tables, column, base, key)
        for name in effect.values:
            values[name].append(column)
        if effect.rows:
            rows.append(column)
    return ColumnLineage(
        values={name: tuple(sorted(above)) for name, above in values.items()},
        rows=tuple(sorted(rows)),
        sample_rows=max((frame.height for frame in tables.values()), default=0),
    )


def sampled(frame: pl.DataFrame, rows: int = SAMPLE_ROWS) -> pl.DataFrame:
    """At most `rows` rows, drawn at random and in their order; the same rows each time."""
    if frame.height <= rows:
        return frame
    return frame[sorted(Random(0).sample(range(frame.height), rows))]  # noqa: S311 - a sample, not a secret


def _columns(tables: Tables) -> Iterator[Column]:
    for table, frame in tables.items():
        for name in frame.columns:
            yield Column(table, name)


def _effect(function: Function, tables: Tables, column: Column, base: pl.DataFrame, key: Sequence[str]) -> _Effect:
    """What changes with the column; where that makes or unmakes rows, or nulls are refused, nulls are left as they are."""
    series = tables[column.table].get_column(column.name)
    mixed, same_nulls = (
        _result(function, tables, column, changed)
        for changed in (_replaced(series, with_nulls=True), _replaced(series, with_nulls=False))
    )
    made = mixed()
    if made is not None and made.height == base.height:
        return _Effect(_differing(base, made, key), rows=False)
    again = same_nulls()
    if again is not None and again.height == base.height:
        return _Effect(_differing(base, again, key), rows=True)
    return _Effect(
        frozenset().union(*(_differing_in_common(base, each, key) for each in (made, again) if each is not None)),
        rows=True,
    )


def _result(
    function: Function, tables: Tables, column: Column, changed: pl.Series
) -> Callable[[], pl.DataFrame | None]:
    """A call of the function with the column changed, which gives None where the function refuses the values."""

    def call() -> pl.DataFrame | None:
        try:
            return function({**tables, column.table: tables[column.table].with_columns(changed)})
        except REFUSALS:
            return None

    return call


def _replaced(values: pl.Series, *, with_nulls: bool) -> pl.Series:
    """A third of the values as they are, a third those of other rows, a third null or, without nulls, of other rows."""
    random = Random(0)  # noqa: S311 - an experiment that can be repeated, not a secret
    roles = pl.Series([random.randrange(3) for _ in values], dtype=pl.Int8)
    given = values if with_nulls else values.drop_nulls()
    if given.n_unique() > 1:
        others = given.gather([random.randrange(len(given)) for _ in values])
    else:
        others = _unlike(values)
    kept = roles == 0
    frame = pl.DataFrame({"values": values, "others": others, "kept": kept, "nulled": roles == 2})
    change = pl.when("kept").then("values")
    if with_nulls:
        change = change.when("nulled").then(None)
    else:
        change = change.when(pl.col("values").is_null()).then(None)
    return frame.select(change.otherwise("others").alias(values.name)).to_series()


def _unlike(values: pl.Series) -> pl.Series:
    """Values of the same type that differ from a column of one value; the same ones for types that have no next value."""
    dtype, value = values.dtype, pl.col(values.name)
    match dtype:
        case pl.Boolean():
            other = ~value.fill_null(False)
        case pl.String():
            other = value.fill_null("") + "~"
        case pl.Date() | pl.Datetime():
            other = value.fill_null(pl.lit(0).cast(dtype)).dt.offset_by("1d")
        case _ if dtype.is_numeric():
            other = value.fill_null(0) + 1
        case _:
            other = value
    return values.to_frame().select(other.cast(dtype)).to_series()


def _differing(base: pl.DataFrame, made: pl.DataFrame, key: Sequence[str]) -> frozenset[str]:
    """The fewest columns that explain how two tables of as many rows differ, whatever order the rows are in.

    These are the columns that hold other values altogether, and of the others those whose values have moved to other
    rows: kept are, the key first, as many columns as still make the same rows.
    """
    moved = [name for name in base.columns if name not in made.columns or not _same(base, made, [name])]
    rest = sorted((name for name in base.columns if name not in moved), key=lambda name: name not in key)
    if _same(base, made, rest):
        return frozenset(moved)
    together: list[str] = []
    for name in rest:
        if _same(base, made, [*together, name]):
            together.append(name)
    return frozenset(base.columns).difference(together)


def _differing_in_common(base: pl.DataFrame, made: pl.DataFrame, key: Sequence[str]) -> frozenset[str]:
    """The columns that differ in rows that two tables share by their key, and those of the key that rows differ in."""
    if not key or not set(base.columns) <= set(made.columns):
        return frozenset()
    both = base.unique(key, keep="none").join(made.unique(key, keep="none"), on=key, nulls_equal=True, suffix="__made")
    values = [name for name in base.columns if name not in key]
    differ = both.select(pl.col(name).ne_missing(pl.col(f"{name}__made")).any() for name in values)
    found = [name for name in values if differ.get_column(name).item()] if both.height else []
    alone = made.join(base, on=key, how="anti", nulls_equal=True)
    return frozenset([*found, *(name for name in key if _key_differs(base, alone, name, key))])


def _key_differs(base: pl.DataFrame, alone: pl.DataFrame, name: str, key: Sequence[str]) -> bool:
    """Whether rows that only one table has would be rows of the other but for this column, or hold a value new in it."""
    rest = [each for each in key if each != name]
    if rest and alone.join(base, on=rest, how="semi", nulls_equal=True).height:
        return True
    return alone.join(base, on=name, how="anti", nulls_equal=True).height > 0


def _same(base: pl.DataFrame, made: pl.DataFrame, columns: Sequence[str]) -> bool:
    """Whether both hold the same rows of `columns`, in any order."""
    if not columns:
        return True
    one, other = (frame.select(columns) for frame in (base, made))
    return one.schema == other.schema and one.hash_rows().sort().equals(other.hash_rows().sort())
