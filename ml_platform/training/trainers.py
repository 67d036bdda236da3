"""Trainers: estimators that can be fitted a bit, saved, and fitted further as if they had never stopped.

A trainer added to `TRAINERS` has to pass the suite that all of them pass: continuing equals never having stopped,
before and after saving, with any number of threads.

Belongs here: the protocol and the estimators behind it. Does not: choosing parameters (`search`), checkpoints (`fit`).
"""

import copy
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from threadpoolctl import threadpool_limits

from ml_platform.errors import DefinitionError
from ml_platform.training.encoding import Encoding, Matrix
from ml_platform.training.metrics import BoolArray
from ml_platform.training.models import FittedModel

TrainerName = Literal["hist_gradient_boosting", "sgd_logistic"]
ParameterValue = int | float | str | bool
ParameterValues = dict[str, ParameterValue]


class TrainingData(NamedTuple):
    """Encoded features and labels of the same rows."""

    encoding: Encoding
    features: Matrix
    labels: BoolArray


class FitPlan(BaseModel):
    """What a fit follows from, besides the data."""

    model_config = ConfigDict(frozen=True)

    parameters: ParameterValues = Field(default_factory=dict, description="Parameters that differ from the defaults.")
    iterations: int = Field(ge=1, description="Iterations in all, those of a resumed fit included.")
    seed: int = Field(0, description="Seed of everything random in the fit.")
    threads: int = Field(1, ge=1, description="Threads; they change the time, never the result.")


class Trainer(Protocol):
    """Fits a model up to a number of iterations, from the start or from where another fit stopped."""

    parameters: type[BaseModel]

    def fit(self, data: TrainingData, plan: FitPlan, resume: FittedModel | None = None) -> FittedModel:
        """The model after the planned iterations in all; `resume` is left as it is."""
        ...


class HistGradientBoostingParameters(BaseModel):
    """What may be set or searched for gradient-boosted trees."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    learning_rate: float = Field(0.1, gt=0.0, le=1.0, description="Weight of each tree.")
    max_leaf_nodes: int = Field(31, ge=2, description="Leaves of a tree at most.")
    max_depth: int | None = Field(None, ge=1, description="Depth of a tree at most; unlimited unless set.")
    min_samples_leaf: int = Field(20, ge=1, description="Rows in a leaf at least.")
    l2_regularization: float = Field(0.0, ge=0.0, description="Penalty on the leaves' values.")
    max_features: float = Field(1.0, gt=0.0, le=1.0, description="Share of the features looked at for each split.")
    max_bins: int = Field(255, ge=2, le=255, description="Bins of a feature at most.")


class HistGradientBoosting:
    """scikit-learn's histogram gradient boosting; an iteration is one tree."""

    parameters: type[BaseModel] = HistGradientBoostingParameters

    def fit(self, data: TrainingData, plan: FitPlan, resume: FittedModel | None = None) -> FittedModel:
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
            estimator.fit(data.features, data.labels)
        return FittedModel("hist_gradient_boosting", data.encoding, estimator, plan.iterations)


class SgdLogisticParameters(BaseModel):
    """What may be set or searched for the logistic regression."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    alpha: float = Field(1e-4, gt=0.0, description="Strength of the L2 penalty.")


class SgdLogistic:
    """Logistic regression on standardized features, missing ones at the mean; an iteration is one pass over all rows."""

    parameters: type[BaseModel] = SgdLogisticParameters

    def fit(self, data: TrainingData, plan: FitPlan, resume: FittedModel | None = None) -> FittedModel:
        """The model after the planned number of passes."""
        with threadpool_limits(plan.threads):
            pipeline = self._started(data, plan) if resume is None else copy.deepcopy(resume.estimator)
            prepared = pipeline[:-1].transform(data.features)
            for _ in range(resume.iterations if resume else 0, plan.iterations):
                pipeline[-1].partial_fit(prepared, data.labels, classes=np.array([False, True]))
        return FittedModel("sgd_logistic", data.encoding, pipeline, plan.iterations)

    def _started(self, data: TrainingData, plan: FitPlan) -> Any:
        from sklearn.impute import SimpleImputer
        from sklearn.linear_model import SGDClassifier
        from sklearn.pipeline import Pipeline
        from sklearn.preprocessing import StandardScaler

        logistic = SGDClassifier(
            loss="log_loss", random_state=plan.seed, **_validated(self.parameters, plan.parameters)
        )
        imputer = SimpleImputer(keep_empty_features=True)
        scaler = StandardScaler().fit(imputer.fit_transform(data.features))
        return Pipeline([("impute", imputer), ("scale", scaler), ("logistic", logistic)])


TRAINERS: dict[TrainerName, Trainer] = {
    "hist_gradient_boosting": HistGradientBoosting(),
    "sgd_logistic": SgdLogistic(),
}


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
