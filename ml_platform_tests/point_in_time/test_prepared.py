"""A history that was prepared once answers for any rows as the events themselves do."""

import polars as pl
import pytest

from ml_platform.errors import DefinitionError
from ml_platform.point_in_time.features import KnownTable, rows_to_predict
from ml_platform.point_in_time.prepared import PreparedHistory
from ml_platform.point_in_time.timeline import FEW_ROWS
from ml_platform.use_cases.flights.contract import CleanFlights
from ml_platform.use_cases.flights.features import delay_features, prediction_at
from ml_platform_tests.point_in_time.test_windows import ask, latest, still_open, sums, three_events
from ml_platform_tests.scenario import flights_with_a_gap, hourly_weather

WEATHER = hourly_weather(days=10)


def rows() -> pl.DataFrame:
    return rows_to_predict(KnownTable(flights_with_a_gap(), CleanFlights), prediction_at)


def test_a_kept_history_answers_for_each_row_alone_as_the_events_do_for_all() -> None:
    history, flights = PreparedHistory(), flights_with_a_gap()
    with history.recording():
        whole = delay_features(rows(), flights=flights, weather=WEATHER)
    alone = []
    for row in rows().iter_slices(1):
        with history.answering():
            alone.append(delay_features(row, flights=flights.clear(), weather=WEATHER.clear()))
    assert pl.concat(alone).equals(whole)


def test_many_answers_may_follow_from_one_history() -> None:
    history = PreparedHistory()
    with history.recording():
        recorded = latest(ask(29, 60), three_events())
    answers = []
    for minutes in (29, 60):
        with history.answering():
            answers += latest(ask(minutes), three_events().clear())
    assert answers == recorded == [10, 40]


def test_another_question_than_was_prepared_is_refused() -> None:
    history = PreparedHistory()
    with history.recording():
        sums(ask(60), three_events())
    with history.answering(), pytest.raises(DefinitionError, match="something else than when they were prepared"):
        still_open(ask(60), three_events())


def test_outside_of_the_block_the_events_are_looked_at_again() -> None:
    history = PreparedHistory()
    with history.recording():
        sums(ask(60), three_events())
    assert sums(ask(60), three_events().clear()).rows() == [(0, 0)]


def test_many_rows_at_once_are_answered_as_few_are() -> None:
    few = ask(*range(0, 120, 3))
    many = pl.concat([few] * (FEW_ROWS // few.height + 2))
    assert many.height > FEW_ROWS >= few.height
    assert sums(many, three_events()).head(few.height).equals(sums(few, three_events()))
    assert latest(many, three_events())[: few.height] == latest(few, three_events())
