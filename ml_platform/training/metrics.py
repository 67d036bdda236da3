"""Scores that a report or a gate must not go on without: one that is not defined is an error instead of a nan.

Belongs here: insisting on a score. Does not: its arithmetic (`evaluation.scores`), its uncertainty (`intervals`) or its
meaning (`gate`).
"""

import numpy as np
from numpy.typing import NDArray

from ml_platform.errors import NotEnoughDataError
from ml_platform.evaluation.scores import value_of
from ml_platform.evaluation.task import BINARY, RANKINGS, FloatArray, MetricName, Outcomes, Task

IntArray = NDArray[np.int64]


def is_defined(metric: MetricName, outcomes: Outcomes) -> bool:
    """True if these outcomes allow the metric: a ranking needs both classes, all others a row."""
    if metric in RANKINGS:
        return bool(outcomes.any()) and not bool(outcomes.all())
    return len(outcomes) > 0


def score(metric: MetricName, outcomes: Outcomes, predicted: FloatArray, task: Task = BINARY) -> float:
    """The metric of that name.

    Raises:
        NotEnoughDataError: no rows, or a ranking metric of labels that are all alike.
    """
    if not is_defined(metric, outcomes):
        raise NotEnoughDataError(
            f"{metric} is not defined on these rows",
            expected="true and false labels" if metric in RANKINGS else "a row or more",
            got=f"{int(outcomes.sum())} true of {len(outcomes)}" if metric in RANKINGS else "none",
            remedy="Take a longer window or a larger slice",
        )
    return value_of(metric, outcomes, predicted, task)
