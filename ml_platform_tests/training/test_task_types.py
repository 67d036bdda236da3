"""Training of every task type goes one way: the same steps, checks and records, with the scores of its kind."""

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from ml_platform.errors import DefinitionError
from ml_platform.evaluation.task import TaskKind
from ml_platform.settings import Settings
from ml_platform.storage.location import StorageLocation
from ml_platform.storage.tables import TableStore
from ml_platform.tracking.models import WIDENED_BY, loads
from ml_platform.training.baselines import BaselineConfig, fit_baseline
from ml_platform.training.evaluating import read_model
from ml_platform.training.evaluation import evaluated_rows
from ml_platform.training.gate import GateConfig, beats_baselines
from ml_platform.training.pipeline import build_pipeline
from ml_platform.training.records import ModelEvaluation, TrainedModel
from ml_platform.training.splits import LabelColumns
from ml_platform.training.training_run import training_code
from ml_platform_tests.training.outcomes import LABEL, TASKS, labelled
from ml_platform_tests.training.scenario import FEATURES, toy_model, toy_use_case
from ml_platform_tests.training.test_pipeline import checks, train

COLUMNS = LabelColumns(label=LABEL, day="service_date", known_at="known_at")
MONTH = "2013-03-01"
PICTURES = {
    "multiclass": {"calibration", "confusion", "importance"},
    "forecast": {"calibration", "intervals", "importance"},
}


def publish(tables: TableStore, kind: TaskKind) -> None:
    """Features and labels of 100 days, a partition for each."""
    key = ["service_date", "flight"]
    rows = labelled(kind, days=100).with_columns(flight=pl.int_range(pl.len()).over("service_date"))
    days = [str(day) for day in rows["service_date"].unique().sort()]
    tables.publish("toy/features", rows.select(*key, *FEATURES), days, key="service_date", sort_by=key)
    tables.publish("toy/labels", rows.select(*key, LABEL, "known_at"), days, key="service_date", sort_by=key)


@pytest.mark.parametrize("kind", ["multiclass", "forecast"])
def test_a_model_of_the_task_is_trained_evaluated_and_approved(tmp_path: Path, kind: TaskKind) -> None:
    settings, task = Settings(home=tmp_path), TASKS[kind]
    publish(TableStore.from_settings(settings), kind)
    config = toy_model(task=task.model_dump(), labels=COLUMNS.model_dump(), gate={"tolerance": 5.0})
    with dg.DagsterInstance.ephemeral() as instance:
        result = train(settings, instance, MONTH, config)
    assert set(checks(result).values()) == {True}
    artifacts = StorageLocation.of(settings).artifacts()
    record = artifacts.read(f"records/toy/delay_evaluation/{MONTH}.json")
    report = ModelEvaluation.model_validate_json(record)
    assert report.test is not None
    assert (set(report.test.metrics), report.test.task) == (set(task.type.metrics), task)
    model = TrainedModel.model_validate_json(artifacts.read(f"records/toy/delay_model/{MONTH}.json"))
    loaded = loads(read_model(artifacts, model.uri), model.sha256)
    assert loaded.task == task
    if kind == "forecast":
        assert loaded.estimator[WIDENED_BY] == model.widened_by != 0
    told = result.asset_materializations_for_node("toy__delay_evaluation")[-1].metadata
    assert PICTURES[kind] <= told.keys()


@pytest.mark.parametrize("kind", TASKS)
def test_a_baseline_has_the_form_of_the_task(kind: TaskKind) -> None:
    frame, task = labelled(kind), TASKS[kind]
    baseline = fit_baseline(BaselineConfig(name="hourly", by=("hour",)), frame, LABEL, task)
    predicted = baseline.predict(frame)
    assert predicted.shape[1:] == {"multiclass": (3,), "forecast": (3,)}.get(kind, ())
    assert type(baseline).model_validate_json(baseline.model_dump_json()) == baseline


def test_a_column_is_a_baseline_that_falls_back_to_its_groups() -> None:
    frame = labelled("regression").with_columns(week_ago=pl.when(pl.col("hour") > 12).then(pl.col(LABEL)))
    config = BaselineConfig(name="week_ago", by=("hour",), column="week_ago", smoothing_rows=0)
    predicted = pl.Series(fit_baseline(config, frame, LABEL, TASKS["regression"]).predict(frame))
    assert predicted.filter(frame["hour"] > 12).equals(frame.filter(pl.col("hour") > 12)[LABEL])
    means = frame.with_columns(pl.col(LABEL).mean().over("hour")).filter(pl.col("hour") <= 12)[LABEL]
    assert predicted.filter(frame["hour"] <= 12).to_list() == pytest.approx(means.to_list())


def test_the_interval_of_a_baseline_holds_the_share_on_the_rows_that_it_was_fitted_on() -> None:
    frame, task = labelled("forecast", days=50), TASKS["forecast"]
    predicted = fit_baseline(BaselineConfig(name="mean"), frame, LABEL, task).predict(frame)
    inside = (frame[LABEL].to_numpy() >= predicted[:, 0]) & (frame[LABEL].to_numpy() <= predicted[:, 2])
    assert inside.mean() == pytest.approx(task.coverage, abs=0.01)


def test_unless_a_score_is_declared_the_loss_of_the_task_decides() -> None:
    frame, task = labelled("forecast"), TASKS["forecast"]
    mean = fit_baseline(BaselineConfig(name="mean"), frame, LABEL, task)
    hourly = fit_baseline(BaselineConfig(name="hourly", by=("hour",)), frame, LABEL, task)
    rows = evaluated_rows(frame, hourly.predict(frame), COLUMNS, 200, 0, task)
    reason = beats_baselines(rows, [mean], GateConfig())
    assert reason.passed
    assert reason.detail.startswith("pinball_loss better by")


def test_a_gate_decides_by_a_score_that_the_task_has_and_that_has_a_direction() -> None:
    for metric in ("log_loss", "interval_coverage"):
        with pytest.raises(ValueError, match=f"not decided by {metric}; one of mean_absolute_error"):
            toy_model(task={"kind": "forecast"}, gate={"metric": metric})


def test_a_trainer_that_cannot_fit_the_task_is_refused_when_definitions_load() -> None:
    with pytest.raises(DefinitionError, match="'sgd_logistic' fits no regression task"):
        build_pipeline([toy_model(task={"kind": "regression"}, trainer="sgd_logistic", parameters={})], toy_use_case())


def test_a_name_that_is_no_trainer_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="no trainer 'boosting': it is one of hist_gradient_boosting"):
        toy_model(trainer="boosting")


def test_the_code_at_an_import_path_of_the_project_is_part_of_what_a_model_follows_from() -> None:
    own, library = training_code("ml_platform.training.plots.words"), training_code("statsmodels.api.OLS")
    assert own.definitions.keys() - training_code().definitions.keys() == {"ml_platform.training.plots:words"}
    assert library.packages - training_code().packages == {"statsmodels"}
    assert library.definitions == training_code().definitions
