"""The reference of a version: made once from what its training record says, and kept beside that record.

Belongs here: which rows a version's days are compared with, and where the reference is kept. Does not: the comparison
(`drift`).

The reference days are all days before the as-of month in the version of the features table that the model was trained
from, without those that training left out. Losses are those of the holdout, which the model has not learnt from.
Nothing of the as-of month or later is read, so whoever makes the reference, whenever, makes the same.
"""

import datetime as dt
from dataclasses import dataclass, field

import polars as pl
from pydantic import BaseModel, ValidationError

from ml_platform.components.reuse import Recipe
from ml_platform.components.use_case import UseCase
from ml_platform.errors import ModelUnusableError, StorageError
from ml_platform.evaluation.baseline import Baseline
from ml_platform.evaluation.distances import systematic_sample
from ml_platform.evaluation.task import BINARY, Task
from ml_platform.serving.component import Deployment, DriftMonitor
from ml_platform.serving.contract import predictions_contract
from ml_platform.serving.drift import Columns, DriftReference, Kind, columns_of, excess_losses, reference_columns
from ml_platform.serving.rungs import load_model
from ml_platform.serving.scoring import score_by_day
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.tables import TableStore
from ml_platform.tracking.models import TabularModel
from ml_platform.tracking.registry import RegisteredModel
from ml_platform.tracking.trainings import RESULT, result_path


class _Read(BaseModel):
    table: str
    version: int
    left_out_days: tuple[str, ...] = ()


class _Inputs(BaseModel):
    features: _Read
    labels: _Read


class _Windows(BaseModel):
    holdout_start: dt.date


class _Learnt(BaseModel):
    """Of the record of a training, what it learnt from."""

    features: tuple[str, ...]
    inputs: _Inputs
    windows: _Windows
    baselines: tuple[Baseline, ...]


@dataclass(frozen=True)
class References:
    """The references of the versions of one deployment; each is read once."""

    artifacts: ObjectStore
    tables: TableStore
    monitor: DriftMonitor
    columns: Columns
    label: str
    known: dict[str, DriftReference] = field(default_factory=dict, repr=False)

    def of(self, version: RegisteredModel) -> DriftReference:
        """The reference of a version, made now if nobody has made it.

        Raises:
            ModelUnusableError: its training record does not lead to enough days.
            ObjectCorruptError: its bytes are not the registered ones.
        """
        if version.fingerprint not in self.known:
            self.known[version.fingerprint] = self._kept(version)
        return self.known[version.fingerprint]

    def _kept(self, version: RegisteredModel) -> DriftReference:
        path = _path(version, self.monitor)
        try:
            return DriftReference.model_validate_json(self.artifacts.read(path))
        except (FileNotFoundError, ValidationError):
            made = self._made(version)
        self.artifacts.write(path, made.model_dump_json().encode())
        return made

    def _made(self, version: RegisteredModel) -> DriftReference:
        learnt = self._learnt(version)
        read = learnt.inputs.features
        rows = self._rows(version, read, list(dict.fromkeys((*self.columns.keys, self.columns.day, *learnt.features))))
        sample = systematic_sample(rows, self.columns.day, self.monitor.rows_per_day, self.columns.keys)
        kinds: dict[str, Kind] = dict.fromkeys(learnt.features, "feature")
        kinds |= dict.fromkeys(self.columns.predictions, "prediction")
        model = load_model(version, self.artifacts)
        found = reference_columns(self._predicted(version, model, sample), self.columns.day, kinds, self.monitor.bins)
        baseline = _baseline(learnt, self.monitor.baseline)
        labels = self._rows(version, learnt.inputs.labels, [*self.columns.keys, self.label])
        holdout = rows.filter(pl.col(self.columns.day) >= learnt.windows.holdout_start)
        losses = excess_losses(self._predicted(version, model, holdout), labels, self.columns, self.label, baseline)
        return DriftReference(
            table=read.table,
            table_version=read.version,
            first_day=rows[self.columns.day].min(),
            last_day=rows[self.columns.day].max(),
            columns=found.columns,
            drifts=found.drifts,
            losses=tuple(losses["excess_loss"]),
            baseline=baseline,
        )

    def _learnt(self, version: RegisteredModel) -> _Learnt:
        path = result_path(version.uri, version.fingerprint)
        try:
            return _Learnt.model_validate_json(self.artifacts.read(path))
        except FileNotFoundError as error:
            raise ModelUnusableError(f"the training record of {version.name} {version.version} is gone") from error
        except ValidationError as error:
            raise ModelUnusableError(
                f"the training record of {version.name} {version.version} does not say what it learnt from"
            ) from error

    def _rows(self, version: RegisteredModel, read: _Read, columns: list[str]) -> pl.DataFrame:
        """Rows of the days before the as-of month in the version of the table that training read."""
        try:
            published = self.tables.partitions(read.table, read.version)
            days = [day for day in published if day < version.as_of.isoformat() and day not in read.left_out_days]
            if len(days) < self.monitor.fewest_reference_days:
                raise ModelUnusableError(
                    f"{version.name} {version.version} learnt from {len(days)} days, "
                    f"{self.monitor.fewest_reference_days} are needed to compare with"
                )
            return self.tables.scan(read.table, version=read.version, partitions=days).select(columns).collect()
        except StorageError as error:
            raise ModelUnusableError(
                f"what {version.name} {version.version} learnt from is gone: {error.what}"
            ) from error

    def _predicted(self, version: RegisteredModel, model: TabularModel, rows: pl.DataFrame) -> pl.DataFrame:
        """`rows` with the predictions of the version."""
        champions = dict.fromkeys(rows[self.columns.day].unique(), version)
        predictions = score_by_day(
            rows, champions, lambda _: model, day_column=self.columns.day, keys=self.columns.keys
        )
        return rows.join(
            predictions.select(*self.columns.keys, *self.columns.predictions), on=list(self.columns.keys), how="inner"
        )


def references(
    use_case: UseCase, deployment: Deployment, artifacts: ObjectStore, tables: TableStore, task: Task = BINARY
) -> References:
    """The references of a deployment that watches for drift."""
    predicted = deployment.predictions
    contract = predictions_contract(use_case.resolve(predicted.contract), predicted.row, task)
    columns = columns_of(contract, predicted.partition_column)
    return References(artifacts, tables, deployment.drift or DriftMonitor(), columns, deployment.quality.label_column)


def _path(version: RegisteredModel, monitor: DriftMonitor) -> str:
    """Another configuration, other code or other libraries give another reference."""
    recipe = Recipe.of(
        reference_columns, excess_losses, bins=monitor.bins, rows=monitor.rows_per_day, baseline=monitor.baseline
    )
    made_from = recipe.made_from({"": version.fingerprint})[""]
    return f"{result_path(version.uri, version.fingerprint).removesuffix(RESULT)}drift_{made_from[:16]}.json"


def _baseline(learnt: _Learnt, name: str | None) -> Baseline | None:
    found = {each.name: each for each in learnt.baselines}
    if name is not None and name not in found:
        raise ModelUnusableError(f"there is no baseline '{name}' in its training record, only {', '.join(found)}")
    return found[name] if name is not None else None
