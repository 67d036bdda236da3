import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.storage.row_difference import row_difference

SCHEMA = {"key": pl.Int64, "value": pl.Float64}
VALUES = st.sampled_from([None, 0.0, 1.0, float("nan")])
KEYED = st.dictionaries(st.one_of(st.none(), st.integers(0, 4)), VALUES, max_size=5)
ROWS = st.lists(st.tuples(st.integers(0, 2), VALUES), max_size=6)


def frame(rows: object) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=SCHEMA, orient="row")  # type: ignore[call-overload]


def test_a_row_is_followed_by_its_key() -> None:
    found = row_difference(frame([(1, 0.0), (2, 0.0)]), frame([(2, 5.0), (3, 0.0)]), ["key"])
    assert found.added.rows() == [(3, 0.0)]
    assert found.removed.rows() == [(1, 0.0)]
    assert found.changed.rows() == [(2, 0.0, 5.0)]
    assert found.changed_columns == {"value": 1}


def test_columns_that_are_no_key_are_not_used_as_one() -> None:
    found = row_difference(frame([(1, 0.0), (1, 1.0)]), frame([(1, 0.0)]), ["key"])
    assert (found.key, found.removed.rows(), found.changed.height) == ((), [(1, 1.0)], 0)


def test_columns_that_only_one_version_has_are_left_out() -> None:
    wider = frame([(1, 0.0)]).with_columns(more=1)
    found = row_difference(frame([(1, 0.0)]), wider, ["key"])
    assert (found.added.height, found.removed.height, found.changed.height) == (0, 0, 0)


@given(KEYED, KEYED)
def test_by_key_each_row_came_or_went_or_changed_or_stayed(before: dict[int, float], after: dict[int, float]) -> None:
    found = row_difference(frame(before.items()), frame(after.items()), ["key"])
    assert set(found.added["key"]) == after.keys() - before.keys()
    assert set(found.removed["key"]) == before.keys() - after.keys()
    changed = {key for key in before.keys() & after.keys() if repr(before[key]) != repr(after[key])}
    assert set(found.changed["key"]) == changed


@given(ROWS, ROWS)
def test_without_a_key_rows_that_went_out_and_came_in_turn_one_frame_into_the_other(
    before: list[tuple[int, float]], after: list[tuple[int, float]]
) -> None:
    found = row_difference(frame(before), frame(after))
    left = sorted(map(repr, before + found.added.rows()))
    assert left == sorted(map(repr, after + found.removed.rows()))
