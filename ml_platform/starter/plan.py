"""What a first version of a use case decides, from its file and from what a person says.

Belongs here: which column is for what, the task, the calendar and the windows. Does not: how that is written
(`code`, `declarations`).
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import polars as pl

from ml_platform.errors import DefinitionError
from ml_platform.evaluation.task import Task
from ml_platform.starter.columns import Column, File

NOTHING = "Nothing was written"
MOST_CLASSES, MOST_CATEGORIES = 20, 200
_FEWEST_DAYS_BEFORE = 28
_LONGEST_WINDOW_DAYS = 14


class Asked(NamedTuple):
    """What a person says of the file; what is left out is guessed."""

    label: str | None
    day: str | None = None
    keys: Sequence[str] = ()
    timezone: str = "UTC"
    owner: str | None = None


class Calendar(NamedTuple):
    """The days of the file, the first month that a model is trained for, and how long its windows are."""

    first_day: dt.date
    last_day: dt.date
    without_rows: tuple[dt.date, ...]
    first_as_of_month: dt.date
    window_days: int


class Plan(NamedTuple):
    """A first version: `keys` say with the day which row is which, `given` are all other columns but the label."""

    name: str
    file: File
    day: Column
    keys: tuple[Column, ...]
    label: Column
    given: tuple[Column, ...]
    task: Task
    calendar: Calendar
    timezone: str
    owner: str

    @property
    def features(self) -> list[Column]:
        """The columns that a model can learn from as they are."""
        return [each for each in (*self.keys, *self.given) if _is_feature(each)]

    @property
    def rows_a_day(self) -> int:
        """As a rule."""
        return max(1, self.file.frame.height // self.file.frame.get_column(self.day.name).n_unique())


def plan(name: str, file: File, asked: Asked) -> Plan:
    """A first version of the use case.

    Raises:
        DefinitionError: a column is missing or cannot be what it is to be, or the days are too few.
    """
    if asked.label is None:
        raise DefinitionError(
            "Nothing says what is to be predicted",
            expected=f"--label with one of {', '.join(column.header for column in file.columns)}",
            kept=NOTHING,
        )
    label, day = file.column(asked.label, "--label"), _day(file, asked.day)
    if label == day:
        raise DefinitionError(f"'{day.header}' is the day, and cannot be predicted", kept=NOTHING)
    keys = tuple(file.column(key, "--key") for key in asked.keys) or _keys(file, day, label)
    _require_unique(file, day, keys)
    given = tuple(column for column in file.columns if column not in (day, label, *keys))
    calendar = _calendar(file, day)
    owner = asked.owner or f"team:{name}"
    found = Plan(name, file, day, keys, label, given, _task(file, label), calendar, asked.timezone, owner)
    if not found.features:
        raise DefinitionError(f"{file.name} has nothing to predict '{label.header}' from", kept=NOTHING)
    return found


def _is_feature(column: Column) -> bool:
    return column.dtype.is_numeric() or column.dtype == pl.Boolean or _is_category(column)


def _is_category(column: Column) -> bool:
    return column.dtype == pl.String and column.values <= MOST_CATEGORIES


def _day(file: File, name: str | None) -> Column:
    """The column of dates."""
    dates = [column for column in file.columns if column.dtype == pl.Date]
    if name is not None:
        day = file.column(name, "--day")
        if day in dates and not day.has_nulls:
            return day
        got = "dates, and some that are missing" if day in dates else f"{day.dtype}"
        raise DefinitionError(
            f"'{day.header}' of {file.name} cannot say which day a row belongs to",
            expected="a date in each row, such as 2024-03-31",
            got=got,
            kept=NOTHING,
            remedy="Name another column, or add one of dates to the file",
        )
    if len(dates) != 1:
        found = ", ".join(column.header for column in dates) or "none"
        raise DefinitionError(
            f"Nothing says which column of {file.name} is the day",
            expected="--day with a column of dates, such as 2024-03-31",
            got=f"columns of dates: {found}",
            kept=NOTHING,
        )
    return _day(file, dates[0].header)


def _keys(file: File, day: Column, label: Column) -> tuple[Column, ...]:
    """The first one or two columns, from the left, that say with the day which row is which; none if the day does."""
    others = [each for each in file.columns if each not in (day, label) and not each.has_nulls]
    candidates = [each for each in others if each.dtype not in (pl.Float64, pl.Boolean)]
    for count in range(3):
        for keys in combinations(candidates, count):
            if not _repeated(file, day, keys):
                return keys
    raise DefinitionError(
        f"Nothing says which row of {file.name} is which on a day, and no two columns do",
        expected="--key, once for each column that does with the others",
        kept=NOTHING,
    )


def _require_unique(file: File, day: Column, keys: Sequence[Column]) -> None:
    if repeated := _repeated(file, day, keys):
        told = ", ".join(column.header for column in (day, *keys))
        raise DefinitionError(
            f"{told} do not say which row of {file.name} is which",
            expected="no two rows alike in them",
            got=f"{repeated:,} of {file.frame.height:,} rows that another is like, or without one of them",
            kept=NOTHING,
            remedy="Name the columns that do, each with --key",
        )


def _repeated(file: File, day: Column, keys: Sequence[Column]) -> int:
    names = [column.name for column in (day, *keys)]
    key = file.frame.select(names)
    return int((key.is_duplicated() | key.select(pl.any_horizontal(pl.all().is_null())).to_series()).sum())


def _task(file: File, label: Column) -> Task:
    """By the type of the label: true or false, a number, or one of a few texts."""
    values = file.frame.get_column(label.name).drop_nulls().unique().sort()
    if label.dtype == pl.Boolean or (label.dtype == pl.Int64 and set(values) == {0, 1}):
        return Task(kind="binary")
    if label.dtype.is_numeric():
        return Task(kind="regression")
    if label.dtype == pl.String and 2 <= len(values) <= MOST_CLASSES:
        return Task(kind="multiclass", classes=tuple(values))
    raise DefinitionError(
        f"'{label.header}' of {file.name} cannot be predicted",
        expected=f"true or false, 0 or 1, a number, or one of 2 to {MOST_CLASSES} texts",
        got=f"{len(values):,} values of type {label.dtype}",
        kept=NOTHING,
    )


def _calendar(file: File, day: Column) -> Calendar:
    """A model is trained for the first month before which half of the days are, or else the last."""
    days = sorted(set(file.frame.get_column(day.name)))
    first, last = days[0], days[-1]
    months = [month for month in _months(first, last) if (month - first).days >= _FEWEST_DAYS_BEFORE]
    if not months:
        raise DefinitionError(
            f"{file.name} has too few days: {first} to {last}",
            expected=f"{_FEWEST_DAYS_BEFORE} days or more before the first of a month, and some after",
            kept=NOTHING,
        )
    half = first + (last - first) / 2
    as_of = next((month for month in months if month >= half), months[-1])
    every = (first + dt.timedelta(days=n) for n in range((last - first).days + 1))
    without = tuple(sorted(set(every) - set(days)))
    return Calendar(first, last, without, as_of, min(_LONGEST_WINDOW_DAYS, (as_of - first).days // 4))


def _months(first: dt.date, last: dt.date) -> Iterator[dt.date]:
    """The first days of the months that begin after `first` and not after `last`."""
    month = (first.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
    while month <= last:
        yield month
        month = (month + dt.timedelta(days=32)).replace(day=1)
