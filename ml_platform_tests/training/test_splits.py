import datetime as dt

import polars as pl
import pytest

from ml_platform.errors import NotEnoughDataError
from ml_platform.training.splits import WindowConfig, WindowName, select, windows_at
from ml_platform_tests.training.scenario import COLUMNS, MARCH, departures

CONFIG = WindowConfig(validation_days=7, holdout_days=14, minimum_rows=10)
WINDOWS = windows_at(MARCH, "America/New_York", CONFIG)


def days_of(window: WindowName, frame: pl.DataFrame | None = None) -> tuple[dt.date, dt.date]:
    selected = select(departures() if frame is None else frame, window, WINDOWS, COLUMNS, 1)
    return selected["service_date"].min(), selected["service_date"].max()  # type: ignore[return-value]


def test_windows_begin_at_local_midnight() -> None:
    assert WINDOWS.as_of_at == dt.datetime(2013, 3, 1, 5, tzinfo=dt.UTC)
    assert windows_at(dt.date(2013, 7, 1), "America/New_York", CONFIG).as_of_at.hour == 4


def test_fit_ends_with_the_last_label_known_before_the_holdout() -> None:
    # the labels of 14 February are known on 15 February at 12:00 UTC, after the holdout began at 05:00
    assert days_of("fit") == (dt.date(2013, 1, 1), dt.date(2013, 2, 13))


def test_search_ends_with_the_last_label_known_before_validation() -> None:
    assert days_of("search") == (dt.date(2013, 1, 1), dt.date(2013, 2, 6))


def test_validation_is_the_end_of_the_fit_window() -> None:
    assert days_of("validation") == (dt.date(2013, 2, 8), dt.date(2013, 2, 13))


def test_holdout_ends_with_the_last_label_known_at_the_as_of_instant() -> None:
    assert days_of("holdout") == (dt.date(2013, 2, 15), dt.date(2013, 2, 27))


def test_the_test_window_is_the_as_of_month() -> None:
    assert days_of("test") == (dt.date(2013, 3, 1), dt.date(2013, 3, 31))


def test_rows_without_a_label_belong_to_no_window() -> None:
    frame = departures().with_columns(is_late=pl.when(pl.col("hour") < 20).then("is_late"))
    assert select(frame, "fit", WINDOWS, COLUMNS, 1)["hour"].max() == 19


def test_what_is_learnt_from_was_known_before_what_judges_it_begins() -> None:
    fit = select(departures(), "fit", WINDOWS, COLUMNS, 1)
    holdout = select(departures(), "holdout", WINDOWS, COLUMNS, 1)
    assert fit["known_at"].max() < WINDOWS.holdout_start_at  # type: ignore[operator]
    assert fit.join(holdout, on=fit.columns, how="semi", nulls_equal=True).is_empty()


def test_a_window_with_too_few_rows_is_told_in_full() -> None:
    with pytest.raises(
        NotEnoughDataError, match=r"The holdout window \(days from 2013-02-15 to before 2013-03-01\)"
    ) as e:
        select(departures(days=48), "holdout", WINDOWS, COLUMNS, 100)
    assert "at least 100 labelled rows" in e.value.expected
    assert e.value.got.startswith("60 rows on 3 days")
    assert "from 2013-01-01 to 2013-02-17" in e.value.kept


def test_a_window_of_one_class_is_refused() -> None:
    with pytest.raises(NotEnoughDataError, match="of both classes"):
        select(departures().with_columns(is_late=pl.lit(True)), "fit", WINDOWS, COLUMNS, 1)
