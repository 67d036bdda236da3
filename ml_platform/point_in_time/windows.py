"""Honest features from events: what had become known by each row's own instant, exactly and for all rows at once.

All sums are of integers, so they depend neither on where the history starts nor on how many rows are built at once;
divide once, at the end. Events that are lazy are read only where they were not prepared before.

Belongs here: windows, as-of values and open intervals over the moment of knowing. Does not: any particular feature.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.errors import DefinitionError
from ml_platform.point_in_time.prepared import Question, prepared
from ml_platform.point_in_time.timeline import INSTANT, Asked, Entities, Integers, Keys, Timeline, microseconds

Floats: TypeAlias = npt.NDArray[np.float64]
_MINUTE = 60_000_000
_KNOWN = "__known_at"


class Events(NamedTuple):
    """Events of which each is known from `after` the instant in its column `known_at` on, and never where that is null.

    A row asks of those of its own entity, the values of the columns `by`, which both have; without any, of all.
    """

    frame: pl.DataFrame | pl.LazyFrame
    known_at: str
    by: Sequence[str] = ()
    after: timedelta = timedelta(0)

    @property
    def question(self) -> Question:
        """What tells them from others that a feature function asks of."""
        return (*self.by, self.known_at, self.after)

    def known(self, columns: Mapping[str, pl.Expr]) -> pl.LazyFrame:
        """Those that are ever known, with their entity, the instant and these columns."""
        known_at = (pl.col(self.known_at).cast(INSTANT) + self.after).alias(_KNOWN)  # a date plus hours is a date
        return self.frame.lazy().select(*self.by, known_at, **columns).filter(pl.col(_KNOWN).is_not_null())


class AsOf:
    """Rows that ask what was known by an instant of their own, and the columns that were found for them.

    Each question adds columns with one value for each row. One that is called as a column of the rows takes its place;
    two questions that add the same are refused with a DefinitionError.
    """

    def __init__(self, rows: pl.DataFrame, *, at: str) -> None:
        """Ask for each of `rows`, by the instant in its column `at`, which is never null."""
        self.rows = rows
        self._keys, self._instants = Keys(rows), microseconds(rows.get_column(at))
        if self._keys.is_one:
            self._instants = self._instants[0]
        self._found: dict[str, _Found] = {}

    def frame(self) -> pl.DataFrame:
        """The rows, in their order, with all that was found for them."""
        if not (self._found and self._keys.is_one):
            return self.rows.with_columns(each.series(name) for name, each in self._found.items())
        kept, names = (
            [name for name in self.rows.columns if name not in self._found],
            [*self.rows.columns, *self._found],
        )
        if len(kept) == self.rows.width:
            return pl.concat([self.rows, _as_row(self._found)], how="horizontal")
        return pl.concat([self.rows.select(kept), _as_row(self._found)], how="horizontal")[list(dict.fromkeys(names))]

    def select(self, columns: Sequence[pl.Expr]) -> pl.DataFrame:
        """`columns` of the frame; for few rows in this thread alone, since others take longer to begin."""
        frame = self.frame()
        return frame.select_seq(columns) if self._keys.is_few else frame.select(columns)

    def window_sums(self, events: Events, *, measures: Mapping[str, pl.Expr], widths: Mapping[str, timedelta]) -> None:
        """Add Int64 columns `<measure>_<width>`: sums over events that became known in (at - width, at].

        A null counts as 0.

        Raises:
            DefinitionError: a measure is not whole numbers or booleans, whose sums alone are exact.
        """
        for label, (_, sums) in self._sums(events, measures, widths).items():
            self._add({f"{name}_{label}": total for name, total in sums.items()}, pl.Int64())

    def window_means(self, events: Events, *, measures: Mapping[str, pl.Expr], widths: Mapping[str, timedelta]) -> None:
        """Add Float64 columns `<measure>_<width>`: the sums divided once by the number of events, null of none.

        Raises:
            DefinitionError: a measure is not whole numbers or booleans, whose sums alone are exact.
        """
        for label, (count, sums) in self._sums(events, measures, widths).items():
            number = (float(count) or np.nan) if self._keys.is_one else np.where(count > 0, count, np.nan)
            self._add({f"{name}_{label}": total / number for name, total in sums.items()}, pl.Float64())

    def last_known(self, events: Events, *, columns: Mapping[str, str], max_age: timedelta) -> None:
        """Add columns by their new names, with the values of the latest event that became known in (at - max_age, at].

        They are null where there is none. Of several events at one instant, the one with the greatest values wins,
        whatever the order of the input.
        """

        def latest_last() -> _Known:
            values = events.known({new: pl.col(old) for new, old in columns.items()})
            known = values.sort(*columns, nulls_last=False).collect()
            return _Known.of(Entities(known, events.by), known, _KNOWN, (), tuple(columns))

        history = prepared(("last", *events.question, *columns.items()), latest_last)
        until, since = history.timeline.known_by(self._asked(history.entities), [0, _microseconds(max_age)])
        is_found, values = until > since, history.values
        if self._keys.is_one:
            row = values.row(int(history.timeline.order[until - 1])) if is_found else [None] * values.width
            of_row = zip(values.schema.items(), row, strict=True)
            self._keep({name: _Found([value], dtype) for (name, dtype), value in of_row})
            return
        places = np.full(len(is_found), values.height)  # behind the last value is null
        places[is_found] = history.timeline.order[until[is_found] - 1]
        gathered = values.select(pl.all().gather(pl.lit(pl.Series(places)), null_on_oob=True))
        self._keep({each.name: _Found(each, each.dtype) for each in gathered})

    def open_intervals(self, events: Events, *, closed_at: str, longest: timedelta, names: tuple[str, str]) -> None:
        """Add Int64 columns, called `names`: how many events are open at the instant, and the sum of their ages.

        An event is open from the instant at which it is known until `closed_at`, and never longer than `longest`. A
        null `closed_at` has not been reached. Ages are whole minutes since the epoch, subtracted.
        """
        question = ("open", *events.question, closed_at, longest)
        history = prepared(question, lambda: _intervals(events, closed_at, longest))
        asked = self._asked(history.opened.entities)
        [opened], [closed] = history.opened.timeline.known_by(asked), history.closed.timeline.known_by(asked)
        count, opened_minutes = (
            history.opened.totals[name][opened] - history.closed.totals[name][closed] for name in ("count", "minutes")
        )
        minutes = count * (self._instants // _MINUTE) - opened_minutes
        self._add(dict(zip(names, (count, minutes), strict=True)), pl.Int64())

    def same_entity(self, events: pl.DataFrame | pl.LazyFrame, *, by: Sequence[str], name: str) -> None:
        """Add an Int64 column: how many events have the row's values of the columns `by`, whenever they are known."""
        entities, counts = prepared(("same", *by), lambda: _counted(events.lazy().collect(), by))
        found = entities.of(self._keys)
        self._add({name: np.where(found >= 0, counts[found], 0)}, pl.Int64())

    def _sums(
        self, events: Events, measures: Mapping[str, pl.Expr], widths: Mapping[str, timedelta]
    ) -> Mapping[str, tuple[Integers, Mapping[str, Integers]]]:
        """By width, how many events there were, and the sum of each measure over them."""

        def known() -> _Known:
            found = events.known(measures).collect()
            return _Known.of(Entities(found, events.by), found, _KNOWN, tuple(measures))

        history = prepared(("sums", *events.question, *measures), known)
        asked = self._asked(history.entities)
        until, *since = history.timeline.known_by(asked, [0, *map(_microseconds, widths.values())])
        totals = history.totals.items()
        return {
            label: (until - first, {name: total[until] - total[first] for name, total in totals})
            for label, first in zip(widths, since, strict=True)
        }

    def _asked(self, entities: Entities) -> Asked:
        return Asked(entities.of(self._keys), self._instants)

    def _add(self, columns: Mapping[str, Integers] | Mapping[str, Floats], dtype: pl.DataType) -> None:
        self._keep({name: _Found(values, dtype) for name, values in columns.items()})

    def _keep(self, found: Mapping[str, "_Found"]) -> None:
        if twice := [name for name in found if name in self._found]:
            raise DefinitionError(
                f"Two questions to the history add a column '{twice[0]}'",
                expected="a name of its own for each",
                remedy="Name the measure, the width or the column otherwise.",
            )
        self._found |= found


