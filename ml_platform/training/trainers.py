"""Trainers: estimators that can be fitted a bit, saved, and fitted further as if they had never stopped.

A built-in trainer has to pass the suite that all of them pass: continuing equals never having stopped,
before and after saving, with any number of threads, for each task that it can fit.

Belongs here: the protocol, and the data behind a fit. Does not: choosing parameters (`search`), checkpoints (`fit`), or
fitting one kind of estimator (`boosting`, `linear`, `estimators`).
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, Protocol, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ml_platform.errors import DefinitionError
from ml_platform.evaluation.task import BINARY, Outcomes, Task, TaskKind
from ml_platform.tracking.models import TabularModel, encode, learn_categories

BuiltIn = Literal["hist_gradient_boosting", "sgd_logistic", "sgd_linear"]
BUILT_IN: tuple[BuiltIn, ...] = get_args(BuiltIn)
ParameterValue = int | float | str | bool
ParameterValues = dict[str, ParameterValue]


def _is_built_in_or_path(name: str) -> str:
    if name not in BUILT_IN and "." not in name:
        raise ValueError(f"there is no trainer '{name}': it is one of {', '.join(BUILT_IN)}, or an import path")
    return name


TrainerName = Annotated[str, AfterValidator(_is_built_in_or_path)]
"""A built-in trainer, or the import path of an estimator's class or of a function that makes one."""


class TrainingData(NamedTuple):
    """Labelled rows as an estimator reads them; missing and unknown values are nan."""

    features: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]
    matrix: NDArray[np.float32]
    labels: Outcomes
    task: Task = BINARY

    def model(self, trainer: TrainerName, estimator: Any, iterations: int) -> TabularModel:
        """An estimator fitted on these data, with what is needed to score a frame."""
        return TabularModel(estimator, self.features, self.categories, trainer, iterations, self.task)


class FitPlan(BaseModel):
    """What a fit follows from, besides the data."""

    model_config = ConfigDict(frozen=True)

    parameters: ParameterValues = Field(default_factory=dict, description="Parameters that differ from the defaults.")
    iterations: int = Field(ge=1, description="Iterations in all, those of a resumed fit included.")
    seed: int = Field(default=0, description="Seed of everything random in the fit.")
    threads: int = Field(default=1, ge=1, description="Threads; they change the time, never the result.")


class Trainer(Protocol):
    """Fits a model up to a number of iterations, from the start or from where another fit stopped."""

    @property
    def tasks(self) -> tuple[TaskKind, ...]:
        """The kinds of task that it can fit."""
        ...

    @property
    def parameter_names(self) -> frozenset[str]:
        """What may be set or searched."""
        ...

    def fit(self, data: TrainingData, plan: FitPlan, resume: TabularModel | None = None) -> TabularModel:
        """The model after the planned iterations in all; `resume` is left as it is."""
        ...


def training_data(frame: pl.DataFrame, features: Sequence[str], label: str, task: Task = BINARY) -> TrainingData:
    """The frame's rows, all labelled, with the known values of its text columns.

    Raises:
        DefinitionError: naming every feature that is missing or of a type that cannot be encoded, or a label that does
            not fit the task.
    """
    unusable = [name if kind is None else f"{name} ({kind})" for name, kind in _unusable(frame, features)]
    if unusable:
        raise DefinitionError(
            f"{len(unusable)} of {len(features)} features cannot be used: {', '.join(unusable)}",
            expected="columns that are there and hold numbers, booleans or text",
            remedy="Make the column in the feature function, or take it out of `features` in training/defs.yaml",
        )
    categories = learn_categories(frame, features)
    labels = task.outcomes(frame.get_column(label))
    return TrainingData(tuple(features), categories, encode(frame, features, categories), labels, task)


def _unusable(frame: pl.DataFrame, features: Sequence[str]) -> list[tuple[str, pl.DataType | None]]:
    kinds = [(name, frame.schema.get(name)) for name in features]
    return [
        (n, kind) for n, kind in kinds if kind is None or not (kind.is_numeric() or kind in (pl.Boolean, pl.String))
    ]
