"""Trainers: estimators that can be fitted a bit, saved, and fitted further as if they had never stopped.

A trainer added to `TRAINERS` has to pass the suite that all of them pass: continuing equals never having stopped,
before and after saving, with any number of threads.

Belongs here: the protocol and the estimators behind it. Does not: choosing parameters (`search`), checkpoints (`fit`).
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from threadpoolctl import threadpool_limits

from ml_platform.errors import DefinitionError
from ml_platform.tracking.models import TabularModel, encode, learn_categories
from ml_platform.training.metrics import BoolArray

TrainerName = Literal["hist_gradient_boosting", "sgd_logistic"]
ParameterValue = int | float | str | bool
ParameterValues = dict[str, ParameterValue]


class TrainingData(NamedTuple):
    """Labelled rows as an estimator reads them; missing and unknown values are nan."""

    features: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]
    matrix: NDArray[np.float32]
    labels: BoolArray

    def model(self, trainer: "TrainerName", estimator: Any, iterations: int) -> TabularModel:
        """An estimator fitted on these data, with what is needed to score a frame."""
        return TabularModel(estimator, self.features, self.categories, trainer, iterations)


class FitPlan(BaseModel):
    """What a fit follows from, besides the data."""

    model_config = ConfigDict(frozen=True)

    parameters: ParameterValues = Field(default_factory=dict, description="Parameters that differ from the defaults.")
    iterations: int = Field(ge=1, description="Iterations in all, those of a resumed fit included.")
    seed: int = Field(default=0, description="Seed of everything random in the fit.")
    threads: int = Field(default=1, ge=1, description="Threads; they change the time, never the result.")


class Trainer(Protocol):
    """Fits a model up to a number of iterations, from the start or from where another fit stopped."""

    parameters: type[BaseModel]

    def fit(self, data: TrainingData, plan: FitPlan, resume: TabularModel | None = None) -> TabularModel:
        """The model after the planned iterations in all; `resume` is left as it is."""
        ...


class HistGradientBoostingParameters(BaseModel):
    """What may be set or searched for gradient-boosted trees."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    learning_rate: float = Field(default=0.1, gt=0.0, le=1.0, description="Weight of each tree.")
    max_leaf_nodes: int = Field(default=31, ge=2, description="Leaves of a tree at most.")
    max_depth: int | None = Field(default=None, ge=1, description="Depth of a tree at most; unlimited unless set.")
    min_samples_leaf: int = Field(default=20, ge=1, description="Rows in a leaf at least.")
    l2_regularization: float = Field(default=0.0, ge=0.0, description="Penalty on the leaves' values.")
    max_features: float = Field(
        default=1.0, gt=0.0, le=1.0, description="Share of the features looked at for each split."
    )
    max_bins: int = Field(default=255, ge=2, le=255, description="Bins of a feature at most.")


class HistGradientBoosting:
    """scikit-learn's histogram gradient boosting; an iteration is one tree."""

    parameters: type[BaseModel] = HistGradientBoostingParameters

    def fit(self, data: TrainingData, plan: FitPlan, resume: TabularModel | None = None) -> TabularModel:
        """The model of the planned number of trees."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        if resume is not None:
            estimator = copy.deepcopy(resume.estimator).set_params(max_iter=plan.iterations)
        else:
            estimator = HistGradientBoostingClassifier(
                **_validated(self.parameters, plan.parameters),
                max_iter=plan.iterations,
                warm_start=True,
                early_stopping=False,
                categorical_features=None,
                random_state=plan.seed,
            )
        with threadpool_limits(plan.threads):
            estimator.fit(data.matrix, data.labels)
        estimator._bin_mapper.n_threads = None  # it remembers the threads of the fit, which are no part of the model
        return data.model("hist_gradient_boosting", estimator, plan.iterations)


class SgdLogisticParameters(BaseModel):
    """What may be set or searched for the logistic regression."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    alpha: float = Field(default=1e-4, gt=0.0, description="Strength of the L2 penalty.")


class SgdLogistic:
    """Logistic regression on standardized features, missing at the mean; an iteration is one pass over the rows."""

    parameters: type[BaseModel] = SgdLogisticParameters

    def fit(self, data: TrainingData, plan: FitPlan, resume: TabularModel | None = None) -> TabularModel:
        """The model after the planned number of passes."""
        with threadpool_limits(plan.threads):
            pipeline = self._started(data, plan) if resume is None else copy.deepcopy(resume.estimator)
            prepared = pipeline[:-1].transform(data.matrix)
            for _ in range(resume.iterations if resume else 0, plan.iterations):
                pipeline[-1].partial_fit(prepared, data.labels, classes=np.array([False, True]))
        return data.model("sgd_logistic", pipeline, plan.iterations)

    def _started(self, data: TrainingData, plan: FitPlan) -> Any:
        from sklearn.impute import SimpleImputer
        from sklearn.linear_model import SGDClassifier
        from sklearn.pipeline import Pipeline
        from sklearn.preprocessing import StandardScaler

        logistic = SGDClassifier(
            loss="log_loss", random_state=plan.seed, **_validated(self.parameters, plan.parameters)
        )
        imputer = SimpleImputer(keep_empty_features=True)
        scaler = StandardScaler().fit(imputer.fit_transform(data.matrix))
        return Pipeline([("impute", imputer), ("scale", scaler), ("logistic", logistic)])


TRAINERS: dict[TrainerName, Trainer] = {
    "hist_gradient_boosting": HistGradientBoosting(),
    "sgd_logistic": SgdLogistic(),
}


def training_data(frame: pl.DataFrame, features: Sequence[str], label: str) -> TrainingData:
    """The frame's rows, all labelled, with the known values of its text columns.

    Raises:
        DefinitionError: naming every feature that is missing or of a type that cannot be encoded.
    """
    unusable = [name if kind is None else f"{name} ({kind})" for name, kind in _unusable(frame, features)]
    if unusable:
        raise DefinitionError(
            f"{len(unusable)} of {len(features)} features cannot be used: {', '.join(unusable)}",
            expected="columns that are there and hold numbers, booleans or text",
            remedy="Make the column in the feature function, or take it out of `features` in training/defs.yaml",
        )
    categories = learn_categories(frame, features)
    labels = frame.get_column(label).to_numpy().astype(np.bool_)
    return TrainingData(tuple(features), categories, encode(frame, features, categories), labels)


def _unusable(frame: pl.DataFrame, features: Sequence[str]) -> list[tuple[str, pl.DataType | None]]:
    kinds = [(name, frame.schema.get(name)) for name in features]
    return [
        (n, kind) for n, kind in kinds if kind is None or not (kind.is_numeric() or kind in (pl.Boolean, pl.String))
    ]


def trainer_named(name: TrainerName) -> Trainer:
    """The trainer of that name."""
    return TRAINERS[name]


def check_parameters(trainer: TrainerName, names: set[str]) -> None:
    """Accept parameter names that the trainer has.

    Raises:
        DefinitionError: naming each unknown parameter and all that there are.
    """
    known = set(trainer_named(trainer).parameters.model_fields)
    unknown = sorted(names - known)
    if unknown:
        raise DefinitionError(
            f"Trainer {trainer!r} has no parameter {', '.join(map(repr, unknown))}",
            expected=f"any of {', '.join(sorted(known))}",
            remedy="Correct `parameters` or `search` in the use case's training/defs.yaml.",
        )


def _validated(parameters: type[BaseModel], values: ParameterValues) -> ParameterValues:
    return parameters.model_validate(values).model_dump()
