"""Estimators by their import path: a class with scikit-learn's interface, or a function that makes a pipeline.

A class gets its text features one-hot encoded and its numbers imputed and standardized. A function is called with the
names of the features and the known values of the text ones, and returns an unfitted estimator over the encoded matrix:
numbers as they are, text as the place of its value, what is missing or unknown as NaN. Its parameters are its other
arguments.

An estimator with `partial_fit` makes one pass an iteration. Any other is fitted whole at once: iterations change
nothing, and to go on from a checkpoint is to take it.

Belongs here: what is at a path, and how it is fitted. Does not: the protocol (`trainers`).
"""

import copy
import importlib
import inspect
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from ml_platform.errors import DefinitionError
from ml_platform.evaluation.task import TaskKind
from ml_platform.tracking.models import OFFSETS, TabularModel
from ml_platform.training.linear import classes_of, offsets
from ml_platform.training.trainers import FitPlan, ParameterValues, TrainerName, TrainingData

FOLDS = 5
_GIVEN = ("features", "categories", "random_state", "n_jobs")
"""Arguments that are not for a defs.yaml to set."""


class ImportedEstimator:
    """The estimator at an import path; the interval of a forecast comes from its errors on rows left out in turn."""

    def __init__(self, path: TrainerName) -> None:
        """Fit what is at `path`."""
        self.path = path

    @cached_property
    def made_by(self) -> Callable[..., Any]:
        """The class or function at the path.

        Raises:
            DefinitionError: there is none.
        """
        module, _, name = self.path.rpartition(".")
        try:
            found = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise DefinitionError(
                f"There is no estimator at '{self.path}'",
                expected="the import path of an estimator's class, or of a function that makes one",
                got=str(error),
                remedy="Correct `trainer` in the use case's training/defs.yaml.",
            ) from error
        made: Callable[..., Any] = found
        return made

    @property
    def tasks(self) -> tuple[TaskKind, ...]:
        """Those that its interface says; all, of a function, which may make anything."""
        if not inspect.isclass(self.made_by):
            return ("binary", "multiclass", "regression", "forecast")
        return ("binary", "multiclass") if hasattr(self.made_by, "predict_proba") else ("regression", "forecast")

    @property
    def parameter_names(self) -> frozenset[str]:
        """The arguments of the class or function."""
        return frozenset(inspect.signature(self.made_by).parameters) - {*_GIVEN}

    def fit(self, data: TrainingData, plan: FitPlan, resume: TabularModel | None = None) -> TabularModel:
        """The model after the planned number of passes, or the only one that there is."""
        is_forecast = data.task.kind == "forecast"
        with threadpool_limits(plan.threads):
            known = resume and (resume.estimator["prediction"] if is_forecast else resume.estimator)
            pipeline = self._fitted(data, plan, known, resume.iterations if resume else 0)
            estimator = pipeline
            if is_forecast:
                ends = resume.estimator[OFFSETS] if resume else offsets(self._errors(data, plan), data)
                estimator = {"prediction": pipeline, OFFSETS: ends}
        return data.model(self.path, estimator, plan.iterations)

    def _fitted(self, data: TrainingData, plan: FitPlan, known: Any, done: int) -> Any:
        pipeline = copy.deepcopy(known) if known is not None else self._unfitted(data, plan)
        if not hasattr(pipeline[-1], "partial_fit"):
            return pipeline if known is not None else pipeline.fit(data.matrix, data.labels)
        before = pipeline[:-1]
        prepared = before.transform(data.matrix) if known is not None else before.fit_transform(data.matrix)
        for _ in range(done, plan.iterations):
            pipeline[-1].partial_fit(prepared, data.labels, **classes_of(data))
        return pipeline

    def _errors(self, data: TrainingData, plan: FitPlan) -> Any:
        """The error on each row of a model that did not learn from it."""
        from sklearn.model_selection import KFold, cross_val_predict

        unseen = cross_val_predict(self._unfitted(data, plan), data.matrix, data.labels, cv=KFold(FOLDS))
        return data.labels - unseen

    def _unfitted(self, data: TrainingData, plan: FitPlan) -> Any:
        from sklearn.pipeline import Pipeline

        if inspect.isclass(self.made_by):
            return Pipeline([("encode", _encoder(data)), ("estimator", _seeded(self.made_by(**plan.parameters), plan))])
        made = _seeded(self.made_by(data.features, data.categories, **plan.parameters), plan)
        return made if isinstance(made, Pipeline) else Pipeline([("estimator", made)])


def _seeded(estimator: Any, plan: FitPlan) -> Any:
    """The estimator, with the seed of the fit wherever it takes one."""
    seeds: ParameterValues = {
        name: plan.seed for name in estimator.get_params() if name.rpartition("__")[2] == "random_state"
    }
    return estimator.set_params(**seeds)


def _encoder(data: TrainingData) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    text = [place for place, name in enumerate(data.features) if name in data.categories]
    numbers = [place for place, name in enumerate(data.features) if name not in data.categories]
    filled = Pipeline([("impute", SimpleImputer(keep_empty_features=True)), ("scale", StandardScaler())])
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.float32)
    return ColumnTransformer([("text", one_hot, text), ("numbers", filled, numbers)])
