"""The suite that every trainer passes."""

import hashlib
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.errors import DefinitionError
from ml_platform.tracking.models import TabularModel, dumps, loads, predict_probability
from ml_platform.training.trainers import TRAINERS, FitPlan, TrainerName, check_parameters, trainer_named, training_data
from ml_platform_tests.training.scenario import FEATURES, departures, departures_to_learn

IN_ANOTHER_PROCESS = """
import hashlib
import sys
from ml_platform.tracking.models import dumps
from ml_platform.training.trainers import FitPlan, trainer_named
from ml_platform_tests.training.scenario import departures_to_learn
for name in sys.argv[1:]:
    model = trainer_named(name).fit(departures_to_learn(), FitPlan(iterations=12, seed=1))
    print(hashlib.sha256(dumps(model)).hexdigest())
"""
every_trainer = pytest.mark.parametrize("trainer", TRAINERS)


def fitted(trainer: TrainerName, iterations: int, resume: TabularModel | None = None, threads: int = 1) -> TabularModel:
    plan = FitPlan(iterations=iterations, seed=1, threads=threads)
    return trainer_named(trainer).fit(departures_to_learn(), plan, resume)


def reloaded(model: TabularModel) -> TabularModel:
    data = dumps(model)
    return loads(data, hashlib.sha256(data).hexdigest())


@every_trainer
@given(st.lists(st.integers(1, 12), min_size=1, max_size=3))
@settings(max_examples=8, deadline=None)
def test_continuing_equals_never_having_stopped(trainer: TrainerName, stops: list[int]) -> None:
    model = None
    for iterations in [*sorted(set(stops) - {12}), 12]:
        model = fitted(trainer, iterations, model)
    assert model is not None
    assert dumps(model) == dumps(fitted(trainer, 12))


@every_trainer
def test_continuing_a_saved_model_equals_never_having_stopped(trainer: TrainerName) -> None:
    assert dumps(fitted(trainer, 12, reloaded(fitted(trainer, 5)))) == dumps(fitted(trainer, 12))


@every_trainer
def test_continuing_leaves_the_earlier_model_as_it_was(trainer: TrainerName) -> None:
    earlier = fitted(trainer, 5)
    before = dumps(earlier)
    fitted(trainer, 12, earlier)
    assert dumps(earlier) == before


@every_trainer
def test_more_iterations_make_another_model(trainer: TrainerName) -> None:
    assert dumps(fitted(trainer, 11)) != dumps(fitted(trainer, 12))


@every_trainer
def test_threads_change_nothing(trainer: TrainerName) -> None:
    assert dumps(fitted(trainer, 12, threads=2)) == dumps(fitted(trainer, 12, threads=1))


@every_trainer
@given(iterations=st.integers(1, 12), seed=st.integers(0, 2**32 - 1), carrier=st.text(max_size=3))
@settings(max_examples=6, deadline=None)
def test_a_saved_model_predicts_what_it_predicted(
    trainer: TrainerName, iterations: int, seed: int, carrier: str
) -> None:
    unknown = pl.when(pl.col("hour") == 9).then(pl.lit(carrier)).otherwise("carrier").alias("carrier")
    model, frame = fitted(trainer, iterations), departures(days=20, seed=seed).with_columns(unknown)
    assert np.array_equal(predict_probability(reloaded(model), frame), predict_probability(model, frame))


def test_another_process_makes_the_same_bytes() -> None:
    command = [sys.executable, "-c", IN_ANOTHER_PROCESS, *TRAINERS]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert found == [hashlib.sha256(dumps(fitted(trainer, 12))).hexdigest() for trainer in TRAINERS]


@every_trainer
def test_unknown_and_missing_values_are_scored(trainer: TrainerName) -> None:
    strange = departures(days=1).with_columns(carrier=pl.lit("ZZ"), wind=pl.lit(None, dtype=pl.Float64))
    scores = predict_probability(fitted(trainer, 12), strange)
    assert ((scores > 0) & (scores < 1)).all()


@every_trainer
def test_the_model_learns(trainer: TrainerName) -> None:
    frame = departures(seed=1)
    scores = predict_probability(fitted(trainer, 12), frame)
    assert scores[frame["is_late"].to_numpy()].mean() > scores[~frame["is_late"].to_numpy()].mean() + 0.1


def test_features_that_cannot_be_used_are_all_named() -> None:
    frame = departures(days=1).drop("wind")
    with pytest.raises(DefinitionError, match=r"2 of 5 features cannot be used: wind, service_date \(Date\)"):
        training_data(frame, [*FEATURES, "service_date"], "is_late")


def test_a_parameter_that_the_trainer_does_not_have_is_named_with_those_it_has() -> None:
    with pytest.raises(DefinitionError, match=r"no parameter 'leaves'.*max_leaf_nodes"):
        check_parameters("hist_gradient_boosting", {"leaves", "learning_rate"})
