"""From published tables to the matrices that trials and the final fit read.

Belongs here: which rows a model may see, and their form. Does not: fitting, or deciding when.
"""

import datetime as dt
import io
from collections.abc import Collection, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml_platform.errors import DefinitionError, NotEnoughDataError
from ml_platform.evaluation.task import Outcomes
from ml_platform.recovery.degradation import Degradations
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.pins import Pins
from ml_platform.storage.tables import TableStore
from ml_platform.training.baselines import fit_baseline
from ml_platform.training.config import ModelConfig
from ml_platform.training.records import Inputs, TableRead, TrainingSet
from ml_platform.training.search import SearchData
from ml_platform.training.splits import WindowName, Windows, select
from ml_platform.training.trainers import TrainingData, training_data

MATRICES = "matrices.npz"


class Matrices(NamedTuple):
    """Features and labels of the fit window, and which of its rows belong to search and validation."""

    training_set: TrainingSet
    features: NDArray[np.float32]
    labels: Outcomes
    is_search: NDArray[np.bool_]
    is_validation: NDArray[np.bool_]

    def fit(self) -> TrainingData:
        """All rows: what the final fit learns from."""
        return self._rows(self.features, self.labels)

    def search(self) -> SearchData:
        """What trials learn from and are ranked on."""
        parts = (self._rows(self.features[rows], self.labels[rows]) for rows in (self.is_search, self.is_validation))
        return SearchData(*parts)

    def _rows(self, features: NDArray[np.float32], labels: Outcomes) -> TrainingData:
        known = self.training_set
        return TrainingData(known.features, known.categories, features, labels, known.task)


class LabelledRows(NamedTuple):
    """Rows of both tables, joined, and which of the columns are features."""

    frame: pl.DataFrame
    features: tuple[str, ...]


def resolve_inputs(pins: Pins, use_case: str, config: ModelConfig, before: dt.date) -> Inputs:
    """The versions that this run reads, with the content of the days before `before`; only logs are read.

    A day that is degraded in one of the tables is left out of both, unless the model allows such days.

    Raises:
        TableNotFoundError: one of the tables was never published.
        NotEnoughDataError: one of them has no day before `before`.
    """
    names = (f"{use_case}/{config.features_table}", f"{use_case}/{config.labels_table}")
    ledger = Degradations(pins.objects)
    degraded = {day for name in names for day in ledger.of(name, partial(pins.pin, name))}
    features, labels = (_resolve(pins, name, before, degraded, config) for name in names)
    return Inputs(features=features, labels=labels)


def read_rows(
    tables: TableStore, inputs: Inputs, config: ModelConfig, first: dt.date | None, before: dt.date
) -> LabelledRows:
    """Labelled rows of the days from `first` to before `before`, in the order of the features table.

    Raises:
        PartitionNotPublishedError: no such day is published.
        DefinitionError: a configured column is not in its table.
    """
    read = (inputs.features, inputs.labels)
    features, labels = (
        tables.scan(each.table, version=each.version, partitions=_days(tables, each, first, before)) for each in read
    )
    _require_columns(features.collect_schema(), config.join_on, inputs.features.table)
    wanted = [config.labels.label, config.labels.known_at, *config.join_on, config.labels.day]
    _require_columns(labels.collect_schema(), wanted, inputs.labels.table)
    extra = [name for name in dict.fromkeys(wanted) if name not in features.collect_schema() or name in config.join_on]
    joined = features.join(labels.select(extra), on=list(config.join_on), how="inner", maintain_order="left")
    names = tuple(name for name in features.collect_schema() if name not in config.not_features)
    return LabelledRows(joined.collect(), names)


def build_matrices(rows: LabelledRows, windows: Windows, config: ModelConfig) -> Matrices:
    """What may be learnt from, as matrices, with the baselines fitted on the same rows.

    Raises:
        NotEnoughDataError: a window has too few labelled rows.
        DefinitionError: a feature, or a column of a baseline, cannot be used.
    """
    sizes: dict[WindowName, int] = {}
    names: tuple[WindowName, ...] = ("search", "validation", "fit", "holdout")
    for name in names:
        sizes[name] = select(rows.frame, name, windows, config.labels, config.windows.minimum_rows).height
    fit = rows.frame.filter(windows.rows("fit", config.labels))
    data = training_data(fit, rows.features, config.labels.label, config.task)
    masks = fit.select(
        search=windows.rows("search", config.labels), validation=windows.rows("validation", config.labels)
    )
    training_set = TrainingSet(
        features=rows.features,
        categories=data.categories,
        rows=sizes,
        task=config.task,
        baselines=tuple(fit_baseline(each, fit, config.labels.label, config.task) for each in config.baselines),
    )
    return Matrices(training_set, data.matrix, data.labels, masks["search"].to_numpy(), masks["validation"].to_numpy())


def write_matrices(objects: ObjectStore, matrices: Matrices) -> None:
    """Store the matrices, uncompressed: several steps read them, and neither polars nor a join is needed for that."""
    buffer = io.BytesIO()
    np.savez(
        buffer,
        training_set=np.frombuffer(matrices.training_set.model_dump_json().encode(), dtype=np.uint8),
        features=matrices.features,
        labels=matrices.labels,
        is_search=matrices.is_search,
        is_validation=matrices.is_validation,
    )
    objects.write(MATRICES, buffer.getvalue())


def read_matrices(objects: ObjectStore) -> Matrices:
    """The matrices that `write_matrices` stored."""
    with np.load(io.BytesIO(objects.read(MATRICES)), allow_pickle=False) as stored:
        training_set = TrainingSet.model_validate_json(stored["training_set"].tobytes())
        return Matrices(
            training_set, stored["features"], stored["labels"], stored["is_search"], stored["is_validation"]
        )


def _resolve(pins: Pins, table: str, before: dt.date, degraded: Collection[str], config: ModelConfig) -> TableRead:
    version = pins.pin(table)
    published = pins.tables.partitions(table, version)
    in_time = [day for day in published if day < before.isoformat()]
    left_out = tuple(day for day in in_time if day in degraded and not config.allow_degraded)
    days = [day for day in in_time if day not in left_out]
    if not days:
        raise NotEnoughDataError(
            f"{table} has nothing before {before}",
            expected="published days before the as-of month",
            got=f"{len(published)} days"
            + (f", the first {min(published)}" if published else "")
            + (f"; {len(left_out)} are degraded and left out" if left_out else ""),
            kept="No model was made",
            remedy=f"Materialize {table} for earlier days, or choose a later as-of month",
        )
    root = pins.tables.content_root(table, days, version)
    return TableRead(
        table=table,
        version=version,
        days=len(days),
        content_root=root,
        degraded_days=tuple(day for day in days if day in degraded),
        left_out_days=left_out,
        left_out_rows=sum(published[day].rows for day in left_out),
    )


def _days(tables: TableStore, read: TableRead, first: dt.date | None, before: dt.date) -> list[str]:
    lowest, published = first.isoformat() if first else "", tables.partitions(read.table, read.version)
    return [day for day in published if lowest <= day < before.isoformat() and day not in read.left_out_days]


def _require_columns(schema: pl.Schema, wanted: Sequence[str], table: str) -> None:
    missing = [name for name in dict.fromkeys(wanted) if name not in schema]
    if missing:
        raise DefinitionError(
            f"{table} lacks columns that the model is configured with: {', '.join(missing)}",
            expected=f"any of {', '.join(schema)}",
            remedy="Correct `join_on` and `labels` in the use case's training/defs.yaml.",
        )
