"""Walk-forward windows: what a model of one as-of month may learn from, is ranked on, is gated on and is tested on.

    ........ fit ...............................|.. holdout ..|.. test: the as-of month ..
    ........ search ..........|.. validation ..|

A row may be learnt from only if its label was known before the window that judges it begins. Holdout, validation and
test are told by service day. Rows whose label is null, or became known too late, belong to no window.

Belongs here: which rows belong to which window. Does not: what is done with them.
"""

import datetime as dt
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from ml_platform.errors import NotEnoughDataError

WindowName = Literal["search", "validation", "fit", "holdout", "test"]


class LabelColumns(BaseModel):
    """The columns of a training frame that are not features."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str = Field(description="Column to predict, of the type of the task; null where the outcome never came.")
    day: str = Field(description="Date column of the local service day.")
    known_at: str = Field(description="Instant (UTC) at which the label became known.")


class WindowConfig(BaseModel):
    """How long each window is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    validation_days: int = Field(
        default=14, ge=1, description="Last days of the fit window, on which trials are ranked."
    )
    holdout_days: int = Field(
        default=14, ge=1, description="Days just before as-of, touched by nothing before the gate."
    )
    minimum_rows: int = Field(default=1000, ge=1, description="Labelled rows that each window needs at least.")


class Windows(BaseModel):
    """The bounds of all windows of one as-of month, or longer; instants are UTC, days are local service days."""

    model_config = ConfigDict(frozen=True)

    as_of_at: dt.datetime = Field(description="Start of the as-of month in the time zone of the use case.")
    validation_start_at: dt.datetime = Field(description="Labels known before are searched on.")
    holdout_start_at: dt.datetime = Field(description="Labels known before are fitted on.")
    validation_start: dt.date = Field(description="First day of validation.")
    holdout_start: dt.date = Field(description="First day of the holdout.")
    test_start: dt.date = Field(description="First day of the as-of month.")
    test_end: dt.date = Field(description="First day after the as-of month, or of the next model's.")

    def rows(self, window: WindowName, columns: LabelColumns) -> pl.Expr:
        """True for the labelled rows of the window."""
        day, known_at = pl.col(columns.day), pl.col(columns.known_at)
        fit = (known_at < self.holdout_start_at) & (day < self.holdout_start)
        expressions: dict[WindowName, pl.Expr] = {
            "fit": fit,
            "search": (known_at < self.validation_start_at) & (day < self.validation_start),
            "validation": fit & (day >= self.validation_start),
            "holdout": (known_at < self.as_of_at) & day.is_between(self.holdout_start, self.test_start, closed="left"),
            "test": day.is_between(self.test_start, self.test_end, closed="left"),
        }
        return expressions[window] & pl.col(columns.label).is_not_null()


class WindowSize(NamedTuple):
    """What was found in a window."""

    rows: int
    values: int
    days: int


def windows_at(as_of: dt.date, time_zone: str, config: WindowConfig, end: dt.date | None = None) -> Windows:
    """The windows of the month that starts at `as_of`, or of all days from there to before `end`."""
    holdout_start = as_of - dt.timedelta(days=config.holdout_days)
    validation_start = holdout_start - dt.timedelta(days=config.validation_days)
    return Windows(
        as_of_at=_midnight(as_of, time_zone),
        validation_start_at=_midnight(validation_start, time_zone),
        holdout_start_at=_midnight(holdout_start, time_zone),
        validation_start=validation_start,
        holdout_start=holdout_start,
        test_start=as_of,
        test_end=end or (as_of.replace(day=1) + dt.timedelta(days=32)).replace(day=1),
    )


def select(
    frame: pl.DataFrame, window: WindowName, windows: Windows, columns: LabelColumns, minimum_rows: int
) -> pl.DataFrame:
    """The labelled rows of one window.

    Raises:
        NotEnoughDataError: fewer rows than the minimum, or classes that are all alike.
    """
    selected = frame.filter(windows.rows(window, columns))
    label = selected.get_column(columns.label)
    size = WindowSize(selected.height, label.n_unique(), selected.get_column(columns.day).n_unique())
    if size.rows < max(minimum_rows, 1) or (size.values < 2 and not label.dtype.is_numeric()):
        raise _not_enough(frame, window, windows, columns, size, minimum_rows)
    return selected


def _not_enough(
    frame: pl.DataFrame, window: WindowName, windows: Windows, columns: LabelColumns, size: WindowSize, minimum: int
) -> NotEnoughDataError:
    first, last = frame.get_column(columns.day).min(), frame.get_column(columns.day).max()
    label = frame.get_column(columns.label)
    unlabelled, is_of_classes = label.null_count(), not label.dtype.is_numeric()
    input_rows = f"{frame.height} rows, {unlabelled} unlabelled, from {first!s} to {last!s}"
    return NotEnoughDataError(
        f"The {window} window ({_bounds(window, windows)}) as of {windows.test_start} is too small",
        expected=f"at least {minimum} labelled rows" + (", of both classes" if is_of_classes else ""),
        got=f"{size.rows} rows on {size.days} days, {size.values} different labels",
        kept=f"The input has {input_rows}; no model was made",
        remedy="Materialize more days of the features and labels, or choose a later as-of month or smaller windows",
    )


def _bounds(window: WindowName, windows: Windows) -> str:
    bounds: dict[WindowName, str] = {
        "fit": f"labels known before {windows.holdout_start_at:%Y-%m-%d %H:%M} UTC",
        "search": f"labels known before {windows.validation_start_at:%Y-%m-%d %H:%M} UTC",
        "validation": f"days from {windows.validation_start} to before {windows.holdout_start}",
        "holdout": f"days from {windows.holdout_start} to before {windows.test_start}",
        "test": f"days from {windows.test_start} to before {windows.test_end}",
    }
    return bounds[window]


def _midnight(day: dt.date, time_zone: str) -> dt.datetime:
    """The instant at which the local day begins."""
    return dt.datetime.combine(day, dt.time(), tzinfo=ZoneInfo(time_zone)).astimezone(dt.UTC)
