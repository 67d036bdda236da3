"""Baselines: simple rates that every model has to beat.

Belongs here: models so simple that a person could make them in a spreadsheet. Does not: anything searched or boosted.
"""

from collections.abc import Sequence

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from ml_platform.errors import DefinitionError
from ml_platform.training.metrics import FloatArray


class BaselineConfig(BaseModel):
    """A baseline: the smoothed rate of the label within groups of rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="What reports call it, e.g. `carrier_by_hour_rate`.")
    by: Sequence[str] = Field(
        default=(), description="Feature columns that form the groups; none means one constant rate."
    )
    smoothing_rows: float = Field(default=50.0, ge=0.0, description="Rows of the overall rate mixed into each group.")


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

    def predict_proba(self, frame: pl.DataFrame) -> FloatArray:
        """The rate of each row's group, in the order of the rows."""
        if not self.by:
            return pl.repeat(self.overall_rate, frame.height, dtype=pl.Float64, eager=True).to_numpy()
        keys = frame.select(self.by)
        table = pl.DataFrame(
            [(*g.group, g.rate) for g in self.groups], schema={**keys.schema, "rate": pl.Float64}, orient="row"
        )
        joined = keys.join(table, on=self.by, how="left", nulls_equal=True, maintain_order="left")
        return joined.get_column("rate").fill_null(self.overall_rate).to_numpy()


def fit_baseline(config: BaselineConfig, frame: pl.DataFrame, label: str) -> Baseline:
    """The baseline's rates on the rows of the fit window, all labelled.

    Raises:
        DefinitionError: a column to group by is not in the frame.
    """
    missing = [column for column in config.by if column not in frame.columns]
    if missing:
        raise DefinitionError(
            f"Baseline {config.name!r} groups by columns that are not there: {', '.join(missing)}",
            expected=f"any of {', '.join(frame.columns)}",
            remedy="Correct `by` of the baseline in the use case's training/defs.yaml.",
        )
    overall = float(frame.select(pl.col(label).mean()).item())
    groups: tuple[GroupRate, ...] = ()
    if config.by:
        smoothed = (pl.col(label).sum() + overall * config.smoothing_rows) / (pl.len() + config.smoothing_rows)
        rates = frame.group_by(config.by).agg(rate=smoothed).sort(config.by)
        groups = tuple(GroupRate(group=row[:-1], rate=row[-1]) for row in rates.iter_rows())
    return Baseline(name=config.name, by=tuple(config.by), overall_rate=overall, groups=groups)
