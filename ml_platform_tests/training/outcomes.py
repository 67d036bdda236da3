"""A toy world of every task type: the departures, with a label of each kind that follows from the same two columns."""

import numpy as np
import polars as pl

from ml_platform.evaluation.task import Task, TaskKind
from ml_platform.training.trainers import TrainingData, training_data
from ml_platform_tests.training.scenario import FEATURES, departures

LABEL = "outcome"
TASKS: dict[TaskKind, Task] = {
    "binary": Task(),
    "multiclass": Task(kind="multiclass", classes=("early", "late", "very late")),
    "regression": Task(kind="regression", unit="minutes"),
    "forecast": Task(kind="forecast", coverage=0.8, unit="minutes"),
}
FOREST = "sklearn.ensemble.RandomForest"
PIPELINE = f"{__name__}.ordinal_and_one_hot"
TRAINERS: dict[str, tuple[TaskKind, ...]] = {
    "hist_gradient_boosting": ("binary", "multiclass", "regression", "forecast"),
    "sgd_logistic": ("binary", "multiclass"),
    "sgd_linear": ("regression", "forecast"),
    f"{FOREST}Classifier": ("binary",),
    f"{FOREST}Regressor": ("forecast",),
    "sklearn.naive_bayes.GaussianNB": ("multiclass",),
    PIPELINE: ("regression", "forecast"),
}
"""What the suite is passed by: the built-in trainers, estimators at an import path, and a pipeline with encoders."""
PARAMETERS: dict[str, dict[str, int | float | str | bool]] = {
    f"{FOREST}Classifier": {"n_estimators": 5, "min_samples_leaf": 10},
    f"{FOREST}Regressor": {"n_estimators": 3},
}
IN_PASSES = ("hist_gradient_boosting", "sgd_logistic", "sgd_linear")
"""Trainers that further iterations change."""


def labelled(kind: TaskKind, days: int = 20, seed: int = 0) -> pl.DataFrame:
    """Departures, 20 a day, with the label of that kind as `outcome`: late hours and wind make it true, later, more."""
    frame = departures(days=days, seed=seed)
    noise = pl.Series(np.random.default_rng(seed).normal(0, 5, frame.height))
    minutes = 4.0 * (pl.col("hour") - 14) + pl.col("wind").fill_nan(10.0) + noise
    classes = pl.when(minutes < 0).then(pl.lit("early")).when(minutes < 20).then(pl.lit("late"))
    labels: dict[TaskKind, pl.Expr] = {
        "binary": minutes > 10,
        "multiclass": classes.otherwise(pl.lit("very late")),
        "regression": minutes,
        "forecast": minutes,
    }
    return frame.with_columns(labels[kind].alias(LABEL))


def to_learn(kind: TaskKind, frame: pl.DataFrame | None = None) -> TrainingData:
    """The labelled departures, as an estimator reads them."""
    return training_data(labelled(kind) if frame is None else frame, FEATURES, LABEL, TASKS[kind])


def ordinal_and_one_hot(
    features: tuple[str, ...], categories: dict[str, tuple[str, ...]], alpha: float = 1.0
) -> object:
    """What a use case would write: a regression on hours in order and carriers one by one, beside the numbers."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

    text = [features.index(name) for name in categories]
    hour = [features.index("hour")]
    others = [place for place in range(len(features)) if place not in (*text, *hour)]
    encoder = ColumnTransformer(
        [
            ("text", OneHotEncoder(handle_unknown="ignore", sparse_output=False), text),
            (
                "hour",
                OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1),
                hour,
            ),
            ("others", SimpleImputer(keep_empty_features=True), others),
        ]
    )
    return Pipeline([("encode", encoder), ("ridge", Ridge(alpha=alpha))])
