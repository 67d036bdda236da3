"""Fitted baselines: simple predictions that training compares with, and that serving falls back to.

Belongs here: a fitted baseline and what it predicts. Does not: fitting it (`training.baselines`).
"""

from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field


class GroupRate(BaseModel):
    """The smoothed mean of one group."""

    model_config = ConfigDict(frozen=True)

    group: tuple[str | int | float | bool | None, ...] = Field(description="Values of the `by` columns, in order.")
    rate: float = Field(description="Smoothed mean of the label: the share of true ones, if it is boolean.")


class Baseline(BaseModel):
    """A fitted baseline; a group never seen gets the overall mean."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="What reports call it.")
    by: tuple[str, ...] = Field(description="Columns that form the groups.")
    overall_rate: float = Field(default=0.0, description="Mean of the label in the fit window.")
    groups: tuple[GroupRate, ...] = Field(default=(), description="One entry for each group of the fit window, sorted.")
    column: str = Field(default="", description="Column that is the prediction where it is not null; empty if none.")
    interval: tuple[float, float] | None = Field(
        default=None, description="What the ends of a forecast's interval are away from the prediction."
    )
    classes: tuple[Self, ...] = Field(default=(), description="Of several classes, the baseline of each.")

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that it reads."""
        return tuple(dict.fromkeys([*self.by, *([self.column] if self.column else [])]))

    def predict(self, frame: pl.DataFrame) -> NDArray[np.float64]:
        """The prediction for each row, in the order of the rows and in the form of the task that it was fitted for."""
        if self.classes:
            return np.stack([each.predict(frame) for each in self.classes], axis=1)
        value = self._of_groups(frame)
        if self.column:
            value = frame.get_column(self.column).cast(pl.Float64).fill_nan(None).fill_null(value)
        predicted = value.to_numpy()
        if self.interval is None:
            return predicted
        low, high = self.interval
        return np.stack([predicted + min(low, 0.0), predicted, predicted + max(high, 0.0)], axis=1)

    def _of_groups(self, frame: pl.DataFrame) -> pl.Series:
        if not self.by:
            return pl.repeat(self.overall_rate, frame.height, dtype=pl.Float64, eager=True)
        keys = frame.select(self.by)
        table = pl.DataFrame(
            [(*g.group, g.rate) for g in self.groups], schema={**keys.schema, "rate": pl.Float64}, orient="row"
        )
        joined = keys.join(table, on=self.by, how="left", nulls_equal=True, maintain_order="left")
        return joined.get_column("rate").fill_null(self.overall_rate)
