"""The suite that every trainer passes for every task type that it fits."""

import hashlib
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.errors import DefinitionError
from ml_platform.evaluation.scores import value_of
from ml_platform.evaluation.task import TaskKind
from ml_platform.serving.answers import invalid_rows
from ml_platform.tracking.models import TabularModel, dumps, loads, predict, predict_matrix
from ml_platform.training.baselines import BaselineConfig, fit_baseline
from ml_platform.training.choosing import check_trainer, trainer_named
from ml_platform.training.trainers import BUILT_IN, FitPlan, TrainingData, training_data
from ml_platform_tests.training.outcomes import (
    IN_PASSES,
    LABEL,
    PARAMETERS,
    PIPELINE,
    TASKS,
    TRAINERS,
    labelled,
    to_learn,
)
from ml_platform_tests.training.scenario import FEATURES, departures

IN_ANOTHER_PROCESS = """
import hashlib
from ml_platform.tracking.models import dumps
from ml_platform_tests.training.test_trainers import PAIRS, fitted
for trainer, kind in PAIRS:
    print(hashlib.sha256(dumps(fitted(trainer, kind))).hexdigest())
"""
PAIRS: list[tuple[str, TaskKind]] = [(trainer, kind) for trainer, kinds in TRAINERS.items() for kind in kinds]
IDS = [f"{trainer.rpartition('.')[2]}-{kind}" for trainer, kind in PAIRS]
every_trainer_and_task = pytest.mark.parametrize(("trainer", "kind"), PAIRS, ids=IDS)


def fitted(
    trainer: str,
    kind: TaskKind,
    iterations: int = 6,
    resume: TabularModel | None = None,
    threads: int = 1,
    data: TrainingData | None = None,
) -> TabularModel:
    plan = FitPlan(iterations=iterations, seed=1, threads=threads, parameters=PARAMETERS.get(trainer, {}))
    return trainer_named(trainer).fit(to_learn(kind) if data is None else data, plan, resume)


def reloaded(model: TabularModel) -> TabularModel:
    data = dumps(model)
    return loads(data, hashlib.sha256(data).hexdigest())


@every_trainer_and_task
@given(st.lists(st.integers(1, 6), min_size=1, max_size=2))
@settings(max_examples=3, deadline=None)
def test_continuing_equals_never_having_stopped(trainer: str, kind: TaskKind, stops: list[int]) -> None:
    model = None
    for iterations in [*sorted(set(stops) - {6}), 6]:
        model = fitted(trainer, kind, iterations, model)
    assert model is not None
    assert dumps(model) == dumps(fitted(trainer, kind))


@every_trainer_and_task
def test_continuing_a_saved_model_equals_never_having_stopped(trainer: str, kind: TaskKind) -> None:
    resumed = fitted(trainer, kind, resume=reloaded(fitted(trainer, kind, 3)))
    assert dumps(resumed) == dumps(fitted(trainer, kind))


@every_trainer_and_task
def test_continuing_leaves_the_earlier_model_as_it_was(trainer: str, kind: TaskKind) -> None:
    earlier = fitted(trainer, kind, 3)
    before = dumps(earlier)
    fitted(trainer, kind, resume=earlier)
    assert dumps(earlier) == before


@pytest.mark.parametrize("trainer", IN_PASSES)
def test_more_iterations_make_another_model(trainer: str) -> None:
    kind = TRAINERS[trainer][0]
    assert dumps(fitted(trainer, kind, 5)) != dumps(fitted(trainer, kind, 6))


@every_trainer_and_task
def test_threads_change_nothing(trainer: str, kind: TaskKind) -> None:
    assert dumps(fitted(trainer, kind, threads=2)) == dumps(fitted(trainer, kind, threads=1))


@every_trainer_and_task
@given(seed=st.integers(0, 2**32 - 1), carrier=st.text(max_size=3))
@settings(max_examples=3, deadline=None)
def test_a_saved_model_predicts_what_it_predicted(trainer: str, kind: TaskKind, seed: int, carrier: str) -> None:
    unknown = pl.when(pl.col("hour") == 9).then(pl.lit(carrier)).otherwise("carrier").alias("carrier")
    model, frame = fitted(trainer, kind), departures(days=5, seed=seed).with_columns(unknown)
    assert np.array_equal(predict(reloaded(model), frame), predict(model, frame))


def test_another_process_makes_the_same_bytes() -> None:
    command = [sys.executable, "-c", IN_ANOTHER_PROCESS]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert found == [hashlib.sha256(dumps(fitted(trainer, kind))).hexdigest() for trainer, kind in PAIRS]


@every_trainer_and_task
def test_unknown_and_missing_values_are_predicted_for(trainer: str, kind: TaskKind) -> None:
    strange = departures(days=1).with_columns(carrier=pl.lit("ZZ"), wind=pl.lit(None, dtype=pl.Float64))
    predicted = predict(fitted(trainer, kind), strange)
    assert len(predicted) == strange.height
    assert invalid_rows(predicted, TASKS[kind]) == 0