class _Found(NamedTuple):
    """A column: one value for each row, or that of the only row; of numbers, NaN is null."""

    values: Integers | Floats | pl.Series | Sequence[object]
    dtype: pl.DataType

    @property
    def only(self) -> object:
        """The value of the only row."""
        if isinstance(self.values, pl.Series | Sequence):
            return self.values[0]
        value = self.values.item()
        return None if value != value else value

    def series(self, name: str) -> pl.Series:
        """The column."""
        return pl.Series(name, self.values, dtype=self.dtype, nan_to_null=isinstance(self.values, np.ndarray))


def _as_row(found: Mapping[str, _Found]) -> pl.DataFrame:
    """The columns of one row; with types given beforehand, making the frame takes three times as long."""
    frame = pl.DataFrame([[each.only for each in found.values()]], schema=list(found), orient="row")
    types = {name: found[name].dtype for name, dtype in frame.schema.items() if dtype != found[name].dtype}
    return frame.with_columns_seq(pl.col(name).cast(dtype) for name, dtype in types.items()) if types else frame


class _Known(NamedTuple):
    """Events that become known, by entity and instant, with the running totals of their measures and their values."""

    entities: Entities
    timeline: Timeline
    totals: Mapping[str, Integers]
    values: pl.DataFrame

    @classmethod
    def of(
        cls, entities: Entities, known: pl.DataFrame, at: str, measures: Sequence[str], values: Sequence[str] = ()
    ) -> "_Known":
        timeline = Timeline(entities.codes, microseconds(known.get_column(at)))
        totals = {name: timeline.running_total(_integers(known, name)) for name in measures}
        return cls(entities, timeline, totals, known.select(values))


class _Intervals(NamedTuple):
    """The two ends of intervals; `totals` are of how many, and of the minutes at which they opened."""

    opened: _Known
    closed: _Known


def _intervals(events: Events, closed_at: str, longest: timedelta) -> _Intervals:
    opened, closed = pl.col(_KNOWN), pl.col("closed")
    given_up = opened + longest
    known = (
        events.known({"closed": pl.col(closed_at).cast(INSTANT)})
        .select(
            *events.by,
            opened=opened,
            closed=pl.when(closed.is_null())
            .then(given_up)
            .otherwise(pl.min_horizontal(given_up, pl.max_horizontal(opened, closed))),
            count=pl.lit(1, dtype=pl.Int64),
            minutes=opened.dt.timestamp("us") // _MINUTE,
        )
        .collect()
    )
    entities, totals = Entities(known, events.by), ("count", "minutes")
    ends = (_Known.of(entities, known, end, totals) for end in ("opened", "closed"))
    return _Intervals(*ends)


def _counted(events: pl.DataFrame, by: Sequence[str]) -> tuple[Entities, Integers]:
    entities = Entities(events, by)
    return entities, np.bincount(entities.codes, minlength=1).astype(np.int64)


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
