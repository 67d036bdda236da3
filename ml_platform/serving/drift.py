"""Features and predictions of days against those of a reference, and losses beyond those of a baseline.

Belongs here: frames in, distances and losses of days out. Does not: which rows are the reference (`drift_reference`),
or what follows from how far days are from it (`alarms`).
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import dataframely as dy
import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from ml_platform.evaluation.baseline import Baseline
from ml_platform.evaluation.distances import Bins, FloatArray, IntArray, bins_of, counts_by_day, stability_index
from ml_platform.evaluation.task import VALUE
from ml_platform.tracking.registry import RegisteredModel

Kind = Literal["feature", "prediction"]
USUAL = 0.95
"""The share of reference days that lie below a threshold: of each column, and then of the worst of all columns."""
_SMALLEST_USUAL = 0.01  # a distance below it is none, however seldom it is exceeded


class ColumnReference(BaseModel):
    """One column over all reference days."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="Name of the column.")
    kind: Kind = Field(description="Whether it is a feature or a column of predictions.")
    bins: Bins = Field(description="Its bins.")
    counts: tuple[float, ...] = Field(description="Rows in each bin.")
    threshold: float = Field(description="Distance above which a day has drifted.")

    @property
    def missing_share(self) -> float:
        """Share of rows without a value."""
        return self.counts[-1] / sum(self.counts)


class DriftReference(BaseModel):
    """What the days of a version are compared with: days before its as-of month, and its losses on the holdout."""

    model_config = ConfigDict(frozen=True)

    table: str = Field(description="The table of features.")
    table_version: int = Field(description="Its version that the model was trained from.")
    first_day: dt.date = Field(description="First reference day.")
    last_day: dt.date = Field(description="Last reference day, before the as-of month.")
    columns: tuple[ColumnReference, ...] = Field(description="The columns that are compared.")
    drifts: tuple[float, ...] = Field(description="Of each reference day, the largest distance over threshold.")
    losses: tuple[float, ...] = Field(description="Excess loss of each day of the holdout.")
    baseline: Baseline | None = Field(description="The baseline whose loss is taken off; null if none is.")


class Columns(NamedTuple):
    """What identifies a row, its day, and the columns of predictions, the prediction itself first."""

    keys: Sequence[str]
    day: str
    predictions: Sequence[str]


def columns_of(predictions: type[dy.Schema], day: str) -> Columns:
    """The columns of a table of predictions; what it tells of the model is no prediction."""
    keys = list(predictions.primary_key())
    given = [
        name
        for name, column in predictions.columns().items()
        if column.dtype.is_numeric() and name not in keys and not name.startswith("model_")
    ]
    return Columns(keys, day, given)


class Reference(NamedTuple):
    """The columns over the reference days, and of each of these the largest distance over threshold."""

    columns: tuple[ColumnReference, ...]
    drifts: tuple[float, ...]


def reference_columns(rows: pl.DataFrame, day: str, kinds: Mapping[str, Kind], most_bins: int) -> Reference:
    """The columns `kinds` of the reference rows; each day is compared with all others.

    A column's usual distance is that which one day in 20 exceeds. Of many columns some exceed it on most days, so the
    threshold is that multiple of the usual which one day in 20 exceeds in any column: the whole days are what is
    counted, with everything that their columns share.

    Source: Westfall and Young, Resampling-Based Multiple Testing (1993), for the largest statistic of whole units.
    """
    codes, number = _day_codes(rows, day)
    bins = {name: bins_of(rows[name], most_bins) for name in kinds}
    counts = {name: counts_by_day(each.codes(rows[name]), codes, each.size, number) for name, each in bins.items()}
    distances = {name: stability_index(each, each.sum(axis=0) - each) for name, each in counts.items()}
    usual = {name: max(float(np.quantile(each, USUAL)), _SMALLEST_USUAL) for name, each in distances.items()}
    largest = np.max([distances[name] / usual[name] for name in kinds], axis=0)
    multiple = float(np.quantile(largest, USUAL))
    columns = tuple(
        ColumnReference(
            name=name,
            kind=kind,
            bins=bins[name],
            counts=tuple(counts[name].sum(axis=0)),
            threshold=usual[name] * multiple,
        )
        for name, kind in kinds.items()
    )
    return Reference(columns, tuple(largest / multiple))


