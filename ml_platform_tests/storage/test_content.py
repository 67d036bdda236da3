import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing.parametric import dataframes

from ml_platform.storage.content import Span, content_hash, content_hashes, root_hash

FRAMES = dataframes(
    max_cols=4,
    max_size=8,
    allow_null=True,
    allowed_dtypes=[
        pl.Int32,
        pl.Int64,
        pl.Float32,
        pl.Float64,
        pl.Boolean,
        pl.String,
        pl.Date,
        pl.Datetime("us", "UTC"),
    ],
)


@settings(max_examples=60, deadline=None)
@given(FRAMES)
def test_the_order_of_columns_and_the_layout_in_memory_do_not_matter(frame: pl.DataFrame) -> None:
    scattered = pl.concat([frame.head(1), frame.slice(1)], rechunk=False)
    assert content_hash(scattered.select(reversed(frame.columns))) == content_hash(frame)


@settings(max_examples=60, deadline=None)
@given(FRAMES, st.integers(0, 8), st.integers(0, 8))
def test_the_hash_of_a_span_is_the_hash_of_that_slice(frame: pl.DataFrame, one: int, other: int) -> None:
    start, stop = sorted((min(one, frame.height), min(other, frame.height)))
    assert content_hashes(frame, [Span(start, stop)]) == [content_hash(frame.slice(start, stop - start))]


@settings(max_examples=60, deadline=None)
@given(FRAMES.filter(lambda frame: frame.width > 0), FRAMES.filter(lambda frame: frame.width > 0))
def test_frames_have_one_hash_exactly_when_they_are_equal(one: pl.DataFrame, other: pl.DataFrame) -> None:
    other = other.rename(dict(zip(other.columns, one.columns, strict=False))) if one.width <= other.width else other
    other = other.select(other.columns[: one.width])
    equal = one.schema == other.schema and one.equals(other, null_equal=True)
    assert (content_hash(one) == content_hash(other)) == equal


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["ab", "c"], ["a", "bc"]),
        ([None, "a"], ["", "a"]),
        ([1, 2], [2, 1]),
        ([0, None], [None, 0]),
        ([True, None], [True, False]),
        ([1, 2], [1.0, 2.0]),
        ([["a"], ["b", "c"]], [["a", "b"], ["c"]]),
    ],
)
def test_what_is_different_has_another_hash(one: list[object], other: list[object]) -> None:
    assert content_hash(pl.DataFrame({"x": one})) != content_hash(pl.DataFrame({"x": other}))


def test_the_sign_of_zero_and_the_bits_of_nan_do_not_matter() -> None:
    nan = float("nan")
    assert content_hash(pl.DataFrame({"x": [0.0, nan]})) == content_hash(pl.DataFrame({"x": [-0.0, -nan]}))


def test_the_name_and_the_type_of_a_column_count_even_without_rows() -> None:
    kinds = [
        {"x": pl.Int64},
        {"y": pl.Int64},
        {"x": pl.Int32},
        {"x": pl.Datetime("us")},
        {"x": pl.Datetime("us", "UTC")},
    ]
    assert len({content_hash(pl.DataFrame(schema=kind)) for kind in kinds}) == len(kinds)


def test_the_hash_of_a_known_frame_never_changes() -> None:
    frame = pl.DataFrame({"n": [1, None, 3], "s": ["a", "é", None], "f": [0.5, float("nan"), -0.0]})
    assert content_hash(frame) == "226c4f06bd4d3b9df186a83bd727a07b5ee9d4a8f4524b6c3caafd3201ee5666"


def test_a_root_tells_which_partition_has_which_content() -> None:
    roots = [{"a": "1", "b": "2"}, {"a": "2", "b": "1"}, {"a": "1"}, {"a1": "", "b": "2"}]
    assert len({root_hash(root) for root in roots}) == len(roots)
