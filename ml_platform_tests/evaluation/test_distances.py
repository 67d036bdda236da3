"""Bins and distances: laws, and numbers that can be checked by hand."""

import datetime as dt
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.evaluation.distances import bins_of, counts_by_day, stability_index, systematic_sample

COUNTS = st.lists(st.integers(0, 50), min_size=3, max_size=6).map(lambda rows: np.array(rows, dtype=float))
VALUES = st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1, max_size=60)


def test_the_distance_by_hand() -> None:
    seen, expected = np.array([[0.5, 2.5]]), np.array([1.5, 1.5])  # with half a row each: shares 1/4, 3/4 and 1/2, 1/2
    by_hand = (1 / 4 - 1 / 2) * math.log(1 / 2) + (3 / 4 - 1 / 2) * math.log(3 / 2)
    assert stability_index(seen, expected) == pytest.approx([by_hand])


@given(counts=COUNTS, seed=st.integers(0, 99))
def test_the_distance_is_symmetric_not_negative_and_blind_to_the_order_of_bins(counts: np.ndarray, seed: int) -> None:
    random = np.random.default_rng(seed)
    other, order = random.integers(0, 50, counts.size).astype(float), random.permutation(counts.size)
    distance = stability_index(counts, other)
    assert distance >= 0
    assert distance == pytest.approx(stability_index(other, counts))
    assert distance == pytest.approx(stability_index(counts[order], other[order]))
    assert stability_index(counts, counts) == pytest.approx(0)


@given(values=VALUES, most=st.integers(2, 10))
def test_every_value_has_a_bin_and_the_missing_have_the_last(values: list[float | None], most: int) -> None:
    series = pl.Series("x", values, dtype=pl.Float64)
    bins = bins_of(series, most)
    codes = bins.codes(series)
    assert ((codes >= 0) & (codes < bins.size)).all()
    assert (codes == bins.size - 1).tolist() == series.is_null().to_list()
    assert bins.size <= most + 1


def test_the_bins_of_numbers_are_filled_about_equally() -> None:
    series = pl.Series("x", range(100))
    bins = bins_of(series, 4)
    counted = counts_by_day(bins.codes(series), np.zeros(100, dtype=np.int64), bins.size, 1)
    assert bins.edges == (24, 49, 74)
    assert counted.tolist() == [[24, 25, 25, 26, 0]]


def test_categories_beyond_the_most_frequent_and_new_ones_share_a_bin() -> None:
    bins = bins_of(pl.Series("x", ["UA", "UA", "AA", "AA", "B6", None]), 2)
    assert bins.categories == ("AA", "UA")
    assert bins.codes(pl.Series("x", ["AA", "UA", "B6", "ZZ", None])).tolist() == [0, 1, 2, 2, 3]


def test_a_column_that_goes_missing_is_far_away() -> None:
    series = pl.Series("x", np.arange(100.0))
    bins, days = bins_of(series, 10), np.zeros(100, dtype=np.int64)
    usual = counts_by_day(bins.codes(series), days, bins.size, 1)
    gone = counts_by_day(bins.codes(pl.Series("x", [None] * 100, dtype=pl.Float64)), days, bins.size, 1)
    assert stability_index(gone, usual[0]) > 5


@given(heights=st.lists(st.integers(1, 40), min_size=1, max_size=4), most=st.integers(1, 20))
def test_a_sample_has_as_many_rows_of_a_day_as_it_may_whatever_their_order(heights: list[int], most: int) -> None:
    rows = pl.DataFrame(
        [(dt.date(2013, 1, day), place) for day, height in enumerate(heights, 1) for place in range(height)],
        schema=["day", "place"],
        orient="row",
    )
    sample = systematic_sample(rows, "day", most, ["day", "place"])
    counted = dict(sample.group_by("day").len().rows())
    assert [counted[dt.date(2013, 1, day)] for day in range(1, len(heights) + 1)] == [min(most, h) for h in heights]
    assert systematic_sample(rows.reverse(), "day", most, ["day", "place"]).equals(sample)