@every_trainer_and_task
def test_constant_features_and_a_column_without_values_can_be_learnt_from(trainer: str, kind: TaskKind) -> None:
    frame = labelled(kind).with_columns(hour=pl.lit(7), wind=pl.lit(None, dtype=pl.Float64), is_weekend=pl.lit(True))
    predicted = predict(fitted(trainer, kind, 3, data=to_learn(kind, frame)), frame)
    assert invalid_rows(predicted, TASKS[kind]) == 0


@every_trainer_and_task
def test_rows_predicted_in_another_order_or_alone_get_the_same(trainer: str, kind: TaskKind) -> None:
    model, frame = fitted(trainer, kind), departures(days=2, seed=3)
    whole = predict(model, frame)
    assert np.allclose(predict(model, frame.reverse())[::-1], whole, rtol=1e-5, atol=1e-4)
    assert np.allclose(predict(model, frame.head(1)), whole[:1], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("kind", TASKS)
def test_trees_do_not_depend_on_the_order_of_the_rows_learnt_from(kind: TaskKind) -> None:
    frame = labelled(kind)
    shuffled = to_learn(kind, frame.sample(fraction=1, shuffle=True, seed=5))
    found = predict(fitted("hist_gradient_boosting", kind, data=shuffled), frame)
    assert np.allclose(found, predict(fitted("hist_gradient_boosting", kind), frame), rtol=1e-6)


@every_trainer_and_task
def test_the_model_beats_the_mean_on_rows_that_it_has_not_seen(trainer: str, kind: TaskKind) -> None:
    task, frame = TASKS[kind], labelled(kind, seed=1)
    outcomes = task.outcomes(frame[LABEL])
    mean = fit_baseline(BaselineConfig(name="mean"), labelled(kind), LABEL, task)
    losses = [
        value_of(task.type.loss, outcomes, predicted, task)
        for predicted in (predict(fitted(trainer, kind, 20), frame), mean.predict(frame))
    ]
    assert losses[0] < losses[1]


@pytest.mark.parametrize("trainer", [name for name, kinds in TRAINERS.items() if "forecast" in kinds])
def test_an_interval_holds_about_the_share_that_it_is_to_hold(trainer: str) -> None:
    frame, task = labelled("forecast", days=30, seed=2), TASKS["forecast"]
    predicted = predict(fitted(trainer, "forecast", 40, data=to_learn("forecast", labelled("forecast", 60))), frame)
    held = value_of("interval_coverage", task.outcomes(frame[LABEL]), predicted, task)
    assert held == pytest.approx(task.coverage, abs=0.12)


def test_a_class_that_was_never_seen_gets_no_probability() -> None:
    frame = labelled("multiclass").filter(pl.col(LABEL) != "early")
    model = fitted("hist_gradient_boosting", "multiclass", data=to_learn("multiclass", frame))
    predicted = predict(model, frame)
    assert (predicted[:, 0] == 0).all()
    assert predicted.sum(axis=1) == pytest.approx(np.ones(frame.height))


def test_a_class_that_is_not_declared_is_named() -> None:
    frame = labelled("multiclass").with_columns(pl.col(LABEL).replace("late", "lost"))
    with pytest.raises(DefinitionError, match=r"does not fit a multiclass task.*early, late, very late.*lost"):
        to_learn("multiclass", frame)


def test_no_rows_give_no_predictions_of_the_same_shape() -> None:
    model = fitted("hist_gradient_boosting", "forecast", 2)
    assert predict(model, departures(days=1).clear()).shape == (0, 3)
    assert predict_matrix(model, to_learn("forecast").matrix[:2]).shape == (2, 3)


def test_features_that_cannot_be_used_are_all_named() -> None:
    frame = departures(days=1).drop("wind")
    with pytest.raises(DefinitionError, match=r"2 of 5 features cannot be used: wind, service_date \(Date\)"):
        training_data(frame, [*FEATURES, "service_date"], "is_late")


def test_a_parameter_that_the_trainer_does_not_have_is_named_with_those_it_has() -> None:
    with pytest.raises(DefinitionError, match=r"no parameter 'leaves'.*max_leaf_nodes"):
        check_trainer("hist_gradient_boosting", TASKS["binary"], {"leaves", "learning_rate"})
    with pytest.raises(DefinitionError, match=r"no parameter 'beta'.*alpha"):
        check_trainer(PIPELINE, TASKS["regression"], {"alpha", "beta"})


def test_a_trainer_of_another_task_is_refused_with_the_tasks_it_has() -> None:
    with pytest.raises(DefinitionError, match=r"'sgd_logistic' fits no forecast task.*binary or multiclass"):
        check_trainer("sgd_logistic", TASKS["forecast"], set())


def test_an_import_path_that_leads_nowhere_is_told() -> None:
    with pytest.raises(DefinitionError, match=r"no estimator at 'sklearn.ensemble.Forest'"):
        check_trainer("sklearn.ensemble.Forest", TASKS["binary"], set())


def test_every_built_in_trainer_is_in_the_suite() -> None:
    assert set(BUILT_IN) <= set(TRAINERS)
