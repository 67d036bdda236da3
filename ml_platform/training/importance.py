"""Permutation importance: how much worse a model gets when one feature is shuffled.

Belongs here: what a model relies on. Does not: drawing it (`plots`).
"""

from collections.abc import Iterator

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from threadpoolctl import threadpool_limits

from ml_platform.evaluation.scores import value_of
from ml_platform.tracking.models import TabularModel, predict_matrix
from ml_platform.training.trainers import TrainingData

SAMPLED_ROWS = 3000


class Importance(BaseModel):
    """What shuffling one feature costs."""

    model_config = ConfigDict(frozen=True)

    feature: str = Field(description="The feature.")
    loss_increase: float = Field(description="Loss of the task with the feature shuffled, less the loss.")


def permutation_importance(model: TabularModel, data: TrainingData, seed: int, threads: int = 1) -> list[Importance]:
    """The features by descending importance, on at most 3000 random rows; under a second for 50 features."""
    with threadpool_limits(threads):
        return sorted(_measured(model, data, seed), key=lambda each: (-each.loss_increase, each.feature))


def _measured(model: TabularModel, data: TrainingData, seed: int) -> Iterator[Importance]:
    random = np.random.default_rng(seed)
    rows = random.permutation(len(data.labels))[:SAMPLED_ROWS]
    matrix, labels, task = data.matrix[rows], data.labels[rows], model.task
    unshuffled = value_of(task.type.loss, labels, predict_matrix(model, matrix), task)
    for column, feature in enumerate(data.features):
        shuffled = matrix.copy()
        shuffled[:, column] = random.permutation(shuffled[:, column])
        loss = value_of(task.type.loss, labels, predict_matrix(model, shuffled), task)
        yield Importance(feature=feature, loss_increase=loss - unshuffled)
