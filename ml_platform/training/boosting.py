"""Histogram gradient boosting, for every task type; an iteration is one tree (of each class, or of each quantile).

Belongs here: fitting trees further. Does not: the protocol (`trainers`).
"""

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from threadpoolctl import threadpool_limits

from ml_platform.evaluation.task import TaskKind
from ml_platform.tracking.models import TabularModel
from ml_platform.training.trainers import FitPlan, TrainingData


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
    """scikit-learn's histogram gradient boosting; a forecast is three of them, one for each quantile."""

    tasks: tuple[TaskKind, ...] = ("binary", "multiclass", "regression", "forecast")
    parameter_names = frozenset(HistGradientBoostingParameters.model_fields)

    def fit(self, data: TrainingData, plan: FitPlan, resume: TabularModel | None = None) -> TabularModel:
        """The model of the planned number of trees."""
        estimator: Any
        if data.task.kind == "forecast":
            names = ("lower", "prediction", "upper")
            estimator = {
                name: _grown(data, plan, resume and resume.estimator[name], loss="quantile", quantile=level)
                for name, level in zip(names, data.task.levels, strict=True)
            }
        else:
            estimator = _grown(data, plan, resume and resume.estimator)
        return data.model("hist_gradient_boosting", estimator, plan.iterations)


def _grown(data: TrainingData, plan: FitPlan, resume: Any, **loss: Any) -> Any:
    """One ensemble with the planned number of trees, grown from those that it has."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    if resume is not None:
        estimator = copy.deepcopy(resume).set_params(max_iter=plan.iterations)
    else:
        is_classifier = data.task.kind in ("binary", "multiclass")
        kind = HistGradientBoostingClassifier if is_classifier else HistGradientBoostingRegressor
        estimator = kind(
            **HistGradientBoostingParameters.model_validate(plan.parameters).model_dump(),
            **loss,
            max_iter=plan.iterations,
            warm_start=True,
            early_stopping=False,
            categorical_features=None,
            random_state=plan.seed,
        )
    with threadpool_limits(plan.threads):
        estimator.fit(_with_values(data.matrix), data.labels)
    estimator._bin_mapper.n_threads = None  # it remembers the threads of the fit, which are no part of the model
    return estimator


def _with_values(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """The matrix with zeros for a feature that is missing everywhere, which scikit-learn cannot sort into bins."""
    is_missing = np.isnan(matrix).all(axis=0)
    return np.where(is_missing, np.float32(0), matrix) if is_missing.any() else matrix
