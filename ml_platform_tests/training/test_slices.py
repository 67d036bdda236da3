import numpy as np
import pytest

from ml_platform.errors import DefinitionError
from ml_platform.training.intervals import ScoredRows, draw_days
from ml_platform.training.slices import SliceConfig, score_slices, slices_of
from ml_platform_tests.training.scenario import departures

FRAME = departures(days=10)
ROWS = ScoredRows(FRAME["is_late"].to_numpy(), np.linspace(0, 1, 200), np.repeat(np.arange(10), 20))


def test_the_slices_of_a_column_are_its_rows_cut_up() -> None:
    pieces = list(slices_of(FRAME, SliceConfig(by=("carrier",), minimum_rows=1)))
    assert [piece.value for piece in pieces] == ["AA", "B6", "UA"]
    assert sorted(np.concatenate([piece.rows for piece in pieces])) == list(range(200))
    assert set(FRAME["carrier"].gather(pieces[1].rows)) == {"B6"}


def test_small_slices_are_left_out() -> None:
    sizes = FRAME["carrier"].value_counts()["count"].sort()
    pieces = slices_of(FRAME, SliceConfig(by=("carrier",), minimum_rows=int(sizes[1])))
    assert sorted(len(piece.rows) for piece in pieces) == sizes[1:].to_list()


def test_a_slice_is_scored_on_its_own_rows() -> None:
    weekend = next(
        s for s in score_slices(FRAME, ROWS, SliceConfig(by=("is_weekend",), minimum_rows=1)) if s.value == "True"
    )
    chosen = FRAME["is_weekend"].to_numpy()
    assert weekend.rows == chosen.sum()
    assert weekend.mean_observed == ROWS.labels[chosen].mean()
    assert weekend.mean_predicted == pytest.approx(ROWS.scores[chosen].mean())


def test_a_ranking_of_a_slice_of_one_class_is_null() -> None:
    on_time = ROWS._replace(labels=np.zeros(200, dtype=bool))
    scored = score_slices(FRAME, on_time, SliceConfig(by=("carrier",), minimum_rows=1))
    assert [each.metrics["roc_auc_score"] for each in scored] == [None] * 3
    assert all(each.metrics["log_loss"] is not None for each in scored)


def test_a_slice_has_an_interval_around_each_score_that_is_defined() -> None:
    sample = draw_days(10, 100, seed=0)
    scored = score_slices(FRAME, ROWS, SliceConfig(by=("carrier",), minimum_rows=1), sample)
    for piece in scored:
        assert piece.intervals.keys() == piece.metrics.keys()
        assert all(found.low <= found.value <= found.high for found in piece.intervals.values())
    on_time = score_slices(FRAME, ROWS._replace(labels=np.zeros(200, dtype=bool)), SliceConfig(by=("carrier",)), sample)
    assert not [piece for piece in on_time if "roc_auc_score" in piece.intervals]


def test_a_missing_column_is_named() -> None:
    with pytest.raises(DefinitionError, match="columns that are not there: gate"):
        list(slices_of(FRAME, SliceConfig(by=("gate",))))
