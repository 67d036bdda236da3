"""Intervals of a forecast, widened until they hold the share that they are to hold, on rows that were not learnt from.

This is conformalized quantile regression (Romano, Patterson and Candès, 2019), with the misses told as shares of the
interval's own width (Sesia and Candès, 2020): where little varies, little is added. It holds as long as the days to
come are like those that it was measured on; a trend is not made up for.

Belongs here: the share, and the model that has it. Does not: which rows tell it (`training_run`).
"""

import math
from dataclasses import replace

import numpy as np

from ml_platform.evaluation.task import LOWER, UPPER, FloatArray, Outcomes, Task
from ml_platform.tracking.models import WIDENED_BY, TabularModel

_NARROWEST = 0.01
"""Width below which an interval counts as this share of the mean width: an interval without width has no shares."""


def share_to_widen_by(predicted: FloatArray, outcomes: Outcomes, task: Task) -> float:
    """Share of its width by which each end of an interval moves out, so that `task.coverage` of the outcomes are held.

    `predicted` has shape (rows, 3). The share is negative where the intervals hold more than they are to hold.
    """
    widths = predicted[:, UPPER] - predicted[:, LOWER]
    if not widths.any():
        return 0.0
    missed = np.maximum(predicted[:, LOWER] - outcomes, outcomes - predicted[:, UPPER])
    shares = np.sort(missed / np.maximum(widths, _NARROWEST * widths.mean()))
    held = math.ceil((len(shares) + 1) * task.coverage)  # one more than the rows told, for the row that is to come
    return float(shares[min(held, len(shares)) - 1])


def widened(model: TabularModel, share: float) -> TabularModel:
    """The forecast model with its intervals widened; it cannot be fitted further."""
    return replace(model, estimator={**model.estimator, WIDENED_BY: share})
