"""What features look back on, in memory: read from the tables that are published, prepared once, asked by each request.

Belongs here: the history, how features are made with it, and how fresh it is. Does not: when it is read again
(`following`), its copy on disk (`local_copy`), or any particular feature.

The features are those of the batch: the same function of the use case, given the same rows through the same masks. What
the function prepares of its histories is kept. Before a history answers, the newest rows are made both from the whole
tables and from what was kept of them; where these differ in any bit, the whole tables are given to each call.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import polars as pl

from ml_platform.errors import DefinitionError, RequestRefusedError
from ml_platform.online.declared import Input, OnlineModel
from ml_platform.point_in_time.features import KnownTable, rows_to_predict, rows_without_outcome
from ml_platform.point_in_time.known_at import hide_later_than, knowledge
from ml_platform.point_in_time.prepared import PreparedHistory
from ml_platform.storage.tables import TableStore

ONE_DAY = dt.timedelta(days=1)
GOLDEN_ROWS = 64
_AFTER_EVERYTHING = dt.datetime(2261, 1, 1, tzinfo=dt.UTC)


Marks: TypeAlias = Mapping[str, Mapping[dt.date, str]]
"""By table, the days that are marked as degraded, and why."""


class Published(NamedTuple):
    """What was read of one table: its version, the days that it has, and the latest instant that it knows of."""

    version: int
    days: frozenset[dt.date]
    known_until: dt.datetime | None


class Window(NamedTuple):
    """The tables in reach, as frames, and what was published of each."""

    frames: Mapping[str, pl.DataFrame]
    published: Mapping[str, Published]
    first_day: dt.date


@dataclass(frozen=True)
class History:
    """The histories of one feature function, prepared; safe for any number of threads."""

    model: OnlineModel
    published: Mapping[str, Published]
    first_day: dt.date
    given: Mapping[str, pl.DataFrame]
    kept: PreparedHistory | None
    golden: pl.DataFrame
    marks: Marks = field(default_factory=dict)
    _lacks: dict[dt.date, Sequence[str]] = field(default_factory=dict, init=False, compare=False)

    def features(self, rows: pl.DataFrame) -> pl.DataFrame:
        """One row of features for each of `rows`, which have values of columns known always and null elsewhere."""
        asked = rows_without_outcome(rows, self.model.rows.contract, self.model.prediction_at)
        if self.kept is None:
            return self.model.function(asked, **self.given)
        with self.kept.answering():
            return self.model.function(asked, **self.given)

    def lacks(self, day: dt.date) -> Sequence[str]:
        """What is degraded of the days that rows of `day` look at: those that are not published, and those marked."""
        if day not in self._lacks:
            self._lacks[day] = tuple(dict.fromkeys(self._lacking(day)))
        return self._lacks[day]

    def _lacking(self, day: dt.date) -> Iterator[str]:
        for each in (self.model.rows, *self.model.inputs.values()):
            marks, there = self.marks.get(each.table, {}), self.published[each.table].days
            for back in range(each.look_back_days, -1, -1):
                seen = day - back * ONE_DAY
                if seen >= self.model.first_day and seen not in there:
                    yield f"without {each.table} {seen}"
                elif seen in marks:
                    yield f"with {each.table} {seen}, which is degraded ({marks[seen]})"

    def require_in_reach(self, days: Sequence[dt.date]) -> None:
        """Pass if the history reaches back to the day of every row.

        Raises:
            RequestRefusedError: a row is of a day before the first that it reaches.
        """
        if early := sum(day < self.first_day for day in days):
            raise RequestRefusedError(
                f"{early} row(s) are of days that the service no longer has the history of",
                expected=f"{self.model.day_column} from {self.first_day} on",
                remedy="Read the batch predictions of earlier days.",
                code="out_of_reach",
            )


def read_window(tables: TableStore, model: OnlineModel, days: int) -> Window:
    """The tables as far back as rows of the newest `days` days look.

    Raises:
        TableNotFoundError: a table was never published.
        StorageUnreachableError: the store does not answer.
    """
    versions = {name: tables.version(name) for name in model.tables}
    there = {
        name: frozenset(dt.date.fromisoformat(day) for day in tables.partitions(name, versions[name]))
        for name in versions
    }
    newest = max(there[model.rows.table], default=dt.date.min + dt.timedelta(days=days))
    oldest = min(there[model.rows.table], default=newest)
    longest = max(each.look_back_days for each in model.tables.values())
    first = max(newest - (days - 1) * ONE_DAY, oldest)
    frames, published = {}, {}
    for name, each in model.tables.items():
        reach = sorted(day for day in there[name] if day >= first - longest * ONE_DAY)
        rows = tables.scan(name, version=versions[name], partitions=[str(day) for day in reach])
        frames[name] = hide_later_than(rows, each.contract, _AFTER_EVERYTHING).collect()
        published[name] = Published(versions[name] or 0, frozenset(reach), known_until(frames[name], each))
    return Window(frames, published, first)


def prepare(model: OnlineModel, window: Window) -> History:
    """The history of a window, once it was seen to make the newest rows as the whole tables do."""
    newest = window.frames[model.rows.table].sort(model.rows.day_column).tail(GOLDEN_ROWS)
    rows = rows_to_predict(KnownTable(newest, model.rows.contract), model.prediction_at)
    whole = {name: window.frames[each.table] for name, each in model.inputs.items()}
    kept = PreparedHistory()
    with kept.recording():
        golden = model.function(rows, **whole)
    empty = {name: frame.clear() for name, frame in whole.items()}
    is_enough = golden.height > 0 and _same(model, kept, rows, empty, golden)
    return History(
        model,
        window.published,
        window.first_day,
        empty if is_enough else whole,
        kept if is_enough else None,
        golden,
    )


def known_until(frame: pl.DataFrame, table: Input) -> dt.datetime | None:
    """The latest instant at which a value of the table became known; null where none depends on an instant."""
    instants = {(known.column, known.after) for known in knowledge(table.contract).values() if known.kind == "instant"}
    latest = [found + after for name, after in instants if isinstance(found := frame[name].max(), dt.datetime)]
    return max(latest, default=None)


def _same(
    model: OnlineModel,
    kept: PreparedHistory,
    rows: pl.DataFrame,
    empty: Mapping[str, pl.DataFrame],
    golden: pl.DataFrame,
) -> bool:
    """Whether what was kept, each row alone and all together, gives the golden rows to the bit."""
    parts: Sequence[pl.DataFrame] = [rows, *rows.head(2).iter_slices(1)]
    expected: Sequence[pl.DataFrame] = [golden, *golden.head(2).iter_slices(1)]
    for asked, made in zip(parts, expected, strict=True):
        try:
            with kept.answering():
                if not model.function(asked, **empty).equals(made):
                    return False
        except DefinitionError:
            return False
    return True
