"""Permutation importance: how much worse a model gets when one feature is shuffled.

Belongs here: what a model relies on. Does not: drawing it (`plots`).
"""

from collections.abc import Iterator

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from threadpoolctl import threadpool_limits

from ml_platform.evaluation.metrics import log_loss
from ml_platform.tracking.models import TabularModel
from ml_platform.training.trainers import TrainingData

SAMPLED_ROWS = 3000


class Importance(BaseModel):
    """What shuffling one feature costs."""

    model_config = ConfigDict(frozen=True)

    feature: str = Field(description="The feature.")
    log_loss_increase: float = Field(description="Log loss with the feature shuffled less log loss, nats.")


def permutation_importance(model: TabularModel, data: TrainingData, seed: int, threads: int = 1) -> list[Importance]:
    """The features by descending importance, on at most 3000 random rows; under a second for 50 features."""
    with threadpool_limits(threads):
        return sorted(_measured(model, data, seed), key=lambda each: (-each.log_loss_increase, each.feature))


def _measured(model: TabularModel, data: TrainingData, seed: int) -> Iterator[Importance]:
    random = np.random.default_rng(seed)
    rows = random.permutation(len(data.labels))[:SAMPLED_ROWS]
    matrix, labels = data.matrix[rows], data.labels[rows]
    unshuffled = log_loss(labels, model.estimator.predict_proba(matrix)[:, 1])
    for column, feature in enumerate(data.features):
        shuffled = matrix.copy()
        shuffled[:, column] = random.permutation(shuffled[:, column])
        loss = log_loss(labels, model.estimator.predict_proba(shuffled)[:, 1])
        yield Importance(feature=feature, log_loss_increase=loss - unshuffled)
