"""Honest features from events: what had become known by each row's own instant, exactly and for all rows at once.

Every result has one row for each row of `rows`, in its order. All sums are of integers, so they depend neither on where
the history starts nor on how many rows are built at once; divide once, at the end. Events that are lazy are read only
where they were not prepared before.

Belongs here: windows, as-of values and open intervals over the moment of knowing. Does not: any particular feature.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.errors import DefinitionError
from ml_platform.point_in_time.prepared import prepared
from ml_platform.point_in_time.timeline import Asked, Entities, Integers, Timeline, microseconds

Floats: TypeAlias = npt.NDArray[np.float64]
_MINUTE = 60_000_000


def known_window_sums(
    rows: pl.DataFrame,
    events: pl.DataFrame | pl.LazyFrame,
    *,
    by: Sequence[str],
    at: str,
    known_at: str,
    measures: Sequence[str],
    widths: Mapping[str, timedelta],
) -> pl.DataFrame:
    """Int64 columns `count_<width>` and `<measure>_<width>` over events of the row's entity known in (at - width, at].

    Entities are the values of the columns `by`, which both frames have. Events never known (null) do not count; a null
    measure counts as 0.

    Raises:
        DefinitionError: a measure is not whole numbers or booleans, whose sums alone are exact.
    """
    columns: dict[str, Integers] = {}
    for label, found in _sums(rows, events, by, at, known_at, measures, widths).items():
        columns |= {f"{name}_{label}": total for name, total in found.items()}
    return _as_frame(columns)


def known_window_means(
    rows: pl.DataFrame,
    events: pl.DataFrame | pl.LazyFrame,
    *,
    by: Sequence[str],
    at: str,
    known_at: str,
    measures: Sequence[str],
    widths: Mapping[str, timedelta],
) -> pl.DataFrame:
    """Float64 columns `<measure>_<width>`: the sums of `known_window_sums` divided once by their count, null of none.

    Raises:
        DefinitionError: a measure is not whole numbers or booleans, whose sums alone are exact.
    """
    columns: dict[str, Floats] = {}
    for label, found in _sums(rows, events, by, at, known_at, measures, widths).items():
        count = np.where(found["count"] > 0, found["count"], np.nan)
        columns |= {f"{name}_{label}": found[name] / count for name in measures}
    return _as_nullable_frame(columns)


def _sums(
    rows: pl.DataFrame,
    events: pl.DataFrame | pl.LazyFrame,
    by: Sequence[str],
    at: str,
    known_at: str,
    measures: Sequence[str],
    widths: Mapping[str, timedelta],
) -> dict[str, dict[str, Integers]]:
    """By width, `count` and the sum of each measure for each row."""

    def known() -> _Known:
        return _Known.of(events.lazy().filter(_is_known(known_at)).collect(), by, known_at, measures)

    history = prepared(("sums", *by, known_at, *measures), known)
    asked = Asked(history.entities.of(rows), microseconds(rows.get_column(at)))
    until, *since = history.timeline.known_by(asked, [0, *map(_microseconds, widths.values())])
    return {
        label: {
            "count": until - first,
            **{name: total[until] - total[first] for name, total in history.totals.items()},
        }
        for label, first in zip(widths, since, strict=True)
    }


def last_known(
    rows: pl.DataFrame,
    events: pl.DataFrame | pl.LazyFrame,
    *,
    by: Sequence[str],
    at: str,
    known_at: str,
    columns: Sequence[str],
    max_age: timedelta,
) -> pl.DataFrame:
    """`columns` of the row's entity's latest event with known_at in (at - max_age, at]; null where there is none.

    Of several events at one instant, the one with the greatest values wins, whatever the order of the input.
    """

    def latest_last() -> _Known:
        known = events.lazy().filter(_is_known(known_at)).sort(*columns, nulls_last=False).collect()
        return _Known.of(known, by, known_at, (), columns)

    history = prepared(("last", *by, known_at, *columns), latest_last)
    asked = Asked(history.entities.of(rows), microseconds(rows.get_column(at)))
    until, since = history.timeline.known_by(asked, [0, _microseconds(max_age)])
    found, is_found = np.full(rows.height, history.values.height), until > since  # behind the last value is null
    found[is_found] = history.timeline.order[until[is_found] - 1]
    return history.values.select(pl.all().gather(pl.lit(pl.Series(found)), null_on_oob=True))


def open_intervals(
    rows: pl.DataFrame,
    events: pl.DataFrame | pl.LazyFrame,
    *,
    by: Sequence[str],
    at: str,
    opened_at: str,
    closed_at: str,
    longest: timedelta,
    names: tuple[str, str] = ("count", "minutes"),
) -> pl.DataFrame:
    """Int64 columns `count` and `minutes`, or as `names` has them: the entity's events open at the instant, and the sum
    of their ages.

    An event is open from `opened_at`, which must be known by then, until `closed_at`, and never longer than `longest`.
    A null `closed_at` has not been reached. Minutes are whole minutes since the epoch, subtracted.
    """
    history = prepared(
        ("open", *by, opened_at, closed_at, longest), lambda: _intervals(events, by, opened_at, closed_at, longest)
    )
    asked = Asked(history.opened.entities.of(rows), microseconds(rows.get_column(at)))
    count, opened_minutes = np.zeros(rows.height, dtype=np.int64), np.zeros(rows.height, dtype=np.int64)
    for sign, moments in ((1, history.opened), (-1, history.closed)):
        [position] = moments.timeline.known_by(asked)
        count += sign * moments.totals["count"][position]
        opened_minutes += sign * moments.totals["minutes"][position]
    minutes = count * (asked.instants // _MINUTE) - opened_minutes
    return _as_frame(dict(zip(names, (count, minutes), strict=True)))


def same_entity(rows: pl.DataFrame, events: pl.DataFrame | pl.LazyFrame, *, by: Sequence[str]) -> pl.Series:
    """Int64: how many events have the row's values of the columns `by`, whenever they become known."""
    entities, counts = prepared(("same", *by), lambda: _counted(events.lazy().collect(), by))
    found = entities.of(rows)
    return pl.Series(np.where(found >= 0, counts[found], 0), dtype=pl.Int64)


