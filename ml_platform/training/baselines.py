"""Baselines: simple rates that every model has to beat.

Belongs here: fitting models so simple that a person could make them in a spreadsheet. Does not: anything searched or
boosted, or what a fitted one predicts (`evaluation.baseline`).
"""

from collections.abc import Sequence

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from ml_platform.errors import DefinitionError
from ml_platform.evaluation.baseline import Baseline, GroupRate


class BaselineConfig(BaseModel):
    """A baseline: the smoothed rate of the label within groups of rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="What reports call it, e.g. `carrier_by_hour_rate`.")
    by: Sequence[str] = Field(
        default=(), description="Feature columns that form the groups; none means one constant rate."
    )
    smoothing_rows: float = Field(default=50.0, ge=0.0, description="Rows of the overall rate mixed into each group.")


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
