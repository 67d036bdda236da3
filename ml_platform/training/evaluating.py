"""A trained model against the days that it has not seen, and against the champion.

Belongs here: reading the holdout and the test month, scoring them, asking the questions of the gate. Does not:
registering.
"""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from ml_platform.errors import NotEnoughDataError, PartitionNotPublishedError
from ml_platform.storage.objects import ObjectStore
from ml_platform.storage.tables import TableStore
from ml_platform.tracking.models import TabularModel, encode, loads, predict
from ml_platform.training.config import ModelConfig
from ml_platform.training.evaluation import EvaluatedRows, evaluate, evaluated_rows
from ml_platform.training.gate import (
    GateDecision,
    Reason,
    beats_baselines,
    decide,
    is_not_worse_on_any_slice,
    is_not_worse_than_champion,
    made_from_degraded,
    saved_model_scores_the_same,
)
from ml_platform.training.importance import permutation_importance
from ml_platform.training.plots import importance_plot, pictures_of
from ml_platform.training.records import Inputs, ModelEvaluation, TrainedModel
from ml_platform.training.splits import select
from ml_platform.training.trainers import TrainingData
from ml_platform.training.training_set import read_rows


class EvaluationReport(NamedTuple):
    """The report and its pictures, as PNG by name."""

    report: ModelEvaluation
    pictures: dict[str, bytes]


class ModelAt(NamedTuple):
    """Where the bytes of a model are, and their hash."""

    uri: str
    sha256: str


def evaluate_model(
    tables: TableStore, artifacts: ObjectStore, config: ModelConfig, model: TrainedModel, current: Inputs
) -> EvaluationReport:
    """The holdout as the model's own tables have it, and the as-of month as `current` has it.

    Raises:
        ObjectCorruptError: the model's bytes are not those that were saved.
        NotEnoughDataError: the holdout has too few labelled rows.
    """
    saved = read_model(artifacts, model.uri)
    fitted = loads(saved, model.sha256)
    holdout = _scored(holdout_rows(tables, config, model), fitted, config)
    tested = _scored_test(tables, config, model, fitted, current)
    report = ModelEvaluation(
        as_of=model.as_of,
        model_sha256=model.sha256,
        tested_on=current,
        holdout=evaluate("holdout", holdout, config.labels, model.baselines, config.report.slices),
        test=tested and evaluate("test", tested, config.labels, model.baselines, config.report.slices),
        importances=tuple(permutation_importance(fitted, _encoded(holdout, fitted), config.seed)),
        reasons=(
            beats_baselines(holdout, model.baselines, config.gate),
            saved_model_scores_the_same(saved, model.sha256, holdout.frame, holdout.scored.scores),
        ),
    )
    return EvaluationReport(report, _pictures(report, tested or holdout))


def compare_with_champion(
    tables: TableStore,
    artifacts: ObjectStore,
    config: ModelConfig,
    model: TrainedModel,
    champion: ModelAt | None,
    reasons: Sequence[Reason],
) -> GateDecision:
    """The decision of the gate: the reasons so far, and the challenger against the champion on the holdout.

    Raises:
        ObjectCorruptError: the bytes of one of the two are not those that were saved.
        DefinitionError: the champion needs a feature that the table no longer has.
    """
    frame = holdout_rows(tables, config, model)
    rows = _scored(frame, loads(read_model(artifacts, model.uri), model.sha256), config)
    scores = champion and predict(loads(read_model(artifacts, champion.uri), champion.sha256), frame)
    return decide(
        [
            *reasons,
            *made_from_degraded(model.inputs.degraded_days, config.gate),
            is_not_worse_than_champion(rows, scores, config.gate),
            is_not_worse_on_any_slice(rows, scores, config.report.slices, config.gate),
        ]
    )


def holdout_rows(tables: TableStore, config: ModelConfig, model: TrainedModel) -> pl.DataFrame:
    """The holdout in the versions that the model was trained from.

    Raises:
        NotEnoughDataError: too few labelled rows.
    """
    windows = model.windows
    found = read_rows(tables, model.inputs, config, windows.holdout_start, windows.test_start)
    return select(found.frame, "holdout", windows, config.labels, config.windows.minimum_rows)


def read_model(artifacts: ObjectStore, uri: str) -> bytes:
    """The bytes at a full URI, with the credentials of the artifacts."""
    folder, _, name = uri.rpartition("/")
    return ObjectStore(folder, artifacts.options).read(name)


def _scored_test(
    tables: TableStore, config: ModelConfig, model: TrainedModel, fitted: TabularModel, current: Inputs
) -> EvaluatedRows | None:
    """The as-of month; none while it is not published, or has too few labels for a report."""
    windows = model.windows
    try:
        found = read_rows(tables, current, config, windows.test_start, windows.test_end)
        test = select(found.frame, "test", windows, config.labels, config.windows.minimum_rows)
    except (PartitionNotPublishedError, NotEnoughDataError):
        return None
    return _scored(test, fitted, config)


def _scored(frame: pl.DataFrame, model: TabularModel, config: ModelConfig) -> EvaluatedRows:
    report = config.report
    return evaluated_rows(frame, predict(model, frame), config.labels, report.resamples, config.seed, config.task)


def _encoded(rows: EvaluatedRows, model: TabularModel) -> TrainingData:
    matrix = encode(rows.frame, model.features, model.categories)
    return TrainingData(model.features, model.categories, matrix, rows.scored.labels, model.task)


def _pictures(report: ModelEvaluation, shown: EvaluatedRows) -> dict[str, bytes]:
    return {
        **pictures_of((report.test or report.holdout).calibration, shown.scored),
        "importance": importance_plot(report.importances, shown.scored.task.type.loss),
    }
