"""What arrived of one partition to a typed frame, or an error: which file, column, line and value, and what to do.

Belongs here: names, types and the day or key of what arrived. Does not: whether values make sense (`audit`), or I/O.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from typing import Literal, NamedTuple

import dataframely as dy
import polars as pl

from ml_platform.contracts.columns import masked_value, without_values
from ml_platform.data.landing_formats import Reading, Undecided, empty, read_undecided
from ml_platform.data.landing_packing import unreadable
from ml_platform.data.sources import KEPT, LAND_AGAIN, Arrived, Part, state_of
from ml_platform.errors import LandingColumnsError, LandingError, LandingPartitionError

SHOWN = 5  # culprits told in full; the rest are counted

Stamp = Literal["landing_day", "landing_key"]
"""A column that the platform adds: the day or the key of the object that a row came in."""

_TRUTHS = {"true": True, "false": False, "1": True, "0": False}
_STAMPS: Mapping[Stamp, pl.DataType] = {"landing_day": pl.Date(), "landing_key": pl.String()}


class Layout(NamedTuple):
    """How what arrives for one table is laid out.

    `partition_columns` say which day or key a row is of: one column, or year, month and day; none leaves it unchecked.
    `stamped` is a column that no part carries, in the contract or beside it: its day or key is filled in.
    """

    contract: type[dy.Schema]
    partition_columns: tuple[str, ...] = ()
    stamped: Stamp | None = None
    reading: Reading = Reading()
    may_be_empty: bool = False


class LandingObject(NamedTuple):
    """One partition read: its rows with the columns and types of the contract, and the identity of what arrived."""

    name: str
    frame: pl.DataFrame
    hashes: Mapping[str, str]
    size_bytes: int

    @property
    def sha256(self) -> str:
        """The hash of the one part; of several, the hash over theirs."""
        return state_of(self.hashes)


class LandingBatch(NamedTuple):
    """Several partitions read: their rows in one frame, in the order given; each, and each error, by its name."""

    frame: pl.DataFrame
    objects: Mapping[str, LandingObject]
    errors: Mapping[str, LandingError]


def read_landing(arrived: Arrived, layout: Layout) -> LandingObject:
    """The rows of one partition, typed as its contract says, in the order of its parts; parts may be without a row.

    Raises: LandingObjectEmptyError, LandingObjectUnreadableError, LandingColumnsError, LandingPartitionError.
    """
    frame = pl.concat([_read_part(part, arrived.partition, layout) for part in arrived.parts])
    if frame.is_empty() and not layout.may_be_empty:
        raise empty(arrived.name, "columns and no row")
    size = sum(part.size_bytes for part in arrived.parts)
    return LandingObject(arrived.name, _stamp(frame, layout, arrived.partition), arrived.hashes, size)


def _read_part(part: Part, partition: date | str | None, layout: Layout) -> pl.DataFrame:
    undecided = read_undecided(part, layout.reading)
    dtypes = {c: column.dtype for c, column in layout.contract.columns().items() if c != layout.stamped}
    _require_columns(undecided.frame.columns, list(dtypes), part.name, layout.contract)
    try:
        frame = undecided.frame.select(_typed(c, undecided.frame.schema[c], dtype) for c, dtype in dtypes.items())
    except pl.exceptions.PolarsError as error:
        expected = f"what {layout.contract.__name__} declares"
        got = without_values(error)
        raise unreadable(
            part.name, "has a column of a type that cannot become another", expected=expected, got=got
        ) from None
    if frame.null_count().row(0) != undecided.frame.select(*dtypes).null_count().row(0):
        raise _wrong_types(undecided, frame, part.name, layout.contract)
    if partition is not None and layout.partition_columns:
        _require_partition(frame, layout.partition_columns, partition, part.name)
    return frame


def read_many(arrived: Iterable[Arrived], layout: Layout) -> LandingBatch:
    """The rows of several objects in one frame; every object is tried, so that all bad ones can be told at once."""
    objects: dict[str, LandingObject] = {}
    errors: dict[str, LandingError] = {}
    for one in arrived:
        try:
            objects[one.name] = read_landing(one, layout)
        except LandingError as error:
            errors[one.name] = error
    frames = [one.frame for one in objects.values()] or [_stamp(layout.contract.create_empty(), layout, None)]
    return LandingBatch(pl.concat(frames, rechunk=True), objects, errors)


def refusal(errors: Sequence[LandingError], tried: int) -> LandingError:
    """The error of a run that cannot ingest some of its objects: the only one, or one that lists them."""
    if len(errors) == 1:
        return errors[0]
    return LandingError(
        f"{len(errors)} of {tried} landing objects cannot be ingested",
        got=_first([f"({number}) {error.what}" for number, error in enumerate(errors, start=1)]),
        kept="Nothing of this run was ingested; what was published before stands",
        remedy=LAND_AGAIN,
    )


def _stamp(frame: pl.DataFrame, layout: Layout, partition: date | str | None) -> pl.DataFrame:
    if layout.stamped is None:
        return frame
    declared = layout.contract.column_names()
    columns = declared if layout.stamped in declared else [*declared, layout.stamped]
    return frame.with_columns(pl.lit(partition, dtype=_STAMPS[layout.stamped]).alias(layout.stamped)).select(columns)


def _typed(column: str, found: pl.DataType, wanted: pl.DataType) -> pl.Expr:
    """The column in the wanted type, null where a value is not of it."""
    value = pl.col(column)
    if found == wanted:
        return value
    if found == pl.Null:  # a column of a query or function in which nothing stands
        return value.cast(wanted)
    if found != pl.String:  # a typed format: only what comes back unchanged was of that type
        cast = value.cast(wanted, strict=False)
        return pl.when(cast.cast(found, strict=False) == value).then(cast).otherwise(None).alias(column)
    match wanted:
        case pl.Datetime(time_unit=unit, time_zone=str(zone)):
            return value.str.to_datetime("%+", time_unit=unit, strict=False).dt.convert_time_zone(zone)
        case pl.Datetime(time_unit=unit):
            return value.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit=unit, strict=False)
        case pl.Date():
            return value.str.to_date("%Y-%m-%d", strict=False)
        case pl.Time():
            return value.str.to_time("%H:%M:%S%.f", strict=False)
        case pl.Boolean():
            return value.str.to_lowercase().replace_strict(_TRUTHS, default=None, return_dtype=pl.Boolean)
    return value.cast(wanted, strict=False)


def _require_columns(found: list[str], expected: list[str], name: str, contract: type[dy.Schema]) -> None:
    missing = [column for column in expected if column not in found]
    extra = [column for column in found if column not in expected]
    if not missing and not extra:
        return
    told = [f"'{column}' missing{_near(column, extra)}" for column in missing]
    told += [f"'{column}' not declared" for column in extra]
    if len(missing) == len(expected):  # then these may be values of a first row, which no error may show
        told = ["none of these; is its header line missing?"]
    raise LandingColumnsError(
        f"{name} does not have the columns of {contract.__name__}",
        expected=f"its {len(expected)} columns",
        got=f"{len(found)}: {', '.join(told)}",
        kept=KEPT,
        remedy=_land_or_declare(contract),
    )


def _land_or_declare(contract: type[dy.Schema]) -> str:
    return f"Have the upstream correct and land it again, or change {contract.__name__} in the use case's contract.py"


def _near(column: str, extra: list[str]) -> str:
    close = get_close_matches(column, extra, n=1)
    return f" (is it '{close[0]}'?)" if close else ""


def _wrong_types(undecided: Undecided, frame: pl.DataFrame, name: str, contract: type[dy.Schema]) -> LandingError:
    told = []
    for column in frame.columns:
        bad = (undecided.frame[column].is_not_null() & frame[column].is_null()).arg_true()
        if len(bad):
            line, found = undecided.line_of(bad[0]), undecided.frame[column][bad[0]]
            value = masked_value(found, column, contract)
            values = "1 value is not" if len(bad) == 1 else f"{len(bad)} values are not"
            told.append(f"'{column}' is {frame.schema[column]}, {values}, first {value!r} in {line}")
    return unreadable(
        name,
        f"has values of another type than {contract.__name__} declares: {_first(told)}",
        expected=f"every value of {frame.height} rows to be of its column's type",
        got=f"{len(told)} of {frame.width} columns with others",
        remedy=_land_or_declare(contract),
    )


def _require_partition(frame: pl.DataFrame, named: Sequence[str], partition: date | str, name: str) -> None:
    what, whole = ("day", pl.Date()) if isinstance(partition, date) else ("key", pl.String())
    parts: tuple[object, ...] = (partition,)
    columns = [pl.col(column).cast(whole) for column in named]
    if isinstance(partition, date) and len(named) > 1:
        parts, columns = (partition.year, partition.month, partition.day), [pl.col(column) for column in named]
    is_of_it = pl.all_horizontal(column.eq_missing(part) for column, part in zip(columns, parts, strict=True))
    others = frame.filter(~is_of_it)
    if others.is_empty():
        return
    counted = others.group_by(named).len().sort("len", *named, descending=True, nulls_last=True)
    told = [f"{row[-1]} of {'-'.join(_two_digits(part) for part in row[:-1])}" for row in counted.iter_rows()]
    raise LandingPartitionError(
        f"{name} holds {others.height} of {frame.height} rows of another {what}",
        expected=f"only {partition} in {', '.join(named)}",
        got=_first(told),
        kept=KEPT,
        remedy=f"Have the upstream land each {what} under its own name; the next run ingests it",
    )


def _two_digits(part: object) -> str:
    return f"{part:02d}" if isinstance(part, int) else "null" if part is None else str(part)


def _first(told: list[str]) -> str:
    more = f"; and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
    return "; ".join(told[:SHOWN]) + more
