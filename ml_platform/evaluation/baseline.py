"""Fitted baselines: simple rates that training compares with, and that serving falls back to.

Belongs here: a fitted rate and what it predicts. Does not: fitting it (`training.baselines`).
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field


class GroupRate(BaseModel):
    """The smoothed rate of one group."""

    model_config = ConfigDict(frozen=True)

    group: tuple[str | int | float | bool | None, ...] = Field(description="Values of the `by` columns, in order.")
    rate: float = Field(description="Smoothed share of true labels.")


class Baseline(BaseModel):
    """A fitted baseline; a group never seen gets the overall rate."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="What reports call it.")
    by: tuple[str, ...] = Field(description="Columns that form the groups.")
    overall_rate: float = Field(description="Share of true labels in the fit window.")
    groups: tuple[GroupRate, ...] = Field(description="One entry for each group of the fit window, sorted.")

    def predict_proba(self, frame: pl.DataFrame) -> NDArray[np.float64]:
        """The rate of each row's group, in the order of the rows."""
        if not self.by:
            return pl.repeat(self.overall_rate, frame.height, dtype=pl.Float64, eager=True).to_numpy()
        keys = frame.select(self.by)
        table = pl.DataFrame(
            [(*g.group, g.rate) for g in self.groups], schema={**keys.schema, "rate": pl.Float64}, orient="row"
        )
        joined = keys.join(table, on=self.by, how="left", nulls_equal=True, maintain_order="left")
        return joined.get_column("rate").fill_null(self.overall_rate).to_numpy()