def distances_by_day(rows: pl.DataFrame, day: str, reference: DriftReference) -> pl.DataFrame:
    """One row for each day of `rows` and column of the reference: distance, threshold, and shares of missing values."""
    days = rows[day].unique().sort()
    codes, number = _day_codes(rows, day)
    return pl.concat([_distances(rows[each.name], codes, number, days, each) for each in reference.columns])


def excess_losses(
    predictions: pl.DataFrame, labels: pl.DataFrame, columns: Columns, label: str, baseline: Baseline | None
) -> pl.DataFrame:
    """Mean squared error of each day that has labels, less that of the baseline on the same rows (`excess_loss`).

    A day has the same to the last bit whichever other days it is computed with: its rows are added up in their order.

    `predictions` have the columns by which the baseline tells groups apart. A squared error suits probabilities of a
    label that is true or false (it is the Brier score then) as well as numbers.
    """
    labelled = labels.filter(pl.col(label).is_not_null()).select(*columns.keys, label)
    rows = predictions.join(labelled, on=list(columns.keys), how="inner", maintain_order="left")
    seen = pl.col(label).cast(pl.Float64)
    value = "prediction" if "prediction" in columns.predictions else columns.predictions[0]
    loss = (pl.col(value) - seen) ** 2
    if baseline is not None:
        usual = baseline.predict(rows)
        of_value = usual if usual.ndim == 1 else usual[:, VALUE]
        loss -= (pl.Series("baseline", of_value, dtype=pl.Float64) - seen) ** 2
    codes, number = _day_codes(rows, columns.day)
    sums = np.bincount(codes, rows.select(loss).to_series().to_numpy(), minlength=number)
    return rows.select(pl.col(columns.day).unique().sort()).with_columns(
        excess_loss=pl.Series(sums / np.bincount(codes, minlength=number), dtype=pl.Float64)
    )


def told_of_version(frame: pl.DataFrame, version: RegisteredModel) -> pl.DataFrame:
    """The frame with what its rows say of the version that they are about."""
    return frame.with_columns(
        pl.lit(version.version, dtype=pl.Int64).alias("model_version"),
        pl.lit(version.as_of, dtype=pl.Date).alias("model_as_of"),
        pl.lit(version.fingerprint, dtype=pl.String).alias("model_fingerprint"),
    )


def _distances(
    values: pl.Series, codes: IntArray, number: int, days: pl.Series, reference: ColumnReference
) -> pl.DataFrame:
    counts = counts_by_day(reference.bins.codes(values), codes, reference.bins.size, number)
    distance: FloatArray = stability_index(counts, np.array(reference.counts))
    return pl.DataFrame(
        {
            days.name: days,
            "distance": distance,
            "is_drifted": distance > reference.threshold,
            "missing_share": counts[:, -1] / counts.sum(axis=1),
        }
    ).select(
        days.name,
        pl.lit(reference.name).alias("column"),
        pl.lit(reference.kind).alias("kind"),
        "distance",
        pl.lit(reference.threshold).alias("threshold"),
        "is_drifted",
        "missing_share",
        pl.lit(reference.missing_share).alias("training_missing_share"),
    )


def _day_codes(rows: pl.DataFrame, day: str) -> tuple[IntArray, int]:
    """The place of each row's day among the days, and how many days there are."""
    codes = rows[day].rank("dense").to_numpy().astype(np.int64) - 1
    return codes, int(codes.max(initial=-1)) + 1