class _Known(NamedTuple):
    """Events that become known, by entity and instant, with the running totals of their measures and their values."""

    entities: Entities
    timeline: Timeline
    totals: dict[str, Integers]
    values: pl.DataFrame

    @classmethod
    def of(
        cls, known: pl.DataFrame, by: Sequence[str], at: str, measures: Sequence[str], values: Sequence[str] = ()
    ) -> "_Known":
        return cls.among(Entities(known, by), known, at, measures, values)

    @classmethod
    def among(
        cls, entities: Entities, known: pl.DataFrame, at: str, measures: Sequence[str], values: Sequence[str] = ()
    ) -> "_Known":
        timeline = Timeline(entities.codes, microseconds(known.get_column(at)))
        totals = {name: timeline.running_total(_integers(known, name)) for name in measures}
        return cls(entities, timeline, totals, known.select(values))


class _Intervals(NamedTuple):
    """The two ends of intervals; `totals` are of how many, and of the minutes at which they opened."""

    opened: _Known
    closed: _Known


def _intervals(
    events: pl.DataFrame | pl.LazyFrame, by: Sequence[str], opened_at: str, closed_at: str, longest: timedelta
) -> _Intervals:
    opened, closed, given_up = pl.col(opened_at), pl.col(closed_at), pl.col(opened_at) + longest
    open_ones = (
        events.lazy()
        .filter(opened.is_not_null())
        .select(
            *by,
            opened=opened,
            closed=pl.when(closed.is_null())
            .then(given_up)
            .otherwise(pl.min_horizontal(given_up, pl.max_horizontal(opened, closed))),
            count=pl.lit(1, dtype=pl.Int64),
            minutes=opened.dt.timestamp("us") // _MINUTE,
        )
    )
    known = open_ones.collect()
    entities, totals = Entities(known, by), ("count", "minutes")
    ends = (_Known.among(entities, known, end, totals) for end in ("opened", "closed"))
    return _Intervals(*ends)


def _counted(events: pl.DataFrame, by: Sequence[str]) -> tuple[Entities, Integers]:
    entities = Entities(events, by)
    return entities, np.bincount(entities.codes, minlength=1).astype(np.int64)


def _as_frame(columns: Mapping[str, Integers]) -> pl.DataFrame:
    """Int64 columns; of one row they are made at once, which costs a quarter."""
    if _is_one(columns):
        row, schema = [int(value) for [value] in columns.values()], dict.fromkeys(columns, pl.Int64())
        return pl.DataFrame([row], schema=schema, orient="row")
    return pl.DataFrame([pl.Series(name, values, dtype=pl.Int64) for name, values in columns.items()])


def _as_nullable_frame(columns: Mapping[str, Floats]) -> pl.DataFrame:
    """Float64 columns, null for NaN."""
    if _is_one(columns):
        row = [None if np.isnan(value) else float(value) for [value] in columns.values()]
        return pl.DataFrame([row], schema=dict.fromkeys(columns, pl.Float64()), orient="row")
    return pl.DataFrame([pl.Series(name, values, nan_to_null=True) for name, values in columns.items()])


def _is_one(columns: Mapping[str, npt.NDArray[Any]]) -> bool:
    return all(len(values) == 1 for values in columns.values())


def _is_known(known_at: str) -> pl.Expr:
    return pl.col(known_at).is_not_null()


def _integers(events: pl.DataFrame, name: str) -> Integers:
    values = events.get_column(name)
    if not (values.dtype.is_integer() or values.dtype == pl.Boolean):
        raise DefinitionError(
            f"Measure '{name}' of a window is {values.dtype}, whose sums depend on where the history starts",
            expected="whole numbers or booleans",
            got=str(values.dtype),
            remedy="Count in whole units (minutes, hundredths of an inch), and divide the sums once at the end.",
        )
    return values.cast(pl.Int64).fill_null(0).to_numpy()


def _microseconds(width: timedelta) -> int:
    return width // timedelta(microseconds=1)
