"""Column lineage by experiment: change one column that a function is given, and see which columns of its result change.

Nothing is declared and no code is read, so what is found is what the function does on the rows that it was tried on. A
dependency that no row of the sample shows is not found, such as one that only a rare value brings about.

Belongs here: the experiment, as a pure function of frames. Does not: which tables are tried, or where it is kept.
"""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import NamedTuple, TypeAlias

import dataframely as dy
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from ml_platform.errors import ColumnLineageError, PlatformError

SAMPLE_ROWS = 2000
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

    def joined(self, other: "ColumnLineage") -> "ColumnLineage":
        """What either of two experiments on the same function found."""
        values = {
            name: tuple(sorted({*above, *other.values.get(name, ())}))
            for name, above in {**other.values, **self.values}.items()
        }
        rows = tuple(sorted({*self.rows, *other.rows}))
        return ColumnLineage(values=values, rows=rows)


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
    for column in [Column(table, name) for table, frame in tables.items() for name in frame.columns]:
        effect = _effect(function, tables, column, base, key)
        for name in effect.values:
            values[name].append(column)
        if effect.rows:
            rows.append(column)
    return ColumnLineage(
        values={name: tuple(sorted(above)) for name, above in values.items()}, rows=tuple(sorted(rows))
    )


def sampled(frame: pl.DataFrame, rows: int = SAMPLE_ROWS) -> pl.DataFrame:
    """At most `rows` rows, drawn at random and in their order; the same rows each time."""
    if frame.height <= rows:
        return frame
    return frame[sorted(Random(0).sample(range(frame.height), rows))]  # noqa: S311 - a sample, not a secret


def _effect(function: Function, tables: Tables, column: Column, base: pl.DataFrame, key: Sequence[str]) -> _Effect:
    """What changes with the column: by the first change of it that leaves as many rows as there were, else by all."""
    values = tables[column.table].get_column(column.name)
    differing: set[str] = set()
    heights: set[int] = set()
    for change in (_mixed, _other_values, _permuted):
        if change is _permuted and heights:
            break  # it is for functions that refuse all else
        try:
            made = function({**tables, column.table: tables[column.table].with_columns(change(values, Random(0)))})  # noqa: S311
        except REFUSALS:
            continue
        heights.add(made.height)
        if made.height == base.height:
            differing |= _differing(base, made, key)
            break
        differing |= _differing_in_common(base, made, key)
    return _Effect(frozenset(differing), rows=heights != {base.height})


def _mixed(values: pl.Series, random: Random) -> pl.Series:
    """A third of the values as they are, a third those of other rows, a third null."""
    others = _of_others(values, values, random)
    return _chosen(values, [others, pl.Series([None] * len(values), dtype=values.dtype)], random)


def _other_values(values: pl.Series, random: Random) -> pl.Series:
    """A third of the values as they are, the others those of other rows; null where they were."""
    others = _of_others(values, values.drop_nulls(), random)
    chosen = _chosen(values, [others, others], random)
    return pl.select(pl.when(values.is_not_null()).then(chosen).alias(values.name)).to_series()


def _permuted(values: pl.Series, random: Random) -> pl.Series:
    """Each value in another row; what is unique stays so."""
    order = random.sample(range(len(values)), len(values))
    return values.gather(order)


def _of_others(values: pl.Series, given: pl.Series, random: Random) -> pl.Series:
    if given.n_unique() <= 1:
        return _unlike(values)
    return given.gather([random.randrange(len(given)) for _ in values])


def _chosen(values: pl.Series, changed: Sequence[pl.Series], random: Random) -> pl.Series:
    """Each row's value, or the value of one of `changed`, all as likely."""
    frame = pl.DataFrame([each.alias(str(number)) for number, each in enumerate((values, *changed))])
    role = pl.lit(pl.Series([random.randrange(3) for _ in values], dtype=pl.Int8))
    chosen = pl.when(role == 0).then("0").when(role == 1).then("1").otherwise("2")
    return frame.select(chosen.alias(values.name)).to_series()


def _unlike(values: pl.Series) -> pl.Series:
    """Values of the same type unlike those of a column of one value; the same ones for types without a next value."""
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
    if made.equals(base):
        return frozenset()
    one, other = (frame.select(pl.all().hash().sort()) for frame in (base, made))
    moved = [name for name in base.columns if name not in other.columns or not one[name].equals(other[name])]
    rest = sorted((name for name in base.columns if name not in moved), key=lambda name: name not in key)
    if _same(base, made, rest):
        return frozenset(moved)
    together: list[str] = []
    for name in rest:
        if _same(base, made, [*together, name]):
            together.append(name)
    return frozenset(base.columns).difference(together)


def _differing_in_common(base: pl.DataFrame, made: pl.DataFrame, key: Sequence[str]) -> set[str]:
    """The columns that differ in rows that two tables share.

    Rows are the same that have the same key. Others may be rows whose key differs in one column: the one without which
    most of them are found again. A column of the key that is null in them alone differs, too.
    """
    if not key or not set(base.columns) <= set(made.columns):
        return set()
    found = _differing_values(base, made, key)
    alone = made.join(base, on=list(key), how="anti", nulls_equal=True)
    rest = {name: [each for each in key if each != name] for name in key[: len(key) if len(key) > 1 else 0]}
    again = {name: alone.join(base, on=rest[name], how="semi", nulls_equal=True).height for name in rest}
    if any(again.values()):
        name = max(again, key=again.__getitem__)
        found |= {name} | _differing_values(base, alone, rest[name])
    nulls = {name for name in key if alone.get_column(name).has_nulls() and not base.get_column(name).has_nulls()}
    return found | nulls


def _differing_values(base: pl.DataFrame, made: pl.DataFrame, key: Sequence[str]) -> set[str]:
    """The columns that differ in rows with the same `key`, where that leads to one row."""
    both = base.unique(key, keep="none").join(
        made.unique(key, keep="none"), on=list(key), nulls_equal=True, suffix="__made"
    )
    values = [name for name in base.columns if name not in key]
    differ = both.select(pl.col(name).ne_missing(pl.col(f"{name}__made")).any() for name in values)
    return {name for name in values if both.height and differ.get_column(name).item()}


def _same(base: pl.DataFrame, made: pl.DataFrame, columns: Sequence[str]) -> bool:
    """Whether both hold the same rows of `columns`, in any order."""
    if not columns:
        return True
    one, other = (frame.select(columns) for frame in (base, made))
    return one.schema == other.schema and one.hash_rows().sort().equals(other.hash_rows().sort())
