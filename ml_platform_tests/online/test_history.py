"""The features of the service are those of the batch, to the bit."""

from pathlib import Path

import polars as pl
import pytest

from ml_platform.errors import RequestRefusedError
from ml_platform.online.history import Window, prepare, read_window
from ml_platform.online.requests import RowRequests
from ml_platform_tests.online.scenario import DAYS, MODEL, OnlineWorld, features, flights, request
from ml_platform_tests.scenario import FIRST_DAY

REQUESTS = RowRequests(MODEL.rows.contract, "flight")


@pytest.fixture
def window(tmp_path: Path) -> Window:
    """The four days as the service reads them."""
    return read_window(OnlineWorld(tmp_path).tables, MODEL, DAYS)


def asked(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows as a request brings them."""
    return REQUESTS.frame(request(rows), 1000)


def test_features_of_all_rows_are_those_of_the_batch(window: Window) -> None:
    history = prepare(MODEL, window)
    assert history.kept is not None
    assert history.features(asked(flights())).equals(features())


def test_features_of_a_row_alone_are_those_of_the_batch(window: Window) -> None:
    history = prepare(MODEL, window)
    alone = [history.features(asked(row)) for row in flights().tail(5).iter_slices(1)]
    assert pl.concat(alone).equals(features().tail(5))


def test_a_function_that_reads_its_history_itself_is_given_all_of_it(window: Window) -> None:
    def counting(rows: pl.DataFrame, *, flights: pl.DataFrame, weather: pl.DataFrame) -> pl.DataFrame:
        return rows.select("flight_number", known=pl.lit(flights.height))

    history = prepare(MODEL._replace(function=counting), window)
    assert history.kept is None
    assert history.features(asked(flights().head(1)))["known"].to_list() == [flights().height]


def test_what_the_history_lacks_of_a_day_is_told(window: Window) -> None:
    history = prepare(MODEL, window)
    last = FIRST_DAY.replace(day=FIRST_DAY.day + DAYS - 1)
    assert list(history.lacks(last)) == []
    assert list(history.lacks(last.replace(day=last.day + 1))) == [
        "without flights/clean 2013-01-14",
        "without flights/weather_clean 2013-01-14",
    ]


def test_days_before_those_that_the_history_reaches_are_refused(tmp_path: Path) -> None:
    history = prepare(MODEL, read_window(OnlineWorld(tmp_path).tables, MODEL, 2))
    with pytest.raises(RequestRefusedError, match="from 2013-01-12 on"):
        history.require_in_reach(flights().head(1)["service_date"].to_list())


def test_freshness_is_the_latest_instant_that_became_known(window: Window) -> None:
    assert str(window.published["flights/weather_clean"].known_until) == "2013-01-14 05:00:00+00:00"
