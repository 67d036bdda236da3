"""How far the values of a column on one day lie from those of a reference: shares of bins, and one distance.

A number falls into one of the bins between quantiles of the reference, a text into that of its category or of all
others; what is missing has a bin of its own, so a column that goes missing is far from one that was there.

Belongs here: bins, counts and the distance of counts. Does not: which days are compared, or how far is too far
(`evidence`).
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_PSEUDO_ROWS = 0.5  # in each bin, so that an empty one is no infinite distance


class Bins(BaseModel):
    """The bins of one column: of numbers if there are edges, of categories if not; the last one is for missing."""

    model_config = ConfigDict(frozen=True)

    edges: tuple[float, ...] = Field((), description="Inner bounds of the bins of numbers; each is in the upper bin.")
    categories: tuple[str, ...] = Field((), description="Categories with a bin of their own, the most frequent first.")

    @property
    def size(self) -> int:
        """Number of bins: of values, of other categories (or the last stretch of numbers), and of missing ones."""
        return max(len(self.edges), len(self.categories)) + 2

    def codes(self, values: pl.Series) -> IntArray:
        """The bin of each value, from 0."""
        missing = self.size - 1
        if values.dtype == pl.String:
            places = values.replace_strict(
                list(self.categories), list(range(len(self.categories))), default=missing - 1, return_dtype=pl.Int64
            )
            return np.where(values.is_null().to_numpy(), missing, places.to_numpy()).astype(np.int64)
        numbers = _numbers(values)
        return np.where(np.isnan(numbers), missing, np.searchsorted(self.edges, numbers, side="right")).astype(np.int64)


def bins_of(values: pl.Series, most: int) -> Bins:
    """Bins that the reference `values` fill about equally, `most` of them at the most; ties make fewer."""
    if values.dtype == pl.String:
        ranked = values.drop_nulls().value_counts(sort=False).sort("count", values.name, descending=[True, False])
        return Bins(categories=tuple(ranked[values.name].head(most)))
    numbers = _numbers(values)
    known = numbers[~np.isnan(numbers)]
    if not known.size:
        return Bins()
    inner = np.quantile(known, np.arange(1, most) / most, method="inverted_cdf")
    return Bins(edges=tuple(float(edge) for edge in np.unique(inner)))


def counts_by_day(codes: IntArray, days: IntArray, size: int, number_of_days: int) -> FloatArray:
    """Rows in each bin on each day, of shape (days, bins); `days` are codes from 0."""
    counted = np.bincount(days * size + codes, minlength=number_of_days * size)
    return counted.reshape(number_of_days, size).astype(np.float64)


def stability_index(counts: FloatArray, expected: FloatArray) -> FloatArray:
    """Population stability index of each row of `counts` against `expected` counts; 0 is the same shares.

    The sum over bins of (p - q) * ln(p / q), the symmetric Kullback-Leibler divergence of the shares p and q, each
    smoothed by half a row in every bin. It does not depend on the order of rows or bins.

    Source: Siddiqi, Credit Risk Scorecards (2006); Kullback and Leibler, On Information and Sufficiency (1951).
    """
    seen, wanted = _shares(counts), _shares(expected)
    distances: FloatArray = ((seen - wanted) * np.log(seen / wanted)).sum(axis=-1)
    return distances


def systematic_sample(rows: pl.DataFrame, day: str, rows_per_day: int, order: Sequence[str]) -> pl.DataFrame:
    """At most `rows_per_day` rows of each day, evenly spread over its rows in the order of the columns `order`."""
    place, height = pl.int_range(pl.len()).over(day), pl.len().over(day)
    before, after = place * rows_per_day // height, (place + 1) * rows_per_day // height
    return rows.sort(order).filter((height <= rows_per_day) | (after > before))


def _shares(counts: FloatArray) -> FloatArray:
    smoothed = counts + _PSEUDO_ROWS
    shares: FloatArray = smoothed / smoothed.sum(axis=-1, keepdims=True)
    return shares


def _numbers(values: pl.Series) -> FloatArray:
    return values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
