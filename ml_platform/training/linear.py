"""Linear models on standardized features, by stochastic gradient descent; an iteration is one pass over the rows.

Belongs here: passes that go on where others stopped. Does not: the protocol (`trainers`).
"""

import copy
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from threadpoolctl import threadpool_limits

from ml_platform.evaluation.task import TaskKind
from ml_platform.tracking.models import OFFSETS, TabularModel
from ml_platform.training.trainers import BuiltIn, FitPlan, TrainingData

LINEAR_TASKS: dict[str, tuple[TaskKind, ...]] = {
    "sgd_logistic": ("binary", "multiclass"),
    "sgd_linear": ("regression", "forecast"),
}


class SgdParameters(BaseModel):
    """What may be set or searched for a linear model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    alpha: float = Field(default=1e-4, gt=0.0, description="Strength of the L2 penalty.")


class SgdLinear:
    """Logistic or least-squares regression, missing values at the mean.

    The interval of a forecast is as wide everywhere: its ends are quantiles of the errors on the rows learnt from.
    """

    parameter_names = frozenset(SgdParameters.model_fields)

    def __init__(self, name: BuiltIn) -> None:
        """Fit the tasks of the trainer of that name."""
        self.name, self.tasks = name, LINEAR_TASKS[name]

    def fit(self, data: TrainingData, plan: FitPlan, resume: TabularModel | None = None) -> TabularModel:
        """The model after the planned number of passes."""
        is_forecast = data.task.kind == "forecast"
        with threadpool_limits(plan.threads):
            if resume is None:
                pipeline = self._started(data, plan)
            else:
                pipeline = copy.deepcopy(resume.estimator["prediction"] if is_forecast else resume.estimator)
            prepared = pipeline[:-1].transform(data.matrix)
            for _ in range(resume.iterations if resume else 0, plan.iterations):
                pipeline[-1].partial_fit(prepared, data.labels, **classes_of(data))
            estimator: Any = pipeline
            if is_forecast:
                errors = data.labels - pipeline[-1].predict(prepared)
                estimator = {"prediction": pipeline, OFFSETS: offsets(errors, data)}
        return data.model(self.name, estimator, plan.iterations)

    def _started(self, data: TrainingData, plan: FitPlan) -> Any:
        from sklearn.impute import SimpleImputer
        from sklearn.linear_model import SGDClassifier, SGDRegressor
        from sklearn.pipeline import Pipeline
        from sklearn.preprocessing import StandardScaler

        parameters = SgdParameters.model_validate(plan.parameters).model_dump()
        if self.name == "sgd_logistic":
            step = ("logistic", SGDClassifier(loss="log_loss", random_state=plan.seed, **parameters))
        else:
            step = ("linear", SGDRegressor(random_state=plan.seed, **parameters))
        imputer = SimpleImputer(keep_empty_features=True)
        scaler = StandardScaler().fit(imputer.fit_transform(data.matrix))
        return Pipeline([("impute", imputer), ("scale", scaler), step])


def offsets(errors: Any, data: TrainingData) -> Any:
    """What the ends of an interval are away from the value: quantiles of the errors, and nothing for the value."""
    lower, _, upper = data.task.levels
    low, high = np.quantile(errors, (lower, upper))
    return np.array([min(low, 0.0), 0.0, max(high, 0.0)])


def classes_of(data: TrainingData) -> dict[str, Any]:
    """All classes that there may be, for an estimator that sees the rows bit by bit."""
    if data.task.kind == "binary":
        return {"classes": np.array([False, True])}
    return {"classes": np.arange(len(data.task.classes))} if data.task.kind == "multiclass" else {}
